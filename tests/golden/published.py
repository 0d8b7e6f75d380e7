"""State dicts under the names the authors publish (models named at each), random values, any size. Modules that
somebody else wrote give their part wherever they exist: transformers' BERT and CLIP, torch's MultiheadAttention,
nnU-Net's plain U-Net."""
import collections

import torch
from dynamic_network_architectures.building_blocks.plain_conv_encoder import PlainConvEncoder
from dynamic_network_architectures.building_blocks.unet_decoder import UNetDecoder
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
            self[prefix + name] = value


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


def fvlm(width=768, layers=12, inner=3072, patch=(16, 16, 32), cells=1232, joint=256, vocab=30522, text=BERT_BASE):
    """github.com/alibaba-damo-academy/fvlm"""
    names, visual = Names(), "visual_encoder."
    names.draw(visual + "patch_embedding.position_embeddings", 1, cells, width)
    names.draw(visual + "patch_embedding.patch_embeddings.weight", width, 1, *patch)
    names.draw(visual + "patch_embedding.patch_embeddings.bias", width)
    for i in range(layers):
        block = f"{visual}blocks.{i}."
        names.linear(block + "mlp.linear1", inner, width)
        names.linear(block + "mlp.linear2", width, inner)
        names.norm(block + "norm1", width)
        names.linear(block + "attn.out_proj", width, width)
        names.linear(block + "attn.qkv", 3 * width, width)
        names.norm(block + "norm2", width)
    names.norm(visual + "norm", width)
    names.module("text_encoder.", bert(vocab, **text))
    for part in ("weight", "bias"):
        del names[f"text_encoder.pooler.dense.{part}"]
    names.draw("text_encoder.cls.predictions.bias", vocab)
    names.linear("text_proj", joint, text["width"])
    organ_head(names, 4, width, joint)
    return names


def organ_head(names, organs, width, joint):
    names["temp"] = torch.tensor(0.05)
    attention(names, "attention.", width)
    for o in range(organs):
        names.linear(f"vision_projs.{o}", joint, width)
    names.draw("query_tokens", organs, width)


def plain_unet(features, kernels, strides, classes, dec_convs, norm):
    encoder = PlainConvEncoder(1, len(features), features, torch.nn.Conv3d, kernels, strides, 2, True, norm,
                               {"affine": True}, nonlin=torch.nn.ReLU, return_skips=True)
    return encoder, UNetDecoder(encoder, classes, dec_convs, deep_supervision=True)


RADAR_KERNELS = [[1, 3, 3]] * 2 + [[3, 3, 3]] * 4
RADAR_STRIDES = [[1, 1, 1], [1, 2, 2], [1, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2]]


def radar(features=(32, 64, 128, 256, 320, 320), width=256, joint=256, organs=36):
    """github.com/alibaba-damo-academy/damo-radar: one level of the decoder less than nnU-Net's, and text towers that
    are not needed"""
    names, net = Names(), "visual_encoder.UNet."
    encoder, decoder = plain_unet(list(features), RADAR_KERNELS, RADAR_STRIDES, 1 + organs, 1, torch.nn.BatchNorm3d)
    names.module(net + "encoder.", encoder)
    names.module(net + "decoder.", decoder)
    for name in [name for name in names for part in ("transpconvs.4.", "decoder.stages.4.", "seg_layers.4.")
                 if part in name]:
        del names[name]
    for k, source in enumerate((features[5], features[4], features[3]), 1):
        names.draw(f"visual_encoder.proj{k}.weight", width, source, 1, 1, 1)
        names.draw(f"visual_encoder.proj{k}.bias", width)
    names.draw("text_encoder.embeddings.word_embeddings.weight", 20, 8)
    names.linear("text_proj", joint, 8)
    organ_head(names, organs, width, joint)
    return names


def ct_glip(features=(32, 64, 128, 256, 320, 320), vocab=28996, text=BERT_BASE):
    """Canonical names (docs/model-folder.md): nothing was published."""
    names = Names()
    kernels, strides = [[1, 3, 3]] + 5 * [[3, 3, 3]], [[1, 1, 1], [1, 2, 2]] + 3 * [[2, 2, 2]] + [[1, 2, 2]]
    encoder, decoder = plain_unet(list(features), kernels, strides, 2, 2, torch.nn.InstanceNorm3d)
    for side, module in (("enc", encoder), ("dec", decoder)):
        for name, value in module.state_dict().items():
            part, stage, rest = name.split(".", 2)
            if part == "transpconvs":
                names[f"unet.dec.{stage}.up.{rest}"] = value
            elif part == "stages" and "all_modules" not in rest:
                names[f"unet.{side}.{stage}.{rest.split('convs.')[1]}"] = value
    names.linear("vision.proj", text["width"], features[0])
    tower = Names()
    tower.module("", bert(vocab, **text))
    for canonical, source in BERT_NAMES.items():
        names[f"text.{canonical}"] = tower[source]
    for i in range(text["layers"]):
        layer, to = f"encoder.layer.{i}.", f"text.layers.{i}."
        for part in ("weight", "bias"):
            names[f"{to}attn.qkv.{part}"] = torch.cat([tower[f"{layer}attention.self.{one}.{part}"]
                                                       for one in ("query", "key", "value")])
            for canonical, source in BERT_LAYER.items():
                names[f"{to}{canonical}.{part}"] = tower[f"{layer}{source}.{part}"]
    return names


BERT_NAMES = {"tok.weight": "embeddings.word_embeddings.weight", "pos.weight": "embeddings.position_embeddings.weight",
              "type.weight": "embeddings.token_type_embeddings.weight", "emb_ln.weight": "embeddings.LayerNorm.weight",
              "emb_ln.bias": "embeddings.LayerNorm.bias"}
BERT_LAYER = {"attn.out": "attention.output.dense", "ln1": "attention.output.LayerNorm",
              "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense", "ln2": "output.LayerNorm"}

SMALL_TEXT = dict(vocab=50, text=BERT_SMALL)
SMALL = {
    "cardiac-clip": lambda: cardiac_clip(64, 2, 96, 4, 8, 32, unused=(10, 5, 6), **SMALL_TEXT),
    "cmr-clip": lambda: cmr_clip(64, 2, 96, 4, 4, 3, 32, **SMALL_TEXT),
    "radclip": lambda: radclip(small=True),
    "fvlm": lambda: fvlm(64, 5, 96, (4, 4, 8), 8, 32, **SMALL_TEXT),
    "radar": lambda: radar((4, 6, 8, 10, 12, 14), 16, 24, 36),
    "ct-glip": lambda: ct_glip((4, 6, 8, 10, 12, 14), **SMALL_TEXT),
}
PUBLISHED = {"cardiac-clip": cardiac_clip, "cmr-clip": cmr_clip, "radclip": radclip, "fvlm": fvlm,
             "radar": radar}
