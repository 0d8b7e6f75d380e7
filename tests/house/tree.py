"""The checkout as the house tests see it: which files there are, and C without its comments and strings."""
import fnmatch
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build"))
PRODUCT = ("modules", "daemon", "worker", "cli", "tools")
C_NAMES = ("*.c", "*.h", "*.cc", "*.hh")


def tracked():
    """Paths of all files in git, relative to ROOT; of all files but builds where there is no git."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True)
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        left_out = re.compile(r"(build[^/]*|\.venv|\.git|\.pytest_cache)/|.*__pycache__/")
        found = [path for path in ROOT.rglob("*") if not left_out.match(f"{path.relative_to(ROOT)}")]
    return sorted(str(path.relative_to(ROOT)) for path in found if path.is_file() and not path.is_symlink())


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def c_files(folders=PRODUCT, names=C_NAMES):
    return [path for path in tracked() if path.split("/")[0] in folders and matches(path, names)]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def code_only(text):
    """C with comments and the insides of strings blanked, every line still at its number."""
    def blank(found):
        token = found.group()
        return token[0] + token[0] if token[0] in "\"'" else re.sub(r"[^\n]", " ", token)
    tokens = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(tokens, blank, text, flags=re.DOTALL)


def includes(text):
    """(line number, "<" or '"', header) of every #include."""
    for number, line in enumerate(text.split("\n"), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if found:
            yield number, found.group(1), found.group(2)


def show(faults):
    return "\n".join(["", *faults])
