"""Numbers and their intervals. numpy only; held against hand-made truths and independent code in tests/golden."""
import math

import numpy as np

Z95 = 1.959963984540054


def midranks(values):
    """Ranks from 1; equal values share the mean of theirs."""
    values = np.asarray(values, float)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def auc(scores, present):
    """The share of pairs (one with, one without) in which the one with scores higher; a tie is half. NaN without pairs."""
    scores, present = np.asarray(scores, float), np.asarray(present, bool)
    m, n = present.sum(), (~present).sum()
    if not m or not n:
        return math.nan
    return (midranks(scores)[present].sum() - m * (m + 1) / 2) / (m * n)


def auc_interval(scores, present):
    """(AUC, low, high) at 95 %: DeLong's variance (1988) by midranks (Sun and Xu 2014), on the logit scale. Where all
    pairs are in order (or none) that variance is 0; there Newcombe's bound (2006, method 5) stands."""
    scores, present = np.asarray(scores, float), np.asarray(present, bool)
    m, n = int(present.sum()), int((~present).sum())
    value = auc(scores, present)
    if m < 2 or n < 2:
        return value, math.nan, math.nan
    if value in (0, 1):
        bound = separated_bound(m, n)
        return (value, bound, 1.0) if value == 1 else (value, 0.0, 1 - bound)
    together = midranks(scores)
    of_present = (together[present] - midranks(scores[present])) / n
    of_absent = 1 - (together[~present] - midranks(scores[~present])) / m
    error = math.sqrt(of_present.var(ddof=1) / m + of_absent.var(ddof=1) / n)
    logit, spread = math.log(value / (1 - value)), Z95 * error / (value * (1 - value))
    return value, 1 / (1 + math.exp(-(logit - spread))), 1 / (1 + math.exp(-(logit + spread)))


def separated_bound(m, n):
    """The lower 95 % bound of an AUC that came out as 1: the AUC t for which 1 - t = z sd(t), sd as Hanley and McNeil's
    with (m + n) / 2 in the place of both numbers."""
    low, high, mean = 0.5, 1.0, (m + n) / 2
    for _ in range(60):
        t = (low + high) / 2
        variance = t * (1 - t) * (1 + (mean - 1) * (1 - t) / (2 - t) + (mean - 1) * t / (1 + t)) / (m * n)
        if 1 - t > Z95 * math.sqrt(variance):
            low = t
        else:
            high = t
    return low


def bootstrap(statistic, count, rounds=1000, seed=1):
    """The 95 % percentile interval of statistic(rows), rows drawn from range(count) with replacement; NaN is left out."""
    draw = np.random.default_rng(seed)
    found = np.array([statistic(draw.integers(0, count, count)) for _ in range(rounds)])
    found = found[~np.isnan(found)]
    return tuple(np.percentile(found, [2.5, 97.5])) if len(found) else (math.nan, math.nan)


def mean_auc(columns):
    """columns: (scores, present) of each finding, of the same studies in the same order. (mean, low, high); studies
    are drawn whole, because their findings are not independent."""
    columns = [(np.asarray(scores, float), np.asarray(present, bool)) for scores, present in columns]
    low, high = bootstrap(lambda rows: np.mean([auc(s[rows], p[rows]) for s, p in columns]), len(columns[0][0]))
    return np.mean([auc(s, p) for s, p in columns]), low, high


def calibration_error(probabilities, present, bins=10):
    """Expected calibration error over bins of equal mass: the mean over all of abs(mean probability - share present) of
    each one's bin. (error, [(count, mean probability, share)])."""
    probabilities, present = np.asarray(probabilities, float), np.asarray(present, float)
    order = np.argsort(probabilities, kind="stable")
    rows = [(len(part), probabilities[part].mean(), present[part].mean())
            for part in np.array_split(order, bins) if len(part)]
    return sum(n * abs(p - y) for n, p, y in rows) / len(order), rows


def recall_at(similarity, k):
    """Queries are rows, and row i belongs to column i: the share whose own column is among the k most similar. Among
    equals the order is by chance, so such a query counts by the probability that its own comes in time."""
    similarity = np.asarray(similarity, float)
    own = np.diagonal(similarity)[:, None]
    before, equal = (similarity > own).sum(axis=1), (similarity == own).sum(axis=1)
    return float(np.clip((k - before) / equal, 0, 1).mean())


def share_interval(hits, count):
    """(share, low, high) at 95 %: Wilson's."""
    if not count:
        return math.nan, math.nan, math.nan
    share = hits / count
    middle = (share + Z95 ** 2 / (2 * count)) / (1 + Z95 ** 2 / count)
    half = Z95 * math.sqrt(share * (1 - share) / count + Z95 ** 2 / (4 * count ** 2)) / (1 + Z95 ** 2 / count)
    return share, max(0.0, middle - half), min(1.0, middle + half)


def cosine(one, other):
    one, other = np.asarray(one, float), np.asarray(other, float)
    return float(one @ other / math.sqrt((one @ one) * (other @ other)))
