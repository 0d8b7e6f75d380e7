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


def run_once(out, *arguments):
    before = running()
    done = subprocess.run([ROOT / "scripts/run", "--once", "--out", out, *arguments], capture_output=True, text=True,
                          timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert running() <= before, "something it started runs on"
    judged = subprocess.run(["dciodvfy", out / "report.dcm"], capture_output=True, text=True, timeout=60)
    assert not [line for line in judged.stderr.split("\n") if line.startswith("Error")]
    report = pydicom.dcmread(out / "report.dcm")
    study = json.loads((out / "study.json").read_text())
    assert study["study_uid"] == report.StudyInstanceUID
    assert study["results"][0]["report"]["sop_uid"] == report.SOPInstanceUID
    assert "NOT FOR CLINICAL USE" in report.SeriesDescription
    text = (out / "report.txt").read_text()
    assert text in done.stdout
    return study, text, done.stdout


def test_a_newcomer_sees_a_report_of_a_synthetic_study(tmp_path):
    study, text, shown = run_once(tmp_path)
    assert study["state"] == "delivered"
    assert {finding["state"] for finding in study["findings"]} == {"undetermined"}
    assert "untrained" in text
    assert "receiving" in shown


@pytest.mark.parametrize("folder, state, word", [
    ("ct_series/lidc-idri-0314_chest_2mm", "delivered", "untrained"),
    ("mr_cine/sunnybrook_SCD0000301_sax", "declined", "no_model_for_modality"),
])
def test_a_real_study_gets_its_report(tmp_path, folder, state, word):
    if not (SHARED / folder).is_dir():
        pytest.skip("needs the shared studies")
    study, text, _ = run_once(tmp_path, SHARED / folder)
    assert study["state"] == state
    assert word in text


def test_wrong_use_is_said(tmp_path):
    done = subprocess.run([ROOT / "scripts/run", tmp_path / "none"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "no such folder" in done.stderr
    done = subprocess.run([ROOT / "scripts/run", "--twice"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--twice" in done.stderr
