"""Withdrawal: rejection notes that highdicom and pydicom wrote, and an operator's purge, take a study back from
results, spool and outbox; who did it stays."""
import hashlib
import os
import pathlib
import signal

import pytest

import rejections
from counterparts import Sender, contexts_of, send
from service import wait_for
from studies import Study, ct_study


def delivered_study(daemon, slices=6, limit_s=60):
    study = ct_study(slices)
    send(daemon, study.objects)
    daemon.wait_reported(study.uid, limit_s=limit_s)
    return study


def wait_files(daemon, room, count):
    wait_for(f"{count} files in {room}", lambda: len(daemon.files(room)) == count)


def marker(daemon, pacs):
    """A study sent and reported after all that was due before it."""
    later = ct_study(3)
    send(daemon, later.objects)
    daemon.wait_reported(later.uid)
    assert pacs.of_study(later.uid)


# Without a model every study gets its report at once, which says so: nothing here is about what it says.
@pytest.fixture
def pacs(start_pacs):
    return start_pacs()


@pytest.fixture
def daemon(start_daemon, pacs):
    return start_daemon(peers=[pacs.peer()], models=[])


@pytest.mark.parametrize("write", (rejections.by_highdicom, rejections.by_hand))
@pytest.mark.parametrize("code", ("113001", "113037", "113038"))
def test_a_rejection_note_withdraws_a_study(daemon, pacs, write, code):
    study = delivered_study(daemon)
    (report,) = pacs.of_study(study.uid)
    note = write(study, study.objects, code)
    send(daemon, [note])
    shown = daemon.wait_state(study.uid, "withdrawn")
    assert shown["reason"] == "rejection_note" and not shown["results"] and not shown["findings"]
    (trace,) = shown["withdrawals"]
    assert trace["via"] == "rejection_note" and trace["code"] == code and trace["reason"] == rejections.TITLES[code]
    assert trace["who"] == "SENDER" and trace["address"] == "127.0.0.1" and trace["whole"] is True
    assert trace["note_uid"] == note.SOPInstanceUID and trace["objects"] == len(study.objects)
    assert shown["objects"]["withdrawn"] == len(study.objects) and shown["objects"]["lost"] == 0
    # what left before is named, with where it went
    assert f"{report.sop_uid} to pacs" in shown["explanation"] and "withdrawn" in shown["explanation"]
    (delivery,) = shown["deliveries"]
    assert delivery["state"] == "delivered" and delivery["sop_uid"] == report.sop_uid
    wait_files(daemon, "objects", 1)  # the note itself
    wait_files(daemon, "reports", 0)
    assert list(daemon.stored()) == [note.SOPInstanceUID]
    assert [event["kind"] for event in daemon.get(f"/api/v1/studies/{study.uid}/events")["events"]].count("withdrawn") == 1
    assert [one["study_uid"] for one in daemon.studies(state="withdrawn")] == [study.uid]
    assert daemon.post(f"/api/v1/studies/{study.uid}/force").status_code == 409
    refused = daemon.cli("report", study.uid)
    assert refused.returncode == 1 and "no report" in refused.stderr


@pytest.mark.parametrize("code", ("113039", "113000"))
def test_other_notes_are_kept_and_not_obeyed(daemon, code):
    study = delivered_study(daemon)
    send(daemon, [rejections.by_highdicom(study, study.objects, code)])
    shown = daemon.study(study.uid)
    assert shown["state"] == "declined" and not shown["withdrawals"] and shown["objects"]["other"] == 1


def test_rejection_notes_can_be_turned_off(start_daemon, pacs):
    daemon = start_daemon(peers=[pacs.peer()], models=[], keys={"retention.rejection_notes": "no"})
    study = delivered_study(daemon)
    send(daemon, [rejections.by_highdicom(study, study.objects)])
    assert daemon.study(study.uid)["state"] == "declined" and not daemon.study(study.uid)["withdrawals"]


def test_withdrawn_objects_that_come_again_are_acknowledged_and_not_kept(daemon, pacs):
    study = delivered_study(daemon)
    send(daemon, [rejections.by_highdicom(study, study.objects)])
    daemon.wait_state(study.uid, "withdrawn")
    wait_files(daemon, "objects", 1)
    send(daemon, study.objects)
    assert len(daemon.files("objects")) == 1
    marker(daemon, pacs)
    assert daemon.state_of(study.uid) == "withdrawn" and len(pacs.of_study(study.uid)) == 1


def test_a_note_that_is_sent_again_changes_nothing(daemon):
    study = delivered_study(daemon)
    note = rejections.by_hand(study, study.objects)
    send(daemon, [note])
    before = daemon.study(study.uid)["withdrawals"]
    send(daemon, [note])
    send(daemon, [rejections.by_highdicom(study, study.objects, "113037")])
    assert daemon.study(study.uid)["withdrawals"] == before


def test_corrected_images_open_the_study_again(daemon, pacs):
    study = delivered_study(daemon)
    old = list(study.objects)
    send(daemon, [rejections.by_highdicom(study, old)])
    daemon.wait_state(study.uid, "withdrawn")
    corrected = study.add_series(5, seed=3)
    send(daemon, corrected)
    shown = daemon.wait_reported(study.uid, revision=2)
    assert shown["revision"] == 2 and len(shown["results"]) == 1
    data_set = pacs.of_study(study.uid)[-1].data_set
    named = {str(one.ReferencedSOPInstanceUID) for item in data_set.CurrentRequestedProcedureEvidenceSequence
             for series in item.ReferencedSeriesSequence for one in series.ReferencedSOPSequence}
    assert named == {one.SOPInstanceUID for one in corrected}
    assert "objects were withdrawn" in shown["explanation"]


def test_a_note_of_some_images_makes_a_new_revision_without_them(daemon, pacs):
    study = delivered_study(daemon)
    rejected, kept = study.objects[:2], study.objects[2:]
    send(daemon, [rejections.by_highdicom(study, rejected)])
    shown = daemon.wait_reported(study.uid, revision=2)
    assert shown["withdrawals"][0]["whole"] is False and shown["withdrawals"][0]["objects"] == 2
    first, second = (one.data_set for one in pacs.of_study(study.uid))
    named = {str(one.ReferencedSOPInstanceUID) for item in second.CurrentRequestedProcedureEvidenceSequence
             for series in item.ReferencedSeriesSequence for one in series.ReferencedSOPSequence}
    assert named == {one.SOPInstanceUID for one in kept}
    predecessor = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert predecessor.ReferencedSOPInstanceUID == first.SOPInstanceUID
    wait_files(daemon, "objects", len(kept) + 1)


def test_a_note_that_comes_before_its_objects_holds(daemon, pacs):
    study = ct_study(4)
    send(daemon, [rejections.by_hand(study, study.objects)])
    send(daemon, study.objects)
    marker(daemon, pacs)
    assert not pacs.of_study(study.uid) and not {one.SOPInstanceUID for one in study.objects} & set(daemon.stored())
    assert daemon.study(study.uid)["withdrawals"][0]["code"] == "113001"


def test_a_note_withdraws_in_every_study_of_its_patient_that_it_names(daemon):
    first, second = delivered_study(daemon), ct_study(3)
    second.patient_id = first.patient_id
    for one in second.objects:
        one.PatientID = first.patient_id
    send(daemon, second.objects)
    stranger = delivered_study(daemon, 3)
    daemon.wait_reported(second.uid)
    send(daemon, [rejections.by_hand(first, first.objects + second.objects + stranger.objects)])
    assert daemon.state_of(first.uid) == daemon.state_of(second.uid) == "withdrawn"
    assert daemon.state_of(stranger.uid) == "declined" and "event=withdrawal_conflict" in daemon.log()


def test_a_note_with_another_patient_id_is_refused(daemon):
    study = delivered_study(daemon)
    note = rejections.by_hand(study, study.objects)
    note.PatientID = "SOMEBODY ELSE"
    with Sender(daemon, contexts_of([note])) as sender:
        assert sender.send(note) == 0xA901
    assert daemon.state_of(study.uid) == "declined" and not daemon.study(study.uid)["withdrawals"]


def test_a_note_that_names_nothing_is_refused(daemon):
    study = delivered_study(daemon)
    note = rejections.by_hand(study, [])
    with Sender(daemon, contexts_of([note])) as sender:
        assert sender.send(note) == 0xC000
    assert daemon.state_of(study.uid) == "declined" and not daemon.study(study.uid)["withdrawals"]


def test_what_waits_for_a_pacs_that_is_down_is_never_sent_after_a_purge(start_daemon, start_pacs):
    pacs = start_pacs(listen=False)
    daemon = start_daemon(peers=[pacs.peer()], models=[])
    study = ct_study(4)
    send(daemon, study.objects)
    wait_for("an attempt", lambda: (daemon.study(study.uid) or {}).get("deliveries", [{}])[0:1]
             and daemon.study(study.uid)["deliveries"][0]["attempts"])
    done = daemon.cli("purge", study.uid, "--reason", "sent by mistake")
    assert done.returncode == 0 and "done" in done.stdout, done.stderr
    shown = daemon.study(study.uid)
    assert shown["state"] == "withdrawn" and shown["deliveries"][0]["state"] == "withdrawn"
    assert "Nothing of it had been delivered" in shown["explanation"]
    assert "sent by mistake" in shown["explanation"] and "who says to be root" in shown["explanation"]
    daemon.kill()
    daemon.start()  # it stays withdrawn across a power cut
    pacs.listen()
    marker(daemon, pacs)
    assert not pacs.of_study(study.uid, accepted_only=False)
    assert daemon.state_of(study.uid) == "withdrawn"
    wait_for("its files are gone", lambda: not {one.SOPInstanceUID for one in study.objects} & set(daemon.stored()))
    assert daemon.post(f"/api/v1/deliveries/{shown['deliveries'][0]['id']}/retry").status_code == 409
    again = daemon.cli("purge", study.uid)
    assert again.returncode == 1 and "already" in again.stderr
    assert daemon.cli("purge", "999999").returncode == 1


def test_a_purge_names_the_token_that_asked(start_daemon, tmp_path):
    token = "a-token-of-the-test"
    digest = hashlib.sha256(token.encode()).hexdigest()
    daemon = start_daemon(models=[], keys={"api.token_sha256": digest}, wait=False)
    daemon.launch()
    (tmp_path / "token").write_text(token)
    (tmp_path / "token").chmod(0o600)
    wait_for("the daemon listens", lambda: "event=ready" in daemon.log(), 60)
    study = Study("CT")
    study.add_series(3)
    send(daemon, study.objects)
    done = daemon.cli("purge", study.uid, "--token-file", tmp_path / "token")
    assert done.returncode == 0, done.stderr
    (row,) = daemon.rows("SELECT who, via, address, said_by FROM withdrawal")
    assert row == {"who": f"token {digest[:12]}", "via": "purged", "address": "127.0.0.1", "said_by": "root"}
    assert token not in daemon.log()


def test_a_result_that_could_not_be_written_and_is_not_wanted_any_more_frees_its_slot(start_daemon, pacs):
    daemon = start_daemon(peers=[pacs.peer()])
    reports, away = daemon.state / "reports", daemon.state / "reports-away"
    reports.rename(away)
    reports.touch()
    study = ct_study()
    send(daemon, study.objects)
    wait_for("a result without a place", lambda: "event=result_not_recorded" in daemon.log(), 60)
    assert daemon.post(f"/api/v1/studies/{study.uid}/purge").status_code == 200
    wait_files(daemon, "objects", 0)
    reports.unlink()
    away.rename(reports)
    marker(daemon, pacs)
    shown = daemon.study(study.uid)
    assert shown["state"] == "withdrawn" and not shown["results"] and not pacs.of_study(study.uid)


def workers_of(daemon):
    tasks = pathlib.Path(f"/proc/{daemon.process.pid}/task")
    return [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]


def test_a_result_that_is_being_computed_is_thrown_away(start_daemon, pacs):
    """Its worker stands still until its files are gone; the slot is free afterwards."""
    daemon = start_daemon(peers=[pacs.peer()])
    marker(daemon, pacs)  # its worker is there and takes jobs
    workers = workers_of(daemon)
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    study = ct_study()
    send(daemon, study.objects)
    daemon.wait_state(study.uid, "encoding", limit_s=60)
    assert daemon.post(f"/api/v1/studies/{study.uid}/purge").status_code == 200
    wait_files(daemon, "objects", 3)
    for pid in workers:
        os.kill(pid, signal.SIGCONT)
    marker(daemon, pacs)
    shown = daemon.study(study.uid)
    assert shown["state"] == "withdrawn" and not shown["results"] and not pacs.of_study(study.uid)
    wait_files(daemon, "reports", 2)  # the other studies'
