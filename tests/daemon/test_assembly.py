"""When a study counts as complete, what makes it so, and what is made of studies that nothing takes."""
import threading
import time

import pytest

from counterparts import Sender, contexts_of, findings, send, summary, texts
from service import MODEL, TIME_FACTOR, wait_for
from studies import ExplicitVRLittleEndian, Study, ct_study, encoded, mr_study


def test_a_study_waits_while_objects_keep_coming_and_then_a_quiet_time(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], keys={"assembly.study_quiet_s": 3, "assembly.series_quiet_s": 2})
    study = ct_study(slices=14)
    for one in study.objects:  # an association each
        send(daemon, [one])
        time.sleep(0.4)
        assert daemon.state_of(study.uid) == "receiving"
    last = time.monotonic()
    shown = daemon.wait_state(study.uid, "delivered")
    assert time.monotonic() - last > 2
    assert shown["started_by"] == "quiet" and shown["revision"] == 1 and len(pacs.arrivals) == 1
    assert len(shown["results"][0]["input"]["instances"]) == 14


def test_r01_a_study_is_not_complete_while_an_association_that_stored_into_it_is_open(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()])
    study, other = ct_study(), ct_study()
    with Sender(daemon, contexts_of(study.objects)) as sender:
        for one in study.objects:
            assert sender.send(one) == 0x0000
        send(daemon, other.objects)  # somebody else's study is not held up
        daemon.wait_state(other.uid, "delivered")
        time.sleep(2)
        assert daemon.state_of(study.uid) == "receiving"
        released = time.monotonic()
    daemon.wait_state(study.uid, "delivered")
    assert time.monotonic() - released < 4 * TIME_FACTOR  # it was quiet long enough: at once
    assert len(pacs.of_study(study.uid)) == 1


def test_an_open_association_that_stored_elsewhere_holds_nothing_up(start_daemon):
    daemon = start_daemon()
    study, other = ct_study(), ct_study()
    with Sender(daemon, contexts_of(other.objects)) as sender:
        assert sender.send(other.objects[0]) == 0x0000
        send(daemon, study.objects)
        daemon.wait_state(study.uid, "encoded", "delivered")
        assert daemon.state_of(other.uid) == "receiving"


@pytest.mark.parametrize("how", ["rest", "cli"])
def test_an_operator_may_call_the_end(how, start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], keys={"assembly.study_quiet_s": 600})
    study = ct_study()
    send(daemon, study.objects)
    if how == "rest":
        assert daemon.post(f"/api/v1/studies/{study.uid}/force").status_code in (200, 202)
    else:
        done = daemon.cli("force", study.uid)
        assert done.returncode == 0, done.stderr
    shown = daemon.wait_state(study.uid, "delivered")
    assert shown["started_by"] == "forced" and shown["revision"] == 1


def test_a_study_that_never_falls_quiet_is_taken_by_the_force_timer(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], keys={"assembly.study_quiet_s": 600, "assembly.study_force_s": 3})
    study = ct_study()
    begun = time.monotonic()
    send(daemon, study.objects)
    shown = daemon.wait_state(study.uid, "delivered")
    assert shown["started_by"] == "force_timer" and time.monotonic() - begun > 2.5


def test_a_prefetched_prior_is_declined_without_a_report_until_somebody_asks(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], keys={"assembly.max_study_age_days": 30})
    today = time.strftime("%Y%m%d")
    old, new = ct_study(date="20200102"), ct_study(date=today)
    for study in (old, new):
        send(daemon, study.objects)
    daemon.wait_state(new.uid, "delivered")
    shown = daemon.wait_state(old.uid, "declined")
    assert shown["reason"] == "study_too_old" and shown["jobs"] == shown["results"] == shown["deliveries"] == []
    time.sleep(1)
    assert len(pacs.arrivals) == 1
    assert daemon.post(f"/api/v1/studies/{old.uid}/force").status_code in (200, 202)
    shown = daemon.wait_state(old.uid, "delivered")
    assert shown["results"][0]["analysed"]


def judge_not_analysed(daemon, pacs, study, reason):
    shown = daemon.wait_reported(study.uid)
    assert shown["state"] == "declined" and shown["reason"] == reason
    (document,) = [one.data_set for one in pacs.of_study(study.uid)]
    assert summary(document) == "111245" and findings(document) == []
    assert any(shown["results"][0]["reason_text"] in text for text in texts(document))
    return shown


def test_a_study_that_no_model_fits_is_told_so_in_a_report(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], models=[])
    study = ct_study()
    send(daemon, study.objects)
    judge_not_analysed(daemon, pacs, study, "no_model_for_modality")


def test_a_model_takes_only_what_its_words_describe(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], models=[
        {"name": "heart", "folder": MODEL, "description_match": "nothing|coronary"},
        {"name": "lung", "folder": MODEL, "description_match": "lung|thorax"}])
    fits, other = ct_study(), Study()
    other.add_series(description="ABDOMEN 5.0")
    send(daemon, fits.objects)
    send(daemon, other.objects)
    shown = daemon.wait_state(fits.uid, "delivered")
    assert [one["model"] for one in shown["jobs"]] == ["heart"]
    judge_not_analysed(daemon, pacs, other, "no_model_matches")


def test_a_model_that_does_not_open_is_told_and_the_service_is_not_ready(start_daemon, start_pacs, tmp_path):
    pacs = start_pacs()
    (tmp_path / "empty").mkdir()
    daemon = start_daemon(peers=[pacs.peer()], models=[{"name": "broken", "folder": tmp_path / "empty"}], wait=False)
    daemon.launch()
    wait_for("the listener", lambda: "event=ready" in daemon.log(), 60)
    assert not daemon.ready()
    study = ct_study()
    send(daemon, study.objects)
    judge_not_analysed(daemon, pacs, study, "model_unavailable")


def test_too_few_slices_are_told_so_in_a_report(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()])
    study = ct_study(slices=3)
    send(daemon, study.objects)
    shown = judge_not_analysed(daemon, pacs, study, "too_few_slices")
    assert shown["jobs"][0]["model"] == "demo-ct"


# ---- the end of the service ----

def test_sigterm_lets_an_object_that_is_being_sent_arrive(start_daemon):
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600})
    (one,) = ct_study(slices=1).objects
    one.Rows = one.Columns = 1024
    one.PixelData = bytes(2 * 1024 * 1024)
    statuses = []
    with Sender(daemon, contexts_of([one]), timeout_s=30) as sender:
        wire = sender.association.dul.socket
        quick = wire.send

        def slow(raw):
            time.sleep(0.15)
            quick(raw)

        wire.send = slow
        thread = threading.Thread(target=lambda: statuses.append(sender.send(one)))
        thread.start()
        wait_for("half an object", lambda: any(path.stat().st_size > 300000 for path in daemon.files("incoming")), 20)
        daemon.process.terminate()
        thread.join(30 * TIME_FACTOR)
        wire.send = quick
    assert daemon.process.wait(30 * TIME_FACTOR) == 0
    assert statuses == [0x0000]
    assert daemon.stored()[one.SOPInstanceUID] == [encoded(one)] and daemon.files("incoming") == []


def test_sigterm_ends_idle_associations_and_refuses_new_ones(start_daemon):
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600})
    study = ct_study()
    sender = Sender(daemon, contexts_of(study.objects))
    assert sender.send(study.objects[0]) == 0x0000
    begun = time.monotonic()
    assert daemon.terminate(30) == 0
    assert time.monotonic() - begun < 10 * TIME_FACTOR
    sender.association.abort()
    daemon.start()
    shown = daemon.study(study.uid)
    assert shown["state"] == "receiving" and shown["objects"]["total"] == 1


def test_sigterm_while_a_worker_works_costs_no_attempt(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], environment={"CARDIOSCRIBE_WORKER_FAULT": "slow:4000"})
    study = ct_study()
    send(daemon, study.objects)
    daemon.wait_state(study.uid, "encoding")
    assert daemon.terminate(30) == 0
    daemon.environment = {}
    daemon.start()
    shown = daemon.wait_state(study.uid, "delivered")
    assert shown["jobs"][0]["attempts"] == 0 and len(pacs.arrivals) == 1


def test_a_study_left_in_receiving_completes_after_a_restart(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], keys={"assembly.study_quiet_s": 3})
    study = ct_study()
    send(daemon, study.objects)
    assert daemon.terminate() == 0
    daemon.start()
    daemon.wait_state(study.uid, "delivered", revision=1)
