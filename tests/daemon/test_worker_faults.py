"""A worker that crashes, hangs or is killed costs one job an attempt, and the service nothing."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal

import pytest

from counterparts import findings, send, summary, texts
from service import MODEL, TIME_FACTOR, wait_for
from studies import ct_study, mr_study


def children(daemon):
    """Process ids of the daemon's workers; each is the child of one thread."""
    found = []
    for path in pathlib.Path(f"/proc/{daemon.process.pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, path.read_text().split())
    return found


def judge_parked(daemon, pacs, study, reason_part):
    shown = daemon.wait_state(study.uid, "parked", limit_s=60)
    assert shown["jobs"][0]["attempts"] == 2 and shown["jobs"][0]["state"] == "failed"
    assert reason_part in shown["reason"], shown["reason"]
    shown = daemon.wait_reported(study.uid)
    (document,) = [one.data_set for one in pacs.of_study(study.uid)]
    assert summary(document) == "111245" and findings(document) == []
    told = shown["results"][0]["reason_text"]
    assert told and any(told in text for text in texts(document))
    assert shown["results"][0]["analysed"] is False
    return shown


def judge_other_work_goes_on(daemon, pacs, parked):
    """A study that needs no worker gets its report; without the fault the parked one is analysed when asked."""
    beside = mr_study()
    send(daemon, beside.objects)
    daemon.wait_reported(beside.uid)
    assert daemon.terminate() == 0
    daemon.environment = {}
    daemon.start()
    after = ct_study()
    send(daemon, after.objects)
    daemon.wait_state(after.uid, "delivered")
    assert daemon.state_of(parked.uid) == "parked"
    assert daemon.post(f"/api/v1/studies/{parked.uid}/force").status_code in (200, 202)
    shown = daemon.wait_state(parked.uid, "delivered", revision=2)
    assert shown["results"][0]["analysed"]
    first, second = [one.data_set for one in pacs.of_study(parked.uid)]
    named = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert named.ReferencedSOPInstanceUID == first.SOPInstanceUID


def test_r04_a_worker_that_crashes_twice_parks_the_study_and_says_so(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], environment={"CARDIOSCRIBE_WORKER_FAULT": "crash"})
    study = ct_study()
    send(daemon, study.objects)
    judge_parked(daemon, pacs, study, "worker")
    judge_other_work_goes_on(daemon, pacs, study)


def test_a_worker_that_crashes_once_costs_one_attempt(start_daemon, start_pacs, tmp_path):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()],
                          environment={"CARDIOSCRIBE_WORKER_FAULT": f"crash_once:{tmp_path}/crashed"})
    study = ct_study()
    send(daemon, study.objects)
    shown = daemon.wait_state(study.uid, "delivered")
    assert (tmp_path / "crashed").exists()
    assert shown["jobs"][0]["attempts"] == 1 and shown["results"][0]["analysed"] and len(pacs.arrivals) == 1
    events = daemon.get(f"/api/v1/studies/{study.uid}/events")["events"]
    assert any("worker" in one["detail"] for one in events), events


def test_a_model_that_crashes_does_not_take_another_along(start_daemon, start_pacs, deciding_model):
    pacs = start_pacs()
    folder = deciding_model(3)
    daemon = start_daemon(peers=[pacs.peer()], environment={"CARDIOSCRIBE_WORKER_FAULT": f"crash@{folder}"},
                          models=[{"name": "bad", "folder": folder}, {"name": "good", "folder": MODEL}])
    study = ct_study()
    send(daemon, study.objects)
    shown = daemon.wait_reported(study.uid, reports=2)
    assert {one["model_section"]: one["analysed"] for one in shown["results"]} == {"bad": False, "good": True}
    assert shown["state"] == "parked" and len(pacs.arrivals) == 2


def test_r04_a_worker_that_hangs_twice_parks_the_study_and_says_so(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], keys={"pool.job_timeout_s": max(2, int(2 * TIME_FACTOR))},
                          environment={"CARDIOSCRIBE_WORKER_FAULT": "hang"})
    study = ct_study()
    send(daemon, study.objects)
    judge_parked(daemon, pacs, study, "time")
    judge_other_work_goes_on(daemon, pacs, study)


def test_a_worker_that_is_killed_once_costs_one_attempt(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], environment={"CARDIOSCRIBE_WORKER_FAULT": "slow:1500"})
    study, behind = ct_study(), ct_study()
    send(daemon, study.objects)
    daemon.wait_state(study.uid, "encoding")
    (worker,) = children(daemon)
    os.kill(worker, signal.SIGKILL)
    send(daemon, behind.objects)
    shown = daemon.wait_state(study.uid, "delivered")
    assert shown["jobs"][0]["attempts"] == 1 and shown["results"][0]["analysed"]
    shown = daemon.wait_state(behind.uid, "delivered")
    assert shown["jobs"][0]["attempts"] == 0
    assert len(pacs.arrivals) == 2


def test_a_worker_that_dies_between_jobs_is_replaced(start_daemon):
    daemon = start_daemon()
    for _ in range(2):
        (worker,) = wait_for("a worker", lambda: children(daemon), 20)
        os.kill(worker, signal.SIGKILL)
        study = ct_study()
        send(daemon, study.objects)
        shown = daemon.wait_state(study.uid, "encoded", "delivered")
        assert shown["results"][0]["analysed"]
    wait_for("ready again", daemon.ready, 20)
    assert "event=worker_replaced reason=ended jobs=1 " in daemon.log()


def test_a_worker_is_replaced_after_so_many_jobs(start_daemon):
    daemon = start_daemon(keys={"pool.max_jobs": 1})
    workers = set()
    for _ in range(3):
        study = ct_study()
        send(daemon, study.objects)
        daemon.wait_state(study.uid, "encoded", "delivered")
        workers.update(children(daemon))
    assert len(workers) >= 2
    assert "event=worker_replaced reason=max_jobs jobs=1 " in daemon.log()


@pytest.mark.parametrize("mark_mb, replaced", [(1, True), (0, False), (1048576, False)])
def test_a_worker_is_replaced_above_the_memory_mark(mark_mb, replaced, start_daemon):
    daemon = start_daemon(keys={"pool.replace_above_mb": mark_mb})
    (first,) = children(daemon)
    for _ in range(2):
        study = ct_study()
        send(daemon, study.objects)
        daemon.wait_state(study.uid, "encoded", "delivered")
    if not replaced:
        assert children(daemon) == [first] and "event=worker_replaced" not in daemon.log()
        return
    lines = wait_for("two replacements", lambda: len(found := re.findall(
        r"event=worker_replaced (.*)", daemon.log())) == 2 and found)
    for line in lines:
        told = dict(word.split("=") for word in line.split())
        assert told["reason"] == "replace_above_mb" and told["jobs"] == "1" and int(told["memory_mb"]) > 1, line
    assert first not in wait_for("a worker", lambda: children(daemon))


def test_no_worker_outlives_a_killed_daemon(start_daemon):
    daemon = start_daemon(environment={"CARDIOSCRIBE_WORKER_FAULT": "slow:30000"})
    study = ct_study()
    send(daemon, study.objects)
    daemon.wait_state(study.uid, "encoding")
    (worker,) = children(daemon)
    daemon.kill()

    def gone():
        try:
            return "State:\tZ" in pathlib.Path(f"/proc/{worker}/status").read_text()
        except FileNotFoundError:
            return True
    wait_for("the worker is gone", gone, 10)


def test_a_model_damaged_after_the_start_parks_its_own_studies_only(start_daemon, start_pacs, tmp_path):
    pacs = start_pacs()
    fragile, sound = tmp_path / "fragile", tmp_path / "sound"
    shutil.copytree(MODEL, fragile)
    shutil.copytree(MODEL, sound)
    config = json.loads((sound / "config.json").read_text())
    config["preprocess"]["modality"] = "MR"
    (sound / "config.json").write_text(json.dumps(config))
    daemon = start_daemon(peers=[pacs.peer()], models=[{"name": "fragile", "folder": fragile},
                                                       {"name": "sound", "folder": sound}])
    (fragile / "prompts.json").write_text("{}")
    lost, kept = ct_study(), mr_study()
    send(daemon, lost.objects)
    judge_parked(daemon, pacs, lost, "worker")
    send(daemon, kept.objects)
    shown = daemon.wait_state(kept.uid, "delivered")
    assert shown["results"][0]["analysed"] and shown["results"][0]["model"]["name"] == "demo-ct"
