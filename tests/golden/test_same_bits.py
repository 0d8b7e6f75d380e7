"""Same input, same bits: run to run, on any number of threads, alone or beside processes that take every core."""
import multiprocessing
import os

import pytest
import torch
from safetensors.torch import save_file

import clip_reference as clip
from test_clip import ask, command  # noqa: F401


def spin():
    while True:
        pass


@pytest.fixture
def busy():
    started = []

    def start():
        for _ in range(os.cpu_count()):
            started.append(multiprocessing.get_context("spawn").Process(target=spin, daemon=True))
            started[-1].start()

    yield start
    for process in started:
        process.kill()
        process.join()


SIZES = dict(clip.SMALL, vision=dict(clip.SMALL["vision"], hidden_size=192, intermediate_size=768,
                                     num_attention_heads=6, image_size=140))


def test_same_input_same_bits_whatever_else_runs(command, busy, tmp_path):  # noqa: F811
    folder = clip.save(clip.make(SIZES), tmp_path / "m")
    save_file({"input": torch.from_numpy(clip.pixels(24, 140))}, tmp_path / "in.safetensors")

    def run(threads):
        return ask(command, "encode", "--model", folder, "--tensor", tmp_path / "in.safetensors", "--json",
                   "--threads", threads)["embedding"]

    alone = [run(1), run(2), run(3)]
    busy()
    beside = [run(1), run(2)]
    assert all(vector == alone[0] for vector in alone + beside)


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_narrower_vectors_say_the_same(command, tmp_path, isa):  # noqa: F811
    folder = clip.save(clip.make(SIZES), tmp_path / "m")
    save_file({"input": torch.from_numpy(clip.pixels(2, 140))}, tmp_path / "in.safetensors")

    def run(*words):
        return ask(command, "encode", "--model", folder, "--tensor", tmp_path / "in.safetensors", "--json", "--stats", *words)

    wide, narrow = run(), run("--isa", isa)
    known = ["baseline", "avx2", "avx512"]
    used = narrow["stats"]["gemm"].split()[0]
    assert known.index(used) <= min(known.index(isa), known.index(wide["stats"]["gemm"].split()[0]))
    assert max(abs(a - b) for a, b in zip(wide["embedding"], narrow["embedding"])) < 1e-6


def test_unknown_vectors_are_refused(command, tmp_path):  # noqa: F811
    assert "--isa" in ask(command, "encode", "--model", tmp_path, "--tensor", tmp_path / "x", "--isa", "neon", ok=False)
