"""A disk that fills up, and a database that is damaged: refuse, say so, lose nothing."""
import os
import subprocess
import time

import pytest
import requests

from counterparts import Sender, contexts_of, send
from service import TIME_FACTOR, wait_for
from studies import ct_study, encoded


@pytest.fixture
def small_disk(tmp_path):
    """A function that mounts a file system of so many MB."""
    mounted = []

    def mount(size_mb):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)],
                              capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=30)


def free_bytes(folder):
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def fill(folder, leave_bytes):
    with open(folder / "ballast", "wb") as ballast:
        left = free_bytes(folder) - leave_bytes
        while left > 0:
            left -= ballast.write(bytes(min(left, 1 << 16)))


@pytest.fixture
def start_on_disk(start_daemon, small_disk):
    """start_daemon with its state on a small disk; the daemon ends before the disk is taken away."""
    started = []

    def start(size_mb, **options):
        state = small_disk(size_mb) / "state"
        daemon = start_daemon(state=state, **options)
        started.append(daemon)
        return daemon, state.parent

    yield start
    for daemon in started:
        daemon.stop()


def test_a_disk_that_fills_up_is_told_and_nothing_short_is_called_a_success(start_on_disk, start_pacs):
    pacs = start_pacs()
    daemon, disk = start_on_disk(32, peers=[pacs.peer()], keys={"storage.reserve_mb": 0,
                                                                "assembly.study_quiet_s": 3})
    study = ct_study(slices=16)
    for one in study.objects:
        one.Rows = one.Columns = 256
        one.PixelData = one.PixelData * 16
    with Sender(daemon, contexts_of(study.objects)) as sender:
        for one in study.objects[:4]:
            assert sender.send(one) == 0x0000
        for leave in (1 << 20, 300000, 140000, 100000, 30000, 5000, 0):  # the end comes at another place each time
            fill(disk, leave)
            answers = {one.SOPInstanceUID: sender.send(one) for one in study.objects[4:]}
            assert set(answers.values()) <= {0x0000, 0xA700}, answers
            stored = daemon.stored()
            for one in study.objects[4:]:
                if answers[one.SOPInstanceUID] == 0x0000:
                    assert stored[one.SOPInstanceUID] == [encoded(one)]
            if leave <= 100000:
                assert 0xA700 in answers.values()
            (disk / "ballast").unlink()
        refused = [one for one in daemon.refusals() if one["status"] == "A700"]
        assert daemon.files("incoming") == []
        for one in study.objects:
            assert sender.send(one) == 0x0000
    assert refused
    shown = daemon.wait_state(study.uid, "delivered")
    assert shown["objects"]["total"] == 16
    assert all(daemon.stored()[one.SOPInstanceUID] == [encoded(one)] for one in study.objects)


def test_a_report_that_finds_no_room_is_written_when_there_is_some(start_on_disk, start_pacs):
    pacs = start_pacs()
    daemon, disk = start_on_disk(16, peers=[pacs.peer()], keys={"storage.reserve_mb": 0, "assembly.study_quiet_s": 2})
    study = ct_study()
    send(daemon, study.objects)
    fill(disk, 0)
    time.sleep(6)
    assert daemon.alive() and not pacs.arrivals
    (disk / "ballast").unlink()
    shown = daemon.wait_state(study.uid, "delivered", limit_s=60)
    assert shown["results"][0]["analysed"] and len(pacs.arrivals) == 1


def test_below_the_reserve_nothing_is_taken(start_on_disk):
    daemon, disk = start_on_disk(32, keys={"storage.reserve_mb": 8, "assembly.study_quiet_s": 600})
    study = ct_study()
    with Sender(daemon, contexts_of(study.objects)) as sender:
        assert sender.send(study.objects[0]) == 0x0000
        fill(disk, 4 << 20)
        assert sender.send(study.objects[1]) == 0xA700
        assert Sender(daemon, contexts_of(study.objects)).reject == (2, 3, 2)
        answer = requests.get(daemon.url + "/readyz", timeout=10)
        assert answer.status_code == 503
        assert [one["name"] for one in answer.json()["checks"] if not one["ok"]] == ["spool"]
        rows = {one["status"]: one["cause"] for one in daemon.refusals()}
        assert "reserve" in rows["A700"] and "reserve" in rows["reject 2,3,2"]
        (disk / "ballast").unlink()
        assert sender.send(study.objects[1]) == 0x0000
    send(daemon, study.objects[2:])
    assert daemon.study(study.uid)["objects"]["total"] == 12


# ---- the database ----

def refuses_to_start(daemon):
    daemon.launch()
    status = daemon.process.wait(60 * TIME_FACTOR)
    assert status != 0
    (line,) = [line for line in daemon.log(this_start_only=True).splitlines() if "not_started" in line]
    return line


@pytest.mark.parametrize("damage", ["head", "middle", "empty_of_sense"])
def test_a_damaged_database_stops_the_start_and_is_left_as_it_is(damage, start_daemon):
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600})
    study = ct_study()
    send(daemon, study.objects)
    assert daemon.terminate() == 0
    path = daemon.state / "cardioscribe.db"
    raw = bytearray(path.read_bytes())
    if damage == "head":
        raw[:200] = b"\xa5" * 200
    elif damage == "middle":
        raw[4096:-4096] = b"\xa5" * (len(raw) - 8192)
    else:
        raw = bytearray(b"this was a database once\n" * 400)
    path.write_bytes(raw)
    line = refuses_to_start(daemon)
    assert "database" in line.lower() or "cardioscribe.db" in line, line
    assert path.read_bytes() == raw
    assert len(daemon.files("objects")) == 12


def test_a_database_of_a_later_version_is_left_alone(start_daemon):
    import sqlite3
    daemon = start_daemon()
    assert daemon.terminate() == 0
    connection = sqlite3.connect(daemon.state / "cardioscribe.db")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version + 1000}")
    connection.commit()
    connection.close()
    refuses_to_start(daemon)


def test_a_read_only_disk_stops_the_start(start_on_disk):
    daemon, disk = start_on_disk(16)
    assert daemon.terminate() == 0
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, timeout=30)
    line = refuses_to_start(daemon)
    assert "cause=" in line
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True, timeout=30)
    daemon.start()
