"""cardioscribe encode --picture: what stands where is worked out here from DICOM and the result alone (docs/picture.md)."""
import json
import subprocess

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import generate_uid
from safetensors.numpy import load_file

import cmr
import grounded
from conftest import real_data
from service import CLI, DATA, MODEL
from studies import Study

LEFT, PANEL, PITCH, TOP = 24, 480, 504, 180  # docs/picture.md
NATIVE, CTA = (-160, 240), (-200, 600)  # HU; what is made here is called coronary
YELLOW = (255, 220, 0)
PLANES = [(0, 1, 2), (1, 0, 2), (2, 0, 1)]  # through, down, right, as axes z, y, x
# A block of space, in mm: middle (x, y, z) and size (z, y, x), no two alike.
CENTRE, SIZE = np.array([7.0, -13.0, 101.0]), np.array([80.0, 90.0, 110.0])
BALL, RADIUS = CENTRE + [-15, 11, 9], 18.0  # right of the middle, behind and above it; every middle plane cuts it

# Letters of 5 x 7 dots, as far as they tell one from another.
LETTERS = {"R": "####.#...##...#####.#.#..#..#.#...#", "L": "#....#....#....#....#....#....#####",
           "A": "..#...#.#.#...##...#######...##...#", "P": "####.#...##...#####.#....#....#....",
           "H": "#...##...##...#######...##...##...#", "F": "######....#....####.#....#....#...."}


def picture(folder, model=MODEL, *more, rc=0):
    """The page as [y][x][rgb] and the result."""
    out = folder.parent / f"{folder.name}.png"
    done = subprocess.run([CLI, "encode", "--model", model, "--json", "--picture", out, *more, folder],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == rc, done.stderr
    if rc:
        assert not out.exists() and not out.with_name(out.name + ".part").exists()
        return None, done.stderr
    opened = Image.open(out)
    assert opened.format == "PNG" and opened.mode == "RGB" and set(opened.info) <= {"srgb", "gamma"}, opened.info
    return np.asarray(opened).astype(int), json.loads(done.stdout)


# ---- a block with a ball in it, written in many ways ----

# Directions of columns (along a row), rows (down a column) and slices, as signed LPS axes; the file order.
WAYS = {"plain": ((1, 0, 0), (0, 1, 0), (0, 0, 1)), "reversed": ((1, 0, 0), (0, 1, 0), (0, 0, -1)),
        "feet_first_prone": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)), "feet_first": ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
        "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)), "sagittal": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
        "upside_down": ((1, 0, 0), (0, -1, 0), (0, 0, 1))}


def block(directions, spacing=(2.5, 2.0, 2.0)):
    """Slices of the block, in file order: dicts of pixels (HU), position, orientation; spacing of slices, rows, columns."""
    column, row, along = (np.array(v, float) for v in directions)
    steps = along * spacing[0], row * spacing[1], column * spacing[2]
    sizes = [abs(v) @ SIZE[::-1] for v in (along, row, column)]
    count = [int(round(size / step)) for size, step in zip(sizes, spacing)]
    first = CENTRE - sum(step * (n - 1) / 2 for step, n in zip(steps, count))
    z, y, x = np.meshgrid(*map(np.arange, count), indexing="ij")
    place = first + z[..., None] * steps[0] + y[..., None] * steps[1] + x[..., None] * steps[2]
    tissue = 40 + 60 * np.sin(place[..., 0] / 9) + 50 * np.cos(place[..., 1] / 7) + 40 * np.sin(place[..., 2] / 8)
    values = np.where(np.linalg.norm(place - BALL, axis=-1) < RADIUS, 1000, np.clip(tissue, -150, 150))
    return [{"pixels": np.rint(plane), "position": first + steps[0] * i, "orientation": [*column, *row]}
            for i, plane in enumerate(values)]


def write(folder, slices, spacing=(2.5, 2.0, 2.0)):
    study, series, frame = Study("CT"), generate_uid(prefix=None), generate_uid(prefix=None)
    for one in slices:
        made = study.slice(one["pixels"], 0, series, frame, spacing_z=spacing[0])
        made.ImagePositionPatient = [f"{v:.4f}" for v in one["position"]]
        made.ImageOrientationPatient, made.PixelSpacing = one["orientation"], list(spacing[1:])
    study.write(folder)
    return study


class Page:
    """Where the panels of the first row lie, from the field of view: middle (x, y, z) and size (z, y, x)."""

    def __init__(self, pixels, centre=CENTRE, size=SIZE, middle=None, top=TOP, window=CTA):
        self.pixels, self.mm, self.top, self.window = pixels, max(size) / PANEL, top, window
        self.centre = np.array(centre)[::-1]  # z, y, x from here on
        self.middle = self.centre if middle is None else np.array(middle)[::-1]
        self.count = [int(np.floor(n / self.mm + 0.5)) for n in size]

    def panel(self, i):
        _, down, right = PLANES[i]
        left = LEFT + PITCH * i
        return self.pixels[self.top:self.top + self.count[down], left:left + self.count[right]]

    def places(self, i):
        """mm (z, y, x) of every pixel of a panel."""
        through, down, right = PLANES[i]
        rows, columns = (((np.arange(self.count[k]) + 0.5 - self.count[k] / 2) * self.mm) + self.centre[k]
                         for k in (down, right))
        out = np.empty((self.count[down], self.count[right], 3))
        out[..., down] = (rows[::-1] if down == 0 else rows)[:, None]  # the head is above
        out[..., right] = columns
        out[..., through] = self.middle[through]
        return out


def letter_at(panel, x, y):
    """The letter nearest to a place, of dots of two pixels, white."""
    white = (panel == 255).all(-1)
    for top in range(max(0, y - 12), y + 6):
        for left in range(max(0, x - 12), x + 6):
            dots = white[top:top + 14:2, left:left + 10:2]
            if dots.shape == (7, 5):
                text = "".join(".#"[int(dot)] for dot in dots.ravel())
                for letter, shape in LETTERS.items():
                    if text == shape:
                        return letter
    return None


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """demo-ct, but of the whole field of view."""
    folder = tmp_path_factory.mktemp("whole") / "model"
    folder.mkdir()
    for path in MODEL.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["preprocess"]["crop"] = "none"
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("way", WAYS)
def test_a_ball_is_on_its_side_however_it_was_acquired(whole, tmp_path, way):
    write(tmp_path / "s", block(WAYS[way]))
    pixels, result = picture(tmp_path / "s", whole)
    assert result["analysed"] and pixels.shape[1] == 1536
    page = Page(pixels)
    for i, (through, down, right) in enumerate(PLANES):
        letters = [letter_at(page.panel(i), 6, page.count[down] // 2),
                   letter_at(page.panel(i), page.count[right] - 14, page.count[down] // 2),
                   letter_at(page.panel(i), page.count[right] // 2 - 4, 6),
                   letter_at(page.panel(i), page.count[right] // 2 - 4, page.count[down] - 20)]
        assert letters == [*"RLAP", *"RLHF", *"APHF"][4 * i:4 * i + 4], (way, i, letters)
        y, x = np.nonzero((page.panel(i) == 255).all(-1) & ~drawn_on(page, i))
        seen = page.places(i)[y, x].mean(0)
        assert (abs(seen - BALL[::-1]) < [3 + 99 * (k == through) for k in range(3)]).all(), (way, i, seen)
        left, above = x.mean() < page.count[right] / 2, y.mean() < page.count[down] / 2
        assert (left, above) == [(True, False), (True, True), (False, True)][i], (way, i)


@pytest.mark.parametrize("way", WAYS)
def test_the_planes_are_those_of_independent_code(whole, tmp_path, way):
    """Every way shows the same block: the values of the plain one, sampled here."""
    slices = block(WAYS[way])
    write(tmp_path / "s", slices)
    pixels, result = picture(tmp_path / "s", whole)
    page, values = Page(pixels), np.stack([one["pixels"] for one in block(WAYS[way])])
    column, row, along = (np.array(v, float) for v in WAYS[way])
    for i in range(3):
        place = page.places(i)[..., ::-1] - slices[0]["position"]
        index = np.stack([place @ along / 2.5, place @ row / 2.0, place @ column / 2.0], -1)
        assert_same(page, i, trilinear(values, index))


def trilinear(values, index):
    """At places in voxels [..., 3]; clamped at the edges."""
    top = np.array(values.shape) - 1
    index = np.clip(index, 0, top)
    low = np.minimum(np.floor(index).astype(int), np.maximum(top - 1, 0))
    share, out = index - low, 0
    for corner in np.ndindex(2, 2, 2):
        at = np.minimum(low + corner, top)
        weight = np.where(corner, share, 1 - share).prod(-1)
        out = out + weight * values[at[..., 0], at[..., 1], at[..., 2]]
    return out


def drawn_on(page, i):
    """Where letters, the scale bar, ticks or a box stand."""
    panel = page.panel(i)
    rows, columns = panel.shape[:2]
    y, x = np.mgrid[:rows, :columns]
    sides = (np.minimum(x, columns - 1 - x) < 40) & (abs(y - rows / 2) < 14)
    sides |= (np.minimum(y, rows - 1 - y) < 26) & (abs(x - columns / 2) < 20)
    bar = (x < columns / 3 + 20) & (y > rows - 40)
    return sides | bar | (panel.max(-1) != panel.min(-1))


def assert_same(page, i, values):
    low, high = page.window
    wanted = np.clip((values - low) / (high - low) * 255, 0, 255)
    free = ~drawn_on(page, i)
    assert free.mean() > 0.6 and np.ptp(wanted[free]) > 30
    assert abs(page.panel(i)[..., 0] - wanted)[free].max() <= 2


@pytest.mark.parametrize("way", ["plain", "feet_first", "sagittal"])
def test_the_second_row_is_the_encoders_input(whole, tmp_path, way):
    """Three planes through the middle voxel, each voxel a block."""
    write(tmp_path / "s", block(WAYS[way]))
    pixels, _ = picture(tmp_path / "s", whole)
    values = encoder_input(tmp_path / "s", whole)["input"][0]
    above = Page(pixels)
    page = Page(pixels, top=TOP + max(above.count[:2]) + 24 + 48)
    middle = [n // 2 for n in values.shape]
    for i, (through, down, right) in enumerate(PLANES):
        plane = values.take(middle[through], through) * 255
        plane = plane[::-1] if down == 0 else plane
        rows, columns = (((np.arange(page.count[k]) + 0.5) * values.shape[k] / page.count[k]).astype(int)
                         for k in (down, right))
        free = ~drawn_on(page, i)
        assert free.mean() > 0.6 and abs(page.panel(i)[..., 0] - plane[np.ix_(rows, columns)])[free].max() <= 1


def encoder_input(folder, model):
    out = folder.with_suffix(".safetensors")
    done = subprocess.run([CLI, "encode", "--model", model, "--dump-input", out, folder], timeout=300, capture_output=True)
    assert done.returncode == 0
    return load_file(out)


def yellow_box(page, i):
    """Left, top, right, bottom of what is yellow on a panel, in pixels."""
    y, x = np.nonzero((page.panel(i) == YELLOW).all(-1))
    return [x.min(), y.min(), x.max() + 1, y.max() + 1]


def wanted_box(page, i, box):
    _, down, right = PLANES[i]
    edges = []
    for axis in (right, down):
        away = box["centre_lps"][2 - axis] - page.centre[axis]
        away = -away if axis == down == 0 else away
        half = box["size_zyx_mm"][axis] / 2
        edges.append([np.clip(page.count[axis] / 2 + (away + side) / page.mm + more, 0, page.count[axis])
                      for side, more in ((-half, -1), (half, 1))])
    return [edges[0][0], edges[1][0], edges[0][1], edges[1][1]]


def assert_box(page, box):
    for i in range(3):
        assert np.abs(np.subtract(yellow_box(page, i), wanted_box(page, i, box))).max() <= 1, (i, box)


@pytest.mark.parametrize("way", ["plain", "feet_first", "coronal"])
def test_the_box_is_drawn_where_the_result_says(tmp_path, way):
    """A heart that a segmentation gives, off the middle on every axis."""
    study = write(tmp_path / "s", block(WAYS[way]))
    slices = block(WAYS[way])
    column, row, along = (np.array(v, float) for v in WAYS[way])
    z, y, x = np.meshgrid(*(np.arange(n) for n in (len(slices), *slices[0]["pixels"].shape)), indexing="ij")
    place = slices[0]["position"] + z[..., None] * along * 2.5 + y[..., None] * row * 2 + x[..., None] * column * 2
    middle = CENTRE + [9, -11, -5]
    inside = (abs(place - middle) < [39, 31, 28]).all(-1)  # 78 x 62 x 56 mm
    seg = grounded.segmentation(study.objects, {"heart": np.nonzero(inside)})
    seg.save_as(tmp_path / "s" / "seg.dcm", write_like_original=False)
    pixels, result = picture(tmp_path / "s")
    box = result["input"]["box"]
    assert box["source"] == "segmentation"
    assert np.abs(np.array(box["centre_lps"]) - middle).max() < 3
    page = Page(pixels, middle=box["centre_lps"])
    assert_box(page, box)
    for i in range(3):  # and the planes go through its middle
        index = page.places(i)[..., ::-1] - slices[0]["position"]
        index = np.stack([index @ along / 2.5, index @ row / 2.0, index @ column / 2.0], -1)
        assert_same(page, i, trilinear(np.stack([one["pixels"] for one in slices]), index))


@real_data
def test_a_real_chest(tmp_path):
    """The box that was estimated, and the planes through its middle; a cut of another size is drawn round it."""
    folder = DATA / "ct_series/lidc-idri-0314_chest_2mm"
    out = tmp_path / "p.png"
    done = subprocess.run([CLI, "encode", "--model", MODEL, "--json", "--picture", out, folder], capture_output=True,
                          text=True, timeout=300)
    box = json.loads(done.stdout)["input"]["box"]
    images = sorted(map(pydicom.dcmread, folder.iterdir()), key=lambda one: float(one.ImagePositionPatient[2]))
    values = np.stack([one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept) for one in images])
    first = np.array(images[0].ImagePositionPatient, float)
    spacing = np.array([float(images[1].ImagePositionPatient[2]) - first[2], *map(float, images[0].PixelSpacing)])
    centre = first + spacing[::-1] * (np.array(values.shape[::-1]) - 1) / 2
    page = Page(np.asarray(Image.open(out)).astype(int), centre, spacing * values.shape, box["centre_lps"],
                window=NATIVE)
    assert_box(page, box)
    for i in range(3):
        assert_same(page, i, trilinear(values, (page.places(i) - first[::-1]) / spacing))


def test_the_same_study_makes_the_same_bytes_and_names_nobody(whole, tmp_path):
    study = write(tmp_path / "s", block(WAYS["plain"]))
    made = []
    for i in range(2):
        picture(tmp_path / "s", whole)
        made.append((tmp_path / "s.png").read_bytes())
    assert made[0] == made[1]
    for secret in (study.patient_id, study.patient_name, study.accession, study.uid):
        assert secret.encode() not in made[0]


def test_a_study_that_is_not_analysed_has_no_picture(tmp_path):
    write(tmp_path / "s", block(WAYS["plain"])[:3])
    _, said = picture(tmp_path / "s", rc=1)
    assert "too_few_slices" in said


@pytest.mark.parametrize("more", [("--dump-input", "x.safetensors"), ("--tensor", "x.safetensors")])
def test_one_thing_at_a_time(tmp_path, more):
    done = subprocess.run([CLI, "encode", "--model", MODEL, "--picture", tmp_path / "p.png", *more, tmp_path],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "usage" in done.stderr and not list(tmp_path.iterdir())


# ---- every picture the encoder got ----

def test_every_frame_of_an_examination_is_shown(tmp_path):
    model = cmr.model(tmp_path / "model", side=32)
    study, _ = cmr.six_views()
    study.write(tmp_path / "s")
    pixels, result = picture(tmp_path / "s", model)
    frames = encoder_input(tmp_path / "s", model)["input"][:, 0] * cmr.STD[0] + cmr.MEAN[0]
    top, side = 24 + 3 * 24 + 12 + 6 * 24 + 24, 192
    assert pixels.shape == (top + 8 * (side + 22) + 24, 8 * (side + 8) - 8 + 48, 3)
    for i, frame in enumerate(frames):
        row, column = divmod(i, 8)
        tile = pixels[top + row * (side + 22):, LEFT + column * (side + 8):][:side, :side, 0]
        wanted = np.repeat(np.repeat(frame * 255, 6, 0), 6, 1)
        y, x = np.mgrid[:side, :side]
        letters = ((np.minimum(x, side - 1 - x) < 20) & (abs(y - side / 2) < 8)) | \
                  ((np.minimum(y, side - 1 - y) < 14) & (abs(x - side / 2) < 16))
        assert abs(tile - wanted)[~letters].max() <= 1, i


# ---- organs ----

def test_organs_are_outlined_where_their_masks_are(tmp_path):
    model = grounded.model(tmp_path / "model")
    study = Study("CT")
    images = study.add_series(12)
    parts = {"heart": (slice(3, 10), slice(20, 40), slice(26, 44)), "lung": (slice(1, 11), slice(14, 50), slice(8, 20))}
    study.write(tmp_path / "s")
    grounded.segmentation(images, parts).save_as(tmp_path / "s" / "seg.dcm", write_like_original=False)
    pixels, _ = picture(tmp_path / "s", model)
    mask = encoder_input(tmp_path / "s", model)["mask"]
    voxel = np.array([2.5 * 12, 1.9 * 64, 1.9 * 64]) / [10, 60, 60]  # as many as fit whole, of 3, 2 and 2 mm
    size = voxel * mask.shape
    mm = size.max() / PANEL
    count = [int(np.floor(n / mm + 0.5)) for n in size]
    field = np.array([30.0, 121.6, 121.6])
    first = int(np.floor(field[1] / field.max() * PANEL + 0.5))  # the axial panel of the first row, the tallest
    top = 156 + first + 24 + 48
    plane = mask[int(np.nonzero(mask)[0].mean() + 0.5)]
    panel = pixels[top:top + count[1], LEFT:LEFT + count[2]]
    for organ, label in (("lung", 1), ("heart", 2)):
        y, x = np.nonzero(plane == label)
        wanted = np.array([y.min() * voxel[1], x.min() * voxel[2], (y.max() + 1) * voxel[1], (x.max() + 1) * voxel[2]]) / mm
        colours = {tuple(one) for one in panel.reshape(-1, 3) if max(one) - min(one) > 60}
        boxes = []
        for colour in colours:
            y, x = np.nonzero((panel == colour).all(-1))
            boxes.append(np.abs(np.array([y.min(), x.min(), y.max() + 1, x.max() + 1]) - wanted).max())
        assert min(boxes) <= 2, (organ, wanted, boxes)
