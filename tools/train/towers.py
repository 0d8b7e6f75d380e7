"""The service's three towers in torch: `vit` and `spacetime_vit` for images, `bert` for text (docs/model-folder.md,
modules/encoder). Parameters are reached by the names the model folder gives them (`tensors`), so that there is one list
of names. Written for speed on a CPU: attention through scaled_dot_product_attention."""
import math

import torch
from torch import nn
from torch.nn import functional as F


def attention(q, k, v, bias=None):
    """[..., heads, tokens, head_dim]; bias: added to the scores of each key, [..., 1, 1, tokens]"""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, None if bias is None else bias.expand(*bias.shape[:-2], q.shape[-2], -1))
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    return (scores if bias is None else scores + bias).softmax(-1) @ v


def activation(name):
    return {"gelu": F.gelu, "relu": F.relu, "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x)}[name]


class Attention(nn.Module):
    def __init__(self, width, heads, bias=True):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width)

    def split(self, x):
        """[..., tokens, width] to three [..., heads, tokens, head_dim]"""
        *lead, tokens, _ = x.shape
        qkv = self.qkv(x).view(*lead, tokens, 3, self.heads, -1)
        return (one.transpose(-2, -3) for one in qkv.unbind(-3))

    def join(self, x):
        return self.out(x.transpose(-2, -3).flatten(-2))

    def forward(self, x, bias=None):
        return self.join(attention(*self.split(x), None if bias is None else bias[:, None, None]))


class DividedAttention(Attention):
    """The class token sees all; a patch sees the class token and its group: axis 2 of [batch, other, group, width]."""

    def forward(self, x, grid, axis, bias=None):
        """x: [batch, 1 + F * N, width]; grid (F, N); axis 1: attends along frames, 2: along the patches of a frame; bias of
        each token: [batch, 1 + F * N], the same in every frame."""
        batch = x.shape[0]
        q, k, v = self.split(x)
        first = attention(q[:, :, :1], k, v, None if bias is None else bias[:, None, None])
        within = None if bias is None or axis == 1 else bias[:, None, None, None, :1 + grid[1]]

        def groups(t):
            t = t[:, :, 1:].unflatten(2, grid)
            return t.transpose(2, 3) if axis == 1 else t

        def with_class(t):
            parts = groups(t)
            return torch.cat([t[:, :, None, :1].expand(-1, -1, parts.shape[2], -1, -1), parts], 3)

        rest = attention(groups(q), with_class(k), with_class(v), within)
        rest = rest.transpose(2, 3) if axis == 1 else rest
        return self.join(torch.cat([first, rest.reshape(batch, self.heads, -1, rest.shape[-1])], 2))


class Mlp(nn.Module):
    def __init__(self, width, mlp, act):
        super().__init__()
        self.fc1, self.fc2, self.act = nn.Linear(width, mlp), nn.Linear(mlp, width), activation(act)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm."""

    def __init__(self, c):
        super().__init__()
        width, eps = c["width"], c.get("ln_eps", 1e-5)
        self.ln1, self.ln2 = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.attn = Attention(width, c["heads"])
        self.mlp = Mlp(width, c["mlp_dim"], c.get("act", "quick_gelu"))

    def forward(self, x, bias=None):
        x = x + self.attn(self.ln1(x), bias)
        return x + self.mlp(self.ln2(x))


class SpacetimeBlock(nn.Module):
    """Time first; the space attention is added to what came into the block (`space_residual` `block_input`)."""

    def __init__(self, c):
        super().__init__()
        width, eps = c["width"], c.get("ln_eps", 1e-5)
        self.ln_t, self.ln1, self.ln2 = (nn.LayerNorm(width, eps) for _ in range(3))
        self.tattn, self.attn = DividedAttention(width, c["heads"]), DividedAttention(width, c["heads"])
        self.mlp = Mlp(width, c["mlp_dim"], c.get("act", "quick_gelu"))
        self.after_time = c.get("space_residual", "block_input") == "after_time"

    def forward(self, x, grid, bias=None):
        u = x + self.tattn(self.ln_t(x), grid, 1, bias)
        y = (u if self.after_time else x) + self.attn(self.ln1(u), grid, 2, bias)
        return y + self.mlp(self.ln2(y))


class ImageTower(nn.Module):
    """config: the section `vision`. input: [batch, z, y, x] of one channel (`spacetime_vit`: z are frames)."""

    def __init__(self, c):
        super().__init__()
        self.config, width = c, c["width"]
        self.video = c["arch"] == "spacetime_vit"
        size, patch = c["input"], ([1] if self.video else []) + c["patch"]
        self.patch_size, self.grid = patch, [n // p for n, p in zip(size, patch)]
        cells = math.prod(self.grid[1:] if self.video else self.grid)
        self.patch = nn.Linear(c.get("channels", 1) * math.prod(patch), width, bias=c.get("patch_bias", False))
        self.cls = nn.Parameter(torch.randn(width) * 0.02)
        self.pos = nn.Parameter(torch.randn(cells + 1, width) * 0.02)
        self.time_pos = nn.Parameter(torch.randn(c["time_pos"], width) * 0.02) if c.get("time_pos") else None
        eps = c.get("ln_eps", 1e-5)
        self.pre_ln = nn.LayerNorm(width, eps) if c.get("pre_ln", True) else None
        self.layers = nn.ModuleList((SpacetimeBlock if self.video else Block)(c) for _ in range(c["depth"]))
        self.post_ln = nn.LayerNorm(width, eps) if c.get("post_ln", True) else None
        self.proj = nn.Linear(width, c["proj_dim"])
        self.relu = c.get("proj_pre", "none") == "relu"

    def patches(self, x):
        """[batch, z, y, x] or [batch, channels, z, y, x] to [batch, patches, values], values in the order of a
        convolution's kernel."""
        if x.ndim == 5:
            return torch.cat([self.patches(one) for one in x.unbind(1)], -1)
        batch, (gz, gy, gx), (pz, py, px) = x.shape[0], [n // p for n, p in zip(x.shape[1:], self.patch_size)], \
            self.patch_size
        x = x.reshape(batch, gz, pz, gy, py, gx, px).permute(0, 1, 3, 5, 2, 4, 6)
        return x.reshape(batch, gz * gy * gx, pz * py * px)

    def tokens(self, patches, frames, keep=None, weights=None):
        """All tokens after the last norm, class token first. patches: [batch][patches][values] of that many frames. In
        training: keep [batch][kept], which patches of a frame (of the volume) they are; weights, as many: how many patches
        each of them stands for, in every sum over patches."""
        pos = self.pos[1:] if keep is None else self.pos[1:][keep]
        x, cells, bias = self.patch(patches), pos.shape[-2], None
        if self.video:
            pos = (pos.unsqueeze(-3) + self.time_pos[:frames, None]).flatten(-3, -2)
        if weights is not None:
            bias = F.pad(weights.log().repeat(1, frames if self.video else 1), (1, 0))
        x = torch.cat([(self.cls + self.pos[0]).expand(len(x), 1, -1), x + pos], 1)
        x = self.pre_ln(x) if self.pre_ln else x
        for layer in self.layers:
            x = layer(x, (frames, cells), bias) if self.video else layer(x, bias)
        return self.post_ln(x) if self.post_ln else x

    def pooled(self, tokens, weights=None):
        if self.config.get("pool", "cls") == "cls":
            return tokens[:, 0]
        if weights is None:
            return tokens[:, 1:].mean(1)
        weights = weights.repeat(1, (tokens.shape[1] - 1) // weights.shape[1])
        return (tokens[:, 1:] * (weights / weights.sum(1, keepdim=True))[..., None]).sum(1)

    def project(self, pooled):
        return F.normalize(self.proj(F.relu(pooled) if self.relu else pooled), dim=-1)

    def forward(self, x):
        return self.project(self.pooled(self.tokens(self.patches(x), x.shape[-3])))


class PostNormBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, eps = c["width"], c.get("ln_eps", 1e-12)
        self.ln1, self.ln2 = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.attn = Attention(width, c["heads"])
        self.mlp = Mlp(width, c["mlp_dim"], c.get("act", "gelu"))

    def forward(self, x, keep):
        q, k, v = self.attn.split(x)
        weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).masked_fill(~keep[:, None, None], -1e9)
        x = self.ln1(x + self.attn.join(weights.softmax(-1) @ v))
        return self.ln2(x + self.mlp(x))


class TextTower(nn.Module):
    """config: the section `text`. ids: [batch, tokens], 0 is padding."""

    def __init__(self, c):
        super().__init__()
        self.config, width = c, c["width"]
        self.tok = nn.Parameter(torch.randn(c["vocab"], width) * 0.02)
        self.pos = nn.Parameter(torch.randn(c["max_pos"], width) * 0.02)
        self.emb_ln = nn.LayerNorm(width, c.get("ln_eps", 1e-12))
        self.layers = nn.ModuleList(PostNormBlock(c) for _ in range(c["depth"]))
        self.proj = nn.Linear(width, c["proj_dim"])
        self.relu = c.get("proj_pre", "none") == "relu"

    def forward(self, ids):
        keep = ids != 0
        x = self.emb_ln(self.tok[ids] + self.pos[:ids.shape[1]])
        for layer in self.layers:
            x = layer(x, keep)
        if self.config["pool"] == "mean":
            x = (x * keep[..., None]).sum(1) / keep.sum(1, keepdim=True)
        elif self.config["pool"] == "cls":
            x = x[:, 0]
        else:  # argmax_id
            x = x[torch.arange(len(x)), ids.argmax(1)]
        return F.normalize(self.proj(F.relu(x) if self.relu else x), dim=-1)


def initialise(tower):
    for module in tower.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=1 / math.sqrt(module.in_features) * 0.7)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return tower


def named(tower, prefix):
    """{name in the model folder: tensor}"""
    tensors = {}
    for name, value in tower.state_dict().items():
        if name == "patch.weight":
            c = tower.config
            value = value.reshape([value.shape[0], c.get("channels", 1)] + c["patch"])
        if prefix == "text." and name in ("tok", "pos"):
            name += ".weight"
        tensors[prefix + name] = value.detach().float().contiguous()
    return tensors


def flops(c):
    """Of one forward pass of an image tower; a multiply-add is two."""
    video = c["arch"] == "spacetime_vit"
    patch = ([1] if video else []) + c["patch"]
    grid = [n // p for n, p in zip(c["input"], patch)]
    tokens, width = math.prod(grid) + 1, c["width"]
    linear = 2 * tokens * width * (4 * width * (2 if video else 1) + 2 * c["mlp_dim"])
    keys = (grid[0] + grid[1] * grid[2] + 2) if video else tokens
    return c["depth"] * (linear + 4 * tokens * keys * width) + 2 * tokens * c.get("channels", 1) * math.prod(patch) * width
