"""bench/heart-share: how much of a phantom's heart lies in a box, against what truth.json says of the same heart."""
import json
import os
import pathlib
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("BUILD_DIR", pathlib.Path(__file__).resolve().parents[2] / "build")).resolve()


def shares(seed, mitral, *boxes):
    lines = "".join(" ".join(map(str, [seed, *mitral, *box])) + "\n" for box in boxes)
    done = subprocess.run([BUILD / "bench" / "heart-share"], input=lines, capture_output=True, text=True, check=True,
                          timeout=60)
    return [tuple(map(float, line.split())) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("seed", [41, 42])
def test_a_share_is_that_of_the_heart_that_was_painted(tmp_path, seed):
    subprocess.run([BUILD / "tools/phantom/cardioscribe-phantom", "--kind", "ct", "--seed", str(seed), "--truth-only",
                    "--out", tmp_path], check=True, capture_output=True, timeout=60)
    truth = json.loads((tmp_path / f"ct-{seed}" / "truth.json").read_text())
    low, high = truth["heart_box_lps"][:3], truth["heart_box_lps"][3:]
    middle = (low[0] + high[0]) / 2
    right, left = [*low, middle, *high[1:]], [middle, *low[1:], *high]
    whole, one, other, none = shares(seed, truth["places_lps"]["mitral_valve"], [*low, *high], right, left,
                                     [*high, *(value + 50 for value in high)])
    assert whole[0] > 0.999 and whole[1] == pytest.approx(truth["heart_ml"], rel=0.01)
    assert one[0] + other[0] == pytest.approx(whole[0], abs=1e-4) and 0.3 < one[0] < 0.7
    assert none[0] == 0
