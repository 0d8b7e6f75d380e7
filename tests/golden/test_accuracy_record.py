"""bench/accuracy's record and verdicts: what was stopped goes on, what is of another model is refused, and a figure that
falls short is not called reached."""
import math
import os
import pathlib
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from accuracy_bench import command, measure, record, tables, variants  # noqa: E402


def test_a_record_goes_on_where_it_was_cut(tmp_path):
    path = tmp_path / "r.jsonl"
    one = record.Record(path, {"model": "a"})
    one.add("phantom/ct/1", {"x": 1})
    one.add("phantom/ct/2", {"x": 2})
    path.write_text(path.read_text()[:-5])  # stopped while it wrote
    again = record.Record(path, {"model": "a"})
    assert "phantom/ct/1" in again and "phantom/ct/2" not in again
    again.add("phantom/ct/2", {"x": 3})
    assert [row["x"] for row in record.Record(path, {"model": "a"}).of("phantom")] == [1, 3]


def test_a_record_of_another_model_is_refused(tmp_path):
    record.Record(tmp_path / "r.jsonl", {"model": "a"}).add("real/1", {})
    with pytest.raises(SystemExit, match="something else"):
        record.Record(tmp_path / "r.jsonl", {"model": "b"})
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 2


def test_a_record_remembers_where_it_was_begun(tmp_path):
    record.Record(tmp_path / "r.jsonl", {}, {"machine": "one"})
    assert record.Record(tmp_path / "r.jsonl", {}, {"machine": "two"}).begun == {"machine": "one"}


def test_vectors_keep_their_bits():
    vector = np.random.default_rng(1).normal(size=64).astype("<f4")
    assert (record.unpacked(record.packed(vector.tolist())) == vector).all() and record.packed(None) is None


@pytest.mark.parametrize("words", [["--ct", "400001"], ["--cmr", "400001", "--ct", "0"],
                                   ["--first-seed", "899999", "--ct", "2", "--cmr", "0"]])
def test_seeds_of_nobody_stay_nobodys(words, capsys):
    with pytest.raises(SystemExit):
        command.read_arguments(["--out", "x", *words])
    assert "nobody's" in capsys.readouterr().err


@pytest.mark.parametrize("value, wanted", [(0.96, "reached"), (0.94, "NOT REACHED"), (math.nan, "not measured"),
                                           (None, "not measured")])
def test_a_verdict(value, wanted):
    verdicts = tables.Verdicts()
    verdicts.least("a", 0.95, value)
    verdicts.most("b", 0.05, None if value is None else 1 - value)
    assert {row[3] for row in verdicts.rows} == {wanted}


def finding(state, probability, edge=0.4):
    return {"id": "x", "state": state, "probability": probability, "calibration": {"probability_at_threshold": edge}}


def test_states_may_differ_only_at_the_threshold():
    def agree(one, other):
        return not tables.states_agree({"findings": [one]}, {"findings": [other]})
    assert agree(finding("present", 0.9), finding("present", 0.5))
    assert agree(finding("present", 0.44), finding("absent", 0.3))
    assert not agree(finding("present", 0.5), finding("absent", 0.3))
    assert not agree(finding("present", None), finding("not_assessed", None))


def test_what_became_of_a_real_study():
    inside, outside = {"distance": 0.9, "limit": 2.0, "inside": True}, {"distance": 3.1, "limit": 2.0, "inside": False}
    said = {"analysed": True, "domain": outside, "findings": [{"state": "not_assessed"}]}
    assert tables.became(said) == ("outside_domain: 3.10 > 2.00", True)
    assert tables.became({**said, "findings": [{"state": "absent"}]})[1] is False
    assert tables.became({**said, "domain": inside})[1] is False and tables.became({**said, "domain": None})[1] is False
    assert tables.became({"analysed": False, "reason": "other_role"}) == ("not analysed: other_role", True)


def answer(probabilities, embedding):
    states = ["present" if p > 0.5 else "absent" for p in probabilities]
    return {"analysed": True, "embedding": record.packed(embedding), "reason": None,
            "findings": [finding(state, p, 0.5) for state, p in zip(states, probabilities)]}


def test_a_variant_is_compared_bit_by_bit_or_nearly():
    plain = answer([0.9], [1.0, 0.0])
    for name, other, wanted in (("rle", plain, "reached"), ("rle", answer([0.9], [1.0, 1e-6]), "NOT REACHED"),
                                ("turned", answer([0.9], [1.0, 0.1]), "reached"),
                                ("turned", answer([0.9], [1.0, 0.3]), "NOT REACHED"),
                                ("turned", answer([0.2], [1.0, 0.0]), "NOT REACHED"),
                                ("late_after", answer([0.9], [1.0, 1e-6]), "NOT REACHED")):
        verdicts = tables.Verdicts()
        tables.compared("ct", name, [(plain, plain), (plain, other)], verdicts)
        assert verdicts.rows[0][3] == wanted, name


def test_a_box_loses_its_margin():
    box = {"source": "estimate", "centre_lps": [1.0, 2.0, 3.0], "size_zyx_mm": [110.0, 90.0, 70.0]}
    low, high = measure.box_of({"box": box}, 5)
    assert low.tolist() == [-29.0, -38.0, -47.0] and high.tolist() == [31.0, 42.0, 53.0]
    assert measure.box_of({"box": None}, 5) is None


# ---- the same phantom written otherwise ----

def stack(count, spacing=(2.0, 0.5, 0.8)):
    """Slices of a linear field of Hounsfield units in patient coordinates."""
    import pydicom
    sets = []
    for k in range(count):
        one = pydicom.Dataset()
        one.file_meta = pydicom.dataset.FileMetaDataset()
        one.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        one.is_little_endian, one.is_implicit_VR = True, False
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = f"1.2.{k + 1}"
        one.SeriesInstanceUID, one.StudyInstanceUID = "1.2.3", "1.2.4"
        one.ImagePositionPatient, one.ImageOrientationPatient = [-10, -20, 30 + k * spacing[0]], [1, 0, 0, 0, 1, 0]
        one.PixelSpacing, one.SliceThickness, one.InstanceNumber = list(spacing[1:]), spacing[0], k + 1
        one.Rows, one.Columns, one.BitsAllocated, one.BitsStored, one.HighBit = 40, 24, 16, 16, 15
        one.SamplesPerPixel, one.PhotometricInterpretation, one.PixelRepresentation = 1, "MONOCHROME2", 0
        y, x = np.mgrid[:40, :24]
        field = 1000 + 20 * (-10 + x * spacing[2]) + 30 * (-20 + y * spacing[1]) + 5 * (30 + k * spacing[0])
        variants.store(one, np.rint(field).astype("<u2"))
        sets.append((f"CT_{k:04}.dcm", one))
    return sets


def field_is_kept(sets, tolerance):
    for _, one in sets:
        row, column = np.array(one.ImageOrientationPatient, float).reshape(2, 3)
        dy, dx = map(float, one.PixelSpacing)
        y, x = np.mgrid[1:one.Rows - 1, 1:one.Columns - 1]
        at = np.array(one.ImagePositionPatient, float) + x[..., None] * row * dx + y[..., None] * column * dy
        inside = (at[..., 2] > 31) & (at[..., 2] < 29 + 2 * 25)
        wanted = 1000 + at @ [20, 30, 5]
        assert np.abs(one.pixel_array[1:-1, 1:-1] - wanted)[inside].max(initial=0) <= tolerance


@pytest.mark.parametrize("count", [5, 26])
def test_turned_images_show_the_same_at_the_same_places(count):
    made = variants.turned(stack(count))
    assert len(made) == (40 if count == 26 else 5)
    field_is_kept(made, 0.6)
    assert len({one.SOPInstanceUID for _, one in made}) == len(made) == len({name for name, _ in made})


@pytest.mark.parametrize("count", [5, 26])
@pytest.mark.parametrize("factor", variants.FACTORS.values())
def test_respaced_images_show_the_same_at_the_same_places(count, factor):
    made = variants.respaced(stack(count), factor)
    field_is_kept(made, 1.1)
    one = made[0][1]
    assert float(one.PixelSpacing[0]) == pytest.approx(0.5 * factor, rel=0.03) and one.Rows == round(40 / factor)
    gap = float(made[1][1].ImagePositionPatient[2]) - float(one.ImagePositionPatient[2])
    assert gap == pytest.approx(2 * factor if count == 26 else 2, rel=0.05)
    assert len({one.SOPInstanceUID for _, one in made}) == len(made) == len({name for name, _ in made})


def test_real_studies_are_gathered_by_their_uid(tmp_path):
    data = os.environ.get("CARDIOSCRIBE_SHARED", str(ROOT.parent / "shared"))
    folder = pathlib.Path(data) / "data" / "ct_series"
    if not folder.is_dir():
        pytest.skip("needs the shared studies")
    found = {name: (kind, len(paths)) for name, kind, _, paths in measure.real_studies(folder)}
    assert found["lidc-idri-0314_chest_2mm"] == ("ct", 40)
