"""Fixtures of the daemon's tests. Everything started here is stopped here; the state lies in tmp_path."""
import contextlib
import re
import sqlite3
import subprocess
import sys

import pydicom
import pytest

import counterparts
import studies
from service import DATA, MODEL, ROOT, SANITIZER_MARKS, Daemon


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "ignore::UserWarning:pydicom")


real_data = pytest.mark.skipif(not DATA.is_dir(), reason="no real data beside the checkout")


WHO = ("SELECT study_uid FROM study", "SELECT patient_id FROM study", "SELECT accession FROM study",
       "SELECT series_uid FROM series", "SELECT sop_uid FROM instance", "SELECT sop_uid FROM report",
       "SELECT study_uid FROM refusal", "SELECT sop_uid FROM refusal")
LONG_ENOUGH = 4  # a shorter number may be any number


def names_in(path):
    with contextlib.suppress(Exception):  # some are damaged on purpose
        head = pydicom.dcmread(path, specific_tags=["PatientName"], stop_before_pixels=True)
        yield from re.split(r"[\^=\s]+", str(head.get("PatientName", "")))


def known_of(daemon):
    """Everything the daemon itself came to know of its patients, whoever sent it: also of real files."""
    with contextlib.suppress(sqlite3.DatabaseError):  # some are damaged on purpose
        for question in WHO:
            yield from (str(value) for row in daemon.rows(question) for value in row.values())
    for path in daemon.files("objects")[:200]:
        yield from names_in(path)


def told_by(daemon):
    """Names, numbers and UIDs of patients that stand in the log as words."""
    text = daemon.log()
    secrets = {one for one in known_of(daemon) if len(one) >= LONG_ENOUGH} | studies.secrets
    words = set(re.split(r"[^\w.^-]+", text)) | set(re.findall(r"[\w.]+", text))
    return sorted(one for one in secrets if one in words or (len(one) >= 8 and one in text))


def judge_refusals_named(daemon):
    """Every refusal's row number stands in a line of its own."""
    if daemon.keys.get("service.log_level", "info") == "error":
        return
    rows = []
    with contextlib.suppress(sqlite3.DatabaseError):
        rows = [str(row["id"]) for row in daemon.rows("SELECT id FROM refusal")]
    named = re.findall(r" event=refused refusal=(\d+) ", daemon.log())
    assert len(named) - named.count("0") == len(set(named) - {"0"}), named
    assert set(rows) <= set(named), sorted(set(rows) - set(named))[:5]


def judge_log(daemon):
    """What no log may hold: sanitizers' complaints, and above debug anything that says who the patient is."""
    text = daemon.log()
    for mark in SANITIZER_MARKS:
        assert mark not in text, text[max(0, text.find(mark) - 500):][:4000]
    judge_refusals_named(daemon)
    if daemon.keys.get("service.log_level") == "debug":
        return
    told = told_by(daemon)
    assert not told, f"the log tells {told[:5]}"


@pytest.fixture
def start_daemon(tmp_path):
    """A function that starts a daemon; see service.Daemon for its arguments."""
    daemons = []

    def start(keys=(), peers=(), models=None, environment=None, state=None, wait=True):
        daemon = Daemon(tmp_path / f"daemon{len(daemons)}", keys, peers, models, environment, state)
        daemons.append(daemon)
        return daemon.start() if wait else daemon

    yield start
    for daemon in daemons:
        daemon.stop()
    for daemon in daemons:
        judge_log(daemon)


@pytest.fixture
def start_pacs():
    """A function that starts a pynetdicom PACS; see counterparts.Pacs."""
    started = []

    def start(*arguments, **options):
        started.append(counterparts.Pacs(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def storescp(tmp_path):
    one = counterparts.Storescp(tmp_path / "storescp")
    yield one
    one.stop()


@pytest.fixture
def orthanc(tmp_path):
    one = counterparts.Orthanc(tmp_path / "orthanc")
    yield one
    one.stop()


@pytest.fixture(scope="session")
def deciding_model(tmp_path_factory):
    """A package that decides: seeded weights that know nothing of medicine, but marked as trained."""
    folder = tmp_path_factory.mktemp("model") / "decides"

    def make(seed, threshold=0.5, name="decides"):
        subprocess.run([sys.executable, str(ROOT / "tools" / "make_model.py"), "--from", str(MODEL), "--out",
                        str(folder), "--seed", str(seed), "--trained", "--threshold", str(threshold), "--name",
                        name], check=True, timeout=120)
        return folder

    make.folder = folder
    return make
