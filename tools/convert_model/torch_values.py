"""Storages and tensors, as torch's pickles describe them, and their values as bytes.
source: torch/_utils.py, torch/serialization.py (torch 0.4 to 2.x); the names below are what these write."""
import array
import dataclasses
import math
from typing import Callable

from convert_model.pickle_machine import Global, Inert, Pairs
from convert_model.refused import Refused, shown

CHUNK_BYTES = 4 << 20
DIMENSIONS_MAX = 16
SIZE_MAX = 1 << 40

# torch's dtype -> the name in safetensors, bytes a value
DTYPES = {
    "float64": ("F64", 8), "float32": ("F32", 4), "float16": ("F16", 2), "bfloat16": ("BF16", 2),
    "int64": ("I64", 8), "int32": ("I32", 4), "int16": ("I16", 2), "int8": ("I8", 1),
    "uint8": ("U8", 1), "bool": ("BOOL", 1), "complex64": ("C64", 8), "complex128": ("C128", 16),
}
SIZES = dict(DTYPES.values())
FLOATS = ("F64", "F32", "F16", "BF16")
STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "UntypedStorage": None, "_UntypedStorage": None,
}


@dataclasses.dataclass
class Storage:
    """Values in a row. read() gives their bytes; set by the container, which knows where they lie."""
    key: str
    dtype: str | None  # of safetensors; None: bytes, the tensor says what they are
    count: int
    first: int = 0  # a view begins here
    read: Callable[[], memoryview] | None = None
    swapped: bool = False  # big-endian


@dataclasses.dataclass
class Tensor:
    storage: Storage
    dtype: str
    shape: tuple
    strides: tuple
    offset: int

    @property
    def count(self):
        return math.prod(self.shape)

    @property
    def size(self):
        return SIZES[self.dtype]

    def fault(self):
        """What is wrong with where it lies, or None."""
        if self.count == 0:
            return None
        last = self.offset + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides))
        held = len(self.storage.read()) // self.size
        if last >= held:
            return f"reaches to value {last} of a storage of {held}"
        if self.count > held:
            return f"repeats the {held} values of its storage to make {self.count}"
        return None

    def chunks(self):
        """Its values in row-major order, little-endian, a few MiB at a time. fault() is None."""
        for chunk in self.rows():
            if self.storage.swapped and self.size > 1:
                values = array.array({2: "H", 4: "I", 8: "Q"}[self.size], bytes(chunk))
                values.byteswap()
                chunk = values.tobytes()
            yield chunk

    def rows(self):
        if self.count == 0:
            return
        data, size = self.storage.read(), self.size
        if self.is_contiguous():
            start, end = self.offset * size, (self.offset + self.count) * size
            for at in range(start, end, CHUNK_BYTES):
                yield data[at:min(at + CHUNK_BYTES, end)]
            return
        yield from self.strided_rows(data[:len(data) // size * size].cast({1: "B", 2: "H", 4: "I", 8: "Q"}[size]))

    def is_contiguous(self):
        step = 1
        for n, stride in zip(reversed(self.shape), reversed(self.strides)):
            if n != 1 and stride != step:
                return False
            step *= n
        return True

    def strided_rows(self, values):
        n, stride = self.shape[-1], self.strides[-1]
        outer = list(zip(self.shape[:-1], self.strides[:-1]))
        pending = bytearray()
        for row in range(self.count // n):
            start = self.offset
            for size, step in reversed(outer):
                row, index = divmod(row, size)
                start += index * step
            pending += (values[start:start + 1].tobytes() * n if stride == 0
                        else values[start:start + (n - 1) * stride + 1:stride].tobytes())
            if len(pending) >= CHUNK_BYTES:
                yield pending
                pending = bytearray()
        yield pending


def whole(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= SIZE_MAX


def numbers(values):
    return isinstance(values, tuple) and len(values) <= DIMENSIONS_MAX and all(map(whole, values))


def storage_of(pid):
    """('storage', type, key, location, number of values[, view]) -> Storage; anything else is inert."""
    if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
        return Inert("a persistent id", [pid])
    kind, key, count = pid[1], pid[2], pid[4]
    module, _, name = kind.name.rpartition(".") if isinstance(kind, Global) else ("", "", "")
    if module not in ("torch", "torch.cuda", "torch.storage") or name not in STORAGES:
        return Inert("a storage", [kind])
    if not isinstance(key, str) or not whole(count):
        raise Refused("a storage whose key is no text, or whose size is no number")
    dtype = STORAGES[name]
    made = Storage(key, DTYPES[dtype][0] if dtype else None, count)
    if len(pid) == 6 and pid[5] is not None:
        view = pid[5]
        if not isinstance(view, tuple) or len(view) != 3 or not numbers(view[1:]):
            raise Refused(f"storage {shown(key)}: a view that is none")
        made.first = view[1]
    return made


def make_tensor(storage, offset, shape, strides, dtype=None):
    if isinstance(storage, Inert):
        return Inert("a tensor on an unknown storage", [storage])
    if not isinstance(storage, Storage):
        raise Refused("a tensor without a storage")
    dtype = dtype or storage.dtype
    if dtype not in SIZES:
        return Inert("a tensor of an unknown type")
    shape, strides = (tuple(v) if isinstance(v, list) else v for v in (shape, strides))
    if not whole(offset) or not numbers(shape) or not numbers(strides) or len(shape) != len(strides):
        raise Refused(f"a tensor on storage {shown(storage.key)}: no proper offset, size and stride")
    made = Tensor(storage, dtype, shape, strides, offset + storage.first)
    if made.count > SIZE_MAX:
        raise Refused(f"a tensor on storage {shown(storage.key)}: too large")
    return made


def arguments(given, least, function):
    if len(given) < least:
        raise Refused(f"{function}: {len(given)} arguments instead of {least}")
    return given


def rebuild_tensor(given):
    return make_tensor(*arguments(given, 4, "_rebuild_tensor")[:4])


def rebuild_tensor_v3(given):
    """storage, offset, size, stride, requires_grad, hooks, dtype[, metadata]"""
    given = arguments(given, 7, "_rebuild_tensor_v3")
    name = given[6].name.removeprefix("torch.") if isinstance(given[6], Global) else None
    if name not in DTYPES:
        return Inert("a tensor of an unknown type", [given[6]])
    return make_tensor(*given[:4], dtype=DTYPES[name][0])


def first_argument(given):
    """_rebuild_parameter(data, requires_grad, hooks[, state]); _rebuild_device_tensor_from_cpu_tensor(data, ...)"""
    return arguments(given, 1, "_rebuild_parameter")[0]


def rebuild_from_type(given):
    """_rebuild_from_type_v2(function, type, arguments, state): a subclass of Tensor."""
    function, _, inner = arguments(given, 3, "_rebuild_from_type")[:3]
    if isinstance(function, Global) and function.name in CALLS and isinstance(inner, tuple) \
            and CALLS[function.name] is not rebuild_from_type:
        return CALLS[function.name](inner)
    return Inert("a tensor of an unknown class", given)


def ordered_dict(given):
    made = Pairs()
    for pair in given[0] if given and isinstance(given[0], (list, tuple)) else ():
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise Refused("an OrderedDict of what are no pairs")
        made.pairs.append(tuple(pair))
    return made


def size(given):
    return tuple(given[0]) if given and isinstance(given[0], (list, tuple)) else Inert("torch.Size", given)


# The only names that mean anything; every other one stays a name.
CALLS = {
    "collections.OrderedDict": ordered_dict,
    "torch.Size": size,
    "torch._utils._rebuild_tensor": rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": rebuild_tensor_v3,
    "torch._utils._rebuild_parameter": first_argument,
    "torch._utils._rebuild_parameter_with_state": first_argument,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": first_argument,
    "torch._tensor._rebuild_from_type": rebuild_from_type,
    "torch._tensor._rebuild_from_type_v2": rebuild_from_type,
}


def is_known(name):
    """True for names that appear in every checkpoint and need no mention."""
    module, _, last = name.rpartition(".")
    return name in CALLS or (module in ("torch", "torch.cuda", "torch.storage") and
                             (last in STORAGES or last in DTYPES))
