#!/usr/bin/env python3
"""From a checkpoint to a model folder: words, calibration, domain, card.

    tools/train/finish.py --run RUN --data DATA --out models/demo-cardiac-ct

1. Pooled vectors of all studies are computed once (RUN/vectors-*.npz), of training's also moved about.
2. The text tower and both projections go on learning from these vectors alone, which costs next to nothing (`speak`).
3. On the validation split, which nothing was trained on: Platt's scaling of each label's margin, thresholds, the limit of
   the domain.
4. The folder is written: F16 weights, config.json, prompts.json, vocab.txt, domain.safetensors, README.md."""
import argparse
import csv
import json
import pathlib
import random
import time

import numpy as np
import torch
from safetensors.numpy import save_file
from torch.nn import functional as F

import card
import demos
import folder
import network
import reports
import wordpiece
from kept import MEASURES, Studies
from train import TRAINING, VALIDATION, Sentences, auc

PROMPTS = 4  # sentences a side
# What the words learn from is not to hang on the least of a vector, which arithmetic in fewer bits or a slice that is missing
# moves as much as a finding does: network.follow's floor, and noise, as a part of a component's usual size.
FLOOR, NOISE = 3e-2, 0.1
TOLD = 0.85  # a label with a smaller AUC on the validation split is not told: it is always undetermined


@torch.no_grad()
def vectors(net, studies, moved, seed):
    """Pooled vectors of every study: in the middle, and `moved` times moved about. [1 + moved][studies][width]"""
    rng, found = np.random.default_rng(seed), []
    for turn in range(1 + moved):
        rows = []
        for start in range(0, len(studies.seeds), 8):
            x, _ = studies.batch(range(start, min(start + 8, len(studies.seeds))), rng if turn else None)
            rows.append(net.see(x)[1])
        found.append(torch.cat(rows))
    return torch.stack(found).numpy()


def kept_vectors(run, net, split, studies, moved, step):
    """Computed once a checkpoint and a split."""
    path = run / f"vectors-{split}.npz"
    if path.exists():
        old = np.load(path)
        if int(old["step"]) == step and list(old["seeds"]) == studies.seeds:
            return old["vectors"]
    made = vectors(net, studies, moved, 5)
    np.savez(path, vectors=made, seeds=np.array(studies.seeds), step=step)
    return made


def speak(net, sentences, pooled, studies, steps, seed):
    """Text tower, projections and scale learn from pooled vectors. pooled: [turns][studies][width]"""
    tower, rng, words = net.image, np.random.default_rng(seed), random.Random(seed)
    learn = [*tower.proj.parameters(), *net.text.parameters(), *net.words.parameters(), net.logit_scale, net.bias]
    optimizer = torch.optim.AdamW([{"params": [p for p in learn if p.ndim > 1], "weight_decay": 0.05},
                                   {"params": [p for p in learn if p.ndim <= 1], "weight_decay": 0}], lr=2e-3)
    pooled = torch.from_numpy(pooled)
    net.follow(pooled.flatten(0, 1), 1, FLOOR)
    spread = NOISE * pooled.flatten(0, 1).var(0).mean().sqrt()
    present = torch.from_numpy((studies.severity > 0).astype(np.float32))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 50) * min(1, 2.5 * (1 - step / steps) + 0.01)
        indices = rng.choice(len(studies.seeds), min(192, len(studies.seeds)), replace=False)
        seen = pooled[rng.integers(0, len(pooled), len(indices)), indices]
        unit = net.embed(net.standard(seen + spread * torch.randn(seen.shape)))
        prompts = net.text(sentences.drawn(words))
        pairs = prompts.view(-1, 2, unit.shape[1])
        odds = net.scale() * unit @ (pairs[:, 0] - pairs[:, 1]).T + net.bias
        few = indices[:48]
        told = net.text(sentences.ids([reports.report(studies.kind, studies.truths[i]["findings"], words) for i in few]))
        cosines = net.scale() * unit[:48] @ told.T
        near = network.soft_contrastive(cosines, 2 * present[few] - 1) if studies.kind == "ct" else network.info_nce(cosines)
        apart = F.cross_entropy(net.words(prompts), torch.arange(len(prompts)))
        loss = network.prompt_loss(odds, present[indices]) + 0.15 * near + 0.1 * apart
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 200 == 0 or step == steps - 1:
            print(f"words {step}: {loss.detach():.4f}, contrast {near.detach():.4f}", flush=True)


def platt(margin, present):
    """a, b of sigma(a m + b), by Newton with a little pull to a usual slope; Platt's smoothed targets."""
    yes, no = present.sum(), (~present).sum()
    target = np.where(present, (yes + 1) / (yes + 2), 1 / (no + 2))
    scale = margin.std() + 1e-9
    x = np.stack([(margin - margin.mean()) / scale, np.ones_like(margin)], 1).astype(float)
    w = np.array([1.0, 0.0])
    for _ in range(100):
        p = 1 / (1 + np.exp(-x @ w))
        grad = x.T @ (p - target) + 1e-3 * w
        hess = (x * (p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(2)
        w = w - np.linalg.solve(hess, grad)
    return float(w[0] / scale), float(w[1] - w[0] * margin.mean() / scale)


def domain(training, validation, share):
    """mean, whiten and limit: distance = sqrt(mean of the whitened squares), shrunk so that directions without spread do not
    decide; `share` of the validation split lies outside."""
    mean = training.mean(0)
    centred = training - mean
    cov = centred.T @ centred / len(centred)
    sizes, axes = np.linalg.eigh(cov)
    sizes = sizes + 0.02 * sizes.mean()
    whiten = np.ascontiguousarray((axes / np.sqrt(sizes)).T)  # save_file writes what lies in memory
    distance = np.sqrt((((validation - mean) @ whiten.T) ** 2).mean(1))
    return mean.astype(np.float32), whiten.astype(np.float32), float(np.quantile(distance, 1 - share)), distance


def ece(probability, present, bins=10):
    order = np.argsort(probability)
    return float(sum(abs(probability[part].mean() - present[part].mean()) * len(part)
                     for part in np.array_split(order, bins)) / len(order))


def prompts_of(kind):
    made = []
    for label, (text, names, *_) in reports.LABELS[kind].items():
        sides = [reports.sentences(kind, label, present) for present in (True, False)]
        made.append({"id": label, "text": text, **{side: texts[:2] + texts[-2:] if len(texts) > PROMPTS else texts
                                                   for side, texts in zip(("positive", "negative"), sides)}})
    return made


def recall_at(cosines, k=10):
    own = np.diag(cosines)
    return float(((cosines > own[:, None]).sum(1) < k).mean()), float(((cosines > own[None]).sum(0) < k).mean())


@torch.no_grad()
def measured(net, sentences, studies, pooled, prompts):
    """Figures and calibration on the validation split."""
    unit = net.embed(net.standard(torch.from_numpy(pooled)))
    by_label = {one["id"]: one for one in prompts}
    names = list(reports.LABELS[studies.kind])

    def odds(texts_of):
        pairs = sentences.embedded(net.text, texts_of)
        return (net.scale() * unit @ (pairs[:, 0] - pairs[:, 1]).T).numpy()

    margins = odds(lambda number, side: by_label[names[number]][("positive", "negative")[side]])
    held = reports.held_out()[studies.kind]
    others = odds(lambda number, side: held[names[number]][("positive", "negative")[side]])
    present = studies.severity > 0
    rows, probabilities = [], np.empty_like(margins)
    for i, name in enumerate(names):
        a, b = platt(margins[:, i], present[:, i])
        probabilities[:, i] = 1 / (1 + np.exp(-(a * margins[:, i] + b)))
        by_label[name]["calibration"] = {"a": round(a, 6), "b": round(b, 6)}
        cut = -b / a if a > 1e-6 else np.inf  # a margin that tells nothing finds nothing
        by_label[name]["threshold"] = round(float(1 / (1 + np.exp(-np.clip(cut, -12, 12)))), 6)
        area = auc(margins[:, i], present[:, i])
        if area < TOLD:
            by_label[name]["trained"] = False
        rows.append({"id": name, "auc": area, "told": bool(area >= TOLD), "held_out": auc(others[:, i], present[:, i]),
                     "thirds": thirds(margins[:, i], studies.severity[:, i]), "count": int(present[:, i].sum())})
    stated = [row["told"] for row in rows]
    told = net.text(sentences.ids([reports.report(studies.kind, t["findings"]) for t in studies.truths]))
    return {"labels": rows, "ece": ece(probabilities[:, stated].ravel(), present[:, stated].ravel()), "recall": recall_at((unit @ told.T).numpy()),
            "studies": len(unit)}


def thirds(margin, severity):
    """AUC of mild, middling and severe cases against all without."""
    found = []
    for low, high in ((0.2, 0.4667), (0.4667, 0.7333), (0.7333, 1.01)):
        chosen = (severity == 0) | ((severity >= low) & (severity < high))
        found.append(auc(margin[chosen], severity[chosen] > 0))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=pathlib.Path, required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--moved", type=int, default=2, help="times each training study is moved about")
    parser.add_argument("--steps", type=int, default=1500, help="of learning to speak")
    parser.add_argument("--outside", type=float, default=0.01, help="share of the validation split beyond the domain's limit")
    parser.add_argument("--trained", action="store_true", help="the figures are good enough to decide")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    last = torch.load(arguments.run / "last.pt", weights_only=False)
    config, kind = last["config"], "cmr" if last["config"]["family"] == "cmr-clip" else "ct"
    studies, validation = (Studies(arguments.data, kind, seeds, config["vision"]) for seeds in (TRAINING, VALIDATION))
    net = network.Network(config, kind, len(studies.labels), len(MEASURES[kind]))
    net.load_state_dict(last["average"])
    vocabulary = wordpiece.build(reports.training_texts(kind))
    sentences = Sentences(kind, vocabulary, config["text"]["max_len"])
    start = time.time()
    seen = kept_vectors(arguments.run, net, "training", studies, arguments.moved, last["step"])
    checked = kept_vectors(arguments.run, net, "validation", validation, 0, last["step"])[0]
    print(f"vectors of {seen.shape[1]} and {len(checked)} studies: {time.time() - start:.0f} s", flush=True)
    speak(net, sentences, seen, studies, arguments.steps, arguments.seed)
    net.eval()
    prompts = prompts_of(kind)
    figures = measured(net, sentences, validation, checked, prompts)
    mean, whiten, limit, _ = domain(seen.reshape(-1, seen.shape[-1]).astype(float), checked.astype(float), arguments.outside)
    config = {**config, "trained": arguments.trained, "preprocess": demos.DEMOS[kind]["preprocess"],
              "score": {"mode": "pair_softmax", "scale_mode": "exp",
                        "calibration": {"id": f"platt-{config['name']}-1",
                                        "on": f"{figures['studies']} synthetic phantoms that training did not see"}},
              "domain": {"of": "tower", "limit": round(limit, 4), "id": f"{config['name']}-phantoms-1"}}
    folder.write(arguments.out, config, net.folded(), net.text, float(net.scale().log()),
                 {"version": f"{config['name']}-prompts-1", "labels": prompts}, vocabulary)
    save_file({"mean": mean, "whiten": whiten}, arguments.out / "domain.safetensors")
    with open(arguments.run / "curve.csv", encoding="utf-8") as file:
        curve = list(csv.DictReader(file))
    facts = {"kind": kind, "step": last["step"], "seconds": last["spent"], "training": len(studies.seeds), "config": config,
             "declined": studies.declined, "figures": figures, "curve": curve}
    (arguments.out / "README.md").write_text(card.written(facts), encoding="utf-8")
    for path in arguments.out.iterdir():
        path.chmod(0o644)  # safetensors writes for the owner alone
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
