"""fVLM's flow against MONAI's ViT and torch's MultiheadAttention: crops, kept levels, masks as tokens, queries."""
import os

import numpy
import pytest
import torch

from conftest import write_folder
from fvlm_reference import FULL, ORGANS, Reference, config
from test_encoder import UNIT_TOLERANCE, compare
from test_organ_flows import run
from test_unet import unet_probe  # noqa: F401 (a fixture)

SMALL = dict(input=[16, 32, 64], patch=[4, 8, 16], width=48, depth=5, heads=3, mlp_dim=96, proj_dim=20, taps=[0, 2, 3],
             crop=[16, 40, 64])


def scene(shape, seed, parts=(1, 2, 3, 4)):
    """Values, and a box an organ: lung wide, heart within, a thin esophagus, an aorta at the border."""
    draw, mask = numpy.random.default_rng(seed), numpy.zeros(shape, "u1")
    spans = {1: ((.1, .9), (.1, .8), (.05, .97)), 2: ((.3, .6), (.4, .7), (.4, .7)), 3: ((.2, .9), (.5, .52), (.5, .54)),
             4: ((0, .5), (.9, 1), (0, .2))}
    for label in parts:
        mask[tuple(slice(int(a * n), max(int(a * n) + 1, int(b * n))) for (a, b), n in zip(spans[label], shape))] = label
    return draw.random(shape, dtype="f4"), mask


def same(ours, theirs, tolerance=UNIT_TOLERANCE):
    assert set(ours) == set(theirs)
    worst = max(numpy.abs(ours[name] - theirs[name]).max() for name in theirs)
    print(f"largest difference {worst:.3g}")
    assert worst < tolerance and all((ours[name] * theirs[name]).sum() > 0.99999 for name in theirs)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    reference = Reference(SMALL, 1)
    folder = write_folder(tmp_path_factory.mktemp("fvlm") / "m", config(SMALL), reference.published())
    return folder, reference.double()


# As configured; the crop; smaller than a crop, to be padded; larger, moved to the border; organs larger than a crop.
@pytest.mark.parametrize("shape", [(16, 32, 64), (16, 40, 64), (13, 30, 61), (28, 64, 100), (19, 55, 70)])
def test_organs_equal_the_published_evaluation(small, unet_probe, tmp_path, shape):  # noqa: F811
    folder, reference = small
    values, mask = scene(shape, 2)
    ours, missing = run(unet_probe, tmp_path / "out", folder, values, mask)
    assert missing == {}
    same(ours, reference(values, mask))


def test_stages(small, unet_probe, tmp_path):  # noqa: F811
    """One organ, so that one crop is run."""
    folder, reference = small
    values, mask = scene((30, 64, 100), 3, parts=[2])
    theirs = {}
    reference.organ(values, mask, 1, lambda name, value: theirs.__setitem__(name, value.detach().numpy()))
    paths = [tmp_path / "in", tmp_path / "mask"]
    values.tofile(paths[0]), mask.tofile(paths[1])
    ours = unet_probe.stages(tmp_path / "out", "organ_stages", folder, *paths, *values.shape, unet_probe.OUT)
    unit = {"unit": ours.pop("organ.1")}, {"unit": theirs.pop("organ.1")}
    compare({name: value for name, value in ours.items() if not name.startswith("attn.")}, theirs)
    compare(*unit)


def test_canonical_names_give_the_same(small, unet_probe, tmp_path):  # noqa: F811
    folder, _ = small
    values, mask = scene((16, 40, 64), 4)
    other = write_folder(tmp_path / "m", config(SMALL), Reference(SMALL, 1).canonical())
    first, second = (run(unet_probe, tmp_path / f"out{i}", f, values, mask)[0] for i, f in enumerate((folder, other)))
    assert first.keys() == second.keys() and all((first[name] == second[name]).all() for name in first)


def test_an_organ_without_a_voxel_is_not_assessed(small, unet_probe, tmp_path):  # noqa: F811
    folder, reference = small
    values, mask = scene((16, 40, 64), 5, parts=[1, 3])
    ours, missing = run(unet_probe, tmp_path / "out", folder, values, mask)
    assert missing == {"heart": "organ_not_in_mask", "aorta": "organ_not_in_mask"}
    same(ours, reference(values, mask))
    none = run(unet_probe, tmp_path / "none", folder, values, numpy.zeros_like(mask))
    assert none == ({}, {name: "organ_not_in_mask" for name in ORGANS})


def test_an_organ_of_more_than_four_crops_is_left_out(small, unet_probe, tmp_path):  # noqa: F811
    folder, _ = small
    values, mask = scene((60, 100, 130), 6)
    ours, missing = run(unet_probe, tmp_path / "out", folder, values, mask)
    assert missing == {"lung": "organ_too_large"} and set(ours) == {"heart", "esophagus", "aorta"}


def test_an_organ_whose_crop_holds_none_of_it_is_left_out(small, unet_probe, tmp_path):  # noqa: F811
    """The crop of a large organ ends before its last plane, row and column: two voxels may lie in none of it."""
    values, mask = scene((30, 64, 100), 7, parts=[2])
    mask[0, 63, 0] = mask[20, 0, 0] = 1
    ours, missing = run(unet_probe, tmp_path / "out", small[0], values, mask)
    assert missing["lung"] == "organ_too_large" and set(ours) == {"heart"}


def test_a_mask_is_needed(small, unet_probe, tmp_path):  # noqa: F811
    path = unet_probe.write(tmp_path / "in", numpy.zeros((16, 40, 64)))
    assert "mask_missing" in unet_probe.refusal("organs", small[0], path, "-", 16, 40, 64, tmp_path)


@pytest.mark.parametrize("change, words", [
    (lambda c, t: c["organ"].update(pool="mean"), "organ.query_heads: meaningless with pool mean"),
    (lambda c, t: (c["organ"].update(pool="mean"), c["organ"].pop("query_heads")), "organ.pool: with arch vit"),
    (lambda c, t: c["organ"].pop("query_heads"), "organ.query_heads: required"),
    (lambda c, t: c["organ"].update(query_heads=5), "organ.query_heads: 5 heads do not divide width 48"),
    (lambda c, t: c["organ"].update(margin=2), "organ.margin: unknown key"),
    (lambda c, t: c["organ"].update(crop=[0, 8, 8]), "organ.crop"),
    (lambda c, t: c["organ"].update(organs=[]), "organ.organs: 0 organs"),
    (lambda c, t: c["organ"]["organs"][1].update(id="lung"), '"lung" is there twice'),
    (lambda c, t: c["organ"]["organs"][1].update(labels=[7, 1]), 'label 1 of "heart" is "lung" already'),
    (lambda c, t: c["organ"]["organs"][1].update(labels=[]), '"heart" has no labels'),
    (lambda c, t: c["organ"]["organs"][1].update(labels=[256]), "labels"),
    (lambda c, t: c["vision"].update(pool="mean", taps=[]), "vision.pool"),
    (lambda c, t: t.pop("vision_projs.2.bias"), "organ.proj.2.bias"),
    (lambda c, t: t.update(query_tokens=t["query_tokens"][:3]), "query_tokens has shape [3,48]"),
])
def test_what_does_not_fit_is_named(unet_probe, tmp_path, change, words):  # noqa: F811
    tensors, wanted = Reference(SMALL, 1).published(), config(SMALL)
    change(wanted, tensors)
    folder = write_folder(tmp_path / "m", wanted, tensors)
    path = unet_probe.write(tmp_path / "in", numpy.zeros((16, 40, 64)))
    assert words in unet_probe.refusal("organs", folder, path, "-", 16, 40, 64, tmp_path)


@pytest.mark.skipif(not os.environ.get("CARDIOSCRIBE_FULL_SIZE"), reason="full size: set CARDIOSCRIBE_FULL_SIZE=1")
@pytest.mark.parametrize("shape, parts", [((112, 256, 352), (1, 2, 3, 4)), ((140, 330, 380), (2,))])
def test_full_size(unet_probe, tmp_path, shape, parts):  # noqa: F811
    """The published input, of which the four crops are one; and an evaluation crop cut out of a larger volume."""
    reference = Reference(FULL, 1)
    tensors = reference.published()
    folder = write_folder(tmp_path / "m", config(FULL), tensors)
    values, mask = scene(shape, 2, parts)
    values.tofile(tmp_path / "in"), mask.tofile(tmp_path / "mask")
    seconds, peak_kb = unet_probe.call("organ_time", folder, tmp_path / "in", tmp_path / "mask", *shape).split()
    weights = (folder / "model.safetensors").stat().st_size
    print(f"{seconds} s, peak {int(peak_kb) / 1024:.0f} MiB of which weights {weights / 2**20:.0f} MiB")
    assert int(peak_kb) * 1024 < weights + (700 << 20)
    ours, missing = run(unet_probe, tmp_path / "out", folder, values, mask)
    assert len(missing) == 4 - len(parts)
    same(ours, reference(values, mask), 1e-4)
