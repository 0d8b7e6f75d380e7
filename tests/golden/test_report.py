"""Reports read by software nobody here wrote: dciodvfy, PixelMed, dsrdump, highdicom, pydicom.

Run: BUILD_DIR=<meson build folder> python -m pytest tests/golden/test_report.py. Real studies come from
CARDIOSCRIBE_SHARED or ../shared beside the checkout; without them a CT made by pydicom stands in.
"""
import datetime
import json
import os
import pathlib
import shutil
import subprocess

import pytest

pydicom = pytest.importorskip("pydicom")
hd = pytest.importorskip("highdicom")

from pydicom.dataset import FileDataset, FileMetaDataset  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("CARDIOSCRIBE_SHARED", ROOT.parent / "shared"))
PROBE = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build")) / "tests" / "golden" / "report_probe"
CODES = ROOT / "conf" / "codes.json"
CLASSES = {name: f"1.2.840.10008.5.1.4.1.1.88.{last}"
           for name, last in (("comprehensive_3d", 34), ("comprehensive", 33), ("enhanced", 22))}
JARS = [pathlib.Path("/usr/share/java") / jar
        for jar in ("pixelmed.jar", "commons-codec.jar", "javax.json-api.jar", "javax.json.jar", "vecmath.jar")]
# What dciodvfy of 2022 says of a report in order: it knows neither private schemes nor Device UID in Contributing
# Equipment (PS3.3 C.12.1.1.5), and wants for a DICOMDIR what the study itself leaves empty.
KNOWN_WARNINGS = ("Unrecognized defined term <99", "<Coding Scheme UID>", "UI Device UID",
                  "Standard Extended SOP Class", "build DICOMDIR", "Retired Person Name form")

pytestmark = pytest.mark.skipif(not PROBE.exists(), reason=f"{PROBE} is not built: set BUILD_DIR")


def made_ct(folder):
    """A CT of one slice: enough to be the source of a report."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.8.498.1.1"
    path = folder / "made_ct.dcm"
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.1.9"
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientName, ds.PatientID, ds.PatientSex, ds.PatientBirthDate = "Müller^Jörg", "P1", "M", "19600229"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID = "20251121", "101500", "ACC9", "S1"
    ds.ReferringPhysicianName, ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "", "CT", 2, 1
    ds.Rows = ds.Columns = 2
    request = pydicom.Dataset()
    request.RequestedProcedureID, request.ScheduledProcedureStepID = "RP1", "SPS1"
    ds.RequestAttributesSequence = [request]
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "CTHEART", "99SITE", "Heart"
    ds.ProcedureCodeSequence = [code]
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.save_as(str(path), write_like_original=False)
    return path


def real(pattern):
    found = sorted(SHARED.glob("data/" + pattern))
    return found[0] if found else None


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="session")
def ct(work):
    return real("ct_series/lidc-idri-0314_chest_2mm/*.dcm") or made_ct(work)


def finding(label, state, score=None, probability=None, reason=None, organ=None):
    return {"id": label, "text": label.replace("_", " ").capitalize(), "organ": organ, "state": state,
            "reason": reason, "score": score, "probability": probability, "threshold": 0.5,
            "cosine_positive": 0.25, "cosine_negative": 0.125}


def result_of(source, findings, analysed=True, trained=True, model=True, reason=None, score="pair_softmax",
              organs=()):
    """A result as the worker states it, on one object of a study."""
    ds = pydicom.dcmread(str(source), stop_before_pixels=True, force=True)
    frames = int(ds.get("NumberOfFrames", 1))
    series = str(ds.SeriesInstanceUID)
    instance = {"sop_class": str(ds.SOPClassUID), "sop_uid": str(ds.SOPInstanceUID), "series_uid": series,
                "frames": frames}
    return {
        "analysed": analysed, "reason": reason, "reason_text": reason and "Nothing could be made of it.",
        "embedding": [0.6, -0.8] if analysed and not organs else None, "organs": list(organs), "findings": findings,
        "model": {"name": "demo", "version": "1.0", "manufacturer": "nobody", "family": "cardiac-clip",
                  "score": score, "calibration": "none", "trained": trained, "weights_sha256": "ab" * 32,
                  "prompts_sha256": "cd" * 32, "config_sha256": "ef" * 32} if model else None,
        "input": {"modality": str(ds.Modality),
                  "series": [{"series_uid": series, "series_number": int(ds.get("SeriesNumber") or 0),
                              "modality": str(ds.Modality), "description": None, "instances": 1,
                              "taken": analysed, "reason": "chosen" if analysed else reason}],
                  "instances": [instance] if analysed else [],
                  "key": {"instance": 0, "frame": min(3, frames) if frames > 1 else 0} if analysed else None,
                  "source_zyx": [10, 20, 30], "source_spacing_zyx_mm": [2.5, 0.7, 0.7], "input_zyx": [8, 8, 8],
                  "warnings": ["interpolated: 1 of 10 slices"] if analysed else [],
                  "manifest_sha256": "ef" * 32 if analysed else ""},
        "started": "2026-11-21T10:15:30.123Z", "timing": {"load_s": 1, "volume_s": 1, "encode_s": 1},
    }


def write(work, name, result, source, *options):
    given, out = work / f"{name}.json", work / f"{name}.dcm"
    given.write_text(json.dumps(result))
    done = subprocess.run([PROBE, given, source, CODES, out, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def evidence_of(source):
    ds = pydicom.dcmread(str(source), stop_before_pixels=True)
    return ["--evidence", str(ds.SeriesInstanceUID), str(ds.SOPClassUID), str(ds.SOPInstanceUID)]


POSITIVE = [finding("pericardial_effusion", "present", 0.8125), finding("coronary_calcification", "present", 0.7),
            finding("atherosclerosis", "present", 0.66)]
NEGATIVE = [finding("pericardial_effusion", "absent", 0.25), finding("cardiomegaly", "absent", 0.1)]
MIXED = [finding("pericardial_effusion", "present", 0.123456789012345), finding("cardiomegaly", "absent", 0.1),
         finding("pulmonary_hypertension", "undetermined", 0.5, reason="within_margin"),
         finding("aortic_wall_calcification", "not_assessed", reason="contrast_missing"),
         finding("coronary_stenosis", "present", 0.9, probability=0.875)]
UNTRAINED = [finding("pericardial_effusion", "undetermined", 0.8, reason="model_untrained"),
             finding("cardiomegaly", "undetermined", 0.1, reason="model_untrained")]
CLASSES_ASKED = [finding("head_mri", "undetermined", 0.3, reason="other_class_fits_better"),
                 finding("abdomen_ct", "present", 0.45),
                 finding("chest_x_ray", "undetermined", 0.25, reason="other_class_fits_better")]
NO_CLASS = [finding("head_mri", "undetermined", 0.5, reason="classes_too_close"),
            finding("abdomen_ct", "undetermined", 0.5, reason="classes_too_close")]
ORGANS = [{"id": "heart", "text": "Heart", "embedding": [0, 1], "recognised": {"id": "heart", "score": 0.875}},
          {"id": "kidney_left", "text": "Kidney left", "embedding": [1, 0], "recognised": {"id": "heart", "score": 0.625}},
          {"id": "esophagus", "text": "Esophagus", "not_assessed": "organ_at_border"},
          {"id": "antrum", "text": "Antrum", "embedding": [0.6, 0.8]}]
BY_ORGAN = [finding("cardiomegaly", "present", 0.75, organ="heart"),
            finding("left_kidney_stone", "present", 0.75, organ="kidney_left"),
            finding("hiatal_hernia", "not_assessed", reason="organ_at_border", organ="esophagus"),
            finding("antrum_ulcer", "present", 0.6, organ="antrum"), finding("kidney_cyst", "absent", 0.2, organ="kidney_left")]
COSINES = [finding("left_ventricular_hypertrophy", "present", 0.0625), finding("cardiomegaly", "absent", -0.125)]
NOT_ANALYSED = [finding("pericardial_effusion", "not_assessed", reason="too_few_slices")]


CALIBRATED = [finding("pericardial_effusion", "present", 0.75, probability=0.875), finding("cardiomegaly", "absent", 0.25, probability=0.03125),
              finding("coronary_stenosis", "present", 0.9)]
OUTSIDE = [finding(one["id"], "not_assessed", reason="outside_domain") for one in MIXED]


def calibrated(source):
    """Within a domain; two of three labels have a calibration."""
    result = result_of(source, [dict(one) for one in CALIBRATED])
    result["model"].update(calibration="platt-7", calibration_on="200 phantoms of Müller's")
    result["domain"] = {"of": "tower", "id": "phantoms-1", "distance": 1.125, "limit": 1.75, "inside": True}
    for one in result["findings"]:
        if one["probability"] is not None:
            one["calibration"] = {"a": 2.5, "b": -0.5, "probability_at_threshold": 0.375}
    return result


def outside(source):
    return result_of(source, OUTSIDE) | {"domain": {"of": "tower", "id": "phantoms-1", "distance": 4.25, "limit": 1.75,
                                                    "inside": False}}


def of_views(source):
    """An examination in views, one of them missing, of which a part was analysed."""
    result = result_of(source, NEGATIVE)
    (series,) = result["input"]["series"]
    series.update(role="cine", why="Rule \"cine\": the description says CINE, and it has 30 phases.")
    there = {"reason": None, "how": "geometry", "series_uid": series["series_uid"], "slices": 9, "phases": 30, "frames": 270}
    result["input"].update(
        views=[dict(there, name="cine_sa"), {"name": "lge_3ch", "reason": "missing", "how": None, "series_uid": "",
                                             "slices": 0, "phases": 0, "frames": 0}],
        box={"source": "estimate", "confidence": 0.8125, "centre_lps": [-12.5, 30, -1024.25], "size_zyx_mm": [150, 160.5, 170]},
        series_rules_sha256="a9" * 32)
    return result


@pytest.fixture(scope="session")
def reports(work, ct):
    """name -> (path, result, source)"""
    made = {}

    def add(name, source, result, *options):
        made[name] = (write(work, name, result, source, *options), result, source)

    add("positive", ct, result_of(ct, POSITIVE), "--start", "quiet 120 s; input: 3 of 4 series")
    add("negative", ct, result_of(ct, NEGATIVE))
    add("mixed", ct, result_of(ct, MIXED))
    add("untrained", ct, result_of(ct, UNTRAINED, trained=False))
    add("declined", ct, result_of(ct, NOT_ANALYSED, analysed=False, reason="too_few_slices"), *evidence_of(ct))
    add("no_model", ct, result_of(ct, [], analysed=False, model=False, reason="no_model"), *evidence_of(ct))
    add("classes", ct, result_of(ct, CLASSES_ASKED, score="class_softmax"))
    add("no_class", ct, result_of(ct, NO_CLASS, score="class_softmax"))
    add("organs", ct, result_of(ct, BY_ORGAN, organs=ORGANS))
    add("views", ct, of_views(ct))
    add("calibrated", ct, calibrated(ct))
    add("outside", ct, outside(ct))
    add("cosines", ct, result_of(ct, COSINES, score="cosine_mean"))
    add("made", made_ct(work), result_of(made_ct(work), MIXED), "--incomplete")
    for name, last in CLASSES.items():
        add(f"class_{name}", ct, result_of(ct, MIXED), "--class", last)
    for name, pattern in (("mr", "mr_cine/sunnybrook_SCD0000301_sax/*.dcm"), ("mr_enhanced", "mr_other/enhanced/*"),
                          ("ct_enhanced", "ct_series/enhanced/eCT_Supplemental.dcm"),
                          ("japanese", "charsets/chrH32.dcm")):
        source = real(pattern)
        if source:
            add(name, source, result_of(source, MIXED))
    return made


def content(path):
    """Every item of the tree, each with its depth."""
    def walk(item, depth):
        yield item, depth
        for child in item.get("ContentSequence", []):
            yield from walk(child, depth + 1)
    return walk(pydicom.dcmread(str(path)), 0)


def named(path, value):
    return [item for item, _ in content(path)
            if "ConceptNameCodeSequence" in item and item.ConceptNameCodeSequence[0].CodeValue == value]


def grouped(result):
    """The findings a report gives a Measurement Group."""
    if not result["analysed"] or not result["model"]["trained"]:
        return []
    if result["model"]["score"] == "class_softmax":
        return [f for f in result["findings"] if f["state"] == "present"]
    return [f for f in result["findings"] if f["state"] in ("present", "undetermined") and f["score"] is not None]


SCORES = {"pair_softmax": "ZS_SCORE", "class_softmax": "ZS_CLASS_SCORE", "cosine_mean": "ZS_COSINE"}


# ---- validators ----

@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy (package dicom3tools) is not installed")
def test_dciodvfy_finds_no_error_and_no_unknown_warning(reports):
    for name, (path, _, _) in reports.items():
        done = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
        lines = (done.stdout + done.stderr).splitlines()
        assert not [line for line in lines if "Error" in line], (name, lines)
        rest = [line for line in lines if "Warning" in line and not any(known in line for known in KNOWN_WARNINGS)]
        assert not rest, (name, rest)


@pytest.mark.skipif(not shutil.which("java") or not all(jar.exists() for jar in JARS),
                    reason="java or PixelMed (package libpixelmed-java) is not installed")
@pytest.mark.parametrize("name", ["mixed", "declined", "class_enhanced", "mr_enhanced", "classes", "organs", "cosines", "views", "calibrated", "outside"])
def test_pixelmed_validates(reports, name):
    if name not in reports:
        pytest.skip("the source is not in the shared data")
    options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",  # half of a short run is compiling
               *(f"-Djdk.xml.xpath{limit}=0" for limit in ("TotalOpLimit", "ExprOpLimit", "ExprGrpLimit"))]
    done = subprocess.run(["java", *options, "-cp", ":".join(map(str, JARS)),
                           "com.pixelmed.validate.DicomSRValidator", reports[name][0]],
                          capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert "Found Root Template TID_1500" in said and "IOD validation complete" in said, said
    assert "Error" not in said and "Exception" not in said, said
    # Templates of 2022 lack items that are ours on purpose; nothing else may be amiss.
    rest = [line for line in said.splitlines()
            if line.startswith("Warning") and not line.endswith("Content Item not in template")]
    assert not rest, rest


@pytest.mark.skipif(not shutil.which("dsrdump"), reason="dsrdump (package dcmtk) is not installed")
def test_dsrdump_reads(reports):
    for name, (path, _, _) in reports.items():
        done = subprocess.run(["dsrdump", "-Ei", path], capture_output=True, text=True)
        assert done.returncode == 0 and "Qualitative Evaluations" in done.stdout, (name, done.stderr)
        assert not [line for line in done.stderr.splitlines() if line.startswith("E:")], (name, done.stderr)


# ---- readers ----

def test_a_finding_item_is_never_a_negative(reports):
    for name, (path, result, _) in reports.items():
        findings = named(path, "121071")
        assert len(findings) == len(grouped(result)), name
        assert len(named(path, "125007")) == len(grouped(result)), name


def test_highdicom_returns_every_finding(reports):
    codes = {row["id"]: row for row in json.loads(CODES.read_text())["labels"]}
    for name, (path, result, source) in reports.items():
        if name == "class_enhanced":
            continue  # highdicom's srread takes it, its MeasurementReport is for the other two
        document = hd.sr.srread(str(path))
        groups = document.content.get_image_measurement_groups()
        wanted = {f["id"]: f for f in grouped(result)}
        assert sorted(g.tracking_identifier for g in groups) == sorted(wanted), name
        for group in groups:
            finding_, row = wanted[group.tracking_identifier], codes.get(group.tracking_identifier)
            if not row or row["state"] == "V":
                assert group.finding_type.scheme_designator == "99CARDIOSCRIBE"
            else:
                assert (group.finding_type.value, group.finding_type.scheme_designator) == (
                    row["code"]["value"], row["code"]["scheme"])
            if row:
                assert [site.value.value for site in group.finding_sites] == [row["site"]["value"]]
            (number,) = group.get_measurements()
            if finding_["probability"] is None:
                assert number.name.value == SCORES[result["model"]["score"]] and number.unit.value == "1"
                assert number.value == pytest.approx(finding_["score"], rel=0, abs=0 if name == "mixed" else 1e-12)
            else:
                assert number.name.value == "111012" and number.unit.value == "%"
                assert number.value == pytest.approx(finding_["probability"] * 100)
            said = [child.TextValue for child in group[0].ContentSequence if "TextValue" in child]
            assert "demo" in said and "1.0" in said and "nobody" in said
            assert any("weights sha256=" + "ab" * 32 in text for text in said)
            more = f"; score={finding_['score']}; calibration=platt-7; a=2.5; b=-0.5" if finding_.get("calibration") else ""
            assert f"{finding_['id']}: threshold=0.5{more}" in said
            presence = [child.ConceptCodeSequence[0].CodeValue for child in group[0].ContentSequence
                        if child.ConceptNameCodeSequence[0].CodeValue == "121052"]
            assert presence == ["52101004" if finding_["state"] == "present" else "373068000"]


def test_every_label_asked_is_answered(reports):
    answers = {"present": "52101004", "absent": "272519000"}
    for name, (path, result, _) in reports.items():
        (container,) = named(path, "C0034375")
        asked = [item for item in container.ContentSequence
                 if item.ValueType == "CODE" and item.ConceptNameCodeSequence[0].CodeValue != "111017"]
        assert all(item.ValueType in ("CODE", "TEXT") for item in container.ContentSequence), name
        assert [item.ConceptCodeSequence[0].CodeValue for item in asked] == [
            answers.get(f["state"], "373068000") for f in result["findings"]], name


def comments(path):
    return [item.TextValue for item in named(path, "121106")]


def summary_of(path):
    return named(path, "111017")[0].ConceptCodeSequence[0].CodeValue


def test_what_a_score_is_is_said(reports):
    for name, words in (("mixed", "softmax over a positive and a negative prompt"), ("classes", "softmax over all classes"),
                        ("cosines", "mean cosine similarity")):
        (said,) = [text for text in comments(reports[name][0]) if text.startswith("Score: ")]
        assert words in said and said.endswith("It is not a probability."), name
        texts = [item.TextValue for item, _ in content(reports[name][0]) if "TextValue" in item]
        assert any(f"score={reports[name][1]['model']['score']};" in text for text in texts), name
    assert not any(text.startswith("Score: ") for text in comments(reports["untrained"][0]))


def test_one_of_many_classes_is_one_answer(reports):
    path = reports["classes"][0]
    assert [item.TextValue for item in named(path, "112039")] == ["abdomen_ct"]
    assert summary_of(path) == "111242"
    (said,) = [text for text in comments(path) if "One question of 3 classes" in text]
    assert "answered. Closest: Abdomen ct, score=0.45; next: Head mri, score=0.3" in said
    assert "not a negative finding" in said
    codes = [item.ConceptCodeSequence[0].CodeValue for item, _ in content(path) if item.get("ValueType") == "CODE"]
    assert "272519000" not in codes  # nothing is absent
    assert not any("other_class_fits_better" in text for text in comments(path))


def test_an_unanswered_class_question_finds_nothing(reports):
    path = reports["no_class"][0]
    assert summary_of(path) == "111245" and not named(path, "125007")
    assert any("One question of 2 classes, not answered: classes_too_close" in text for text in comments(path))


def test_organs_are_named_assessed_or_not(reports):
    path = reports["organs"][0]
    said = comments(path)
    assert "Organs: 3 of 4 assessed; those not assessed follow" in said
    assert "Organ not assessed: Esophagus (esophagus): organ_at_border" in said
    assert [text for text in said if text.startswith("Organ recognition")] == [
        "Organ recognition: what was segmented as Kidney left (kidney_left) lies closer to the text of Heart (heart), "
        "score=0.625"]
    assert "Hiatal hernia (hiatal_hernia): not assessed: organ Esophagus (esophagus): organ_at_border" in said
    ds = pydicom.dcmread(str(path))
    assert ds.CompletionFlag == "PARTIAL" and summary_of(path) == "111244"


def test_what_was_looked_at_is_said_and_what_was_not(reports):
    path, result, source = reports["views"]
    said = comments(path)
    number = result["input"]["series"][0]["series_number"]
    assert "Not analysed: view lge_3ch (missing)" in said
    assert f"View analysed: cine_sa: series {number}, recognised by geometry; 9 slices, 30 phases, 270 frames" in said
    assert f'Series {number} taken: cine; Rule "cine": the description says CINE, and it has 30 phases.' in said
    (field,) = [text for text in said if text.startswith("Field")]
    assert field.startswith("Field analysed: heart, estimated (confidence 0.81); centre -12.5, 30.0, -1024.2 mm (L, P, S)")
    assert "Series rules sha256=" + "a9" * 32 in said
    ds = pydicom.dcmread(str(path))
    assert (ds.CompletionFlag, ds.CompletionFlagDescription) == ("PARTIAL", "Not every view was analysed")


def test_a_calibrated_probability_is_said_to_be_one(reports):
    path = reports["calibrated"][0]
    said = comments(path)
    (words,) = [text for text in said if text.startswith("Probability (Certainty of Finding)")]
    assert "by platt-7, Platt scaling" in words and "fitted on: 200 phantoms of Müller's." in words
    assert "Probability: Pericardial effusion (pericardial_effusion): 87.5 %; at the threshold 37.5 %" in said
    assert "Probability: Cardiomegaly (cardiomegaly): 3.12 %; at the threshold 37.5 %" in said
    assert not [text for text in said if text.startswith("Probability: Coronary stenosis")]
    assert "Within the domain of the model (phantoms-1): distance 1.125, limit 1.75" in said
    assert summary_of(path) == "111242" and pydicom.dcmread(str(path)).CompletionFlag == "COMPLETE"


def test_outside_the_domain_is_said_and_nothing_else_of_a_label(reports):
    path = reports["outside"][0]
    (words,) = [text for text in comments(path) if "outside" in text]
    assert "lies outside the domain of the model (phantoms-1)" in words and "is 4.25, the limit 1.75." in words
    assert words.endswith("This is not a negative result.")
    ds = pydicom.dcmread(str(path))
    assert (ds.CompletionFlag, ds.CompletionFlagDescription) == ("PARTIAL", "Outside the domain of the model")
    assert summary_of(path) == "111245" and not named(path, "125007") and not named(path, "121071")
    assert not [item for item, _ in content(path) if item.get("ValueType") == "NUM"]
    codes = [item.ConceptCodeSequence[0].CodeValue for item, _ in content(path) if item.get("ValueType") == "CODE"]
    assert "272519000" not in codes and codes.count("373068000") == len(OUTSIDE)


def test_an_organ_is_the_finding_site_with_its_side(reports):
    sites = {}
    for group in hd.sr.srread(str(reports["organs"][0])).content.get_image_measurement_groups():
        (site,) = group.finding_sites
        side = [child.ConceptCodeSequence[0].CodeValue for child in site.get("ContentSequence", [])]
        sites[group.tracking_identifier] = (site.value.value, site.value.scheme_designator, side)
    assert sites == {"cardiomegaly": ("80891009", "SCT", []), "left_kidney_stone": ("64033007", "SCT", ["7771000"]),
                     "antrum_ulcer": ("ANTRUM", "99CARDIOSCRIBE", [])}


def test_every_organ_code_is_in_pydicoms_tables():
    from pydicom.sr._concepts_dict import concepts
    known = {(code, meaning) for rows in concepts["SCT"].values() for code, (meaning, groups) in rows.items()}
    organs = json.loads(CODES.read_text())["organs"]
    assert len({one["id"] for one in organs}) == len(organs) > 40
    assert [one for one in organs if (one["code"]["value"], one["code"]["meaning"]) not in known] == []


def test_the_model_is_named_even_without_a_finding(reports):
    for name in ("negative", "untrained", "declined"):
        texts = [item.TextValue for item, _ in content(reports[name][0]) if "TextValue" in item]
        assert any("weights sha256=" in text and "prompts sha256=" in text for text in texts), name
    texts = [item.TextValue for item, _ in content(reports["negative"][0]) if "TextValue" in item]
    assert "cardiomegaly: threshold=0.5" in texts
    assert any("untrained" in item.TextValue for item in named(reports["untrained"][0], "121106"))


def test_not_analysed_is_said(reports):
    for name, reason in (("declined", "too_few_slices"), ("no_model", "no_model")):
        ds = pydicom.dcmread(str(reports[name][0]))
        assert ds.CompletionFlag == "PARTIAL" and reason in ds.CompletionFlagDescription
        assert named(reports[name][0], "111017")[0].ConceptCodeSequence[0].CodeValue == "111245"
        assert any(reason in item.TextValue for item in named(reports[name][0], "121106"))


# ---- header ----

def test_the_header_is_of_the_same_study(reports):
    for name, (path, _, source) in reports.items():
        ours, theirs = pydicom.dcmread(str(path)), pydicom.dcmread(str(source), stop_before_pixels=True)
        theirs.decode()
        assert ours.StudyInstanceUID == theirs.StudyInstanceUID and ours.SeriesInstanceUID != theirs.SeriesInstanceUID
        for keyword in ("PatientName", "PatientID", "AccessionNumber", "StudyID"):
            assert str(ours[keyword].value or "") == str(theirs.get(keyword) or ""), (name, keyword)
        assert ours.Modality == "SR" and ours.SpecificCharacterSet == "ISO_IR 192"
        assert ours.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert ours.PreliminaryFlag == "PRELIMINARY" and ours.VerificationFlag == "UNVERIFIED"
        assert len(ours.ReferencedPerformedProcedureStepSequence) == 0 and "PerformedProcedureCodeSequence" in ours
        assert ours.ContentTemplateSequence[0].TemplateIdentifier == "1500"
        assert ours.SeriesDescription == "cardioscribe AI - NOT FOR CLINICAL USE"
        offset = theirs.get("TimezoneOffsetFromUTC") or "+0000"
        assert ours.TimezoneOffsetFromUTC == offset, name
        said = datetime.datetime.strptime(ours.ContentDate + ours.ContentTime + offset, "%Y%m%d%H%M%S.%f%z")
        assert said == datetime.datetime(2026, 11, 21, 10, 15, 30, 123000, datetime.timezone.utc), name
        assert ours.AuthorObserverSequence[0].ObserverType == "DEV"
        assert not [element for element in ours if element.tag.is_private]


def test_every_image_is_in_the_evidence(reports):
    for name, (path, result, source) in reports.items():
        ds = pydicom.dcmread(str(path))
        listed = {(study.StudyInstanceUID, series.SeriesInstanceUID, sop.ReferencedSOPInstanceUID)
                  for study in ds.CurrentRequestedProcedureEvidenceSequence for series in study.ReferencedSeriesSequence
                  for sop in series.ReferencedSOPSequence}
        theirs = pydicom.dcmread(str(source), stop_before_pixels=True)
        assert listed == {(theirs.StudyInstanceUID, theirs.SeriesInstanceUID, theirs.SOPInstanceUID)}, name
        images = [item for item, _ in content(path) if item.get("ValueType") == "IMAGE"]
        assert bool(images) == result["analysed"], name
        for image in images:
            reference = image.ReferencedSOPSequence[0]
            assert reference.ReferencedSOPInstanceUID == theirs.SOPInstanceUID
            frames = int(theirs.get("NumberOfFrames", 1))
            assert reference.get("ReferencedFrameNumber") == (min(3, frames) if frames > 1 else None), name
        assert "PertinentOtherEvidenceSequence" not in ds


def test_the_algorithm_contributes(reports):
    equipment = pydicom.dcmread(str(reports["positive"][0])).ContributingEquipmentSequence[0]
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    assert (equipment.Manufacturer, equipment.ManufacturerModelName, equipment.SoftwareVersions) == (
        "nobody", "demo", "1.0")
    assert equipment.DeviceUID == named(reports["positive"][0], "121012")[0].UID
    assert "ContributingEquipmentSequence" not in pydicom.dcmread(str(reports["no_model"][0]))


def test_the_request_of_the_images_is_answered(reports):
    ds = pydicom.dcmread(str(reports["made"][0]))
    assert str(ds.PatientName) == "Müller^Jörg" and ds.PatientBirthDate == "19600229"
    request = ds.ReferencedRequestSequence[0]
    assert (request.RequestedProcedureID, request.AccessionNumber) == ("RP1", "ACC9")
    assert request.StudyInstanceUID == ds.StudyInstanceUID
    assert ds.PerformedProcedureCodeSequence[0].CodeValue == "CTHEART"
    assert ds.CompletionFlagDescription == "Input incomplete"


# ---- sameness ----

def test_a_predecessor_is_named(work, ct, reports):
    first = pydicom.dcmread(str(reports["positive"][0]))
    second = pydicom.dcmread(str(write(work, "revised", result_of(ct, NEGATIVE), ct, "--revision", "2", "--replaces",
                                       first.SeriesInstanceUID, first.SOPClassUID, first.SOPInstanceUID)))
    study = second.PredecessorDocumentsSequence[0]
    assert study.StudyInstanceUID == first.StudyInstanceUID
    assert study.ReferencedSeriesSequence[0].SeriesInstanceUID == first.SeriesInstanceUID == second.SeriesInstanceUID
    reference = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == first.SOPInstanceUID != second.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == first.SOPClassUID and second.InstanceNumber == 2
    assert any("replaces report" in item.TextValue for item in named(work / "revised.dcm", "121106"))
    assert "PredecessorDocumentsSequence" not in first


def test_the_same_inputs_give_the_same_bytes(work, ct, reports):
    for name in ("positive", "declined"):
        path, result, source = reports[name]
        options = ["--start", "quiet 120 s; input: 3 of 4 series"] if name == "positive" else evidence_of(source)
        assert write(work, f"{name}_again", result, source, *options).read_bytes() == path.read_bytes()


def test_each_class_is_its_own_object(reports):
    uids = set()
    for name, uid in CLASSES.items():
        ds = pydicom.dcmread(str(reports[f"class_{name}"][0]))
        assert ds.SOPClassUID == uid == ds.file_meta.MediaStorageSOPClassUID
        uids.add(ds.SOPInstanceUID)
    assert len(uids) == len(CLASSES)


def test_a_broken_result_writes_nothing(work, ct):
    result = result_of(ct, MIXED)
    del result["input"]["key"]
    (work / "broken.json").write_text(json.dumps(result))
    done = subprocess.run([PROBE, work / "broken.json", ct, CODES, work / "broken.dcm"], capture_output=True, text=True)
    assert done.returncode == 1 and '"key"' in done.stderr
    assert not (work / "broken.dcm").exists()
