"""Text embeddings: computed once, kept in the state folder, read by every worker after; never in the model folder."""
import json
import os
import shutil
import subprocess

import numpy
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from counterparts import send
from service import CLI, MODEL, wait_for
from studies import ct_study


def kept(daemon):
    return sorted((daemon.state / "text").iterdir())


def lines(daemon, event):
    return [line for line in daemon.log(this_start_only=True).splitlines() if f"event={event}" in line]


def findings_of(daemon, study):
    send(daemon, study.objects)
    daemon.wait_state(study.uid, "encoded", "delivered", limit_s=90)
    result, = daemon.study(study.uid)["results"]
    assert result["analysed"]
    return [{key: value for key, value in one.items() if key != "probability"} for one in result["findings"]]


def copy_of(model, to):
    shutil.copytree(model, to)
    for path in to.iterdir():
        path.chmod(0o444)
    to.chmod(0o555)
    return to


def test_a_second_start_computes_nothing_and_finds_the_same(start_daemon, deciding_model, tmp_path):
    folder = copy_of(deciding_model(7), tmp_path / "read-only")
    before = sorted((entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(folder))
    daemon = start_daemon(models=[{"name": "decides", "folder": folder}])
    path, = kept(daemon)
    bytes_kept = path.read_bytes()
    assert len(lines(daemon, "text_kept")) == 1 and path.name in lines(daemon, "text_kept")[0]
    computed = findings_of(daemon, ct_study(seed=1))
    daemon.stop()
    daemon.start()
    assert kept(daemon) == [path] and path.read_bytes() == bytes_kept
    assert not lines(daemon, "text_kept") and not lines(daemon, "text_cache_damaged")
    assert findings_of(daemon, ct_study(seed=1)) == computed
    assert before == sorted((entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(folder))


def test_a_damaged_file_is_computed_and_written_anew(start_daemon):
    daemon = start_daemon()
    path, = kept(daemon)
    whole = path.read_bytes()
    for damage in (whole[:len(whole) // 2], b"", whole[:-4] + b"\x7f\xc0\0\0", whole.replace(b'"digest":"', b'"digest":"0', 1)):
        daemon.stop()
        path.write_bytes(damage)
        daemon.start()
        assert len(lines(daemon, "text_cache_damaged")) == 1, damage[:80]
        assert path.read_bytes() == whole
    daemon.stop()
    path.unlink()
    path.with_suffix(".part").write_bytes(b"left by a crash")
    daemon.start()
    assert kept(daemon) == [path] and path.read_bytes() == whole
    assert not lines(daemon, "text_cache_damaged")


def test_other_prompts_are_another_file_and_the_old_one_goes(start_daemon, deciding_model, tmp_path):
    folder = tmp_path / "changing"
    shutil.copytree(deciding_model(7), folder)
    daemon = start_daemon(models=[{"name": "one", "folder": folder}])
    first, = kept(daemon)
    daemon.stop()
    prompts = json.loads((folder / "prompts.json").read_text())
    prompts["labels"][0]["positive"] = "Something else entirely."
    (folder / "prompts.json").write_text(json.dumps(prompts))
    daemon.start()
    second, = kept(daemon)
    assert first != second
    assert len(lines(daemon, "text_kept")) == 1 and len(lines(daemon, "text_swept")) == 1


def test_nothing_goes_while_a_model_is_missing(start_daemon, deciding_model, tmp_path):
    folder = tmp_path / "away"
    shutil.copytree(deciding_model(8), folder)
    daemon = start_daemon(models=[{"name": "one", "folder": deciding_model(7)}, {"name": "two", "folder": folder}])
    files = kept(daemon)
    assert len(files) == 2
    daemon.stop()
    (folder / "prompts.json").rename(tmp_path / "prompts.json")
    daemon.launch()
    wait_for("a model is missing", lambda: "event=model_unavailable" in daemon.log(this_start_only=True))
    wait_for("the daemon serves", lambda: "event=worker_confined" in daemon.log(this_start_only=True))
    assert kept(daemon) == files


def test_without_room_for_it_all_goes_on(start_daemon, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "text").write_text("no folder")
    daemon = start_daemon(state=state)
    assert lines(daemon, "text_not_kept")
    assert findings_of(daemon, ct_study(seed=1))


def embeddings(*texts):
    """Computed by the command, which keeps nothing."""
    done = subprocess.run([CLI, "text", "--model", MODEL, "--threads", "1", "--json", *texts], capture_output=True, check=True, timeout=120)
    return {one["text"]: numpy.array(one["embedding"], dtype="f4") for one in json.loads(done.stdout)["embeddings"]}


def test_what_is_kept_is_what_is_computed(start_daemon):
    """Read by the safetensors library: every text of prompts.json, bit for bit."""
    path, = kept(start_daemon())
    labels = json.loads((MODEL / "prompts.json").read_text())["labels"]
    texts = {text for one in labels for side in ("positive", "negative")
             for text in ([one[side]] if isinstance(one[side], str) else one[side])}
    vectors, computed = load_file(path), embeddings(*texts)
    assert set(vectors) == texts
    assert all((vectors[text] == computed[text]).all() and vectors[text].dtype == "f4" for text in texts)
    with safe_open(path, "numpy") as file:
        assert file.metadata() == {"digest": path.stem}


@pytest.mark.parametrize("fault", [None, "length", "shape", "dtype", "nan", "missing"])
def test_vectors_that_come_with_the_model(fault, tmp_path):
    """Written by the safetensors library. A label without words needs them."""
    folder = tmp_path / "m"
    shutil.copytree(MODEL, folder)
    prompts = json.loads((folder / "prompts.json").read_text())
    label = prompts["labels"][0]
    dim = json.loads((folder / "config.json").read_text())["vision"]["proj_dim"]
    vectors = {f"labels.{label['id']}.{side}": numpy.eye(dim, dtype="f4")[i] for i, side in enumerate(("positive", "negative"))}
    del label["positive"], label["negative"]
    (folder / "prompts.json").write_text(json.dumps(prompts))
    name = f"labels.{label['id']}.negative"
    vectors[name] = {"length": vectors[name] * 1.5, "shape": numpy.eye(dim + 1, dtype="f4")[0], "dtype": vectors[name].astype("f8"),
                     "nan": vectors[name] * numpy.nan}.get(fault, vectors[name])
    if fault == "missing":
        del vectors[name]
    save_file(vectors, folder / "text_cache.safetensors")
    done = subprocess.run([CLI, "model", "check", folder], capture_output=True, text=True, timeout=120)
    assert (done.returncode == 0) == (fault is None), done.stderr
    if fault:
        assert name in done.stderr, done.stderr
        assert ("prompts.json" if fault == "missing" else "text_cache.safetensors") in done.stderr, done.stderr
