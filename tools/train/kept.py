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

    def __init__(self, data, kind, seeds, vision=None):
        """vision: the section of config.json."""
        self.kind, self.folder = kind, pathlib.Path(data) / kind
        vision = vision or demos.DEMOS[kind]["vision"]
        self.size, self.patch, self.channels = vision["input"], vision["patch"], vision.get("channels", 1)
        if kind == "cmr":  # both cines come first (docs/model-folder.md, frames)
            frames = demos.DEMOS[kind]["preprocess"]["frames"]
            view = np.array(sampled(frames["n"], self.size[0])) // frames["phases"]
            self.cines = [one for one in (np.flatnonzero(view == number) for number in (0, 1)) if len(one)]
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
        return np.load(self.folder / f"{self.seeds[index]}.npy")

    def get(self, index, rng=None):
        """(input [z][y][x] float16, parts as counts in blocks [z][y][x][PARTS]); rng: moved about, else the middle."""
        values, parts = self.input_of(index), self.parts_of(index)
        return (self.cut_ct if self.kind == "ct" else self.cut_cmr)(values, parts, rng)

    def cut_ct(self, values, parts, rng):
        room = [n - m for n, m in zip(values.shape, self.size)]
        at = [int(rng.integers(0, r + 1)) if rng is not None else r // 2 for r in room]
        cut = values[tuple(slice(a, a + n) for a, n in zip(at, self.size))]
        step = labels.BLOCK["ct"]
        first = [int(round(a / s)) for a, s in zip(at, step)]
        return cut, parts[tuple(slice(f, f + n // s) for f, n, s in zip(first, self.size, step))]

    def cut_cmr(self, values, parts, rng):
        frames = sampled(len(values), self.size[0])
        cut = values[frames]
        if rng is not None:
            dy, dx = (int(v) for v in rng.integers(-4, 5, 2))
            rows, columns = (np.clip(np.arange(n) + d, 0, n - 1) for n, d in zip(self.size[1:], (dy, dx)))
            cut = cut[:, rows[:, None], columns]
        return cut, parts[frames]

    def batch(self, indices, rng=None, count=None):
        """Patches [batch][patches][values] and what their blocks hold, counts [batch][patches][blocks of a patch * PARTS];
        rng: moved about, contrast and brightness a little other. count: of the patches (of a video: of a frame) so many, as
        `choose` has it, and then also which, and their weights."""
        patch, step = ([1] if self.kind == "cmr" else []) + self.patch, labels.BLOCK[self.kind]
        ratio = [p // s for p, s in zip(patch, step)]
        values, counts, chosen = [], [], []
        for index in indices:
            cut, parts = self.get(index, rng)
            of_parts, keep = patches(parts, ratio, self.kind, None), None
            if count:
                frames = len(cut) if self.kind == "cmr" else 1
                of_frame = of_parts.unflatten(0, (frames, -1))
                keep, weight = choose(of_frame, count, rng)
                chosen.append((torch.from_numpy(keep), torch.from_numpy(weight)))
                of_parts = of_frame[:, keep].flatten(0, 1)
            values.append(patches(cut[..., None], patch, self.kind, keep).float())
            counts.append(of_parts)
        values = torch.stack(values)
        if rng is not None:
            gain, off = (0.03, 0.005) if self.kind == "ct" else (0.08, 0.05)
            shape = (len(values), 1, 1)
            values = values * torch.from_numpy(rng.normal(1, gain, shape).astype(np.float32)) + \
                torch.from_numpy(rng.normal(0, off, shape).astype(np.float32))
        if self.channels == 2:  # what is brighter than blood, as a window of its own
            low, high = demos.WINDOWS[0]
            values = torch.cat([values, ((values * (high - low) + low - demos.WINDOWS[1][0]) /
                                         (demos.WINDOWS[1][1] - demos.WINDOWS[1][0])).clamp(0, 1)], -1)
        if not count:
            return values, torch.stack(counts)
        return values, torch.stack(counts), *(torch.stack(one) for one in zip(*chosen))

    def targets(self, counts, indices):
        """What the tokens learn to say of their blocks, [..][patches][labels.said]: roots of fractions, for a patch that holds
        little of something says so too; of a cine what comes and goes there; of late enhancement LATE and SIZES."""
        held = (counts.float() / math.prod(labels.BLOCK[self.kind])).sqrt()
        if self.kind == "ct":
            return held
        frames = held.unflatten(-1, (-1, len(labels.PARTS))).unflatten(-3, (self.size[0], -1))
        moving, late = (frames[..., [labels.PARTS.index(name) for name in names[self.kind]]]
                        for names in (labels.SWINGS, labels.LATE))
        swings = torch.zeros_like(moving)
        for cine in self.cines:
            beat = moving[..., cine, :, :, :]
            swings[..., cine, :, :, :] = (beat.amax(-4) - beat.amin(-4)).unsqueeze(-4)
            late[..., cine, :, :, :] = 0
        sizes = []
        for part, name, middle, scale in labels.SIZES[self.kind]:
            size = torch.from_numpy((self.measures[indices, MEASURES[self.kind].index(name)] - middle) / scale)
            there = late[..., labels.LATE[self.kind].index(part)].amax(-1) > 0.3
            sizes.append(size[:, None, None] * there)
        return torch.cat([held, *(one.flatten(-4, -3).flatten(-2) for one in (swings, late)),
                          *(one.flatten(-2)[..., None] for one in sizes)], -1)


def choose(parts, count, rng):
    """Which `count` patches are looked at, and how many each stands for: those that hold anything of heart or vessels but fat, and of
    the others some at random, which stand for all of them. parts: [frames][patches][blocks * PARTS]."""
    held = parts.unflatten(-1, (-1, len(labels.PARTS)))[..., 2:].amax((0, 2, 3)).numpy() > 0
    full, empty = np.flatnonzero(held), np.flatnonzero(~held)
    least = min(max(count // 8, 2), len(empty))
    some = full if len(full) <= count - least else rng.choice(full, count - least, replace=False)
    rest = rng.choice(empty, count - len(some), replace=False) if len(empty) else empty
    weights = np.concatenate([np.full(len(some), len(full) / max(len(some), 1)), np.full(len(rest), len(empty) / max(len(rest), 1))])
    return np.concatenate([some, rest]), weights.astype(np.float32)


def patches(x, size, kind, keep):
    """[z][y][x][c] to [patches][size * c], patches of a frame or of the volume that are in keep; copies no other."""
    z, y, x_, c = x.shape
    grid = z // size[0], y // size[1], x_ // size[2]
    x = x.reshape(grid[0], size[0], grid[1], size[1], grid[2], size[2], c).transpose(0, 2, 4, 1, 3, 5, 6)
    if keep is not None:
        at = np.unravel_index(np.asarray(keep), grid[1:] if kind == "cmr" else grid)
        x = x[(slice(None), *at) if kind == "cmr" else at]
    return torch.from_numpy(np.ascontiguousarray(x)).reshape(-1, math.prod(size) * c)


def sampled(frames, n):
    """source: docs/model-folder.md, frames.sampling"""
    edges = [int(k * (frames / n)) for k in range(n)] + [frames]
    return [(edges[k] + edges[k + 1] - 1) // 2 for k in range(n)]

