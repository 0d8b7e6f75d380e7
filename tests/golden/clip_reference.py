"""transformers' CLIPModel with random weights, saved as transformers saves it, and its stages under our names."""
import json

import numpy
import torch
from transformers import CLIPConfig, CLIPModel

SMALL = dict(
    vision=dict(hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=3, image_size=56,
                patch_size=14),
    text=dict(hidden_size=40, intermediate_size=80, num_hidden_layers=2, num_attention_heads=5, vocab_size=514,
              max_position_embeddings=77),
    projection_dim=20)
VIT_L_14 = dict(
    vision=dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
                image_size=224, patch_size=14),
    text=dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
              vocab_size=49408),
    projection_dim=768)


def make(sizes, seed=1, act="quick_gelu"):
    config = CLIPConfig(vision_config=dict(sizes["vision"], hidden_act=act),
                        text_config=dict(sizes["text"], hidden_act=act), projection_dim=sizes["projection_dim"])
    model = CLIPModel(config)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 0:
                continue
            noise = torch.randn(p.shape, generator=draw)
            is_norm = p.dim() == 1 and name.endswith("norm.weight") or "layer_norm" in name and name.endswith("weight")
            p.copy_(1 + 0.1 * noise if is_norm else noise * (0.1 if p.dim() == 1 else p[0].numel() ** -0.5))
    return model.eval()


def byte_symbols():
    """GPT-2's printable stand-ins for the 256 bytes, in CLIP's order."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in kept]
    return [chr(b) for b in kept] + [chr(256 + i) for i in range(len(others))]


def save(model, folder, tokenizer=True, **options):
    """As save_pretrained leaves it; the tokenizer knows bytes and no merges."""
    model.save_pretrained(folder, safe_serialization=True, **options)
    if tokenizer:
        symbols = byte_symbols()
        tokens = symbols + [s + "</w>" for s in symbols] + ["<|startoftext|>", "<|endoftext|>"]
        (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
        (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder


def keep_input(stages, name):
    return lambda module, inputs: stages.__setitem__(name, inputs[0][0].double().numpy())


def keep_output(stages, name):
    def see(module, inputs, output):
        first = output[0] if isinstance(output, tuple) else output
        stages[name] = first[0].double().numpy()
    return see


def hook_layers(layers, stages):
    hooks = []
    for i, layer in enumerate(layers):
        hooks.append(layer.register_forward_hook(keep_output(stages, f"layer.{i}")))
        hooks.append(layer.layer_norm2.register_forward_pre_hook(keep_input(stages, f"attn.{i}")))
    return hooks


@torch.no_grad()
def image_stages(model, pixels):
    """pixels [S,3,y,x]. Stages of the first slice; with several "slices", the unit vectors, and the mean of them."""
    stages, vision = {}, model.vision_model
    hooks = hook_layers(vision.encoder.layers, stages)
    hooks.append(vision.pre_layrnorm.register_forward_hook(keep_output(stages, "embed")))
    hooks.append(vision.embeddings.patch_embedding.register_forward_hook(keep_output(stages, "patch")))
    units = torch.nn.functional.normalize(model.get_image_features(pixels).double(), dim=-1)
    for hook in hooks:
        hook.remove()
    stages["patch"] = stages["patch"].reshape(len(stages["patch"]), -1).T
    stages["post"] = vision(pixels[:1]).pooler_output.double().numpy()
    if len(pixels) > 1:
        stages["slices"] = units.numpy()
    stages["unit"] = torch.nn.functional.normalize(units.mean(0, keepdim=True), dim=-1).numpy()
    return stages


@torch.no_grad()
def text_stages(model, ids):
    stages, text = {}, model.text_model
    hooks = hook_layers(text.encoder.layers, stages)
    hooks.append(text.embeddings.register_forward_hook(keep_output(stages, "embed")))
    hooks.append(text.final_layer_norm.register_forward_hook(keep_output(stages, "final")))
    out = text(torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    stages["pool"] = out.pooler_output.double().numpy()
    unit = torch.nn.functional.normalize(model.text_projection(out.pooler_output).double(), dim=-1)
    stages["unit"] = unit.numpy()
    return {name: value for name, value in stages.items() if not name.startswith("attn")}


def pixels(count, side, seed=5, dtype="f4"):
    return numpy.random.default_rng(seed).standard_normal((count, 3, side, side)).astype(dtype)
