"""docs/requirements.md and the tests whose names carry a requirement's number say the same."""
import ast
import functools
import re

import pytest

from tree import read, show, tracked

PAGE = "docs/requirements.md"
ROW = re.compile(r"^\| R(\d+) \| ([^|]+) \| (covered|in part|open)(?:: ([^|]+))? \| ([^|]*) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NUMBERS = list(range(1, 25))


@functools.cache
def named_tests():
    """(file, name) of every Python test."""
    return {(path, node.name) for path in tracked() if re.fullmatch(r"tests/.*/test_\w+\.py", path)
            for node in ast.parse(read(path)).body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def numbers_of(name):
    """test_r05_r06_a_kill: 5 and 6."""
    return [int(number) for number in re.findall(r"r(\d\d)_", re.match(r"test_((?:r\d\d_)*)", name).group(1))]


def faults(page, tests):
    rows = ROW.findall(page)
    if [int(number) for number, *_ in rows] != NUMBERS or page.count("\n| R") != len(rows):
        yield f"not one row each, in order, of R1 to R24: {[number for number, *_ in rows]}"
    for number, _, state, why, cell in rows:
        listed = TEST.findall(cell)
        named = {test for test in tests if int(number) in numbers_of(test[1])}
        if sorted(listed) != sorted(named):
            yield f"R{number}: the page alone has {sorted(set(listed) - named)}, the tests {sorted(named - set(listed))}"
        if (state == "open") == bool(listed) or (state != "covered" and not why):
            yield f"R{number}: {state}, with {len(listed)} tests, because: {why or 'not said'}"
    yield from (f"{path}::{name} is not there" for path, name in TEST.findall(page) if (path, name) not in tests)
    yield from (f"{path}::{name} is named after no requirement" for path, name in tests
                if set(numbers_of(name)) - set(NUMBERS))


def test_page_and_tests_say_the_same():
    found = list(faults(read(PAGE), named_tests()))
    assert not found, show(found)


def test_what_else_the_page_names_is_there():
    names = set(re.findall(r"`((?:tests|docs|conf|bench)/[\w./]+)(?:::\w+)?`", read(PAGE)))
    assert names and not [name for name in names if not any(one == name or one.startswith(name + "/") for one in tracked())]


@pytest.mark.parametrize("old, new", [
    (r"\| R7 .*\n", ""),  # a requirement without a row
    (r"(\| R7 .*\n)", r"\1\1"),  # with two
    (r"(\| R24 .*)`tests/[^`]+`", r"\1"),  # without its test
    (r"(\| R24 .*::test_r24_)", r"\1not_"),  # with one that is not there
    (r"(\| R24 .*::)test_r24_", r"\1test_"),  # with one that is not named after it
    (r"(\| R8 .*) open: [^|]+", r"\1 open "),  # without a reason
    (r"(\| R8 .*) open: [^|]+", r"\1 covered "),  # without a test
])
def test_a_planted_fault_is_seen(old, new):
    page, count = re.subn(old, new, read(PAGE))
    assert count == 1 and list(faults(page, named_tests()))
