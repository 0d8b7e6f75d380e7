"""torch.save's two containers: the zip archive of torch 1.6 and later, the stream of pickles before.
source: torch/serialization.py"""
from convert_model.pickle_machine import BYTES_MAX, Machine
from convert_model.refused import Refused, shown
from convert_model.torch_values import CALLS, SIZES, Storage, is_known, storage_of
from convert_model.zip_archive import Archive

MAGIC = 0x1950A86A20F9469CFC6C  # torch's own; the first of the pickles
MAGIC_BYTES = b"\x8a\x0a" + MAGIC.to_bytes(10, "little")


class Unpickled:
    def __init__(self, data, start=0):
        self.storages = []
        machine = Machine(data, start, CALLS, self.persistent)
        self.value = machine.run()
        self.end = machine.at
        self.unknown = [name for name in machine.globals if not is_known(name)]

    def persistent(self, pid):
        made = storage_of(pid)
        if isinstance(made, Storage):
            self.storages.append(made)
        return made


def root_of(archive):
    """The folder in the archive, whose name is anything."""
    found = [name[:-len("data.pkl")] for name in archive.entries if name.endswith("/data.pkl")]
    if len(found) != 1 or "/" in found[0][:-1]:
        raise Refused("a zip archive, but not torch.save's: no data.pkl in one folder")
    if found[0] + "constants.pkl" in archive.entries:
        raise Refused("a TorchScript archive, not a checkpoint")
    return found[0]


def read_zip(data):
    archive = Archive(data)
    root = root_of(archive)
    pickled = archive.read(root + "data.pkl")
    if len(pickled) > BYTES_MAX:
        raise Refused(f"data.pkl of more than {BYTES_MAX >> 20} MiB")
    swapped = False
    if root + "byteorder" in archive.entries:
        order = bytes(archive.read(root + "byteorder")[:20])
        if order not in (b"little", b"big"):
            raise Refused("byteorder is neither little nor big")
        swapped = order == b"big"
    unpickled = Unpickled(bytes(pickled))
    for storage in unpickled.storages:
        storage.swapped = swapped
        storage.read = lambda name=f"{root}data/{storage.key}": archive.read(name)
    return unpickled


def is_legacy(data):
    return data[2:2 + len(MAGIC_BYTES)] == MAGIC_BYTES


def read_legacy(data):
    """magic, protocol, system, the object, the storages' keys; then each storage: count (int64), values. All numbers
    are little-endian on every machine."""
    at = 0
    for _ in range(3):
        at = Unpickled(data, at).end
    unpickled = Unpickled(data, at)
    listed = Unpickled(data, unpickled.end)
    sizes = {}
    for storage in unpickled.storages:
        sizes.setdefault(storage.key, SIZES[storage.dtype or "U8"])
    if not isinstance(listed.value, list) or not all(isinstance(key, str) for key in listed.value):
        raise Refused("no list of storages behind the pickled object")
    places = legacy_places(data, listed.end, listed.value, sizes)
    for storage in unpickled.storages:
        storage.read = lambda key=storage.key: place_of(places, key)
    return unpickled


def legacy_places(data, at, keys, sizes):
    places, whole = {}, memoryview(data)
    for key in keys:
        if key not in sizes or key in places:
            raise Refused(f"storage {shown(key)}: listed, but used by no tensor or listed twice")
        if at + 8 > len(data):
            raise Refused(f"storage {shown(key)}: the file ends before it")
        count = int.from_bytes(data[at:at + 8], "little")
        end = at + 8 + count * sizes[key]
        if end > len(data):
            raise Refused(f"storage {shown(key)}: reaches beyond the end of the file")
        places[key] = whole[at + 8:end]
        at = end
    return places


def place_of(places, key):
    if key not in places:
        raise Refused(f"storage {shown(key)}: not in the file")
    return places[key]
