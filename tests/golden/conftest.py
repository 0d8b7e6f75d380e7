"""What the golden tests share: the probe, the shared data, model folders written from torch modules.

Run: BUILD_DIR=<meson build folder> python -m pytest tests/golden
"""
import json
import os
import pathlib
import subprocess

import numpy
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def shared():
    folder = pathlib.Path(os.environ.get("CARDIOSCRIBE_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("no shared data: set CARDIOSCRIBE_SHARED")
    return folder


class Probe:
    """tests/golden/encoder_probe.c"""

    def __init__(self, path):
        self.path = path

    def call(self, *arguments, **options):
        done = subprocess.run([self.path, *map(str, arguments)], capture_output=True, timeout=600, **options)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def refusal(self, *arguments):
        done = subprocess.run([self.path, *map(str, arguments)], capture_output=True, timeout=600)
        assert done.returncode == 1, (done.returncode, done.stderr.decode())
        return done.stderr.decode()

    def stages(self, out, *arguments):
        out.mkdir()
        lines = self.call(*[out if a is Probe.OUT else a for a in arguments]).split("\n")
        result = {}
        for name, rows, columns in (line.split() for line in lines if line):
            data = numpy.fromfile(out / f"{name}.f32", dtype="<f4")
            result[name] = data.reshape(int(rows), int(columns)).astype("f8")
        return result

    OUT = object()

    def image(self, out, model, volume):
        path = out.with_suffix(".input.f32")
        volume.astype("<f4").tofile(path)
        return self.stages(out, "image", model, path, Probe.OUT)

    def text(self, out, model, ids):
        return self.stages(out, "ids", model, Probe.OUT, *ids)

    def tokenize(self, vocab, lower, texts, max_len=512):
        stdin = b"".join(text.encode() + b"\0" for text in texts)
        lines = self.call("tokenize", vocab, int(lower), max_len, input=stdin).split("\n")[:-1]
        assert len(lines) == len(texts)
        return [[int(word) for word in line.split()] for line in lines]


@pytest.fixture(scope="session")
def probe():
    build = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build"))
    path = build / "tests/encoder/encoder_probe"
    if not path.exists():
        pytest.skip(f"{path} is not built: set BUILD_DIR")
    return Probe(path)


def write_folder(folder, config, tensors):
    """A model folder; vocab.txt and prompts.json are not needed by the probe."""
    from safetensors.numpy import save_file
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file({name: numpy.ascontiguousarray(value) for name, value in tensors.items()},
              folder / "model.safetensors")
    return folder
