"""Cardiac MR examinations in views: found by words and by geometry, made into CMR-CLIP's video as independent code makes
it, with the command line; then from C-STORE to the report."""
import json
import random
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLosslessSV1, RLELossless
from safetensors.numpy import load_file

import cmr
import cmr_reference as reference
from conftest import real_data
from counterparts import send, texts
from service import CLI, DATA

TOLERANCE = 1e-4
SIDE = 32


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return cmr.model(tmp_path_factory.mktemp("cmr") / "model", side=SIDE)


def run(model, *paths, **options):
    done = subprocess.run([CLI, "encode", "--model", model, "--json", *paths], capture_output=True, text=True,
                          timeout=300, **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def encode(folder, study, model):
    study.write(folder)
    return run(model, folder)


def encoder_input(folder, study, model):
    """What the encoder gets of a study, and the result."""
    if study:
        study.write(folder)
    out = folder.with_suffix(".safetensors")
    result = run(model, "--dump-input", out, folder)
    return load_file(out)["input"], result


def views_of(result):
    return {one["name"]: one for one in result["input"]["views"]}


def warnings_of(result):
    return [one.split(": ", 1) for one in result["input"]["warnings"]]


def assert_same(ours, theirs):
    """theirs: the least and the most it may be, nearly everywhere the same."""
    least, most = theirs
    assert ours.shape == least.shape
    assert (most - least > TOLERANCE).mean() < 0.1
    beyond = np.maximum(least - ours, ours - most)
    assert beyond.max() < TOLERANCE, [float(one.max()) for one in beyond]


def key_of(made, n=64):
    """The first frame of the short-axis cine that the encoder gets; a long-axis cine is before it."""
    frames = reference.view_frames("cine_sa", made["cine_sa"])
    lengths = [1 if name in ("lge_lax", "lge_2ch", "lge_3ch") else len(reference.view_frames(name, made[name])) for name in cmr.VIEWS]
    lge = lengths[cmr.VIEWS.index("lge_sa")]
    total = sum(lge if length == 1 else length for length in lengths)
    return frames[min(place for place in reference.sampled(total, n) if place >= 30) - 30]


def damage(*objects, syntax=RLELossless):
    for one in objects:
        one.PixelData = encapsulate([b"no picture"])
        one["PixelData"].is_undefined_length = True
        one.file_meta.TransferSyntaxUID = syntax


# ---- which series is which view ----

def test_views_are_found_by_words(model, tmp_path):
    study, made = cmr.six_views(slices=10)
    result = encode(tmp_path / "s", study, model)
    assert result["analysed"] is True and not result["input"]["warnings"]
    views = views_of(result)
    assert list(views) == cmr.VIEWS and {one["how"] for one in views.values()} == {"description"}
    assert {name: one["series_uid"] for name, one in views.items()} == \
        {name: objects[0][0].SeriesInstanceUID for name, objects in made.items()}
    assert [views[name]["frames"] for name in cmr.VIEWS] == [30, 30, 10, 10, 10, 10]
    assert (views["cine_sa"]["slices"], views["cine_sa"]["phases"]) == (10, 30)
    assert {one["reason"] for one in result["input"]["series"]} == {"chosen"}


def test_views_are_found_by_geometry_and_are_the_same(model, tmp_path):
    told, _ = cmr.six_views()
    silent, made = cmr.six_views(words=False)
    by_words, by_geometry = encode(tmp_path / "w", told, model), encode(tmp_path / "g", silent, model)
    assert {one["how"] for one in views_of(by_geometry).values()} == {"geometry"}
    assert {name: one["series_uid"] for name, one in views_of(by_geometry).items()} == \
        {name: objects[0][0].SeriesInstanceUID for name, objects in made.items()}
    assert by_words["embedding"] == by_geometry["embedding"]


def test_planes_seen_from_behind_are_the_same_views(model, tmp_path):
    study, made = cmr.six_views(words=False, flip=True)
    views = views_of(encode(tmp_path / "s", study, model))
    assert {name: one["series_uid"] for name, one in views.items()} == \
        {name: objects[0][0].SeriesInstanceUID for name, objects in made.items()}


def test_the_objects_used_and_the_key_slice(model, tmp_path):
    study, made = cmr.six_views()
    result = encode(tmp_path / "s", study, model)
    used = result["input"]["instances"]
    wanted = [one.SOPInstanceUID for name in cmr.VIEWS for one in reference.view_frames(name, made[name])]
    assert [one["sop_uid"] for one in used] == wanted
    key = key_of(made)
    assert key is not reference.view_frames("cine_sa", made["cine_sa"])[0], "the first is not sampled here"
    assert used[result["input"]["key"]["instance"]]["sop_uid"] == key.SOPInstanceUID


def test_of_a_pair_the_phase_sensitive_images_are_taken(tmp_path):
    study, made = cmr.six_views()
    pair = study.series("lge", "2ch", "LGE 2CH", image_type=("ORIGINAL", "PRIMARY", "P", "ND"))
    for word, wanted in (("phase_sensitive", pair), ("magnitude", made["lge_2ch"])):
        folder = cmr.model(tmp_path / word, frames={"lge": word}, side=SIDE)
        result = encode(tmp_path / "s", study, folder)
        assert views_of(result)["lge_2ch"]["series_uid"] == wanted[0][0].SeriesInstanceUID


def test_short_axis_slices_that_came_as_series_of_their_own(model, tmp_path):
    whole, _ = cmr.six_views()
    study = cmr.Cmr()
    made = {"cine_sa": study.series("cine", "sa", "CINE SAX", slices=10, phases=30, one_series_a_slice=True)}
    result = encode(tmp_path / "s", study, cmr.model(tmp_path / "m", frames={"views": [{"name": "cine_sa"}]}, side=SIDE))
    view = views_of(result)["cine_sa"]
    assert (view["slices"], view["phases"], view["frames"]) == (10, 30, 30)
    assert ["joined", "cine_sa: 10 series of one slice each are one stack"] in warnings_of(result)
    assert sum(one["reason"] == "chosen" for one in result["input"]["series"]) == len(made["cine_sa"])


def test_a_stack_serves_for_one_view(tmp_path):
    """The view that takes what there is comes after those of one plane."""
    study = cmr.Cmr()
    made = {plane: study.series("cine", plane, f"CINE {plane}", phases=25) for plane in ("4ch", "2ch")}
    study.series("cine", "sa", "CINE SAX", slices=9, phases=25)
    folder = cmr.model(tmp_path / "m", frames={"views": [{"name": "cine_lax"}, {"name": "cine_4ch"}, {"name": "cine_3ch"}],
                                               "missing": "skip"}, side=SIDE)
    views = views_of(encode(tmp_path / "s", study, folder))
    assert views["cine_4ch"]["series_uid"] == made["4ch"][0][0].SeriesInstanceUID
    assert views["cine_lax"]["series_uid"] == made["2ch"][0][0].SeriesInstanceUID
    assert views["cine_3ch"]["reason"] == "not_found"


def test_enhanced_objects_give_the_same_views(model, tmp_path):
    """Frames in any order; the key slice is a frame."""
    study, made = cmr.six_views()
    single = encode(tmp_path / "single", study, model)
    draw, wanted = random.Random(2), key_of(made)
    for view, slices in made.items():
        images = [one for phases in slices for one in phases]
        draw.shuffle(images)
        key = images.index(wanted) + 1 if view == "cine_sa" else 0
        uids = {one.SOPInstanceUID for one in images}
        study.objects = [one for one in study.objects if one.SOPInstanceUID not in uids] + [cmr.enhanced(images)]
        if key:
            key_frame = key
    result = encode(tmp_path / "enhanced", study, model)
    assert result["analysed"] is True and result["embedding"] == single["embedding"]
    assert len(result["input"]["instances"]) == 6
    key = result["input"]["key"]
    assert key["frame"] == key_frame
    assert result["input"]["instances"][key["instance"]]["series_uid"] == wanted.SeriesInstanceUID


def test_series_that_only_look_like_a_view(model, tmp_path):
    """Oedema images are inversion recovery too, a tagged cine has phases too; both have more of them here."""
    study, made = cmr.six_views(words=False)
    oedema = study.series("lge", "sa", "T2_TIRM_SAX", slices=14)
    tagged = study.series("cine", "sa", "gre_tagging SAX", slices=12, phases=30)
    result = encode(tmp_path / "s", study, model)
    views = views_of(result)
    assert {name: one["series_uid"] for name, one in views.items()} == \
        {name: objects[0][0].SeriesInstanceUID for name, objects in made.items()}
    roles = {one["series_uid"]: one["role"] for one in result["input"]["series"]}
    assert roles[oedema[0][0].SeriesInstanceUID] == "mr" and roles[tagged[0][0].SeriesInstanceUID] == "tagging"


# ---- the video ----

SHAPES = {
    "published": {},
    "wide_pixels": {"shape": (72, 56), "spacing": (4.0, 3.0)},
    "high_pixels": {"shape": (40, 90), "spacing": (2.0, 3.5)},
    "seen_from_behind": {"flip": True},
    "few": {"slices": 7, "lge_slices": 8, "phases": 20},
    "many": {"slices": 12, "lge_slices": 17, "phases": 45},
    "odd": {"slices": 9, "lge_slices": 13, "phases": 25},
}


@pytest.mark.parametrize("case", SHAPES)
def test_the_input_equals_independent_code(model, tmp_path, case):
    study, made = cmr.six_views(seed=3, **SHAPES[case])
    random.Random(5).shuffle(study.objects)
    ours, result = encoder_input(tmp_path / "s", study, model)
    assert result["analysed"] is True
    assert_same(ours, reference.video({name: made[name] for name in cmr.VIEWS}, SIDE))


def test_the_input_at_the_published_size_equals_independent_code(tmp_path):
    study, made = cmr.six_views(seed=4, shape=(240, 208), spacing=(1.4, 1.5))
    ours, _ = encoder_input(tmp_path / "s", study, cmr.model(tmp_path / "m", side=224))
    assert ours.shape == (64, 3, 224, 224)
    assert_same(ours, reference.video({name: made[name] for name in cmr.VIEWS}, 224))


@pytest.mark.parametrize("views, n", [(["cine_lax", "cine_sa"], 36), (["lge_sa", "lge_lax", "lge_2ch", "lge_3ch"], 28),
                                      (cmr.VIEWS, 16)])
def test_checkpoints_of_fewer_views_or_frames(tmp_path, views, n):
    folder = cmr.model(tmp_path / "m", frames={"views": [{"name": name} for name in views]}, n=n, side=SIDE)
    study, made = cmr.six_views(seed=5)
    ours, result = encoder_input(tmp_path / "s", study, folder)
    assert list(views_of(result)) == views and result["input"]["input_zyx"] == [n, SIDE, SIDE]
    assert_same(ours, reference.video({name: made[name] for name in views}, SIDE, n))


def test_fewer_frames_than_the_encoder_takes(tmp_path):
    folder = cmr.model(tmp_path / "m", frames={"n": 20}, side=SIDE)
    study, made = cmr.six_views(seed=8)
    ours, result = encoder_input(tmp_path / "s", study, folder)
    assert result["input"]["input_zyx"] == [20, SIDE, SIDE]
    assert_same(ours, reference.video({name: made[name] for name in cmr.VIEWS}, SIDE, 20))


def test_single_pictures_come_as_often_as_configured(tmp_path):
    folder = cmr.model(tmp_path / "m", frames={"repeat": 2}, n=60, side=SIDE)
    study, made = cmr.six_views(seed=10)
    ours, result = encoder_input(tmp_path / "s", study, folder)
    assert [one["frames"] for one in result["input"]["views"]] == [30, 30, 10, 2, 2, 2]
    assert_same(ours, reference.video({name: made[name] for name in cmr.VIEWS}, SIDE, 60, repeat=2))


def test_a_field_is_as_many_mm_in_every_study(tmp_path):
    study, made = cmr.six_views(seed=9)
    whole = min(made["cine_sa"][0][0].Rows, made["cine_sa"][0][0].Columns) * float(made["cine_sa"][0][0].PixelSpacing[0])
    for field_mm in (0.6 * whole, 2 * whole):
        folder = cmr.model(tmp_path / f"m{field_mm}", frames={"field_mm": field_mm}, side=SIDE)
        ours, _ = encoder_input(tmp_path / f"s{field_mm}", study, folder)
        assert_same(ours, reference.video({name: made[name] for name in cmr.VIEWS}, SIDE, field_mm=field_mm))


def written_otherwise(one, swap, flip_y, flip_x):
    """The same picture at the same places, its rows and columns written in another order."""
    pixels = one.pixel_array
    origin = np.array([float(v) for v in one.ImagePositionPatient])
    x, y = np.array([float(v) for v in one.ImageOrientationPatient]).reshape(2, 3)
    y_mm, x_mm = (float(v) for v in one.PixelSpacing)
    if swap:
        pixels, x, y, x_mm, y_mm = pixels.T, y, x, y_mm, x_mm
    if flip_y:
        pixels, origin, y = pixels[::-1], origin + y * y_mm * (pixels.shape[0] - 1), -y
    if flip_x:
        pixels, origin, x = pixels[:, ::-1], origin + x * x_mm * (pixels.shape[1] - 1), -x
    one.Rows, one.Columns = pixels.shape
    one.PixelSpacing = [y_mm, x_mm]
    one.ImagePositionPatient = [f"{v:.6f}" for v in origin]
    one.ImageOrientationPatient = [f"{v:.8f}" for v in (*x, *y)]
    one.PixelData = np.ascontiguousarray(pixels).tobytes()


def test_a_plane_is_seen_one_way_however_it_is_written(tmp_path):
    """Turned to left, back and feet, not to how the rows happen to run; as acquired, they do run."""
    turned = cmr.model(tmp_path / "m", frames={"orientation": "anatomical"}, side=SIDE)
    acquired = cmr.model(tmp_path / "a", side=SIDE)
    seen = []
    for way, (swap, flip_y, flip_x) in enumerate([(0, 0, 0), (1, 0, 0), (1, 1, 1)]):
        study, made = cmr.six_views(seed=4, phases=10, slices=5)
        for one in (one for slices in made.values() for phases in slices for one in phases):
            written_otherwise(one, swap, flip_y, flip_x)
        ours, result = encoder_input(tmp_path / f"s{way}", study, turned)
        seen.append(ours)
        assert [view["name"] for view in result["input"]["views"]] == list(cmr.VIEWS)
        assert np.abs(ours - seen[0]).max() < 0.05 and np.abs(ours - seen[0]).mean() < 1e-3
    raw = [encoder_input(tmp_path / name, None, acquired)[0] for name in ("s0", "s1")]
    assert np.abs(raw[0] - raw[1]).mean() > 0.05


def test_the_end_of_a_short_video_is_zero(tmp_path):
    folder = cmr.model(tmp_path / "m", frames={"views": [{"name": "cine_sa"}]}, side=SIDE)
    study, made = cmr.six_views(seed=6)
    ours, _ = encoder_input(tmp_path / "s", study, folder)
    assert not ours[30:].any() and ours[29].any()
    assert_same(ours, reference.video({"cine_sa": made["cine_sa"]}, SIDE))


def test_a_dumped_input_can_be_encoded_again(model, tmp_path):
    study, _ = cmr.six_views()
    _, result = encoder_input(tmp_path / "s", study, model)
    again = run(model, "--tensor", (tmp_path / "s").with_suffix(".safetensors"))
    assert again["embedding"] == result["embedding"]


def test_only_frames_of_the_video_are_decoded(model, tmp_path):
    """What cannot be decoded does not matter where it is not shown."""
    study, made = cmr.six_views(slices=10)
    for slices in (made["cine_sa"][:4], made["cine_sa"][7:]):
        damage(*(one for phases in slices for one in phases))
    assert encode(tmp_path / "s", study, model)["analysed"] is True
    damage(made["lge_2ch"][0][0])
    damage(made["lge_3ch"][0][0], syntax=JPEGLosslessSV1)
    result = encode(tmp_path / "s", study, model)
    assert result["analysed"] is False and result["reason"] == "missing_view"
    assert views_of(result)["lge_2ch"]["reason"] == "unreadable_pixels"
    assert views_of(result)["lge_3ch"]["reason"] is None, "the first is enough"
    skips = cmr.model(tmp_path / "m", frames={"missing": "skip"}, side=SIDE)
    views = views_of(run(skips, tmp_path / "s"))
    assert {name: views[name]["reason"] for name in cmr.VIEWS if views[name]["reason"]} == {
        "lge_2ch": "unreadable_pixels", "lge_3ch": "unsupported"}


def test_the_manifest_says_what_was_used_and_how(tmp_path, model):
    study, _ = cmr.six_views()
    digests = [encode(tmp_path / "s", study, model)["input"]["manifest_sha256"]]
    random.Random(1).shuffle(study.objects)
    shutil.rmtree(tmp_path / "s")
    digests.append(encode(tmp_path / "s", study, model)["input"]["manifest_sha256"])
    other = cmr.model(tmp_path / "m", frames={"double_resize": [40, SIDE]}, side=SIDE)
    digests.append(run(other, tmp_path / "s")["input"]["manifest_sha256"])
    fewer = cmr.model(tmp_path / "f", frames={"phases": 28}, side=SIDE)
    digests.append(run(fewer, tmp_path / "s")["input"]["manifest_sha256"])
    field = cmr.model(tmp_path / "n", frames={"field_mm": 40}, side=SIDE)
    digests.append(run(field, tmp_path / "s")["input"]["manifest_sha256"])
    digests.append(encode(tmp_path / "o", cmr.six_views()[0], model)["input"]["manifest_sha256"])  # the same pixels
    assert digests[0] == digests[1] and len(set(digests[1:])) == 5


# ---- what is missing, or not as published ----

def without(*names, seed=7, **options):
    study, made = cmr.six_views(seed, **options)
    left_out = {one.SOPInstanceUID for name in names for phases in made[name] for one in phases}
    study.objects = [one for one in study.objects if one.SOPInstanceUID not in left_out]
    return study, made


def test_a_missing_view_is_refused_as_published(model, tmp_path):
    study, _ = without("lge_2ch", "cine_lax")
    result = encode(tmp_path / "s", study, model)
    assert result["analysed"] is False and result["reason"] == "missing_view"
    assert "cine_lax (not_found)" in result["reason_text"] and "lge_2ch (not_found)" in result["reason_text"]
    assert views_of(result)["lge_2ch"]["reason"] == "not_found" and views_of(result)["lge_3ch"].get("reason") is None
    assert not any(one["taken"] for one in result["input"]["series"])


@pytest.mark.parametrize("policy", ["blank", "skip"])
@pytest.mark.parametrize("missing", [["lge_2ch"], ["cine_lax"], ["lge_sa", "lge_3ch"]])
def test_a_missing_view_may_be_blank_or_left_out(tmp_path, policy, missing):
    folder = cmr.model(tmp_path / "m", frames={"missing": policy}, side=SIDE)
    study, made = without(*missing, lge_slices=12)
    ours, result = encoder_input(tmp_path / "s", study, folder)
    assert result["analysed"] is True
    length = 10 if "lge_sa" in missing else 12
    blank = {"cine_lax": 30, "lge_sa": 10, "lge_2ch": length, "lge_3ch": length}
    views = {name: blank[name] if name in missing else made[name] for name in cmr.VIEWS
             if policy == "blank" or name not in missing}
    assert_same(ours, reference.video(views, SIDE))
    for name in missing:
        assert views_of(result)[name]["reason"] == "not_found"
        assert views_of(result)[name]["frames"] == (blank[name] if policy == "blank" else 0)
        assert any(word == "missing_view" and text.startswith(name) for word, text in warnings_of(result))


@pytest.mark.parametrize("policy", ["reject", "blank", "skip"])
def test_without_any_view_there_is_nothing_to_analyse(tmp_path, policy):
    study = cmr.Cmr()
    study.series("cine", "sa", "T2 sagittal", slices=9)
    folder = cmr.model(tmp_path / "m", frames={"missing": policy}, side=SIDE)
    assert encode(tmp_path / "s", study, folder)["reason"] == "missing_view"


def test_other_numbers_of_phases_and_slices_as_configured(tmp_path, model):
    study, _ = cmr.six_views(phases=25, lge_slices=16)
    said = warnings_of(encode(tmp_path / "s", study, model))
    assert ["phases_resampled", "cine_sa: 25 phases as 30"] in said
    assert ["slices_resampled", "lge_sa: 16 slices as 15"] in said
    exact = cmr.model(tmp_path / "m", frames={"phases_policy": "exact", "slices_policy": "exact"}, side=SIDE)
    result = encode(tmp_path / "s", study, exact)
    assert result["reason"] == "missing_view"
    assert {name: one.get("reason") for name, one in views_of(result).items()} == {
        "cine_lax": "phase_count", "cine_sa": "phase_count", "lge_sa": "slice_count", "lge_lax": None, "lge_2ch": None,
        "lge_3ch": None}
    assert encode(tmp_path / "p", cmr.six_views()[0], exact)["analysed"] is True


def test_late_enhancement_that_was_taken_twice(model, tmp_path):
    study, made = without("lge_sa", "lge_2ch")
    twice = study.series("lge", "sa", "LGE SAX", slices=10, phases=2)
    several = study.series("lge", "2ch", "LGE 2CH", slices=3)
    for number, phases in enumerate(twice):
        for take, one in enumerate(phases):
            one.AcquisitionTime = one.ContentTime = f"10{take:02}{number:02}"
    ours, result = encoder_input(tmp_path / "s", study, model)
    assert ["one_phase", "lge_sa: the first of 2 phases was taken"] in warnings_of(result)
    assert ["one_slice", "lge_2ch: slice 2 of 3 was taken"] in warnings_of(result)
    made |= {"lge_sa": twice, "lge_2ch": [several[1]]}
    assert_same(ours, reference.video({name: made[name] for name in cmr.VIEWS}, SIDE))


def test_a_stack_that_cannot_be_laid_out_gives_way_to_the_next(model, tmp_path):
    study, made = cmr.six_views()
    more = study.series("cine", "sa", "CINE SAX again", slices=14, phases=30)
    gone = {one.SOPInstanceUID for phases in more[3:9:2] for one in phases}
    study.objects = [one for one in study.objects if one.SOPInstanceUID not in gone]
    result = encode(tmp_path / "s", study, model)
    assert views_of(result)["cine_sa"]["series_uid"] == made["cine_sa"][0][0].SeriesInstanceUID
    left = [one for one in result["input"]["series"] if one["series_uid"] == more[0][0].SeriesInstanceUID]
    assert left[0]["reason"] == "missing_slices"


    assert ["passed_over", f"cine_sa: series {more[0][0].SeriesNumber} would have come first: missing_slices"] in \
        warnings_of(result)


def test_what_is_no_picture_gives_way_to_the_next(model, tmp_path):
    study, made = cmr.six_views(slices=10)
    again = study.series("cine", "sa", "CINE SAX again", slices=10, phases=30)
    damage(reference.from_base_to_apex(made["cine_sa"])[5][3])
    ours, result = encoder_input(tmp_path / "s", study, model)
    assert result["analysed"] is True
    assert views_of(result)["cine_sa"]["series_uid"] == again[0][0].SeriesInstanceUID
    number, uid = made["cine_sa"][0][0].SeriesNumber, made["cine_sa"][0][0].SeriesInstanceUID
    assert ["passed_over", f"cine_sa: series {number} would have come first: unreadable_pixels"] in warnings_of(result)
    assert [(one["taken"], one["reason"]) for one in result["input"]["series"] if one["series_uid"] == uid] == \
        [(False, "unreadable_pixels")]
    assert_same(ours, reference.video({name: {**made, "cine_sa": again}[name] for name in cmr.VIEWS}, SIDE))


@pytest.mark.parametrize("policy", ["blank", "skip", "reject"])
def test_a_view_that_is_no_picture_is_missing(tmp_path, policy):
    folder = cmr.model(tmp_path / "m", frames={"missing": policy}, side=SIDE)
    study, made = cmr.six_views()
    black = made["lge_2ch"][0][0]
    black.PixelData = bytes(len(black.PixelData))
    study.write(tmp_path / "s")
    result = run(folder, tmp_path / "s")
    assert views_of(result)["lge_2ch"]["reason"] == "constant_volume"
    if policy == "reject":
        assert result["reason"] == "missing_view" and "lge_2ch (constant_volume)" in result["reason_text"]
        return
    ours, result = encoder_input(tmp_path / "s", None, folder)
    views = {name: 10 if name == "lge_2ch" else made[name] for name in cmr.VIEWS
             if policy == "blank" or name != "lge_2ch"}
    assert_same(ours, reference.video(views, SIDE))


def test_padding_takes_the_lowest_value_of_all_frames(model, tmp_path):
    study, made = cmr.six_views(seed=11)
    frames = [one for phases in made["cine_sa"] for one in phases]
    for place, one in enumerate(frames):
        one.PixelPaddingValue = -2000
        if place % 3 == 0:
            pixels = one.pixel_array.copy()
            pixels[:20, :20] = -2000
            one.PixelData = pixels.tobytes()
    ours, _ = encoder_input(tmp_path / "s", study, model)
    assert_same(ours, reference.video({name: made[name] for name in cmr.VIEWS}, SIDE))
    run(model, tmp_path / "s", "--threads", "4", "--dump-input", tmp_path / "four.safetensors")
    assert np.array_equal(load_file(tmp_path / "four.safetensors")["input"], ours)


def test_a_view_of_which_no_frame_is_sampled_is_missing(tmp_path):
    folder = cmr.model(tmp_path / "m", frames={"slices": [1, 15]}, n=16, side=SIDE)
    study, made = cmr.six_views(lge_slices=1)
    result = encode(tmp_path / "s", study, folder)
    places = reference.sampled(64, 16)
    seen = {name: sum(start <= place < end for place in places)
            for name, start, end in zip(cmr.VIEWS, (0, 30, 60, 61, 62, 63), (30, 60, 61, 62, 63, 64))}
    assert 0 < sum(count == 0 for count in seen.values()) and result["analysed"] is True
    views = views_of(result)
    assert {name: one["sampled"] for name, one in views.items() if not one["reason"]} == \
        {name: count for name, count in seen.items() if count}
    assert {name for name, one in views.items() if one["reason"]} == {name for name, count in seen.items() if not count}
    assert {one["reason"] for one in views.values()} == {None, "not_sampled"}
    for name in (name for name, count in seen.items() if not count):
        uid = made[name][0][0].SeriesInstanceUID
        assert [one["reason"] for one in result["input"]["series"] if one["series_uid"] == uid] == ["not_sampled"]
        assert not [one for one in result["input"]["instances"] if one["series_uid"] == uid]
        assert any(word == "missing_view" and text.startswith(f"{name} (not_sampled)")
                   for word, text in warnings_of(result))


def test_a_video_of_blank_frames_alone_is_not_analysed(tmp_path):
    frames = {"views": [{"name": "cine_sa"}, {"name": "cine_lax"}, {"name": "lge_sa"}], "missing": "blank", "n": 1}
    study, _ = without("cine_lax")
    result = encode(tmp_path / "s", study, cmr.model(tmp_path / "m", frames=frames, side=SIDE))
    assert result["reason"] == "missing_view" and "cine_sa (not_sampled)" in result["reason_text"]


def test_how_a_stack_came_to_be_is_told(tmp_path):
    """Of one cine the last five phases of each slice never came; another lies in a series of two image sizes; slices
    that came one by one are joined, but for one of other phases."""
    folder = cmr.model(tmp_path / "m", frames={"missing": "skip"}, side=SIDE)
    study, made = cmr.six_views(slices=10)
    gone = {one.SOPInstanceUID for phases in made["cine_sa"] for one in phases[25:]}
    study.objects = [one for one in study.objects if one.SOPInstanceUID not in gone]
    other = study.series("lge", "sa", "LGE SAX", slices=4, shape=(48, 48))
    for one in (one for phases in other for one in phases):
        one.SeriesInstanceUID, one.SeriesNumber = made["lge_sa"][0][0].SeriesInstanceUID, made["lge_sa"][0][0].SeriesNumber
    said = dict(warnings_of(encode(tmp_path / "s", study, folder)))
    assert said["incomplete"] == "cine_sa: 250 of 300 images, as they say"
    assert said["split"].startswith("lge_sa: 10 of 14 images of the series were taken (")
    study = cmr.Cmr()
    made = study.series("cine", "sa", "CINE SAX", slices=10, phases=30, one_series_a_slice=True)
    gone = {one.SOPInstanceUID for one in made[9][20:]}
    study.objects = [one for one in study.objects if one.SOPInstanceUID not in gone]
    said = dict(warnings_of(encode(tmp_path / "j", study, folder)))
    assert said["left_out"] == "cine_sa: 1 parallel series of the same name are not in the stack"


def test_warnings_of_a_study_that_was_not_analysed_claim_nothing(model, tmp_path):
    study, _ = without("lge_3ch", phases=25, lge_slices=16)
    assert warnings_of(encode(tmp_path / "s", study, model)) == [["missing_view", "lge_3ch (not_found)"]]


def test_a_view_says_what_it_shows(tmp_path, model):
    study, made = cmr.six_views(slices=10)
    pair = study.series("lge", "2ch", "LGE 2CH", image_type=("ORIGINAL", "PRIMARY", "P", "ND"))
    result = encode(tmp_path / "s", study, model)
    views = views_of(result)
    assert {name: one["plane"] for name, one in views.items()} == dict(
        zip(cmr.VIEWS, ("4ch", "sa", "sa", "4ch", "2ch", "3ch")))
    assert {name: one["slice"] for name, one in views.items()} == dict(zip(cmr.VIEWS, (1, 6, 0, 1, 1, 1)))
    assert {name: one["reconstruction"] for name, one in views.items()} == {
        "cine_lax": None, "cine_sa": None, "lge_sa": "magnitude", "lge_lax": "magnitude", "lge_3ch": "magnitude",
        "lge_2ch": "phase_sensitive"}
    assert views["lge_2ch"]["series_uid"] == pair[0][0].SeriesInstanceUID
    (word,) = [text for word, text in warnings_of(result) if word == "reconstructions_differ"]
    assert word.startswith("1 late enhancement views are phase-sensitive, 3 ")


def test_another_long_axis_than_the_usual_is_told(tmp_path, model):
    study, made = without("cine_lax")
    study.series("cine", "2ch", "CINE 2CH", phases=30)
    result = encode(tmp_path / "s", study, model)
    assert result["analysed"] is True and views_of(result)["cine_lax"]["plane"] == "2ch"
    assert ["other_plane", "cine_lax: 2-chamber instead of 4-chamber"] in warnings_of(result)


def test_frames_are_normalised_by_mean_and_std_alone(tmp_path):
    folder = cmr.model(tmp_path / "m", norm="minmax", side=SIDE)
    config = json.loads((folder / "config.json").read_text())
    del config["preprocess"]["mean"], config["preprocess"]["std"]
    (folder / "config.json").write_text(json.dumps(config))
    done = subprocess.run([CLI, "model", "check", folder], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "preprocess.norm" in done.stderr


def test_the_gate_holds_for_every_view(tmp_path):
    study, _ = cmr.six_views()
    study.series("lge", "3ch", "LGE 3CH", spacing=(5.0, 5.0))
    folder = cmr.model(tmp_path / "m", min_field_mm=300, frames={"missing": "skip"}, side=SIDE)
    views = views_of(encode(tmp_path / "s", study, folder))
    assert {name: one.get("reason") for name, one in views.items()} == {
        **{name: "field_too_small" for name in cmr.VIEWS}, "lge_3ch": None}


def test_a_window_in_hounsfield_units_does_not_fit(tmp_path):
    folder = cmr.model(tmp_path / "m", hu_clip=[0, 100], side=SIDE)
    done = subprocess.run([CLI, "model", "check", folder], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "preprocess.hu_clip: not with arch spacetime_vit" in done.stderr


@pytest.mark.parametrize("frames, words", [
    ({"views": []}, "preprocess.frames.views: 1 to 10"),
    ({"views": [{"name": "lge_5ch"}]}, "preprocess.frames.views[0].name"),
    ({"views": [{"name": "lge_sa"}, {"name": "lge_sa"}]}, "there is another lge_sa"),
    ({"views": [{"name": "lge_sa", "from": "phases"}]}, "only a cine has phases"),
    ({"n": 65}, "preprocess.frames.n: 65"),
    ({"slices": [15, 10]}, "preprocess.frames.slices"),
    ({"slices": [10]}, "preprocess.frames.slices: two numbers"),
    ({"double_resize": [256, 224]}, "preprocess.frames.double_resize"),
    ({"missing": "guess"}, "preprocess.frames.missing"),
    ({"colour": 1}, "preprocess.frames.colour: unknown key"),
    ({"double_resize": [256]}, "preprocess.frames.double_resize: two numbers"),
])
def test_a_key_that_does_not_fit_is_named(tmp_path, frames, words):
    folder = cmr.model(tmp_path / "m", frames=frames, side=SIDE)
    done = subprocess.run([CLI, "model", "check", folder], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and words in done.stderr + done.stdout, done.stderr + done.stdout


# ---- real series ----

def real_cine(name):
    """[slice][phase] of a real stack, as its own numbers have it."""
    by_place = {}
    for file in sorted((DATA / "mr_cine" / name).iterdir()):
        one = pydicom.dcmread(file)
        row, column = np.array(one.ImageOrientationPatient[:3], float), np.array(one.ImageOrientationPatient[3:], float)
        along = round(float(np.dot(np.cross(row, column), [float(v) for v in one.ImagePositionPatient])), 1)
        by_place.setdefault(along, []).append(one)
    return [sorted(by_place[along], key=lambda one: float(one.TriggerTime)) for along in sorted(by_place)]


@real_data
@pytest.mark.parametrize("name, slices, how", [("sunnybrook_SCD0000301_sax", 10, "geometry"),
                                               ("pig_sax_ssfp", 2, "description")])
def test_a_real_cine_of_the_short_axis(tmp_path, name, slices, how):
    folder = cmr.model(tmp_path / "m", frames={"views": [{"name": "cine_sa"}]}, side=64)
    source = tmp_path / "s"
    shutil.copytree(DATA / "mr_cine" / name, source)
    ours, result = encoder_input(source, None, folder)
    view = views_of(result)["cine_sa"]
    assert (view["slices"], view["phases"], view["frames"], view["how"]) == (slices, 20, 30, how)
    assert_same(ours, reference.video({"cine_sa": real_cine(name)}, 64))


# ---- the service ----

def cmr_daemon(start_daemon, pacs, folder):
    return start_daemon(peers=[pacs.peer()], models=[{"name": "tiny-cmr", "folder": folder}])


def test_an_examination_goes_from_c_store_to_the_report(start_daemon, start_pacs, model):
    pacs = start_pacs()
    daemon = cmr_daemon(start_daemon, pacs, model)
    study, made = cmr.six_views(shape=(48, 48))
    send(daemon, study.objects)
    result = daemon.wait_state(study.uid, "delivered")["results"][0]
    assert result["analysed"] is True and list(views_of(result)) == cmr.VIEWS
    report = pacs.of_study(study.uid)[-1]
    said = " ".join(texts(report.data_set))
    assert "lv_dilation" in said and "cine_sa" in said
    assert key_of(made).SOPInstanceUID in str(report.data_set)


@pytest.mark.parametrize("policy", ["reject", "blank", "skip"])
def test_an_examination_without_a_view(start_daemon, start_pacs, tmp_path, policy):
    pacs = start_pacs()
    daemon = cmr_daemon(start_daemon, pacs, cmr.model(tmp_path / "m", frames={"missing": policy}, side=SIDE))
    study, _ = without("lge_3ch", shape=(48, 48))
    send(daemon, study.objects)
    shown = daemon.wait_reported(study.uid)
    said = " ".join(texts(pacs.of_study(study.uid)[-1].data_set))
    assert "lge_3ch" in said
    if policy == "reject":
        assert shown["state"] == "declined" and shown["reason"] == "missing_view" and "not analysed" in said.lower()
    else:
        assert shown["state"] == "delivered" and shown["results"][0]["analysed"] is True
