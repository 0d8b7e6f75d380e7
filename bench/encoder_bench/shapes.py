"""What is timed: image sides of the published sizes, as sections of config.json (docs/model-folder.md), and how many
floating point operations a pass is: two a multiply-add, of matrix products and convolutions alone, as published, whatever
a program leaves out."""
import dataclasses
import math

BASE = dict(width=768, depth=12, heads=12, mlp_dim=3072)
LARGE = dict(width=1024, depth=24, heads=16, mlp_dim=4096)
TINY = dict(width=64, depth=2, heads=2, mlp_dim=128, proj_dim=24)


@dataclasses.dataclass(frozen=True)
class Shape:
    name: str
    config: dict          # family and sections
    items: tuple = (1,)   # slices that go through together, one run of the bench each
    text: dict = None     # the text tower, where the time to load the whole model is asked for

    @property
    def vision(self):
        return self.config["vision"]

    @property
    def is_unet(self):
        return self.vision["arch"] == "unet"

    @property
    def item(self):
        """[channels, z, y, x] of one; [frames, channels, y, x] of a space-time tower; a 2D tower has no z."""
        vision = self.vision
        if vision["arch"] == "spacetime_vit":
            return [vision["input"][0], vision["channels"], *vision["input"][1:]]
        return [vision["channels"], *vision["input"]]

    def input(self, items):
        """Of the array a pass takes. A video's frames are its items."""
        return self.item if self.vision["arch"] == "spacetime_vit" else [items, *self.item]


def clip(patch, sizes, proj_dim, family="clip", **more):
    return {"family": family, "vision": dict(arch="vit", input=[224, 224], channels=3, patch=[patch, patch], **sizes,
                                             act="quick_gelu", ln_eps=1e-5, proj_dim=proj_dim, proj_bias=False), **more}


def cardiac(size, patch):
    return {"family": "cardiac-clip", "vision": dict(arch="vit", input=size, channels=1, patch=patch, **BASE,
                                                     act="quick_gelu", ln_eps=1e-5, proj_dim=768, proj_bias=True)}


CMR = {"family": "cmr-clip", "vision": dict(
    arch="spacetime_vit", input=[64, 224, 224], channels=3, patch=[16, 16], patch_bias=True, **BASE, act="gelu", ln_eps=1e-6,
    pre_ln=False, time_pos=64, attn="divided_time_space", proj_pre="relu", proj_dim=512, proj_bias=True)}
RADAR = {"family": "radar", "vision": dict(arch="unet", input=[96, 256, 384], channels=1, proj_dim=256), "unet": dict(
    features=[32, 64, 128, 256, 320, 320], kernels=[[1, 3, 3]] * 2 + [[3, 3, 3]] * 4,
    strides=[[1, 1, 1], [1, 2, 2], [1, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2]], convs_enc=2, convs_dec=1, dec_levels=4,
    norm="batch", act="relu", out_map="skips", classes=37, map_dim=256)}
RADCLIP = clip(14, LARGE, 768, "radclip", slice_pool={"mode": "mean"})
RADCLIP_TEXT = dict(arch="clip", vocab=49408, width=768, depth=12, heads=12, mlp_dim=3072, proj_dim=768, proj_bias=False)

PUBLISHED = (
    Shape("vit-b16", clip(16, BASE, 512), (1, 16)),
    Shape("vit-l14", clip(14, LARGE, 768), (1, 16)),
    Shape("vit-3d", cardiac([96, 192, 192], [8, 16, 16])),
    Shape("cardiac-clip", cardiac([128, 144, 144], [8, 8, 8])),
    Shape("cmr-clip", CMR, (64,)),
    Shape("radclip", RADCLIP, (64,), RADCLIP_TEXT),
    Shape("radar", RADAR))


QUANTIZED = ("vit-b16", "vit-l14")  # that onnxruntime computes in int8 too


def small(shape):
    """The same kind, over in a moment."""
    sides = {"vit-b16": [48, 48], "vit-l14": [42, 42], "vit-3d": [16, 32, 32], "cardiac-clip": [16, 24, 24],
             "cmr-clip": [5, 32, 48], "radclip": [42, 56], "radar": [8, 32, 64]}
    config = dict(shape.config, vision=dict(shape.vision, input=sides[shape.name]))
    if shape.is_unet:
        config["unet"] = dict(config["unet"], features=[8, 12, 16, 20, 24, 28], classes=5, map_dim=20)
        return Shape(shape.name, config)
    config["vision"].update(TINY)
    if "time_pos" in config["vision"]:
        config["vision"]["time_pos"] = 5
    text = dict(shape.text, vocab=50, **TINY) if shape.text else None
    return Shape(shape.name, config, {(1, 16): (1, 3), (64,): (5,)}.get(shape.items, (1,)), text)


def find(name, size):
    shape = next(one for one in PUBLISHED if one.name == name)
    return small(shape) if size == "small" else shape


def cells(vision):
    """Patches of one item; of one frame."""
    patch, size = vision["patch"], vision["input"]
    return math.prod(side // edge for side, edge in zip(size[-len(patch):], patch))


def tokens(shape):
    vision = shape.vision
    if shape.is_unet:
        return 0
    return 1 + cells(vision) * (vision["input"][0] if vision["arch"] == "spacetime_vit" else 1)


def vit_operations(vision, items):
    count, width = cells(vision), vision["width"]
    rows = count + 1
    patch = 2 * count * vision["channels"] * math.prod(vision["patch"]) * width
    layer = rows * (8 * width ** 2 + 4 * width * vision["mlp_dim"]) + 4 * rows ** 2 * width
    return items * (patch + vision["depth"] * layer + 2 * width * vision["proj_dim"])


def spacetime_operations(vision):
    """The class token attends to all; a patch to it and those of its place, then to it and those of its frame."""
    frames, count, width = vision["input"][0], cells(vision), vision["width"]
    rows = 1 + frames * count
    patch = 2 * frames * count * vision["channels"] * math.prod(vision["patch"]) * width
    linear = rows * (16 * width ** 2 + 4 * width * vision["mlp_dim"])
    attention = 4 * width * (2 * rows + frames * count * (frames + 1 + count + 1))
    return patch + vision["depth"] * (linear + attention) + 2 * width * vision["proj_dim"]


def unet_operations(vision, unet):
    features, grid, total, incoming, grids = unet["features"], vision["input"], 0, vision["channels"], []
    for out, kernel, stride in zip(features, unet["kernels"], unet["strides"]):
        grid = [side // step for side, step in zip(grid, stride)]
        grids.append(math.prod(grid))
        for _ in range(unet["convs_enc"]):
            total += 2 * incoming * out * math.prod(kernel) * grids[-1]
            incoming = out
    total += sum(2 * unet["map_dim"] * features[-1 - k] * grids[-1 - k] for k in range(3))
    for level in range(unet["dec_levels"]):
        stage = len(features) - 2 - level
        total += 2 * incoming * features[stage] * math.prod(unet["strides"][stage + 1]) * grids[stage + 1]
        incoming = 2 * features[stage]
        for _ in range(unet["convs_dec"]):
            total += 2 * incoming * features[stage] * math.prod(unet["kernels"][stage]) * grids[stage]
            incoming = features[stage]
    return total + 2 * unet["classes"] * incoming * grids[stage]


def operations(shape, items):
    if shape.is_unet:
        return unet_operations(shape.vision, shape.config["unet"])
    if shape.vision["arch"] == "spacetime_vit":
        return spacetime_operations(shape.vision)
    return vit_operations(shape.vision, items)
