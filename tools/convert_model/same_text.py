"""RadCLIP's text tower was frozen: it must equal openai/clip-vit-large-patch14 bit for bit.
source: github.com/luzhixiu/RadCLIP (training notebook)"""
import itertools

from convert_model.checkpoint import open_checkpoint
from convert_model.refused import Refused, shown


def is_text(name):
    return (name.startswith("text_model.") and not name.endswith("position_ids")) or \
        name in ("text_projection.weight", "logit_scale")


def differences(ours, theirs):
    for name in sorted({*filter(is_text, ours), *filter(is_text, theirs)}):
        one, other = ours.get(name), theirs.get(name)
        if one is None or other is None:
            yield f"{shown(name)}: only in one of them"
        elif (one.dtype, one.shape) != (other.dtype, other.shape):
            yield f"{shown(name)}: {one.dtype} {list(one.shape)} here, {other.dtype} {list(other.shape)} there"
        elif one.fault() or other.fault():
            yield f"{shown(name)}: {one.fault() or other.fault()}"
        elif any(bytes(a) != bytes(b) for a, b in itertools.zip_longest(one.chunks(), other.chunks(), fillvalue=b"")):
            yield f"{shown(name)}: other values"


def check(checkpoint, path):
    """How many tensors were equal."""
    reference = open_checkpoint(path)
    found = list(differences(checkpoint.tensors, reference.tensors))
    if found:
        raise Refused(f"{path}: the text tower is not the same\n" + "\n".join(found[:10]))
    return sum(map(is_text, reference.tensors))
