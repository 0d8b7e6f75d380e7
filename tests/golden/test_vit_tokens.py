"""A ViT that hands its tokens on (fVLM's tower): no class token, taps, another grid's positions; against torch."""
import numpy
import pytest
import torch
from torch import nn

from conftest import write_folder
from reference import Block

VISION = {"arch": "vit", "input": [16, 24, 32], "patch": [4, 8, 16], "patch_bias": True, "width": 48, "depth": 4,
          "heads": 4, "mlp_dim": 96, "act": "gelu", "ln_eps": 1e-5, "cls_token": False, "pre_ln": False,
          "pool": "tokens", "taps": [0, 2], "pos_resize": "trilinear", "proj_dim": 20}
TEXT = {"arch": "bert", "vocab": 9, "width": 8, "depth": 1, "heads": 2, "mlp_dim": 8, "max_pos": 8, "max_len": 8,
        "do_lower_case": True, "pool": "cls", "proj_dim": 20}
CONFIG = {"name": "golden", "version": "1", "manufacturer": "test", "family": "fvlm", "trained": False,
          "vision": VISION, "text": TEXT, "preprocess": {"modality": "CT"}}


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv3d(1, 48, VISION["patch"], VISION["patch"])
        self.pos = nn.Parameter(torch.randn(1, 24, 48))
        self.layers = nn.ModuleList(Block(VISION) for _ in range(4))
        self.post_ln = nn.LayerNorm(48)

    @torch.no_grad()
    def forward(self, volume):
        x = self.patch(volume[None, None])
        grid = x.shape[2:]
        pos = self.pos.transpose(1, 2).reshape(1, 48, 4, 3, 2)
        pos = nn.functional.interpolate(pos, size=grid, mode="trilinear", align_corners=False)
        x, kept = (x + pos).flatten(2).transpose(1, 2), []
        for i, layer in enumerate(self.layers):
            x = layer(x, lambda name, value: None)
            if i in VISION["taps"]:
                kept.append(x[0].numpy())
        return [*kept, self.post_ln(x)[0].numpy()]


RENAMES = [("ln_1", "ln1"), ("ln_2", "ln2"), ("attn.in_proj_", "attn.qkv."), ("attn.out_proj", "attn.out"),
           ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2")]


@pytest.fixture(scope="module")
def tower(tmp_path_factory):
    torch.manual_seed(3)
    tower = Tower()
    with torch.no_grad():
        for p in tower.parameters():
            p.add_(0.1 * torch.randn_like(p))
    tensors = {}
    for name, value in tower.state_dict().items():
        for old, new in RENAMES:
            name = name.replace(old, new)
        tensors["vision." + name] = value.numpy()
    return write_folder(tmp_path_factory.mktemp("tokens") / "m", CONFIG, tensors), tower.double().eval()


@pytest.mark.parametrize("shape", [(16, 24, 32), (20, 8, 64), (4, 48, 16), (12, 40, 80)])
def test_tokens_after_taps_and_at_the_end(tower, probe, tmp_path, shape):
    folder, reference = tower
    data = numpy.random.default_rng(1).random(shape, dtype="f4")
    data.tofile(tmp_path / "in.f32")
    ours = probe.stages(tmp_path / "out", "tokens", folder, tmp_path / "in.f32", probe.OUT, *shape)
    for i, wanted in enumerate(reference(torch.from_numpy(data).double())):
        assert ours[f"kept.{i}"].shape == wanted.shape
        assert numpy.abs(ours[f"kept.{i}"] - wanted).max() < 4e-6 * numpy.abs(wanted).max()
    assert "kept.3" not in ours


def test_a_size_that_the_patch_does_not_divide_is_refused(tower, probe, tmp_path):
    numpy.zeros((16, 25, 32), dtype="f4").tofile(tmp_path / "in.f32")
    text = probe.refusal("tokens", tower[0], tmp_path / "in.f32", tmp_path, 16, 25, 32)
    assert "input_shape" in text and "8" in text and "25" in text
