"""Which series is analysed and why: the gate of a model from configuration to report, and roles of real series."""
import copy
import json
import shutil
import subprocess

import pytest
import requests
from pydicom.uid import generate_uid

from counterparts import send
from service import CLI, MODEL, TIME_FACTOR
from studies import Study, ct_study
from test_assembly import judge_not_analysed
from test_encode import DATA, real_data


def made_model(folder, **preprocess):
    """The model in the box with another gate."""
    shutil.copytree(MODEL, folder)
    config = json.loads((folder / "config.json").read_text())
    config["preprocess"].update(preprocess)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def call(*arguments):
    return subprocess.run([CLI, *map(str, arguments)], capture_output=True, text=True, timeout=120 * TIME_FACTOR)


def encode(model, folder):
    done = call("encode", "--model", model, "--json", folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# ---- the gate: 12 slices of 64 x 64 pixels, 2.5 and 1.9 mm ----

GATE = [
    ("min_slices", 12, 13, "too_few_slices"),
    ("max_spacing_z_mm", 2.5, 2.4, "spacing_too_coarse"),
    ("min_field_mm", 121, 122, "field_too_small"),
    ("min_length_mm", 30, 30.5, "stack_too_short"),
    ("gated", False, True, "not_gated"),
    ("lossy", "accept", "reject", "lossy_images"),
    ("roles", ["ct", "cta"], ["calcium_score"], "other_role"),
]


@pytest.mark.parametrize("key, passes, fails, reason", GATE, ids=[row[0] for row in GATE])
def test_each_key_of_the_gate_has_its_reason(tmp_path, key, passes, fails, reason):
    study = ct_study()
    if key == "lossy":
        for one in study.objects:
            one.LossyImageCompression = "01"
    study.write(tmp_path / "study")
    found = encode(made_model(tmp_path / "takes", **{key: passes}), tmp_path / "study")
    assert found["analysed"], found["reason_text"]
    found = encode(made_model(tmp_path / "refuses", **{key: fails}), tmp_path / "study")
    assert found["analysed"] is False and found["reason"] == reason and found["reason_text"]
    assert [one["reason"] for one in found["input"]["series"]] == [reason]
    assert {one["reason"] for one in found["findings"]} == {reason}


def test_a_phase_is_only_told_where_one_was_taken(tmp_path):
    study, more = ct_study(), []
    for one in study.objects:
        other = copy.deepcopy(one)
        other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
        one.NominalPercentageOfCardiacPhase, other.NominalPercentageOfCardiacPhase = 75, 40
        more.append(other)
    study.objects += more
    study.write(tmp_path / "study")
    for least, told in ((2, ["one_phase: phase 2 of 2 was taken"]), (1000, [])):
        found = encode(made_model(tmp_path / str(least), min_slices=least), tmp_path / "study")
        assert found["analysed"] is bool(told)
        assert [one for one in found["input"]["warnings"] if one.startswith("one_phase")] == told


@pytest.mark.parametrize("sign", [
    {"CardiacSynchronizationTechnique": "PROSPECTIVE"}, {"NominalPercentageOfCardiacPhase": 75.0},
    {"ScanOptions": "CG"}, {"SeriesDescription": "CORONARY gated"}], ids=lambda sign: next(iter(sign)))
def test_signs_of_gating(tmp_path, sign):
    study = ct_study()
    for one in study.objects:
        for name, value in sign.items():
            setattr(one, name, value)
    study.write(tmp_path / "study")
    found = encode(made_model(tmp_path / "model", gated=True), tmp_path / "study")
    assert found["analysed"], found["reason_text"]


@pytest.mark.parametrize("key, value", [
    ("min_field_mm", -1), ("min_length_mm", "long"), ("gated", "yes"), ("lossy", "sometimes"), ("roles", []),
    ("roles", "cta"), ("roles", ["cta", 5]), ("roles", ["x"] * 17), ("roles", ["x" * 40])], ids=str)
def test_a_wrong_gate_is_named(tmp_path, key, value):
    done = call("model", "check", made_model(tmp_path / "model", **{key: value}))
    assert done.returncode != 0 and f"preprocess.{key}" in done.stdout + done.stderr


def test_the_next_series_is_taken_and_the_best_told(tmp_path):
    study = Study()
    study.add_series(30, 0, description="CTA")
    for one in study.add_series(12, 1, description="CaSc 3.0"):
        one.SeriesNumber = 2
    study.write(tmp_path / "study")
    found = encode(made_model(tmp_path / "model", roles=["calcium_score"]), tmp_path / "study")
    assert found["analysed"], found["reason_text"]
    assert [(one["role"], one["reason"]) for one in found["input"]["series"]] == [
        ("cta", "other_role"), ("calcium_score", "chosen")]
    assert [text for text in found["input"]["warnings"] if text.startswith("passed_over: series 1 ")]
    assert "other_role" in next(text for text in found["input"]["warnings"] if text.startswith("passed_over"))


def test_a_refusal_is_a_record_a_count_and_a_report(start_daemon, start_pacs, tmp_path):
    pacs = start_pacs()
    model = made_model(tmp_path / "model", roles=["calcium_score"])
    daemon = start_daemon(peers=[pacs.peer()], models=[{"name": "calcium", "folder": model}])
    study = ct_study()
    send(daemon, study.objects)
    shown = judge_not_analysed(daemon, pacs, study, "other_role")
    assert [(one["role"], one["reason"]) for one in shown["results"][0]["input"]["series"]] == [("cta", "other_role")]
    metrics = requests.get(daemon.url + "/metrics", timeout=30 * TIME_FACTOR).text
    assert 'cardioscribe_not_analysed_total{reason="other_role"} 1\n' in metrics


# ---- real series ----

REAL = {
    "smartscore": ("ct_series/ge_smartscore_gated_tiny", {4: ("localizer", "localizer"), 5: ("calcium_score", "chosen")}),
    "lidc": ("ct_series/lidc-idri-0314_chest_2mm", {30026: ("ct", "chosen")}),
    "ge_3slice": ("ct_series/ge_3slice", {2: ("ct", "chosen")}),
    "tiny": ("ct_series/tiny_24x38x3", {123456: ("ct", "chosen")}),
    "sunnybrook": ("mr_cine/sunnybrook_SCD0000301_sax", {5: ("cine", "chosen")}),
    "pig": ("mr_cine/pig_sax_ssfp", {5: ("cine", "chosen")}),
    "prostate": ("mr_other/prostate_adc_20slices", {701: ("derived", "chosen")}),  # it is only looked at
    "knee": ("mr_other/enhanced/MOVEKNEE.dcm", {3: ("other_body_part", "chosen")}),
}


@real_data
@pytest.mark.parametrize("path, series", REAL.values(), ids=REAL)
def test_roles_of_real_series(tmp_path, path, series):
    done = call("volume", DATA / path, "--nifti", tmp_path / "out.nii", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert {one["series_number"]: (one["role"], one["reason"]) for one in answer["series"]} == series
    assert not [text for text in answer["warnings"] if text.startswith(("split", "passed_over"))]


@real_data
@pytest.mark.parametrize("path, reason", [("mr_other/prostate_adc_20slices", "derived"),
                                          ("mr_other/enhanced/MOVEKNEE.dcm", "other_body_part")])
def test_what_is_no_heart_is_not_analysed(tmp_path, path, reason):
    found = encode(made_model(tmp_path / "model", modality="MR"), DATA / path)
    assert found["analysed"] is False and found["reason"] == reason
