"""cardioscribe encode --picture of a model over slices: every picture the encoder got, with its image's number."""
import json
import subprocess

import numpy
import pytest
from PIL import Image
from safetensors.numpy import load_file

import clip_reference as clip
from test_pictures import MEAN, PROMPTS, STD, built, write_series
from test_slice_pool import CONFIG

TOP, LEFT, SPACE, LABEL = 24 + 3 * 24 + 12 + 24, 24, 8, 22  # modules/pipeline/preview*.c


@pytest.mark.parametrize("slices, most", [(12, 12), (30, 7), (1, 4)])
def test_every_slice_is_shown(root, tmp_path, slices, most):
    model = clip.save(clip.make(clip.SMALL), tmp_path / "m")
    preprocess = {"modality": "CT", "norm": "meanstd", "mean": MEAN, "std": STD, "max_slices": most, "hu_clip": [-160, 240]}
    (model / "config.json").write_text(json.dumps({**CONFIG, "preprocess": preprocess}))
    (model / "prompts.json").write_text(json.dumps(PROMPTS))
    draw = numpy.random.default_rng(0)
    write_series(tmp_path / "s", draw.integers(-400, 400, (max(slices, 2), 40, 50)), "CT")
    for option, out in (("--picture", "p.png"), ("--dump-input", "in")):
        done = subprocess.run([built(root, "cli/cardioscribe"), "encode", "--model", model, option, tmp_path / out,
                               tmp_path / "s"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    pictures = load_file(tmp_path / "in")["input"][:, 0] * STD[0] + MEAN[0]
    page = numpy.asarray(Image.open(tmp_path / "p.png"))[..., 0].astype(int)
    count, side = len(pictures), pictures.shape[1]
    assert count == min(max(slices, 2), most)
    times = -(-176 // side)
    columns = int(numpy.ceil(count ** 0.5))
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        at = TOP + row * (side * times + LABEL), LEFT + column * (side * times + SPACE)
        tile = page[at[0]:at[0] + side * times, at[1]:at[1] + side * times]
        wanted = numpy.kron(picture * 255, numpy.ones((times, times)))
        y, x = numpy.mgrid[:side * times, :side * times]
        middle = side * times / 2
        letters = (abs(x - middle) > middle - 20) & (abs(y - middle) < 8)
        letters |= (abs(y - middle) > middle - 14) & (abs(x - middle) < 16)
        assert abs(tile - wanted)[~letters].max() <= 1, i
