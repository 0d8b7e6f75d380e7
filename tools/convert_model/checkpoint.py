"""Whatever a model is published in -> names and tensors."""
import hashlib
import mmap
import os

from convert_model import safetensors_file, torch_file
from convert_model.pickle_machine import Global, Inert, Pairs
from convert_model.refused import Refused, shown
from convert_model.torch_values import Tensor

NESTS = ("state_dict", "model", "model_state_dict")  # Lightning and most training scripts; fVLM and RADAR
IN_FOLDERS = ("model.safetensors.index.json", "model.safetensors", "pytorch_model.bin.index.json",
              "pytorch_model.bin")
NAME_MAX = 1000
INDEX_BYTES_MAX = 16 << 20


class Checkpoint:
    """tensors: name -> Tensor. plain: name -> a value that is no tensor (a number, None, ...)."""

    def __init__(self):
        self.tensors, self.plain = {}, {}
        self.unknown = []  # globals that stayed names
        self.files = []    # (file name, container, bytes, SHA-256)

    def add(self, tensors, plain=()):
        for name in tensors:
            if name in self.tensors:
                raise Refused(f"{shown(name)}: in two files")
        self.tensors.update(tensors)
        self.plain.update(plain)


def open_checkpoint(path):
    found = Checkpoint()
    if os.path.isdir(path):
        names = [name for name in IN_FOLDERS if os.path.exists(os.path.join(path, name))]
        if not names:
            raise Refused(f"{path}: holds none of {', '.join(IN_FOLDERS)}")
        path = os.path.join(path, names[0])
    if path.endswith(".index.json"):
        for shard in shards(path):
            add_file(found, shard)
    else:
        add_file(found, path)
    return found


def shards(path):
    with open(path, "rb") as file:
        index = safetensors_file.parse_json(file.read(INDEX_BYTES_MAX), path)
    names = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(names, dict) or not all(isinstance(name, str) and os.path.basename(name) == name
                                              and name not in ("", ".", "..") for name in names.values()):
        raise Refused(f"{path}: no weight_map of files beside it")
    return [os.path.join(os.path.dirname(path), name) for name in sorted(set(names.values()))]


def add_file(found, path):
    try:
        read_file(found, path)
    except Refused as refused:
        raise Refused(f"{path}: {refused}") from None
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None


def read_file(found, path):
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise Refused("empty")
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if safetensors_file.is_safetensors(data):
            container, tensors, plain = "safetensors", safetensors_file.read(data), {}
        else:
            container, unpickled = unpickle(data)
            tensors, plain = state_dict(unpickled.value)
            found.unknown.extend(name for name in unpickled.unknown if name not in found.unknown)
        found.add(tensors, plain)
        found.files.append((os.path.basename(path), container, len(data), digest(data)))


def unpickle(data):
    if data[:4] == b"PK\3\4":
        return "PyTorch zip", torch_file.read_zip(data)
    if torch_file.is_legacy(data):
        return "PyTorch legacy", torch_file.read_legacy(data)
    if data[257:262] == b"ustar":
        raise Refused("a tar archive of torch before 0.2: load and save it with any later torch first")
    if data[:1] == b"\x80":
        raise Refused("a pickle, but not torch.save's")
    raise Refused("neither a PyTorch file nor safetensors")


def digest(data):
    made, whole = hashlib.sha256(), memoryview(data)
    for at in range(0, len(whole), 1 << 24):
        made.update(whole[at:at + (1 << 24)])
    return made.hexdigest()


def state_dict(value):
    """The dictionary of tensors in what was saved."""
    if not isinstance(value, Pairs):
        raise Refused(f"holds {kind(value)}, not a dictionary of tensors")
    for nest in NESTS:
        inner = [item for key, item in value.pairs if key == nest]
        if len(inner) == 1 and isinstance(inner[0], Pairs):
            value = inner[0]
            break
    tensors, plain, seen = {}, {}, set()
    for key, item in value.pairs:
        if not isinstance(key, str) or len(key) > NAME_MAX:
            raise Refused(f"a state dict with {kind(key)} as a key, or an endless one")
        if key in tensors or key in plain:
            raise Refused(f"{shown(key)}: stands twice")
        check_inert(key, item, seen)
        (tensors if isinstance(item, Tensor) else plain)[key] = item
    return without_module(tensors), without_module(plain)


def without_module(names):
    """torch.nn.DataParallel's prefix."""
    if all(name.startswith("module.") for name in names):
        return {name.removeprefix("module."): item for name, item in names.items()}
    return names


def kind(value):
    if isinstance(value, (Global, Inert)):
        return shown(value.name)
    return {Pairs: "a dictionary", Tensor: "a tensor"}.get(type(value), type(value).__name__)


def check_inert(key, value, seen):
    """Refuse when something unknown can be reached from here. seen: what was looked at before, for other keys."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, (Global, Inert)):
            raise Refused(f"{shown(key)}: made by {shown(item.name)}, which is not known")
        if id(item) in seen:
            continue
        if isinstance(item, (list, tuple)):
            seen.add(id(item))
            waiting.extend(item)
        elif isinstance(item, Pairs):
            seen.add(id(item))
            waiting.extend(part for pair in item.pairs for part in pair)
