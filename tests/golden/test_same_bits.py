"""Same input, same bits: run to run, alone or beside processes that take every core."""
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


@pytest.mark.parametrize("threads", [1, 2])
def test_same_input_same_bits_whatever_else_runs(command, busy, tmp_path, threads):  # noqa: F811
    folder = clip.save(clip.make(SIZES), tmp_path / "m")
    save_file({"input": torch.from_numpy(clip.pixels(24, 140))}, tmp_path / "in.safetensors")

    def run():
        return ask(command, "encode", "--model", folder, "--tensor", tmp_path / "in.safetensors", "--json",
                   "--threads", threads)["embedding"]

    alone = [run(), run()]
    busy()
    beside = [run(), run()]
    assert all(vector == alone[0] for vector in alone + beside)
