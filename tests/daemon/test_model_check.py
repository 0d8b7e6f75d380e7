"""`cardioscribe model check` says everything that is wrong with a folder, by name, not only the first thing."""
import json
import shutil
import struct
import subprocess

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import grounded
from service import BUILD, ROOT, has_shadow_memory

DEMO = ROOT / "models" / "demo-ct"
CLI = BUILD / "cli" / "cardioscribe"

pytestmark = pytest.mark.skipif(not CLI.exists(), reason=f"{CLI} is not built: set BUILD_DIR")


@pytest.fixture
def folder(tmp_path):
    to = tmp_path / "model"
    shutil.copytree(DEMO, to)
    return to


def check(folder, *options):
    return subprocess.run([CLI, "model", "check", *options, folder], capture_output=True, text=True, timeout=120)


def change(folder, name, edit):
    path = folder / name
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


def reweigh(folder, edit):
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


def faults(folder):
    done = check(folder, "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == (1 if answer["faults"] else 0)
    assert answer["kind"] == "model" and answer["fault_count"] == len(answer["faults"])
    return [(fault["reason"], fault["text"]) for fault in answer["faults"]]


def test_a_good_folder_has_none(folder):
    assert faults(folder) == []
    assert check(folder).returncode == 0


def test_every_tensor_that_does_not_fit_is_named(folder):
    def edit(tensors):
        del tensors["vision.cls"]
        del tensors["text.layers.1.mlp.fc2.bias"]
        tensors["vision.pos"] = tensors["vision.pos"][:-1].copy()
        tensors["text.proj.weight"] = np.ascontiguousarray(tensors["text.proj.weight"][:, :-2])
        tensors["vision.layers.0.ln1.bias"] = np.full_like(tensors["vision.layers.0.ln1.bias"], np.nan)
        tensors["vision.layers.1.ln1.bias"] = tensors["vision.layers.1.ln1.bias"].astype(np.int32)
        tensors["leftover"] = np.zeros(3, np.float32)
        tensors["vision.layers.9.ln1.weight"] = np.zeros(64, np.float32)
    reweigh(folder, edit)
    found = faults(folder)
    shapes = load_file(folder / "model.safetensors")
    wanted = [("weights_missing", "tensor vision.cls is missing"),
              ("weights_missing", "tensor text.layers.1.mlp.fc2.bias is missing"),
              ("weights_shape", f"tensor vision.pos has shape [{shapes['vision.pos'].shape[0]},64], the configuration "
                                f"needs [{shapes['vision.pos'].shape[0] + 1},64]"),
              ("weights_shape", "tensor text.proj.weight has shape"),
              ("weights_not_finite", "tensor vision.layers.0.ln1.bias"),
              ("", "vision.layers.1.ln1.bias"),
              ("weights_unknown", "tensor leftover has no place"),
              ("weights_unknown", "tensor vision.layers.9.ln1.weight has no place")]
    for reason, words in wanted:
        assert [text for why, text in found if why == reason and words in text], (reason, words, found)
    assert len(found) == len(wanted), found
    done = check(folder)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.splitlines()[-1] == f"cardioscribe: {len(wanted)} faults"
    assert all(any(words in line for line in done.stderr.splitlines()) for _, words in wanted)


def test_every_label_that_lacks_something_is_named(folder):
    def edit(prompts):
        del prompts["labels"][0]["negative"]
        del prompts["labels"][2]["positive"]
        prompts["labels"][3]["organ"] = "heart"
        prompts["labels"][4]["negatve"] = "x"
        prompts["labels"][5]["threshold"] = -0.5
    change(folder, "prompts.json", edit)
    labels = [one["id"] for one in json.loads((folder / "prompts.json").read_text())["labels"]]
    texts = sorted(text for _, text in faults(folder))
    assert texts == sorted([
        f"prompts.json: labels.{labels[0]}.negative: missing, and no vector of it is shipped",
        f"prompts.json: labels.{labels[2]}.positive: missing, and no vector of it is shipped",
        f"prompts.json: labels.{labels[3]}.organ: the model has no organs",
        f"prompts.json: labels.{labels[4]}.negatve: unknown key",
        f"prompts.json: labels.{labels[5]}.threshold: not within 0 and 1"])


def test_weights_and_labels_are_told_together(folder):
    reweigh(folder, lambda tensors: tensors.pop("vision.cls"))
    change(folder, "prompts.json", lambda prompts: prompts["labels"][0].pop("negative"))
    found = [text for _, text in faults(folder)]
    assert len(found) == 2 and "vision.cls" in found[0] and "negative" in found[1]


def test_a_mode_says_what_it_needs_of_labels(folder):
    change(folder, "config.json", lambda config: config.update(score={"mode": "cosine_mean"}))
    labels = [one["id"] for one in json.loads((folder / "prompts.json").read_text())["labels"]]
    found = [text for _, text in faults(folder)]
    assert len(found) == len(labels) and all("threshold: missing" in text for text in found)
    change(folder, "config.json", lambda config: config["score"].update(threshold=0.2))
    assert [text.split(": ", 1)[1] for _, text in faults(folder)] == [
        f"labels.{label}.negative: score.mode cosine_mean has no use for it" for label in labels]


def test_one_depth_too_many_is_told_whole(folder):
    change(folder, "config.json", lambda config: config["vision"].update(depth=config["vision"]["depth"] + 1))
    found = faults(folder)
    assert len(found) == 12 and {reason for reason, _ in found} == {"weights_missing"}


def test_sizes_far_from_the_weights_cost_no_memory(folder):
    """Stand-ins for what does not fit are never touched."""
    change(folder, "config.json", lambda config: (config["vision"].update(width=8192, mlp_dim=32768, heads=64),
                                                  config["text"].update(vocab=400000)))
    limit = "" if has_shadow_memory() else "ulimit -v 60000000;"
    done = subprocess.run(["bash", "-c", f"{limit} exec {CLI} model check --threads 1 --json {folder}"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert {fault["reason"] for fault in json.loads(done.stdout)["faults"]} == {"weights_shape"}


def test_a_broken_file_is_one_fault(folder):
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", 8) + b"{broken}")
    assert len(faults(folder)) == 1
    (folder / "config.json").write_text("{")
    assert ["config.json" in text for _, text in faults(folder)] == [True]


# ---- domain and calibrations ----

def domain(**keys):
    return lambda config: config.update(domain={"of": "tower", "limit": 1.5, "id": "test-1"} | keys)


def statistics(folder, width=64, **tensors):
    save_file({"mean": np.zeros(width, np.float32), "whiten": np.ones((3, width), np.float32)} | tensors,
              folder / "domain.safetensors")


def test_a_domain_of_section_and_file_is_good_and_shown(folder):
    change(folder, "config.json", domain())
    statistics(folder)
    assert faults(folder) == []
    done = check(folder)
    assert done.returncode == 0 and "domain     limit 1.5000; test-1, of the tower" in done.stdout
    assert json.loads(check(folder, "--json").stdout)["domain"] == {"of": "tower", "limit": 1.5, "id": "test-1"}
    assert json.loads(check(DEMO, "--json").stdout)["domain"] is None


def test_section_and_file_of_a_domain_go_together(folder):
    change(folder, "config.json", domain())
    assert faults(folder) == [("", 'domain.safetensors: missing; section "domain" of config.json needs it')]
    change(folder, "config.json", lambda config: config.pop("domain"))
    statistics(folder)
    assert faults(folder) == [("", 'domain.safetensors: config.json has no section "domain" for it')]


@pytest.mark.parametrize("keys, words", [
    ({"limit": 0}, "domain.limit: not within"), ({"limit": -1}, "domain.limit: not within"), ({"limit": None}, "domain.limit: required"),
    ({"of": "organ"}, "domain.of"), ({"of": None}, "domain.of: required"), ({"id": ""}, "domain.id"), ({"id": "x" * 65}, "domain.id"),
    ({"file": "domain.safetensors"}, "domain.file: unknown key")])
def test_a_wrong_section_is_named_by_key(folder, keys, words):
    statistics(folder)
    change(folder, "config.json", domain(**keys))
    ((_, text),) = faults(folder)
    assert text.startswith("config.json: " + words)


def test_everything_wrong_with_the_statistics_is_named_beside_the_rest(folder):
    change(folder, "config.json", domain())
    statistics(folder, mean=np.zeros(63, np.float32), whiten=np.full((3, 64), np.inf, np.float32), covariance=np.ones(2, np.float32))
    reweigh(folder, lambda tensors: tensors.pop("vision.cls"))
    change(folder, "prompts.json", lambda prompts: prompts["labels"][0].pop("negative"))
    found = faults(folder)
    wanted = [("weights_missing", "vision.cls"), ("domain_shape", "domain.safetensors: tensor mean is F32 [63]; the model needs F32 [64]"),
              ("domain_not_finite", "domain.safetensors: tensor whiten holds a value that is not finite"),
              ("domain_unknown", "domain.safetensors: tensor covariance has no place"), ("", "negative: missing")]
    for reason, words in wanted:
        assert [text for why, text in found if why == reason and words in text], (reason, words, found)
    assert len(found) == len(wanted), found


@pytest.mark.parametrize("tensors, reason, words", [
    ({"mean": np.full(64, np.nan, np.float32)}, "domain_not_finite", "tensor mean"),
    ({"mean": np.zeros(64, np.float64)}, "domain_shape", "tensor mean is F64 [64]"),
    ({"whiten": np.ones((3, 63), np.float32)}, "domain_shape", "tensor whiten is F32 [3,63]; the model needs F32 [K,64]"),
    ({"whiten": np.ones(64, np.float32)}, "domain_shape", "tensor whiten is F32 [64]"),
    ({"whiten": np.ones((0, 64), np.float32)}, "domain_shape", "tensor whiten is F32 [0,64]"),
    ({"whiten": np.zeros((3, 64), np.float32)}, "domain_zero", "tensor whiten is all zeros")])
def test_statistics_that_do_not_fit(folder, tensors, reason, words):
    change(folder, "config.json", domain())
    statistics(folder, **tensors)
    ((why, text),) = faults(folder)
    assert why == reason and text.startswith("domain.safetensors: " + words)


def test_the_width_is_that_of_the_vector_that_is_measured(folder):
    change(folder, "config.json", lambda config: (config["vision"].update(proj_dim=32), config["text"].update(proj_dim=32)))
    reweigh(folder, lambda tensors: tensors.update({name: np.ascontiguousarray(tensors[name][:32]) for name in (
        "vision.proj.weight", "vision.proj.bias", "text.proj.weight", "text.proj.bias")}))
    for of, width, other in (("tower", 64, 32), ("embedding", 32, 64)):
        change(folder, "config.json", domain(of=of))
        statistics(folder, width)
        assert faults(folder) == []
        statistics(folder, other)
        assert [text for _, text in faults(folder)] == [
            f"domain.safetensors: tensor mean is F32 [{other}]; the model needs F32 [{width}]",
            f"domain.safetensors: tensor whiten is F32 [3,{other}]; the model needs F32 [K,{width}]"]


def test_a_model_of_organs_has_no_domain(tmp_path):
    organs = grounded.model(tmp_path / "organs")
    statistics(organs)
    change(organs, "config.json", domain())
    ((_, text),) = faults(organs)
    assert text.startswith("config.json: domain: not supported with organs")


def test_a_calibration_of_a_label_needs_the_id_and_both_numbers(folder):
    def edit(prompts):
        prompts["labels"][0]["calibration"] = {"a": 1, "b": 0}
        prompts["labels"][1]["calibration"] = {"a": 1}
        prompts["labels"][2]["calibration"] = {"a": 1, "b": 0, "id": "x"}
    change(folder, "prompts.json", edit)
    labels = [one["id"] for one in json.loads((folder / "prompts.json").read_text())["labels"]]
    assert sorted(text for _, text in faults(folder)) == sorted([
        f"prompts.json: labels.{labels[0]}.calibration: score.calibration, whose id it needs, is missing",
        f"prompts.json: labels.{labels[1]}.calibration.b: not a number within -1e6 and 1e6",
        f"prompts.json: labels.{labels[2]}.calibration.id: unknown key"])
    change(folder, "config.json", lambda config: config["score"].update(calibration={"id": "platt-1"}))
    assert len(faults(folder)) == 2
