"""Organ flows round a U-Net, in torch and numpy: what no library holds. The U-Net is unet_reference's, the attention
torch.nn.MultiheadAttention; windows, masks and crops are written out again from the published procedure, plainly and
on whole arrays (damo-radar inference_demo.py; CT-GLIP arXiv 2404.15272), so that they share nothing with our code.
"""
import itertools
import math

import numpy
import torch
from torch import nn
from torch.nn import functional

import unet_reference

MARGIN = 2


def starts(image, window, overlap):
    """Along one axis."""
    step = image if image == window else max(1, int(window * (1 - overlap)))
    count = next(i for i in range(math.ceil(image / step)) if i * step + window >= image) + 1
    return [min(i * step, image - window) for i in range(count)]


def windows(shape, window, overlap):
    return list(itertools.product(*(starts(n, w, overlap) for n, w in zip(shape, window))))


def padded(array, shape):
    return numpy.pad(array, [(0, max(0, n - have)) for n, have in zip(shape, array.shape)])


def box(start, size):
    return tuple(slice(s, s + n) for s, n in zip(start, size))


class Mean:
    """Mean of a map over an organ's voxels, each voxel's the mean over the windows that hold it."""

    def __init__(self, net, unet, organs, proj=None):
        self.net, self.unet, self.organs, self.proj = net, unet, organs, proj

    @torch.no_grad()
    def __call__(self, volume, mask, window, overlap):
        dtype = next(self.net.parameters()).dtype
        volume, mask = padded(volume, window), padded(mask, window)
        total = None
        for start in windows(volume.shape, window, overlap):
            at = box(start, window)
            part = unet_reference.maps(self.net, self.unet, torch.from_numpy(volume[at])[None].to(dtype), lambda *_: 0)
            if total is None:
                total, cover = numpy.zeros((len(part), *volume.shape)), numpy.zeros(volume.shape)
            total[(slice(None), *at)] += part.numpy()
            cover[at] += 1
        total /= cover
        vectors = {}
        for name, labels in self.organs.items():
            inside = numpy.isin(mask, labels)
            if not inside.any():
                continue
            vector = torch.from_numpy(total[:, inside].mean(1)).to(dtype)
            vectors[name] = functional.normalize(self.proj(vector) if self.proj else vector, dim=0).numpy()
        return vectors


class Query(nn.Module):
    """RADAR's image side; the state dict's names are the published ones."""

    def __init__(self, unet, organs, seed, proj_dim=None):
        super().__init__()
        width = unet["map_dim"]
        self.unet, self.organs = unet, organs
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.vision_projs = nn.ModuleList(nn.Linear(width, proj_dim or width) for _ in organs)
        self.query_tokens = nn.Parameter(torch.zeros(len(organs), width))
        draw = torch.Generator().manual_seed(seed + 1000)
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(torch.randn(p.shape, generator=draw) * (0.1 if p.dim() == 1 else p.shape[1] ** -0.5))
            self.query_tokens.mul_(width ** 0.5)
        self.net = unet_reference.build(unet, seed)
        self.eval()

    def published(self):
        own = {name: value.detach() for name, value in self.state_dict().items() if not name.startswith("net.")}
        return {**own, **unet_reference.radar_state(self.net, self.unet), "temp": torch.tensor(0.07)}

    def canonical(self):
        own = {name: value.detach() for name, value in self.state_dict().items() if not name.startswith("net.")}
        renames = [("attention.in_proj_", "organ.attn.qkv."), ("attention.out_proj", "organ.attn.out"),
                   ("vision_projs", "organ.proj"), ("query_tokens", "organ.query")]
        for old, new in renames:
            own = {name.replace(old, new): value for name, value in own.items()}
        return {**own, **unet_reference.canonical(self.net, self.unet)}

    def run(self, values):
        """maps (deepest first), scores on the coarse grid, labels on the input's."""
        stages = {}
        dtype = self.query_tokens.dtype
        unet_reference.maps(self.net, self.unet, torch.from_numpy(values)[None].to(dtype), stages.__setitem__)
        fine = functional.interpolate(stages["seg"][None], size=values.shape, mode="trilinear", align_corners=False)
        return [stages[f"proj.{k}"] for k in range(3)], stages["seg"], fine[0].argmax(0).numpy()

    def vector(self, maps, labels, organ):
        tokens = []
        inside = torch.from_numpy((labels == organ + 1).astype("f4"))[None, None]
        for level in maps:
            cell = [n // m for n, m in zip(labels.shape, level.shape[1:])]
            flags = functional.max_pool3d(inside, cell, cell)[0, 0] > 0
            tokens.append(level[:, flags].T)
        tokens = torch.cat(tokens)[None]
        mixed, _ = self.attention(self.query_tokens[organ][None, None], tokens, tokens)
        return functional.normalize(self.vision_projs[organ](mixed[0, 0]), dim=0).numpy()

    def take(self, values, found, waived=None):
        maps, scores, labels = self.run(values)
        edge = numpy.ones(labels.shape, bool)
        edge[(slice(MARGIN, -MARGIN),) * 3] = False
        for organ in range(len(self.organs)):
            touches = (labels[edge] == organ + 1).any() and organ != waived
            if organ not in found and (labels == organ + 1).any() and not touches:
                found[organ] = self.vector(maps, labels, organ)
        return scores, labels.shape

    @torch.no_grad()
    def __call__(self, volume, window, overlap):
        """{organ: vector}, the organs that only a crop gave."""
        volume, found = padded(volume, window), {}
        total = numpy.zeros((self.unet["classes"], *volume.shape))
        for start in windows(volume.shape, window, overlap):
            at = box(start, window)
            scores, shape = self.take(volume[at], found)
            part = functional.interpolate(scores.softmax(0)[None], size=shape, mode="trilinear")[0]
            total[(slice(None), *at)] += part.numpy()
        stitched, first = total.argmax(0), set(found)
        for organ in range(len(self.organs)):
            inside = numpy.argwhere(stitched == organ + 1)
            if organ in found or not len(inside):
                continue
            self.take(self.crop(volume, inside.min(0), inside.max(0), window), found, waived=organ)
        names = list(self.organs)
        return {names[o]: v for o, v in found.items()}, {names[o] for o in found if o not in first}

    @staticmethod
    def crop(volume, low, high, window):
        at = []
        for lo, hi, least, length in zip(low, high, window, volume.shape):
            size = max(least, hi - lo)
            start = max(0, (lo + hi) // 2 - size // 2)
            end = min(length, start + size)
            at.append(slice(max(0, end - size) if end - start < size else start, end))
        part = volume[tuple(at)]
        return padded(part, [-(-n // 32) * 32 for n in part.shape])
