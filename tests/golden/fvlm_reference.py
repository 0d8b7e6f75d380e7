"""fVLM's image side under its published keys: MONAI's ViT and torch.nn.MultiheadAttention, with random weights.

The crops are written out again from the published evaluation (github.com/alibaba-damo-academy/fvlm, eval.py), on whole
arrays; padding is MONAI's DivisiblePad. A grid other than the configured one takes its positions resized, trilinear.
"""
import numpy
import torch
from monai.networks.nets import ViT
from monai.transforms import DivisiblePad
from torch import nn
from torch.nn import functional

ORGANS = ["lung", "heart", "esophagus", "aorta"]
FULL = dict(input=[112, 256, 352], patch=[16, 16, 32], width=768, depth=12, heads=12, mlp_dim=3072, proj_dim=256,
            taps=[3, 6, 9], crop=[112, 288, 352])


def config(c, text=None):
    own = ("input", "patch", "width", "depth", "heads", "mlp_dim", "proj_dim", "taps")
    organs = [{"id": name, "text": name.capitalize(), "labels": [i + 1]} for i, name in enumerate(ORGANS)]
    vision = {"arch": "vit", "channels": 1, "patch_bias": True, "act": "gelu", "ln_eps": 1e-5, "cls_token": False,
              "pre_ln": False, "post_ln": True, "pos": "learned", "pos_resize": "trilinear", "qkv_bias": True,
              "pool": "tokens", "proj_bias": True, **{name: c[name] for name in own}}
    organ = {"pool": "queries", "query_heads": 4, "organs": organs}
    return {"family": "fvlm", "vision": vision, **({"text": text} if text else {}),
            "organ": {**organ, "crop": c["crop"]} if c["crop"] != FULL["crop"] else organ}


class Reference(nn.Module):
    def __init__(self, c, seed, organs=len(ORGANS)):
        super().__init__()
        self.c = c
        self.visual_encoder = ViT(1, c["input"], c["patch"], c["width"], c["mlp_dim"], c["depth"], c["heads"],
                                  proj_type="conv", qkv_bias=True)
        self.attention = nn.MultiheadAttention(c["width"], 4, batch_first=True)
        self.vision_projs = nn.ModuleList(nn.Linear(c["width"], c["proj_dim"]) for _ in range(organs))
        self.query_tokens = nn.Parameter(torch.zeros(organs, c["width"]))
        self.temp = nn.Parameter(torch.tensor(0.07))
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, p in self.named_parameters():
                noise = torch.randn(p.shape, generator=draw)
                if "norm" in name and name.endswith("weight"):
                    p.copy_(1 + 0.1 * noise)
                elif p.dim() > 1:
                    p.copy_(noise * p[0].numel() ** -0.5)
                elif p.dim() == 1:
                    p.copy_(0.1 * noise)
            self.query_tokens.mul_(c["width"] ** 0.5)
            self.visual_encoder.patch_embedding.position_embeddings.mul_(c["width"] ** 0.5)
        self.eval()

    def published(self):
        return {name: value.detach().numpy() for name, value in self.state_dict().items()}

    def canonical(self):
        renames = [("visual_encoder.patch_embedding.patch_embeddings", "vision.patch"),
                   ("visual_encoder.patch_embedding.position_embeddings", "vision.pos"),
                   ("visual_encoder.blocks.", "vision.layers."), ("visual_encoder.norm.", "vision.post_ln."),
                   (".norm1.", ".ln1."), (".norm2.", ".ln2."), (".attn.out_proj.", ".attn.out."), (".linear", ".fc"),
                   ("attention.in_proj_", "organ.attn.qkv."), ("attention.out_proj", "organ.attn.out"),
                   ("vision_projs", "organ.proj"), ("query_tokens", "organ.query")]
        out = {}
        for name, value in self.published().items():
            for old, new in renames:
                name = name.replace(old, new)
            out[name] = value
        del out["temp"]
        return out

    def levels(self, values, see):
        """The four levels of tokens of one crop [z][y][x]."""
        tower, patch = self.visual_encoder, self.c["patch"]
        embedding = tower.patch_embedding
        positions, (z, y, x) = embedding.position_embeddings, (n // p for n, p in zip(self.c["input"], patch))
        if list(values.shape) != self.c["input"]:
            grid = positions.reshape(1, z, y, x, -1).permute(0, 4, 1, 2, 3)
            size = [n // p for n, p in zip(values.shape, patch)]
            grid = functional.interpolate(grid, size=size, mode="trilinear", align_corners=False)
            embedding.position_embeddings = nn.Parameter(grid.flatten(2).transpose(1, 2))
        image = torch.from_numpy(values)[None, None].to(positions.dtype)
        see("patch", embedding.patch_embeddings(image).flatten(2)[0].T)
        final, hidden = tower(image)
        see("embed", embedding(image)[0])
        embedding.position_embeddings = positions
        for i, state in enumerate(hidden):
            see(f"layer.{i}", state[0])
        see("post", final[0])
        return [hidden[i][0] for i in self.c["taps"]] + [final[0]]

    def crop(self, values, mask, organ):
        """The crop of one organ, of values and of its own mask."""
        inside = mask == organ + 1
        low, high = ([int(axis) for axis in edge] for edge in (f(numpy.argwhere(inside), 0) for f in (numpy.min, numpy.max)))
        at = []
        for lo, hi, least, length in zip(low, high, self.c["crop"], values.shape):
            size = max(least, hi - lo)
            start = max(0, (lo + hi) // 2 - size // 2)
            end = min(length, start + size)
            at.append(slice(max(0, end - size) if end - start < size else start, end))
        pad = DivisiblePad(self.c["patch"], method="end")
        return [pad(torch.from_numpy(a[tuple(at)].astype("f4"))[None])[0].as_tensor().numpy() for a in (values, inside)]

    @torch.no_grad()
    def organ(self, values, mask, organ, see=lambda name, value: None):
        values, inside = self.crop(values, mask, organ)
        levels = self.levels(values, see)
        patch = tuple(self.c["patch"])
        flags = functional.max_pool3d(torch.from_numpy(inside)[None, None], patch, patch)[0].flatten() > 0
        tokens = torch.cat([level[flags] for level in levels])[None]
        mixed, _ = self.attention(self.query_tokens[organ][None, None], tokens, tokens)
        vector = functional.normalize(self.vision_projs[organ](mixed[0, 0]), dim=-1)
        see(f"organ.{organ}", vector[None])
        return vector.numpy()

    def __call__(self, values, mask):
        return {name: self.organ(values, mask, i) for i, name in enumerate(ORGANS) if (mask == i + 1).any()}
