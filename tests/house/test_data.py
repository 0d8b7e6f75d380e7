"""What is not code: the sample configuration, the schema, the model in the box, the text of every file."""
import collections
import json
import re
import subprocess

import pytest

from tree import BUILD, ROOT, read, show, tracked

DAEMON = BUILD / "daemon" / "cardioscribed"
SAMPLE = "conf/cardioscribed.conf"
MANUAL = "docs/man/cardioscribed.conf.5"
NAMED = {"peer", "hl7", "webhook", "model"}  # sections that come with a name; the sample has a commented example of each
MAX_LINE = 198  # inih's, see daemon/config.c

# Spelled in pieces so that this file does not match itself.
PLACES = re.compile("|".join([
    r"(?:^|[^A-Za-z0-9_.])/(?:" + "work" + "|" + "farm" + r")/", r"deb\." + r"debian\.org", r"registry\." + r"npmjs\.org",
    r"files\." + r"pythonhosted\.org", r"pypi\." + r"org", r"proxy\." + r"golang", r"crates\." + r"io"]), re.IGNORECASE)


def keys_of_the_table():
    printed = subprocess.run([str(DAEMON), "--print-keys"], capture_output=True, text=True, check=True, timeout=30)
    rows = [line.split("\t") for line in printed.stdout.split("\n") if line]
    assert all(len(row) == 6 for row in rows)
    return rows


def keys_of_the_sample(text):
    """(section, key, value, comment above it) in order; keys of a named section are commented out."""
    section, named, comment = None, False, []
    for line in text.split("\n"):
        opened = re.fullmatch(r'(#?)\[(\w+)(?: "[^"]+")?\]', line)
        key = re.fullmatch(r"(#?)(\w+) = ?(.*)", line)
        if opened:
            section, named, comment = opened.group(2), opened.group(1) == "#", []
            assert named == (section in NAMED), line
        elif key and (key.group(1) == "#") == named:
            yield section, key.group(2), key.group(3), " ".join(comment)
            comment = []
        elif line.startswith("# "):
            comment.append(line[2:])
        else:
            assert line == "", f"neither key, section nor comment: {line}"
            comment = []


def sample_faults(rows, text):
    table = {(section, key): (default, help_text) for section, key, _, default, _, help_text in rows}
    shown = list(keys_of_the_sample(text))
    for place, count in collections.Counter((section, key) for section, key, _, _ in shown).items():
        if count > 1:
            yield f"{place} stands there {count} times"
    for section, key, value, comment in shown:
        if (section, key) not in table:
            yield f"[{section}] {key} is no key"
        elif (value, comment) != table[section, key]:
            yield f"[{section}] {key} = {value} ({comment}), but the table has {table[section, key]}"
    for section, key in table.keys() - {(section, key) for section, key, _, _ in shown}:
        yield f"[{section}] {key} is missing"
    yield from (f"too long: {line}" for line in text.split("\n") if len(line) > MAX_LINE)


def test_conf_documented():
    rows = keys_of_the_table()
    assert len(rows) > 30
    faults = list(sample_faults(rows, read(SAMPLE)))
    assert not faults, show(faults)


def test_the_sample_configuration_is_correct():
    subprocess.run([str(DAEMON), "-c", SAMPLE, "--check"], cwd=ROOT, check=True, timeout=30)


def test_the_examples_of_the_sample_are_correct_once_filled_in(tmp_path):
    filled = tmp_path / "filled.conf"
    text = re.sub(r"^#(?=\[|\w+ =)", "", read(SAMPLE), flags=re.MULTILINE)
    for key, value in (("ae_title", "ARCHIVE"), ("address", "127.0.0.1"), ("folder", "/models/demo-ct"),
                       ("url", "https://127.0.0.1/results"), ("secret_file", "/etc/cardioscribe/secret")):
        text = re.sub(rf"^{key} =$", f"{key} = {value}", text, flags=re.MULTILINE)
    filled.write_text(text)
    checked = subprocess.run([str(DAEMON), "-c", str(filled), "--check"], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0 and "1 peers, 1 models" in checked.stdout, checked.stdout + checked.stderr


@pytest.mark.parametrize("section, line", [
    ("pool", "workers = 2"), ("api", "port = 8042\nport = 8042"), ("listener", "colour = red"), ("pool", ""),
    ("model", "#live = no"),
])
def test_a_planted_fault_in_the_sample_is_seen(section, line):
    rows = [["pool", "workers", "number", "1", "no", "how many"], ["api", "port", "number", "8042", "no", "TCP port"],
            ["model", "live", "yes/no", "yes", "no", "or shadow"]]
    good = {"pool": "workers = 1", "api": "port = 8042", "model": "#live = yes"}
    comments = {"pool": "how many", "api": "TCP port", "model": "or shadow"}

    def sample(keys):
        return "".join((f'#[{name} "X"]' if name in NAMED else f"[{name}]") + f"\n# {comments.get(name)}\n{key}\n"
                       for name, key in keys.items())
    assert not list(sample_faults(rows, sample(good)))
    assert list(sample_faults(rows, sample({**good, section: line})))


def keys_of_the_manual(text):
    """(section, key, default, reloadable) of every entry, in mdoc."""
    for section, entries in re.findall(r'^\.Ss \[(\w+)[^\]]*\]\n(.*?)(?=^\.S[sh] )', text, re.MULTILINE | re.DOTALL):
        for entry in re.split(r"^\.It Cm ", entries, flags=re.MULTILINE)[1:]:
            default = re.search(r"^Default(?:: empty\.|:\n\.Ql (.+) \.)$", entry, re.MULTILINE)
            reloadable = "yes" if re.search(r"^\.Em Reloadable \.$", entry, re.MULTILINE) else "no"
            yield section, entry.split()[0], default.group(1) or "" if default else None, reloadable


def test_the_manual_has_every_key_its_default_and_whether_it_reloads():
    table = sorted((section, key, default, reloadable)
                   for section, key, _, default, reloadable, _ in keys_of_the_table())
    assert sorted(keys_of_the_manual(read(MANUAL))) == table


def test_migrations_are_numbered_without_holes_and_all_built():
    files = [path for path in tracked() if path.startswith("schema/") and path.endswith(".sql")]
    assert files and [int(path[7:11]) for path in files] == list(range(1, len(files) + 1)), files
    listed = re.findall(r"schema/\d{4}_\w+\.sql", read("modules/store/meson.build"))
    assert listed == files
    built = (BUILD / "modules" / "store" / "migrations.c").read_text()
    texts = [bytes(int(byte) for byte in values.split(","))
             for values in re.findall(r"migration_\d+\[\] = \{([\d,]+)\}", built)]
    assert texts == [(ROOT / path).read_bytes() + b"\0" for path in files], "the build is older than schema/"
    assert f"migration_count = {len(files)};" in built


def test_every_table_that_statements_name_is_made_by_a_migration():
    made = set(re.findall(r"CREATE (?:TABLE|VIEW|INDEX|UNIQUE INDEX)(?: IF NOT EXISTS)? (\w+)",
                          "".join(read(path) for path in tracked() if path.startswith("schema/"))))
    used = set(re.findall(r"\b(?:FROM|INTO|UPDATE|JOIN) (?!SET\b)([a-z_]+)\b", read("modules/store/statements.h")))
    assert used and used <= made, used - made


def models():
    return sorted({path.split("/")[1] for path in tracked() if path.startswith("models/") and path.count("/") > 1})


def test_demo_ct_is_marked_untrained():
    config = json.loads(read("models/demo-ct/config.json"))
    assert config["trained"] is False
    assert "not for clinical use" in config["intended_use"].lower()
    assert "untrained" in read("models/demo-ct/README.md").lower()


@pytest.mark.parametrize("name", models())
def test_every_label_has_its_code(name):
    coded = [label["id"] for label in json.loads(read("conf/codes.json"))["labels"]]
    asked = [label["id"] for label in json.loads(read(f"models/{name}/prompts.json"))["labels"]]
    assert len(coded) == len(set(coded)) and asked and len(asked) == len(set(asked))
    assert set(asked) <= set(coded), set(asked) - set(coded)


def place_faults(path, content):
    if b"\0" in content[:8000]:
        return
    for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), 1):
        found = PLACES.search(line)
        if found:
            yield f"{path}:{number}: {found.group()}"


def test_no_file_names_the_machine_it_was_written_on():
    files = tracked()
    assert len(files) > 150
    faults = [fault for path in files for fault in place_faults(path, (ROOT / path).read_bytes())]
    assert not faults, show(faults)


@pytest.mark.parametrize("line", [
    "cd /wo" "rk/main", "x=\"/fa" "rm/a\"", "https://py" "pi.org/simple", "http://deb.deb" "ian.org/debian",
])
def test_a_planted_machine_is_seen(line):
    assert list(place_faults("README.md", f"first\n{line}\n".encode()))
    assert not list(place_faults("README.md", b"at work/main, ./work/x, /network/, homework/x\n"))
