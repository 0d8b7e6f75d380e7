"""safetensors: 8 bytes of length, a JSON header, the values in a row.
source: https://github.com/huggingface/safetensors#format"""
import hashlib
import json
import math
import struct

from convert_model.refused import Refused, shown
from convert_model.torch_values import DIMENSIONS_MAX, SIZE_MAX, SIZES, Storage, Tensor

HEADER_MAX = 32 << 20  # the format's own bound is 100 MB; Python needs ten times that to read it


def unique(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("a key stands twice in JSON")
    return found


def parse_json(text, what):
    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise Refused(f"{what} is no JSON") from None


def is_safetensors(data):
    return len(data) >= 9 and data[8:9] == b"{"


def header_of(data):
    length = struct.unpack("<Q", data[:8])[0]
    if length > HEADER_MAX or length > len(data) - 8:
        raise Refused(f"a header of {length} bytes in a file of {len(data)}")
    return parse_json(data[8:8 + length], "the header"), 8 + length


def read(data):
    """name -> Tensor, in the order of the file."""
    header, start = header_of(data)
    if not isinstance(header, dict):
        raise Refused("the header is no object")
    whole, found, spans = memoryview(data), {}, []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        dtype, shape, begin, end = checked(name, entry)
        if start + end > len(data):
            raise Refused(f"{shown(name)}: reaches beyond the end of the file")
        storage = Storage(name, dtype, math.prod(shape), read=lambda b=start + begin, e=start + end: whole[b:e])
        found[name] = Tensor(storage, dtype, shape, row_major(shape), 0)
        spans.append((begin, end, name))
    at = 0
    for begin, end, name in sorted(spans):
        if begin != at:
            raise Refused(f"{shown(name)}: a hole before it, or an overlap")
        at = end
    if start + at != len(data):
        raise Refused(f"{len(data) - start - at} bytes behind the last tensor")
    return found


def checked(name, entry):
    keys = {"dtype", "shape", "data_offsets"}
    if not isinstance(entry, dict) or set(entry) != keys or entry["dtype"] not in tuple(SIZES):
        raise Refused(f"{shown(name)}: not a dtype we know, a shape and two offsets")
    shape, offsets = entry["shape"], entry["data_offsets"]
    for values in (shape, offsets):
        if not isinstance(values, list) or len(values) > DIMENSIONS_MAX or \
                not all(type(n) is int and 0 <= n <= SIZE_MAX for n in values):
            raise Refused(f"{shown(name)}: a shape or offsets that are none")
    if len(offsets) != 2 or math.prod(shape) * SIZES[entry["dtype"]] != offsets[1] - offsets[0]:
        raise Refused(f"{shown(name)}: its offsets are not those of its shape")
    return entry["dtype"], tuple(shape), *offsets


def row_major(shape):
    strides, step = [], 1
    for n in reversed(shape):
        strides.insert(0, step)
        step *= n
    return tuple(strides)


def write(path, tensors):
    """tensors: (name, dtype, shape, chunks), chunks a function that gives the values in order. SHA-256 in hex."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, dtype, shape, _ in tensors:
        end = at + math.prod(shape) * SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    head = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    digest = hashlib.sha256()
    with open(path, "wb") as out:
        def put(data):
            out.write(data)
            digest.update(data)
        put(struct.pack("<Q", len(head)) + head)
        for _, _, _, chunks in tensors:
            for chunk in chunks():
                put(chunk)
        if out.tell() != 8 + len(head) + at:
            raise AssertionError(f"wrote {out.tell()} bytes instead of {8 + len(head) + at}")
    return digest.hexdigest()
