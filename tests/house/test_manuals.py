"""The manual pages: groff finds no fault with them, and each says what its program does, no more and no less."""
import re
import shutil
import subprocess

import pytest

from tree import BUILD, ROOT, read

DAEMON = BUILD / "daemon" / "cardioscribed"
CLI = BUILD / "cli" / "cardioscribe"
PAGES = ("docs/man/cardioscribe.1", "docs/man/cardioscribed.8", "docs/man/cardioscribed.conf.5")


def said(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True, timeout=30).stdout


def options(text):
    return sorted(set(re.findall(r"--([a-z-]+)", text)))


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
@pytest.mark.parametrize("page", PAGES)
def test_groff_finds_no_fault(page):
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", str(ROOT / page)], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 0 and not done.stderr.strip() and len(done.stdout) > 500, done.stderr


def commands_of_the_help():
    """(command, its options)"""
    for line in re.findall(r"^  cardioscribe (.+)$", said(CLI, "--help"), re.MULTILINE):
        yield re.match(r"[a-z]+( check)?", line).group(), options(line)


def commands_of_the_manual():
    for line in re.findall(r"^\.It Cm ((?:model )?[a-z]+.*)$", read(PAGES[0]), re.MULTILINE):
        yield re.match(r"[a-z]+( check)?", line).group(), sorted(set(re.findall(r"Fl -([a-z-]+)", line)))


def test_the_manual_has_every_command_with_its_options():
    assert len(list(commands_of_the_help())) > 14
    assert sorted(commands_of_the_manual()) == sorted(commands_of_the_help())


def test_the_manual_has_every_option_of_the_daemon():
    described = set(re.findall(r"(?:Fl|,) -([a-z-]+)", read(PAGES[1])))
    assert described == set(options(said(DAEMON, "--help")))


def test_the_manual_has_every_keys_limits_words_and_whether_it_is_reloadable():
    page = read(PAGES[2])
    for row in said(DAEMON, "--print-keys").splitlines():
        section, key, kind, _, reloadable, text = row.split("\t")
        part = re.search(rf"^\.Ss \[{section}[^\]]*\]\n.*?(?=^\.S[sh] )", page, re.MULTILINE | re.DOTALL).group()
        entry = re.search(rf"^\.It Cm {key} No = Ar (.*?)\n(.*?)(?=^\.It |^\.El)", part, re.MULTILINE | re.DOTALL)
        shown = kind.replace("..", " to ").replace("AE title", "AE_title").replace("yes/no", "yes|no")
        assert entry.group(1) == shown.replace("SHA-256 digests", "digests"), (section, key, kind)
        words = re.sub(r"\n?\.[A-Z][a-z] |\n", " ", entry.group(2)).split()  # a sentence may have marked words
        told = f"{text[0].upper()}{text[1:]}.".split()[:4]
        assert words[:len(told)] == told, (section, key, text)
        assert (".Em Reloadable ." in entry.group(2)) == (reloadable == "yes"), (section, key)
