"""Cardiac-CLIP's own size (128 x 144 x 144, 5,185 tokens, width 768, 12 layers) against torch in float32.
Minutes and gigabytes: runs only with CARDIOSCRIBE_FULL_SIZE=1."""
import os

import numpy
import pytest
import torch

from conftest import write_folder
from reference import Reference, config

pytestmark = pytest.mark.skipif(not os.environ.get("CARDIOSCRIBE_FULL_SIZE"), reason="set CARDIOSCRIBE_FULL_SIZE=1")

FULL = config(([128, 144, 144], [8, 8, 8], 768, 12, 12), (30522, 768, 12, 12, 512))
RUN_STATE_BYTES = 4 * 5185 * (768 + 768 + 3072 + 128)  # residual, norm, wide, one tile of scores


def test_full_size_equals_torch_in_bounded_memory(probe, tmp_path):
    reference = Reference(FULL, 1)
    folder = write_folder(tmp_path / "m", FULL, {k: v.numpy() for k, v in reference.state_dict().items()})
    weights = (folder / "model.safetensors").stat().st_size
    data = numpy.random.default_rng(2).random((128, 144, 144), dtype="f4")
    data.tofile(tmp_path / "in.f32")
    seconds, peak_kb = probe.call("time", folder, tmp_path / "in.f32", 2).split()
    peak = int(peak_kb) * 1024
    print(f"{seconds} s, peak {peak / 1e6:.0f} MB, weights {weights / 1e6:.0f} MB")
    assert peak < weights + data.nbytes + RUN_STATE_BYTES + 150e6
    ours = probe.image(tmp_path / "out", folder, data)
    theirs = reference.image(torch.from_numpy(data))
    difference = numpy.abs(ours["unit"] - theirs["unit"]).max()
    print(f"largest difference on the unit vector {difference:.3g}")
    assert difference < 1e-4
