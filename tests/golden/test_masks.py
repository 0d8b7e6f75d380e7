"""Segmentation objects: decoded as pydicom and highdicom decode them, and laid on a volume's grid as a plain loop over
patient coordinates lays them."""
import os
import pathlib
import subprocess
import sys

import highdicom
import numpy
import pydicom
import pytest
from highdicom.sr.coding import CodedConcept

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests/daemon"))
from studies import Study  # noqa: E402

HEART, LUNG = CodedConcept("80891009", "SCT", "Heart"), CodedConcept("39607008", "SCT", "Lung")
ORGAN = CodedConcept("123037004", "SCT", "Anatomical Structure")


class MaskProbe:
    def __init__(self, path):
        self.path = path

    def call(self, *arguments, rc=0):
        done = subprocess.run([self.path, *map(str, arguments)], capture_output=True, timeout=300)
        assert done.returncode == rc, done.stderr.decode()
        return (done.stderr if rc else done.stdout).decode()

    def seg(self, path, out):
        first, *segments, frames, _ = self.call("seg", path, out).split("\n")
        return first.split(), segments, [int(word) for word in frames.split()[1:]], numpy.fromfile(out, "u1")

    def grid(self, spacing, files):
        return parse_grid(self.call("grid", *spacing, *files))

    def mask(self, seg, out, spacing, files):
        grid = parse_grid(self.call("mask", seg, out, *spacing, *files))
        return grid, numpy.fromfile(out, "u1").reshape(grid[0])


def parse_grid(text):
    lines = [line.split() for line in text.split("\n") if line]
    return [int(word) for word in lines[0]], numpy.array([[float(word) for word in line] for line in lines[1:5]])


@pytest.fixture(scope="session")
def masks():
    path = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build")) / "tests/golden/mask_probe"
    if not path.exists():
        pytest.skip(f"{path} is not built: set BUILD_DIR")
    return MaskProbe(path)


def series(folder, slices=7, rows=50):
    """A CT series of odd sizes, so that no frame of a bit mask but the first begins on a byte."""
    study = Study("CT")
    study.add_series(slices, rows=rows)
    for one in study.objects:
        one.Columns = rows - 3
        one.PixelData = numpy.frombuffer(one.PixelData, "<i2").reshape(rows, -1)[:, :rows - 3].tobytes()
    return study.objects, write(folder, study.objects)


def write(folder, objects):
    folder.mkdir(exist_ok=True)
    paths = []
    for i, one in enumerate(objects):
        paths.append(folder / f"{i}.dcm")
        one.save_as(paths[-1], write_like_original=False)
    return paths


def made(objects, array, kind="BINARY", codes=(HEART, LUNG), **options):
    """array: [slice][row][column][segment], in order of the objects."""
    described = [highdicom.seg.SegmentDescription(
        i + 1, f"label {i}", ORGAN, code, "AUTOMATIC", highdicom.AlgorithmIdentificationSequence(
            "test", CodedConcept("123110", "DCM", "Artificial Intelligence"), "1")) for i, code in enumerate(codes)]
    return highdicom.seg.Segmentation(
        objects, array, kind, described, highdicom.UID(), 100, highdicom.UID(), 1, "m", "m", "1", "1", **options)


def blobs(shape, segments=2, seed=0):
    draw = numpy.random.default_rng(seed)
    array = numpy.zeros((*shape, segments), bool)
    for s in range(segments):
        low = [draw.integers(1, n // 2) for n in shape]
        array[tuple(slice(a, max(a + 2, n - 2)) for a, n in zip(low, shape)) + (s,)] = True
        array[..., s] &= draw.random(shape) > 0.3  # ragged: a shifted bit must show
    return array


def theirs(dataset):
    """pydicom's decoding, frames first; a fraction counts from one half."""
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    return frames if dataset.SegmentationType == "BINARY" else 2 * frames.astype(int) >= dataset.MaximumFractionalValue


def check(masks, tmp_path, dataset, path):
    first, segments, frames, voxels = masks.seg(path, tmp_path / "out")
    assert first[0] == dataset.SegmentationType
    for line, item in zip(segments, dataset.SegmentSequence, strict=True):
        code = item.SegmentedPropertyTypeCodeSequence[0]
        assert line == f"{item.SegmentNumber} {code.CodingSchemeDesignator} {code.CodeValue} {item.SegmentLabel}"
    numbers = [item.SegmentNumber for item in dataset.SegmentSequence]
    groups = dataset.PerFrameFunctionalGroupsSequence
    assert frames == [numbers.index(g.SegmentIdentificationSequence[0].ReferencedSegmentNumber) for g in groups]
    assert (voxels.reshape(-1, dataset.Rows, dataset.Columns) == theirs(dataset)).all() and voxels.any()


@pytest.mark.parametrize("name", ["other_modality/seg_ct.dcm", "sr/seg_for_tid1500.dcm"])
def test_real_objects(masks, shared, tmp_path, name):
    check(masks, tmp_path, pydicom.dcmread(shared / "data" / name), shared / "data" / name)


def test_frames_deflated_one_by_one_are_refused(masks, shared, tmp_path):
    path = shared / "data/transfer_syntaxes/special/liver_deflate.dcm"
    assert masks.call("seg", path, tmp_path / "out", rc=1)


@pytest.mark.parametrize("kind, options", [
    ("BINARY", {}), ("BINARY", {"omit_empty_frames": False}), ("FRACTIONAL", {"max_fractional_value": 255}),
    ("FRACTIONAL", {"max_fractional_value": 101}),
    ("FRACTIONAL", {"max_fractional_value": 200, "transfer_syntax_uid": pydicom.uid.RLELossless}),
])
def test_objects_that_highdicom_writes(masks, tmp_path, kind, options):
    objects, _ = series(tmp_path / "ct")
    array = blobs((7, 50, 47))
    if kind == "FRACTIONAL":
        array = array * numpy.random.default_rng(1).random(array.shape)
        options = {**options, "fractional_type": "PROBABILITY"}
    dataset = made(objects, array, kind, **options)
    dataset.save_as(tmp_path / "seg.dcm")
    check(masks, tmp_path, pydicom.dcmread(tmp_path / "seg.dcm"), tmp_path / "seg.dcm")


@pytest.mark.parametrize("change, words", [
    (lambda d: setattr(d, "SegmentationType", "LABELMAP"), "neither BINARY nor FRACTIONAL"),
    (lambda d: setattr(d, "SegmentSequence", []), "segmentation of 0 segments"),
    (lambda d: setattr(d.SegmentSequence[1], "SegmentNumber", 1), "segment number 1 is twice"),
    (lambda d: setattr(d.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence[0],
                       "ReferencedSegmentNumber", 9), "frame 1 is of segment 9"),
    (lambda d: setattr(d, "PerFrameFunctionalGroupsSequence", d.PerFrameFunctionalGroupsSequence[:3]),
     "frame 4 is of segment 0"),
    (lambda d: setattr(d, "BitsAllocated", 8), "pixel data has"),
    (lambda d: setattr(d, "PixelData", d.PixelData[:100]), "pixel data has 100 bytes"),
])
def test_what_is_damaged_is_refused(masks, tmp_path, change, words):
    objects, _ = series(tmp_path / "ct")
    dataset = made(objects, blobs((7, 50, 47)))
    change(dataset)
    dataset.save_as(tmp_path / "seg.dcm")
    assert words in masks.call("seg", tmp_path / "seg.dcm", tmp_path / "out", rc=1)


# ---- on a grid ----

def paint(grid, dataset, between):
    """Every voxel of the grid by itself: the plane nearest to its centre, if it lies within half a spacing."""
    zyx, (origin, *steps) = grid
    index = numpy.indices(zyx).reshape(3, -1).T
    points = origin + index @ numpy.array(steps)
    shared_groups = dataset.SharedFunctionalGroupsSequence[0]
    row_spacing, column_spacing = (float(v) for v in shared_groups.PixelMeasuresSequence[0].PixelSpacing)
    cosines = numpy.array(shared_groups.PlaneOrientationSequence[0].ImageOrientationPatient, dtype=float)
    along_row, along_column = cosines[:3], cosines[3:]
    normal = numpy.cross(along_row, along_column)
    out = numpy.zeros(len(points), "u1")
    for frame, group in zip(theirs(dataset), dataset.PerFrameFunctionalGroupsSequence):
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        away = points - numpy.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        column = numpy.floor(away @ along_row / column_spacing + 0.5).astype(int)
        row = numpy.floor(away @ along_column / row_spacing + 0.5).astype(int)
        k = numpy.floor(away @ normal / between + 0.5)
        near = (k == 0) & (row >= 0) & (row < dataset.Rows) & (column >= 0) & (column < dataset.Columns)
        inside = numpy.zeros(len(points), bool)
        inside[near] = frame[row[near], column[near]] > 0
        out[inside & ((out == 0) | (out > number))] = number
    return out.reshape(zyx)


def turned(objects, degrees):
    """The series tilted round x: oblique to the patient's axes."""
    angle = numpy.radians(degrees)
    turn = numpy.array([[1, 0, 0], [0, numpy.cos(angle), -numpy.sin(angle)], [0, numpy.sin(angle), numpy.cos(angle)]])
    for one in objects:
        cosines = numpy.array(one.ImageOrientationPatient, dtype=float).reshape(2, 3)
        one.ImageOrientationPatient = [f"{v:.10f}" for v in (cosines @ turn.T).ravel()]
        one.ImagePositionPatient = [f"{v:.8f}" for v in turn @ numpy.array(one.ImagePositionPatient, dtype=float)]
    return objects


# Along y an even number of voxels, so that with 50 rows no centre lies half-way between two of them.
@pytest.mark.parametrize("spacing, tilt", [((2.5, 1.03, 1), 0), ((3, 1.25, 0.9), 0), ((5, 1.03, 1), 0), ((2, 1.03, 1), 20)])
def test_masks_on_a_grid(masks, tmp_path, spacing, tilt):
    objects, _ = series(tmp_path / "made", slices=11)
    paths = write(tmp_path / "ct", turned(objects, tilt))
    dataset = made(objects, blobs((11, 50, 47), seed=3))
    dataset.save_as(tmp_path / "seg.dcm")
    grid, ours = masks.mask(tmp_path / "seg.dcm", tmp_path / "out", spacing, paths)
    wanted = paint(grid, pydicom.dcmread(tmp_path / "seg.dcm"), 2.5)
    assert set(numpy.unique(wanted)) == {0, 1, 2}
    assert grid[0][1] % 2 == 0 and (ours == wanted).all()


def test_planes_nearer_than_stated_stay_apart(masks, tmp_path):
    """Two frames, and a spacing of which their distance is a small part: not one thick plane."""
    objects, paths = series(tmp_path / "ct", slices=11)
    array = numpy.zeros((11, 50, 47, 2), bool)
    array[5, 5:20, 5:20, 0] = array[6, 25:40, 5:20, 1] = True
    dataset = made(objects, array)
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = 25
    dataset.save_as(tmp_path / "seg.dcm")
    grid, ours = masks.mask(tmp_path / "seg.dcm", tmp_path / "out", (2.5, 1.03, 1), paths)
    assert (ours == paint(grid, pydicom.dcmread(tmp_path / "seg.dcm"), 2.5)).all() and set(numpy.unique(ours)) == {0, 1, 2}


def test_the_grid_covers_the_field_of_view(masks, tmp_path):
    """Corner to corner: the first voxel's centre is half a step inside the corner of the first pixel."""
    objects, paths = series(tmp_path / "ct", slices=11)
    zyx, (origin, *steps) = masks.grid((5, 1.5, 2), paths)
    spacing = numpy.array([2.5, *map(float, objects[0].PixelSpacing)])
    length = spacing * [11, 50, 47]
    assert zyx == [int(n) for n in length / [5, 1.5, 2]]
    steps = numpy.array([step[[2, 1, 0][i]] for i, step in enumerate(steps)])
    assert numpy.abs(steps * zyx - length).max() < 1e-6
    first = numpy.array(min((one.ImagePositionPatient for one in objects), key=lambda p: float(p[2])), dtype=float)
    assert numpy.abs(origin[::-1] - (first[::-1] - spacing / 2 + steps / 2)).max() < 1e-6


def test_a_real_series(masks, shared, tmp_path):
    paths = sorted((shared / "data/ct_series/lidc-idri-0314_chest_2mm").iterdir())
    objects = sorted((pydicom.dcmread(path) for path in paths), key=lambda d: float(d.ImagePositionPatient[2]))
    for one in objects:  # LIDC's were given a frame of reference each
        one.FrameOfReferenceUID = objects[0].FrameOfReferenceUID
    array = numpy.zeros((len(objects), objects[0].Rows, objects[0].Columns, 2), bool)
    between = float(objects[1].ImagePositionPatient[2]) - float(objects[0].ImagePositionPatient[2])
    array[3:-3, 100:380, 80:430, 1] = True
    array[8:25, 200:300, 230:340, 0] = True
    dataset = made(objects, array)
    dataset.save_as(tmp_path / "seg.dcm")
    grid, ours = masks.mask(tmp_path / "seg.dcm", tmp_path / "out", (3, 1, 1), paths)
    assert (ours != paint(grid, pydicom.dcmread(tmp_path / "seg.dcm"), between)).mean() < 1e-4 and set(numpy.unique(ours)) == {0, 1, 2}


def move(dataset, frame, by):
    position = dataset.PerFrameFunctionalGroupsSequence[frame].PlanePositionSequence[0]
    position.ImagePositionPatient = [f"{float(v) + d:.6f}" for v, d in zip(position.ImagePositionPatient, by)]


def tilt_one(dataset):
    dataset.PerFrameFunctionalGroupsSequence[2].PlaneOrientationSequence = pydicom.Sequence([pydicom.Dataset()])
    dataset.PerFrameFunctionalGroupsSequence[2].PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, .8, .6]


@pytest.mark.parametrize("change, words", [
    (lambda d: move(d, 2, (0, 0, 1.1)), "irregular"),
    (lambda d: move(d, 2, (30, 0, 0)), "one above the other"),
    (tilt_one, "not parallel"),
    (lambda d: setattr(d.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0], "ImageOrientationPatient",
                       [1, 0, 0, .6, .8, 0]), "not square"),
    (lambda d: d.SharedFunctionalGroupsSequence[0].__delattr__("PlaneOrientationSequence"), "where its frames lie"),
    (lambda d: move(d, 2, (0, 0, 9e6)), "too many planes"),
])
def test_planes_that_make_no_volume_are_declined(masks, tmp_path, change, words):
    objects, paths = series(tmp_path / "ct")
    dataset = made(objects, blobs((7, 50, 47)))
    change(dataset)
    dataset.save_as(tmp_path / "seg.dcm")
    text = masks.call("mask", tmp_path / "seg.dcm", tmp_path / "out", 2, 1, 1, *paths, rc=1)
    assert "segmentation_geometry" in text and words in text
