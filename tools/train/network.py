"""A demo model with what only training needs: heads that say what is in each patch, millimetres, findings."""
import math

import torch
from torch import nn
from torch.nn import functional as F

import labels
import towers


class Network(nn.Module):
    def __init__(self, config, kind, label_count, measure_count):
        super().__init__()
        self.kind = kind
        self.image = towers.initialise(towers.ImageTower(config["vision"]))
        self.text = towers.initialise(towers.TextTower(config["text"]))
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        width, step = config["vision"]["width"], labels.BLOCK[kind]
        patch = ([1] if kind == "cmr" else []) + config["vision"]["patch"]
        self.parts = nn.Linear(width, math.prod(p // s for p, s in zip(patch, step)) * len(labels.PARTS))
        self.measures = nn.Linear(width, measure_count)
        self.findings = nn.Linear(width, 2 * label_count)  # log odds; severity
        self.bias = nn.Parameter(torch.zeros(label_count))  # of the prompts' odds, in training only

    def see(self, x, keep=None):
        """(tokens without the class token, the pooled vector, the embedding); keep: which patches are looked at, of a
        video in every frame."""
        tower = self.image
        tokens = tower.tokens(x, keep)
        pooled = tower.pooled(tokens)
        return tokens[:, 1:], pooled, tower.project(pooled)

    def scale(self):
        return self.logit_scale.clamp(max=math.log(40)).exp()


def part_weights(targets):
    """So that rare parts count as much as common ones."""
    variance = targets.flatten(0, -2).var(0)
    return (1 / (variance + 2e-3)).clamp(max=200)


def parts_loss(predicted, targets, weights):
    return ((predicted - targets) ** 2 * weights).mean()


def soft_contrastive(cosines, vectors, temperature=0.1):
    """Cardiac-CLIP: cross entropy of rows and columns with the softmax of the pathology vectors' cosines."""
    wanted = F.normalize(vectors, dim=-1)
    wanted = (wanted @ wanted.T / temperature).softmax(-1)
    return -((cosines.log_softmax(-1) * wanted).sum(-1).mean() + (cosines.T.log_softmax(-1) * wanted).sum(-1).mean()) / 2


def info_nce(cosines):
    """CMR-CLIP: symmetric."""
    own = torch.arange(len(cosines))
    return (F.cross_entropy(cosines, own) + F.cross_entropy(cosines.T, own)) / 2


def prompt_loss(odds, present):
    """Each label's pair of sentences is a yes or a no."""
    return F.binary_cross_entropy_with_logits(odds, present)
