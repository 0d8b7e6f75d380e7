"""A disk that fills up, and a database that is damaged: refuse, say so, lose nothing."""
import contextlib
import os
import signal
import sqlite3
import subprocess
import time

import pytest
import requests

from counterparts import Sender, contexts_of, send
from service import ROOT, TIME_FACTOR, has_shadow_memory, wait_for
from studies import ct_study, encoded
from test_bounds import causes


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


def big_slices(count):
    study = ct_study(slices=count)
    for one in study.objects:
        one.Rows = one.Columns = 256
        one.PixelData = one.PixelData * 16
    return study


@pytest.mark.parametrize("missing", [4096, 1])
def test_the_last_4_kib_that_find_no_room_are_no_success(missing, start_on_disk):
    """One page less than the object needs: every write but the last is good."""
    daemon, disk = start_on_disk(16, keys={"storage.reserve_mb": 0, "assembly.study_quiet_s": 600})
    study = big_slices(3)
    with Sender(daemon, contexts_of(study.objects)) as sender:
        assert sender.send(study.objects[0]) == 0x0000
        (path,) = daemon.files("objects")
        page = os.statvfs(disk).f_frsize
        needed = -(-path.stat().st_size // page) * page
        fill(disk, needed - missing)
        assert free_bytes(disk) == needed - page
        assert sender.send(study.objects[1]) == 0xA700
        (row,) = [one for one in daemon.refusals() if one["status"] == "A700"]
        assert "No space left" in row["cause"] or "wrote" in row["cause"], row
        assert daemon.files("incoming") == [] and daemon.files("objects") == [path]
        (disk / "ballast").unlink()
        assert sender.send(study.objects[1]) == 0x0000
    assert daemon.stored()[study.objects[1].SOPInstanceUID] == [encoded(study.objects[1])]


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
        wait_for("both have their rows", lambda: len(daemon.refusals()) == 2)
        rows = {one["status"]: one["cause"] for one in daemon.refusals()}
        assert "reserve" in rows["A700"] and "reserve" in rows["reject 2,3,2"]
        assert causes(daemon) == {"below_reserve": 2}
        refused = [line for line in daemon.log().splitlines() if " event=refused " in line]
        assert len(refused) == 2 and all("reserve" in line for line in refused)
        (disk / "ballast").unlink()
        assert sender.send(study.objects[1]) == 0x0000
    send(daemon, study.objects[2:])
    assert daemon.study(study.uid)["objects"]["total"] == 12
    assert daemon.ready()


# ---- folders ----

def unready(daemon):
    """The names of the readiness checks that fail."""
    answer = requests.get(daemon.url + "/readyz", timeout=60 * TIME_FACTOR)
    assert answer.status_code == (200 if answer.json()["ready"] else 503)
    return [one["name"] for one in answer.json()["checks"] if not one["ok"]]


def log_has(daemon, *words):
    return any(all(word in line for word in words) for line in daemon.log().splitlines())


@pytest.mark.parametrize("room", ["incoming", "objects"])
def test_a_spool_folder_that_takes_nothing_is_told_and_found_again(room, start_daemon):
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600})
    study = ct_study(slices=2)
    aside = daemon.state / f"{room}.aside"
    with Sender(daemon, contexts_of(study.objects)) as sender:
        (daemon.state / room).rename(aside)
        (daemon.state / room).write_text("no folder\n")
        assert unready(daemon) == ["spool"]
        assert sender.send(study.objects[0]) == 0xA700
        assert log_has(daemon, "event=refused", 'status="A700"')
        assert daemon.studies() == []
        (daemon.state / room).unlink()
        aside.rename(daemon.state / room)
        assert unready(daemon) == []
        for one in study.objects:
            assert sender.send(one) == 0x0000
    assert len(daemon.stored()) == 2 and daemon.files("incoming") == []


def test_a_report_folder_that_takes_nothing_loses_no_report(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()])
    reports = daemon.state / "reports"
    reports.rmdir()
    reports.write_text("no folder\n")
    study = ct_study()
    send(daemon, study.objects)
    wait_for("the failure is told", lambda: log_has(daemon, " error ", "reports/"), 60)
    assert unready(daemon) == ["spool"] and not pacs.arrivals
    reports.unlink()
    reports.mkdir()
    shown = daemon.wait_state(study.uid, "delivered", limit_s=60)
    assert shown["results"][0]["analysed"] and len(pacs.arrivals) == 1 and daemon.ready()


# ---- the database ----

def test_a_database_that_another_process_holds_is_told_and_found_again(start_daemon):
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600})
    study = ct_study(slices=3)
    other = sqlite3.connect(daemon.state / "cardioscribe.db", isolation_level=None, timeout=60)
    with Sender(daemon, contexts_of(study.objects)) as sender:
        assert sender.send(study.objects[0]) == 0x0000
        other.execute("BEGIN EXCLUSIVE")
        assert sender.send(study.objects[1]) == 0xA700
        assert unready(daemon) == ["database"]
        other.execute("ROLLBACK")
        assert log_has(daemon, "event=refused", 'status="A700"', "locked") and causes(daemon)["database_busy"] == 1
        wait_for("ready again", daemon.ready)
        assert [sender.send(one) for one in study.objects] == [0x0000] * 3
    other.close()
    assert daemon.study(study.uid)["objects"]["total"] == 3


def spoil(path, first, last):
    """Overwrite a file from one place to another, as a failing disk does."""
    with open(path, "r+b") as file:
        file.seek(first)
        file.write(b"\xa5" * (last - first))


def settle(database):
    """Everything into the main file, and whoever has it open must look again at what it remembers; None if it is in use."""
    try:
        with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=0.1)) as other:
            (version,) = other.execute("PRAGMA user_version").fetchone()
            other.execute(f"PRAGMA user_version = {version}")
            return True if other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0 else None
    except sqlite3.OperationalError:
        return None


@contextlib.contextmanager
def held(daemon):
    """The daemon stands still, between two of its accesses to the database, which is settled."""
    def stand_still():
        daemon.process.send_signal(signal.SIGSTOP)
        done = settle(daemon.state / "cardioscribe.db")
        if not done:
            daemon.process.send_signal(signal.SIGCONT)
        return done

    wait_for("the database unused", stand_still)
    try:
        yield
    finally:
        daemon.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("damage", ["head", "middle"])
def test_a_database_damaged_while_it_is_used_is_told_and_left_as_it_is(damage, start_daemon):
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600})
    study = ct_study()
    path = daemon.state / "cardioscribe.db"
    send(daemon, study.objects[:6])
    with held(daemon):
        spoil(path, *((0, 200) if damage == "head" else (4096, path.stat().st_size)))
        raw = path.read_bytes()
    with Sender(daemon, contexts_of(study.objects)) as sender:
        assert [sender.send(one) for one in study.objects[6:8]] == [0xA700, 0xA700]
    assert unready(daemon) == ["database"]
    assert log_has(daemon, " error ", "event=refused", 'status="A700"', "database:")
    assert causes(daemon)["database_damaged"] == 2
    daemon.stop()
    assert path.read_bytes() == raw
    assert "database" in refuses_to_start(daemon).lower()
    assert path.read_bytes() == raw and len(daemon.files("objects")) >= 6


def test_a_damaged_write_ahead_log_loses_no_object(start_daemon):
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600})
    study = ct_study()
    send(daemon, study.objects)
    daemon.kill()
    log = daemon.state / "cardioscribe.db-wal"
    assert log.stat().st_size > 40000
    spoil(log, log.stat().st_size // 2, log.stat().st_size // 2 + 5000)
    daemon.start()
    assert daemon.study(study.uid)["objects"]["input"] == 12 and len(daemon.stored()) == 12
    assert log_has(daemon, "event=reconciled", "adopted=") and not log_has(daemon, "event=reconciled", "adopted=12 ")


@pytest.fixture
def read_only(tmp_path):
    """What a process needs in its environment to be cut off from writing below a folder, and the switch for it."""
    if has_shadow_memory():
        pytest.skip("a sanitizer wants to be loaded first")
    library, switch = tmp_path / "readonly.so", tmp_path / "readonly.now"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, ROOT / "tests" / "daemon" / "readonly.c"], check=True,
                   timeout=60)
    (tmp_path / "state").mkdir()
    return {"LD_PRELOAD": str(library), "READONLY_BELOW": str(tmp_path / "state"), "READONLY_WHILE": str(switch)}, switch


@pytest.mark.parametrize("below, syncs, bad", [("", False, ["database", "spool"]), ("/cardioscribe.db", False, ["database"]),
                                               ("", True, ["database"]), ("/objects", True, [])],
                         ids=["all", "the_database", "all_syncs", "syncs_of_objects"])
def test_a_disk_that_fails_while_it_is_used_is_told_and_found_again(below, syncs, bad, read_only, start_daemon, tmp_path):
    environment, switch = read_only
    environment["READONLY_BELOW"] += below
    if syncs:
        environment["READONLY_SYNCS"] = "yes"
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600}, environment=environment, state=tmp_path / "state")
    study = ct_study(slices=3)
    with Sender(daemon, contexts_of(study.objects)) as sender:
        assert sender.send(study.objects[0]) == 0x0000
        switch.touch()
        assert sender.send(study.objects[1]) == 0xA700
        assert unready(daemon) == bad and daemon.files("incoming") == []
        assert len(daemon.rows("SELECT id FROM instance")) == 1
        assert log_has(daemon, " error ", "event=refused", 'status="A700"')
        switch.unlink()
        wait_for("ready again", daemon.ready)
        assert [sender.send(one) for one in study.objects] == [0x0000] * 3
    assert daemon.study(study.uid)["objects"]["total"] == 3 and daemon.files("incoming") == []


def refuses_to_start(daemon):
    daemon.launch()
    status = daemon.process.wait(60 * TIME_FACTOR)
    assert status != 0
    (line,) = [line for line in daemon.log(this_start_only=True).splitlines() if "not_started" in line]
    return line


def page_of(daemon, name):
    return daemon.rows("SELECT rootpage FROM sqlite_master WHERE name = ?", name)[0]["rootpage"]


@pytest.mark.parametrize("damage", ["head", "middle", "one_page", "cut", "emptied", "empty_of_sense"])
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
    elif damage == "one_page":
        root = page_of(daemon, "refusal_by_time")  # of which nobody has need at the start
        raw[(root - 1) * 4096:root * 4096] = b"\xa5" * 4096
    elif damage == "cut":
        del raw[len(raw) // 2:]
    elif damage == "emptied":
        raw.clear()
    else:
        raw = bytearray(b"this was a database once\n" * 400)
    path.write_bytes(raw)
    line = refuses_to_start(daemon)
    assert "database" in line.lower() or "cardioscribe.db" in line, line
    assert path.read_bytes() == raw
    assert len(daemon.files("objects")) == 12


def test_a_database_of_a_later_version_is_left_alone(start_daemon):
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
