"""Which part of a chest CT a cube is cut from: `cardioscribe encode` on real series and segmentations."""
import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pydicom
import pytest

import grounded
from counterparts import send
from service import BUILD, CLI, MODEL, ROOT
from studies import Study, generate_uid

SHARED = pathlib.Path(os.environ.get("CARDIOSCRIBE_SHARED", ROOT.parent / "shared"))
LIDC = SHARED / "data/ct_series/lidc-idri-0314_chest_2mm"
MARKED = json.loads((ROOT / "tests/golden/heart_boxes.json").read_text())[LIDC.name]
real_data = pytest.mark.skipif(not LIDC.is_dir(), reason="no shared data: set CARDIOSCRIBE_SHARED")
PHANTOM = BUILD / "tools/phantom/cardioscribe-phantom"
MARGIN_MM = 5


def encode(*arguments, model=MODEL):
    done = subprocess.run([CLI, "encode", "--json", "--model", model, *arguments], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def box_of(found):
    """source, low and high in LPS mm: the axes of these series are the patient's."""
    box = found["input"]["box"]
    centre, size = np.array(box["centre_lps"]), np.array(box["size_zyx_mm"])[::-1]
    return box["source"], centre - size / 2, centre + size / 2


def marked_points(step=2.0):
    """Points of the marked heart, every 2 mm."""
    levels = sorted(map(float, MARKED))
    table = np.array([MARKED[f"{z:.1f}"] for z in levels])
    z, y, x = np.meshgrid(np.arange(levels[0], levels[-1], step), np.arange(70, 200, step), np.arange(-70, 90, step),
                          indexing="ij")
    middle_x, middle_y, half_x, half_y = (np.interp(z, levels, table[:, i]) for i in range(4))
    inside = ((x - middle_x) / half_x) ** 2 + ((y - middle_y) / half_y) ** 2 <= 1
    return np.stack([x[inside], y[inside], z[inside]], axis=1)


def assert_holds(found, points):
    source, low, high = box_of(found)
    assert source == "estimate"
    inside = ((points >= low) & (points <= high)).all(axis=1).mean()
    assert inside >= 0.95
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    assert np.linalg.norm((low + high) / 2 - middle) < 20
    # With the margin, which is much of a heart that 80 mm of scan show.
    assert np.prod(high - low) < 3 * len(points) * 2.0 ** 3


def rewritten(folder, change, every=1):
    """The lidc series with each image's pixels and position changed."""
    folder.mkdir()
    for i, path in enumerate(sorted(LIDC.iterdir())):
        one = pydicom.dcmread(path)
        if round((float(one.ImagePositionPatient[2]) + 611.8) / 2) % every:
            continue
        change(one)
        one.save_as(folder / f"{i}.dcm")
    return folder


def cropped(one, left, top, size):
    """Rows and columns of a field of view of `size` pixels."""
    pixels = one.pixel_array[top:top + size, left:left + size]
    x, y, z = map(float, one.ImagePositionPatient)
    spacing = float(one.PixelSpacing[0])
    one.ImagePositionPatient = [x + left * spacing, y + top * spacing, z]
    one.Rows, one.Columns, one.PixelData = *pixels.shape, pixels.tobytes()


def upside_down(one):
    """Feet first, head down: the same patient, rows and columns written the other way round."""
    x, y, z = map(float, one.ImagePositionPatient)
    reach = [float(v) * 511 for v in one.PixelSpacing]
    one.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
    one.ImagePositionPatient = [x + reach[1], y + reach[0], z]
    one.PixelData = np.ascontiguousarray(one.pixel_array[::-1, ::-1]).tobytes()


@real_data
def test_the_estimate_holds_the_marked_heart():
    found = encode(LIDC)
    assert_holds(found, marked_points())
    assert found["input"]["box"]["confidence"] > 0.8


@real_data
@pytest.mark.parametrize("name, change, every", [
    ("a field of 220 mm", lambda one: cropped(one, 129, 114, 282), 1),
    ("a field of 160 mm", lambda one: cropped(one, 168, 146, 205), 1),
    ("slices 6 mm apart", lambda one: None, 3),
    ("rows and columns turned", upside_down, 1),
])
def test_it_holds_it_however_the_scan_was_made(name, change, every, tmp_path):
    assert_holds(encode(rewritten(tmp_path / "s", change, every)), marked_points())


def heart_share(seed, truth, low, high):
    """How much of the phantom's heart lies in the box, counted in the shapes it was painted from."""
    line = " ".join(map(str, [seed, *truth["places_lps"]["mitral_valve"], *low, *high]))
    done = subprocess.run([BUILD / "bench/heart-share"], input=line + "\n", capture_output=True, text=True, check=True)
    return float(done.stdout.split()[0])


@pytest.mark.skipif(not PHANTOM.is_file(), reason="this build has no cardioscribe-phantom")
@pytest.mark.parametrize("seed", [
    3,     # a heart of 1.7 l that fills the field of view
    5,     # 12 mm of fluid, a round field of view with padding
    2017,  # 23 mm of fluid round a heart of 1.7 l, 356 mm of chest
    2004,  # a small heart in 345 mm of chest
    2054,  # a smaller one with 21 mm of fluid and an aneurysm of the aorta
])
def test_a_phantoms_heart_lies_in_a_box_that_is_hardly_larger(seed, tmp_path):
    subprocess.run([PHANTOM, "--kind", "ct", "--lean", "--seed", str(seed), "--out", tmp_path], check=True,
                   capture_output=True, timeout=120)
    truth = json.loads((tmp_path / f"ct-{seed}/truth.json").read_text())
    source, low, high = box_of(encode(tmp_path / f"ct-{seed}"))
    low, high = low + MARGIN_MM, high - MARGIN_MM
    assert source == "estimate"
    assert heart_share(seed, truth, low, high) >= 0.98
    assert np.prod(high - low) / 1000 <= 2.5 * truth["heart_ml"]
    middle = np.reshape(truth["heart_box_lps"], (2, 3)).mean(axis=0)
    assert np.linalg.norm((low + high) / 2 - middle) < 10


def with_crop(tmp_path, **preprocess):
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder)
    config = json.loads((folder / "config.json").read_text())
    config["preprocess"].update(preprocess)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@real_data
def test_slices_below_the_heart_give_the_whole_field(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    for path in LIDC.iterdir():
        if float(pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient[2]) < -604:
            shutil.copy(path, folder)
    found = encode(folder, model=with_crop(tmp_path, min_slices=1))
    source, low, high = box_of(found)
    assert source == "field_of_view" and found["input"]["box"]["confidence"] == 0
    assert np.allclose(high - low, [400, 400, 8], atol=0.01)


@real_data
def test_a_model_that_crops_to_nothing_has_no_box(tmp_path):
    whole = encode(LIDC, model=with_crop(tmp_path, crop="none"))
    assert whole["input"]["box"] is None
    assert whole["embedding"] != encode(LIDC)["embedding"]


@real_data
def test_a_volume_that_was_cut_already_is_left_whole(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    for path in LIDC.iterdir():
        one = pydicom.dcmread(path)
        cropped(one, 200, 200, 48)
        if float(one.ImagePositionPatient[2]) < -549:
            one.save_as(folder / path.name)
    found = encode(folder)
    assert found["input"]["source_zyx"] == [32, 48, 48] and found["input"]["box"] is None
    assert found["embedding"] == encode(folder, model=with_crop(tmp_path, crop="none"))["embedding"]


@real_data
def test_a_spacing_of_its_own_is_centred_on_the_heart(tmp_path):
    """The encoder's input is what torch's grid_sample takes at those places."""
    torch = pytest.importorskip("torch")
    from safetensors.numpy import load_file
    model = with_crop(tmp_path, spacing=[4, 3, 3])
    found = encode(LIDC, "--dump-input", tmp_path / "in.safetensors", model=model)
    ours = load_file(tmp_path / "in.safetensors")["input"].reshape(32, 48, 48)
    images = sorted((pydicom.dcmread(path) for path in LIDC.iterdir()), key=lambda one: one.ImagePositionPatient[2])
    voxels = np.stack([one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept) for one in images])
    origin, spacing = np.array(images[0].ImagePositionPatient, float)[::-1], np.array([2, 0.78125, 0.78125])
    centre = np.array(found["input"]["box"]["centre_lps"])[::-1]
    places, outside = [], np.zeros((32, 48, 48), bool)
    for axis, (count, mm) in enumerate(zip((32, 48, 48), (4, 3, 3))):
        at = (centre[axis] + (np.arange(count) - (count - 1) / 2) * mm - origin[axis]) / spacing[axis]
        beyond = (at < -0.5) | (at > voxels.shape[axis] - 0.5)
        outside |= np.expand_dims(beyond, [i for i in range(3) if i != axis])
        places.append((2 * at + 1) / voxels.shape[axis] - 1)
    z, y, x = np.meshgrid(*places, indexing="ij")
    grid = torch.from_numpy(np.stack([x, y, z], axis=-1))[None]
    expected = torch.nn.functional.grid_sample(torch.from_numpy(voxels)[None, None], grid, padding_mode="border",
                                               align_corners=False)[0, 0].numpy()
    expected[outside] = -1024
    expected = (expected - expected.min()) / (expected.max() - expected.min())
    assert outside.any() and not outside.all()
    assert np.abs(ours - expected).max() < 1e-5


# ---- segmentations ----

BIG = (slice(8, 33), slice(14, 46), slice(18, 50))


def segmented(parts, change=lambda seg: None):
    """40 slices, 2.5 mm apart, of 64 x 64 pixels of 1.9 mm, and a segmentation."""
    study = Study("CT")
    seg = grounded.segmentation(study.add_series(40), parts)
    change(seg)
    return study, seg


def encode_with(folder, study, *segs):
    study.write(folder)
    for i, seg in enumerate(segs):
        seg.save_as(folder / f"seg{i}.dcm", write_like_original=False)
    return encode(folder)


def test_a_segmented_heart_comes_before_any_estimate(tmp_path):
    study, seg = segmented({"heart": BIG, "lung": (slice(1, 39), slice(5, 20), slice(2, 9))})
    found = encode_with(tmp_path / "s", study, seg)
    source, low, high = box_of(found)
    assert source == "segmentation" and found["input"]["box"]["confidence"] == 1
    edge_low = np.array([-60 + 17.5 * 1.9, -60 + 13.5 * 1.9, 7.5 * 2.5])
    edge_high = np.array([-60 + 49.5 * 1.9, -60 + 45.5 * 1.9, 32.5 * 2.5])
    slack = 2 + 4 + MARGIN_MM  # half a voxel of the 2 mm grid on either side, a margin of 4 mm, the model's margin
    assert ((edge_low - low > 4) & (edge_low - low < slack + 1)).all(), (low, edge_low)
    assert ((high - edge_high > 4) & (high - edge_high < slack + 1)).all(), (high, edge_high)
    assert [one["sop_uid"] for one in found["input"]["instances"]][-1] == seg.SOPInstanceUID
    assert {one["reason"] for one in found["input"]["series"]} == {"chosen", "organ_masks"}
    assert found["input"]["manifest_sha256"] != encode_with(tmp_path / "t", study)["input"]["manifest_sha256"]


def other_frame(seg):
    seg.FrameOfReferenceUID = generate_uid(prefix=None)


@pytest.mark.parametrize("parts, change, warning", [
    ({"heart": (slice(8, 12), slice(30, 36), slice(30, 36))}, lambda seg: None, "heart_segmentation: not used, too small"),
    ({"heart": BIG}, other_frame, "heart_segmentation: not used, other_frame_of_reference"),
    ({"lung": BIG}, lambda seg: None, None),
])
def test_what_is_no_heart_of_this_series_is_not_used(parts, change, warning, tmp_path):
    study, seg = segmented(parts, change)
    found = encode_with(tmp_path / "s", study, seg)
    assert found["input"]["box"]["source"] == "field_of_view"
    assert [one for one in found["input"]["warnings"] if one.startswith("heart")] == ([warning] if warning else [])
    assert seg.SOPInstanceUID not in [one["sop_uid"] for one in found["input"]["instances"]]


def test_a_heart_segmented_late_makes_a_new_revision_and_other_organs_do_not(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()])
    study, heart = segmented({"heart": BIG})
    lung = grounded.segmentation(study.objects, {"lung": BIG})
    send(daemon, study.objects)
    first = daemon.wait_state(study.uid, "delivered", revision=1)
    assert first["results"][0]["input"]["box"]["source"] == "field_of_view"
    send(daemon, [lung])
    assert daemon.study(study.uid)["revision"] == 1
    send(daemon, [heart])
    second = daemon.wait_state(study.uid, "delivered", revision=2)
    assert second["results"][0]["input"]["box"]["source"] == "segmentation"
