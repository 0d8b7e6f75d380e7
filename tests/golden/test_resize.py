"""Antialiased bilinear resizing of floats against torch, within 1e-5 of the range: random pictures up and down, slices of
real cine series, and CMR-CLIP's two resizes in a row."""
import os
import pathlib
import subprocess

import numpy
import pydicom
import pytest
import torch
from torch.nn.functional import interpolate

TOLERANCE = 1e-5


@pytest.fixture
def resize(root, tmp_path):
    path = pathlib.Path(os.environ.get("BUILD_DIR", root / "build")) / "tests/golden/volume_probe"
    if not path.exists():
        pytest.skip(f"{path} is not built: set BUILD_DIR")

    def call(picture, out):
        picture.astype("<f4").tofile(tmp_path / "in.f32")
        subprocess.run([path, "bilinear", tmp_path / "in.f32", tmp_path / "out.f32",
                        *map(str, (*picture.shape, *out))], check=True, timeout=60)
        return numpy.fromfile(tmp_path / "out.f32", dtype="<f4").reshape(out)

    return call


def theirs(picture, out):
    whole = torch.from_numpy(picture.astype("f4"))[None, None]
    return interpolate(whole, size=out, mode="bilinear", align_corners=False, antialias=True)[0, 0].numpy()


@pytest.mark.parametrize("size, out", [
    ((224, 224), (256, 256)), ((256, 256), (224, 224)), ((512, 512), (224, 224)), ((100, 80), (224, 224)),
    ((97, 224), (224, 97)), ((300, 17), (31, 17)), ((1, 7), (5, 3)), ((640, 3), (1, 1)), ((64, 64), (64, 64))])
def test_bilinear_equals_torch(resize, size, out):
    picture = numpy.random.default_rng(size[0] + out[1]).random(size)
    assert numpy.abs(resize(picture, out) - theirs(picture, out)).max() < TOLERANCE


def test_random_sizes(resize):
    draw = numpy.random.default_rng(7)
    for _ in range(25):
        size, out = tuple(draw.integers(1, 400, 2)), tuple(int(n) for n in draw.integers(1, 400, 2))
        picture = draw.random(size)
        assert numpy.abs(resize(picture, out) - theirs(picture, out)).max() < TOLERANCE, (size, out)


@pytest.mark.parametrize("name", ["sunnybrook_SCD0000301_sax", "pig_sax_ssfp"])
def test_a_real_slice_up_cut_and_down_again(resize, shared, name):
    file = sorted((shared / "data/mr_cine" / name).iterdir())[7]
    stored = pydicom.dcmread(file).pixel_array.astype("f4")
    picture = (stored - stored.min()) / (stored.max() - stored.min())
    ours, wanted = picture, picture
    for out in ((224, 224), (256, 256), (224, 224)):
        ours, wanted = resize(ours, out), theirs(wanted, out)
        assert numpy.abs(ours - wanted).max() < TOLERANCE, out
