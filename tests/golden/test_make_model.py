"""tools/make_model.py: same arguments, same bytes; and a package that decides."""
import json
import subprocess
import sys

import numpy


def make(root, out, *arguments):
    subprocess.run([sys.executable, root / "tools/make_model.py", "--from", root / "models/demo-ct", "--out", out,
                    *arguments], check=True, timeout=300)
    return out


def test_the_demo_package_is_what_its_seed_gives(root, tmp_path):
    made = make(root, tmp_path / "m", "--seed", "1")
    for name in ("config.json", "model.safetensors", "vocab.txt", "prompts.json"):
        assert (made / name).read_bytes() == (root / "models/demo-ct" / name).read_bytes(), name


def test_another_seed_gives_other_weights(root, tmp_path):
    one, two = make(root, tmp_path / "a", "--seed", "2"), make(root, tmp_path / "b", "--seed", "3")
    assert (one / "model.safetensors").read_bytes() != (two / "model.safetensors").read_bytes()


def scores(probe, folder, tmp_path):
    zyx = json.loads((folder / "config.json").read_text())["vision"]["input"]
    numpy.random.default_rng(1).random(zyx, dtype="f4").tofile(tmp_path / "in.f32")
    return [line.split() for line in probe.call("score", folder, tmp_path / "in.f32").split("\n") if line]


def test_the_demo_package_decides_nothing(probe, root, tmp_path):
    lines = scores(probe, root / "models/demo-ct", tmp_path)
    assert len(lines) == 7
    assert all(line[1:3] == ["undetermined", "model_untrained"] for line in lines)


def test_a_package_marked_trained_decides(probe, root, tmp_path):
    for threshold, state in (("0", "present"), ("1", "absent")):
        folder = make(root, tmp_path / threshold, "--trained", "--threshold", threshold)
        assert {line[1] for line in scores(probe, folder, tmp_path)} == {state}
    folder = make(root, tmp_path / "half", "--trained")
    assert {line[1] for line in scores(probe, folder, tmp_path)} == {"present", "absent"}


def test_options_change_size(probe, root, tmp_path):
    folder = make(root, tmp_path / "m", "--set", "vision.depth=1", "--set", "vision.input=[16,16,16]")
    assert len(scores(probe, folder, tmp_path)) == 7
