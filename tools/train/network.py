"""A demo model with what only training needs: heads that say what is in each patch, millimetres, findings."""
import copy
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
        blocks = math.prod(p // s for p, s in zip(patch, step))
        self.parts = nn.Linear(width, labels.said(kind, blocks))
        self.measures = nn.Linear(width, measure_count)
        self.findings = nn.Linear(width, 2 * label_count)  # log odds; severity
        self.words = nn.Linear(config["text"]["proj_dim"], 2 * label_count)  # which label, and whether for or against it
        for head in (self.parts, self.measures, self.findings):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        if self.image.relu:  # that what a mean of tokens says is not cut off before it is learned
            nn.init.ones_(self.image.post_ln.bias)
        self.bias = nn.Parameter(torch.zeros(label_count))  # of the prompts' odds, in training only
        # What tells studies apart is little of a pooled vector, and the least of it lies where vectors vary least: all that
        # learns from one sees it whitened. In the folder this is part of the projection (`folded`).
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("covariance", torch.eye(width))
        self.register_buffer("whitening", torch.eye(width))

    def see(self, patches, keep=None, weights=None):
        """(tokens without the class token, the pooled vector, what is read from it); keep, weights: ImageTower.tokens."""
        tokens = self.image.tokens(patches, self.image.config["input"][0], keep, weights)
        pooled = self.image.pooled(tokens, weights)
        return tokens[:, 1:], pooled, self.standard(pooled)

    def standard(self, pooled):
        return (self.rectified(pooled) - self.mean.clone()) @ self.whitening.clone()

    def rectified(self, pooled):
        return F.relu(pooled) if self.image.relu else pooled

    def embed(self, standard):
        return F.normalize(self.image.proj(standard), dim=-1)

    @torch.no_grad()
    def follow(self, pooled, share=0.01, floor=1e-3):
        """The mean and covariance of late; share 1: of these alone. floor: variance that every direction is given, as a part
        of the mean one: what varies less is not made as large as the others."""
        pooled = self.rectified(pooled)
        self.mean.lerp_(pooled.mean(0), share)
        away = pooled - self.mean
        self.covariance.lerp_(away.T @ away / len(away), share)
        sizes, axes = torch.linalg.eigh(self.covariance)
        self.whitening.copy_(axes / (sizes.clamp(min=0) + floor * sizes.mean()).sqrt() @ axes.T)

    @torch.no_grad()
    def folded(self):
        """The image tower whose projection takes pooled vectors as they are."""
        tower = copy.deepcopy(self.image)
        tower.proj.weight.copy_(self.image.proj.weight @ self.whitening)
        tower.proj.bias.copy_(self.image.proj.bias - tower.proj.weight @ self.mean)
        return tower

    def scale(self):
        return self.logit_scale.clamp(max=math.log(40)).exp()


# Rarer than this a part counts less: of CT calcium is to be seen, of CMR nothing so small is.
RARE = {"ct": 1e-5, "cmr": 1e-4}
# Small, hard to see, and what a finding is read from.
DEAR = {"ct": {}, "cmr": {"scar_ischemic": 6, "scar_patchy": 12, "aorta": 4}}
SIZE = 30  # of labels.SIZES


def part_weights(targets, kind):
    """So that rare parts count as much as common ones. targets: kept.Studies.targets"""
    variance = targets.flatten(0, -2).var(0)
    weights = (variance > 0) / (variance + RARE[kind])
    sizes = labels.said(kind, 0)
    held = (len(weights) - sizes) // (labels.said(kind, 1) - sizes) * len(labels.PARTS)
    for name, factor in DEAR[kind].items():
        weights[labels.PARTS.index(name):held:len(labels.PARTS)] *= factor
    weights[len(weights) - sizes:] *= SIZE
    return weights


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
