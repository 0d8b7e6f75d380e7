"""Makes what the parties open; a program, run in the peers' Python:

    python -m encoder_bench.make full|small FOLDER NAME,... [onnx] [int8] [text]

FOLDER/NAME gets config.json, model.safetensors, input-ITEMS.f32, another input (other.f32, of as many items as the first)
and, asked for, model.onnx and model-int8.onnx. "text": the text tower too, of zeros."""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

from . import shapes
from .networks import Network


def text_tensors(c):
    width, inner = c["width"], c["mlp_dim"]
    out = {"text.tok.weight": (c["vocab"], width), "text.pos.weight": (77, width), "text.proj.weight": (c["proj_dim"], width),
           "text.final_ln.weight": (width,), "text.final_ln.bias": (width,)}
    for i in range(c["depth"]):
        for part, rows, columns in (("attn.qkv", 3 * width, width), ("attn.out", width, width), ("mlp.fc1", inner, width),
                                    ("mlp.fc2", width, inner), ("ln1", width, 0), ("ln2", width, 0)):
            out[f"text.layers.{i}.{part}.weight"] = (rows, columns) if columns else (rows,)
            out[f"text.layers.{i}.{part}.bias"] = (rows,)
    return {name: torch.zeros(shape) for name, shape in out.items()}


def write_input(shape, items, path, seed):
    """Noise that changes slowly over each picture, so that other places hold other values."""
    draw = torch.Generator().manual_seed(seed)
    size = shape.input(items)
    coarse = torch.randn([*size[:-2], 1, 4, 4], generator=draw).flatten(0, -4)
    slow = torch.nn.functional.interpolate(coarse, size=size[-2:], mode="bilinear").reshape(size)
    values = 2 * slow + 0.5 * torch.randn(size, generator=draw)
    values.numpy().astype("<f4").tofile(path)
    return values


def write_onnx(shape, network, values, path):
    """Opset 17 has LayerNormalization. Pictures may be as many as one likes."""
    pictures = len(shape.vision["input"]) == 2
    torch.onnx.export(network, values[:2] if pictures else values, str(path), input_names=["x"], opset_version=17,
                      dynamic_axes={"x": {0: "items"}} if pictures else None)


def write_int8(exact, path):
    """onnxruntime's own: weights a column, what comes in as it comes."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    quantize_dynamic(str(exact), str(path), weight_type=QuantType.QInt8, per_channel=True)


def make(shape, folder, wanted):
    folder.mkdir(parents=True)
    network, config = Network(shape, 0 if shape.is_unet else shapes.cells(shape.vision)), dict(shape.config)
    network.randomise(1)
    tensors = {name: value.contiguous() for name, value in network.tensors().items()}
    if "text" in wanted:
        config["text"] = shape.text
        tensors.update(text_tensors(shape.text))
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    inputs = [write_input(shape, items, folder / f"input-{items}.f32", items) for items in shape.items]
    write_input(shape, shape.items[0], folder / "other.f32", 1000)
    if "onnx" in wanted:
        write_onnx(shape, network, inputs[-1], folder / "model.onnx")
    if "int8" in wanted and shape.name in shapes.QUANTIZED:
        write_int8(folder / "model.onnx", folder / "model-int8.onnx")


def main(size, folder, names, *wanted):
    for name in names.split(","):
        make(shapes.find(name, size), pathlib.Path(folder) / name, wanted)


if __name__ == "__main__":
    main(*sys.argv[1:])
