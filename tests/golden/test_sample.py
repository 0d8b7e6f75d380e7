"""Volumes on other grids against code nobody here wrote: torch, MONAI as RADAR and fVLM call it, SimpleITK.

Stated tolerance: 1e-3 HU.
"""
import glob
import os
import pathlib
import subprocess

import numpy
import pydicom
import pytest
import torch

TOLERANCE = 1e-3
# (z, y, x) steps in LPS, as unit vectors, and how numpy brings [z][y][x] to canonical order
TURNS = {
    "as_is": ((0, 0, 1), (0, 1, 0), (1, 0, 0), lambda a: a),
    "feet_first": ((0, 0, -1), (0, 1, 0), (-1, 0, 0), lambda a: a[::-1, :, ::-1]),
    "sagittal": ((1, 0, 0), (0, 0, -1), (0, 1, 0), lambda a: a.transpose(1, 2, 0)[::-1]),
    "coronal": ((0, 1, 0), (0, 0, -1), (1, 0, 0), lambda a: a.transpose(1, 0, 2)[::-1]),
    "oblique": ((0.1, 0.2, 0.97), (0.05, 0.98, -0.2), (0.99, -0.07, -0.09), lambda a: a),
}


@pytest.fixture(scope="module")
def run(root):
    path = pathlib.Path(os.environ.get("BUILD_DIR", root / "build")) / "tests/golden/sample_probe"
    if not path.exists():
        pytest.skip(f"{path} is not built: set BUILD_DIR")

    def call(what, out, *words):
        """The grid's size, origin and steps (z, y, x), and the values."""
        first = [what, *words[:1], out] if what != "regrid" else [what, out, *words[:1]]
        done = subprocess.run([path, *map(str, first), *map(str, words[1:])], capture_output=True, text=True,
                              timeout=300)
        assert done.returncode == 0, done.stderr
        rows = [list(map(float, line.split())) for line in done.stdout.splitlines()]
        size = tuple(map(int, rows[0]))
        return numpy.array(rows[1]), numpy.array(rows[2:]), numpy.fromfile(out, "<f4").reshape(size)

    return call


def made(shape, path):
    """Values of CT size; the probe reads them as 1024ths."""
    stored = numpy.random.default_rng(3).integers(-1024 * 1024, 3071 * 1024, shape)
    stored.astype("<i4").tofile(path)
    return stored / 1024


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("size", [((7, 11, 13), (5, 20, 9)), ((40, 64, 50), (32, 48, 48)), ((2, 3, 1), (4, 3, 5))])
def test_covering_equals_torch(turn, size, run, tmp_path):
    *steps, canonical = TURNS[turn]
    shape, out = size
    values = made(shape, tmp_path / "in.i32")
    _, _, found = run("cover", tmp_path / "out.f32", tmp_path / "in.i32", *shape, *out, *sum(map(tuple, steps), ()))
    source = torch.from_numpy(canonical(values).copy())[None, None].double()
    expected = torch.nn.functional.interpolate(source, size=out, mode="trilinear", align_corners=False)[0, 0].numpy()
    assert numpy.abs(found - expected).max() < TOLERANCE


def image_of(sitk, values, origin, steps):
    """A SimpleITK image of [z][y][x] with these steps of z, y and x."""
    spacing = numpy.linalg.norm(steps, axis=1)
    image = sitk.GetImageFromArray(values.astype("f4"))
    image.SetOrigin(tuple(origin))
    image.SetSpacing(tuple(spacing[::-1]))
    image.SetDirection(tuple((steps / spacing[:, None])[::-1].T.ravel()))
    return image


def resampled(sitk, image, shape, origin, steps, outside):
    spacing = numpy.linalg.norm(steps, axis=1)
    direction = (steps / spacing[:, None])[::-1].T.ravel()
    made = sitk.Resample(image, shape[::-1], sitk.Transform(), sitk.sitkLinear, tuple(origin), tuple(spacing[::-1]),
                         tuple(direction), outside, sitk.sitkFloat32)
    return sitk.GetArrayFromImage(made)


@pytest.mark.parametrize("turn", ["as_is", "feet_first", "sagittal", "coronal"])
def test_a_box_equals_simpleitk_inside_and_outside(turn, run, tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    *steps, _ = TURNS[turn]
    shape, out, centre, size = (20, 24, 28), (16, 17, 18), (10.3, 9.1, 12.7), (22.5, 16.25, 31)
    placed = [numpy.array(steps[i], "f8") for i in range(3)]
    values = made(shape, tmp_path / "in.i32")
    middle = sum(step * (count - 1) / 2 for step, count in zip(placed, shape))
    centre = middle + numpy.array(centre) - 10
    origin, found_steps, found = run("box", tmp_path / "out.f32", tmp_path / "in.i32", *shape, *out,
                                     *sum(map(tuple, steps), ()), *centre, *size)
    expected = resampled(sitk, image_of(sitk, values, (0, 0, 0), numpy.array(placed)), out, origin, found_steps, -5000)
    outside = numpy.isnan(found)
    assert 0.1 < outside.mean() < 0.9
    assert (outside == (expected == -5000)).all()
    assert numpy.abs(found - expected)[~outside].max() < TOLERANCE


# ---- a real series ----

@pytest.fixture(scope="module")
def lidc(shared):
    files = sorted(glob.glob(str(shared / "data/ct_series/lidc-idri-0314_chest_2mm/*.dcm")))
    assert len(files) > 30
    datasets = sorted(map(pydicom.dcmread, files), key=lambda data: data.ImagePositionPatient[2])
    values = numpy.stack([data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
                          for data in datasets])
    assert not any("PixelPaddingValue" in data for data in datasets)
    origin = [float(value) for value in datasets[0].ImagePositionPatient]
    rise = float(datasets[1].ImagePositionPatient[2]) - origin[2]
    y, x = map(float, datasets[0].PixelSpacing)
    return files, values, numpy.array(origin), numpy.diag([rise, y, x])[:, ::-1]


def test_radar_spacing_equals_simpleitk(run, lidc, tmp_path):
    """(1, 1, 5) mm, trilinear, on the grid that RADAR's code makes."""
    sitk = pytest.importorskip("SimpleITK")
    files, values, origin, steps = lidc
    ours, our_steps, found = run("regrid", tmp_path / "out.f32", 5, 1, 1, *files)
    expected = resampled(sitk, image_of(sitk, values, origin, steps), found.shape, ours, our_steps, -5000)
    assert numpy.abs(found - expected).max() < TOLERANCE
    assert numpy.ptp(found) > 1500


@pytest.mark.parametrize("spacing", [(5, 1, 1), (3, 1, 1)], ids=["radar", "fvlm"])
def test_grid_and_values_are_those_of_the_published_code(spacing, run, lidc, tmp_path):
    """RADAR and fVLM: int(size * spacing / wanted) voxels by MONAI's Resized, trilinear."""
    transforms = pytest.importorskip("monai.transforms")
    files, values, _, steps = lidc
    _, _, found = run("regrid", tmp_path / "out.f32", *spacing, *files)
    own = numpy.linalg.norm(steps, axis=1)
    size = [int(count * (mm / wanted)) for count, mm, wanted in zip(values.shape, own, spacing)]
    assert list(found.shape) == size
    resize = transforms.Resize(spatial_size=size, mode="trilinear", dtype=numpy.float64)
    expected = numpy.asarray(resize(values[None])[0])
    assert numpy.abs(found - expected).max() < TOLERANCE
