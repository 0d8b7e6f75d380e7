"""The statements of the store, as SQLite would run them."""
import ast
import re
import sqlite3
import subprocess

import pytest

from tree import ROOT, read, show, tracked

GROW = ("instance", "series")  # with every object or series that ever came
AS_TEXT = '#define S(name, ...) STATEMENT name __VA_ARGS__\n#include "modules/store/statements.h"\n'


@pytest.fixture(scope="module")
def database():
    one = sqlite3.connect(":memory:")
    for path in sorted(tracked()):
        if re.fullmatch(r"schema/\d+_\w+\.sql", path):
            one.executescript(read(path))
    yield one
    one.close()


def statements():
    """(name, SQL) of each."""
    text = subprocess.run(["cc", "-E", "-P", "-I", ROOT, "-x", "c", "-"], input=AS_TEXT, capture_output=True, text=True,
                          check=True, timeout=60).stdout
    for one in text.split("STATEMENT ")[1:]:
        name, sql = one.split(None, 1)
        yield name, ast.literal_eval(f"({sql.strip()})")


def whole_tables(database, sql):
    """Tables of GROW that it reads from end to end."""
    names = dict.fromkeys(re.findall(r"\?\d+", sql))
    for *_, step in database.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * len(names)):
        scanned = re.match(r"SCAN (\w+)", step)
        for table in GROW:
            if scanned and (scanned.group(1) == table or re.search(rf"\b{table} (?:AS )?{scanned.group(1)}\b", sql)):
                yield table


def test_r17_no_statement_reads_all_objects_that_ever_came(database):
    every = list(statements())
    assert len(every) > 100
    found = [f"{name}: {table}" for name, sql in every if sql.split()[0] not in ("BEGIN", "COMMIT", "ROLLBACK")
             for table in whole_tables(database, sql)]
    assert not found, show(found)


@pytest.mark.parametrize("sql", ["SELECT count(*) FROM instance WHERE peer_ae = ?1", "SELECT i.id FROM instance i WHERE i.lost = 1",
                                 "SELECT s.id FROM study s JOIN series e ON e.number = s.id WHERE s.id = ?1"])
def test_a_planted_statement_is_seen(database, sql):
    assert list(whole_tables(database, sql))


def test_an_index_is_no_whole_table(database):
    assert not list(whole_tables(database, "SELECT i.id FROM study s JOIN instance i ON i.study_id = s.id WHERE s.state = ?1"))
