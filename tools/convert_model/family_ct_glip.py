"""CT-GLIP style: nothing was published, so this packages weights under our own canonical names (a model trained
after the paper). Sizes, prompts and preprocessing are inferred.
source: arXiv 2404.15272; TotalSegmentator v1's labels as in github.com/alibaba-damo-academy/damo-radar"""
import struct

from convert_model import bert, unet
from convert_model.family import Family
from convert_model.refused import Refused
from convert_model.rules import Rule, count, linear

INPUT = [96, 256, 384]
SIDES = ("left", "right")
VERTEBRAE = ([f"vertebrae_L{n}" for n in range(5, 0, -1)] + [f"vertebrae_T{n}" for n in range(12, 0, -1)] +
             [f"vertebrae_C{n}" for n in range(7, 0, -1)])
LABELS = (  # TotalSegmentator v1, from 1
    "spleen", "kidney_right", "kidney_left", "gallbladder", "liver", "stomach", "aorta", "inferior_vena_cava",
    "portal_vein_and_splenic_vein", "pancreas", "adrenal_gland_right", "adrenal_gland_left", "lung_upper_lobe_left",
    "lung_lower_lobe_left", "lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right", *VERTEBRAE,
    "esophagus", "trachea", "heart_myocardium", "heart_atrium_left", "heart_ventricle_left", "heart_atrium_right",
    "heart_ventricle_right", "pulmonary_artery", "brain", "iliac_artery_left", "iliac_artery_right",
    "iliac_vena_left", "iliac_vena_right", "small_bowel", "duodenum", "colon",
    *[f"rib_{side}_{n}" for side in SIDES for n in range(1, 13)],
    *[f"{bone}_{side}" for bone in ("humerus", "scapula", "clavicula", "femur", "hip") for side in SIDES], "sacrum",
    "face", *[f"{muscle}_{side}" for muscle in ("gluteus_maximus", "gluteus_medius", "gluteus_minimus", "autochthon",
                                                "iliopsoas") for side in SIDES], "urinary_bladder")
assert len(LABELS) == 104

ABNORMALITIES = (  # ours: the paper's dictionary was not published
    ("heart_myocardium", "pericardial_effusion", "Pericardial effusion"), ("aorta", "aortic_aneurysm", "Aortic aneurysm"),
    ("aorta", "aortic_wall_calcification", "Aortic wall calcification"), ("liver", "liver_cyst", "Cyst"),
    ("kidney_left", "left_kidney_stone", "Stone"), ("kidney_right", "right_kidney_stone", "Stone"),
    ("gallbladder", "gallstone", "Stone"), ("spleen", "splenomegaly", "Splenomegaly"),
)


def depths(names):
    return {"stages": count(names, r"unet\.enc\.(\d+)\."), "convs_enc": count(names, r"unet\.enc\.0\.(\d+)\."),
            "levels": count(names, r"unet\.dec\.(\d+)\."), "convs_dec": count(names, r"unet\.dec\.0\.(\d+)\."),
            "text": count(names, r"text\.layers\.(\d+)\."),
            "batch": any(name.endswith(".norm.running_mean") for name in names),
            "vision_proj": "vision.proj.weight" in names, "text_proj": "text.proj.weight" in names,
            "type_emb": "text.type.weight" in names}


def as_canonical(rules):
    """The same rules for what already has canonical names, joined where they join."""
    for one in rules:
        if one.canonical:
            shape = one.shape if len(one.sources) == 1 else (f"{len(one.sources)}{one.shape[0]}", *one.shape[1:])
            yield Rule(one.canonical, (one.canonical,), shape, one.optional)


def rules(depth):
    yield from unet.rules(depth, depth["batch"], enc=lambda s, c: f"unet.enc.{s}.{c}",
                          up=lambda level: f"unet.dec.{level}.up", dec=lambda level, c: f"unet.dec.{level}.{c}")
    if depth["vision_proj"]:
        yield from linear("vision.proj", "vision.proj", "J", "F0")
    yield from as_canonical(bert.rules("", depth["text"], pooler=False, type_optional=not depth["type_emb"]))
    if depth["text_proj"]:
        yield from linear("text.proj", "text.proj", "J", "H")


def readable(label):
    return label.replace("_", " ")


def joint_of(found):
    """Either side's linear is optional; without one, its own width is the joint space."""
    s, depth = found.sizes, found.depths
    image = s["J"] if depth["vision_proj"] else s["F0"]
    words = s["J"] if depth["text_proj"] else s["H"]
    if image != words:
        raise Refused(f"vision.proj.weight, text.proj.weight: images have {image} numbers, texts {words}")
    return image


def identity(found):
    """The engine's text tower ends in a linear; one that changes nothing."""
    n = found.sizes["H"]
    rows = lambda: (struct.pack(f"<{n}f", *(float(i == j) for j in range(n))) for i in range(n))
    return [] if found.depths["text_proj"] else [("text.proj.weight", "F32", (n, n), rows)]


def config(found):
    s, depth = found.sizes, found.depths
    joint = joint_of(found)
    text = bert.config(found, max_len=s["P"], type_emb=depth["type_emb"], do_lower_case=True, pool="cls",
                       proj_bias=depth["text_proj"], proj_dim=joint)
    return {
        "vision": {"arch": "unet", "input": found.input or INPUT, "channels": s["C"], "proj_dim": joint,
                   "proj_bias": True},
        "unet": unet.config(found, unet.INFERRED, norm="batch" if depth["batch"] else "instance",
                            act="relu" if depth["batch"] else "leaky_relu", out_map="full"),
        "text": text,
        "organ": {"pool": "mean", "organs": [{"id": label.lower(), "text": readable(label),
                                              "labels": [number]} for number, label in enumerate(LABELS, 1)]},
        "score": {"mode": "pair_softmax", "scale_mode": "inv_temp", "scale": 0.07},
        "preprocess": {"modality": "CT", "spacing": [5, 1, 1], "hu_clip": [-300, 400], "norm": "range01"},
    }


def prompts(found):
    return [{"id": key, "text": f"CT-GLIP-style: {text}", "organ": organ,
             "positive": f"{text} in the {readable(organ)}.",
             "negative": f"No abnormality in the {readable(organ)}."} for organ, key, text in ABNORMALITIES]


# By TotalSegmentator's own names, which its segmentations carry as labels.
SEGMENTS = {"codes": {}, "labels": {label: label.lower() for label in LABELS}}

FAMILY = Family(
    "ct-glip", "CT-GLIP-style", "ct-glip", depths, rules, config, published_depths=None, published=None,
    ignored=(r".*\.num_batches_tracked",), prompts=prompts, made=identity, segments=SEGMENTS,
    organ_prompts="This is a {organ} in the CT scan.",
    licence="As whoever trained it states. CT-GLIP's authors released neither code nor weights.",
    source="weights under canonical names, after arXiv 2404.15272",
    notes=("CT-GLIP itself was never published. This is a model in its style: call its results CT-GLIP-style.",
           "Spacing, window, temperature, prompts and the list of abnormalities are inferred, not the paper's."))
