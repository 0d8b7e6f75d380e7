"""tools/train: its towers are the service's, its data are what the service prepares, and what is held out is held out."""
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file

from test_clip import ask, command  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "train"))

import data  # noqa: E402
import demos  # noqa: E402
import folder as folders  # noqa: E402
import labels  # noqa: E402
import reports  # noqa: E402
import studies  # noqa: E402
import towers  # noqa: E402
import wordpiece  # noqa: E402

SMALL = {"ct": {"vision": {"input": [24, 36, 36], "width": 16, "depth": 2, "heads": 2, "mlp_dim": 32, "proj_dim": 8},
                "text": {"width": 16, "depth": 2, "heads": 2, "mlp_dim": 32, "proj_dim": 8}},
         "cmr": {"vision": {"input": [6, 48, 48], "width": 16, "depth": 2, "heads": 2, "mlp_dim": 32, "proj_dim": 8,
                            "time_pos": 6},
                 "text": {"width": 16, "depth": 2, "heads": 2, "mlp_dim": 32, "proj_dim": 8},
                 "preprocess": {"frames": {"n": 6}}}}


@pytest.fixture(scope="module", params=["ct", "cmr"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def model(kind, tmp_path_factory):
    """Towers of both demos' kinds, other sizes, weights that F16 holds exactly, and the folder made of them."""
    torch.manual_seed(3)
    vocabulary = wordpiece.build(reports.training_texts(kind))
    config = demos.config(kind, SMALL[kind], vocab=len(vocabulary))
    config["score"] = {"mode": "pair_softmax"}
    image, text = towers.ImageTower(config["vision"]), towers.TextTower(config["text"])
    for tower in (image, text):
        tower.load_state_dict({name: (value + 0.02 * torch.randn(value.shape)).half().float()
                               for name, value in tower.state_dict().items()})
    label = {"id": "one", "text": "One", "positive": "there is cardiomegaly.", "negative": "there is no cardiomegaly."}
    path = folders.write(tmp_path_factory.mktemp(kind) / "m", config, image, text, 1.0,
                         {"version": "1", "labels": [label]}, vocabulary)
    return path, config, image.eval(), text.eval(), vocabulary


@torch.no_grad()
def test_the_image_tower_is_the_services(command, kind, model, tmp_path):  # noqa: F811
    path, config, image, _, _ = model
    size = config["vision"]["input"]
    x = torch.rand(size, generator=torch.Generator().manual_seed(4))
    save_file({"input": x if kind == "ct" else x[:, None].contiguous()}, tmp_path / "x.safetensors")
    ours = ask(command, "encode", "--model", path, "--tensor", tmp_path / "x.safetensors", "--json")["embedding"]
    assert np.abs(np.array(ours) - image(x[None])[0].numpy()).max() < 2e-5


@torch.no_grad()
def test_the_text_tower_and_its_words_are_the_services(command, kind, model):  # noqa: F811
    path, config, _, text, vocabulary = model
    texts = [reports.report(kind, {name: 0.5 for name in reports.LABELS[kind]}), "Fluid, around the HEART.", "xyz 12"]
    ours = [one["embedding"] for one in ask(command, "text", "--model", path, "--json", *texts)["embeddings"]]
    ids = wordpiece.Tokenizer(vocabulary, config["text"]["max_len"]).batch(texts)
    assert np.abs(np.array(ours) - text(torch.tensor(ids)).numpy()).max() < 2e-5


@torch.no_grad()
def test_patches_left_out_are_not_looked_at(kind, model):
    _, config, image, _, _ = model
    x = torch.rand(1, *config["vision"]["input"])
    cells = image.pos.shape[0] - 1
    frames, patches = config["vision"]["input"][0], image.patches(x)
    lead, keep = frames if kind == "cmr" else 1, torch.tensor([0, 2])
    some = patches.unflatten(1, (lead, -1))[:, :, keep].flatten(1, 2)
    other = patches.clone().unflatten(1, (lead, -1))
    other[:, :, 1] += 1
    assert torch.allclose(image.tokens(patches, frames, torch.arange(cells)), image.tokens(patches, frames), atol=1e-5)
    assert torch.equal(image.tokens(some, frames, keep),
                       image.tokens(other[:, :, keep].flatten(1, 2), frames, keep))
    assert not torch.allclose(image.tokens(other.flatten(1, 2), frames)[:, 0], image.tokens(patches, frames)[:, 0])


def test_batches_are_cut_as_the_tower_cuts(kind, made):
    out, served = made
    one = studies.Studies(out.parent, kind, (2007, 2008))
    one.folder = out
    one.look()
    tower = towers.ImageTower(demos.DEMOS[kind]["vision"])
    values, counts = one.batch([0])
    assert torch.equal(values, tower.patches(torch.from_numpy(served.astype(np.float16).astype(np.float32))[None]))
    keep = torch.tensor([3, 1])
    some, few = one.batch([0], keep=keep)
    lead = served.shape[0] if kind == "cmr" else 1
    assert torch.equal(some, values.unflatten(1, (lead, -1))[:, :, keep].flatten(1, 2))
    assert torch.equal(few, counts.unflatten(1, (lead, -1))[:, :, keep].flatten(1, 2))
    # a patch's blocks lie where its values do
    blocks, full = one.parts_of(0), counts.unflatten(-1, (-1, len(labels.PARTS)))
    assert full.sum((0, 1, 2)).tolist() == one.get(0)[1].reshape(-1, len(labels.PARTS)).astype(int).sum(0).tolist()
    assert blocks.shape[-1] == len(labels.PARTS)


@pytest.fixture(scope="module")
def made(kind, tmp_path_factory):
    """A kept study, and the same one as the demo model's preprocessing gives it."""
    build = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build")).resolve()
    if not (build / "tools/phantom/cardioscribe-phantom-labels").exists():
        pytest.skip("no phantom in the build")
    out, scratch = tmp_path_factory.mktemp("kept"), tmp_path_factory.mktemp("scratch")
    assert data.make(kind, 2007, out, build, data.prepared_model(kind, out / "model"), scratch) is None
    plain = folders.random_folder(scratch / "plain", demos.config(kind, data.SMALL))
    subprocess.run([build / "tools/phantom/cardioscribe-phantom", "--lean", "--kind", kind, "--seed", "2007", "--out",
                    scratch], check=True, capture_output=True)
    data.encode(build, plain, scratch / f"{kind}-2007", scratch / "plain.safetensors")
    values = load_file(scratch / "plain.safetensors")["input"]
    return out, values.reshape([-1, *values.shape[-2:]])


def test_training_sees_what_the_service_sees(kind, made):
    out, served = made
    one = studies.Studies(out.parent, kind, (2007, 2008))
    one.folder = out
    one.look()
    ours, parts = one.get(0)
    assert np.array_equal(ours, served.astype(np.float16).astype(np.float32))
    assert parts.shape[:3] == tuple(n // b for n, b in zip(served.shape, labels.BLOCK[kind]))


def test_what_is_painted_lies_where_it_is_said(kind, made):
    """Blood is brighter than the wall round it, in the blocks that hold nothing else."""
    out, _ = made
    values, blocks = np.load(out / "2007.npy").astype("f4"), np.load(out / "2007.npz")["blocks"].astype("f4")
    bz, by, bx = labels.BLOCK[kind]
    nz, ny, nx = blocks.shape[:3]
    mean = values[:nz * bz, :ny * by, :nx * bx].reshape(nz, bz, ny, by, nx, bx).mean((1, 3, 5))
    full = blocks.sum(-1).max()
    lv, wall = (blocks[..., labels.PARTS.index(name)] >= 0.95 * full for name in ("lv_blood", "lv_wall"))
    assert lv.sum() > 20 and wall.sum() > 5
    assert np.percentile(mean[lv], 10) > np.percentile(mean[wall], 90)


def test_nothing_held_out_is_trained_and_every_piece_of_it_is(kind):
    trained = reports.training_texts(kind)
    tokenizer = wordpiece.Tokenizer(wordpiece.build(trained), 192)
    seen = {piece for text in trained for piece in tokenizer(text)}
    held = json.loads((ROOT / "tools/train/held_out.json").read_text())[kind]
    assert held == reports.held_out()[kind]
    for label, sides in held.items():
        assert sides["positive"] and sides["negative"], label
        for text in sides["positive"] + sides["negative"]:
            assert text not in trained and seen.issuperset(tokenizer(text)), text
