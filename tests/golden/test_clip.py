"""Stock Hugging Face CLIP folders, unconverted, against transformers' CLIPModel, stage by stage.

The reference runs in float64; the tolerances are those of test_encoder.py.
"""
import json
import os
import re
import subprocess

import numpy
import pytest
import torch
from safetensors.torch import load_file, save_file

import clip_reference as clip

TOLERANCE = {"patch": 2e-6, "embed": 2e-6, "attn": 4e-6, "layer": 4e-6, "post": 4e-6, "pool": 4e-6, "final": 4e-6}
UNIT_TOLERANCE = 1e-6  # required: 1e-4


def compare(ours, theirs):
    assert set(ours) == set(theirs)
    for stage, wanted in theirs.items():
        kind = re.sub(r"\.\d+$", "", stage)
        assert ours[stage].shape == wanted.shape, stage
        difference = numpy.abs(ours[stage] - wanted).max()
        limit = TOLERANCE[kind] * numpy.abs(wanted).max() if kind in TOLERANCE else UNIT_TOLERANCE
        assert difference <= limit, f"{stage}: {difference:.3g} over {limit:.3g}"


def encode(probe, tmp_path, folder, data, *zyx, what="image", name="out"):
    data.astype("<f4").tofile(tmp_path / f"{name}.f32")
    return probe.stages(tmp_path / name, what, folder, tmp_path / f"{name}.f32", probe.OUT, *zyx)


@pytest.fixture(scope="module", params=["quick_gelu", "gelu"])
def stock(request, tmp_path_factory):
    model = clip.make(clip.SMALL, act=request.param)
    return clip.save(model, tmp_path_factory.mktemp("clip") / "stock"), model.double()


@pytest.mark.parametrize("slices", [1, 2, 300])
def test_image_tower(stock, probe, tmp_path, slices):
    """300 slices of 17 tokens are more than one batch."""
    folder, model = stock
    data = clip.pixels(slices, 56)
    compare(encode(probe, tmp_path, folder, data), clip.image_stages(model, torch.from_numpy(data).double()))


@pytest.mark.parametrize("length", [1, 2, 9, 77])
def test_text_tower(stock, probe, tmp_path, length):
    folder, model = stock
    ids = [512, *numpy.random.default_rng(length).integers(0, 512, 77).tolist()][:length - 1] + [513]
    compare(probe.text(tmp_path / "out", folder, ids), clip.text_stages(model, ids))


def test_the_first_of_several_ends_pools(stock, probe, tmp_path):
    """The largest id, at its first place: files pad with the end token itself."""
    folder, model = stock
    ids = [512, 7, 9, 513, 513, 513]
    ours = probe.text(tmp_path / "out", folder, ids)
    assert (ours["pool"][0] == ours["final"][3]).all()
    compare(ours, clip.text_stages(model, ids))


def change_config(folder, change):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def test_a_named_end_token_pools(probe, tmp_path):
    """eos_token_id other than 2: its first place, whatever else is larger; token 0 when it is not there."""
    folder = clip.save(clip.make(clip.SMALL), tmp_path / "m")
    change_config(folder, lambda c: c["text_config"].update(eos_token_id=500))
    ours = probe.text(tmp_path / "a", folder, [512, 3, 500, 7, 513, 500])
    assert (ours["pool"][0] == ours["final"][2]).all()
    ours = probe.text(tmp_path / "b", folder, [512, 3, 7, 513])
    assert (ours["pool"][0] == ours["final"][0]).all()


def test_keys_that_are_absent_have_the_defaults_of_transformers(probe, tmp_path):
    """Published files leave out what equals the default; text_config_dict replaces text_config."""
    sizes = dict(vision=dict(num_hidden_layers=1, image_size=64), text=dict(num_hidden_layers=1),
                 projection_dim=512)
    model = clip.make(sizes)
    folder = clip.save(model, tmp_path / "m", tokenizer=False)
    (folder / "config.json").write_text(json.dumps({
        "model_type": "clip", "vision_config": {"num_hidden_layers": 1, "image_size": 64},
        "text_config": {"num_hidden_layers": 7}, "text_config_dict": {"num_hidden_layers": 1}}))
    model.double()
    data = clip.pixels(1, 64)
    compare(encode(probe, tmp_path, folder, data), clip.image_stages(model, torch.from_numpy(data).double()))
    ids = [49406, 320, 1125, 49407]
    compare(probe.text(tmp_path / "text", folder, ids), clip.text_stages(model, ids))


@pytest.mark.parametrize("change, words", [
    (lambda c: c.update(model_type="siglip"), ["model_type", "siglip"]),
    (lambda c: c["vision_config"].update(hidden_act="gelu_new"), ["vision.act", "gelu_new"]),
    (lambda c: c["vision_config"].update(patch_size=15), ["vision.patch", "15"]),
    (lambda c: c.update(vision_config=[]), ["vision_config", "not an object"]),
    (lambda c: c["text_config"].update(hidden_size=48), ["text.heads"]),
    (lambda c: c.update(projection_dim=21), ["visual_projection.weight", "[20,48]", "[21,48]"]),
])
def test_a_configuration_that_does_not_fit_is_named(probe, tmp_path, change, words):
    folder = clip.save(clip.make(clip.SMALL), tmp_path / "m")
    change_config(folder, change)
    clip.pixels(1, 56).tofile(tmp_path / "in.f32")
    text = probe.refusal("image", folder, tmp_path / "in.f32", tmp_path)
    assert all(word in text for word in words), text


@pytest.mark.parametrize("change, words", [
    (lambda t: t.pop("vision_model.pre_layrnorm.weight"), ["vision_model.pre_layrnorm.weight", "missing"]),
    (lambda t: t.pop("text_model.encoder.layers.1.self_attn.k_proj.bias"), ["layers.1.self_attn.k_proj.bias"]),
    (lambda t: t.update({"visual_projection.bias": torch.zeros(20)}), ["visual_projection.bias", "no place"]),
    (lambda t: t["text_projection.weight"].__setitem__((0, 0), float("nan")), ["text_projection", "not finite"]),
    (lambda t: t.update({"vision_model.encoder.layers.0.self_attn.q_proj.weight": torch.zeros(47, 48)}),
     ["self_attn.q_proj.weight", "[47,48]", "[48,48]"]),
])
def test_a_tensor_that_does_not_fit_is_named(probe, tmp_path, change, words):
    folder = clip.save(clip.make(clip.SMALL), tmp_path / "m")
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    clip.pixels(1, 56).tofile(tmp_path / "in.f32")
    text = probe.refusal("image", folder, tmp_path / "in.f32", tmp_path)
    assert all(word in text for word in words), text


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_narrow_types_equal_the_same_values_wide(probe, tmp_path, kind):
    model = clip.make(clip.SMALL).to(getattr(torch, kind))
    narrow = clip.save(model, tmp_path / "narrow")
    wide = clip.save(model.float(), tmp_path / "wide")
    data = clip.pixels(3, 56)
    a, b = (encode(probe, tmp_path, folder, data, name=folder.name + "-out") for folder in (narrow, wide))
    assert all((a[stage] == b[stage]).all() for stage in b)
    compare(a, clip.image_stages(model.double(), torch.from_numpy(data).double()))


def test_shards_equal_the_whole(probe, tmp_path):
    model = clip.make(clip.SMALL)
    whole, shards = clip.save(model, tmp_path / "whole"), clip.save(model, tmp_path / "shards", max_shard_size="60KB")
    assert len(list(shards.glob("model-*.safetensors"))) > 2
    data = clip.pixels(2, 56)
    a, b = (encode(probe, tmp_path, folder, data, name=folder.name + "-out") for folder in (whole, shards))
    assert all((a[stage] == b[stage]).all() for stage in a)
    next(shards.glob("model-00002-*")).unlink()
    assert "model-00002-of" in probe.refusal("image", shards, tmp_path / "whole-out.f32", tmp_path)


def own_config(sizes, **changes):
    """config.json of ours with the names of a stock file beside it."""
    v = sizes["vision"]
    vision = {"arch": "vit", "input": [v["image_size"]] * 2, "patch": [v["patch_size"]] * 2, "channels": 3,
              "width": v["hidden_size"], "depth": v["num_hidden_layers"], "heads": v["num_attention_heads"],
              "mlp_dim": v["intermediate_size"], "proj_dim": sizes["projection_dim"], "proj_bias": False}
    t = sizes["text"]
    text = {"arch": "clip", "vocab": t["vocab_size"], "width": t["hidden_size"], "depth": t["num_hidden_layers"],
            "heads": t["num_attention_heads"], "mlp_dim": t["intermediate_size"],
            "proj_dim": sizes["projection_dim"]}
    return {"name": "golden", "version": "1", "manufacturer": "test", "family": "radclip", "trained": False,
            "vision": dict(vision, **changes), "text": text, "preprocess": {"modality": "CT", "norm": "meanstd", "mean": 0.5, "std": 0.25}}


@pytest.mark.parametrize("side", [28, 84, 56])
def test_positions_of_another_grid_are_resized(probe, tmp_path, side):
    """Bicubic, as Hugging Face's interpolate_pos_encoding: against a CLIPModel whose table torch has resized."""
    model = clip.make(clip.SMALL)
    folder = clip.save(model, tmp_path / "m")
    (folder / "config.json").write_text(json.dumps(own_config(clip.SMALL, pos_resize="bicubic")))
    sizes = dict(clip.SMALL, vision=dict(clip.SMALL["vision"], image_size=side))
    other, table = clip.make(sizes).double(), model.double().vision_model.embeddings.position_embedding.weight
    state = {k: v for k, v in model.state_dict().items() if "position" not in k or "text" in k}
    other.load_state_dict(state, strict=False)
    grid = table[1:].T.reshape(1, 48, 4, 4)
    grid = torch.nn.functional.interpolate(grid, size=(side // 14, side // 14), mode="bicubic", align_corners=False)
    with torch.no_grad():
        other.vision_model.embeddings.position_embedding.weight.copy_(
            torch.cat([table[:1], grid.flatten(2)[0].T]))
    data = clip.pixels(2, side)
    compare(encode(probe, tmp_path, folder, data, 1, side, side),
            clip.image_stages(other, torch.from_numpy(data).double()))


def test_another_size_needs_a_rule(probe, tmp_path):
    folder = clip.save(clip.make(clip.SMALL), tmp_path / "m")
    clip.pixels(1, 28).tofile(tmp_path / "in.f32")
    text = probe.refusal("image", folder, tmp_path / "in.f32", tmp_path, 1, 28, 28)
    assert "input_shape" in text and "1 x 28 x 28" in text


def test_mean_pooling_is_over_normalised_patches(probe, tmp_path):
    model = clip.make(clip.SMALL)
    folder = clip.save(model, tmp_path / "m")
    (folder / "config.json").write_text(json.dumps(own_config(clip.SMALL, pool="mean")))
    data = clip.pixels(1, 56)
    ours = encode(probe, tmp_path, folder, data)
    model = model.double()
    with torch.no_grad():
        last = model.vision_model(torch.from_numpy(data).double()).last_hidden_state
        pooled = model.vision_model.post_layernorm(last[:, 1:]).mean(1)
        unit = torch.nn.functional.normalize(model.visual_projection(pooled), dim=-1)
    assert numpy.abs(ours["post"] - pooled.numpy()).max() < 4e-6 * pooled.abs().max()
    assert numpy.abs(ours["unit"] - unit.numpy()).max() < UNIT_TOLERANCE


# ---- the command ----

@pytest.fixture(scope="session")
def command():
    path = os.path.join(os.environ.get("BUILD_DIR", "build"), "cli/cardioscribe")
    if not os.path.exists(path):
        pytest.skip(f"{path} is not built: set BUILD_DIR")
    return path


def ask(command, *arguments, ok=True):
    done = subprocess.run([command, *map(str, arguments)], capture_output=True, timeout=600, text=True)
    assert (done.returncode == 0) == ok, done.stderr
    return json.loads(done.stdout) if ok else done.stderr


@pytest.mark.parametrize("shape", [(3, 56, 56), (1, 3, 56, 56), (5, 3, 56, 56)])
def test_encode_tensor(stock, command, tmp_path, shape):
    folder, model = stock
    data = torch.from_numpy(clip.pixels(5, 56)[:1 if len(shape) == 3 else shape[0]])
    save_file({"input": data.reshape(shape).contiguous()}, tmp_path / "in.safetensors")
    answer = ask(command, "encode", "--model", folder, "--tensor", tmp_path / "in.safetensors", "--json")
    assert answer["findings"] == []
    wanted = clip.image_stages(model, data.double())["unit"][0]
    assert numpy.abs(numpy.array(answer["embedding"]) - wanted).max() < UNIT_TOLERANCE


@pytest.mark.parametrize("shape", [(1, 56, 56), (3, 57, 56), (2, 2, 3, 56, 56), (56, 56)])
def test_a_tensor_of_another_shape_is_refused(stock, command, tmp_path, shape):
    save_file({"input": torch.zeros(shape)}, tmp_path / "in.safetensors")
    text = ask(command, "encode", "--model", stock[0], "--tensor", tmp_path / "in.safetensors", ok=False)
    assert "56" in text


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_stats_state_the_memory(command, tmp_path, kind):
    """The bound of a ViT: one copy of the weights as float32, and 700 MiB."""
    sizes = dict(clip.SMALL, vision=dict(clip.SMALL["vision"], hidden_size=768, intermediate_size=3072,
                                         num_attention_heads=12))
    model = clip.make(sizes).to(getattr(torch, kind))
    weights = 4 * sum(p.numel() for p in model.parameters())
    folder = clip.save(model, tmp_path / "m")
    save_file({"input": torch.from_numpy(clip.pixels(40, 56))}, tmp_path / "in.safetensors")
    stats = ask(command, "encode", "--model", folder, "--tensor", tmp_path / "in.safetensors", "--json", "--stats",
                "--threads", 2)["stats"]
    assert stats["weights_bytes"] == weights
    assert weights < stats["peak_rss_bytes"] < weights + 700 * 2 ** 20
    assert stats["threads"] == 2 and stats["gemm"] and 0 <= stats["open_s"] <= stats["total_s"]


def test_text_and_tokens(stock, command):
    folder, model = stock
    ids = ask(command, "tokenize", "--model", folder, "--json", "a ct")["ids"]
    assert ids[0] == 512 and ids[-1] == 513 and len(ids) == 5
    answer = ask(command, "text", "--model", folder, "--json", "a ct")
    wanted = clip.text_stages(model, ids)["unit"][0]
    assert numpy.abs(numpy.array(answer["embeddings"][0]["embedding"]) - wanted).max() < UNIT_TOLERANCE


def test_model_check(stock, command):
    answer = ask(command, "model", "--json", "check", stock[0])
    assert answer["model"]["family"] == "clip" and answer["dim"] == 20
