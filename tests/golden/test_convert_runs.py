"""From the published container to the published vector: a reference's state dict is saved as the authors save it,
converted by tools/convert, run by `cardioscribe encode --tensor`, and the vector is the reference's. Small, and with
CARDIOSCRIBE_FULL_SIZE=1 at the size that was published, where the numbers of tensors and values are checked too."""
import argparse
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy
import pytest
import torch
from safetensors.torch import save_file

import clip_reference
import fvlm_reference
import organ_flow
import published
import reference
import spacetime_reference
import unet_reference

FULL_SIZE = bool(os.environ.get("CARDIOSCRIBE_FULL_SIZE"))
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
SIZES = [pytest.param(False, id="small"),
         pytest.param(True, id="published", marks=pytest.mark.skipif(not FULL_SIZE, reason="set CARDIOSCRIBE_FULL_SIZE=1"))]


@pytest.fixture(scope="session")
def command():
    path = pathlib.Path(os.environ.get("BUILD_DIR", "build")) / "cli/cardioscribe"
    if not path.exists():
        pytest.skip(f"{path} is not built: set BUILD_DIR")
    return path


@pytest.fixture
def folder(tmp_path):
    """Gigabytes at full size: gone when the test is."""
    yield tmp_path
    shutil.rmtree(tmp_path)


class Case:
    def __init__(self, root, command, folder, full):
        self.tool, self.command, self.folder, self.full = root / "tools/convert", command, folder, full

    def vocabulary(self):
        path = self.folder / "words.txt"
        path.write_text("\n".join(WORDS) + "\n")
        return ["--vocab", path]

    def pairs(self):
        """A byte-pair vocabulary of four tokens."""
        (self.folder / "vocab.json").write_text(json.dumps({"a": 0, "a</w>": 1, "<|startoftext|>": 2, "<|endoftext|>": 3}))
        (self.folder / "merges.txt").write_text("#version: 0.2\n")
        return ["--vocab", self.folder / "vocab.json", self.folder / "merges.txt"]

    def convert(self, system, saved, *more):
        path = self.folder / "published"
        if not isinstance(saved, pathlib.Path):
            torch.save(saved, path)
        sizes = [] if self.full else ["--any-size"]
        done = subprocess.run([sys.executable, "-S", "-E", self.tool, system, path, "-o", self.folder / "model", *sizes,
                               *map(str, more)], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        return self

    def encode(self, *more, **tensors):
        save_file({name: value.contiguous() for name, value in tensors.items()}, self.folder / "in.safetensors")
        done = subprocess.run([self.command, "encode", "--model", self.folder / "model", "--tensor",
                               self.folder / "in.safetensors", "--json", *more], capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def case(root, command, folder, full):
    return Case(root, command, folder, full)


def assert_close(ours, theirs):
    ours, theirs = numpy.array(ours, dtype="f8"), numpy.array(theirs, dtype="f8").reshape(-1)
    difference = numpy.abs(ours - theirs).max()
    cosine = ours @ theirs / numpy.linalg.norm(ours) / numpy.linalg.norm(theirs)
    print(f"largest difference on the unit vector {difference:.3g}, 1 - cosine {1 - cosine:.3g}")
    assert ours.shape == theirs.shape and difference < 1e-4 and cosine > 0.99999


@pytest.mark.parametrize("full", SIZES)
def test_cardiac_clip(case, full):
    config = reference.config(([128, 144, 144], [8, 8, 8], 768, 12, 12), (30522, 768, 12, 12, 512)) if full else \
        reference.config(([16, 24, 32], [8, 8, 8], 128, 3, 2), (50, 64, 2, 1, 40))
    model = reference.Reference(config, 1)
    unused = collections.OrderedDict({"vision_encoder.token_embedding.weight": torch.zeros(49408, 512),
                                      "vision_encoder.positional_embedding": torch.zeros(77, 512),
                                      "vision_encoder.ln_final.weight": torch.ones(512),
                                      "vision_encoder.ln_final.bias": torch.zeros(512)})
    case.convert("cardiac-clip", {"epoch": 9, "state_dict": collections.OrderedDict(unused | model.state_dict()),
                                  "hyper_parameters": {"config": argparse.Namespace(seed=0)}},
                 *case.vocabulary(), *([] if full else ["--input", "16,24,32"]))
    volume = torch.rand(config["vision"]["input"], generator=torch.Generator().manual_seed(2))
    assert_close(case.encode(input=volume[None])["embedding"], model.image(volume)["unit"])


@pytest.mark.parametrize("full", SIZES)
def test_cmr_clip(case, full):
    config = spacetime_reference.config(([64, 224, 224], [16, 16], 768, 12, 12), (28996, 768, 12, 12, 512), 512) if full \
        else spacetime_reference.config(([5, 32, 32], [16, 16], 128, 3, 2), (50, 64, 2, 1, 40), 48)
    model = spacetime_reference.Reference(config, 3)
    state = {name: torch.from_numpy(value) for name, value in model.tensors().items()}
    case.convert("cmr-clip", collections.OrderedDict(state), *case.vocabulary())
    frames, height, width = config["vision"]["input"]
    video = torch.randn(frames, 3, height, width, generator=torch.Generator().manual_seed(4))
    answer = case.encode(input=video)
    assert_close(answer["embedding"], model.image(video, "grouped" if full else "masked")["unit"])
    assert answer["input"]["input_zyx"] == [frames, height, width]


def clip_model(full):
    small = dict(vision=dict(hidden_size=128, intermediate_size=96, num_hidden_layers=3, num_attention_heads=2,
                             image_size=56, patch_size=14),
                 text=dict(hidden_size=64, intermediate_size=80, num_hidden_layers=2, num_attention_heads=1, vocab_size=60,
                           max_position_embeddings=20), projection_dim=20)
    return clip_reference.make(clip_reference.VIT_L_14 if full else small, seed=5)


def clip_vector(model, slices):
    """The mean of the slices' unit vectors, of unit length."""
    with torch.no_grad():
        units = torch.nn.functional.normalize(model.get_image_features(slices), dim=-1)
    return torch.nn.functional.normalize(units.mean(0), dim=0)


@pytest.mark.parametrize("full", SIZES)
def test_radclip(case, full):
    model = clip_model(full)
    case.convert("radclip", model.state_dict(), *case.pairs())
    side = model.config.vision_config.image_size
    slices = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(6))
    assert_close(case.encode(input=slices)["embedding"], clip_vector(model, slices))
    assert_close(case.encode(input=slices[0])["embedding"], clip_vector(model, slices[:1]))


@pytest.mark.parametrize("full", SIZES[:1])
def test_hugging_faces_clip(case, full):
    model, path = clip_model(full), case.folder / "published"
    model.save_pretrained(path, max_shard_size="100KB")
    case.convert("hf-clip", path, *case.pairs())
    pixels = torch.randn(3, 56, 56, generator=torch.Generator().manual_seed(7))
    assert_close(case.encode(input=pixels)["embedding"], clip_vector(model, pixels[None]))


# organs: a vector each


def assert_organs_close(answer, theirs):
    ours = {organ["id"]: organ["embedding"] for organ in answer["organs"] if "embedding" in organ}
    assert set(ours) == set(theirs) and all("not_assessed" in organ for organ in answer["organs"] if organ["id"] not in ours)
    for name, vector in theirs.items():
        assert_close(ours[name], vector)


def boxes(shape, labels, seed):
    draw, mask = numpy.random.default_rng(seed), numpy.zeros(shape, "u1")
    for label in labels:
        low = [draw.integers(0, n - n // 3) for n in shape]
        mask[tuple(slice(a, a + draw.integers(2, n // 2)) for a, n in zip(low, shape))] = label
    return mask


@pytest.mark.parametrize("full", SIZES)
def test_radar(case, full):
    unet = dict(unet_reference.RADAR, overlap=0.25)
    if not full:
        unet |= dict(features=[8, 10, 12, 14, 16, 18], classes=7, map_dim=24)
    window = [96, 256, 384] if full else [16, 64, 96]
    names = RADAR_ORGANS[:unet["classes"] - 1]
    model = organ_flow.Query(unet, {name: [i] for i, name in enumerate(names, 1)}, 8, proj_dim=256 if full else 20)
    with torch.no_grad():
        model.net.decoder.seg_layers[3].weight.mul_(3)
    case.convert("radar", {"model": collections.OrderedDict(model.published())},
                 *([] if full else ["--input", "16,64,96"]))
    volume = numpy.random.default_rng(9).random(window, dtype="f4")
    found, _ = model(volume, window, 0.25)
    assert found, "no organ was predicted: nothing is compared"
    assert_organs_close(case.encode(input=torch.from_numpy(volume)[None]), found)


RADAR_ORGANS = ["adrenal_gland", "aorta", "erector_spinae", "brain", "clavicle", "large_bowel", "duodenum", "esophagus",
                "face", "femur", "gallbladder", "gluteus", "heart", "hip_joint", "humerus", "iliac_artery", "iliac_vein",
                "iliopsoas", "inferior_vena_cava", "kidney", "liver", "lung", "pancreas", "portal_vein",
                "pulmonary_artery", "rib", "sacrum", "scapula", "small_bowel", "spleen", "stomach", "trachea", "bladder",
                "cervical_vertebrae", "lumbar_vertebrae", "thoracic_vertebrae"]


@pytest.mark.parametrize("full", SIZES[:1])
def test_ct_glip_style(case, full):
    unet = dict(unet_reference.NNUNET, features=[8, 10, 12, 14, 16, 18])
    net, window = unet_reference.build(unet, 10), [16, 64, 64]
    project = torch.nn.Linear(8, 64)
    state = unet_reference.canonical(net, unet) | {name: value for name, value in published.SMALL["ct-glip"]().items()
                                                  if name.startswith("text.")}
    state |= {f"vision.proj.{name}": value.detach() for name, value in project.state_dict().items()}
    case.convert("ct-glip", collections.OrderedDict(state), *case.vocabulary(), "--input", "16,64,64")
    volume = numpy.random.default_rng(11).random((20, 70, 64), dtype="f4")
    mask = boxes(volume.shape, (1, 5, 44, 104), 12)
    organs = {"spleen": [1], "liver": [5], "heart_myocardium": [44], "urinary_bladder": [104]}
    theirs = organ_flow.Mean(net.double(), unet, organs, project.double())(volume, mask, window, 0.25)
    assert set(theirs) == set(organs)
    given = dict(input=torch.from_numpy(volume)[None], mask=torch.from_numpy(mask))
    answer = case.encode(**given)
    assert_organs_close(answer, theirs)
    assert answer["input"]["input_zyx"] == list(volume.shape)
    assert all("recognised" in organ for organ in answer["organs"] if organ["id"] in organs)
    path = case.folder / "model/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"trained": False}))
    answer = case.encode(**given)
    assert_organs_close(answer, theirs)
    assert not any("recognised" in organ for organ in answer["organs"]), "an untrained model decides nothing"
    assert not {finding["state"] for finding in answer["findings"]} & {"present", "absent"}


@pytest.mark.parametrize("full", SIZES)
def test_fvlm(case, full):
    sizes = fvlm_reference.FULL if full else dict(
        input=[16, 16, 32], patch=[4, 4, 8], width=128, depth=5, heads=2, mlp_dim=96, proj_dim=20, taps=[3], crop=[16, 16, 32])
    model = fvlm_reference.Reference(sizes, 13)
    words = published.fvlm(layers=0) if full else published.fvlm(128, 0, joint=20, **published.SMALL_TEXT)
    state = {name: value for name, value in words.items() if name.startswith("text_")}
    state |= {name: torch.from_numpy(value) for name, value in model.published().items()}
    case.convert("fvlm", {"model": collections.OrderedDict(state)}, *case.vocabulary(),
                 *([] if full else ["--input", "16,16,32"]))
    volume = numpy.random.default_rng(14).random([140, 300, 400] if full else [20, 18, 44], dtype="f4")
    mask = boxes(volume.shape, (1, 2, 4), 15)
    theirs = model(volume, mask)
    assert len(theirs) == 3
    assert_organs_close(case.encode(input=torch.from_numpy(volume)[None], mask=torch.from_numpy(mask)), theirs)


@pytest.mark.parametrize("full", SIZES[1:])
def test_room_for_the_largest_u_net(case, full):
    """A whole window of the size that is stated for U-Nets: one copy of the weights and at most 4 GiB."""
    window = [96, 256, 384]
    case.convert("ct-glip", collections.OrderedDict(published.ct_glip()), *case.vocabulary(), "--input", "96,256,384")
    answer = case.encode("--stats", input=torch.rand(1, *window), mask=torch.from_numpy(boxes(window, (1, 5, 44), 17)))
    stats = answer["stats"]
    print(f"peak {stats['peak_rss_bytes'] / 2**20:.0f} MiB, weights {stats['weights_bytes'] / 2**20:.0f} MiB, "
          f"{stats['total_s']:.0f} s, {stats['threads']} threads, {stats['gemm']}")
    assert sum("embedding" in organ for organ in answer["organs"]) == 3
    assert stats["peak_rss_bytes"] < stats["weights_bytes"] + (4 << 30)
