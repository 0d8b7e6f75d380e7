"""Image and text tower against torch and transformers, stage by stage.

The reference runs in float64, so what is compared is our float32 against the mathematics. Tolerances are stated per
stage, as the largest difference over the largest absolute value of the stage; unit vectors are compared absolutely.
"""
import re

import numpy
import pytest
import torch

from conftest import write_folder
from reference import Reference, canonical, config

TOLERANCE = {"patch": 2e-6, "embed": 2e-6, "attn": 4e-6, "layer": 4e-6, "post": 4e-6, "pool": 4e-6}
UNIT_TOLERANCE = 1e-6  # required: 1e-4

SMALL = (([16, 24, 32], [4, 8, 16], 48, 2, 3), (97, 40, 2, 5, 33))
MID = (([64, 72, 80], [8, 8, 8], 192, 6, 6), (2000, 192, 6, 6, 192))
CASES = {
    "small": config(*SMALL),
    "small_other_projection": config(*SMALL, proj_dim=20),
    "small_cls": config(*SMALL, pool="cls", act="gelu"),
    "small_mean": config(*SMALL, pool="mean", proj_pre="relu", patch_bias=True),
    "small_bare": config(*SMALL, pre_ln=False, post_ln=False, act="relu"),
    "one_token": config(([4, 8, 16], [4, 8, 16], 48, 1, 3), (97, 40, 1, 5, 33)),
    "mid": config(*MID),
}


@pytest.fixture(scope="module", params=CASES)
def case(request, tmp_path_factory):
    """(folder with published names, folder with canonical names, reference in float64)"""
    reference = Reference(CASES[request.param], seed=list(CASES).index(request.param))
    published = dict(reference.state_dict())
    name = "vision_encoder.visual.conv1.bias"
    if name in published:  # the published model has none, hence no published name
        published["vision.patch.bias"] = published.pop(name)
    base = tmp_path_factory.mktemp(request.param)
    folders = [write_folder(base / kind, CASES[request.param], {k: v.numpy() for k, v in tensors.items()})
               for kind, tensors in (("published", published), ("canonical", canonical(published)))]
    return *folders, reference.double()


def compare(ours, theirs, tail=""):
    assert set(ours) == set(theirs)
    worst = {}
    for stage, wanted in theirs.items():
        kind = re.sub(r"\.\d+$", "", stage)
        assert ours[stage].shape == wanted.shape
        difference = numpy.abs(ours[stage] - wanted).max()
        limit = UNIT_TOLERANCE if kind == "unit" else TOLERANCE[kind] * numpy.abs(wanted).max()
        worst[kind] = max(worst.get(kind, 0), difference / limit)
        assert difference <= limit, f"{stage}: {difference:.3g} over {limit:.3g}"
    print(tail, {kind: f"{share:.2f} of tolerance" for kind, share in worst.items()})


def volume(shape, seed=5):
    return numpy.random.default_rng(seed).random(shape, dtype="f4")


def test_image_tower(case, probe, tmp_path):
    published, named, reference = case
    data = volume(reference.config["vision"]["input"])
    ours = probe.image(tmp_path / "a", named, data)
    compare(ours, reference.image(torch.from_numpy(data).double()))
    assert abs(numpy.linalg.norm(ours["unit"]) - 1) < 1e-6
    again = probe.image(tmp_path / "b", published, data)
    assert all((again[stage] == ours[stage]).all() for stage in ours)


@pytest.mark.parametrize("length", [1, 2, 9, 33])
def test_text_tower(case, probe, tmp_path, length):
    published, named, reference = case
    ids = numpy.random.default_rng(length).integers(0, reference.config["text"]["vocab"], length).tolist()
    ours = probe.text(tmp_path / "a", named, ids)
    compare(ours, reference.text(ids))
    again = probe.text(tmp_path / "b", published, ids)
    assert all((again[stage] == ours[stage]).all() for stage in ours)


def test_largest_id_pools_at_its_first_place(probe, tmp_path):
    reference = Reference(CASES["small"], 3)
    folder = write_folder(tmp_path / "m", CASES["small"], {k: v.numpy() for k, v in reference.state_dict().items()})
    stages = probe.text(tmp_path / "out", folder, [2, 90, 7, 90, 3])
    assert (stages["pool"][0] == stages["layer.1"][1]).all()


def test_padding_changes_nothing(probe, tmp_path):
    """The published code pads to max_len and masks; we run the real tokens only."""
    reference = Reference(CASES["small"], 4)
    folder = write_folder(tmp_path / "m", CASES["small"], {k: v.numpy() for k, v in reference.state_dict().items()})
    ids = [2, 50, 7, 60, 3]
    padded, mask = torch.tensor([ids + [0] * 28]), torch.tensor([[1] * 5 + [0] * 28])
    with torch.no_grad():
        hidden = reference.language_encoder(padded, attention_mask=mask).last_hidden_state[0]
    ours = probe.text(tmp_path / "out", folder, ids)
    assert numpy.abs(ours["layer.1"] - hidden[:5].numpy()).max() < 2e-5


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_other_float_types_are_converted(probe, tmp_path, kind):
    """A folder stored narrow equals the folder of the same values stored as float32."""
    from safetensors.torch import save_file
    reference = Reference(CASES["small"], 8)
    narrow = {k: v.to(getattr(torch, kind)) for k, v in canonical(dict(reference.state_dict())).items()}
    wide = {k: v.float().numpy() for k, v in narrow.items()}
    one = write_folder(tmp_path / "narrow", CASES["small"], wide)
    save_file({k: v.contiguous() for k, v in narrow.items()}, one / "model.safetensors")
    two = write_folder(tmp_path / "wide", CASES["small"], wide)
    data = volume([16, 24, 32])
    a, b = probe.image(tmp_path / "a", one, data), probe.image(tmp_path / "b", two, data)
    assert (a["unit"] == b["unit"]).all()


def broken(tmp_path, change, **config_changes):
    reference = Reference(CASES["small"], 1)
    tensors = {k: v.numpy() for k, v in canonical(dict(reference.state_dict())).items()}
    change(tensors)
    return write_folder(tmp_path / "m", {**CASES["small"], **config_changes}, tensors)


@pytest.mark.parametrize("change, words", [
    (lambda t: t.pop("vision.pos"), ["vision.pos", "missing", "vision_encoder.visual.positional_embedding"]),
    (lambda t: t.pop("text.layers.1.mlp.fc2.bias"), ["text.layers.1.mlp.fc2.bias", "missing"]),
    (lambda t: t.update({"vision.pos": t["vision.pos"][:-1]}), ["vision.pos", "[24,48]", "[25,48]"]),
    (lambda t: t.update({"vision.layers.0.attn.qkv.weight": t["vision.layers.0.attn.qkv.weight"].T}),
     ["vision.layers.0.attn.qkv.weight", "[48,144]", "[144,48]"]),
    (lambda t: t.update({"vision.layers.2.ln1.weight": t["vision.layers.1.ln1.weight"]}),
     ["vision.layers.2.ln1.weight", "no place"]),
    (lambda t: t["vision.cls"].__setitem__(3, numpy.nan), ["vision.cls", "not finite"]),
    (lambda t: t.update({"vision.cls": t["vision.cls"].astype("i4")}), ["vision.cls", "I32"]),
])
def test_a_tensor_that_does_not_fit_is_named(probe, tmp_path, change, words):
    folder = broken(tmp_path, change)
    volume([16, 24, 32]).tofile(tmp_path / "in.f32")
    text = probe.refusal("image", folder, tmp_path / "in.f32", tmp_path)
    assert all(word in text for word in words), text


def test_input_that_is_not_finite_is_refused(probe, tmp_path):
    folder = broken(tmp_path, lambda t: None)
    data = volume([16, 24, 32])
    data[3, 4, 5] = numpy.inf
    data.tofile(tmp_path / "in.f32")
    assert "input_not_finite" in probe.refusal("image", folder, tmp_path / "in.f32", tmp_path)
