"""Fixtures of the daemon's tests. Everything started here is stopped here; the state lies in tmp_path."""
import json
import pathlib
import subprocess
import sys

import pytest

import counterparts
import studies
from service import DATA, MODEL, ROOT, SANITIZER_MARKS, Daemon


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "ignore::UserWarning:pydicom")


real_data = pytest.mark.skipif(not DATA.is_dir(), reason="no real data beside the checkout")


def judge_log(daemon):
    """What no log may hold: sanitizers' complaints, and above debug anything that says who the patient is."""
    text = daemon.log()
    for mark in SANITIZER_MARKS:
        assert mark not in text, text[max(0, text.find(mark) - 500):][:4000]
    if daemon.keys.get("service.log_level") == "debug":
        return
    told = sorted(secret for secret in studies.secrets if secret in text)
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
