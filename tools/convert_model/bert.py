"""The BERT text tower that four of the systems carry, as transformers names it under a prefix.
Sizes: V vocabulary, H width, I inner width, P positions."""
import re

from convert_model.family import heads
from convert_model.rules import count, linear, norm, rule

PUBMED = {"V": 30522, "H": 768, "I": 3072, "P": 512}
CLINICAL = PUBMED | {"V": 28996}
LAYERS = 12


def depth(names, prefix):
    return count(names, re.escape(prefix) + r"encoder\.layer\.(\d+)\.")


def rules(prefix, layers, pooler=True, type_optional=False):
    embeddings = prefix + "embeddings."
    yield rule("text.tok.weight", embeddings + "word_embeddings.weight", "V H")
    yield rule("text.pos.weight", embeddings + "position_embeddings.weight", "P H")
    yield rule(None if type_optional else "text.type.weight", embeddings + "token_type_embeddings.weight", "2 H",
               type_optional)
    yield from norm("text.emb_ln", embeddings + "LayerNorm", "H")
    for i in range(layers):
        layer, to = f"{prefix}encoder.layer.{i}.", f"text.layers.{i}."
        yield from linear(to + "attn.qkv", tuple(f"{layer}attention.self.{part}" for part in ("query", "key", "value")),
                          "H", "H")
        yield from linear(to + "attn.out", layer + "attention.output.dense", "H", "H")
        yield from norm(to + "ln1", layer + "attention.output.LayerNorm", "H")
        yield from linear(to + "mlp.fc1", layer + "intermediate.dense", "I", "H")
        yield from linear(to + "mlp.fc2", layer + "output.dense", "H", "I")
        yield from norm(to + "ln2", layer + "output.LayerNorm", "H")
    if pooler:
        yield from linear(None, prefix + "pooler.dense", "H", "H")


def config(found, **more):
    sizes = found.sizes
    return {"arch": "bert", "vocab": sizes["V"], "width": sizes["H"], "depth": found.depths["text"],
            "heads": heads(found, sizes["H"], "text.heads"), "mlp_dim": sizes["I"], "act": "gelu", "ln_eps": 1e-12,
            "max_pos": sizes["P"], "proj_dim": sizes["J"]} | more
