"""The unit: systemd finds no fault with it, its exposure is the figure in the README, and the daemon says to systemd
what Type=notify and WatchdogSec= wait for."""
import re
import shutil
import socket
import subprocess

import pytest

from service import DAEMON, ROOT, TIME_FACTOR

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


def test_systemd_hears_when_it_is_ready_alive_and_stopping(start_daemon, tmp_path):
    """source: sd_notify(3), sd_watchdog_enabled(3)"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(30 * TIME_FACTOR)
        daemon = start_daemon(environment={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"},
                              wait=False).launch()
        assert ear.recv(100) == b"READY=1" and daemon.ready()
        assert [ear.recv(100) for _ in range(5)] == [b"WATCHDOG=1"] * 5
        assert daemon.terminate() == 0
        heard = ear.recv(100)
        while heard == b"WATCHDOG=1":
            heard = ear.recv(100)
        assert heard == b"STOPPING=1"
