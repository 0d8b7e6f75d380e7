"""preprocess.windows: the channels of a volume are the same voxels, each clipped to a window of its own."""
import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from service import CLI, MODEL, ROOT, TIME_FACTOR
from studies import ct_study

WINDOWS = [[-1000, 2000], [300.5, 800], [-150, 250]]


def call(*arguments):
    return subprocess.run([CLI, *map(str, arguments)], capture_output=True, text=True, timeout=120 * TIME_FACTOR)


def model(folder, channels=1, **preprocess):
    changes = {"vision.channels": channels, **{f"preprocess.{key}": value for key, value in preprocess.items()}}
    words = [word for key, value in changes.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    subprocess.run([sys.executable, ROOT / "tools" / "make_model.py", "--from", MODEL, "--out", folder, *words],
                   check=True, capture_output=True)
    return folder


def seen(folder, study):
    """The encoder's input and the result."""
    dump = folder.with_suffix(".safetensors")
    done = call("encode", "--json", "--model", folder, "--dump-input", dump, study)
    assert done.returncode == 0, done.stderr
    return load_file(dump)["input"], json.loads(done.stdout)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("windows") / "study"
    ct_study().write(folder)
    return folder


def test_every_channel_is_the_volume_in_its_window(tmp_path, study):
    plain, _ = seen(model(tmp_path / "plain", norm="meanstd", mean=0, std=1), study)
    ours, result = seen(model(tmp_path / "three", 3, norm="range01", windows=WINDOWS), study)
    hu = plain[0].astype("f8")
    assert ours.shape == (3, *plain.shape[1:]) and len({channel.tobytes() for channel in ours}) == 3
    for channel, (low, high) in zip(ours, WINDOWS):
        assert np.abs(channel - (np.clip(hu, low, high) - low) / (high - low)).max() < 1e-6
    again = call("encode", "--json", "--model", tmp_path / "three", "--tensor", tmp_path / "three.safetensors")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["embedding"] == result["embedding"]


def test_a_window_is_part_of_what_the_input_was_made_by(tmp_path, study):
    digests = {seen(model(tmp_path / str(high), 2, norm="range01", windows=[WINDOWS[0], [300, high]]), study)[1]["input"]
               ["manifest_sha256"] for high in (800, 801)}
    assert len(digests) == 2


WRONG = {
    "fewer than channels": {"channels": 2, "norm": "range01", "windows": WINDOWS[:1]},
    "more than channels": {"channels": 2, "norm": "range01", "windows": WINDOWS},
    "too many": {"channels": 4, "norm": "range01", "windows": [*WINDOWS, [0, 1]]},
    "with a clip": {"channels": 2, "norm": "range01", "windows": WINDOWS[:2], "hu_clip": [0, 1]},
    "another norm": {"channels": 2, "norm": "minmax", "windows": WINDOWS[:2]},
    "high first": {"channels": 2, "norm": "range01", "windows": [WINDOWS[0], [800, 300]]},
    "no pair": {"channels": 2, "norm": "range01", "windows": [WINDOWS[0], [800]]},
    "no number": {"channels": 2, "norm": "range01", "windows": [WINDOWS[0], [0, "1"]]},
    "out of bounds": {"channels": 2, "norm": "range01", "windows": [WINDOWS[0], [0, 2e6]]},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_windows_are_refused_by_key(tmp_path, wrong):
    checked = call("model", "check", model(tmp_path / "m", **wrong))
    assert checked.returncode != 0 and "preprocess.windows" in checked.stderr + checked.stdout


def test_channels_without_windows_take_no_study(tmp_path, study):
    done = call("encode", "--json", "--model", model(tmp_path / "m", 2), study)
    assert json.loads(done.stdout)["reason"] == "no_study_path"
