"""The unit: systemd finds no fault with it, its exposure is the figure in the README, and the daemon says to systemd
what Type=notify and WatchdogSec= wait for."""
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
import time

import pytest
import requests

from counterparts import send
from service import DAEMON, ROOT, TIME_FACTOR, wait_for
from studies import ct_study

UNIT = ROOT / "systemd" / "cardioscribed.service"
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


@pytest.fixture
def unit(tmp_path):
    """The unit with the program where it was built: a test installs nothing."""
    path = tmp_path / UNIT.name
    text = UNIT.read_text()
    assert text.count("/usr/bin/cardioscribed ") >= 2
    path.write_text(text.replace("/usr/bin/cardioscribed ", f"{DAEMON} "))
    return path


def verify(path):
    return subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=one", str(path)],
                          capture_output=True, text=True, timeout=60 * TIME_FACTOR)


@needs_systemd
def test_systemd_finds_no_fault_with_the_unit(unit):
    done = verify(unit)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr


@needs_systemd
@pytest.mark.parametrize("line", ["ProtectSystem=strct", "WatchdogSec=soon", "NoSuchKey=yes"])
def test_a_planted_fault_in_the_unit_is_seen(unit, line):
    unit.write_text(unit.read_text().replace("UMask=0027\n", f"UMask=0027\n{line}\n"))
    done = verify(unit)
    assert line.split("=")[0] in done.stderr or line.split("=")[1] in done.stderr


@needs_systemd
def test_the_exposure_is_the_one_in_the_readme(unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
                          capture_output=True, text=True, timeout=60 * TIME_FACTOR)
    (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+) ", done.stdout)
    (told,) = re.findall(r"exposure level ([\d.]+)", (ROOT / "README.md").read_text())
    assert level == told and float(level) < 2.5


class Ear:
    """Hears what systemd would. It listens all the time, because who speaks waits for that."""

    def __init__(self, path):
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"}
        self.heard = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        while (said := self.socket.recv(1000).decode()) != "enough":
            self.heard.append(said)

    def close(self):
        self.socket.sendto(b"enough", self.environment["NOTIFY_SOCKET"])
        self.thread.join()
        self.socket.close()

    def until(self, word, times=1):
        """Everything from the beginning, once a word has come so often."""
        wait_for(f"{times} times {word}", lambda: self.heard.count(word) >= times, 60)
        return self.heard[:]


@pytest.fixture
def ear(tmp_path):
    one = Ear(tmp_path / "notify")
    yield one
    one.close()


def test_systemd_hears_when_it_is_ready_alive_and_stopping(start_daemon, ear):
    """source: sd_notify(3), sd_watchdog_enabled(3)"""
    daemon = start_daemon(environment=ear.environment, wait=False).launch()
    ear.until("READY=1")
    assert daemon.ready()
    ear.until("WATCHDOG=1", 5)
    assert daemon.terminate() == 0
    assert ear.until("STOPPING=1")[-1] == "STOPPING=1"
    assert ear.heard.index("READY=1") < ear.heard.index("WATCHDOG=1")


def steps_of(start):
    """(what is done, how many seconds it may take) of each step before READY=1."""
    told = [dict(line.split("=", 1) for line in said.splitlines()) for said in start[:start.index("READY=1")]]
    return [(one["STATUS"], int(one["EXTEND_TIMEOUT_USEC"]) // 10**6) for one in told]


def test_systemd_hears_how_long_a_start_may_take(start_daemon, ear):
    """Each step names itself and a time that grows with the database and with the models."""
    daemon = start_daemon(environment=ear.environment, wait=False).launch()
    small = steps_of(ear.until("READY=1"))
    assert small == [("checking the database", 90), ("opening the models", 90 + 2 * daemon.keys["pool.job_timeout_s"]),
                     ("looking for every object", 90)]
    assert daemon.terminate() == 0
    database = sqlite3.connect(daemon.state / "cardioscribe.db", isolation_level=None)
    database.execute("CREATE TABLE ballast (bytes BLOB)")
    database.execute("INSERT INTO ballast VALUES (zeroblob(80000000))")
    database.close()
    ear.heard.clear()
    daemon.launch()
    large = steps_of(ear.until("READY=1"))
    assert large == [("checking the database", 90 + 76 // 4), small[1], ("looking for every object", 90 + 76 * 10)]
    log = daemon.log(this_start_only=True)
    assert "event=checking_database size_mb=76, every page is read" in log and "event=database_checked size_mb=76 " in log


# ---- who is stuck ----

STUCK = {"service.stuck_after_s": 2 * max(1, int(TIME_FACTOR)), "listener.acse_timeout_s": 1,
         "listener.dimse_timeout_s": 1}


def rooms(daemon):
    (check,) = [one for one in requests.get(daemon.url + "/readyz", timeout=30 * TIME_FACTOR).json()["checks"]
                if one["name"] == "rooms"]
    return check


def test_a_stuck_room_is_named_and_systemd_hears_no_more(start_daemon, start_pacs, ear):
    """A pipe without a writer lies where a report was: the courier waits for it as it would for a dead disk."""
    pacs = start_pacs(listen=False)
    daemon = start_daemon(keys=STUCK, peers=[pacs.peer()], environment=ear.environment)
    study = ct_study()
    send(daemon, study.objects)
    (report,) = wait_for("a report", lambda: daemon.files("reports"), 60)
    kept = report.with_suffix(".kept")
    report.rename(kept)
    os.mkfifo(report)
    pacs.listen()
    try:
        wait_for("somebody is stuck", lambda: "event=room_stuck" in daemon.log(), 60)
        (line,) = [one for one in daemon.log().splitlines() if "event=room_stuck" in one]
        assert " error " in line and 'room="courier of pacs"' in line
        assert not daemon.ready() and not rooms(daemon)["ok"]
        assert rooms(daemon)["text"].startswith("courier of pacs is stuck")
        told = len(ear.heard)
        time.sleep(2)  # ten times the pause between two words
        assert len(ear.heard) == told
    finally:
        with open(report, "wb"):  # the end of the file
            kept.rename(report)
    wait_for("nobody is stuck", lambda: "event=room_back" in daemon.log(), 60)
    wait_for("systemd is told again", lambda: len(ear.heard) > told)
    assert rooms(daemon)["ok"]
    daemon.wait_state(study.uid, "delivered", limit_s=60)


def test_who_waits_as_long_as_it_may_is_not_stuck(start_daemon, start_pacs, ear):
    """A worker that takes long within job_timeout_s, a PACS that answers late."""
    late_s = 3 * STUCK["service.stuck_after_s"]
    pacs = start_pacs(answer=lambda arrival, number: time.sleep(late_s) or 0x0000)
    daemon = start_daemon(keys={**STUCK, "listener.dimse_timeout_s": 60}, peers=[pacs.peer()],
                          environment={**ear.environment, "CARDIOSCRIBE_WORKER_FAULT": f"slow:{1000 * late_s}"})
    study = ct_study()
    send(daemon, study.objects)
    daemon.wait_state(study.uid, "delivered", limit_s=90)
    assert "event=room_stuck" not in daemon.log() and rooms(daemon)["ok"]
