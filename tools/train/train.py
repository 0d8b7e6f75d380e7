#!/usr/bin/env python3
"""Train a demo model from kept studies. One command, from a seed; a checkpoint every 10 minutes and at SIGTERM, and it goes on
from there.

    tools/train/train.py --kind ct --data DATA --run RUN --steps 6000

RUN/last.pt is the checkpoint, RUN/curve.csv the losses, RUN/validation.csv the figures on the validation split."""
import argparse
import concurrent.futures
import csv
import json
import math
import os
import pathlib
import random
import signal
import time

import numpy as np
import torch
from torch.nn import functional as F

import demos
import network
import reports
import wordpiece
from kept import MEASURES, Studies

TRAINING, VALIDATION = (100000, 400000), (400000, 500000)


def auc(scores, truth):
    """Mann-Whitney; nan without both kinds."""
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    yes = truth.sum()
    no = len(truth) - yes
    return (ranks[truth].sum() - yes * (yes + 1) / 2) / (yes * no) if yes and no else float("nan")


class Sentences:
    """Training's sentences as ids."""

    def __init__(self, kind, vocabulary, max_len):
        self.kind, self.tokenizer = kind, wordpiece.Tokenizer(vocabulary, max_len)
        self.pairs = [[reports.sentences(kind, label, present) for present in (True, False)]
                      for label in reports.LABELS[kind]]

    def ids(self, texts):
        return torch.tensor(self.tokenizer.batch(texts))

    def drawn(self, rng):
        """One sentence for and one against each label: [labels * 2]"""
        return self.ids([rng.choice(one) for pair in self.pairs for one in pair])

    def embedded(self, tower, texts_of=None):
        """[labels][2][dim], each the mean of a side's sentences, as the service makes it."""
        sides = []
        for number, pair in enumerate(self.pairs):
            for side, texts in enumerate(pair):
                texts = texts if texts_of is None else texts_of(number, side)
                sides.append(F.normalize(tower(self.ids(texts)).mean(0), dim=0))
        return torch.stack(sides).view(len(self.pairs), 2, -1)


@torch.no_grad()
def start_patches(net, studies, rng):
    """The patch layer begins with the principal components of patches, brightest variance first. Of a second channel, which
    says little but where it matters, with what each eighth of a patch holds, in random directions."""
    tower, rows = net.image, []
    for i in rng.choice(len(studies.seeds), min(48, len(studies.seeds)), replace=False):
        rows.append(studies.batch([i])[0][0][::3])
    width, size = tower.patch.weight.shape[0], math.prod(tower.patch_size)
    rows = torch.cat(rows)[:, :size]
    mean = rows.mean(0)
    _, sizes, axes = torch.linalg.svd((rows - mean).T @ (rows - mean) / len(rows))
    scale = 1 / (sizes[:width].sqrt() + 0.1 * sizes[0].sqrt())
    tower.patch.weight[:, :size] = axes[:width] * scale[:, None]
    tower.patch.bias.copy_(-(axes[:width] @ mean) * scale)
    if studies.channels == 2:
        corner = [torch.arange(n) // (n // 2) for n in tower.patch_size]
        eighths = F.one_hot((corner[0][:, None, None] * 2 + corner[1][:, None]) * 2 + corner[2], 8).flatten(0, 2).T
        tower.patch.weight[:, size:] = 0.4 * torch.randn(width, 8) @ eighths.float()


def checkpointed(run, **state):
    part = run / ".last.pt"
    torch.save(state, part)
    os.replace(part, run / "last.pt")


@torch.no_grad()
def look(net, studies, batch=8, limit=10**6):
    """pooled, embedding, log odds and severity of the heads, measures: of every study, in the middle cut."""
    found = [[], [], [], []]
    for start in range(0, min(limit, len(studies.seeds)), batch):
        x, _ = studies.batch(range(start, min(start + batch, len(studies.seeds))))
        _, pooled, read = net.see(x)
        for into, one in zip(found, (pooled, net.embed(read), net.findings(read), net.measures(read))):
            into.append(one)
    return [torch.cat(one) for one in found]


@torch.no_grad()
def validate(net, sentences, studies, norm, limit):
    _, unit, heads, measures = look(net, studies, limit=limit)
    pairs = sentences.embedded(net.text)
    odds = unit @ (pairs[:, 0] - pairs[:, 1]).T
    count = len(unit)
    present = studies.severity[:count] > 0
    row = {f"zero_shot.{name}": auc(odds[:, i].numpy(), present[:, i]) for i, name in enumerate(studies.labels)}
    row |= {f"head.{name}": auc(heads[:, i].numpy(), present[:, i]) for i, name in enumerate(studies.labels)}
    error = measures * norm[1] + norm[0] - torch.from_numpy(studies.measures[:count])
    spread = torch.from_numpy(studies.measures[:count]).var(0)
    row |= {f"r2.{name}": float(1 - (error[:, i] ** 2).mean() / spread[i]) for i, name in enumerate(MEASURES[studies.kind])}
    return row


def append(path, row):
    new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(row)
        writer.writerow([f"{v:.4f}" if isinstance(v, float) else v for v in row.values()])


def tell(path, kind, step, row, count):
    if not path:
        return
    mean = {what: np.nanmean([v for k, v in row.items() if k.startswith(what)]) for what in ("zero_shot", "head")}
    words = " ".join(f"{k.split('.')[1][:22]}={v:.3f}/{row['head.' + k.split('.')[1]]:.3f}" for k, v in row.items()
                     if k.startswith("zero_shot"))
    r2 = " ".join(f"{k[3:]}={v:.2f}" for k, v in row.items() if k.startswith("r2."))
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%a %b %d %H:%M:%S UTC %Y', time.gmtime())} T {kind} step {step} of {count} studies: mean AUC "
                   f"zero-shot {mean['zero_shot']:.3f} head {mean['head']:.3f}; {words}; R2 {r2}\n")


def build(arguments, studies):
    vocabulary = wordpiece.build(reports.training_texts(arguments.kind))
    config = demos.config(arguments.kind, json.loads(arguments.config), vocab=len(vocabulary))
    net = network.Network(config, arguments.kind, len(studies.labels), len(MEASURES[arguments.kind]))
    return net, config, Sentences(arguments.kind, vocabulary, config["text"]["max_len"])


def left(step, arguments):
    """Of the last 30 %; 1 before."""
    return min(1, (arguments.steps - step) / (0.3 * arguments.steps))


def rate(step, arguments):
    """Warm up, hold, come down."""
    return min(1, (step + 1) / 100) * max(0.02, left(step, arguments))


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal by five Newton-Schulz steps, at the size of AdamW's steps (Jordan 2024; Liu et al. 2025).
    In float32: torch.optim.Muon's bfloat16 is slow where the processor has none."""

    def __init__(self, parameters, momentum=0.95, decay=0.02):
        super().__init__(parameters, {"lr": 0.0, "momentum": momentum, "decay": decay})

    @staticmethod
    def orthogonal(g):
        tall = g.shape[0] > g.shape[1]
        x = (g.T if tall else g) / (g.norm() + 1e-7)
        for _ in range(5):
            square = x @ x.T
            x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
        return x.T if tall else x

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
                momentum.lerp_(p.grad, 1 - group["momentum"])
                rows = p.shape[0] // 3 if p.shape[0] == 3 * p.shape[1] else p.shape[0]  # query, key and value apart
                way = torch.cat([self.orthogonal(one) for one in p.grad.lerp(momentum, group["momentum"]).split(rows)])
                p.mul_(1 - group["lr"] * group["decay"])
                p.add_(way, alpha=-group["lr"] * 0.2 * max(rows, p.shape[1]) ** 0.5)


class Optimizer:
    """Muon for the blocks' matrices, which learn from fewer studies so; AdamW for all else."""

    def __init__(self, net, highest):
        self.highest = highest
        blocks = [p for name, p in net.named_parameters() if p.ndim == 2 and name.startswith("image.layers.")]
        chosen = set(blocks)
        decayed = [p for p in net.parameters() if p.ndim > 1 and p not in chosen]
        others = [p for p in net.parameters() if p.ndim <= 1]
        self.parts = [torch.optim.AdamW([{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0}],
                                        lr=highest, betas=(0.9, 0.98)), Muon(blocks)]

    def set_rate(self, share):
        for part, factor in zip(self.parts, (1, 3)):
            for group in part.param_groups:
                group["lr"] = self.highest * factor * share

    def zero_grad(self):
        for part in self.parts:
            part.zero_grad()

    def step(self):
        for part in self.parts:
            part.step()

    def state_dict(self):
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states):
        for part, state in zip(self.parts, states):
            part.load_state_dict(state)


def losses(net, batch, norm, weights, step):
    x, targets, keep, share, severity, measures, texts = batch
    tokens, pooled, _ = net.see(x, keep, share)
    net.follow(pooled.detach(), max(0.01, 1 / (2 + 0.5 * step)))
    read = net.standard(pooled)
    unit = net.embed(read)
    present = (severity > 0).float()
    odds, grades = net.findings(read).chunk(2, -1)
    spoken = net.text(torch.cat([F.pad(ids, (0, 192 - ids.shape[1]))[:, :max(i.shape[1] for i in texts)] for ids in texts]))
    prompts = spoken[:2 * severity.shape[1]]
    pairs = prompts.view(-1, 2, spoken.shape[-1])
    cosines = net.scale() * unit @ spoken[2 * severity.shape[1]:].T
    vectors = 2 * present - 1
    return {
        "parts": 1.0 * network.parts_loss(net.parts(tokens), targets, weights),
        "measures": 1.0 * F.smooth_l1_loss(net.measures(read), (measures - norm[0]) / norm[1]),
        "grades": 1.0 * F.mse_loss(grades, severity) * 4,
        "findings": 0.5 * F.binary_cross_entropy_with_logits(odds, present),
        "prompts": 1.0 * network.prompt_loss(net.scale() * unit @ (pairs[:, 0] - pairs[:, 1]).T + net.bias, present),
        # Sentences of a label that images do not yet tell apart would fall together, and then nothing moves either.
        "words": 0.3 * F.cross_entropy(net.words(prompts), torch.arange(len(prompts))),
        "contrast": 0.2 * (network.soft_contrastive(cosines, vectors) if net.kind == "ct" else network.info_nce(cosines)),
    }


def batches(studies, arguments, sentences, step, cells):
    """Endless; each step's batch follows from the seed and the step. cells: patches of a frame or of the volume."""
    pool = concurrent.futures.ThreadPoolExecutor(1)

    def made(step):
        rng, words = np.random.default_rng([arguments.seed, step]), random.Random(arguments.seed * 10**7 + step)
        indices = rng.choice(len(studies.seeds), arguments.batch, replace=False)
        x, parts, *chosen = studies.batch(indices, rng, int(arguments.keep * cells) if arguments.keep < 1 and left(step, arguments) > 0.25 else None)
        keep, share = chosen or (None, None)
        said = [reports.report(studies.kind, studies.truths[i]["findings"], words) for i in indices]
        return (x, studies.targets(parts, indices), keep, share, torch.from_numpy(studies.severity[indices]), torch.from_numpy(studies.measures[indices]),
                [sentences.drawn(words), sentences.ids(said)])

    waiting = [pool.submit(made, step), pool.submit(made, step + 1)]
    while True:
        yield waiting.pop(0).result()
        step += 1
        waiting.append(pool.submit(made, step + 1))


def train(arguments):
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    run = pathlib.Path(arguments.run)
    run.mkdir(parents=True, exist_ok=True)
    splits = (arguments.try_on[:2], arguments.try_on[2:]) if arguments.try_on else (TRAINING, VALIDATION)
    vision = demos.config(arguments.kind, json.loads(arguments.config))["vision"]
    studies, validation = (Studies(arguments.data, arguments.kind, seeds, vision) for seeds in splits)
    print(f"{len(studies.seeds)} studies, {studies.declined} declined; validation {len(validation.seeds)}", flush=True)
    net, config, sentences = build(arguments, studies)
    last = torch.load(run / "last.pt", weights_only=False) if (run / "last.pt").exists() else None
    first = np.arange(min(32, len(studies.seeds)))
    x, parts = studies.batch(first)
    if last is None:
        start_patches(net, studies, np.random.default_rng(arguments.seed))
        with torch.no_grad():
            net.follow(net.see(x)[1], 1)
            net.parts.bias.copy_(studies.targets(parts, first).mean((0, 1)))
    mean = torch.from_numpy(studies.measures.mean(0))
    norm, step, spent = (mean, torch.from_numpy(studies.measures.std(0) + 1e-6)), 0, 0.0
    optimizer = Optimizer(net, arguments.rate)
    average = {name: value.clone() for name, value in net.state_dict().items()}
    weights = network.part_weights(studies.targets(parts, first), arguments.kind)
    if last:
        net.load_state_dict(last["net"])
        optimizer.load_state_dict(last["optimizer"])
        average, norm, step, spent, weights = last["average"], last["norm"], last["step"], last["spent"], last["weights"]
    start = saved = told = looked = time.time()
    sums, stopped = {}, []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    for batch in batches(studies, arguments, sentences, step, net.image.pos.shape[0] - 1):
        if step >= arguments.steps:
            break
        optimizer.set_rate(rate(step, arguments))
        made = losses(net, batch, norm, weights, step)
        optimizer.zero_grad()
        sum(made.values()).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
        share = min(0.995, 1 - 1 / (step + 1) ** 0.8)
        with torch.no_grad():
            for name, value in net.state_dict().items():
                average[name].lerp_(value, 1 - share)
        for name, value in made.items():
            sums.setdefault(name, []).append(float(value.detach()))
        now = time.time()
        last_step = step >= arguments.steps
        if step % 25 == 0 or last_step:
            row = {"step": step, "seconds": spent + now - start, "studies": len(studies.seeds),
                   **{name: float(np.mean(values)) for name, values in sums.items()}}
            append(run / "curve.csv", row)
            print(" ".join(f"{k}={v:.4g}" for k, v in row.items()), flush=True)
            sums = {}
        if now - saved > 600 or last_step or stopped:
            checkpointed(run, net=net.state_dict(), average=average, optimizer=optimizer.state_dict(), norm=norm, step=step,
                         weights=weights, config=config, spent=spent + now - start)
            saved = now
        if stopped:
            break
        if (now - told > arguments.look_s or last_step) and len(validation.seeds) > 20:
            live = {name: value.clone() for name, value in net.state_dict().items()}
            net.load_state_dict(average)
            row = validate(net.eval(), sentences, validation, norm, 10**6 if last_step else arguments.look)
            net.load_state_dict(live)
            net.train()
            append(run / "validation.csv", {"step": step, "seconds": spent + now - start, **row})
            tell(arguments.progress, arguments.kind, step, row, len(studies.seeds))
            told = time.time()
        if now - looked > 240 and not arguments.try_on:
            studies.look()
            validation.look()
            looked = now


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("ct", "cmr"), required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--run", required=True, help="folder of the checkpoint and the curves")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--keep", type=float, default=1.0, help="share of patches looked at in a step; in the last 7.5 %% of steps all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--config", default="{}", help="changes of the demo's config.json, as JSON")
    parser.add_argument("--look", type=int, default=120, help="studies of the validation split on the way")
    parser.add_argument("--look-s", type=int, default=300, help="seconds between two looks at it")
    parser.add_argument("--progress", help="file that gets a line at each look")
    parser.add_argument("--try-on", type=int, nargs=4, metavar="SEED", help="other seeds: training FROM TO, validation FROM TO")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
