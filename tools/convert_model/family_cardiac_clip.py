"""Cardiac-CLIP: 3D ViT and PubMedBERT, a Lightning .ckpt.
source: github.com/Sliver-g/Cardiac-CLIP (state dict, inference script), arXiv 2507.22024"""
from convert_model import bert
from convert_model.family import Family, heads, input_of
from convert_model.rules import count, linear, norm, rule

VISUAL, LANGUAGE = "vision_encoder.visual.", "language_encoder."
INPUT = [128, 144, 144]
TEXT_LENGTH = 192  # inference; 160 in training

FINDINGS = (  # id, text for people, words of the prompt
    ("coronary_calcification", "Coronary artery calcification", "calcified plaque at the coronary artery"),
    ("coronary_stenosis", "Coronary artery stenosis", "stenosis at the coronary artery"),
    ("aortic_wall_calcification", "Aortic wall calcification", "calcification at the cardiac aortic wall"),
    ("atherosclerosis", "Atherosclerosis", "atherosclerosis"),
    ("cardiomegaly", "Cardiomegaly", "cardiomegaly"),
    ("pericardial_effusion", "Pericardial effusion", "pericardial effusion"),
    ("pulmonary_hypertension", "Pulmonary hypertension", "pulmonary hypertension"),
)


def depths(names):
    return {"vision": count(names, r"vision_encoder\.visual\.transformer\.resblocks\.(\d+)\."),
            "text": bert.depth(names, LANGUAGE)}


def rules(depth):
    yield rule("vision.patch.weight", VISUAL + "conv1.weight", "W C Pz Py Px")
    yield rule("vision.cls", VISUAL + "class_embedding", "W")
    yield rule("vision.pos", VISUAL + "positional_embedding", "T W")
    yield from norm("vision.pre_ln", VISUAL + "ln_pre", "W")
    for i in range(depth["vision"]):
        block, to = f"{VISUAL}transformer.resblocks.{i}.", f"vision.layers.{i}."
        yield from norm(to + "ln1", block + "ln_1", "W")
        yield rule(to + "attn.qkv.weight", block + "attn.in_proj_weight", "3W W")
        yield rule(to + "attn.qkv.bias", block + "attn.in_proj_bias", "3W")
        yield from linear(to + "attn.out", block + "attn.out_proj", "W", "W")
        yield from norm(to + "ln2", block + "ln_2", "W")
        yield from linear(to + "mlp.fc1", block + "mlp.c_fc", "M", "W")
        yield from linear(to + "mlp.fc2", block + "mlp.c_proj", "W", "M")
    yield from norm("vision.post_ln", VISUAL + "ln_post", "W")
    yield from linear("vision.proj", "multi_modal_vision_proj", "J", "W")
    yield from bert.rules(LANGUAGE, depth["text"])
    yield from linear("text.proj", "multi_modal_language_proj", "J", "H")
    yield rule("logit_scale", "vision_encoder.logit_scale")
    # the text tower of OpenAI's ViT-B/32, from which the image tower's class comes; never run
    yield rule(None, "vision_encoder.token_embedding.weight", "Vc Hc")
    yield rule(None, "vision_encoder.positional_embedding", "Pc Hc")
    yield from norm(None, "vision_encoder.ln_final", "Hc")


def config(found):
    s, patch = found.sizes, [found.sizes[axis] for axis in ("Pz", "Py", "Px")]
    return {
        "vision": {"arch": "vit", "input": input_of(found, s["T"] - 1, patch, INPUT), "channels": s["C"],
                   "patch": patch, "patch_bias": False, "width": s["W"], "depth": found.depths["vision"],
                   "heads": heads(found, s["W"], "vision.heads"), "mlp_dim": s["M"], "act": "quick_gelu", "ln_eps": 1e-5,
                   "cls_token": True, "pre_ln": True, "post_ln": True, "pos": "learned", "qkv_bias": True,
                   "pool": "cls", "proj_dim": s["J"], "proj_bias": True},
        "text": bert.config(found, max_len=min(TEXT_LENGTH, s["P"]), type_emb=True,
                            do_lower_case=False, pool="argmax_id", proj_bias=True),
        "score": {"mode": "pair_softmax", "scale_mode": "exp", "threshold": 0.5},
        "preprocess": {"modality": "CT", "orientation": "lps", "resize": "trilinear", "padding": "air",
                       "norm": "minmax"},
    }


def prompts(found):
    return [{"id": key, "text": text, "positive": f"There is {words}.", "negative": f"There is no {words}."}
            for key, text, words in FINDINGS]


FAMILY = Family(
    "cardiac-clip", "Cardiac-CLIP", "cardiac-clip", depths, rules, config,
    published_depths={"vision": 12, "text": bert.LAYERS},
    published=bert.PUBMED | {"W": 768, "C": 1, "Pz": 8, "Py": 8, "Px": 8, "T": 5185, "M": 3072, "J": 768,
                             "Vc": 49408, "Hc": 512, "Pc": 77},
    totals=(359, 225_434_369),
    ignored=(r"mim_head\..*", r"cls_head\..*", r"language_encoder\.embeddings\.position_ids"),
    prompts=prompts,
    licence="No licence is stated for code or weights: all rights reserved, ask the authors. PubMedBERT: MIT.",
    source="https://github.com/Sliver-g/Cardiac-CLIP (arXiv 2507.22024)",
    notes=("How a series becomes 128 x 144 x 144 was not published: resampling of the whole field of view is this "
           "software's choice.",
           "`do_lower_case` is false with a lower-case vocabulary, as upstream runs it: a capitalised word becomes "
           "[UNK].",
           "The published inference multiplies by exp(logit_scale), training by logit_scale itself: scores depend on "
           "it, present and absent do not."))
