"""The model folder, whole or not at all: written beside its place under another name, then renamed."""
import contextlib
import hashlib
import json
import os
import shutil
import tempfile

from convert_model.refused import Refused


@contextlib.contextmanager
def new_folder(path):
    """Yields a folder to write into; it becomes `path` only when nothing was raised."""
    path = os.path.abspath(path)
    if os.path.lexists(path) and (not os.path.isdir(path) or os.path.islink(path) or os.listdir(path)):
        raise Refused(f"{path}: exists; a new or an empty folder is needed")
    if not os.path.isdir(os.path.dirname(path)):
        raise Refused(f"{os.path.dirname(path)}: no such folder")
    made = tempfile.mkdtemp(prefix=f".{os.path.basename(path)}.", dir=os.path.dirname(path))
    try:
        yield made
        os.chmod(made, 0o755)
        for name in os.listdir(made):
            with open(os.path.join(made, name), "rb") as file:
                os.fsync(file.fileno())
        os.rename(made, path)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def write_text(folder, name, text):
    """SHA-256 in hex."""
    data = text.encode()
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def write_json(folder, name, value):
    return write_text(folder, name, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def copy(folder, name, source):
    with open(source, "rb") as file:
        data = file.read()
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()
