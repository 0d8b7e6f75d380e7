"""tools/convert: every container and dtype, the published names of every system, and what it refuses. The values are
torch's, the files torch's, transformers' and safetensors'; the names are held against the engine's own tables."""
import argparse
import collections
import functools
import json
import os
import resource
import shutil
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

import alias_table
import published

MEMORY = 256 << 20  # of the tool, beside the checkpoint, which is mapped read-only
FULL_SIZE = pytest.mark.skipif(not os.environ.get("CARDIOSCRIBE_FULL_SIZE"), reason="set CARDIOSCRIBE_FULL_SIZE=1")
SYSTEMS = list(published.SMALL)
TABLES = {"cardiac-clip": "cardiac_clip", "cmr-clip": "cmr_clip", "radclip": "clip", "hf-clip": "clip", "fvlm": "fvlm",
          "radar": "radar"}
INPUTS = {"cardiac-clip": "8,8,8", "fvlm": "8,8,16"}  # where the small size does not say it
NESTED = {"cardiac-clip": "state_dict", "fvlm": "model", "radar": "model"}
VOCAB = "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "there"]) + "\n"


@functools.lru_cache
def small(system):
    torch.manual_seed(7)
    return collections.OrderedDict(published.SMALL[system]())


def save(path, system, tensors=None, **options):
    tensors = collections.OrderedDict(small(system) if tensors is None else tensors)
    torch.save({NESTED[system]: tensors} if system in NESTED else tensors, path, **options)
    return path


class Convert:
    """Runs the tool as a user does, with nothing but the standard library in reach."""

    def __init__(self, root, tmp_path):
        self.tool, self.out = root / "tools/convert", tmp_path / "model"

    def run(self, system, checkpoint, *more, any_size=True):
        sizes = ["--any-size"] * any_size + (["--input", INPUTS[system]] if any_size and system in INPUTS else [])
        return subprocess.run([sys.executable, "-S", "-E", self.tool, system, checkpoint, "-o", self.out, *sizes,
                               *map(str, more)], capture_output=True, text=True, timeout=900,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)))

    def __call__(self, *arguments, **options):
        done = self.run(*arguments, **options)
        assert done.returncode == 0, done.stderr
        assert [p.name for p in self.out.parent.iterdir() if p.name.startswith(".")] == []
        return self.out

    def refusal(self, *arguments, **options):
        before = sorted(self.out.parent.iterdir())
        done = self.run(*arguments, **options)
        assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        assert sorted(self.out.parent.iterdir()) == before, "something was left behind"
        return done.stderr


@pytest.fixture
def convert(root, tmp_path):
    return Convert(root, tmp_path)


def config(folder):
    return json.loads((folder / "config.json").read_text())


def labels(folder):
    return {label["id"]: label for label in json.loads((folder / "prompts.json").read_text())["labels"]}


def bits(tensor):
    return tensor.detach().contiguous().view(torch.uint8 if tensor.element_size() == 1 else
                                             {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()])


def expected(system, canonical, tensors):
    """What the engine's own table says a canonical tensor is made of."""
    if system == "ct-glip":
        return tensors[canonical] if canonical in tensors else torch.eye(64)  # text.proj.weight, which there is not
    names = alias_table.sources(TABLES[system], canonical)
    assert names[0] in tensors, f"{canonical}: not in the engine's table"
    return torch.cat([tensors[name] for name in names]) if len(names) > 1 else tensors[names[0]]


def assert_same(system, folder, tensors):
    made = load_file(folder / "model.safetensors")
    assert made
    for canonical, value in made.items():
        want = expected(system, canonical, tensors)
        while want.dim() > value.dim() and want.shape[0] == 1:
            want = want[0]
        assert value.dtype == want.dtype and value.shape == want.shape, canonical
        assert torch.equal(bits(value), bits(want)), canonical
    return made


# what comes out


@pytest.mark.parametrize("system", SYSTEMS)
def test_published_names_become_canonical_ones_bit_for_bit(convert, tmp_path, system):
    folder = convert(system, save(tmp_path / "c.pth", system))
    made = assert_same(system, folder, small(system))
    towers = {name.split(".")[0] for name in made}
    assert {"vision" if system not in ("radar", "ct-glip") else "unet"} <= towers
    card = (folder / "README.md").read_text()
    assert "Licence" in card and "SHA-256" in card


@pytest.mark.parametrize("system", ["cardiac-clip", "cmr-clip", "radclip", "fvlm", "radar"])
def test_the_engines_table_leaves_nothing_unconverted(convert, tmp_path, system):
    """Every published name the engine reads is in the converted file under its canonical name."""
    made = load_file(convert(system, save(tmp_path / "c.pth", system)) / "model.safetensors")
    used = {name for canonical in made for name in alias_table.sources(TABLES[system], canonical)}
    ignorable = ("pooler", "position_ids", "num_batches_tracked", "all_modules", "decoder.encoder.", "vision_encoder.token",
                 "vision_encoder.pos", "vision_encoder.ln_final", "text_encoder.cls", "token_type", "temp", "seg_layers")
    left = [name for name in small(system) if name not in used and not any(part in name for part in ignorable)]
    assert left == ([] if system != "radar" else [name for name in left if name.startswith(("text_encoder.", "text_proj."))])


@pytest.mark.parametrize("container", ["zip", "legacy", "safetensors", "lightning", "flat", "module"])
def test_every_container(convert, tmp_path, container):
    tensors, path = small("cardiac-clip"), tmp_path / "c.ckpt"
    if container == "safetensors":
        save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    elif container == "lightning":
        hyper = argparse.Namespace(lr=1e-4, devices=[0, 1], path="x")
        state = {"state": {0: {"exp_avg": torch.ones(3), "step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]}
        torch.save({"epoch": 3, "global_step": 7, "pytorch-lightning_version": "1.9.0", "state_dict": tensors,
                    "loops": {}, "callbacks": {"ModelCheckpoint{'monitor': None}": {"best": None}},
                    "optimizer_states": [state], "hyper_parameters": {"args": hyper}}, path)
    elif container == "flat":
        torch.save(tensors, path)
    elif container == "module":
        torch.save({"state_dict": {"module." + name: value for name, value in tensors.items()}}, path)
    else:
        save(path, "cardiac-clip", _use_new_zipfile_serialization=container == "zip")
    folder = convert("cardiac-clip", path)
    assert_same("cardiac-clip", folder, tensors)
    assert ("argparse.Namespace" in (folder / "README.md").read_text()) == (container == "lightning")


@pytest.mark.parametrize("legacy", [False, True])
def test_types_strides_offsets_parameters_and_shared_storages(convert, tmp_path, legacy):
    tensors = collections.OrderedDict(small("cmr-clip"))
    turned = tensors["vid_proj.1.weight"].t().contiguous().t()
    assert not turned.is_contiguous()
    wide = torch.randn(5, 3 * 64 + 2)
    tied = tensors["video_model.blocks.0.norm1.weight"]
    tensors.update({
        "vid_proj.1.weight": turned, "video_model.temporal_embed": wide[1:4, 65:65 + 64].unsqueeze(0),
        "video_model.blocks.1.norm1.weight": tied, "video_model.norm.weight": torch.nn.Parameter(tied),
        "video_model.blocks.0.mlp.fc1.weight": tensors["video_model.blocks.0.mlp.fc1.weight"].half(),
        "video_model.blocks.0.mlp.fc2.weight": tensors["video_model.blocks.0.mlp.fc2.weight"].bfloat16().t().contiguous().t(),
        "txt_proj.1.bias": tensors["txt_proj.1.bias"].double(),
        "text_model.embeddings.position_ids": torch.arange(40).expand(1, -1)})
    folder = convert("cmr-clip", save(tmp_path / "c.bin", "cmr-clip", tensors, _use_new_zipfile_serialization=not legacy))
    made = assert_same("cmr-clip", folder, tensors)
    assert {value.dtype for value in made.values()} == {torch.float32, torch.float16, torch.bfloat16, torch.float64}


def test_a_folder_that_transformers_wrote(convert, tmp_path):
    model = published.clip_model(small=True)
    for name, options in (("bin", {}), ("safetensors", {"safe_serialization": True}),
                          ("shards", {"max_shard_size": "100KB"}),
                          ("safe_shards", {"max_shard_size": "100KB", "safe_serialization": True})):
        model.save_pretrained(tmp_path / name, **options)
        convert.out = tmp_path / f"{name}-model"
        folder = convert("hf-clip", tmp_path / name, any_size=False)
        assert_same("hf-clip", folder, model.state_dict())
        assert config(folder)["family"] == "clip" and config(folder)["vision"]["heads"] == 1
    assert len(list((tmp_path / "shards").glob("*.bin"))) > 1


def test_sizes_are_read_from_the_checkpoint(convert, tmp_path):
    made = config(convert("cardiac-clip", save(tmp_path / "c", "cardiac-clip")))
    assert [made["vision"][key] for key in ("input", "patch", "width", "depth", "heads", "mlp_dim", "proj_dim")] == \
        [[8, 8, 8], [4, 4, 4], 64, 2, 1, 96, 32]
    assert [made["text"][key] for key in ("vocab", "width", "depth", "mlp_dim", "max_pos", "max_len", "pool")] == \
        [50, 64, 2, 96, 40, 40, "argmax_id"]
    assert made["text"]["do_lower_case"] is False


def test_ct_glip_style_names_what_it_is_and_needs_one_joint_space(convert, tmp_path):
    made = convert("ct-glip", save(tmp_path / "c", "ct-glip"))
    assert config(made)["text"]["proj_dim"] == config(made)["vision"]["proj_dim"] == 64
    assert len(config(made)["organ"]["organs"]) == 104 and config(made)["organ"]["organs"][103]["id"] == "urinary_bladder"
    assert all("CT-GLIP-style" in label["text"] for label in labels(made).values())
    assert "CT-GLIP itself was never published" in (made / "README.md").read_text()
    tensors = {name: value for name, value in small("ct-glip").items() if not name.startswith("vision.proj.")}
    convert.out = tmp_path / "second"
    text = convert.refusal("ct-glip", save(tmp_path / "c", "ct-glip", tensors))
    assert "images have 4 numbers, texts 64" in text


def test_a_config_key_can_be_set(convert, tmp_path):
    made = config(convert("cardiac-clip", save(tmp_path / "c", "cardiac-clip"), "--set", "vision.heads=4", "--set",
                          'name="here"', "--set", "score.threshold=0.7"))
    assert (made["vision"]["heads"], made["name"], made["score"]["threshold"]) == (4, "here", 0.7)


def test_prompts_thresholds_and_organs(convert, tmp_path):
    found = {}
    for system in ("cardiac-clip", "cmr-clip", "fvlm"):
        convert.out = tmp_path / system
        found[system] = convert(system, save(tmp_path / "c", system))
    assert labels(found["cardiac-clip"])["coronary_calcification"]["positive"] == \
        "There is calcified plaque at the coronary artery."
    assert len(labels(found["cardiac-clip"])) == 7
    cmr = labels(found["cmr-clip"])
    assert cmr["left_ventricular_enlargement"]["threshold"] == 0.5311 and config(found["cmr-clip"])["score"]["map"] == "half"
    assert len(cmr["aortic_dilation"]["positive"]) == 3
    fvlm = labels(found["fvlm"])
    assert len(fvlm) == 16 and fvlm["atelectasis"]["negative"] == "Not Atelectatic." and fvlm["atelectasis"]["organ"] == "lung"
    assert config(found["fvlm"])["score"]["scale"] == pytest.approx(0.05)


# what is not executed, and what is refused


def test_storages_shared_to_fill_a_disk_are_refused(convert, tmp_path):
    one = torch.zeros(200_000)
    tensors = collections.OrderedDict(small("cmr-clip"), **{f"shared.{i}": one for i in range(60)})
    text = convert.refusal("cmr-clip", save(tmp_path / "c", "cmr-clip", tensors), "--ignore", "shared.")
    assert "share the" in text


class Hostile:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_malicious_checkpoint_converts_and_executes_nothing(convert, tmp_path, legacy):
    marker = tmp_path / "executed"
    torch.save({"state_dict": small("cardiac-clip"), "hyper_parameters": argparse.Namespace(x=Hostile(marker)),
                "callbacks": [Hostile(marker)]}, tmp_path / "c.ckpt", _use_new_zipfile_serialization=not legacy)
    done = convert.run("cardiac-clip", tmp_path / "c.ckpt")
    assert done.returncode == 0 and not marker.exists()
    assert "io.open" in done.stderr and "argparse.Namespace" in done.stderr
    assert_same("cardiac-clip", convert.out, small("cardiac-clip"))
    assert "`io.open`" in (convert.out / "README.md").read_text()
    torch.load(tmp_path / "c.ckpt")
    assert marker.exists(), "the file was not malicious at all"


@pytest.mark.parametrize("place", ["value", "nested", "key"])
def test_something_unknown_within_the_state_dict_is_refused_by_name(convert, tmp_path, place):
    tensors, strange = collections.OrderedDict(small("cardiac-clip")), Hostile(tmp_path / "executed")
    if place == "key":
        tensors[argparse.Namespace] = torch.ones(1)
    else:
        tensors["mim_head.extra"] = strange if place == "value" else [1, {"deep": (strange,)}]
    text = convert.refusal("cardiac-clip", save(tmp_path / "c", "cardiac-clip", tensors))
    assert ("argparse.Namespace" if place == "key" else "mim_head.extra: made by io.open") in text
    assert not (tmp_path / "executed").exists()


def test_neither_torch_nor_pickle_is_loaded(root, convert, tmp_path):
    path = save(tmp_path / "c", "cmr-clip")
    code = ("import sys; sys.path.insert(0, sys.argv.pop(1)); from convert_model.command import main; code = main(); "
            "print([m for m in ('pickle', '_pickle', 'torch', 'numpy') if m in sys.modules]); sys.exit(code)")
    done = subprocess.run([sys.executable, "-S", "-E", "-c", code, root / "tools", "cmr-clip", path, "--any-size", "-o",
                           convert.out], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and done.stdout.strip() == "[]", done.stderr


VICTIMS = {"cardiac-clip": "vision_encoder.visual.transformer.resblocks.1.attn.in_proj_weight",
           "cmr-clip": "video_model.blocks.1.timeattn.proj.bias",
           "radclip": "text_model.encoder.layers.0.self_attn.k_proj.weight",
           "fvlm": "vision_projs.2.weight", "radar": "visual_encoder.UNet.encoder.stages.3.0.convs.1.norm.running_var",
           "ct-glip": "unet.dec.2.up.weight"}


@pytest.mark.parametrize("fault", ["missing", "misshapen", "an axis less", "nan", "infinite", "int64"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_one_bad_tensor_is_refused_by_name(convert, tmp_path, system, fault):
    name, tensors = VICTIMS[system], collections.OrderedDict(small(system))
    value = tensors[name].clone()
    if fault == "missing":
        del tensors[name]
    elif fault in ("misshapen", "an axis less"):
        tensors[name] = torch.ones(value.shape[0] + 1, *value.shape[1:]) if fault == "misshapen" else torch.ones(())
    elif fault == "int64":
        tensors[name] = value.long()
    else:
        value.view(-1)[-1] = float(fault[:3])
        tensors[name] = value
    text = convert.refusal(system, save(tmp_path / "c", system, tensors))
    said = {"missing": "missing", "nan": "not finite", "infinite": "not finite", "int64": "type I64"}.get(fault, "expected")
    assert f"{name}: " in text and said in text and text.count("\n") == 1, text


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), "largest"])
def test_values_of_every_type_are_looked_at(convert, tmp_path, dtype, value):
    tensors = collections.OrderedDict(small("cardiac-clip"))
    bad = tensors["vision_encoder.visual.conv1.weight"].to(dtype)
    bad.view(-1)[3] = torch.finfo(dtype).max if value == "largest" else value
    tensors["vision_encoder.visual.conv1.weight"] = bad
    path = save(tmp_path / "c", "cardiac-clip", tensors)
    if value == "largest":
        assert_same("cardiac-clip", convert("cardiac-clip", path), tensors)
    else:
        assert "conv1.weight: holds values that are not finite" in convert.refusal("cardiac-clip", path)


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_unknown_tensor_is_refused_unless_it_is_left_out_by_name(convert, tmp_path, system):
    tensors = collections.OrderedDict(small(system), **{"queue.image": torch.ones(3), "queue.text": torch.ones(3)})
    path = save(tmp_path / "c", system, tensors)
    text = convert.refusal(system, path)
    assert "queue.image: no place for it" in text and "queue.text" in text
    assert "`queue.image`" in (convert(system, path, "--ignore", "queue.") / "README.md").read_text()


@pytest.mark.parametrize("system", sorted(published.PUBLISHED))
def test_another_size_needs_any_size(convert, tmp_path, system):
    text = convert.refusal(system, save(tmp_path / "c", system), any_size=False)
    assert "--any-size takes others" in text


def test_radclips_text_tower_is_held_against_openais(convert, tmp_path):
    path, tensors = save(tmp_path / "c.pth", "radclip"), {n: v.contiguous() for n, v in small("radclip").items()}
    tensors["vision_model.post_layernorm.weight"] = torch.zeros(64)  # fine-tuned
    save_file(tensors, tmp_path / "openai.safetensors")
    folder = convert("radclip", path, "--openai", tmp_path / "openai.safetensors")
    assert "bit for bit" in (folder / "README.md").read_text()
    name = "text_model.encoder.layers.1.mlp.fc2.bias"
    changed = tensors[name].clone()
    changed.view(torch.int32)[5] ^= 1
    torch.save(tensors | {name: changed}, tmp_path / "other.bin")
    convert.out = tmp_path / "second"
    assert f"{name}: other values" in convert.refusal("radclip", path, "--openai", tmp_path / "other.bin")
    del tensors["logit_scale"]
    torch.save(tensors, tmp_path / "less.bin")
    assert "logit_scale: only in one" in convert.refusal("radclip", path, "--openai", tmp_path / "less.bin")


def test_a_vocabulary_is_copied_and_checked(convert, tmp_path):
    path, vocab = save(tmp_path / "c", "cardiac-clip"), tmp_path / "words.txt"
    vocab.write_text(VOCAB)
    assert (convert("cardiac-clip", path, "--vocab", vocab) / "vocab.txt").read_text() == VOCAB
    convert.out = tmp_path / "second"
    vocab.write_text(VOCAB + "".join(f"w{i}\n" for i in range(46)))
    assert "51 tokens, but the checkpoint embeds 50" in convert.refusal("cardiac-clip", path, "--vocab", vocab)
    vocab.write_text("a\nb\n")
    assert "no [UNK]" in convert.refusal("cardiac-clip", path, "--vocab", vocab)
    assert "vocab.json" in convert.refusal("radclip", save(tmp_path / "r", "radclip"), "--vocab", vocab)
    (tmp_path / "vocab.json").write_text('{"a": 0, "b": 299}')
    vocab.write_text("#version\na b\n")
    both = convert("radclip", tmp_path / "r", "--vocab", vocab, tmp_path / "vocab.json")
    assert (both / "merges.txt").exists() and (both / "vocab.json").exists()


def test_a_folder_that_holds_something_is_left_alone(convert, tmp_path):
    path = save(tmp_path / "c", "cardiac-clip")
    convert.out.mkdir()
    convert("cardiac-clip", path)
    assert "exists" in convert.refusal("cardiac-clip", path)
    convert.out = tmp_path / "c"
    assert "exists" in convert.refusal("cardiac-clip", path)
    convert.out = tmp_path / "no" / "such"
    assert "no such folder" in convert.run("cardiac-clip", path).stderr


@pytest.mark.parametrize("name, content", [
    ("empty", b""), ("text", b"hello"), ("pickle", b"\x80\x04N."), ("zip", b"PK\3\4" + bytes(40)),
    ("tar", bytes(257) + b"ustar" + bytes(300)), ("absent", None), ("folder", ...)])
def test_what_is_no_checkpoint_is_refused(convert, tmp_path, name, content):
    path = tmp_path / name
    if content is ...:
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    assert str(path) in convert.refusal("cardiac-clip", path)


def test_a_whole_module_is_not_a_state_dict(convert, tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "c")
    assert "torch.nn.modules.linear.Linear" in convert.refusal("cardiac-clip", tmp_path / "c")
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "jit"))
    assert "TorchScript" in convert.refusal("cardiac-clip", tmp_path / "jit")


def test_bad_safetensors_are_refused(convert, shared):
    files = sorted((shared / "data/safetensors").glob("bad_*"))
    assert len(files) > 5
    for path in files:
        assert str(path) in convert.refusal("cardiac-clip", path), path


# at the size that was published

TOTALS = {"cardiac-clip": (359, 225_434_369), "cmr-clip": (426, 223_312_384), "radclip": (590, 427_616_513)}

@FULL_SIZE
@pytest.mark.parametrize("system", sorted(published.PUBLISHED))
def test_published_size(convert, tmp_path, system):
    torch.manual_seed(3)
    tensors = collections.OrderedDict(published.PUBLISHED[system]())
    floats = {name: value for name, value in tensors.items() if value.is_floating_point()}
    if system in TOTALS:
        assert (len(floats), sum(value.numel() for value in floats.values())) == TOTALS[system]
    path = save(tmp_path / "c.ckpt", system, tensors)
    started = time.monotonic()
    folder = convert(system, path, any_size=False)
    print(f"{system}: {len(floats)} tensors, {path.stat().st_size / 1e6:.0f} MB in {time.monotonic() - started:.1f} s")
    assert_same(system, folder, tensors)
    name = next(reversed(floats))
    short = collections.OrderedDict((key, value) for key, value in tensors.items() if key != name)
    convert.out = tmp_path / "second"
    assert f"{name}: missing" in convert.refusal(system, save(path, system, short), any_size=False)
    path.unlink()
    shutil.rmtree(folder)


# RADAR's text vectors


def radar_vectors(joint=24):
    torch.manual_seed(5)
    pair = torch.nn.functional.normalize(torch.randn(3, 2, joint), dim=-1)
    return {"主动脉_主动脉瘤": pair[0], "肝_转移瘤": pair[1], ("心脏", "心包积液"): pair[2]}


def test_radars_text_vectors_are_shipped(convert, tmp_path):
    path, vectors = save(tmp_path / "c", "radar"), radar_vectors()
    torch.save(vectors, tmp_path / "v.pt")
    folder = convert("radar", path, "--text-vectors", tmp_path / "v.pt")
    made = load_file(folder / "text_cache.safetensors")
    for key, label in (("主动脉_主动脉瘤", "aortic_aneurysm"), ("肝_转移瘤", "liver_metastasis"),
                       (("心脏", "心包积液"), "pericardial_effusion")):
        assert torch.equal(made[f"labels.{label}.negative"], vectors[key][0])
        assert torch.equal(made[f"labels.{label}.positive"], vectors[key][1])
        assert label in labels(folder)
    assert len(made) == 6 and labels(folder)["liver_metastasis"]["organ"] == "liver"


def test_every_item_is_asked_of_an_organ_there_is(root, convert, tmp_path):
    sys.path.insert(0, str(root / "tools"))
    from convert_model.radar_items import BY_KEY
    torch.save({key: torch.eye(2, 24) for key in BY_KEY}, tmp_path / "v.pt")
    folder = convert("radar", save(tmp_path / "c", "radar"), "--text-vectors", tmp_path / "v.pt")
    organs = {organ["id"] for organ in config(folder)["organ"]["organs"]}
    assert len(labels(folder)) == len(BY_KEY) == 147 and len(organs) == 36
    assert {label["organ"] for label in labels(folder).values()} < organs
    assert all(len(key) <= 64 and key.replace("_", "").isalnum() and key.isascii() for key in labels(folder))


def test_radar_without_text_vectors_says_so(convert, tmp_path):
    folder = convert("radar", save(tmp_path / "c", "radar"))
    assert not (folder / "text_cache.safetensors").exists()
    assert "No text vectors were given" in (folder / "README.md").read_text()


@pytest.mark.parametrize("fault, said", [("size", "not a pair of vectors of 24"), ("nan", "not finite"), ("item", "no item"),
                                         ("zeros", "zeros"), ("kind", "not a dictionary")])
def test_bad_text_vectors_are_refused(convert, tmp_path, fault, said):
    path, vectors = save(tmp_path / "c", "radar"), radar_vectors()
    key = "肝_转移瘤"
    vectors[key] = {"size": torch.ones(2, 23), "nan": vectors[key] * float("nan"),
                    "zeros": torch.zeros(2, 24)}.get(fault, vectors[key])
    if fault == "item":
        vectors["肝_未知"] = vectors[key]
    torch.save([1] if fault == "kind" else vectors, tmp_path / "v.pt")
    assert said in convert.refusal("radar", path, "--text-vectors", tmp_path / "v.pt")


def test_text_vectors_of_another_length_are_brought_to_one_and_told(convert, tmp_path):
    path, vectors = save(tmp_path / "c", "radar"), radar_vectors()
    torch.save({key: (value * 0.9).half() for key, value in vectors.items()}, tmp_path / "v.pt")
    folder = convert("radar", path, "--text-vectors", tmp_path / "v.pt")
    made = load_file(folder / "text_cache.safetensors")
    torch.testing.assert_close(made["labels.liver_metastasis.positive"], vectors["肝_转移瘤"][1], atol=2e-3, rtol=0)
    assert abs(made["labels.liver_metastasis.positive"].norm() - 1) < 1e-6
    assert "brought to unit length" in (folder / "README.md").read_text()


def test_options_of_another_system_are_refused(convert, tmp_path):
    path = save(tmp_path / "c", "cmr-clip")
    assert "--text-vectors with radar, not with cmr-clip" in convert.refusal("cmr-clip", path, "--text-vectors", path)
    assert "--openai goes with radclip" in convert.refusal("cmr-clip", path, "--openai", path)
