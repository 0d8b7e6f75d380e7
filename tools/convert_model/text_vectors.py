"""RADAR's shipped text vectors: a torch file, item -> [2, J], the negative text's vector first.
source: github.com/alibaba-damo-academy/damo-radar, RADAR_inference/inference_demo.py"""
import mmap

from convert_model.checkpoint import check_inert, digest, unpickle
from convert_model.finite import finite
from convert_model.pickle_machine import Pairs
from convert_model.radar_items import BY_KEY, IDS
from convert_model.refused import Refused, shown
from convert_model.rules import squeezed
from convert_model.torch_values import FLOATS, Tensor


class Vector:
    """One label's pair."""

    def __init__(self, organ, text, tensor):
        self.organ, self.text, self.tensor = organ, text, tensor
        plain = "".join(c if c.isalnum() else "_" for c in text.lower()).strip("_").replace("__", "_")
        self.label = IDS.get((organ, text), f"{organ}_{plain}")


def read(path, joint):
    """Vectors in the order of the file, its SHA-256."""
    try:
        with open(path, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            unpickled = unpickle(file, data)[1]
            if not isinstance(unpickled.value, Pairs):
                raise Refused("not a dictionary of text vectors")
            return [vector(key, value, joint) for key, value in unpickled.value.pairs], digest(data)
    except Refused as refused:
        raise Refused(f"{path}: {refused}") from None
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: {error}") from None


def vector(key, value, joint):
    if isinstance(key, tuple) and all(isinstance(part, str) for part in key):
        key = "_".join(key)
    if not isinstance(key, str) or key not in BY_KEY:
        raise Refused(f"{shown(key)}: no item we know")
    check_inert(key, value)
    if not isinstance(value, Tensor) or value.dtype not in FLOATS or squeezed(value.shape, 2) != (2, joint):
        raise Refused(f"{shown(key)}: not a pair of vectors of {joint}")
    if value.fault() or not all(finite(chunk, value.dtype) for chunk in value.chunks()):
        raise Refused(f"{shown(key)}: {value.fault() or 'holds values that are not finite'}")
    return Vector(*BY_KEY[key], value)
