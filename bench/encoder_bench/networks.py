"""The image sides in plain PyTorch, parameters under the canonical names of docs/model-folder.md: the peer that is timed,
what the ONNX files are exported from, and the reference of the embeddings. What they compute is held against the
golden tests' references through our own encoder, whose answers both are compared with.

Attention is torch's fused one where there is one (2.0 and on), else softmax(Q K^T) V."""
import torch
from torch import nn
from torch.nn import functional

FUSED = getattr(functional, "scaled_dot_product_attention", None)


def attend(q, k, v):
    if FUSED:
        return FUSED(q, k, v)
    return ((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)).softmax(-1) @ v


class Act(nn.Module):
    def __init__(self, name):
        super().__init__()
        self.quick = name == "quick_gelu"

    def forward(self, x):
        return x * torch.sigmoid(1.702 * x) if self.quick else functional.gelu(x)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads = c["heads"]
        self.qkv = nn.Linear(c["width"], 3 * c["width"])
        self.out = nn.Linear(c["width"], c["width"])

    def split(self, x):
        """q, k, v: [items, heads, tokens, width / heads]"""
        items, rows, width = x.shape
        return self.qkv(x).reshape(items, rows, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)

    def join(self, y):
        items, heads, rows, width = y.shape
        return self.out(y.transpose(1, 2).reshape(items, rows, heads * width))

    def forward(self, x):
        return self.join(attend(*self.split(x)))

    def divided(self, x, frames, across_time):
        """The class token attends to all; a patch to it and those of its place or of its frame."""
        q, k, v = self.split(x)
        first = attend(q[:, :, :1], k, v)

        def grouped(y):
            items, heads, rows, width = y.shape
            y = y[:, :, 1:].reshape(items, heads, frames, (rows - 1) // frames, width)
            return y.transpose(2, 3) if across_time else y
        groups = grouped(q)
        k, v = (torch.cat([y[:, :, None, :1].expand(-1, -1, groups.shape[2], -1, -1), grouped(y)], 3) for y in (k, v))
        y = attend(groups, k, v)
        y = y.transpose(2, 3) if across_time else y
        return self.join(torch.cat([first, y.flatten(2, 3)], 2))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(c["width"], c["mlp_dim"]), nn.Linear(c["mlp_dim"], c["width"])
        self.act = Act(c["act"])

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


def norm(c):
    return nn.LayerNorm(c["width"], eps=c["ln_eps"])


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.ln1, self.attn, self.ln2, self.mlp = norm(c), Attention(c), norm(c), Mlp(c)
        self.frames = c["input"][0] if c["arch"] == "spacetime_vit" else 0
        if self.frames:
            self.ln_t, self.tattn = norm(c), Attention(c)

    def forward(self, x):
        if self.frames:
            after = x + self.tattn.divided(self.ln_t(x), self.frames, True)
            x = x + self.attn.divided(self.ln1(after), self.frames, False)
        else:
            x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class Vision(nn.Module):
    def __init__(self, c, cells):
        super().__init__()
        width, patch = c["width"], c["patch"]
        conv = nn.Conv3d if len(patch) == 3 else nn.Conv2d
        self.patch = conv(c["channels"], width, patch, patch, bias=c.get("patch_bias", False))
        self.cls, self.pos = nn.Parameter(torch.empty(width)), nn.Parameter(torch.empty(cells + 1, width))
        self.time_pos = nn.Parameter(torch.empty(c["time_pos"], width)) if c.get("time_pos") else None
        self.pre_ln = norm(c) if c.get("pre_ln", True) else None
        self.layers = nn.ModuleList(Block(c) for _ in range(c["depth"]))
        self.post_ln = norm(c)
        self.relu = c.get("proj_pre") == "relu"
        self.proj = nn.Linear(width, c["proj_dim"], bias=c["proj_bias"])

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        if self.time_pos is not None:
            x = x + self.pos[1:] + self.time_pos[:, None]
            x = torch.cat([self.cls[None, None] + self.pos[:1], x.flatten(0, 1)[None]], 1)
        else:
            x = torch.cat([self.cls.expand(x.shape[0], 1, -1), x], 1) + self.pos
        x = self.pre_ln(x) if self.pre_ln else x
        for layer in self.layers:
            x = layer(x)
        x = self.post_ln(x[:, 0])
        units = functional.normalize(self.proj(torch.relu(x) if self.relu else x), dim=-1)
        return functional.normalize(units.mean(0), dim=-1)


class ConvNorm(nn.Module):
    def __init__(self, incoming, out, kernel, stride):
        super().__init__()
        self.conv = nn.Conv3d(incoming, out, kernel, stride, [side // 2 for side in kernel])
        self.norm = nn.BatchNorm3d(out)

    def forward(self, x):
        return functional.relu(self.norm(self.conv(x)))


def convs(count, incoming, out, kernel, stride):
    return [ConvNorm(incoming if i == 0 else out, out, kernel, stride if i == 0 else 1) for i in range(count)]


class Level(nn.Module):
    def __init__(self, incoming, out, kernel, stride, count):
        super().__init__()
        self.up = nn.ConvTranspose3d(incoming, out, stride, stride)
        self.steps = convs(count, 2 * out, out, kernel, 1)
        for i, step in enumerate(self.steps):
            self.add_module(str(i), step)

    def forward(self, x, skip):
        x = torch.cat([self.up(x), skip], 1)
        for step in self.steps:
            x = step(x)
        return x


class Unet(nn.Module):
    def __init__(self, channels, c):
        super().__init__()
        features, kernels, strides = c["features"], c["kernels"], c["strides"]
        before = [channels, *features]
        last = len(features) - 1
        self.enc = nn.ModuleList(nn.ModuleList(convs(c["convs_enc"], *sizes))
                                 for sizes in zip(before, features, kernels, strides))
        self.dec = nn.ModuleList(
            Level(features[last - i], features[last - 1 - i], kernels[last - 1 - i], strides[last - i], c["convs_dec"])
            for i in range(c["dec_levels"]))
        self.seg = nn.Conv3d(features[last - c["dec_levels"]], c["classes"], 1)
        self.proj = nn.ModuleList(nn.Conv3d(features[last - k], c["map_dim"], 1) for k in range(3))

    def forward(self, x):
        skips = []
        for stage in self.enc:
            for step in stage:
                x = step(x)
            skips.append(x)
        maps = [proj(skips[-1 - k]) for k, proj in enumerate(self.proj)]
        x = skips.pop()
        for level in self.dec:
            x = level(x, skips.pop())
        return (*maps, self.seg(x))


class Network(nn.Module):
    """From Shape.input to the unit vector; of a U-Net to its projections and class scores."""

    def __init__(self, shape, cells):
        super().__init__()
        if shape.is_unet:
            self.unet = Unet(shape.vision["channels"], shape.config["unet"])
        else:
            self.vision = Vision(shape.vision, cells)
        self.eval()

    def forward(self, x):
        return self.unet(x) if hasattr(self, "unet") else self.vision(x)

    @torch.no_grad()
    def randomise(self, seed):
        """No zero bias and no unit norm: a term that is left out or swapped must show. Values keep their size from
        layer to layer. Positions weigh as much as patches and attention chooses, so that the embedding depends on what
        is where."""
        draw = torch.Generator().manual_seed(seed)
        for name, value in self.state_dict().items():
            if not value.dtype.is_floating_point:
                continue
            noise = torch.randn(value.shape, generator=draw)
            if name.endswith("running_var"):
                value.copy_(0.5 + noise.abs())
            elif value.dim() == 1:
                gain = name.endswith("weight")  # of a norm
                value.copy_(1 + 0.1 * noise if gain else 0.1 * noise)
            elif name.startswith("unet."):
                fan = value.shape[0] if ".up." in name else value[0].numel()
                value.copy_(noise * (2 / fan) ** 0.5)
            elif name.endswith("pos"):
                value.copy_(noise)
            else:
                value.copy_(noise * value[0].numel() ** -0.5)
            if name.endswith("attn.qkv.weight"):
                value[:2 * len(value) // 3] *= 2  # queries and keys

    def tensors(self):
        return {name: value for name, value in self.state_dict().items() if not name.endswith("num_batches_tracked")}

    @torch.no_grad()
    def take(self, tensors):
        """One after the other, mapped as they are: never two copies."""
        for name, value in [*self.named_parameters(), *self.named_buffers()]:
            if name in tensors:
                value.data = tensors[name]
