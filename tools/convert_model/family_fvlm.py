"""fVLM: MONAI's 3D ViT with learned organ queries, and BiomedVLP-CXR-BERT; a torch file with the key "model".
source: github.com/alibaba-damo-academy/fvlm (model, eval script), ICLR 2025"""
from convert_model import bert
from convert_model.family import Family, heads, input_of
from convert_model.rules import count, linear, norm, rule

VISUAL, TEXT = "visual_encoder.", "text_encoder."
INPUT, CROP = [112, 256, 352], [112, 288, 352]  # in training; round an organ, in the published evaluation
TAPS = (3, 6, 9)
ORGANS = ("lung", "heart", "esophagus", "aorta")  # mask labels 1 to 4

FINDINGS = (  # organ, finding, its word in the prompt where another
    ("lung", "Emphysema", None), ("lung", "Atelectasis", "Atelectatic"), ("lung", "Lung nodule", "Nodule"),
    ("lung", "Lung opacity", "Opacity"), ("lung", "Pulmonary fibrotic sequela", "Pulmonary fibrotic"),
    ("lung", "Pleural effusion", None), ("lung", "Mosaic attenuation pattern", None),
    ("lung", "Peribronchial thickening", None), ("lung", "Consolidation", None), ("lung", "Bronchiectasis", None),
    ("lung", "Interlobular septal thickening", None), ("heart", "Cardiomegaly", None),
    ("heart", "Pericardial effusion", None), ("heart", "Coronary artery wall calcification", None),
    ("esophagus", "Hiatal hernia", None), ("aorta", "Arterial wall calcification", None),
)
# where conf/codes.json has a code for the same finding
IDS = {"Coronary artery wall calcification": "coronary_artery_calcification",
       "Arterial wall calcification": "aortic_wall_calcification"}


def depths(names):
    return {"vision": count(names, r"visual_encoder\.blocks\.(\d+)\."), "text": bert.depth(names, TEXT),
            "organs": count(names, r"vision_projs\.(\d+)\.")}


def organ_rules(organs, width):
    """Shared with RADAR: one attention, a query and a projection an organ."""
    yield rule("organ.query", "query_tokens", f"O {width}")
    yield rule("organ.attn.qkv.weight", "attention.in_proj_weight", f"3{width} {width}")
    yield rule("organ.attn.qkv.bias", "attention.in_proj_bias", f"3{width}")
    yield from linear("organ.attn.out", "attention.out_proj", width, width)
    for o in range(organs):
        yield from linear(f"organ.proj.{o}", f"vision_projs.{o}", "J", width)
    yield rule(None, "temp")


def rules(depth):
    patch = VISUAL + "patch_embedding."
    yield rule("vision.patch.weight", patch + "patch_embeddings.weight", "W C Pz Py Px")
    yield rule("vision.patch.bias", patch + "patch_embeddings.bias", "W")
    yield rule("vision.pos", patch + "position_embeddings", "T W")
    for i in range(depth["vision"]):
        block, to = f"{VISUAL}blocks.{i}.", f"vision.layers.{i}."
        yield from norm(to + "ln1", block + "norm1", "W")
        yield from linear(to + "attn.qkv", block + "attn.qkv", "3W", "W")
        yield from linear(to + "attn.out", block + "attn.out_proj", "W", "W")
        yield from norm(to + "ln2", block + "norm2", "W")
        yield from linear(to + "mlp.fc1", block + "mlp.linear1", "M", "W")
        yield from linear(to + "mlp.fc2", block + "mlp.linear2", "W", "M")
    yield from norm("vision.post_ln", VISUAL + "norm", "W")
    yield from bert.rules(TEXT, depth["text"], pooler=False, type_optional=True)
    yield from linear("text.proj", "text_proj", "J", "H")
    yield from organ_rules(depth["organs"], "W")


def organs(names):
    return [{"id": name.lower().replace(" ", "_"), "text": name.capitalize(), "labels": [label]}
            for label, name in enumerate(names, 1)]


def config(found):
    s, patch = found.sizes, [found.sizes[axis] for axis in ("Pz", "Py", "Px")]
    size = input_of(found, s["T"], patch, INPUT)
    return {
        "vision": {"arch": "vit", "input": size, "channels": s["C"], "patch": patch,
                   "patch_bias": True, "width": s["W"], "depth": found.depths["vision"],
                   "heads": heads(found, s["W"], "vision.heads"), "mlp_dim": s["M"], "act": "gelu", "ln_eps": 1e-5,
                   "cls_token": False, "pre_ln": False, "post_ln": True, "pos": "learned", "pos_resize": "trilinear",
                   "qkv_bias": True, "pool": "tokens", "taps": [i for i in TAPS if i < found.depths["vision"]],
                   "proj_dim": s["J"], "proj_bias": True},
        "text": bert.config(found, max_len=min(384, s["P"]), type_emb=False, do_lower_case=True, pool="cls",
                            proj_bias=True),
        "organ": {"pool": "queries", "query_heads": 4, "crop": CROP if size == INPUT else size,
                  "organs": organs(ORGANS)},
        "score": {"mode": "pair_softmax", "scale_mode": "inv_temp", "scale": found.scalars["temp"]},
        "preprocess": {"modality": "CT", "spacing": [3, 1, 1], "hu_clip": [-1150, 350], "norm": "range01"},
    }


def prompts(found):
    return [{"id": IDS.get(text, text.lower().replace(" ", "_")), "text": text, "organ": organ,
             "positive": f"{word or text}.", "negative": f"Not {word or text}."} for organ, text, word in FINDINGS]


# SNOMED CT, and the SRT codes that DICOM used before it; lobes and sides count as the lung.
SEGMENTS = {"codes": {code: organ for organ, codes in {
    "lung": "SCT:39607008 SRT:T-28000 SCT:3341006 SRT:T-28100 SCT:44029006 SRT:T-28500 SCT:45653009 SCT:90572001 "
            "SCT:44714003 SCT:41224006 SCT:42400003 SCT:72481006 SCT:266005",
    "heart": "SCT:80891009 SRT:T-32000", "esophagus": "SCT:32849002 SRT:T-56000", "aorta": "SCT:15825003 SRT:T-42000",
}.items() for code in codes.split()}, "labels": {}}

FAMILY = Family(
    "fvlm", "fVLM", "fvlm", depths, rules, config,
    published_depths={"vision": 12, "text": bert.LAYERS, "organs": len(ORGANS)},
    published=bert.PUBMED | {"W": 768, "C": 1, "Pz": 16, "Py": 16, "Px": 32, "T": 1232, "M": 3072, "J": 256,
                             "O": len(ORGANS)},
    ignored=(r"text_encoder\.cls\..*", r"text_encoder\..*crossattention.*", r"text_encoder\.pooler\..*",
             r"text_encoder\.embeddings\.position_ids"),
    scalars=("temp",), prompts=prompts, segments=SEGMENTS,
    licence="No licence file was seen: ask the authors.",
    source="https://github.com/alibaba-damo-academy/fvlm (ICLR 2025)",
    notes=("The text tower adds no token type term, whether or not the checkpoint stores that table.",
           "The published names say no thresholds: 0.5 on the softmax over the pair."))
