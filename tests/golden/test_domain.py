"""The distance from a model's domain against numpy, of towers that torch and transformers compute in float64."""
import json

import numpy
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch.nn import functional

import clip_reference as clip
import reference
import spacetime_reference
from conftest import write_folder
from test_clip import ask, command  # noqa: F401
from test_slice_pool import CONFIG, DIM, WIDTH, adapter

TEXT = (97, 40, 1, 5, 33)
VIT = ([16, 24, 32], [4, 8, 16], 48, 2, 3)
SLICES = 5
PROMPTS = {"version": "1", "labels": [{"id": "one", "text": "One", "positive": "heart", "negative": "cat"}]}


def finish(folder):
    (folder / "prompts.json").write_text(json.dumps(PROMPTS))
    (folder / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\nheart\ncat\n")
    return folder


def vit_cls(base):
    """The projection gets relu(v): v itself is measured."""
    model = reference.Reference(reference.config(VIT, TEXT, proj_dim=20, proj_pre="relu"), seed=1)
    folder = write_folder(base / "m", model.config, {k: v.numpy() for k, v in model.state_dict().items()})
    data = numpy.random.default_rng(5).random((16, 24, 32), dtype="f4")
    stages = model.double().image(torch.from_numpy(data).double())
    assert (stages["post"] < 0).any()
    return finish(folder), data[None], stages["post"][0], stages["unit"][0]


def vit_mean(base):
    """The mean of the patch tokens after post_ln, without the class token's."""
    model = reference.Reference(reference.config(VIT, TEXT, proj_dim=20), seed=2)
    folder = write_folder(base / "m", {**model.config, "vision": {**model.config["vision"], "pool": "mean"}},
                          {k: v.numpy() for k, v in model.state_dict().items()})
    data = numpy.random.default_rng(6).random((16, 24, 32), dtype="f4")
    model = model.double()
    last = model.image(torch.from_numpy(data).double())["layer.1"]
    with torch.no_grad():
        tower = model.vision_encoder.visual.ln_post(torch.from_numpy(last))[1:].mean(0)
        unit = functional.normalize(model.multi_modal_vision_proj(tower), dim=-1)
    return finish(folder), data[None], tower.numpy(), unit.numpy()


def spacetime(base):
    model = spacetime_reference.Reference(spacetime_reference.config(([5, 24, 16], [8, 4], 48, 3, 3), TEXT, 20), seed=3)
    folder = write_folder(base / "m", {**model.config, "score": {"scale_mode": "fixed", "scale": 10}}, model.tensors())
    data = numpy.random.default_rng(7).normal(size=(5, 3, 24, 16)).astype("f4")
    stages = model.double().image(torch.from_numpy(data).double())
    assert (stages["post"] < 0).any()
    return finish(folder), data, stages["post"][0], stages["unit"][0]


def slices(section, count=SLICES):
    def make(base):
        """Of several slices the mean, whatever joins them for the embedding."""
        model = clip.make(clip.SMALL)
        folder = clip.save(model, base / "m")
        for path in folder.glob("*.json"):
            if path.name != "vocab.json":
                path.unlink()
        tensors = {**load_file(folder / "model.safetensors"), **{k: v.numpy() for k, v in adapter(section or {"mode": "mean"}).items()}}
        save_file(tensors, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(CONFIG | ({"slice_pool": section} if section else {})))
        (folder / "prompts.json").write_text(json.dumps(PROMPTS))
        data = clip.pixels(count, 56)
        with torch.no_grad():
            towers = model.double().vision_model(torch.from_numpy(data).double()).pooler_output.numpy()
        return folder, data, towers.mean(0), None
    return make


MODELS = {"vit_cls": vit_cls, "vit_mean": vit_mean, "spacetime": spacetime, "one_slice": slices(None, 1), "slices": slices(None),
          "slices_max_of_towers": slices({"mode": "max", "input": "tower"}),
          "slices_mhsa": slices({"mode": "mhsa", "heads": 8, "input": "tower", "reduce": "query", "residual": True})}


def declare(folder, of, width, limit, directions=9, seed=4):
    """A domain whose distances are of the order of 1."""
    draw = numpy.random.default_rng(seed)
    mean = (0.1 * draw.normal(size=width)).astype("f4")
    whiten = (draw.normal(size=(directions, width)) * width ** -0.5).astype("f4")
    save_file({"mean": mean, "whiten": whiten}, folder / "domain.safetensors")
    config = json.loads((folder / "config.json").read_text())
    config["domain"] = {"of": of, "limit": limit, "id": "golden-1"}
    (folder / "config.json").write_text(json.dumps(config))
    return lambda v: float(numpy.sqrt(numpy.mean((whiten.astype("f8") @ (v - mean.astype("f8"))) ** 2)))


def encode(command, folder, data):  # noqa: F811
    save_file({"input": numpy.ascontiguousarray(data)}, folder / "in.safetensors")
    return ask(command, "encode", "--model", folder, "--tensor", folder / "in.safetensors", "--json")


@pytest.mark.parametrize("name", MODELS)
def test_the_tower_s_distance(command, tmp_path, name):  # noqa: F811
    folder, data, tower, unit = MODELS[name](tmp_path)
    assert len(tower) == WIDTH != DIM
    distance = declare(folder, "tower", len(tower), 1e6)
    answer = encode(command, folder, data)
    said = answer["domain"]
    assert said["distance"] == pytest.approx(distance(tower), rel=4e-6) and said["distance"] > 0.1
    assert (said["of"], said["id"], said["limit"], said["inside"]) == ("tower", "golden-1", 1e6, True)
    if unit is not None:
        assert numpy.abs(numpy.array(answer["embedding"]) - unit).max() < 1e-6
    relu = distance(numpy.maximum(tower, 0))
    assert abs(relu - said["distance"]) > 1e-3  # what it is not


@pytest.mark.parametrize("name", ["vit_mean", "spacetime", "slices"])
def test_the_embedding_s_distance_to_the_last_digits(command, tmp_path, name):  # noqa: F811
    folder, data, *_ = MODELS[name](tmp_path)
    distance = declare(folder, "embedding", DIM, 1e6)
    answer = encode(command, folder, data)
    assert answer["domain"]["of"] == "embedding"
    assert answer["domain"]["distance"] == pytest.approx(distance(numpy.array(answer["embedding"])), rel=1e-13)


def test_the_limit_belongs_to_the_domain(command, tmp_path):  # noqa: F811
    """At the distance itself a study is inside; a bit below it is not, and is not asked. Same bits every time."""
    folder, data, *_ = vit_cls(tmp_path)
    declare(folder, "tower", WIDTH, 1)
    at = encode(command, folder, data)["domain"]["distance"]
    for limit, inside in ((at, True), (numpy.nextafter(at, 0), False), (numpy.nextafter(at, 9), True)):
        declare(folder, "tower", WIDTH, float(limit))
        answer = encode(command, folder, data)
        assert answer["domain"] == {"of": "tower", "id": "golden-1", "distance": at, "limit": limit, "inside": inside}
        assert answer["analysed"] is True and answer["reason"] is None and len(answer["embedding"]) == DIM
        (finding,) = answer["findings"]
        assert finding["state"] == ("undetermined" if inside else "not_assessed")  # it is untrained
        assert finding["reason"] == ("model_untrained" if inside else "outside_domain")
        assert (finding["score"] is None) == (finding["cosine_positive"] is None) == (not inside)


def test_the_number_of_slices_moves_nothing(command, tmp_path):  # noqa: F811
    """The same slice over and over."""
    folder, data, *_ = slices({"mode": "mean", "input": "tower"})(tmp_path)
    declare(folder, "tower", WIDTH, 1e6)
    said = [encode(command, folder, numpy.repeat(data[:1], count, 0))["domain"]["distance"] for count in (1, 2, 64)]
    assert said == pytest.approx([said[0]] * 3, rel=1e-6)
