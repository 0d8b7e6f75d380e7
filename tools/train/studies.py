"""Kept studies as batches: inputs cut out of what data.py keeps, and the truths beside them."""
import json
import math
import pathlib

import numpy as np
import torch

import demos
import labels
import reports

# What is regressed besides the findings, and how it is scaled: root for what is a sum of many small things.
MEASURES = {
    "ct": ["effusion_mm", "lv_wall_mm", "ascending_aorta_mm", "pulmonary_trunk_mm", "lv_edv_ml", "rv_edv_ml",
           "heart_width_mm", "lv_wall_ml", "coronary_calcium_mm3", "aortic_calcium_mm3", "stenosis_percent"],
    "cmr": ["lv_edv_ml", "lv_ef", "rv_edv_ml", "rv_ef", "lv_wall_mm", "septum_mm", "ascending_aorta_mm", "lv_wall_ml",
            "lge_percent"],
}
ROOTS = {"coronary_calcium_mm3", "aortic_calcium_mm3", "lge_percent"}


def measure(truth, name):
    value = truth["measures"][name]
    return math.sqrt(value) if name in ROOTS else value


class Studies:
    """Of seeds FROM to TO, those that are there."""

    def __init__(self, data, kind, seeds):
        self.kind, self.folder = kind, pathlib.Path(data) / kind
        self.size = demos.DEMOS[kind]["vision"]["input"]
        self.labels = list(reports.LABELS[kind])
        self.seeds, self.truths, self.declined = [], [], 0
        self.range = seeds
        self.blocks = {}
        self.look()

    def look(self):
        """Take in what has been made since."""
        known = set(self.seeds)
        names = sorted(int(path.stem) for path in self.folder.glob("[0-9]*.json"))
        for seed in names:
            if seed in known or not self.range[0] <= seed < self.range[1]:
                continue
            kept = json.loads((self.folder / f"{seed}.json").read_text())
            if kept["reason"] is not None:
                self.declined += 1
                continue
            if not (self.folder / f"{seed}.npz").exists():
                continue
            self.seeds.append(seed)
            self.truths.append(kept["truth"])
        self.severity = np.array([[t["findings"][name] for name in self.labels] for t in self.truths], np.float32)
        self.measures = np.array([[measure(t, name) for name in MEASURES[self.kind]] for t in self.truths], np.float32)
        return len(self.seeds)

    def parts_of(self, index):
        seed = self.seeds[index]
        if seed not in self.blocks:
            self.blocks[seed] = np.load(self.folder / f"{seed}.npz")["blocks"]
        return self.blocks[seed]

    def input_of(self, index):
        return np.load(self.folder / f"{self.seeds[index]}.npy", mmap_mode="r")

    def get(self, index, rng=None):
        """(input [z][y][x] float32, parts as fractions of blocks [z][y][x][PARTS]); rng: moved about, else the middle."""
        values, parts = self.input_of(index), self.parts_of(index)
        return (self.cut_ct if self.kind == "ct" else self.cut_cmr)(values, parts, rng)

    def cut_ct(self, values, parts, rng):
        room = [n - m for n, m in zip(values.shape, self.size)]
        at = [int(rng.integers(0, r + 1)) if rng is not None else r // 2 for r in room]
        cut = values[tuple(slice(a, a + n) for a, n in zip(at, self.size))].astype(np.float32)
        step = labels.BLOCK["ct"]
        first = [int(round(a / s)) for a, s in zip(at, step)]
        return cut, parts[tuple(slice(f, f + n // s) for f, n, s in zip(first, self.size, step))]

    def cut_cmr(self, values, parts, rng):
        frames = [demos.CMR_FRAMES[i] for i in sampled(len(demos.CMR_FRAMES), self.size[0])]
        cut, parts = np.asarray(values[sorted(set(frames))], np.float32), parts
        order = {frame: i for i, frame in enumerate(sorted(set(frames)))}
        cut = cut[[order[f] for f in frames]]
        if rng is not None:
            dy, dx = (int(v) for v in rng.integers(-4, 5, 2))
            cut = np.pad(cut, ((0, 0), (4, 4), (4, 4)), mode="edge")[:, 4 + dy:4 + dy + self.size[1], 4 + dx:4 + dx + self.size[2]]
        return cut, parts[frames]

    def batch(self, indices, rng=None):
        pairs = [self.get(i, rng) for i in indices]
        x = torch.from_numpy(np.stack([np.ascontiguousarray(p[0]) for p in pairs]))
        parts = torch.from_numpy(np.stack([p[1] for p in pairs]))
        if rng is not None:
            x = shaken(x, rng, self.kind)
        return x, parts


def shaken(x, rng, kind):
    """Contrast, brightness and noise a little other than they were."""
    shape = (len(x), 1, 1, 1)
    gain = torch.from_numpy(rng.normal(1, 0.03 if kind == "ct" else 0.08, shape).astype(np.float32))
    off = torch.from_numpy(rng.normal(0, 0.005 if kind == "ct" else 0.05, shape).astype(np.float32))
    return x * gain + off


def sampled(frames, n):
    """source: docs/model-folder.md, frames.sampling"""
    edges = [int(k * (frames / n)) for k in range(n)] + [frames]
    return [(edges[k] + edges[k + 1] - 1) // 2 for k in range(n)]


def block_targets(parts, kind, patch):
    """Counts [batch][z][y][x][PARTS] as roots of fractions, by patch: [batch][patches][blocks of a patch * PARTS]."""
    step = labels.BLOCK[kind]
    patch = ([1] if kind == "cmr" else []) + patch
    ratio = [p // s for p, s in zip(patch, step)]
    b, z, y, x, c = parts.shape
    grid = [z // ratio[0], y // ratio[1], x // ratio[2]]
    part = parts.view(b, grid[0], ratio[0], grid[1], ratio[1], grid[2], ratio[2], c).permute(0, 1, 3, 5, 2, 4, 6, 7)
    return (part.reshape(b, math.prod(grid), -1).float() / math.prod(step)).sqrt()
