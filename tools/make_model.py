#!/usr/bin/env python3
"""Make a model folder with weights drawn from a seed. Standard library only; the same arguments give the same bytes.

    tools/make_model.py --from models/demo-ct --out models/demo-ct --seed 1
    tools/make_model.py --from models/demo-ct --out /tmp/decides --seed 7 --trained --threshold 0

The folder given with --from supplies config.json, vocab.txt and prompts.json. Options change the copy of
config.json; tensor names and shapes follow from it (docs/model-folder.md). Such weights know nothing of medicine:
--trained exists so that tests have a package that decides.
"""
import argparse
import array
import hashlib
import json
import math
import os
import struct
import sys

DRAWS_PER_VALUE = 4  # the sum of four uniform numbers is close enough to normal
CHUNK_VALUES = 1 << 18


def normal_chunks(name, seed, count, std):
    """Values of one tensor: exact integer sums, so that no platform's libm can change a bit."""
    factor = math.sqrt(3.0) * std / 65536.0
    centre = DRAWS_PER_VALUE * 65535 / 2
    for start in range(0, count, CHUNK_VALUES):
        size = min(CHUNK_VALUES, count - start)
        key = f"{seed}:{name}:{start}".encode()
        draws = array.array("H", hashlib.shake_128(key).digest(2 * DRAWS_PER_VALUE * size))
        if sys.byteorder == "big":
            draws.byteswap()
        yield [(a + b + c + d - centre) * factor
               for a, b, c, d in zip(draws[0::4], draws[1::4], draws[2::4], draws[3::4])]


def constant_chunks(value, count):
    yield [value] * count


def linear(tensors, name, rows, columns, bias=True):
    tensors.append((name + ".weight", [rows, columns], "normal", 1 / math.sqrt(columns)))
    if bias:
        tensors.append((name + ".bias", [rows], "normal", 0.02))


def norm(tensors, name, width):
    tensors.append((name + ".weight", [width], "constant", 1.0))
    tensors.append((name + ".bias", [width], "constant", 0.0))


def blocks(tensors, prefix, section):
    width, mlp = section["width"], section["mlp_dim"]
    for i in range(section["depth"]):
        layer = f"{prefix}.layers.{i}."
        norm(tensors, layer + "ln1", width)
        linear(tensors, layer + "attn.qkv", 3 * width, width, section.get("qkv_bias", True))
        linear(tensors, layer + "attn.out", width, width)
        norm(tensors, layer + "ln2", width)
        linear(tensors, layer + "mlp.fc1", mlp, width)
        linear(tensors, layer + "mlp.fc2", width, mlp)


def vision_tensors(tensors, vision):
    width, patch, channels = vision["width"], vision["patch"], vision.get("channels", 1)
    cells = math.prod(n // p for n, p in zip(vision["input"], patch))
    tensors.append(("vision.patch.weight", [width, channels] + patch, "normal",
                    1 / math.sqrt(channels * math.prod(patch))))
    if vision.get("patch_bias", False):
        tensors.append(("vision.patch.bias", [width], "normal", 0.02))
    tensors.append(("vision.cls", [width], "normal", 0.02))
    if vision.get("pos", "learned") == "learned":
        tensors.append(("vision.pos", [cells + 1, width], "normal", 0.02))
    if vision.get("pre_ln", True):
        norm(tensors, "vision.pre_ln", width)
    blocks(tensors, "vision", vision)
    if vision.get("post_ln", True):
        norm(tensors, "vision.post_ln", width)
    linear(tensors, "vision.proj", vision["proj_dim"], width, vision.get("proj_bias", True))


def text_tensors(tensors, text):
    width = text["width"]
    tensors.append(("text.tok.weight", [text["vocab"], width], "normal", 0.02))
    tensors.append(("text.pos.weight", [text.get("max_pos", 512), width], "normal", 0.02))
    if text.get("type_emb", True):
        tensors.append(("text.type.weight", [2, width], "normal", 0.02))
    norm(tensors, "text.emb_ln", width)
    blocks(tensors, "text", text)
    linear(tensors, "text.proj", text["proj_dim"], width, text.get("proj_bias", True))


def tensor_list(config, logit_scale):
    tensors = []
    vision_tensors(tensors, config["vision"])
    text_tensors(tensors, config["text"])
    tensors.append(("logit_scale", [], "constant", logit_scale))
    return tensors


def write_weights(path, tensors, seed):
    header, at = {}, 0
    for name, shape, _, _ in tensors:
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(head)) + head)
        for name, shape, kind, value in tensors:
            count = math.prod(shape)
            chunks = normal_chunks(name, seed, count, value) if kind == "normal" else constant_chunks(value, count)
            for chunk in chunks:
                out.write(struct.pack(f"<{len(chunk)}f", *chunk))


def set_key(config, assignment):
    """--set vision.width=64: the value is JSON."""
    path, _, value = assignment.partition("=")
    *folders, key = path.split(".")
    for folder in folders:
        config = config.setdefault(folder, {})
    config[key] = json.loads(value)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", required=True, help="folder with config.json, vocab.txt, prompts.json")
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--logit-scale", type=float, default=math.log(1 / 0.07), help="stored value (default ln(1/0.07))")
    parser.add_argument("--trained", action="store_true", help="mark as trained: the package then decides")
    parser.add_argument("--threshold", type=float, help="score.threshold; 0 finds everything present")
    parser.add_argument("--name")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=JSON", help="any key: vision.depth=2")
    return parser.parse_args()


def changed_config(arguments, vocab_lines):
    with open(os.path.join(arguments.source, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    config["text"]["vocab"] = vocab_lines
    if arguments.trained:
        config["trained"] = True
    if arguments.threshold is not None:
        config.setdefault("score", {})["threshold"] = arguments.threshold
    if arguments.name:
        config["name"] = arguments.name
    for assignment in arguments.set:
        set_key(config, assignment)
    return config


def main():
    arguments = read_arguments()
    os.makedirs(arguments.out, exist_ok=True)
    copies = {}
    for name in ("vocab.txt", "prompts.json"):
        with open(os.path.join(arguments.source, name), "rb") as file:
            copies[name] = file.read()
    config = changed_config(arguments, copies["vocab.txt"].count(b"\n"))
    copies["config.json"] = (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode()
    for name, data in copies.items():
        with open(os.path.join(arguments.out, name), "wb") as file:
            file.write(data)
    write_weights(os.path.join(arguments.out, "model.safetensors"), tensor_list(config, arguments.logit_scale),
                  arguments.seed)


if __name__ == "__main__":
    main()
