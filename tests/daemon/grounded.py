"""A tiny organ-grounded model of fVLM's make, and segmentations for studies made here."""
import json
import shutil

import highdicom
import numpy as np
from highdicom.sr.coding import CodedConcept
from safetensors.numpy import load_file, save_file

from service import MODEL, ROOT

ORGANS = ["lung", "heart", "esophagus", "aorta"]
CODES = {"lung": ("39607008", "Lung"), "heart": ("80891009", "Heart"), "esophagus": ("32849002", "Esophagus"),
         "aorta": ("15825003", "Aorta"), "liver": ("10200004", "Liver")}
ORGAN_TABLE = [{"id": name, "text": name.capitalize(), "labels": [i + 1]} for i, name in enumerate(ORGANS)]
WIDTH, DIM, DEPTH = 32, 64, 2


def model(folder, seed=0, **preprocess):
    """Random weights beside demo-ct's text tower. trained, so that it decides."""
    draw = np.random.default_rng(seed)
    vision = {"arch": "vit", "input": [16, 32, 64], "channels": 1, "patch": [8, 8, 16], "patch_bias": True,
              "width": WIDTH, "depth": DEPTH, "heads": 4, "mlp_dim": 64, "act": "gelu", "cls_token": False,
              "pre_ln": False, "post_ln": True, "pos": "learned", "pos_resize": "trilinear", "pool": "tokens",
              "taps": [0], "proj_dim": DIM}
    config = {"vision": vision,
              "organ": {"pool": "queries", "query_heads": 4, "crop": [16, 48, 64], "organs": ORGAN_TABLE},
              "preprocess": {"modality": "CT", "spacing": [3, 2, 2], "hu_clip": [-1150, 350], "norm": "range01",
                             **preprocess}}
    shapes = {"vision.patch.weight": (WIDTH, 1, 8, 8, 16), "vision.patch.bias": (WIDTH,), "vision.pos": (32, WIDTH),
              "vision.post_ln.weight": (WIDTH,), "vision.post_ln.bias": (WIDTH,), "organ.query": (4, WIDTH)}
    for i in range(DEPTH):
        shapes |= {f"vision.layers.{i}.{name}": shape for name, shape in {
            "ln1.weight": (WIDTH,), "ln1.bias": (WIDTH,), "ln2.weight": (WIDTH,), "ln2.bias": (WIDTH,),
            "attn.qkv.weight": (3 * WIDTH, WIDTH), "attn.qkv.bias": (3 * WIDTH,), "attn.out.weight": (WIDTH, WIDTH),
            "attn.out.bias": (WIDTH,), "mlp.fc1.weight": (64, WIDTH), "mlp.fc1.bias": (64,),
            "mlp.fc2.weight": (WIDTH, 64), "mlp.fc2.bias": (WIDTH,)}.items()}
    shapes |= {"organ.attn.qkv.weight": (3 * WIDTH, WIDTH), "organ.attn.qkv.bias": (3 * WIDTH,),
               "organ.attn.out.weight": (WIDTH, WIDTH), "organ.attn.out.bias": (WIDTH,)}
    for i in range(4):
        shapes |= {f"organ.proj.{i}.weight": (DIM, WIDTH), f"organ.proj.{i}.bias": (DIM,)}
    tensors = {name: draw.normal(size=shape).astype("f4") * (np.prod(shape[1:]) or 1) ** -0.5
               for name, shape in shapes.items()}
    return write_model(folder, "fvlm", tensors, config)


def write_model(folder, family, tensors, config):
    """Sections of config.json, the rest and the text tower as demo-ct has them."""
    demo = json.loads((MODEL / "config.json").read_text())
    config = {**{key: demo[key] for key in ("version", "manufacturer")}, "name": "tiny-grounded", "family": family,
              "trained": True, "text": {**demo["text"], "type_emb": False},
              "score": {"mode": "pair_softmax", "scale_mode": "inv_temp", "scale": 0.07}, **config}
    tensors = {**tensors, **text_tower()}
    folder.mkdir()
    save_file({name: np.ascontiguousarray(value, "f4") for name, value in tensors.items()},
              folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    labels = [{"id": f"{organ}_finding", "text": f"Finding of the {organ}", "organ": organ,
               "positive": "There is stenosis.", "negative": "There is no stenosis."} for organ in ORGANS]
    (folder / "prompts.json").write_text(json.dumps({"version": "1", "labels": labels}))
    shutil.copy(MODEL / "vocab.txt", folder)
    shutil.copy(ROOT / "conf/segments.json", folder)
    return folder


def text_tower():
    """demo-ct's, under the canonical names."""
    from_demo, out = load_file(MODEL / "model.safetensors"), {}
    for name, value in from_demo.items():
        if name.startswith("text.") and name != "text.type.weight":
            out[name] = value
    return out


def segmentation(images, parts, **options):
    """parts: {organ: (z, y, x) slices}, in order of the images."""
    array = np.zeros((len(images), images[0].Rows, images[0].Columns, len(parts)), bool)
    described = []
    for i, (organ, where) in enumerate(parts.items()):
        array[(*where, i)] = True
        code = CodedConcept(CODES[organ][0], "SCT", CODES[organ][1])
        described.append(highdicom.seg.SegmentDescription(
            i + 1, organ, CodedConcept("123037004", "SCT", "Anatomical Structure"), code, "AUTOMATIC",
            highdicom.AlgorithmIdentificationSequence("test", CodedConcept("123110", "DCM", "AI"), "1")))
    return highdicom.seg.Segmentation(images, array, "BINARY", described, highdicom.UID(), 100, highdicom.UID(), 1,
                                      "m", "m", "1", "1", **options)
