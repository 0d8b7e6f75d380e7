"""The reference: torch's own modules, put together as the published model is. Nothing here is our code's copy:
attention is torch.nn.MultiheadAttention, the text tower is transformers' BertModel."""
import math

import torch
from torch import nn
from transformers import BertConfig, BertModel


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        width = c["width"]
        self.ln_1 = nn.LayerNorm(width, eps=c["ln_eps"])
        self.attn = nn.MultiheadAttention(width, c["heads"], batch_first=True)
        self.ln_2 = nn.LayerNorm(width, eps=c["ln_eps"])
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, c["mlp_dim"]))
        self.mlp.add_module("act", {"quick_gelu": QuickGELU, "gelu": nn.GELU, "relu": nn.ReLU}[c["act"]]())
        self.mlp.add_module("c_proj", nn.Linear(c["mlp_dim"], width))

    def forward(self, x, see):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        see("attn", x)
        x = x + self.mlp(self.ln_2(x))
        see("layer", x)
        return x


class Visual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c, width = c, c["width"]
        cells = math.prod(n // p for n, p in zip(c["input"], c["patch"]))
        self.conv1 = nn.Conv3d(1, width, c["patch"], c["patch"], bias=c["patch_bias"])
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(cells + 1, width))
        self.ln_pre = nn.LayerNorm(width, eps=c["ln_eps"]) if c["pre_ln"] else nn.Identity()
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(Block(c) for _ in range(c["depth"]))
        self.ln_post = nn.LayerNorm(width, eps=c["ln_eps"]) if c["post_ln"] else nn.Identity()

    def forward(self, volume, see):
        x = self.conv1(volume[None, None]).flatten(2).transpose(1, 2)
        see("patch", x)
        x = torch.cat([self.class_embedding[None, None], x], 1) + self.positional_embedding
        x = self.ln_pre(x)
        see("embed", x)
        for i, block in enumerate(self.transformer.resblocks):
            x = block(x, lambda name, value: see(f"{name}.{i}", value))
        x = self.ln_post(x[:, 0])
        see("post", x)
        return x


class Reference(nn.Module):
    """State dict keys are those of the published checkpoint."""

    def __init__(self, config, seed):
        super().__init__()
        vision, text = config["vision"], config["text"]
        self.config = config
        self.vision_encoder = nn.Module()
        self.vision_encoder.visual = Visual(vision)
        self.vision_encoder.logit_scale = nn.Parameter(torch.tensor(2.6592))
        self.language_encoder = BertModel(BertConfig(
            vocab_size=text["vocab"], hidden_size=text["width"], num_hidden_layers=text["depth"],
            num_attention_heads=text["heads"], intermediate_size=text["mlp_dim"],
            max_position_embeddings=text["max_pos"], layer_norm_eps=text["ln_eps"], hidden_act=text["act"]))
        self.multi_modal_vision_proj = nn.Linear(vision["width"], vision["proj_dim"])
        self.multi_modal_language_proj = nn.Linear(text["width"], text["proj_dim"])
        self.randomise(seed)
        self.eval()

    def randomise(self, seed):
        """No zero bias and no unit norm: a term that is left out or swapped must show."""
        draw = torch.Generator().manual_seed(seed)
        for name, p in self.named_parameters():
            noise = torch.randn(p.shape, generator=draw)
            if p.dim() == 0:
                continue
            is_norm = p.dim() == 1 and name.endswith("weight")
            with torch.no_grad():
                p.copy_(1 + 0.1 * noise if is_norm else noise * (0.1 if p.dim() == 1 else p[0].numel() ** -0.5))

    @torch.no_grad()
    def image(self, volume):
        stages = {}
        keep = lambda name, value: stages.__setitem__(name, value[0].numpy() if value.dim() == 3 else value.numpy())
        x = self.vision_encoder.visual(volume, keep)
        x = torch.relu(x) if self.config["vision"]["proj_pre"] == "relu" else x
        keep("unit", nn.functional.normalize(self.multi_modal_vision_proj(x), dim=-1))
        return stages

    @torch.no_grad()
    def text(self, ids):
        ids = torch.tensor([ids])
        out = self.language_encoder(ids, output_hidden_states=True)
        stages = {"embed": out.hidden_states[0][0].numpy()}
        for i, hidden in enumerate(out.hidden_states[1:]):
            stages[f"layer.{i}"] = hidden[0].numpy()
        last, pool = out.last_hidden_state[0], self.config["text"]["pool"]
        pooled = {"cls": last[0], "mean": last.mean(0), "argmax_id": last[ids[0].argmax()]}[pool][None]
        stages["pool"] = pooled.numpy()
        stages["unit"] = nn.functional.normalize(self.multi_modal_language_proj(pooled), dim=-1).numpy()
        return stages


def config(vision, text, pool="argmax_id", **changes):
    """vision: input, patch, width, depth, heads; text: vocab, width, depth, heads, max_pos."""
    proj = changes.pop("proj_dim", vision[2])
    c = {
        "name": "golden", "version": "1", "manufacturer": "test", "family": "cardiac-clip", "trained": False,
        "vision": dict(zip(("input", "patch", "width", "depth", "heads"), vision), arch="vit",
                       mlp_dim=4 * vision[2], act="quick_gelu", ln_eps=1e-5, pre_ln=True, post_ln=True,
                       patch_bias=False, proj_dim=proj, proj_pre="none"),
        "text": dict(zip(("vocab", "width", "depth", "heads", "max_pos"), text), arch="bert",
                     mlp_dim=4 * text[1], act="gelu", ln_eps=1e-12, max_len=text[4], do_lower_case=False,
                     pool=pool, proj_dim=proj),
        "preprocess": {"modality": "CT"},
    }
    c["vision"].update(changes)
    return c


def canonical(published):
    """What a converter does: the published state dict under our own names (docs/model-folder.md)."""
    out = {}
    for name, value in published.items():
        for old, new in RENAMES:
            name = name.replace(old, new)
        out[name] = value
    for i in range(1000):
        parts = [f"text.layers.{i}.attn.{part}." for part in ("query", "key", "value")]
        if parts[0] + "weight" not in out:
            break
        for kind in ("weight", "bias"):
            out[f"text.layers.{i}.attn.qkv.{kind}"] = torch.cat([out.pop(part + kind) for part in parts])
    return {name: value for name, value in out.items() if not name.startswith("language_encoder.")}


RENAMES = [
    ("vision_encoder.visual.", "vision."), ("conv1", "patch"), ("class_embedding", "cls"),
    ("positional_embedding", "pos"), ("ln_pre", "pre_ln"), ("ln_post", "post_ln"),
    ("transformer.resblocks", "layers"), ("ln_1", "ln1"), ("ln_2", "ln2"), ("attn.in_proj_", "attn.qkv."),
    ("attn.out_proj", "attn.out"), ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2"),
    ("multi_modal_vision_proj", "vision.proj"), ("multi_modal_language_proj", "text.proj"),
    ("vision_encoder.logit_scale", "logit_scale"),
    ("language_encoder.embeddings.word_embeddings", "text.tok"),
    ("language_encoder.embeddings.position_embeddings", "text.pos"),
    ("language_encoder.embeddings.token_type_embeddings", "text.type"),
    ("language_encoder.embeddings.LayerNorm", "text.emb_ln"),
    ("language_encoder.encoder.layer", "text.layers"), ("attention.self", "attn"),
    ("attention.output.dense", "attn.out"), ("attention.output.LayerNorm", "ln1"),
    ("intermediate.dense", "mlp.fc1"), (".output.dense", ".mlp.fc2"), (".output.LayerNorm", ".ln2"),
]
