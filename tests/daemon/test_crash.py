"""Power cuts: the daemon is killed at any moment and started again. What was acknowledged is there; every report
exists once."""
import random
import shutil
import sqlite3
import threading
import time

import pytest

from counterparts import Sender, contexts_of, send
from service import FULL, TIME_FACTOR, data_set_bytes, wait_for
from studies import ct_study, encoded, generate_uid

ROUNDS = 60 if FULL else 10
PLACES = ("receiving", "encoding", "sending")


class Modality(threading.Thread):
    """Sends one study, notes what was acknowledged, and gives up when the connection breaks."""

    def __init__(self, daemon, study, pause_s):
        super().__init__()
        self.daemon_under_test, self.study, self.pause_s = daemon, study, pause_s
        self.acknowledged = {}
        self.start()

    def run(self):
        try:
            with Sender(self.daemon_under_test, contexts_of(self.study.objects), timeout_s=15) as sender:
                for one in self.study.objects:
                    if not sender.established:
                        return
                    if sender.send(one) == 0x0000:
                        self.acknowledged[one.SOPInstanceUID] = encoded(one)
                    time.sleep(self.pause_s)
        except Exception:  # a killed daemon breaks an association in more ways than one
            pass

    @property
    def complete(self):
        return len(self.acknowledged) == len(self.study.objects)


class SlowPacs:
    """How far the PACS is: `busy` while it holds a report that it has not answered."""

    def __init__(self):
        self.busy = threading.Event()

    def answer(self, arrival, number):
        self.busy.set()
        time.sleep(0.3)
        self.busy.clear()
        return 0x0000


def kill_when(target, daemon, modality, slow):
    """Wait until the daemon is inside the target, then a moment more, then kill. True when it was caught there."""
    if target == "receiving":
        wait_for("some objects", lambda: len(modality.acknowledged) >= random.randrange(1, 9), 20, 0.001)
    elif target == "encoding":
        wait_for("encoding", lambda: daemon.state_of(modality.study.uid) == "encoding", 30, 0.01)
        time.sleep(random.uniform(0, 0.15))
    elif target == "sending":
        wait_for("a report half sent", slow.busy.is_set, 30, 0.001)
        time.sleep(random.uniform(0, 0.15))
    else:
        time.sleep(random.uniform(0, 3))
    busy = slow.busy.is_set()
    daemon.kill()
    return busy


def where_it_fell(daemon, modality, busy):
    """What was going on when the daemon died, told by the database it left and by its peers."""
    modality.join()
    rows = daemon.rows("SELECT state, count(*) AS n FROM study GROUP BY state")
    running = daemon.rows("SELECT count(*) AS n FROM job WHERE state = 'running'")[0]["n"]
    pending = daemon.rows("SELECT count(*) AS n FROM delivery WHERE state = 'pending'")[0]["n"]
    inside = set()
    if not modality.complete:
        inside.add("receiving")
    if running:
        inside.add("encoding")
    if busy and pending:
        inside.add("sending")
    return inside, {row["state"]: row["n"] for row in rows}


def judge_objects(daemon, acknowledged):
    stored = daemon.stored()
    for uid, raw in acknowledged.items():
        assert stored.get(uid) == [raw], f"an acknowledged object is lost or changed: {len(stored.get(uid, []))} files"


def judge_reports(daemon, pacs, study):
    """One report a model and revision, under one UID, with one content, however often it was sent."""
    shown = daemon.study(study.uid)
    results = [(one["revision"], one["model_section"]) for one in shown["results"]]
    assert len(set(results)) == len(results) and shown["revision"] in dict(results)
    assert shown["results"][0]["analysed"] and len(shown["results"][0]["input"]["instances"]) == 12
    arrived = {}
    for one in pacs.of_study(study.uid, accepted_only=False):
        arrived.setdefault(one.sop_uid, set()).add(one.raw)
    assert set(arrived) == {one["report"]["sop_uid"] for one in shown["results"]}
    assert all(len(contents) == 1 for contents in arrived.values())
    revisions = [int(one.data_set.InstanceNumber) for one in
                 {one.sop_uid: one for one in pacs.of_study(study.uid, accepted_only=False)}.values()]
    assert len(set(revisions)) == len(revisions)
    assert [one["state"] for one in shown["deliveries"]] == ["delivered"] * len(results)


def test_r05_a_daemon_killed_at_any_moment_loses_nothing_and_reports_once(start_daemon, start_pacs, capsys):
    slow = SlowPacs()
    pacs = start_pacs(answer=slow.answer)
    daemon = start_daemon(peers=[pacs.peer()], environment={"CARDIOSCRIBE_WORKER_FAULT": "slow:250"})
    targets = [*PLACES, *(random.choice([*PLACES, "anywhere"]) for _ in range(ROUNDS - len(PLACES)))]
    acknowledged, modalities, fallen = {}, [], []
    while targets:
        target = targets.pop(0)
        modality = Modality(daemon, ct_study(seed=len(modalities)), random.choice([0, 0.02, 0.1]))
        modalities.append(modality)
        busy = kill_when(target, daemon, modality, slow)
        inside, states = where_it_fell(daemon, modality, busy)
        fallen.append((target, inside, states))
        acknowledged.update(modality.acknowledged)
        judge_objects(daemon, acknowledged)
        daemon.start()
        assert daemon.files("incoming") == []
        judge_objects(daemon, acknowledged)
        if not targets and len(fallen) < ROUNDS + 5:  # a shot that missed is fired again
            targets = [where for where in PLACES if not any(where in hit for _, hit, _ in fallen)]
    for modality in modalities:  # a modality sends again what it was not told is safe
        missing = [one for one in modality.study.objects if one.SOPInstanceUID not in modality.acknowledged]
        if missing:
            send(daemon, missing)
        acknowledged.update((one.SOPInstanceUID, encoded(one)) for one in missing)
    with capsys.disabled():
        print()
        for number, (target, inside, states) in enumerate(fallen, 1):
            print(f"  kill {number}: aimed at {target}, fell inside {', '.join(sorted(inside)) or 'nothing'}; {states}")
    for where in PLACES:
        assert any(where in inside for _, inside, _ in fallen), where
    for modality in modalities:
        daemon.wait_state(modality.study.uid, "delivered", limit_s=90)
    time.sleep(1)
    judge_objects(daemon, acknowledged)
    for modality in modalities:
        judge_reports(daemon, pacs, modality.study)
    assert daemon.study(modalities[0].study.uid)["jobs"][0]["attempts"] == 0  # a power cut is not the job's fault


# ---- start-up puts files and rows in order ----

def change(daemon, statement, *values):
    connection = sqlite3.connect(daemon.state / "cardioscribe.db", timeout=30)
    with connection:
        assert connection.execute(statement, values).rowcount == 1
    connection.close()


@pytest.fixture
def stopped(start_daemon, start_pacs):
    """A daemon that was stopped with a study in `receiving`."""
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], keys={"assembly.study_quiet_s": 600})
    study = ct_study()
    send(daemon, study.objects)
    assert daemon.terminate() == 0
    return daemon, study, pacs


def path_of(daemon, one):
    (row,) = daemon.rows("SELECT path FROM instance WHERE sop_uid = ?", one.SOPInstanceUID)
    return row["path"]


def test_an_object_without_a_row_is_adopted(stopped):
    daemon, study, _ = stopped
    victim = study.objects[5]
    path = daemon.state / path_of(daemon, victim)
    before = path.read_bytes()
    change(daemon, "DELETE FROM instance WHERE sop_uid = ?", victim.SOPInstanceUID)
    daemon.start()
    shown = daemon.study(study.uid)
    assert shown["objects"]["input"] == 12 and shown["revision"] == 1 and shown["state"] == "receiving"
    assert path.read_bytes() == before and "adopted=1" in daemon.log(this_start_only=True)
    send(daemon, [victim])
    assert daemon.study(study.uid)["objects"]["total"] == 12


def test_every_object_is_adopted_when_the_database_is_gone(stopped):
    daemon, study, _ = stopped
    for path in daemon.state.glob("cardioscribe.db*"):
        path.unlink()
    daemon.start()
    assert daemon.study(study.uid)["objects"]["input"] == 12
    assert daemon.post(f"/api/v1/studies/{study.uid}/force").status_code in (200, 202)
    daemon.wait_state(study.uid, "delivered")


def test_a_row_without_its_file_is_lost_until_it_is_sent_again(stopped):
    daemon, study, pacs = stopped
    victim = study.objects[11]
    (daemon.state / path_of(daemon, victim)).unlink()
    daemon.start()
    shown = daemon.study(study.uid)
    assert shown["objects"]["lost"] == 1 and "objects_lost=1" in daemon.log(this_start_only=True)
    assert daemon.post(f"/api/v1/studies/{study.uid}/force").status_code in (200, 202)
    shown = daemon.wait_state(study.uid, "delivered")
    assert len(shown["results"][0]["input"]["instances"]) == 11
    assert pacs.arrivals[0].data_set.CompletionFlag == "PARTIAL"
    send(daemon, [victim])
    assert daemon.study(study.uid)["objects"]["lost"] == 0
    assert daemon.stored()[victim.SOPInstanceUID] == [encoded(victim)]


def test_what_was_half_received_is_swept(stopped):
    daemon, study, _ = stopped
    source = daemon.state / path_of(daemon, study.objects[0])
    shutil.copy(source, daemon.state / "incoming" / "left-behind.dcm")
    (daemon.state / "incoming" / "empty").write_bytes(b"")
    daemon.start()
    assert daemon.files("incoming") == [] and "swept=2" in daemon.log(this_start_only=True)
    assert daemon.study(study.uid)["objects"]["total"] == 12


def test_a_report_that_no_row_names_is_removed(stopped):
    daemon, study, pacs = stopped
    source = daemon.state / path_of(daemon, study.objects[0])
    (daemon.state / "reports").mkdir(exist_ok=True)
    shutil.copy(source, daemon.state / "reports" / f"{generate_uid()}.dcm")
    daemon.start()
    assert daemon.files("reports") == [] and "reports_removed=1" in daemon.log(this_start_only=True)


def test_a_foreign_file_among_the_objects_is_left_and_told(stopped):
    daemon, study, _ = stopped
    foreign = daemon.state / path_of(daemon, study.objects[0])
    foreign = foreign.with_name("foreign.dcm")
    foreign.write_bytes(b"not DICOM at all")
    daemon.start()
    assert foreign.read_bytes() == b"not DICOM at all" and "orphan_left" in daemon.log(this_start_only=True)
    assert daemon.study(study.uid)["objects"]["total"] == 12


def test_a_second_daemon_does_not_take_the_same_folder(stopped, start_daemon):
    daemon, _, _ = stopped
    daemon.start()
    other = start_daemon(state=daemon.state, wait=False).launch()
    assert other.process.wait(30 * TIME_FACTOR) != 0
    assert "not_started" in other.log() and daemon.ready()
