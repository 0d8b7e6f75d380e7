"""The image tower in fewer bits: transformers' CLIPModel whose blocks multiply as tensor/tile.h says, in whole numbers or in
bfloat16, against the service; and what must be measured before it may be used."""
import json
import shutil

import numpy
import pytest
import torch
from safetensors.torch import load_file, save_file

import clip_reference as clip
from test_clip import ask, command  # noqa: F401

SIZES = dict(clip.SMALL, vision=dict(clip.SMALL["vision"], hidden_size=192, intermediate_size=768,
                                     num_attention_heads=6, image_size=140, num_hidden_layers=1))
ISAS = ("baseline", "avx2", "avx512")


def rounded_to_units(x):
    """Whole numbers up to 127 and the unit of each row, in float32."""
    largest = x.abs().amax(-1, keepdim=True).float()
    return (x * (127 / largest)).round().double(), (largest / 127).double()


def in_int8(x, weight, bias):
    (whole_x, unit_x), (whole_w, unit_w) = rounded_to_units(x), rounded_to_units(weight)
    return ((whole_x @ whole_w.T) * (unit_x * unit_w.T) + bias).float()


def in_bf16(x, weight, bias):
    x, weight = (one.to(torch.bfloat16).double() for one in (x, weight))
    return (x @ weight.T + bias).float()


class Narrow(torch.nn.Module):
    """A layer whose bias makes up for what rounding did to the mean of what `seen` pictures sent through it."""

    def __init__(self, linear, multiply):
        super().__init__()
        self.linear, self.multiply, self.mean = linear, multiply, None

    def forward(self, x):
        if self.mean is None:
            self.mean = x.double().flatten(0, -2).mean(0).float().double()
            return self.linear(x)
        weight, bias = self.linear.weight, self.linear.bias.double()
        packed = self.multiply(torch.eye(weight.shape[1]), weight, 0).double().T
        return self.multiply(x, weight, (bias - (packed - weight.double()) @ self.mean).float().double())


def narrowed(model, multiply, seen):
    for layer in model.vision_model.encoder.layers:
        for owner, names in ((layer.self_attn, ("q_proj", "k_proj", "v_proj", "out_proj")), (layer.mlp, ("fc1", "fc2"))):
            for name in names:
                setattr(owner, name, Narrow(getattr(owner, name), multiply))
    model.vision_model(seen)
    return model


@torch.no_grad()
def embedding(model, pixels):
    unit = torch.nn.functional.normalize(model.get_image_features(pixels).double(), dim=-1).mean(0)
    return torch.nn.functional.normalize(unit, dim=0).numpy()


@pytest.fixture
def folder(tmp_path):
    return clip.save(clip.make(SIZES), tmp_path / "m")


@pytest.fixture
def inputs(tmp_path):
    """Tensors of three studies."""
    made = []
    for number in range(3):
        made.append(tmp_path / f"{number}.safetensors")
        save_file({"input": torch.from_numpy(clip.pixels(4, 140, seed=number))}, made[-1])
    return made


def measure(command, folder, precision, inputs, *words):  # noqa: F811
    return ask(command, "model", "measure", "--precision", precision, "--json", *words, folder, *inputs)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("precision, multiply", [("int8", in_int8), ("bf16", in_bf16)])
def test_the_blocks_multiply_as_stated(command, folder, inputs, precision, multiply, isa):  # noqa: F811
    measure(command, folder, precision, inputs[:2], "--isa", isa)
    path = inputs[1]
    answer = ask(command, "encode", "--model", folder, "--tensor", path, "--json", "--precision", precision, "--isa", isa)
    assert answer["model"]["precision"] == precision
    found = numpy.array(answer["embedding"])
    first, pixels = (torch.from_numpy(clip.pixels(4, 140, seed=seed)) for seed in (0, 1))
    exact, narrow = embedding(clip.make(SIZES), pixels), embedding(narrowed(clip.make(SIZES), multiply, first), pixels)
    # One block: a value between two units is rounded either way by the last bit of what came before, and what follows with it.
    assert numpy.linalg.norm(found - narrow) < 0.2 * numpy.linalg.norm(exact - narrow)
    assert numpy.linalg.norm(exact - narrow) > 1e-4


def test_what_is_measured_is_how_far_they_are_apart(command, folder, inputs):  # noqa: F811
    said = measure(command, folder, "int8", inputs)
    cosines = []
    for path in inputs[1::2]:
        exact, narrow = (numpy.array(ask(command, "encode", "--model", folder, "--tensor", path, "--json", *words)["embedding"])
                         for words in ((), ("--precision", "int8")))
        cosines.append(exact @ narrow / numpy.linalg.norm(exact) / numpy.linalg.norm(narrow))
    assert said["studies"] == 1 and said["corrected_by"] == 2 and said["findings"] == 0 and said["states_changed"] == 0
    assert abs(said["cosine_least"] - min(cosines)) < 1e-7 and 0.99 < min(cosines) < 1 - 1e-7
    kept = json.loads((folder / "precision.json").read_text())
    assert kept["int8"]["cosine_least"] == pytest.approx(said["cosine_least"], abs=1e-8)
    measure(command, folder, "bf16", inputs)
    assert set(json.loads((folder / "precision.json").read_text())) == {"int8", "bf16"}


def test_what_corrects_it_is_whole_and_counts_as_configuration(command, folder, inputs):  # noqa: F811
    measure(command, folder, "int8", inputs)
    path, words = folder / "precision.json", ("encode", "--model", folder, "--tensor", inputs[0], "--json", "--precision")
    kept = json.loads(path.read_text())
    digests = {ask(command, *words, precision)["model"]["config_sha256"] for precision in ("fp32", "int8", "int8")}
    assert len(digests) == 2
    means = kept["int8"]["input_means"]
    assert sorted(means) == [f"vision.layers.0.{name}" for name in ("attn.out", "attn.qkv", "mlp.fc1", "mlp.fc2")]
    path.write_text(json.dumps({"int8": {key: value for key, value in kept["int8"].items() if key != "input_means"}}))
    assert "input_means is missing" in ask(command, *words, "int8", ok=False)
    for bad in (None, means["vision.layers.0.mlp.fc1"][8:], "7fc00000" + means["vision.layers.0.mlp.fc1"][8:],
                "0x000000" + means["vision.layers.0.mlp.fc1"][8:], 7):
        path.write_text(json.dumps({"int8": dict(kept["int8"], input_means={**means, "vision.layers.0.mlp.fc1": bad})}))
        assert "numbers for vision.layers.0.mlp.fc1" in ask(command, *words, "int8", ok=False)
        ask(command, *words, "fp32")


def test_what_nobody_measured_is_not_opened(command, folder, inputs):  # noqa: F811
    words = ("encode", "--model", folder, "--tensor", inputs[0], "--json", "--precision")
    assert "precision_not_measured" in ask(command, *words, "int8", ok=False)
    assert ask(command, *words, "fp32")["model"]["precision"] == "fp32"
    measure(command, folder, "int8", inputs)
    ask(command, *words, "int8")
    assert "precision_not_measured" in ask(command, *words, "bf16", ok=False)
    weights = load_file(folder / "model.safetensors")
    weights["visual_projection.weight"][0, 0] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "precision_not_measured" in ask(command, *words, "int8", ok=False)


def test_what_lies_outside_its_bound_is_not_opened(command, folder, inputs):  # noqa: F811
    measure(command, folder, "int8", inputs)
    path = folder / "precision.json"
    said = json.loads(path.read_text())["int8"]
    for bound, opens in ((said["cosine_least"] - 1e-6, True), (said["cosine_least"] + 1e-6, False)):
        path.write_text(json.dumps({"int8": dict(said, cosine_bound=bound)}))
        told = ask(command, "encode", "--model", folder, "--tensor", inputs[0], "--json", "--precision", "int8", ok=opens)
        assert opens or "precision_out_of_bound" in told
    path.write_text(json.dumps({"int8": dict(said, cosine_least=0.998, cosine_bound=0)}))
    assert "precision_out_of_bound" in ask(command, "encode", "--model", folder, "--tensor", inputs[0], "--precision", "int8", ok=False)
    path.write_text('{"int8": {"cosine_least": 1}}')
    assert "precision.json" in ask(command, "encode", "--model", folder, "--tensor", inputs[0], "--precision", "int8", ok=False)


def test_a_measurement_outside_the_bound_ends_with_1(command, folder, inputs, tmp_path):  # noqa: F811
    """The same model, but one input of a layer is a thousand times the others: one scale cannot hold both."""
    weights = load_file(folder / "model.safetensors")
    for name, factor in (("layer_norm2.weight", 1000), ("layer_norm2.bias", 1000), ("mlp.fc1.weight", 0.001)):
        weights[f"vision_model.encoder.layers.0.{name}"][..., 0] *= factor
    coarse = tmp_path / "coarse"
    shutil.copytree(folder, coarse)
    save_file(weights, coarse / "model.safetensors", metadata={"format": "pt"})
    told = ask(command, "model", "measure", "--precision", "int8", coarse, *inputs, ok=False)
    assert told == ""
    assert json.loads((coarse / "precision.json").read_text())["int8"]["cosine_least"] < 0.999


def test_a_study_that_only_fewer_bits_cannot_do_is_as_far_as_can_be(command, folder, inputs):  # noqa: F811
    measure(command, folder, "int8", inputs)
    weights = load_file(folder / "model.safetensors")
    for name in ("layer_norm2.weight", "layer_norm2.bias", "mlp.fc1.weight"):  # 1e30 times 1e-30: int8 knows no such unit
        weights[f"vision_model.encoder.layers.0.{name}"] *= 1e-32 if name.startswith("mlp") else 1e32
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    ask(command, "encode", "--model", folder, "--tensor", inputs[0], "--json")
    assert ask(command, "model", "measure", "--precision", "int8", folder, *inputs, ok=False) is not None
    assert json.loads((folder / "precision.json").read_text())["int8"]["cosine_least"] < 0.999


def test_what_is_in_the_way_is_told_before_measuring(command, folder, inputs):  # noqa: F811
    (folder / "precision.json").write_text("[]")
    assert "no JSON object" in ask(command, "model", "measure", "--precision", "int8", folder, *inputs, ok=False)
    assert "at least two studies" in ask(command, "model", "measure", "--precision", "int8", folder, inputs[0], ok=False)


@pytest.mark.parametrize("words", [(), ("--precision", "fp32"), ("--precision", "int4")])
def test_measuring_needs_a_precision(command, folder, inputs, words):  # noqa: F811
    assert "precision" in ask(command, "model", "measure", *words, folder, *inputs, ok=False)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_weights_are_in_memory_once(command, tmp_path, precision):  # noqa: F811
    """A model of 150 MB, most of it float32 that is packed as it lies in the file."""
    sizes = dict(SIZES, vision=dict(SIZES["vision"], hidden_size=768, intermediate_size=3072, num_attention_heads=12,
                                    num_hidden_layers=5))
    folder, paths = clip.save(clip.make(sizes), tmp_path / "m"), [tmp_path / "0.safetensors", tmp_path / "1.safetensors"]
    for number, path in enumerate(paths):
        save_file({"input": torch.from_numpy(clip.pixels(1, 140, seed=number))}, path)
    if precision != "fp32":
        measure(command, folder, precision, paths)
    answer = ask(command, "encode", "--model", folder, "--tensor", paths[0], "--json", "--stats", "--precision", precision)
    assert answer["stats"]["weights_bytes"] > 140e6
    assert answer["stats"]["peak_rss_bytes"] < 1.35 * answer["stats"]["weights_bytes"]
