"""A CLIPModel of transformers: stock CLIP, and RadCLIP, which is saved from the same class.
source: transformers modeling_clip.py ("pre_layrnorm" is theirs)
Sizes: W, M, T image width, inner width, positions; C, Py, Px patch; V, H, I, P text; J joint space."""
from convert_model.family import heads, input_of
from convert_model.refused import Refused
from convert_model.rules import count, linear, norm, rule

ACTS = ("quick_gelu", "gelu", "relu")
LEGACY_EOS = 2
IGNORED = (r"(text|vision)_model\.embeddings\.position_ids",)
LARGE_14 = {"W": 1024, "C": 3, "Py": 14, "Px": 14, "T": 257, "M": 4096, "V": 49408, "H": 768, "I": 3072, "P": 77,
            "J": 768}
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def depths(names):
    return {"vision": count(names, r"vision_model\.encoder\.layers\.(\d+)\."),
            "text": count(names, r"text_model\.encoder\.layers\.(\d+)\.")}


def layers(depth, source, to, width, inner):
    for i in range(depth):
        layer, ours = f"{source}encoder.layers.{i}.", f"{to}.layers.{i}."
        yield from norm(ours + "ln1", layer + "layer_norm1", width)
        yield from linear(ours + "attn.qkv", tuple(f"{layer}self_attn.{part}_proj" for part in "qkv"), width, width)
        yield from linear(ours + "attn.out", layer + "self_attn.out_proj", width, width)
        yield from norm(ours + "ln2", layer + "layer_norm2", width)
        yield from linear(ours + "mlp.fc1", layer + "mlp.fc1", inner, width)
        yield from linear(ours + "mlp.fc2", layer + "mlp.fc2", width, inner)


def rules(depth):
    vision, text = "vision_model.", "text_model."
    yield rule("vision.patch.weight", vision + "embeddings.patch_embedding.weight", "W C Py Px")
    yield rule("vision.cls", vision + "embeddings.class_embedding", "W")
    yield rule("vision.pos", vision + "embeddings.position_embedding.weight", "T W")
    yield from norm("vision.pre_ln", vision + "pre_layrnorm", "W")
    yield from layers(depth["vision"], vision, "vision", "W", "M")
    yield from norm("vision.post_ln", vision + "post_layernorm", "W")
    yield from linear("vision.proj", "visual_projection", "J", "W", bias=False)
    yield rule("text.tok.weight", text + "embeddings.token_embedding.weight", "V H")
    yield rule("text.pos.weight", text + "embeddings.position_embedding.weight", "P H")
    yield from layers(depth["text"], text, "text", "H", "I")
    yield from norm("text.final_ln", text + "final_layer_norm", "H")
    yield from linear("text.proj", "text_projection", "J", "H", bias=False)
    yield rule("logit_scale", "logit_scale")


def heads_of(found, section, width, key, default):
    """What config.json says; transformers' default where it says nothing; the rule where there is none."""
    return section.get("num_attention_heads", default) if found.hf else heads(found, width, key)


def part(hf, name):
    """As transformers looks for it; older files have the one that ends in _dict."""
    section = hf.get(name + "_dict") or hf.get(name) or {}
    section = {key: value for key, value in section.items() if value is not None} if isinstance(section, dict) else None
    if section is None or section.get("hidden_act", "gelu") not in ACTS:
        raise Refused(f"config.json: {name}: not an object with an activation of {', '.join(ACTS)}")
    for key, kind in (("num_attention_heads", int), ("layer_norm_eps", float), ("eos_token_id", int)):
        if type(section.get(key, kind())) is not kind:
            raise Refused(f"config.json: {name}.{key}: no number")
    return section


def eos(text):
    """The token that ends a text; 2 stands for the rule before it was told: the largest id."""
    number = text.get("eos_token_id", LEGACY_EOS)
    return {} if number == LEGACY_EOS else {"eos_id": number}


def config(found):
    """found.hf may name what a state dict does not say: heads, activations, epsilons."""
    s = found.sizes
    vision, text = part(found.hf, "vision_config"), part(found.hf, "text_config")
    patch = [s["Py"], s["Px"]]
    return {
        "vision": {"arch": "vit", "input": input_of(found, s["T"] - 1, patch, [224, 224]), "channels": s["C"],
                   "patch": patch, "patch_bias": False, "width": s["W"], "depth": found.depths["vision"],
                   "heads": heads_of(found, vision, s["W"], "vision.heads", 12), "mlp_dim": s["M"],
                   "act": vision.get("hidden_act", "quick_gelu"), "ln_eps": vision.get("layer_norm_eps", 1e-5),
                   "cls_token": True, "pre_ln": True, "post_ln": True, "pos": "learned", "qkv_bias": True,
                   "pool": "cls", "proj_dim": s["J"], "proj_bias": False},
        "text": {"arch": "clip", "vocab": s["V"], "width": s["H"], "depth": found.depths["text"],
                 "heads": heads_of(found, text, s["H"], "text.heads", 8), "mlp_dim": s["I"],
                 "act": text.get("hidden_act", "quick_gelu"), "ln_eps": text.get("layer_norm_eps", 1e-5),
                 "max_pos": s["P"], "max_len": s["P"], "causal": True, "pool": "eos", "proj_dim": s["J"],
                 "proj_bias": False} | eos(text),
    }
