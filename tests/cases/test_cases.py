"""Every folder here is a case: an odd or damaged study and what must become of it.

case.json has `what` and `why` (the rule it stands for), `make` (the recipe, see maker.py) and `expect`, by command:
`volume` is `cardioscribe volume`, `ct` and `mr` are `cardioscribe encode` with a small model of that modality. Of each:
  declined   the reason's word
  zyx, phases, spacing, warnings (their words), files, skipped
  series     verdict on each series by its number, or [verdict, ...] of all that have the number
  roles      the role of each series by its number
  gate       keys of the model's configuration, section preprocess
  as         another case: the embedding must be that one's, but for rounding where the voxels come in another order
  shows      of `volume`: false, or what else than the whole field, every place in the patient as it was made:
             series (whose images, as numbered when they were made), phases (which, in what order), shift (so much more everywhere), more
             (at a slice), corner (padding, and the value there), inside (the share of voxels that lie within the
             images), edge (pixels that are left out at their border), slack (of a value)
A key that is absent is not judged; warnings that are absent are none.
"""
import json
import os
import pathlib
import shutil
import subprocess

import nibabel
import numpy as np
import pytest

import maker

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build")).resolve()
CLI = BUILD / "cli" / "cardioscribe"
SHARED = pathlib.Path(os.environ.get("CARDIOSCRIBE_SHARED", ROOT.parent / "shared"))
TIME_FACTOR = float(os.environ.get("TIME_FACTOR", "1"))
CASES = {path.parent.name: json.loads(path.read_text()) for path in sorted(HERE.glob("*/case.json"))}
MODELS = {"ct": "CT", "mr": "MR"}
ROUNDING = 1e-5  # of a unit vector's elements
HALF = 0.51  # stored values are whole numbers


def is_real(case):
    return any("real" in step or "files" in step for step in case["make"])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The model in the box, taking little slices, for either modality."""
    folder = tmp_path_factory.mktemp("models")
    for name, modality in MODELS.items():
        copy_model(ROOT / "models" / "demo-ct", folder / name, modality=modality, min_slices=2, max_spacing_z_mm=20)
    return folder


def copy_model(source, folder, **preprocess):
    shutil.copytree(source, folder)
    config = json.loads((folder / "config.json").read_text())
    config["preprocess"].update(preprocess)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def call(*words):
    done = subprocess.run([str(CLI), *map(str, words)], capture_output=True, text=True, timeout=120 * TIME_FACTOR)
    for mark in ("AddressSanitizer", "runtime error"):
        assert mark not in done.stderr, done.stderr[:4000]
    return done


def word(text):
    return text.split(":")[0]


# ---- what a volume shows ----

def images_of(study, wanted):
    images = [one for one in study.images + study.wrapped_images if not one.older]
    numbers = {one.made for one in images}
    if wanted is None:
        assert len(numbers) == 1, "say which series is shown"
        (wanted,) = numbers
    return [one for one in images if one.made == wanted]


def judge_voxels(study, path, shows):
    image = nibabel.load(path)
    assert np.abs(image.get_qform() - image.affine).max() < 1e-3
    voxels = np.asanyarray(image.dataobj)
    voxels = voxels.reshape(*voxels.shape[:3], -1)
    grid = np.moveaxis(np.indices(voxels.shape[:3]), 0, -1)
    if study.real:  # large, and looked up: some pixels of every slice will do
        grid, voxels = grid[::7, ::5], voxels[::7, ::5]
    points = nibabel.affines.apply_affine(image.affine, grid) * (-1, -1, 1)  # LPS
    images = images_of(study, shows.get("series"))
    if voxels.shape[2] > 1:
        assert np.dot(points[0, 0, -1] - points[0, 0, 0], np.cross(images[0].row, images[0].column)) > 0
    phases = shows.get("phases", sorted({one.phase for one in images}))
    assert voxels.shape[3] == len(phases)
    for number, phase in enumerate(phases):
        frames = [one for one in images if one.phase == phase]
        inside, expected = seen_in(frames, points, phase, study.real, shows.get("edge", -0.01))
        assert inside.mean() >= shows.get("inside", 1), inside.mean()
        if "corner" in shows:
            assert (voxels[:4, :4, :, number] == shows["corner"]).all()
            inside[:4, :4] = False
        expected = expected + shows.get("shift", 0)
        for z, more in shows.get("more", {}).items():
            expected[..., int(z)] += more
        wrong = np.where(inside, np.abs(voxels[..., number] - expected), 0)
        where = np.unravel_index(wrong.argmax(), wrong.shape)
        assert wrong.max() <= shows.get("slack", HALF), (phase, where, voxels[(*where, number)], expected[where])


def seen_in(frames, points, phase, real, edge):
    """Which points lie within the frames or between two, at least `edge` pixels from the border, and what is there."""
    frames = sorted(frames, key=lambda one: one.origin @ np.cross(one.row, one.column))
    first = frames[0]
    normal = np.cross(first.row, first.column)
    along = np.array([one.origin @ normal for one in frames])
    depth = points @ normal
    corner = np.stack([np.interp(depth, along, [one.origin[i] for one in frames]) for i in range(3)], -1)
    place = np.stack([(points - corner) @ first.column / first.spacing_yx[0],
                      (points - corner) @ first.row / first.spacing_yx[1]], -1)
    room = np.array([first.data.Rows, first.data.Columns]) - 1
    inside = ((place > edge) & (place < room - edge)).all(-1)
    inside &= (depth > along[0] - 0.02) & (depth < along[-1] + 0.02)
    if not real:
        return inside, maker.field(points, phase, first.base)
    nearest = np.abs(depth[..., None] - along).argmin(-1)
    assert np.abs(along[nearest] - depth).max() < 0.02 and np.abs(place - np.rint(place)).max() < 0.02
    y, x = np.moveaxis(np.rint(place).astype(int), -1, 0)
    return inside, np.stack([one.values for one in frames])[nearest, y, x]


# ---- what is said ----

def judge_volume(expect, study, folder, out):
    done = call("volume", folder, "--nifti", out, "--json")
    if "declined" in expect:
        assert done.returncode != 0, f"laid out: {done.stdout}"
        assert done.stderr.rstrip().endswith(f"({expect['declined']})"), done.stderr
        assert not out.exists()
        return
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    found = {"zyx": answer["zyx"], "phases": answer["phases"], "files": answer["files"], "skipped": answer["skipped"],
             "spacing": [round(mm, 4) for mm in answer["spacing_zyx_mm"]],
             "warnings": sorted(word(text) for text in answer["warnings"])}
    assert {name: found[name] for name in found if name in expect or name == "warnings"} == \
        {"warnings": [], **{name: expect[name] for name in expect if name in found}}
    if expect.get("shows", True) is not False:
        judge_voxels(study, out, expect.get("shows", {}))


def verdicts(answer, key):
    found = {}
    for one in answer["input"]["series"]:
        found.setdefault(str(one["series_number"]), []).append(one.get(key))
    return {number: words[0] if len(set(words)) == 1 else sorted(words) for number, words in found.items()}


def encode(model, folder):
    done = call("encode", "--model", model, "--json", folder)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def judge_encode(expect, name, models, folder, tmp_path):
    model = models / name
    if "gate" in expect:
        model = copy_model(model, tmp_path / "model", **expect["gate"])
    answer = encode(model, folder)
    if "declined" in expect:
        assert answer["analysed"] is False, verdicts(answer, "reason")
        assert answer["reason"] == expect["declined"] and answer["reason_text"]
    else:
        assert answer["analysed"] is True, (answer["reason"], answer["reason_text"])
        assert sorted(map(word, answer["input"]["warnings"])) == sorted(expect.get("warnings", []))
        assert len(answer["input"]["manifest_sha256"]) == 64
    for key, field in (("series", "reason"), ("roles", "role")):
        if key in expect:
            assert verdicts(answer, field) == expect[key]
    if "zyx" in expect:
        assert answer["input"]["source_zyx"] == expect["zyx"]
    if "as" in expect:
        maker.write(maker.follow(CASES[expect["as"]]["make"], SHARED), tmp_path / "other")
        other = encode(model, tmp_path / "other")
        np.testing.assert_allclose(answer["embedding"], other["embedding"], atol=ROUNDING)
        assert answer["input"]["manifest_sha256"] != other["input"]["manifest_sha256"]


@pytest.mark.parametrize("name", CASES)
def test_case(name, models, tmp_path):
    case = CASES[name]
    if is_real(case) and not (SHARED / "data").is_dir():
        pytest.skip("no real data beside the checkout")
    study = maker.follow(case["make"], SHARED)
    maker.write(study, tmp_path / "study")
    assert case["expect"], "a case that expects nothing"
    for command, expect in case["expect"].items():
        if command == "volume":
            judge_volume(expect, study, tmp_path / "study", tmp_path / "out.nii")
        else:
            judge_encode(expect, command, models, tmp_path / "study", tmp_path)


def test_every_case_is_whole():
    """A case that fails to say something, or says what nobody reads, would judge nothing."""
    assert CASES
    for name, case in CASES.items():
        assert set(case) == {"what", "why", "make", "expect"} and case["what"] and case["why"], name
        for command, expect in case["expect"].items():
            assert command == "volume" or command in MODELS, name
            assert not set(expect) - {"declined", "zyx", "phases", "spacing", "warnings", "files", "skipped", "series",
                                      "roles", "gate", "as", "shows"}, (name, expect)
