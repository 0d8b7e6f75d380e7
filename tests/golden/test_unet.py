"""Convolutions against torch, U-Nets against nnU-Net's own PlainConvUNet, stage by stage.

The small references run in float64: what is compared is our float32 against the mathematics. Tolerance: the largest
difference over the largest absolute value of the stage.
"""
import os
import pathlib
import subprocess

import numpy
import pytest
import torch
from torch.nn import functional

import unet_reference
from conftest import ROOT, Probe, write_folder

TOLERANCE = 1e-5


class UnetProbe(Probe):
    """tests/golden/unet_probe.c"""

    def call(self, *arguments, timeout_s=600, **options):
        done = subprocess.run([self.path, *map(str, arguments)], capture_output=True, timeout=timeout_s, **options)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def write(self, path, values):
        numpy.ascontiguousarray(values, dtype="<f4").tofile(path)
        return path

    def conv(self, folder, x, split, weight, bias, stride, slope):
        paths = [self.write(folder / name, v) for name, v in (("x", x), ("w", weight), ("b", bias))]
        self.call("conv", split, x.shape[0] - split, weight.shape[0], *weight.shape[2:], *stride, *x.shape[1:], slope,
                  *paths, folder / "y")
        return numpy.fromfile(folder / "y", dtype="<f4")

    def up(self, folder, x, weight, bias):
        paths = [self.write(folder / name, v) for name, v in (("x", x), ("w", weight), ("b", bias))]
        self.call("up", *weight.shape[:2], *weight.shape[2:], *x.shape[1:], *paths, folder / "y")
        return numpy.fromfile(folder / "y", dtype="<f4")

    def maps(self, out, model, volume):
        path = self.write(out.with_suffix(".input.f32"), volume)
        return self.stages(out, "maps", model, path, *volume.shape[-3:], Probe.OUT)


@pytest.fixture(scope="session")
def unet_probe():
    build = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build"))
    path = build / "tests/encoder/unet_probe"
    if not path.exists():
        pytest.skip(f"{path} is not built: set BUILD_DIR")
    return UnetProbe(path)


def near(ours, theirs, what):
    theirs = numpy.asarray(theirs, dtype="f8").reshape(ours.shape)
    difference, limit = numpy.abs(ours - theirs).max(), TOLERANCE * numpy.abs(theirs).max()
    assert difference <= limit, f"{what}: {difference:.3g} over {limit:.3g}"
    return difference / limit


@pytest.mark.parametrize("inputs, out, kernel, stride, size", [
    ((1, 0), 8, (7, 7, 7), (1, 2, 2), (6, 33, 40)), ((1, 0), 8, (1, 3, 3), (1, 1, 1), (3, 70, 64)),
    ((16, 0), 24, (3, 3, 3), (1, 1, 1), (5, 45, 47)), ((16, 0), 24, (3, 3, 3), (2, 2, 2), (6, 44, 48)),
    ((16, 0), 24, (3, 3, 3), (1, 2, 2), (5, 45, 47)), ((16, 16), 16, (3, 3, 3), (1, 1, 1), (4, 24, 32)),
    ((9, 3), 37, (1, 1, 1), (1, 1, 1), (4, 9, 7)),
])
def test_conv3d_equals_torch(unet_probe, tmp_path, inputs, out, kernel, stride, size):
    draw = torch.Generator().manual_seed(1)
    x, weight, bias = (torch.randn(shape, generator=draw, dtype=torch.float64).float().double()
                       for shape in ((sum(inputs), *size), (out, sum(inputs), *kernel), (out,)))
    theirs = functional.conv3d(x[None], weight, bias, stride, [k // 2 for k in kernel])[0]
    theirs = functional.leaky_relu(theirs, 0.01)
    near(unet_probe.conv(tmp_path, x.numpy(), inputs[0], weight.numpy(), bias.numpy(), stride, 0.01), theirs, "conv")


@pytest.mark.parametrize("stride", [(2, 2, 2), (1, 2, 2), (4, 2, 1)])
def test_transposed_conv3d_equals_torch(unet_probe, tmp_path, stride):
    draw = torch.Generator().manual_seed(2)
    x, weight, bias = (torch.randn(shape, generator=draw, dtype=torch.float64).float().double()
                       for shape in ((12, 4, 40, 50), (12, 6, *stride), (6,)))
    theirs = functional.conv_transpose3d(x[None], weight, bias, stride)[0]
    near(unet_probe.up(tmp_path, x.numpy(), weight.numpy(), bias.numpy()), theirs, "up")


def small(unet, features):
    return {**unet, "features": features, **({"map_dim": 20, "classes": 5} if unet.get("map_dim") else {})}


CASES = {
    "nnunet": (small(unet_reference.NNUNET, [8, 12, 16, 20, 24, 24]), (16, 64, 96)),
    "radar": (small(unet_reference.RADAR, [8, 12, 16, 20, 24, 28]), (8, 32, 64)),
    "instance_light": (dict(features=[9, 10, 11], kernels=[[3, 3, 3]] * 3, strides=[[1, 2, 2], [2, 2, 2], [2, 1, 2]],
                            convs_enc=1, convs_dec=3, dec_levels=1, norm="instance", act="relu", out_map="skips"),
                       (8, 12, 16)),
    "batch_full": (dict(features=[8, 12, 16], kernels=[[1, 3, 3], [3, 3, 3], [3, 3, 3]],
                        strides=[[1, 1, 1], [1, 2, 2], [2, 2, 2]], convs_enc=3, convs_dec=1, norm="batch",
                        act="leaky_relu", slope=0.2, out_map="full", classes=3), (4, 12, 20)),
}


def folder(path, unet, tensors, family):
    return write_folder(path, {"family": family, "vision": {"arch": "unet", "channels": 1}, "unet": unet}, tensors)


@pytest.mark.parametrize("name", CASES)
def test_unet_equals_plain_conv_unet(unet_probe, tmp_path, name):
    unet, size = CASES[name]
    net = unet_reference.build(unet, list(CASES).index(name))
    ours = unet_probe.maps(tmp_path / "out", folder(
        tmp_path / "m", unet, unet_reference.arrays(unet_reference.canonical(net, unet)), "ct-glip"),
        volume := numpy.random.default_rng(3).random((1, *size), dtype="f4"))
    theirs = {}
    unet_reference.maps(net.double(), unet, torch.from_numpy(volume).double(),
                        lambda stage, value: theirs.__setitem__(stage, value.numpy()))
    assert set(ours) == set(theirs)
    shares = {stage: near(ours[stage], theirs[stage], stage) for stage in theirs}
    print(name, {stage: f"{share:.2f} of tolerance" for stage, share in shares.items()})


@pytest.mark.parametrize("name, family, published", [
    ("nnunet", "ct-glip", unet_reference.state), ("radar", "radar", unet_reference.radar_state),
])
def test_published_names_are_read_as_they_are(unet_probe, tmp_path, name, family, published):
    unet, size = CASES[name]
    net, outputs = unet_reference.build(unet, 7), []
    volume = numpy.random.default_rng(3).random((1, *size), dtype="f4")
    for kind, tensors in (("a", published(net, unet)), ("b", unet_reference.canonical(net, unet))):
        tensors = {n: v for n, v in tensors.items() if not n.endswith("num_batches_tracked")}
        model = folder(tmp_path / kind, unet, unet_reference.arrays(tensors), family)
        outputs.append(unet_probe.maps(tmp_path / f"{kind}-out", model, volume))
    assert all((outputs[0][stage] == outputs[1][stage]).all() for stage in outputs[0])


@pytest.mark.parametrize("change, words", [
    (lambda t: t.pop("unet.enc.1.0.conv.weight"),
     ["unet.enc.1.0.conv.weight", "missing", "encoder.stages.1.0.convs.0.conv.weight"]),
    (lambda t: t.pop("unet.dec.0.up.bias"), ["unet.dec.0.up.bias", "decoder.transpconvs.0.bias"]),
    (lambda t: t.update({"unet.dec.1.0.conv.weight": t["unet.dec.1.0.conv.weight"][:, :-1]}),
     ["[20,39,3,3,3]", "[20,40,3,3,3]"]),
    (lambda t: t.update({"unet.enc.6.0.conv.bias": t["unet.enc.1.0.conv.bias"]}),
     ["unet.enc.6.0.conv.bias", "no place"]),
])
def test_a_tensor_that_does_not_fit_is_named(unet_probe, tmp_path, change, words):
    unet, size = CASES["nnunet"]
    tensors = unet_reference.arrays(unet_reference.canonical(unet_reference.build(unet, 1), unet))
    change(tensors)
    path = unet_probe.write(tmp_path / "in.f32", numpy.zeros(size))
    text = unet_probe.refusal("maps", folder(tmp_path / "m", unet, tensors, "ct-glip"), path, *size, tmp_path)
    assert all(word in text for word in words), text


@pytest.mark.parametrize("key, value, words", [
    ("kernels", [[3, 3, 3]] * 5, "unet.kernels: 5 entries"), ("kernels", [[2, 3, 3]] * 6, "unet.kernels: 2 is even"),
    ("strides", [[1, 1]] * 6, "unet.strides: not lists of three"), ("dec_levels", 6, "unet.dec_levels"),
    ("out_map", "some", "unet.out_map"), ("depth", 3, "unet.depth: unknown key"),
    ("features", [], "unet.features: empty"),
    ("classes", 5, "unet.seg.weight is missing"),
])
def test_a_key_that_does_not_fit_is_named(unet_probe, tmp_path, key, value, words):
    unet, size = CASES["nnunet"]
    tensors = unet_reference.arrays(unet_reference.canonical(unet_reference.build(unet, 1), unet))
    model = folder(tmp_path / "m", {**unet, key: value}, tensors, "radclip")
    path = unet_probe.write(tmp_path / "in.f32", numpy.zeros(size))
    assert words in unet_probe.refusal("maps", model, path, *size, tmp_path)


def test_a_size_that_does_not_halve_is_refused(unet_probe, tmp_path):
    unet, _ = CASES["nnunet"]
    tensors = unet_reference.arrays(unet_reference.canonical(unet_reference.build(unet, 1), unet))
    path = unet_probe.write(tmp_path / "in.f32", numpy.zeros((8, 32, 60)))
    text = unet_probe.refusal("maps", folder(tmp_path / "m", unet, tensors, "ct-glip"), path, 8, 32, 60, tmp_path)
    assert "input_shape" in text and "multiples of 8, 32, 32" in text
