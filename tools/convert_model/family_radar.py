"""RADAR: a U-Net that predicts its own organ masks, learned organ queries, text vectors shipped apart.
source: github.com/alibaba-damo-academy/damo-radar (Apache-2.0), Hugging Face radar-generalist/RADAR"""
from convert_model import unet
from convert_model.family import Family
from convert_model.family_fvlm import organ_rules, organs
from convert_model.rules import count, linear

UNET = "visual_encoder.UNet."
INPUT = [96, 256, 384]
ORGANS = ("adrenal gland", "aorta", "erector spinae", "brain", "clavicle", "large bowel", "duodenum", "esophagus",
          "face", "femur", "gallbladder", "gluteus", "heart", "hip joint", "humerus", "iliac artery", "iliac vein",
          "iliopsoas", "inferior vena cava", "kidney", "liver", "lung", "pancreas", "portal vein", "pulmonary artery",
          "rib", "sacrum", "scapula", "small bowel", "spleen", "stomach", "trachea", "bladder", "cervical vertebrae",
          "lumbar vertebrae", "thoracic vertebrae")


def depths(names):
    return {"stages": count(names, r"visual_encoder\.UNet\.encoder\.stages\.(\d+)\."),
            "convs_enc": count(names, r"visual_encoder\.UNet\.encoder\.stages\.0\.0\.convs\.(\d+)\."),
            "levels": count(names, r"visual_encoder\.UNet\.decoder\.transpconvs\.(\d+)\."),
            "convs_dec": count(names, r"visual_encoder\.UNet\.decoder\.stages\.0\.convs\.(\d+)\."),
            "organs": count(names, r"vision_projs\.(\d+)\.")}


def head(canonical, source, rows, columns):
    """A 1 x 1 x 1 convolution."""
    return linear(canonical, source, rows, f"{columns} 1 1 1")


def rules(depth):
    yield from unet.rules(depth, batch_norm=True,
                          enc=lambda s, c: f"{UNET}encoder.stages.{s}.0.convs.{c}",
                          up=lambda level: f"{UNET}decoder.transpconvs.{level}",
                          dec=lambda level, c: f"{UNET}decoder.stages.{level}.convs.{c}")
    stages, levels = depth["stages"], depth["levels"]
    for level in range(levels):  # only the last predicts the mask; the others served training
        last = level == levels - 1
        yield from head("unet.seg" if last else None, f"{UNET}decoder.seg_layers.{level}", "L", f"F{stages - 2 - level}")
    for k in range(3):
        yield from head(f"unet.proj.{k}", f"visual_encoder.proj{k + 1}", "Q", f"F{stages - 1 - k}")
    yield from organ_rules(depth["organs"], "Q")


def config(found):
    s = found.sizes
    return {
        "vision": {"arch": "unet", "input": found.input or INPUT, "channels": s["C"], "proj_dim": s["J"],
                   "proj_bias": True},
        "unet": unet.config(found, unet.RADAR, norm="batch", act="relu", out_map="skips", classes=s["L"],
                            map_dim=s["Q"]),
        "organ": {"pool": "queries", "query_heads": 4, "organs": organs(ORGANS[:found.depths["organs"]])},
        "score": {"mode": "pair_softmax", "scale_mode": "inv_temp", "scale": found.scalars["temp"]},
        "preprocess": {"modality": "CT", "spacing": [5, 1, 1], "hu_clip": [-300, 400], "norm": "range01"},
    }


def prompts(found):
    return [{"id": one.label, "text": one.text, "organ": one.organ} for one in found.vectors]


FAMILY = Family(
    "radar", "RADAR", "radar", depths, rules, config,
    published_depths={"stages": 6, "convs_enc": 2, "levels": 4, "convs_dec": 1, "organs": len(ORGANS)},
    published=unet.published(unet.RADAR, 4) | {"C": 1, "L": 1 + len(ORGANS), "Q": 256, "J": 256, "O": len(ORGANS)},
    ignored=(r".*\.all_modules\..*", r"visual_encoder\.UNet\.decoder\.encoder\..*", r".*\.num_batches_tracked",
             r"text_encoder\..*", r"text_proj\..*"),
    scalars=("temp",), prompts=prompts, tokenizer=None,
    licence="Apache-2.0",
    source="https://huggingface.co/radar-generalist/RADAR, https://github.com/alibaba-damo-academy/damo-radar",
    notes=("The text tower is left out: RADAR ships its text vectors.",))
