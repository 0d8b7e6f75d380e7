"""Enhanced MR whose frames are of two kinds, and cines stored as magnitude and phase: from the files to the video."""
import json
import subprocess

import pytest
from safetensors.numpy import load_file

import cmr
import cmr_reference as reference
from service import CLI

SIDE = 32
MAGNITUDE, PHASE = ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"), ("ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE")


def video_of(folder, study, model):
    study.write(folder)
    out = folder.with_suffix(".safetensors")
    done = subprocess.run([CLI, "encode", "--model", model, "--json", "--dump-input", out, folder], capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return load_file(out)["input"], json.loads(done.stdout)


def shows(video, view, slices, phases):
    least, most = reference.video({view: slices}, SIDE, phases=phases)
    return bool(((video > least - 1e-3) & (video < most + 1e-3)).all())


def mixed(sets, image_type, types, **of_frames):
    """Sets of images as one object, the frames of each set of one Frame Type."""
    images = [[one for slices in made for one in slices] for made in sets]
    whole = cmr.enhanced([one for made in images for one in made])
    whole.ImageType = list(image_type)
    del whole.SharedFunctionalGroupsSequence[0].MRImageFrameTypeSequence
    groups = iter(whole.PerFrameFunctionalGroupsSequence)
    for i, made in enumerate(images):
        for _ in made:
            group = next(groups)
            group.MRImageFrameTypeSequence = cmr.item(
                FrameType=list(types[i]), **{name: values[i] for name, values in of_frames.items()})
    return whole


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cmr_enhanced")
    return {view: cmr.model(folder / view, frames={"views": [{"name": view}], "phases": 12}, side=SIDE)
            for view in ("cine_sa", "lge_sa")}


def one_view(kind, **options):
    study = cmr.Cmr()
    word, phases = ("CINE SAX", 12) if kind == "cine" else ("LGE SAX", 1)
    return study, [study.series(kind, "sa", word, slices=6, phases=phases, **options) for _ in range(2)]


@pytest.mark.parametrize("first", [0, 1])
def test_a_cine_of_magnitude_and_phase_in_one_object_shows_the_magnitude(models, tmp_path, first):
    study, sets = one_view("cine")
    types = [MAGNITUDE, PHASE] if first == 0 else [PHASE, MAGNITUDE]
    study.objects = [mixed(sets, ("ORIGINAL", "PRIMARY", "CARDIAC", "MIXED"), types)]
    video, result = video_of(tmp_path / "s", study, models["cine_sa"])
    assert [shows(video, "cine_sa", made, 12) for made in sets] == [first == 0, first == 1]
    assert any("frame type" in one for one in result["input"]["warnings"])


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("said_by", ["Frame Type", "Complex Image Component"])
def test_late_enhancement_of_both_reconstructions_in_one_object(models, tmp_path, first, said_by):
    study, sets = one_view("lge")
    components = ["MAGNITUDE", "REAL"] if first == 0 else ["REAL", "MAGNITUDE"]
    if said_by == "Frame Type":
        whole = mixed(sets, ("ORIGINAL", "PRIMARY", "LATE", "MIXED"), [("ORIGINAL", "PRIMARY", one[0]) for one in components])
    else:
        whole = mixed(sets, ("ORIGINAL", "PRIMARY", "LATE", "MIXED"), 2 * [("ORIGINAL", "PRIMARY", "LATE", "NONE")],
                      ComplexImageComponent=components)
    study.objects = [whole]
    video, _ = video_of(tmp_path / "s", study, models["lge_sa"])
    assert [shows(video, "lge_sa", made, 12) for made in sets] == [first == 1, first == 0]


def test_late_enhancement_at_two_inversion_times_in_one_object_is_two_stacks(models, tmp_path):
    study, sets = one_view("lge")
    whole = mixed(sets, ("ORIGINAL", "PRIMARY", "M", "NONE"), 2 * [("ORIGINAL", "PRIMARY", "M", "NONE")])
    del whole.InversionTime
    for i, group in enumerate(whole.PerFrameFunctionalGroupsSequence):
        group.MRModifierSequence = cmr.item(InversionTimes=300.0 if i < 6 else 340.0)
    study.objects = [whole]
    video, result = video_of(tmp_path / "s", study, models["lge_sa"])
    assert shows(video, "lge_sa", sets[0], 12)
    assert any("inversion time" in one for one in result["input"]["warnings"])


@pytest.mark.parametrize("first", [0, 1])
def test_of_a_cine_in_two_series_the_magnitude_is_shown(models, tmp_path, first):
    study = cmr.Cmr()
    types = [MAGNITUDE, PHASE] if first == 0 else [PHASE, MAGNITUDE]
    made = [study.series("cine", "sa", "CINE SAX", slices=6 + i, phases=12, image_type=kind)
            for i, kind in enumerate(types)]
    _, result = video_of(tmp_path / "s", study, models["cine_sa"])
    assert result["input"]["views"][0]["series_uid"] == made[first][0][0].SeriesInstanceUID
