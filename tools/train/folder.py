"""Write a model folder: config.json, prompts.json, vocab.txt, weights in F16."""
import json
import pathlib

import torch
from safetensors.torch import save_file

import towers


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write(folder, config, image, text, logit_scale, prompts, vocabulary, dtype=torch.float16):
    """image, text: towers; vocabulary: lines of vocab.txt."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {**towers.named(image, "vision."), **towers.named(text, "text."),
               "logit_scale": torch.tensor(float(logit_scale))}
    save_file({name: value.to(dtype).contiguous() for name, value in tensors.items()}, folder / "model.safetensors")
    write_json(folder / "config.json", config)
    write_json(folder / "prompts.json", prompts)
    (folder / "vocab.txt").write_text("".join(line + "\n" for line in vocabulary), encoding="utf-8")
    return folder


def random_folder(folder, config):
    """A folder that opens and knows nothing, for what only its preprocessing is wanted of."""
    torch.manual_seed(0)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "finding", "no"]
    config = {**config, "text": {**config["text"], "vocab": len(vocabulary)}}
    label = {"id": "finding", "text": "Finding", "positive": "finding"}
    if config["family"] != "cmr-clip":
        label["negative"] = "no finding"
    else:
        config["score"] = {"mode": "cosine_mean", "threshold": 0}
    return write(folder, config, towers.ImageTower(config["vision"]), towers.TextTower(config["text"]), 1.0,
                 {"version": "none", "labels": [label]}, vocabulary)
