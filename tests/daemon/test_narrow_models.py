"""A model in fewer bits in the running service: asked for by its section, vouched for by its folder, said in every output."""
import json
import re
import shutil
import subprocess

import numpy as np
import pydicom
import pytest

from counterparts import dciodvfy_errors, send, texts
from service import CLI, MODEL, TIME_FACTOR, wait_for
from studies import ct_study
from test_demo_models import MODELS, PHANTOM, make


@pytest.fixture
def measured(tmp_path):
    """A copy of the model that vouches for int8, corrected by one study and measured on another."""
    folder = shutil.copytree(MODEL, tmp_path / "model")
    studies = [tmp_path / f"study-{seed}" for seed in (3, 6)]
    for seed, path in zip((3, 6), studies):
        ct_study(seed=seed).write(path)
    subprocess.run([CLI, "model", "measure", "--precision", "int8", folder, *studies], check=True, capture_output=True,
                   timeout=120 * TIME_FACTOR)
    return folder


def encode(folder, precision, study):
    done = subprocess.run([CLI, "encode", "--json", "--model", folder, "--precision", precision, study], check=True,
                          capture_output=True, text=True, timeout=120 * TIME_FACTOR)
    return json.loads(done.stdout)


def test_every_output_says_in_which_precision_it_was_made(start_daemon, storescp, measured, tmp_path):
    daemon = start_daemon(peers=[storescp.peer()],
                          models=[{"name": "exact", "folder": measured},
                                  {"name": "quick", "folder": measured, "precision": "int8"}])
    assert [one["precision"] for one in daemon.get("/api/v1/status")["models"]] == ["fp32", "int8"]
    models, = (one["text"] for one in daemon.get("/readyz")["checks"] if one["name"] == "models")
    assert re.fullmatch(r"2 of 2 opened; exact: fp32 by (avx2|avx512|baseline); quick: int8 by (avx2|avx512vnni|baseline)", models)
    study = ct_study(seed=4)
    send(daemon, study.objects)
    shown = daemon.wait_reported(study.uid, reports=2, limit_s=90)
    made = {one["model_section"]: one["model"]["precision"] for one in shown["results"]}
    assert made == {"exact": "fp32", "quick": "int8"}
    quick, = (one for one in shown["results"] if one["model_section"] == "quick")
    study.write(tmp_path / "sent")
    alone = encode(measured, "int8", tmp_path / "sent")  # which packs for itself; the service took what was packed
    assert quick["model"]["config_sha256"] == alone["model"]["config_sha256"] and quick["findings"] == alone["findings"]
    said = set()
    for path in storescp.files(study.uid):
        assert dciodvfy_errors(path) == []
        said |= {precision for precision in ("fp32", "int8")
                 for text in texts(pydicom.dcmread(path)) if f"precision={precision};" in text}
    assert said == {"fp32", "int8"}


def test_what_the_folder_does_not_vouch_for_is_not_analysed(start_daemon, storescp, measured):
    daemon = start_daemon(peers=[storescp.peer()], models=[{"name": "quick", "folder": measured, "precision": "bf16"}],
                          wait=False)
    daemon.launch()
    wait_for("the listener", lambda: "event=ready" in daemon.log(), 60)
    assert not daemon.ready() and "precision bf16 was never measured on these weights" in daemon.log()
    study = ct_study(seed=5)
    send(daemon, study.objects)
    result, = daemon.wait_reported(study.uid, limit_s=90)["results"]
    assert not result["analysed"] and result["reason"] == "model_unavailable"


@pytest.mark.skipif("cmr" not in MODELS or not PHANTOM.exists(), reason="no demonstration model, or no phantom")
def test_what_is_measured_of_findings_is_what_both_say(tmp_path):
    folder = shutil.copytree(MODELS["cmr"], tmp_path / "model")
    make(tmp_path, "cmr", 3004, "lge_patchy=0.4")
    study = tmp_path / "cmr-3004"
    done = subprocess.run([CLI, "model", "measure", "--precision", "bf16", "--json", folder, study, study], check=True,
                          capture_output=True, text=True, timeout=120 * TIME_FACTOR)
    said = json.loads(done.stdout)
    exact, narrow = (encode(folder, precision, study)["findings"] for precision in ("fp32", "bf16"))
    apart = [abs(a["probability"] - b["probability"]) for a, b in zip(exact, narrow)]
    assert said["findings"] == len(exact) == 10 and max(apart) > 0
    assert said["probability_most"] == pytest.approx(max(apart), abs=1e-6)
    assert said["states_changed"] == sum(a["state"] != b["state"] for a, b in zip(exact, narrow))


@pytest.mark.skipif(not PHANTOM.exists(), reason="no phantom")
@pytest.mark.parametrize("kind", sorted(MODELS))
def test_the_demonstration_models_vouch_for_fewer_bits(tmp_path, kind):
    """What their folders say was measured is of the weights they hold, and true of a study that nobody measured."""
    make(tmp_path, kind, 3006)
    exact, *others = (encode(MODELS[kind], precision, tmp_path / f"{kind}-3006") for precision in ("fp32", "bf16", "int8"))
    for bound, one in zip((0.9999, 0.999), others):
        a, b = (np.array(result["embedding"]) for result in (exact, one))
        assert bound <= a @ b / np.linalg.norm(a) / np.linalg.norm(b) < 1 - 1e-9
        assert [finding["state"] for finding in one["findings"]] == [finding["state"] for finding in exact["findings"]]
