"""A plain U-Net: nnU-Net's encoder, and its decoder or a lighter one.
Sizes: C channels; F0, F1, ... features of a stage; K0z, ... kernels; S1z, ... strides, which a transposed convolution
has as its kernel. Levels of the decoder count from the deepest.
source: dynamic_network_architectures (PlainConvEncoder, UNetDecoder)"""
from convert_model.rules import linear, rule

BUFFERS = ("running_mean", "running_var")
INFERRED = {  # nnU-Net's default for this kind of volume
    "features": [32, 64, 128, 256, 320, 320],
    "kernels": [[1, 3, 3]] + 5 * [[3, 3, 3]],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2], [1, 2, 2]],
}
RADAR = {
    "features": [32, 64, 128, 256, 320, 320],
    "kernels": 2 * [[1, 3, 3]] + 4 * [[3, 3, 3]],
    "strides": [[1, 1, 1], [1, 2, 2], [1, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2]],
}


def published(layout, levels):
    """The sizes of a layout, by name."""
    sizes = {f"F{s}": n for s, n in enumerate(layout["features"])}
    for s, kernel in enumerate(layout["kernels"]):
        sizes |= {f"K{s}{axis}": n for axis, n in zip("zyx", kernel)}
    for s in range(len(layout["features"]) - levels, len(layout["features"])):
        sizes |= {f"S{s}{axis}": n for axis, n in zip("zyx", layout["strides"][s])}
    return sizes


def three(kind, stage):
    return " ".join(f"{kind}{stage}{axis}" for axis in "zyx")


def block(to, source, stage, inputs, batch_norm):
    yield rule(f"{to}.conv.weight", f"{source}.conv.weight", f"F{stage} {inputs} {three('K', stage)}")
    yield rule(f"{to}.conv.bias", f"{source}.conv.bias", f"F{stage}")
    yield from linear(f"{to}.norm", f"{source}.norm", f"F{stage}", "")
    for buffer in BUFFERS if batch_norm else ():
        yield rule(f"{to}.norm.{buffer}", f"{source}.norm.{buffer}", f"F{stage}")


def rules(depth, batch_norm, enc, up, dec):
    """enc(s, c), up(l), dec(l, c): the published prefix of a block or a transposed convolution."""
    stages, levels = depth["stages"], depth["levels"]
    for s in range(stages):
        for c in range(depth["convs_enc"]):
            inputs = f"F{s}" if c else f"F{s - 1}" if s else "C"
            yield from block(f"unet.enc.{s}.{c}", enc(s, c), s, inputs, batch_norm)
    for level in range(levels):
        s = stages - 2 - level
        yield rule(f"unet.dec.{level}.up.weight", up(level) + ".weight", f"F{s + 1} F{s} {three('S', s + 1)}")
        yield rule(f"unet.dec.{level}.up.bias", up(level) + ".bias", f"F{s}")
        for c in range(depth["convs_dec"]):
            yield from block(f"unet.dec.{level}.{c}", dec(level, c), s, f"F{s}" if c else f"2F{s}", batch_norm)


def config(found, layout, **more):
    """Strides of stages above the decoder's last level are in no tensor: the layout's."""
    s, depth = found.sizes, found.depths
    strides = [[s.get(f"S{i}{axis}", layout["strides"][min(i, 5)][j]) for j, axis in enumerate("zyx")]
               for i in range(depth["stages"])]
    return {"features": [s[f"F{i}"] for i in range(depth["stages"])],
            "kernels": [[s[f"K{i}{axis}"] for axis in "zyx"] for i in range(depth["stages"])], "strides": strides,
            "convs_enc": depth["convs_enc"], "convs_dec": depth["convs_dec"], "dec_levels": depth["levels"],
            "bias": True} | more
