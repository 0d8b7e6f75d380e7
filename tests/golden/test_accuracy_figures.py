"""The figures of bench/accuracy against hand-made truths, plain definitions, simulation and published examples."""
import itertools
import math
import pathlib
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
from accuracy_bench import figures  # noqa: E402


def drawn(seed, m=40, n=90, shift=1.0, grain=None):
    """Scores of m with and n without the finding, ties included where there is a grain."""
    draw = np.random.default_rng(seed)
    scores = np.concatenate([draw.normal(shift, 1, m), draw.normal(0, 1, n)])
    if grain:
        scores = np.round(scores / grain) * grain
    return scores, np.arange(m + n) < m


def test_an_auc_by_hand():
    # of six pairs four in order, one tied
    assert figures.auc([0.9, 0.5, 0.5, 0.4, 0.1], [1, 1, 0, 0, 0]) == pytest.approx((3 + 2.5) / 6)
    assert figures.auc([3, 2, 1, 0], [1, 1, 0, 0]) == 1 and figures.auc([0, 1, 2, 3], [1, 1, 0, 0]) == 0
    assert figures.auc([1, 1, 1, 1], [1, 0, 1, 0]) == 0.5
    assert math.isnan(figures.auc([1, 2], [1, 1]))


@pytest.mark.parametrize("grain", [None, 0.5])
def test_an_auc_is_the_share_of_pairs(grain):
    for seed in range(20):
        scores, present = drawn(seed, grain=grain)
        pairs = [(a > b) + (a == b) / 2 for a, b in itertools.product(scores[present], scores[~present])]
        assert figures.auc(scores, present) == pytest.approx(np.mean(pairs), abs=1e-12)
        turned = figures.auc(-scores, present)
        assert turned == pytest.approx(1 - np.mean(pairs), abs=1e-12)


def plain_delong(scores, present):
    """DeLong's variance as defined, pair by pair."""
    with_it, without = scores[present], scores[~present]
    order = np.array([[(a > b) + (a == b) / 2 for b in without] for a in with_it])
    return order.mean(axis=1).var(ddof=1) / len(with_it) + order.mean(axis=0).var(ddof=1) / len(without)


def test_delongs_interval_is_that_of_the_definition():
    for seed in range(10):
        scores, present = drawn(seed, 25, 60, grain=0.5)
        value, low, high = figures.auc_interval(scores, present)
        spread = figures.Z95 * math.sqrt(plain_delong(scores, present)) / (value * (1 - value))
        logit = math.log(value / (1 - value))
        assert math.log(low / (1 - low)) == pytest.approx(logit - spread)
        assert math.log(high / (1 - high)) == pytest.approx(logit + spread)


@pytest.mark.parametrize("shift", [0.5, 2.3])
def test_the_interval_holds_the_true_auc_in_95_percent(shift):
    true = (1 + math.erf(shift / 2)) / 2  # of two normals a shift apart
    intervals = [figures.auc_interval(*drawn(seed, 60, 140, shift)) for seed in range(800)]
    held = np.mean([low <= true <= high for _, low, high in intervals])
    assert 0.925 < held < 0.975


def test_an_auc_of_1_has_a_bound_too():
    scores, present = drawn(1, 120, 280, shift=50)
    value, low, high = figures.auc_interval(scores, present)
    assert value == high == 1 and 0.98 < low < 1
    fewer = figures.auc_interval(*drawn(1, 12, 28, shift=50))[1]
    assert fewer < low
    assert figures.auc_interval(-scores, present) == (0, 0, pytest.approx(1 - low))


def test_a_bootstrap_knows_the_error_of_a_mean():
    values = np.random.default_rng(3).normal(5, 2, 400)
    low, high = figures.bootstrap(lambda rows: values[rows].mean(), 400)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.03)
    assert high - low == pytest.approx(2 * 1.96 * values.std(ddof=1) / 20, rel=0.1)


def test_the_mean_auc_is_the_mean():
    columns = [drawn(seed, 40, 90, shift) for seed, shift in ((1, 0.5), (2, 1.5))]
    value, low, high = figures.mean_auc(columns)
    assert value == pytest.approx(np.mean([figures.auc(*column) for column in columns]))
    assert low < value < high and high - low < 0.2


def test_a_calibration_error_by_hand():
    # two bins of two: (0.1, 0.3) with none present, (0.6, 0.8) with one
    error, rows = figures.calibration_error([0.8, 0.1, 0.6, 0.3], [1, 0, 0, 0], bins=2)
    assert error == pytest.approx(0.5 * abs(0.2 - 0) + 0.5 * abs(0.7 - 0.5))
    assert [(n, y) for n, _, y in rows] == [(2, 0), (2, 0.5)]


def test_true_probabilities_are_calibrated_and_others_are_not():
    draw = np.random.default_rng(5)
    probability = draw.uniform(size=20000)
    present = draw.uniform(size=20000) < probability
    assert figures.calibration_error(probability, present)[0] < 0.015
    # squared: the mean of abs(p^2 - p) is 1/6
    assert figures.calibration_error(probability ** 2, present)[0] == pytest.approx(1 / 6, abs=0.01)


def test_recall_by_hand():
    similarity = np.array([[9, 8, 7, 6], [9, 8, 7, 6], [9, 8, 7, 6], [9, 8, 7, 6]])
    assert figures.recall_at(similarity, 1) == 0.25 and figures.recall_at(similarity, 3) == 0.75
    assert figures.recall_at(np.eye(4), 1) == 1
    assert figures.recall_at(np.zeros((4, 4)), 1) == 0.25  # all alike: chance
    # two alike, one of them its own: half a hit
    assert figures.recall_at([[5, 5, 1], [0, 1, 0], [0, 0, 1]], 1) == pytest.approx((0.5 + 1 + 1) / 3)


def test_random_vectors_are_recalled_by_chance():
    draw = np.random.default_rng(7)
    found = [figures.recall_at(draw.normal(size=(200, 200)), 10) for _ in range(20)]
    assert np.mean(found) == pytest.approx(10 / 200, abs=0.01)


def test_wilsons_interval():
    # Newcombe 1998, table I: 81 of 263, and 0 of 20
    share, low, high = figures.share_interval(81, 263)
    assert (round(share, 4), round(low, 4), round(high, 4)) == (0.308, 0.2553, 0.3662)
    share, low, high = figures.share_interval(0, 20)
    assert (share, low, round(high, 4)) == (0, 0, 0.1611)


def test_a_cosine():
    assert figures.cosine([1, 0], [1, 1]) == pytest.approx(math.sqrt(0.5))
    assert figures.cosine([2, 3], [4, 6]) == pytest.approx(1)
