"""The U-Nets at their published size against torch in float32: nnU-Net's default at 48 x 192 x 192, RADAR's window of
96 x 256 x 384. Minutes and gigabytes, ours first and torch after it: runs only with CARDIOSCRIBE_FULL_SIZE=1."""
import os
import time

import numpy
import pytest
import torch

import unet_reference
from test_unet import folder, unet_probe  # noqa: F401 (unet_probe is a fixture)

full_size = pytest.mark.skipif(not os.environ.get("CARDIOSCRIBE_FULL_SIZE"), reason="set CARDIOSCRIBE_FULL_SIZE=1")
ROOM_LIMIT = 4 << 30  # over one copy of the weights
TOLERANCE = 1e-4      # of the largest value of a stage


def count_flops(net):
    """[Multiply-adds of all convolutions, times two], counted as torch runs them."""
    total = [0]

    def count(module, given, out):
        grid = given[0] if isinstance(module, torch.nn.ConvTranspose3d) else out
        total[0] += 2 * module.weight.numel() * grid[0, 0].numel()

    for module in net.modules():
        if isinstance(module, (torch.nn.Conv3d, torch.nn.ConvTranspose3d)):
            module.register_forward_hook(count)
    return total


def write_model(path, unet, seed):
    net = unet_reference.build(unet, seed)
    return net, folder(path, unet, unet_reference.arrays(unet_reference.canonical(net, unet)), "ct-glip")


@pytest.mark.parametrize("unet", [unet_reference.NNUNET, unet_reference.RADAR], ids=["nnunet", "radar"])
def test_the_room_for_a_large_window_is_bounded(unet_probe, tmp_path, unet):  # noqa: F811
    _, model = write_model(tmp_path / "m", unet, 1)
    room = int(unet_probe.call("room", model, 96, 256, 384))
    print(f"room {room / 2**30:.2f} GiB")
    assert room + 4 * 96 * 256 * 384 < ROOM_LIMIT - (100 << 20)  # the input; program and libraries


@full_size
@pytest.mark.parametrize("unet, size, stages", [
    (unet_reference.NNUNET, (48, 192, 192), "dec"), (unet_reference.RADAR, (96, 256, 384), "proj seg"),
], ids=["nnunet", "radar"])
def test_full_size_equals_torch_in_bounded_memory(unet_probe, tmp_path, unet, size, stages):  # noqa: F811
    net, model = write_model(tmp_path / "m", unet, 1)
    volume = numpy.random.default_rng(2).random((1, *size), dtype="f4")
    (tmp_path / "out").mkdir()
    lines = unet_probe.call("maps", model, unet_probe.write(tmp_path / "in", volume), *size, tmp_path / "out", stages,
                            timeout_s=3000).strip().split("\n")
    seconds, cpu, peak_kb, room = map(float, lines.pop().split())
    weights = (model / "model.safetensors").stat().st_size
    total = count_flops(net)
    worst, began = {}, time.process_time()

    def see(stage, value):
        if stage.split(".")[0] in stages:
            ours = numpy.fromfile(tmp_path / "out" / f"{stage}.f32", dtype="<f4").reshape(value.shape)
            worst[stage] = float(numpy.abs(ours - value.numpy()).max() / value.abs().max())

    unet_reference.maps(net, unet, torch.from_numpy(volume), see)
    gflop, torch_cpu = total[0] / 1e9, time.process_time() - began
    print(f"{gflop:.0f} GFLOP; ours {seconds:.1f} s, {cpu:.1f} CPU s, {gflop / cpu:.0f} GF/s a core; "
          f"torch {torch_cpu:.1f} CPU s; peak {peak_kb / 2**20:.2f} GiB, weights {weights / 2**20:.0f} MiB; {worst}")
    assert set(worst) == {line.split()[0] for line in lines} and max(worst.values()) < TOLERANCE
    assert peak_kb * 1024 < weights + ROOM_LIMIT
