"""The README's first command, as a newcomer runs it."""
import json
import os
import pathlib
import subprocess

import pydicom
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("CARDIOSCRIBE_SHARED", ROOT.parent / "shared")) / "data"


def running():
    return set(subprocess.run(["pgrep", "-f", "cardioscribe-run"], capture_output=True, text=True).stdout.split())


DEMO = {kind: name for kind, name in (("ct", "demo-cardiac-ct"), ("cmr", "demo-cmr"))
        if (ROOT / "models" / name / "config.json").exists()}
PATHOLOGY = {"ct": {"pericardial_effusion", "aortic_aneurysm"},
             "cmr": {"left_ventricular_dysfunction", "lge_ischemic"}}


def run_once(out, *arguments):
    """What was printed."""
    before = running()
    done = subprocess.run([ROOT / "scripts/run", "--once", "--out", out, *arguments], capture_output=True, text=True,
                          timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert running() <= before, "something it started runs on"
    return done.stdout


def judge(out, shown):
    """The study as REST told it, and its report as text."""
    judged = subprocess.run(["dciodvfy", out / "report.dcm"], capture_output=True, text=True, timeout=60)
    assert not [line for line in judged.stderr.split("\n") if line.startswith("Error")]
    report = pydicom.dcmread(out / "report.dcm")
    study = json.loads((out / "study.json").read_text())
    assert study["study_uid"] == report.StudyInstanceUID
    assert study["results"][0]["report"]["sop_uid"] == report.SOPInstanceUID
    assert "NOT FOR CLINICAL USE" in report.SeriesDescription
    text = (out / "report.txt").read_text()
    assert text in shown
    return study, text


def test_a_newcomer_sees_reports_of_synthetic_studies(tmp_path):
    shown = run_once(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(DEMO or ["ct"])
    for kind in DEMO or ["ct"]:
        study, text = judge(tmp_path / kind, shown)
        assert study["state"] == "delivered"
        found = {one["id"] for one in study["findings"] if one["state"] == "present"}
        if DEMO:
            assert found == PATHOLOGY[kind]
            assert all(one["text"] in text for one in study["findings"] if one["state"] == "present")
        else:
            assert {one["state"] for one in study["findings"]} == {"undetermined"} and "untrained" in text
    assert "receiving" in shown and "made with severity 0.80" in shown


@pytest.mark.parametrize("folder, word", [("ct_series/lidc-idri-0314_chest_2mm", "untrained"),
                                          ("mr_cine/sunnybrook_SCD0000301_sax", "no_model_for_modality")])
def test_a_real_study_gets_its_report(tmp_path, folder, word):
    if not (SHARED / folder).is_dir():
        pytest.skip("needs the shared studies")
    study, text = judge(tmp_path, run_once(tmp_path, SHARED / folder))
    assert study["state"] in ("delivered", "declined")
    assert not {one["state"] for one in study["findings"]} & {"present", "absent"}
    assert word in text or (DEMO and "not a negative result" in text)


def test_wrong_use_is_said(tmp_path):
    done = subprocess.run([ROOT / "scripts/run", tmp_path / "none"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "no such folder" in done.stderr
    done = subprocess.run([ROOT / "scripts/run", "--twice"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--twice" in done.stderr
