"""CMR-CLIP: divided space-time ViT-B/16 over 64 frames and Bio_ClinicalBERT, a pytorch_model.bin.
source: github.com/Makiya11/CMRCLIP (model, test script, stored thresholds), Hugging Face makiyeah/CMRCLIP"""
from convert_model import bert
from convert_model.family import Family, heads, input_of
from convert_model.rules import count, linear, norm, rule

VIDEO, TEXT = "video_model.", "text_model."

FINDINGS = (  # id, text for people, stored threshold, prompts
    ("left_ventricular_dysfunction", "Left ventricle dysfunction", 0.5385, ("Left ventricle with systolic dysfunction",)),
    ("right_ventricular_dysfunction", "Right ventricle dysfunction", 0.5228,
     ("Right ventricle with systolic dysfunction",)),
    ("left_ventricular_enlargement", "Left ventricle dilation", 0.5311,
     ("Left ventricle is dilated", "Left ventricle is enlarged in size")),
    ("right_ventricular_enlargement", "Right ventricle dilation", 0.5253,
     ("Right ventricle is dilated", "Right ventricle is enlarged in size")),
    ("left_ventricular_hypertrophy", "Left ventricle hypertrophy", 0.5110,
     ("There is left ventricular hypertrophy", "There is septal hypertrophy", "LV is thickened")),
    ("late_gadolinium_enhancement", "LGE", 0.5105,
     ("Delayed-enhancement imaging reveals transmural enhancement",
      "Delayed-enhancement imaging reveals patchy enhancement", "There is a large area of LAD scar")),
    ("aortic_dilation", "Aortic dilation", 0.5392,
     ("Aortic root is ectatic", "Ascending aortic is dilated", "Descending aorta is dilated")),
)


def depths(names):
    return {"vision": count(names, r"video_model\.blocks\.(\d+)\."), "text": bert.depth(names, TEXT)}


def rules(depth):
    yield rule("vision.patch.weight", VIDEO + "patch_embed.proj.weight", "W C Py Px")
    yield rule("vision.patch.bias", VIDEO + "patch_embed.proj.bias", "W")
    yield rule("vision.cls", VIDEO + "cls_token", "W")
    yield rule("vision.pos", VIDEO + "pos_embed", "T W")
    yield rule("vision.time_pos", VIDEO + "temporal_embed", "F W")
    for i in range(depth["vision"]):
        block, to = f"{VIDEO}blocks.{i}.", f"vision.layers.{i}."
        for ours, theirs in (("ln1", "norm1"), ("ln2", "norm2"), ("ln_t", "norm3")):
            yield from norm(to + ours, block + theirs, "W")
        for ours, theirs in (("attn", "attn"), ("tattn", "timeattn")):
            yield from linear(f"{to}{ours}.qkv", f"{block}{theirs}.qkv", "3W", "W")
            yield from linear(f"{to}{ours}.out", f"{block}{theirs}.proj", "W", "W")
        yield from linear(to + "mlp.fc1", block + "mlp.fc1", "M", "W")
        yield from linear(to + "mlp.fc2", block + "mlp.fc2", "W", "M")
    yield from norm("vision.post_ln", VIDEO + "norm", "W")
    yield from linear("vision.proj", "vid_proj.1", "J", "W")
    yield from bert.rules(TEXT, depth["text"])
    yield from linear("text.proj", "txt_proj.1", "J", "H")


def config(found):
    s = found.sizes
    patch = [s["Py"], s["Px"]]
    return {
        "vision": {"arch": "spacetime_vit", "input": [s["F"], *input_of(found, s["T"] - 1, patch, [224, 224])],
                   "channels": s["C"], "patch": patch, "patch_bias": True, "width": s["W"],
                   "depth": found.depths["vision"], "heads": heads(found, s["W"], "vision.heads"), "mlp_dim": s["M"],
                   "act": "gelu", "ln_eps": 1e-6, "cls_token": True, "pre_ln": False, "post_ln": True,
                   "pos": "learned", "time_pos": s["F"], "attn": "divided_time_space",
                   "space_residual": "block_input", "qkv_bias": True, "pool": "cls", "proj_pre": "relu",
                   "proj_dim": s["J"], "proj_bias": True},
        "text": bert.config(found, max_len=s["P"], type_emb=True, do_lower_case=True,
                            pool="mean", proj_pre="relu", proj_bias=True),
        "score": {"mode": "cosine_mean", "map": "half"},
        "preprocess": {"modality": "MR", "norm": "meanstd", "mean": [0.485, 0.456, 0.406],
                       "std": [0.229, 0.224, 0.225]},
    }


def prompts(found):
    return [{"id": key, "text": text, "positive": list(words), "threshold": threshold}
            for key, text, threshold, words in FINDINGS]


FAMILY = Family(
    "cmr-clip", "CMR-CLIP", "cmr-clip", depths, rules, config,
    published_depths={"vision": 12, "text": bert.LAYERS},
    published=bert.CLINICAL | {"W": 768, "C": 3, "Py": 16, "Px": 16, "T": 197, "F": 64, "M": 3072, "J": 512},
    totals=(426, 223_312_384), ignored=(r"text_model\.embeddings\.position_ids",), prompts=prompts,
    licence="MIT (code and weights). The article is reported as CC BY-NC-ND 4.0.",
    source="https://huggingface.co/makiyeah/CMRCLIP, https://github.com/Makiya11/CMRCLIP "
           "(doi 10.1038/s41467-026-73022-2)",
    notes=("The stored thresholds are compared with (1 + cosine) / 2, a mapping inferred from their range: the "
           "published evaluation does not read them. Recalibrate before relying on them.",
           "How DICOM becomes 224 x 224 frames of 8 bits was not published: window and crop are this software's "
           "choice."))
