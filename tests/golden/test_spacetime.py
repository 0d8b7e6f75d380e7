"""CMR-CLIP's space-time tower and text tower against torch, stage by stage, and the symmetries any weights obey.

The reference runs in float64; the tolerances are those of test_encoder.py.
"""
import os

import numpy
import pytest
import torch

from conftest import write_folder
from spacetime_reference import Reference, config
from test_encoder import TOLERANCE, UNIT_TOLERANCE, compare

TOLERANCE.setdefault("time", 4e-6)
CASES = {
    "small": config(([5, 24, 16], [8, 4], 48, 3, 3), (97, 40, 2, 5, 33), 20),
    "after_time": config(([5, 24, 16], [8, 4], 48, 2, 3), (97, 40, 1, 5, 33), 20, residual="after_time"),
    "mean": config(([5, 24, 16], [8, 4], 48, 2, 3), (97, 40, 1, 5, 33), 20, pool="mean"),
    "one_patch": config(([7, 8, 8], [8, 8], 48, 1, 3), (97, 40, 1, 5, 33), 20),
    "mid": config(([16, 112, 112], [16, 16], 192, 4, 3), (500, 96, 3, 3, 64), 128),
}


def video(c, frames=None, seed=5):
    vision = c["vision"]
    shape = (frames or vision["input"][0], vision["channels"], *vision["input"][1:])
    return numpy.random.default_rng(seed).normal(size=shape).astype("f4")


@pytest.fixture(scope="module", params=CASES)
def case(request, tmp_path_factory):
    reference = Reference(CASES[request.param], seed=list(CASES).index(request.param))
    folder = write_folder(tmp_path_factory.mktemp(request.param) / "m", CASES[request.param], reference.tensors())
    return folder, reference.double()


def test_video_tower(case, probe, tmp_path):
    folder, reference = case
    data = video(reference.config)
    compare(probe.image(tmp_path / "out", folder, data), reference.image(torch.from_numpy(data).double()))


def test_fewer_frames_take_the_first_rows_of_time(case, probe, tmp_path):
    folder, reference = case
    data = video(reference.config, frames=3)
    compare(probe.image(tmp_path / "out", folder, data), reference.image(torch.from_numpy(data).double()))


@pytest.mark.parametrize("length", [1, 9, 33])
def test_text_tower(case, probe, tmp_path, length):
    folder, reference = case
    ids = numpy.random.default_rng(length).integers(0, reference.config["text"]["vocab"], length).tolist()
    ours, theirs = probe.text(tmp_path / "out", folder, ids), reference.text(ids)
    compare({name: ours[name] for name in theirs}, theirs)


def test_the_groups_of_the_full_size_reference_are_the_mask(case):
    _, reference = case
    data = torch.from_numpy(video(reference.config)).double()
    masked, grouped = reference.image(data), reference.image(data, how="grouped")
    assert all(numpy.abs(masked[name] - grouped[name]).max() < 1e-12 for name in masked)


class Small:
    def __init__(self, probe, folder):
        self.probe, self.folder, self.count = probe, folder, 0
        self.config = CASES["small"]
        self.tensors = {name: value.copy() for name, value in Reference(self.config, 3).tensors().items()}

    def unit(self, data, tensors=None, c=None):
        self.count += 1
        model = write_folder(self.folder / f"m{self.count}", c or self.config, tensors or self.tensors)
        return self.probe.image(self.folder / f"out{self.count}", model, data)["unit"]


@pytest.fixture
def small(probe, tmp_path):
    return Small(probe, tmp_path)


def permute_patches(data, order, patch):
    """Patches of every frame in another order; order: of the flattened grid."""
    frames, channels, height, width = data.shape
    rows, columns = height // patch[0], width // patch[1]
    grid = data.reshape(frames, channels, rows, patch[0], columns, patch[1]).transpose(2, 4, 0, 1, 3, 5)
    flat = grid.reshape(rows * columns, frames, channels, *patch)[order]
    return flat.reshape(rows, columns, frames, channels, *patch).transpose(2, 3, 0, 4, 1, 5).reshape(data.shape)


def test_patches_may_trade_places_with_their_positions(small):
    """models.md 5.6: any weights; positions left behind must show."""
    data = video(small.config)
    order = numpy.random.default_rng(1).permutation(12)
    moved = permute_patches(data, order, small.config["vision"]["patch"])
    tensors = dict(small.tensors)
    pos = small.tensors["video_model.pos_embed"]
    tensors["video_model.pos_embed"] = numpy.concatenate([pos[:, :1], pos[:, 1:][:, order]], 1)
    before, after = small.unit(data), small.unit(moved, tensors)
    assert numpy.abs(before - after).max() < UNIT_TOLERANCE
    assert numpy.abs(before - small.unit(moved)).max() > 1e-3


def test_frames_may_trade_places_with_their_times(small):
    data = video(small.config)
    order = numpy.array([3, 0, 4, 1, 2])
    tensors = dict(small.tensors)
    tensors["video_model.temporal_embed"] = small.tensors["video_model.temporal_embed"][:, order]
    before, after = small.unit(data), small.unit(data[order], tensors)
    assert numpy.abs(before - after).max() < UNIT_TOLERANCE
    assert numpy.abs(before - small.unit(data[order])).max() > 1e-3


def test_time_and_space_are_not_the_same(small):
    data = video(small.config)
    swapped = {name.replace(".attn.", ".T.").replace(".timeattn.", ".attn.").replace(".T.", ".timeattn."): value
               for name, value in small.tensors.items()}
    before = small.unit(data)
    assert numpy.abs(before - small.unit(data, swapped)).max() > 1e-3
    other = {**small.config, "vision": {**small.config["vision"], "space_residual": "after_time"}}
    assert numpy.abs(before - small.unit(data, c=other)).max() > 1e-3


@pytest.mark.parametrize("frames", [0, 6])
def test_a_wrong_number_of_frames_is_refused(small, tmp_path, probe, frames):
    model = write_folder(tmp_path / "m", small.config, small.tensors)
    video(small.config, frames=6)[:frames].tofile(tmp_path / "in.f32")
    refusal = probe.refusal("image", model, tmp_path / "in.f32", tmp_path)
    assert f"{frames} frames" in refusal and "input_shape" in refusal


@pytest.mark.skipif(not os.environ.get("CARDIOSCRIBE_FULL_SIZE"), reason="full size: set CARDIOSCRIBE_FULL_SIZE=1")
def test_full_size(probe, tmp_path):
    """64 frames, 12,545 tokens, as published; the memory beyond the weights is stated in models.md as 700 MiB."""
    full = config(([64, 224, 224], [16, 16], 768, 12, 12), (28996, 768, 12, 12, 512), 512)
    reference = Reference(full, seed=1)
    tensors = reference.tensors()
    assert len(tensors) == 426 and sum(value.size for value in tensors.values()) == 223_312_384
    folder = write_folder(tmp_path / "m", full, tensors)
    data = video(full)
    data.tofile(tmp_path / "in.f32")
    seconds, peak_kb = probe.call("time", folder, tmp_path / "in.f32").split()
    weights = (folder / "model.safetensors").stat().st_size
    print(f"{seconds} s, peak {int(peak_kb) / 1024:.0f} MiB of which weights {weights / 2**20:.0f} MiB")
    assert int(peak_kb) * 1024 < weights + (700 << 20)
    ours = probe.image(tmp_path / "out", folder, data)["unit"]
    theirs = reference.image(torch.from_numpy(data), how="grouped")["unit"]
    print("largest difference", numpy.abs(ours - theirs).max())
    assert numpy.abs(ours - theirs).max() < 1e-4 and (ours * theirs).sum() > 0.99999
