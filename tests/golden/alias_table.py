"""The engine's own tables of published names (modules/encoder/weights_alias_*.c), written apart from tools/convert:
what one maps, the other must map too."""
import functools
import pathlib
import re
import shutil
import subprocess

import pytest

ENCODER = pathlib.Path(__file__).resolve().parents[2] / "modules/encoder"
LITERALS = r'"[^"]*"(?:\s*"[^"]*")*'
JOINED = {"{query}": ("query", "key", "value"), "{q}": ("q", "k", "v")}


def text(literals):
    return "".join(re.findall(r'"([^"]*)"', literals))


@functools.lru_cache
def pairs(family):
    """[(canonical, published)], numbers as {i} and {j}."""
    source = ENCODER / f"weights_alias_{family}.c"
    if not source.exists() or not shutil.which("cc"):
        pytest.skip(f"no {source.name}, or no C preprocessor to read it with")
    done = subprocess.run(["cc", "-E", "-P", f"-I{ENCODER.parent}", source], capture_output=True, text=True, check=True,
                          timeout=60)
    return [(text(a), text(b)) for a, b in re.findall(rf"\{{\s*({LITERALS})\s*,\s*({LITERALS})\s*\}}", done.stdout)]


def sources(family, canonical):
    """The published names of a canonical one, to be joined; the same name when the table has none."""
    for ours, theirs in pairs(family):
        found = re.fullmatch(re.escape(ours).replace(r"\{i\}", r"(?P<i>\d+)").replace(r"\{j\}", r"(?P<j>\d+)"), canonical)
        if found:
            for letter, number in found.groupdict().items():
                theirs = theirs.replace("{" + letter + "}", number)
            mark = next((mark for mark in JOINED if mark in theirs), None)
            return [theirs.replace(mark, part) for part in JOINED[mark]] if mark else [theirs]
    return [canonical]
