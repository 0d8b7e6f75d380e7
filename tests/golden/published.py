"""State dicts under the names the authors publish (models named at each), random values, any size. Modules that
somebody else wrote give their part wherever they exist: transformers' BERT and CLIP, torch's MultiheadAttention."""
import collections

import torch
from transformers import BertConfig, BertModel, CLIPConfig, CLIPModel

BERT_BASE = dict(width=768, layers=12, inner=3072, positions=512)
BERT_SMALL = dict(width=64, layers=2, inner=96, positions=40)


class Names(collections.OrderedDict):
    """name -> tensor, drawn as it is named."""

    def draw(self, name, *shape):
        self[name] = torch.randn(shape) * 0.05

    def linear(self, name, rows, columns, bias=True):
        self.draw(name + ".weight", rows, columns)
        if bias:
            self.draw(name + ".bias", rows)

    def norm(self, name, width):
        self.draw(name + ".weight", width)
        self.draw(name + ".bias", width)

    def module(self, prefix, module):
        for name, value in module.state_dict().items():
            self[prefix + name] = value.clone()


def bert(vocab, width, layers, inner, positions):
    config = BertConfig(vocab_size=vocab, hidden_size=width, num_hidden_layers=layers, intermediate_size=inner,
                        num_attention_heads=width // 64, max_position_embeddings=positions)
    return BertModel(config)


def attention(names, to, width):
    names.module(to, torch.nn.MultiheadAttention(width, max(1, width // 64)))
    for part in ("in_proj_bias", "out_proj.bias"):  # torch draws zeros
        names.draw(to + part, *names[to + part].shape)


def cardiac_clip(width=768, layers=12, inner=3072, patch=8, cells=5184, joint=768, vocab=30522, text=BERT_BASE,
                 unused=(49408, 77, 512)):
    """github.com/Sliver-g/Cardiac-CLIP"""
    names, visual = Names(), "vision_encoder.visual."
    names.draw(visual + "class_embedding", width)
    names.draw(visual + "positional_embedding", cells + 1, width)
    names.draw(visual + "conv1.weight", width, 1, patch, patch, patch)
    names.norm(visual + "ln_pre", width)
    for i in range(layers):
        block = f"{visual}transformer.resblocks.{i}."
        attention(names, block + "attn.", width)
        names.norm(block + "ln_1", width)
        names.linear(block + "mlp.c_fc", inner, width)
        names.linear(block + "mlp.c_proj", width, inner)
        names.norm(block + "ln_2", width)
    names.norm(visual + "ln_post", width)
    names["vision_encoder.logit_scale"] = torch.tensor(2.5)
    names.draw("vision_encoder.positional_embedding", unused[1], unused[2])
    names.draw("vision_encoder.token_embedding.weight", unused[0], unused[2])
    names.norm("vision_encoder.ln_final", unused[2])
    names.module("language_encoder.", bert(vocab, **text))
    names.linear("multi_modal_language_proj", joint, text["width"])
    names.linear("multi_modal_vision_proj", joint, width)
    return names


def cmr_clip(width=768, layers=12, inner=3072, patch=16, cells=196, frames=64, joint=512, vocab=28996, text=BERT_BASE):
    """github.com/Makiya11/CMRCLIP; no position_ids in the published file"""
    names, video = Names(), "video_model."
    names.module("text_model.", bert(vocab, **text))
    names.pop("text_model.embeddings.position_ids", None)
    names.draw(video + "cls_token", 1, 1, width)
    names.draw(video + "pos_embed", 1, cells + 1, width)
    names.draw(video + "temporal_embed", 1, frames, width)
    names.draw(video + "patch_embed.proj.weight", width, 3, patch, patch)
    names.draw(video + "patch_embed.proj.bias", width)
    for i in range(layers):
        block = f"{video}blocks.{i}."
        for norm in ("norm1", "norm2", "norm3"):
            names.norm(block + norm, width)
        for attn in ("attn", "timeattn"):
            names.linear(f"{block}{attn}.qkv", 3 * width, width)
            names.linear(f"{block}{attn}.proj", width, width)
        names.linear(block + "mlp.fc1", inner, width)
        names.linear(block + "mlp.fc2", width, inner)
    names.norm(video + "norm", width)
    names.linear("txt_proj.1", joint, text["width"])
    names.linear("vid_proj.1", joint, width)
    return names


def clip_model(small=False):
    """transformers' CLIPModel at ViT-L/14, or small."""
    if small:
        vision = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=1, intermediate_size=96, image_size=28,
                      patch_size=14)
        text = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=1, intermediate_size=96, vocab_size=300,
                    max_position_embeddings=20)
        return CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=32))
    vision = dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096,
                  patch_size=14)
    text = dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072)
    return CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=768))


def radclip(small=False):
    """github.com/luzhixiu/RadCLIP: a CLIPModel's state dict"""
    names = Names()
    names.module("", clip_model(small))
    return names


SMALL_TEXT = dict(vocab=50, text=BERT_SMALL)
SMALL = {
    "cardiac-clip": lambda: cardiac_clip(64, 2, 96, 4, 8, 32, unused=(10, 5, 6), **SMALL_TEXT),
    "cmr-clip": lambda: cmr_clip(64, 2, 96, 4, 4, 3, 32, **SMALL_TEXT),
    "radclip": lambda: radclip(small=True),
}
PUBLISHED = {"cardiac-clip": cardiac_clip, "cmr-clip": cmr_clip, "radclip": radclip}
