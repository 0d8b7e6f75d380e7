"""The tokenizer's files: given with --vocab, or beside the checkpoint."""
import os

from convert_model.refused import Refused
from convert_model.safetensors_file import parse_json

NAMES = {"wordpiece": ("vocab.txt",), "bpe": ("vocab.json", "merges.txt"), None: ()}
SPECIAL = ("[UNK]", "[CLS]", "[SEP]")
BYTES_MAX = 64 << 20


def read(path):
    try:
        with open(path, "rb") as file:
            data = file.read(BYTES_MAX)
        return data.decode()
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused(f"{path}: not UTF-8") from None


def find(tokenizer, given, checkpoint):
    """name in the model folder -> path. Empty when there are none."""
    names = NAMES[tokenizer]
    if not given:
        folder = checkpoint if os.path.isdir(checkpoint) else os.path.dirname(checkpoint)
        found = {name: os.path.join(folder, name) for name in names}
        return found if found and all(map(os.path.isfile, found.values())) else {}
    found = {}
    for path in given:
        name = name_of(path, names)
        if name is None or name in found:
            raise Refused(f"{path}: expected {' and '.join(names) or 'no vocabulary'}")
        found[name] = path
    if set(found) != set(names):
        raise Refused(f"--vocab: {' and '.join(sorted(set(names) - set(found)))} missing")
    return found


def name_of(path, names):
    if len(names) == 1:
        return names[0]
    return next((name for name in names if path.endswith(os.path.splitext(name)[1])), None)


def check(tokenizer, found, rows):
    """errors: a vocabulary that is larger than its embedding, or lacks what every text needs."""
    if tokenizer == "wordpiece" and found:
        path = found["vocab.txt"]
        lines = read(path).split("\n")
        lines = lines[:-1] if lines[-1] == "" else lines
        for token in SPECIAL:
            if token not in (line.strip() for line in lines):
                raise Refused(f"{path}: no {token}")
        size = len(lines)
    elif tokenizer == "bpe" and found:
        path = found["vocab.json"]
        tokens = parse_json(read(path), path)
        if not isinstance(tokens, dict) or not all(type(n) is int for n in tokens.values()):
            raise Refused(f"{path}: not an object of token ids")
        size = max(tokens.values(), default=-1) + 1
        read(found["merges.txt"])
    else:
        return
    if size > rows:
        raise Refused(f"{path}: {size} tokens, but the checkpoint embeds {rows}")
