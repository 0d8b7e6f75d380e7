"""CMR-CLIP put together from torch's modules under the published keys (docs/model-folder.md).

Divided attention is torch.nn.MultiheadAttention with a mask that says who sees whom. At full size that mask would take
gigabytes; there the same attention is cut into groups, which a test holds against the mask at a small size.
"""
import torch
from torch import nn
from torch.nn import functional
from transformers import BertConfig, BertModel


def seen(frames, cells, across_time):
    """True where a query (row) may not see a key (column)."""
    place = torch.arange(cells).repeat(frames) if across_time else torch.arange(frames).repeat_interleave(cells)
    hidden = torch.zeros(1 + frames * cells, 1 + frames * cells, dtype=torch.bool)
    hidden[1:, 1:] = place[:, None] != place[None, :]
    return hidden


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def masked(self, x, frames, cells, across_time):
        return functional.multi_head_attention_forward(
            x.transpose(0, 1), x.transpose(0, 1), x.transpose(0, 1), x.shape[-1], self.heads, self.qkv.weight,
            self.qkv.bias, None, None, False, 0.0, self.proj.weight, self.proj.bias, training=False,
            need_weights=False, attn_mask=seen(frames, cells, across_time))[0].transpose(0, 1)

    def grouped(self, x, frames, cells, across_time):
        width = x.shape[-1]
        q, k, v = self.qkv(x[0]).view(-1, 3, self.heads, width // self.heads).permute(1, 2, 0, 3)
        out = torch.empty_like(q)
        attend = lambda q, k, v: (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1) @ v
        out[:, :1] = attend(q[:, :1], k, v)
        rows = torch.arange(frames * cells).view(frames, cells) + 1
        for group in (rows.T if across_time else rows):
            keys = torch.cat([torch.zeros(1, dtype=torch.long), group])
            out[:, group] = attend(q[:, group], k[:, keys], v[:, keys])
        return self.proj(out.permute(1, 0, 2).reshape(1, -1, width))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        width = c["width"]
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width, eps=c["ln_eps"]) for _ in range(3))
        self.attn, self.timeattn = Attention(width, c["heads"]), Attention(width, c["heads"])
        self.mlp = nn.Module()
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(width, c["mlp_dim"]), nn.Linear(c["mlp_dim"], width)

    def forward(self, x, how, frames, cells, residual, see):
        u = x + getattr(self.timeattn, how)(self.norm3(x), frames, cells, True)
        see("time", u)
        y = (x if residual == "block_input" else u) + getattr(self.attn, how)(self.norm1(u), frames, cells, False)
        see("attn", y)
        x = y + self.mlp.fc2(functional.gelu(self.mlp.fc1(self.norm2(y))))
        see("layer", x)
        return x


class Video(nn.Module):
    def __init__(self, c):
        super().__init__()
        frames, width = c["input"][0], c["width"]
        cells = (c["input"][1] // c["patch"][0]) * (c["input"][2] // c["patch"][1])
        self.pool = c["pool"]
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + cells, width))
        self.temporal_embed = nn.Parameter(torch.zeros(1, frames, width))
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(c["channels"], width, c["patch"], c["patch"])
        self.blocks = nn.ModuleList(Block(c) for _ in range(c["depth"]))
        self.norm = nn.LayerNorm(width, eps=c["ln_eps"])

    def forward(self, video, how, residual, see):
        frames = video.shape[0]
        x = self.patch_embed.proj(video).flatten(2).transpose(1, 2)
        cells = x.shape[1]
        see("patch", x.reshape(1, frames * cells, -1))
        x = x + self.pos_embed[:, 1:] + self.temporal_embed[0, :frames, None]
        x = torch.cat([self.cls_token + self.pos_embed[:, :1], x.reshape(1, frames * cells, -1)], 1)
        see("embed", x)
        for i, block in enumerate(self.blocks):
            x = block(x, how, frames, cells, residual, lambda name, value: see(f"{name}.{i}", value))
        x = self.norm(x)
        x = x[:, 0] if self.pool == "cls" else x[:, 1:].mean(1)
        see("post", x)
        return x


class Reference(nn.Module):
    """State dict keys are those of the published checkpoint."""

    def __init__(self, config, seed):
        super().__init__()
        vision, text = config["vision"], config["text"]
        self.config = config
        self.video_model = Video(vision)
        self.text_model = BertModel(BertConfig(
            vocab_size=text["vocab"], hidden_size=text["width"], num_hidden_layers=text["depth"],
            num_attention_heads=text["heads"], intermediate_size=text["mlp_dim"],
            max_position_embeddings=text["max_pos"], layer_norm_eps=text["ln_eps"], hidden_act="gelu"))
        self.vid_proj = nn.Sequential(nn.ReLU(), nn.Linear(vision["width"], vision["proj_dim"]))
        self.txt_proj = nn.Sequential(nn.ReLU(), nn.Linear(text["width"], text["proj_dim"]))
        draw = torch.Generator().manual_seed(seed)
        for name, p in self.named_parameters():
            noise = torch.randn(p.shape, generator=draw)
            norm = p.dim() == 1 and name.endswith("weight")
            p.data.copy_(1 + 0.1 * noise if norm else noise * (0.1 if p.dim() == 1 else p[0].numel() ** -0.5))
        self.eval()

    def tensors(self):
        """Published names and values; the hub's file has no position_ids."""
        return {name: value.numpy() for name, value in self.state_dict().items() if "position_ids" not in name}

    @torch.no_grad()
    def image(self, video, how="masked"):
        stages = {}
        keep = lambda name, value: stages.__setitem__(name, value[0].numpy() if value.dim() == 3 else value.numpy())
        x = self.video_model(video, how, self.config["vision"]["space_residual"], keep)
        keep("unit", functional.normalize(self.vid_proj(x), dim=-1, eps=1e-8))
        return stages

    @torch.no_grad()
    def text(self, ids):
        last = self.text_model(torch.tensor([ids])).last_hidden_state[0]
        pooled = last.mean(0, keepdim=True)
        return {"pool": pooled.numpy(), "unit": functional.normalize(self.txt_proj(pooled), dim=-1).numpy()}


def config(vision, text, proj_dim, residual="block_input", pool="cls"):
    """vision: frames-y-x, patch, width, depth, heads; text: vocab, width, depth, heads, max_pos."""
    return {
        "name": "golden", "version": "1", "manufacturer": "test", "family": "cmr-clip", "trained": False,
        "vision": dict(zip(("input", "patch", "width", "depth", "heads"), vision), arch="spacetime_vit", channels=3,
                       mlp_dim=4 * vision[2], act="gelu", ln_eps=1e-6, pre_ln=False, patch_bias=True,
                       attn="divided_time_space", space_residual=residual, time_pos=vision[0][0], pool=pool, proj_pre="relu",
                       proj_dim=proj_dim),
        "text": dict(zip(("vocab", "width", "depth", "heads", "max_pos"), text), arch="bert", mlp_dim=4 * text[1],
                     act="gelu", ln_eps=1e-12, max_len=text[4], do_lower_case=True, pool="mean", proj_pre="relu",
                     proj_dim=proj_dim),
        "preprocess": {"modality": "MR", "norm": "meanstd", "mean": 0.5, "std": 0.25},
    }
