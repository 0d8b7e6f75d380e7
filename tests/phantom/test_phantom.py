"""cardioscribe-phantom as others see it: files that DICOM readers take, and that are the same for the same seed; lean
studies; chance. What the findings look like is measured in test_phantom_ct.py and test_phantom_cmr.py."""
import filecmp
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pydicom
import pytest
from safetensors.numpy import load_file

from phantoms import CLI, Ct, KINDS, PHANTOM, make, truth_of  # noqa: F401 (a fixture)

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEDS = (41, 42, 44, 49)  # one of each maker
PATIENTS = 200
needs_cli = pytest.mark.skipif(not CLI.exists(), reason="the command line tool is not built")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes(make, tmp_path, kind):
    first = make(kind, 41)
    subprocess.run([PHANTOM, "--kind", kind, "--seed", "41", "--out", str(tmp_path)], check=True, capture_output=True)
    again = tmp_path / f"{kind}-41"
    names = sorted(os.listdir(first))
    assert names == sorted(os.listdir(again))
    same, other, errors = filecmp.cmpfiles(first, again, names, shallow=False)
    assert not other and not errors and len(same) > 100


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_stays_small_and_is_read_by_pydicom(make, kind):
    for seed in SEEDS:
        folder = make(kind, seed)
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 64e6
        paths = sorted(folder.glob("*.dcm"))
        heads = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
        assert len({head.SOPInstanceUID for head in heads}) == len(heads) == sum(
            series["files"] for series in truth_of(folder)["series"])
        assert len({head.StudyInstanceUID for head in heads}) == 1
        for path in paths[::9]:
            image = pydicom.dcmread(path)
            assert image.pixel_array.shape == (image.Rows, image.Columns)
        for head in heads:
            assert head.Modality == ("CT" if kind == "ct" else "MR")
            right, down = np.array(head.ImageOrientationPatient, float).reshape(2, 3)
            assert abs(right @ down) < 1e-6 and abs(np.linalg.norm(right) - 1) < 1e-6


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy is not installed")
@pytest.mark.parametrize("kind", KINDS)
def test_dciodvfy_finds_no_error(make, kind):
    for seed in SEEDS:
        folder = make(kind, seed)
        for series in {series["role"]: series for series in truth_of(folder)["series"]}.values():
            path = sorted(folder.glob(f"*{series['number']:03d}_*.dcm"))[-1]
            checked = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace")
            faults = [line for line in (checked.stdout + checked.stderr).split("\n") if line.startswith("Error")]
            assert not faults, (path, faults)


@pytest.mark.skipif(not shutil.which("dcm2niix"), reason="dcm2niix is not installed")
def test_dcm2niix_stacks_the_angiography(make, tmp_path):
    folder = make("ct", 41)
    subprocess.run(["dcm2niix", "-o", str(tmp_path), "-f", "%s", str(folder)], capture_output=True, timeout=120)
    nibabel = pytest.importorskip("nibabel")
    number = next(series["number"] for series in truth_of(folder)["series"] if series["role"] == "cta")
    ct, image = Ct(folder), nibabel.load(tmp_path / f"{number}.nii")
    assert image.shape == ct.voxels.shape[::-1]
    assert np.allclose(np.abs(np.diag(image.affine)[:3]), ct.spacing, atol=1e-3)


@needs_cli
@pytest.mark.parametrize("kind, roles", [("ct", {"cta"}), ("cmr", {"cine_sax"})])
def test_the_series_that_is_meant_is_chosen(make, tmp_path, kind, roles):
    makers = set()
    for seed in SEEDS:
        folder = make(kind, seed)
        truth = truth_of(folder)
        answer = subprocess.run([str(CLI), "volume", str(folder), "--nifti", str(tmp_path / "v.nii"), "--json"],
                                capture_output=True, text=True, timeout=120)
        assert answer.returncode == 0, answer.stderr
        taken = {series["series_uid"] for series in json.loads(answer.stdout)["series"] if series["reason"] == "chosen"}
        assert taken == {series["uid"] for series in truth["series"] if series["role"] in roles}
        makers.add(truth["confounders"]["manufacturer"])
    assert len(makers) == 4


# ---- lean studies ----

def contents_of(folder):
    return {hashlib.sha256(path.read_bytes()).digest() for path in folder.glob("*.dcm")}


@pytest.mark.parametrize("kind", KINDS)
def test_a_lean_study_has_some_of_the_same_objects(make, kind):
    for seed in SEEDS[2:] if kind == "ct" else SEEDS:
        whole, lean = make(kind, seed), make(kind, seed, lean=True)
        objects, fewer = contents_of(whole), contents_of(lean)
        assert fewer and len(fewer) < (0.9 if kind == "ct" else 0.2) * len(objects)
        assert fewer <= objects
        truth, told = truth_of(whole), truth_of(lean)
        assert {key: truth[key] for key in truth if key != "series"} == {key: told[key] for key in told if key != "series"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Random weights behind the preprocessing of the two demonstration models."""
    folder = tmp_path_factory.mktemp("models")
    wanted = {"vision.input": [96, 108, 108], "vision.patch": [12, 12, 12], "preprocess.crop": "heart",
              "preprocess.spacing": 1.6, "preprocess.hu_clip": [-200, 900], "preprocess.norm": "range01"}
    subprocess.run([sys.executable, ROOT / "tools" / "make_model.py", "--from", ROOT / "models" / "demo-ct", "--out",
                    folder / "ct", *(word for key, value in wanted.items() for word in ("--set", f"{key}={json.dumps(value)}"))],
                   check=True, capture_output=True)
    sys.path.append(str(ROOT / "tests" / "daemon"))
    import cmr
    cmr.model(folder / "cmr", n=48, side=144, frames={"phases": 10, "slices": [7, 7]})
    return folder


@needs_cli
@pytest.mark.parametrize("kind, seed", [("ct", 49), ("cmr", 41), ("cmr", 42), ("cmr", 44), ("cmr", 49)])
def test_a_lean_study_gives_the_same_input(make, models, tmp_path, kind, seed):
    inputs = []
    for lean in (False, True):
        out = tmp_path / f"{lean}.safetensors"
        done = subprocess.run([str(CLI), "encode", "--model", str(models / kind), "--dump-input", str(out), "--json",
                               str(make(kind, seed, lean=lean))], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert answer["analysed"] and not any("not readable" in text for text in answer["input"]["warnings"])
        inputs.append(load_file(out)["input"])
    assert inputs[0].shape == ((1, 96, 108, 108) if kind == "ct" else (48, 3, 144, 144))
    assert inputs[0].std() > 0 and np.array_equal(*inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_the_box_holds_the_heart(make, kind):
    truth = truth_of(make(kind, 41))
    low, high = np.array(truth["heart_box_lps"]).reshape(2, 3)
    for name in ("mitral_valve", "apex"):
        assert np.all(low < truth["places_lps"][name]) and np.all(truth["places_lps"][name] < high)
    volume = np.prod(high - low) / 1000
    assert 1.2 < volume / truth["heart_ml"] < 3
    assert 400 < truth["heart_ml"] < 2200


# ---- chance ----

@pytest.fixture(scope="session")
def truths(tmp_path_factory):
    out = tmp_path_factory.mktemp("truths")
    for kind in KINDS:
        subprocess.run([PHANTOM, "--kind", kind, "--seed", "1000", "--count", str(PATIENTS), "--truth-only", "--out", str(out)],
                       check=True, capture_output=True, timeout=300)
    return {kind: [truth_of(out / f"{kind}-{1000 + i}") for i in range(PATIENTS)] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_findings_come_in_thirty_percent_and_tell_nothing_of_the_confounders(truths, kind):
    listed = subprocess.run([PHANTOM, "--kind", kind, "--list"], capture_output=True, text=True, check=True)
    names = listed.stdout.split()
    severities = np.array([[truth["findings"][name] for name in names] for truth in truths[kind]])
    assert all(list(truth["findings"]) == names for truth in truths[kind])
    present = severities > 0
    assert np.all((present.mean(0) > 0.2) & (present.mean(0) < 0.4)), present.mean(0)
    assert severities[present].min() >= 0.2 and severities[present].max() <= 1
    confounders = np.array([[float(truth["confounders"][name]) for name in (
        "female", "age_years", "height_m", "weight_kg", "fat_mm", "heart_fat_mm", "breath_mm", "heart_rate")]
        + truth["confounders"]["heart_in_chest_mm"] + truth["confounders"]["long_axis_lps"]
        for truth in truths[kind]])
    together = np.corrcoef(severities.T, confounders.T)
    between = together[:len(names), len(names):]
    assert np.abs(between).max() < 0.25, between.max()
    among = np.abs(together[:len(names), :len(names)] - np.eye(len(names)))
    assert among.max() < 0.25
    assert len({truth["confounders"]["manufacturer"] for truth in truths[kind]}) == 4


def test_only_the_finding_that_is_asked_for(make):
    truth = truth_of(make("ct", 5, "aortic_aneurysm=1", lean=True))
    assert {name: value for name, value in truth["findings"].items() if value} == {"aortic_aneurysm": 1.0}


@pytest.mark.parametrize("options", [["--kind", "us"], ["--finding", "nonsense"], ["--finding", "cardiomegaly=2"],
                                     ["--finding", "lge_patchy"], ["--count", "0"], ["--seed", "-1"]])
def test_a_wrong_option_is_refused(tmp_path, options):
    refused = subprocess.run([PHANTOM, "--out", str(tmp_path), *options], capture_output=True, text=True)
    assert refused.returncode == 1 and refused.stderr.startswith("cardioscribe-phantom: ")
    assert not list(tmp_path.glob("**/*.dcm"))
