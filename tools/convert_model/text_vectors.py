"""RADAR's shipped text vectors: a torch file, item -> [2, J], the negative text's vector first.
source: github.com/alibaba-damo-academy/damo-radar, RADAR_inference/inference_demo.py"""
import math
import mmap
import struct

from convert_model.checkpoint import check_inert, digest, unpickle
from convert_model.finite import finite, numbers
from convert_model.pickle_machine import Pairs
from convert_model.radar_items import BY_KEY, IDS
from convert_model.refused import Refused, shown
from convert_model.rules import squeezed
from convert_model.torch_values import FLOATS, Tensor


UNIT = 1e-3  # what the engine takes as unit length


class Vector:
    """One label's pair of unit vectors."""

    def __init__(self, organ, text, values):
        self.organ, self.text = organ, text
        words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
        self.label = IDS.get((organ, text), "_".join([organ, *words]))
        pair = values[:len(values) // 2], values[len(values) // 2:]
        self.lengths = [math.hypot(*vector) for vector in pair]
        self.pair = [vector if abs(length - 1) < UNIT else [value / length for value in vector]
                     for vector, length in zip(pair, self.lengths)]


def lengths(vectors):
    """What to say when some were not of unit length."""
    found = sorted(length for one in vectors for length in one.lengths)
    if any(abs(length - 1) >= UNIT for length in found):
        yield f"They were {found[0]:.4f} to {found[-1]:.4f} long and were brought to unit length: scores differ from " \
              "the published ones by that factor."


def tensors(vectors):
    """text_cache.safetensors: labels.ID.positive and .negative, F32 [J]."""
    return [(f"labels.{one.label}.{side}", "F32", (len(values),),
             lambda values=values: [struct.pack(f"<{len(values)}f", *values)])
            for one in vectors for side, values in zip(("negative", "positive"), one.pair)]


def read(path, joint):
    """Vectors in the order of the file, its SHA-256."""
    try:
        with open(path, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            unpickled = unpickle(data)[1]
            if not isinstance(unpickled.value, Pairs):
                raise Refused("not a dictionary of text vectors")
            found = [vector(key, value, joint) for key, value in unpickled.value.pairs]
            if len({one.label for one in found}) != len(found):
                raise Refused("an item stands twice")
            return found, digest(data)
    except Refused as refused:
        raise Refused(f"{path}: {refused}") from None
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: {error}") from None


def vector(key, value, joint):
    if isinstance(key, tuple) and all(isinstance(part, str) for part in key):
        key = "_".join(key)
    if not isinstance(key, str) or key not in BY_KEY:
        raise Refused(f"{shown(key)}: no item we know")
    check_inert(key, value, set())
    if not isinstance(value, Tensor) or value.dtype not in FLOATS or squeezed(value.shape, 2) != (2, joint):
        raise Refused(f"{shown(key)}: not a pair of vectors of {joint}")
    if value.fault() or not all(finite(chunk, value.dtype) for chunk in value.chunks()):
        raise Refused(f"{shown(key)}: {value.fault() or 'holds values that are not finite'}")
    values = numbers(value)
    if not (any(values[:joint]) and any(values[joint:])):
        raise Refused(f"{shown(key)}: a vector of zeros")
    return Vector(*BY_KEY[key], values)
