"""Whole organ flows round a U-Net against organ_flow.py: windows, masks given or predicted, crops, attention."""
import os

import numpy
import pytest
import torch
from torch import nn

import unet_reference
from conftest import write_folder
from organ_flow import Mean, Query
from test_unet import unet_probe  # noqa: F401 (a fixture)

UNIT_TOLERANCE = 1e-5  # required: 1e-4
ONE_THREAD = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # products this small only wait for each other

MEAN = dict(features=[8, 12, 16], kernels=[[1, 3, 3], [3, 3, 3], [3, 3, 3]], strides=[[1, 1, 1], [1, 2, 2], [2, 2, 2]],
            convs_enc=2, convs_dec=2, norm="instance", act="leaky_relu", slope=0.01, out_map="full", overlap=0.25)
ORGANS = {"spleen": [1], "kidney": [2, 3], "lung": [13, 14, 15, 16, 17], "voxel": [50], "brain": [90]}
WINDOW = [8, 16, 24]


def organ_table(organs):
    return [{"id": name, "text": name.capitalize(), "labels": labels} for name, labels in organs.items()]


def run(probe, out, model, volume, mask=None):
    out.mkdir()
    values, masked = probe.write(out / "in", volume), "-"
    if mask is not None:
        masked = out / "mask"
        mask.astype("u1").tofile(masked)
    lines = probe.call("organs", model, values, masked, *volume.shape, out, env=ONE_THREAD).split("\n")
    reasons = dict(line.split() for line in lines if line)
    vectors = {name: numpy.fromfile(out / f"{name}.f32", dtype="<f4") for name, why in reasons.items() if why == "-"}
    return vectors, {name: why for name, why in reasons.items() if why != "-"}


def same(ours, theirs):
    assert set(ours) == set(theirs)
    worst = max(numpy.abs(ours[name] - theirs[name]).max() for name in theirs)
    print(f"largest difference {worst:.3g}")
    assert worst < UNIT_TOLERANCE
    assert all(abs(numpy.linalg.norm(v) - 1) < 1e-6 for v in ours.values())


def blobs(shape, seed):
    """A label volume: boxes of several organs, one of them cut by windows, one of a single voxel, one absent."""
    draw, mask = numpy.random.default_rng(seed), numpy.zeros(shape, "u1")
    for label in (1, 2, 3, 13, 14, 17, 60):
        low = [draw.integers(0, n - n // 3) for n in shape]
        mask[tuple(slice(a, a + draw.integers(1, n // 2)) for a, n in zip(low, shape))] = label
    mask[shape[0] // 2, shape[1] // 2, shape[2] // 2] = 50
    return mask


def mean_folder(path, unet, proj, net, window):
    tensors = unet_reference.arrays(unet_reference.canonical(net, unet))
    if proj:
        tensors["vision.proj.weight"], tensors["vision.proj.bias"] = (p.detach().numpy() for p in proj.parameters())
    dim = proj.out_features if proj else unet["features"][0]
    config = {"family": "ct-glip", "unet": unet, "vision": {"arch": "unet", "input": window, "proj_dim": dim},
              "organ": {"pool": "mean", "organs": organ_table(ORGANS)}}
    return write_folder(path, config, tensors)


@pytest.mark.parametrize("shape, projected", [((8, 16, 24), True), ((13, 30, 47), True), ((5, 16, 40), False)])
def test_mean_over_organs(unet_probe, tmp_path, shape, projected):  # noqa: F811
    net = unet_reference.build(MEAN, 3)
    torch.manual_seed(4)
    proj = nn.Linear(8, 12) if projected else None
    volume, mask = numpy.random.default_rng(5).random(shape, dtype="f4"), blobs(shape, 6)
    folder = mean_folder(tmp_path / "m", MEAN, proj, net, WINDOW)
    ours, missing = run(unet_probe, tmp_path / "out", folder, volume, mask)
    assert missing == {"brain": "organ_not_in_mask"}
    same(ours, Mean(net.double(), MEAN, ORGANS, proj.double() if proj else None)(volume, mask, WINDOW, 0.25))


def test_mean_over_one_voxel_is_its_feature(unet_probe, tmp_path):  # noqa: F811
    net, at = unet_reference.build(MEAN, 3), (5, 6, 7)
    volume, mask = numpy.random.default_rng(5).random(WINDOW, dtype="f4"), numpy.zeros(WINDOW, "u1")
    mask[at] = 50
    folder = mean_folder(tmp_path / "m", MEAN, None, net, WINDOW)
    ours, _ = run(unet_probe, tmp_path / "out", folder, volume, mask)
    stages = unet_probe.maps(tmp_path / "maps", folder, volume)
    feature = stages["dec.1"][:, numpy.ravel_multi_index(at, WINDOW)]
    assert set(ours) == {"voxel"}
    assert numpy.abs(ours["voxel"] - feature / numpy.linalg.norm(feature)).max() < 1e-6


def test_a_mask_is_needed(unet_probe, tmp_path):  # noqa: F811
    folder = mean_folder(tmp_path / "m", MEAN, None, unet_reference.build(MEAN, 3), WINDOW)
    path = unet_probe.write(tmp_path / "in", numpy.zeros(WINDOW))
    assert "mask_missing" in unet_probe.refusal("organs", folder, path, "-", *WINDOW, tmp_path)


# Small, but of RADAR's make: the factor of the strides is 8, 32, 32, the mask half as fine in the plane.
QUERY = {**unet_reference.RADAR, "features": [8, 10, 12, 14, 16, 18], "classes": 7, "map_dim": 24, "overlap": 0.25}
QUERY_ORGANS = {f"organ{i}": [i] for i in range(1, 7)}
QUERY_WINDOW = [16, 64, 96]


def query(seed):
    """Random scores are everywhere much alike; a bias for the background and a scale make parts that keep clear of
    borders here and there. The input carries blobs for the network to answer to."""
    reference = Query(QUERY, QUERY_ORGANS, seed, proj_dim=20)
    head = reference.net.decoder.seg_layers[QUERY["dec_levels"] - 1]
    with torch.no_grad():
        head.weight.mul_(3)
    return reference


def scene(shape, seed):
    """Dark, with bright balls of several sizes."""
    draw, grid = numpy.random.default_rng(seed), numpy.indices(shape)
    volume = numpy.zeros(shape, "f4")
    for _ in range(5):
        centre = [draw.integers(0, n) for n in shape]
        far = sum(((g - c) / s) ** 2 for g, c, s in zip(grid, centre, (6, 14, 14)))
        volume += draw.uniform(0.3, 1) * (far < draw.uniform(0.5, 2))
    return (volume + 0.02 * draw.random(shape)).astype("f4")


def query_folder(path, tensors, family="radar"):
    config = {"family": family, "unet": QUERY, "vision": {"arch": "unet", "input": QUERY_WINDOW, "proj_dim": 20},
              "organ": {"pool": "queries", "query_heads": 4, "organs": organ_table(QUERY_ORGANS)}}
    return write_folder(path, config, unet_reference.arrays(
        {n: v for n, v in tensors.items() if not n.endswith("num_batches_tracked")}))


@pytest.mark.parametrize("shape, seed", [((11, 60, 90), 2), ((20, 90, 96), 3), ((17, 64, 121), 4)])
def test_queries_over_predicted_organs(unet_probe, tmp_path, shape, seed):  # noqa: F811
    reference, volume = query(seed), scene(shape, seed)
    ours, missing = run(unet_probe, tmp_path / "out", query_folder(tmp_path / "m", reference.canonical()), volume)
    theirs, cropped = reference.double()(volume, QUERY_WINDOW, 0.25)
    print(sorted(theirs), "by crop:", sorted(cropped), missing)
    assert set(missing) == set(QUERY_ORGANS) - set(theirs)
    same(ours, theirs)


SEEING = {**QUERY, "classes": 4}


def take_only(block, channel, taps, bias):
    """Let one output channel of a conv-norm-ReLU block be relu(sum of input channels at the same voxel + bias)."""
    weight, norm = block.conv.weight, block.norm
    with torch.no_grad():
        weight[channel] = 0
        for source, factor in taps.items():
            weight[channel, source, weight.shape[2] // 2, weight.shape[3] // 2, weight.shape[4] // 2] = factor
        block.conv.bias[channel], norm.bias[channel], norm.running_mean[channel] = bias, 0, 0
        norm.weight[channel], norm.running_var[channel] = 1, 1 - norm.eps


def seeing(seed):
    """A network whose mask is its input: voxels near 1, 2 and 3 are the organs. The other channels stay random."""
    reference = Query(SEEING, {f"organ{i}": [i] for i in (1, 2, 3)}, seed, proj_dim=20)
    encoder, decoder = reference.net.encoder.stages, reference.net.decoder
    steps = [0.5 + 0.5 * i for i in range(7)]
    for i, step in enumerate(steps):
        take_only(encoder[0][0].convs[0], i, {0: 1}, -step)
    for organ in range(3):  # a triangle round the organ's number, from three ramps
        take_only(encoder[0][0].convs[1], organ, {2 * organ: 2, 2 * organ + 1: -4, 2 * organ + 2: 2}, 0)
        for block in encoder[1][0].convs:
            take_only(block, organ, {organ: 1}, 0)
        take_only(decoder.stages[3].convs[0], organ, {SEEING["features"][1] + organ: 1}, 0)
    head = decoder.seg_layers[3]
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([1.0, 0, 0, 0]))
        for organ in range(3):
            head.weight[organ + 1, organ] = 2
    return reference


def test_where_an_organ_is_taken_from(unet_probe, tmp_path):  # noqa: F811
    """organ1 lies one voxel from the end of the volume: by crop, its border rule waived. organ2 is whole in several
    windows: the first counts. organ3 is cut by both of its windows: by crop."""
    volume = numpy.zeros((30, 100, 96), "f4")
    volume[1:6, 10:30, 20:50], volume[17:21, 40:58, 30:60], volume[8:12, 30:72, 64:88] = 1, 2, 3
    reference = seeing(5)
    with torch.no_grad():
        _, _, labels = reference.run(volume[:16, :64])
    assert (labels[:, ::2, ::2] == volume[:16, :64:2, ::2]).all()
    tensors = reference.canonical()
    config = {"family": "radar", "unet": SEEING, "vision": {"arch": "unet", "input": QUERY_WINDOW, "proj_dim": 20},
              "organ": {"pool": "queries", "query_heads": 4, "organs": organ_table(reference.organs)}}
    folder = write_folder(tmp_path / "m", config, unet_reference.arrays(
        {n: v for n, v in tensors.items() if not n.endswith("num_batches_tracked")}))
    ours, missing = run(unet_probe, tmp_path / "out", folder, volume)
    theirs, cropped = reference.double()(volume, QUERY_WINDOW, 0.25)
    assert cropped == {"organ1", "organ3"} and not missing
    same(ours, theirs)


def test_a_crop_of_many_windows_is_left_out(unet_probe, tmp_path):  # noqa: F811
    reference, volume = query(4), scene((33, 100, 200), 4)
    ours, missing = run(unet_probe, tmp_path / "out", query_folder(tmp_path / "m", reference.canonical()), volume)
    assert "organ_too_large" in missing.values() and set(ours) | set(missing) == set(QUERY_ORGANS)


@pytest.mark.parametrize("broken", ["input", "weights"])
def test_scores_that_are_no_numbers_are_no_answer(unet_probe, tmp_path, broken):  # noqa: F811
    """Else nothing would be highest, and every organ not found."""
    tensors = query(4).canonical()
    if broken == "weights":
        tensors["unet.enc.2.0.norm.running_var"] = tensors["unet.enc.2.0.norm.running_var"] * 0 - 1
    volume = scene(QUERY_WINDOW, 4) * (1e38 if broken == "input" else 1)
    path = unet_probe.write(tmp_path / "in", volume)
    said = unet_probe.refusal("organs", query_folder(tmp_path / "m", tensors), path, "-", *QUERY_WINDOW, tmp_path)
    assert "scores_not_finite" in said, said


def test_published_names_give_the_same(unet_probe, tmp_path):  # noqa: F811
    reference, volume = query(1), scene(QUERY_WINDOW, 1)
    results = [run(unet_probe, tmp_path / f"{kind}-out", query_folder(tmp_path / kind, tensors), volume)
               for kind, tensors in (("a", reference.published()), ("b", reference.canonical()))]
    assert results[0][1] == results[1][1] and results[0][0]
    assert all((results[0][0][name] == results[1][0][name]).all() for name in results[1][0])
