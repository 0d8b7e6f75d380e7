"""A model folder with a domain made of studies, each label with a calibration of its own or none; and a study unlike them."""
import json
import subprocess
import sys

import numpy as np
from pydicom.uid import generate_uid
from safetensors.numpy import save_file

from service import CLI, MODEL, ROOT, TIME_FACTOR
from studies import Study, ct_study

TRAINING = range(100, 116)
DIRECTIONS = 4
UNCALIBRATED = "pulmonary_hypertension"
ON = "16 studies of waves, seeds 100 to 115"


def encode(model, folder, *options):
    done = subprocess.run([CLI, "encode", "--model", model, "--json", *options, folder], capture_output=True, text=True,
                          timeout=120 * TIME_FACTOR)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def change(folder, name, edit):
    value = json.loads((folder / name).read_text())
    edit(value)
    (folder / name).write_text(json.dumps(value))


def calibrate(prompts):
    for number, label in enumerate(prompts["labels"]):
        if label["id"] != UNCALIBRATED:
            label["calibration"] = {"a": 1.5 + number, "b": 0.25 - number}


def model(folder, work, name="guarded", limit=4.0):
    """Random weights that decide. mean and whiten from the embeddings of some studies, by numpy."""
    subprocess.run([sys.executable, ROOT / "tools" / "make_model.py", "--from", MODEL, "--out", folder, "--seed", "3",
                    "--trained", "--threshold", "0.5", "--name", name], check=True, timeout=120)
    change(folder, "prompts.json", calibrate)
    change(folder, "config.json", lambda config: config["score"].update(calibration={"id": "platt-7", "on": ON}))
    vectors = []
    for seed in TRAINING:
        ct_study(seed=seed).write(work / str(seed))
        vectors.append(encode(folder, work / str(seed))["embedding"])
    vectors = np.array(vectors)
    mean = vectors.mean(0)
    _, spread, rows = np.linalg.svd(vectors - mean, full_matrices=False)
    whiten = rows[:DIRECTIONS] / (spread[:DIRECTIONS, None] * (len(vectors) - 1) ** -0.5)
    save_file({"mean": mean.astype("f4"), "whiten": np.ascontiguousarray(whiten, "f4")}, folder / "domain.safetensors")
    change(folder, "config.json", lambda config: config.update(domain={"of": "embedding", "limit": limit, "id": "waves-1"}))
    return folder


def inside():
    return ct_study(seed=300)


def outside():
    """A CT by its head, of dots."""
    study = Study("CT")
    series, frame = generate_uid(prefix=None), generate_uid(prefix=None)
    dots = np.random.default_rng(1)
    for z in range(12):
        study.slice(np.where(dots.random((64, 64)) < 0.03, 2000, -1000), z, series, frame)
    return study
