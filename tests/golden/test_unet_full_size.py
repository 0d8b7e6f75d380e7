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


def flops(unet, size, net):
    """Multiply-adds of all convolutions, times two, counted from the shapes torch sees."""
    total, hooks = [0], []
    for module in net.modules():
        if isinstance(module, (torch.nn.Conv3d, torch.nn.ConvTranspose3d)):
            hooks.append(module.register_forward_hook(lambda m, i, o: total.__setitem__(
                0, total[0] + 2 * m.weight.numel() * (i[0] if isinstance(m, torch.nn.ConvTranspose3d) else o)[0, 0].numel())))
    return total, hooks


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
    total, hooks = flops(unet, size, net)
    worst, began = {}, time.process_time()

    def see(stage, value):
        if stage.split(".")[0] in stages:
            ours = numpy.fromfile(tmp_path / "out" / f"{stage}.f32", dtype="<f4").reshape(value.shape)
            worst[stage] = float(numpy.abs(ours - value.numpy()).max() / value.abs().max())

    unet_reference.maps(net, unet, torch.from_numpy(volume), see)
    print(f"{total[0] / 1e9:.0f} GFLOP; ours {seconds:.1f} s, {cpu:.1f} CPU s, {total[0] / 1e9 / cpu:.0f} GF/s a core; torch "
          f"{time.process_time() - began:.1f} CPU s; peak {peak_kb / 2**20:.2f} GiB, weights {weights / 2**20:.0f} MiB; {worst}")
    assert set(worst) == {line.split()[0] for line in lines} and max(worst.values()) < TOLERANCE
    assert peak_kb * 1024 < weights + ROOM_LIMIT
