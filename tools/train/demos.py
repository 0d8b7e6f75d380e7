"""What the two demo models are: sizes, preprocessing, labels. tools/train/README.md says why."""

LICENSE = "Apache-2.0"
USE = ("Demonstration and testing of the service with studies of cardioscribe-phantom. "
       "Not for clinical use, never for patients.")
DATA = "Synthetic phantoms only (cardioscribe-phantom); no patient's image was used."
LIMITS = "Knows nothing but synthetic phantoms. Studies unlike them are declined by the domain gate."

TEXT = {"arch": "bert", "width": 64, "depth": 2, "heads": 4, "mlp_dim": 256, "act": "gelu", "ln_eps": 1e-12,
        "max_pos": 192, "max_len": 192, "type_emb": False, "do_lower_case": True, "proj_bias": True}

# HU that become 0 and 1, a channel each: heart and vessels; what is brighter than blood. A patch is a linear map, to which a
# few voxels of calcium are nothing beside an edge.
WINDOWS = [[-200, 900], [600, 900]]

CT = {
    "name": "demo-cardiac-ct", "family": "cardiac-clip",
    "vision": {"arch": "vit", "input": [96, 108, 108], "channels": 2, "patch": [12, 12, 12], "patch_bias": True,
               "width": 128, "depth": 4, "heads": 4, "mlp_dim": 512, "act": "gelu", "ln_eps": 1e-5,
               "cls_token": True, "pre_ln": True, "post_ln": True, "pos": "learned", "qkv_bias": True, "pool": "mean",
               "proj_dim": 64, "proj_bias": True},
    "text": {**TEXT, "pool": "mean", "proj_dim": 64},
    "preprocess": {"modality": "CT", "orientation": "lps", "resize": "trilinear", "padding": "air",
                   "windows": WINDOWS, "norm": "range01", "crop": "heart", "spacing": 1.6, "min_slices": 40,
                   "max_spacing_z_mm": 3.5, "gated": True, "roles": ["cta", "cta_multiphase"]},
}

CMR = {
    "name": "demo-cmr", "family": "cmr-clip",
    "vision": {"arch": "spacetime_vit", "input": [30, 144, 144], "channels": 1, "patch": [16, 16], "patch_bias": True,
               "width": 128, "depth": 4, "heads": 4, "mlp_dim": 512, "act": "gelu", "ln_eps": 1e-6, "pre_ln": False,
               "post_ln": True, "attn": "divided_time_space", "time_pos": 30, "qkv_bias": True, "pool": "mean",
               "proj_pre": "relu", "proj_dim": 64, "proj_bias": True},
    "text": {**TEXT, "pool": "mean", "proj_pre": "relu", "proj_dim": 64},
    "preprocess": {"modality": "MR", "norm": "meanstd", "mean": 0.25, "std": 0.25, "min_field_mm": 225,
                   "frames": {"n": 30, "orientation": "anatomical", "phases": 10, "phases_policy": "resample", "slices": [7, 7],
                              "slices_policy": "resample", "repeat": 1, "missing": "reject", "field_mm": 240}},
}

DEMOS = {"ct": CT, "cmr": CMR}

# What data.py keeps of CT is wider than what the model takes, so that training may move the field, and the first window
# alone, of which the second is a part; the middle is what the model takes (tests/golden/test_train.py).
KEPT = {"ct": {"vision": {"input": [108, 120, 120], "channels": 1}, "preprocess": {"windows": WINDOWS[:1]}}, "cmr": {}}


def merged(base, changes):
    """base with changes laid over it, section by section."""
    result = dict(base)
    for key, value in changes.items():
        result[key] = merged(base.get(key, {}), value) if isinstance(value, dict) else value
    return result


def config(kind, changes=None, trained=False, vocab=200, **more):
    """config.json of a demo model."""
    made = merged(DEMOS[kind], changes or {})
    made["text"] = {**made["text"], "vocab": vocab}
    return {"name": made.pop("name"), "version": "1.0.0", "manufacturer": "cardioscribe", "family": made.pop("family"),
            "trained": trained, "license": LICENSE, "source": "tools/train", "intended_use": USE,
            "training_data": DATA, "limitations": LIMITS, **made, **more}
