"""Size, form and dress of the sources."""
import posixpath
import re
import shutil
import subprocess

import pytest

from tree import PRODUCT, ROOT, c_files, code_only, read, show

FILE_LINES, FUNCTION_LINES = 600, 70
CLANG_FORMAT = 14  # Debian 12's; others break lines elsewhere

# Longer than the rule: why.
LONG_FILES = {}
LONG_FUNCTIONS = {}
# Headers that are included more than once on purpose.
UNGUARDED = {"modules/store/statements.h": "a table, included once for names and once for texts"}


def functions(text):
    """(line number, first line, number of lines) of every function. clang-format puts the brace that opens one on
    a line of its own, and the one that closes it at the same indentation; namespaces and classes look alike."""
    lines = code_only(text).split("\n")
    number = 0
    while number < len(lines):
        opened = re.fullmatch(r"(\s*)\{", lines[number])
        head = number
        while opened and head > 0 and lines[head - 1].strip() and not re.search(r"[;{}:]$|^\s*#", lines[head - 1]):
            head -= 1
        if opened and not re.match(r"\s*(namespace|class|struct|union|enum)\b[^()]*$", " ".join(lines[head:number])):
            closed = next(at for at in range(number, len(lines)) if re.match(opened.group(1) + r"\}", lines[at]))
            yield head + 1, lines[head].strip(), closed - head + 1
            number = closed
        number += 1


def function_faults(path, text):
    for number, head, length in functions(text):
        if length > FUNCTION_LINES and (path, head) not in LONG_FUNCTIONS:
            yield f"{path}:{number}: {head}: {length} lines"


def header_faults(path, text):
    if not re.match(r"/\*|//", text):
        yield f"{path}: does not begin with a comment"
    guard = re.sub(r"\W", "_", "/".join(path.split("/")[-2:])).upper()
    stem = re.sub(r"\W", "_", posixpath.basename(path)).upper()
    code = code_only(text)
    names = re.findall(r"^#ifndef (\w+)\n#define (\w+)\n", code, re.MULTILINE)
    accepted = {guard, stem}
    if path in UNGUARDED:
        return
    if not names or names[0][0] != names[0][1] or names[0][0] not in accepted or not code.rstrip().endswith("#endif"):
        yield f"{path}: has no include guard named {' or '.join(sorted(accepted))}"


def typedef_faults(path, text):
    for found in re.finditer(r"\btypedef\s+(struct|union|enum)\b[^(;]*[;{]", code_only(text)):
        yield f"{path}:{text.count(chr(10), 0, found.start()) + 1}: typedef for a {found.group(1)}"


def test_files_stay_short():
    faults = [f"{path}: {lines} lines" for path in c_files((*PRODUCT, "tests"))
              if (lines := read(path).count("\n")) > FILE_LINES and path not in LONG_FILES]
    assert not faults, show(faults)


def test_functions_stay_short():
    lengths = {path: [length for _, _, length in functions(read(path))] for path in c_files()}
    assert sum(map(len, lengths.values())) > 500, "the parser finds no functions"
    tables = {path for path in lengths if re.search(r"^(static )?const [^(]*\[[^(]*= \{$", read(path), re.M)}
    unread = [path for path in lengths if path.endswith((".c", ".cc")) and not lengths[path] and path not in tables]
    assert not unread, unread
    faults = [fault for path in lengths for fault in function_faults(path, read(path))]
    assert not faults, show(faults)


def test_headers_are_guarded_and_begin_with_a_comment():
    faults = [fault for path in c_files(names=("*.h", "*.hh")) for fault in header_faults(path, read(path))]
    assert not faults, show(faults)


def test_no_typedef_for_structs():
    faults = [fault for path in c_files((*PRODUCT, "tests")) for fault in typedef_faults(path, read(path))]
    assert not faults, show(faults)


def test_sources_are_formatted():
    tool = shutil.which(f"clang-format-{CLANG_FORMAT}") or shutil.which("clang-format")
    version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout if tool else ""
    if f"version {CLANG_FORMAT}." not in version:
        pytest.skip(f"clang-format {CLANG_FORMAT} is not installed")
    checked = subprocess.run([tool, "--dry-run", "-Werror", *c_files((*PRODUCT, "tests"))], cwd=ROOT,
                             capture_output=True, text=True, timeout=100)
    assert checked.returncode == 0, show(line for line in checked.stderr.split("\n") if "error:" in line)


BODY = "    x();\n"


@pytest.mark.parametrize("head, tail", [
    ("static int f(int a)\n{\n", "}\n"), ("namespace\n{\n\nint f(int a,\n      int b)\n{\n", "}\n\n}\n"),
    ("class c : public d\n{\n  public:\n    int f(int a)\n    {\n", "    }\n};\n"),
])
def test_a_planted_long_function_is_seen(head, tail):
    assert list(function_faults("modules/x/x.cc", head + BODY * FUNCTION_LINES + tail))
    assert not list(function_faults("modules/x/x.cc", head + BODY * (FUNCTION_LINES - 4) + tail))


@pytest.mark.parametrize("text", [
    "#ifndef X_Y_H\n#define X_Y_H\n#endif\n",
    "/* y */\nint y(void);\n",
    "/* y */\n#ifndef X_Y_H\n#define X_Z_H\n#endif\n",
    "/* y */\n#ifndef OTHER_H\n#define OTHER_H\n#endif\n",
    "/* y */\n#ifndef X_Y_H\n#define X_Y_H\n#endif\nint y;\n",
])
def test_a_planted_bad_header_is_seen(text):
    assert list(header_faults("modules/x/y.h", text))
    assert not list(header_faults("modules/x/y.h", "/* y */\n#ifndef X_Y_H\n#define X_Y_H\n#endif\n"))


@pytest.mark.parametrize("text", ["typedef struct { int a; } a;", "typedef struct a a;", "typedef\nunion u u;"])
def test_a_planted_typedef_is_seen(text):
    assert list(typedef_faults("modules/x/y.h", text))
    assert not list(typedef_faults("modules/x/y.h", "typedef void (*f)(struct a *a);"))
