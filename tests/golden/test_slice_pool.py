"""RadCLIP's slice pooling against transformers' image tower and torch's MultiheadAttention.

The adapter was never published: what is compared is the equation V = MHSA(I + PE) with every switch of the section.
"""
import numpy
import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

import clip_reference as clip
from conftest import write_folder

SLICES = 6
WIDTH, DIM = clip.SMALL["vision"]["hidden_size"], clip.SMALL["projection_dim"]
CONFIG = {
    "name": "golden", "version": "1", "manufacturer": "test", "family": "radclip", "trained": False,
    "vision": {"arch": "vit", "input": [56, 56], "channels": 3, "patch": [14, 14], "width": WIDTH, "depth": 3,
               "heads": 3, "mlp_dim": 96, "proj_dim": DIM, "proj_bias": False},
    "text": {"arch": "clip", "vocab": 514, "width": 40, "depth": 2, "heads": 5, "mlp_dim": 80, "proj_dim": DIM,
             "proj_bias": False},
    "preprocess": {"modality": "CT", "norm": "meanstd", "mean": 0.5, "std": 0.25},
}
CASES = {
    "mean": {"mode": "mean"},
    "max": {"mode": "max"},
    "max_tower": {"mode": "max", "input": "tower"},
    "mhsa": {"mode": "mhsa", "heads": 4},
    "mhsa_plain": {"mode": "mhsa", "heads": 5, "pe": "none", "residual": True, "reduce": "first"},
    "mhsa_query": {"mode": "mhsa", "heads": 2, "pe": "learned", "max_slices": 9, "reduce": "query"},
    "mhsa_tower": {"mode": "mhsa", "heads": 8, "input": "tower", "reduce": "query", "residual": True},
}


@pytest.fixture(scope="module")
def model():
    return clip.make(clip.SMALL)


def adapter(section, seed=11):
    """Tensors of one section under their canonical names."""
    d = WIDTH if section.get("input") == "tower" else DIM
    draw = torch.Generator().manual_seed(seed)
    shapes = {"attn.in_proj_weight": (3 * d, d), "attn.in_proj_bias": (3 * d,), "attn.out_proj.weight": (d, d),
              "attn.out_proj.bias": (d,)} if section["mode"] == "mhsa" else {}
    if section.get("pe") == "learned":
        shapes["pos"] = (section["max_slices"], d)
    if section.get("reduce") == "query":
        shapes["query"] = (1, d)
    return {f"slice_pool.{name}": torch.randn(shape, generator=draw) * shape[-1] ** -0.5
            for name, shape in shapes.items()}


def sincos(count, d):
    at = torch.arange(count, dtype=torch.float64)[:, None] / 10000 ** (torch.arange(0, d, 2) / d)
    return torch.stack([at.sin(), at.cos()], -1).reshape(count, -1)[:, :d]


def attended(x, section, tensors):
    d = x.shape[1]
    pe = section.get("pe", "sincos")
    x = x + (sincos(len(x), d) if pe == "sincos" else tensors["slice_pool.pos"][:len(x)] if pe == "learned" else 0)
    attention = nn.MultiheadAttention(d, section["heads"], batch_first=True).double()
    attention.load_state_dict({name[16:]: value for name, value in tensors.items() if ".attn." in name})
    v = attention(x[None], x[None], x[None], need_weights=False)[0][0] + (x if section.get("residual") else 0)
    reduce = section.get("reduce", "mean")
    if reduce == "query":
        return (tensors["slice_pool.query"] @ v.T * d ** -0.5).softmax(-1) @ v
    return v[:1] if reduce == "first" else v.mean(0, keepdim=True)


@torch.no_grad()
def pooled(model, pixels, section, tensors):
    tensors = {name: value.double() for name, value in tensors.items()}
    tower = section.get("input") == "tower"
    x = model.vision_model(pixels).pooler_output
    x = x if tower else model.visual_projection(x)
    if section["mode"] == "mhsa":
        x = attended(x, section, tensors)
    else:
        x = normalize(x, dim=-1)
        x = (x.mean(0) if section["mode"] == "mean" else x.max(0).values)[None]
    return normalize(model.visual_projection(x) if tower else x, dim=-1).numpy()


def folder_of(base, model, section):
    state = {name: value for name, value in model.state_dict().items() if "position_ids" not in name}
    tensors = {**state, **adapter(section)}
    config = {**CONFIG, "slice_pool": section}
    return write_folder(base / "m", config, {name: value.numpy() for name, value in tensors.items()})


@pytest.mark.parametrize("name", CASES)
def test_slices_become_one_vector(model, probe, tmp_path, name):
    section = CASES[name]
    data = clip.pixels(SLICES, 56)
    ours = probe.image(tmp_path / "out", folder_of(tmp_path, model, section), data)["unit"]
    exact = clip.make(clip.SMALL).double()
    theirs = pooled(exact, torch.from_numpy(data).double(), section, adapter(section))
    assert numpy.abs(ours - theirs).max() < 1e-6
    plain = pooled(exact, torch.from_numpy(data).double(), {"mode": "mean"}, {})
    assert name == "mean" or numpy.abs(ours - plain).max() > 1e-3


@pytest.mark.parametrize("name", ["mhsa", "mhsa_tower"])
def test_one_slice_is_not_pooled(model, probe, tmp_path, name):
    data = clip.pixels(1, 56)
    ours = probe.image(tmp_path / "out", folder_of(tmp_path, model, CASES[name]), data)["unit"]
    wanted = clip.image_stages(clip.make(clip.SMALL).double(), torch.from_numpy(data).double())["unit"]
    assert numpy.abs(ours - wanted).max() < 1e-6


def test_positions_run_out(model, probe, tmp_path):
    folder = folder_of(tmp_path, model, CASES["mhsa_query"])
    clip.pixels(10, 56).tofile(tmp_path / "in.f32")
    assert "10 slices; the slice pooling takes at most 9" in probe.refusal("image", folder, tmp_path / "in.f32", tmp_path)


@pytest.mark.parametrize("change, words", [
    ({"heads": 7}, "7 heads do not divide 20"),
    ({"mode": "median"}, "slice_pool.mode"),
    ({"size": 3}, "slice_pool.size"),
])
def test_a_wrong_section_is_refused_by_key(model, probe, tmp_path, change, words):
    section = {**CASES["mhsa"], **change}
    folder = folder_of(tmp_path, model, section)
    clip.pixels(2, 56).tofile(tmp_path / "in.f32")
    assert words in probe.refusal("image", folder, tmp_path / "in.f32", tmp_path)
