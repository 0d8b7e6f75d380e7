"""What the log says, and what it never says: above debug no name, number or UID of a patient."""
import pytest
import requests

import studies
from conftest import judge_refusals_named, told_by
from counterparts import Sender, contexts_of, send
from service import wait_for
from studies import Study, ct_study, encoded, mr_study


def scenario(start_daemon, start_pacs, level):
    """Everything that makes the daemon talk: good and bad objects, reports that go out, back, and nowhere."""
    answers = iter([0x0000, 0xA700, 0xC000])
    pacs = start_pacs(answer=lambda arrival, number: next(answers, 0x0000))
    gone = start_pacs("GONE", listen=False)
    daemon = start_daemon(peers=[pacs.peer(), {**gone.peer(), "name": "gone"}], keys={"service.log_level": level})
    first, second = Study(), mr_study()
    series = first.add_series(12)
    send(daemon, first.objects)
    wait_for("the first report", lambda: len(pacs.arrivals) >= 1, 40)
    send(daemon, second.objects + second.objects[:2])
    send(daemon, [first.late_slice(series), first.secondary_capture(), first.document()])
    wait_for("a later revision", lambda: daemon.study(first.uid)["revision"] == 2 and len(pacs.arrivals) >= 3, 40)
    wait_for("a parked delivery", lambda: "delivery_parked" in daemon.log(), 20)
    (bad,) = ct_study(slices=1).objects
    stranger = first.late_slice(series, seed=8)
    stranger.PatientID = "OTHERPATIENT88"
    studies.secrets.add("OTHERPATIENT88")
    with Sender(daemon, contexts_of([bad])) as sender:
        assert sender.send(stranger) == 0xA901
        assert sender.send_bytes(encoded(bad)[:-200], bad.SOPClassUID, bad.SOPInstanceUID,
                                 bad.file_meta.TransferSyntaxUID).Status == 0xC000
        assert sender.send_bytes(encoded(bad), bad.SOPClassUID, studies.generate_uid(),
                                 bad.file_meta.TransferSyntaxUID).Status == 0xA900
    assert Sender(daemon, contexts_of([bad]), calling="NOBODY").reject
    for study in (first, second):
        for question in (f"/api/v1/studies/{study.uid}", f"/api/v1/studies?patient_id={study.patient_id}",
                         f"/api/v1/studies?accession={study.accession}", f"/api/v1/studies/{study.uid}/report",
                         f"/api/v1/studies/{study.uid}/nothing", "/api/v1/refusals"):
            requests.get(daemon.url + question, timeout=30)
        requests.post(f"{daemon.url}/api/v1/studies/{study.uid}/force", timeout=30)
    assert daemon.terminate() == 0
    return daemon


def told(text):
    return sorted(secret for secret in studies.secrets if secret in text)


def test_the_log_tells_what_happened_and_to_no_patient(start_daemon, start_pacs):
    studies.secrets.clear()
    text = scenario(start_daemon, start_pacs, "info").log()
    assert told(text) == []
    for event in ("starting", "reconciled", "model_ready", "ready", "association_ended", "study_complete", "job_started",
                  "job_done", "report_delivered", "delivery_failed", "delivery_parked", "study_reopened", "refused",
                  "stopping", "stopped"):
        assert f"event={event}" in text, event
    lines = text.splitlines()
    assert all(" event=" in line for line in lines), [line for line in lines if " event=" not in line][:5]
    assert all("will retry" in line for line in lines if "event=delivery_failed" in line)


def test_a_planted_secret_is_seen(start_daemon):
    """The judge at the end of every test of a daemon can fail: for what was made here, and for what only the daemon
    knows."""
    daemon = start_daemon()
    study = ct_study(slices=1)
    send(daemon, study.objects)
    assert told_by(daemon) == []
    clean = daemon.log_path.read_bytes()
    for secret in (study.patient_id, study.uid, study.accession, study.objects[0].SOPInstanceUID, "ZWEIG"):
        studies.secrets.clear()
        daemon.log_path.write_bytes(clean + f"event=object_stored it=\"{secret}\"\n".encode())
        assert secret in told_by(daemon)
    daemon.log_path.write_bytes(clean)


def test_a_refused_objects_line_carries_its_row(start_daemon):
    daemon = start_daemon()
    (bad,) = ct_study(slices=1).objects
    with Sender(daemon, contexts_of([bad])) as sender:
        for lost in (200, 400):
            assert sender.send_bytes(encoded(bad)[:-lost], bad.SOPClassUID, bad.SOPInstanceUID,
                                     bad.file_meta.TransferSyntaxUID).Status == 0xC000
    assert Sender(daemon, contexts_of([bad]), calling="NOBODY").reject
    wait_for("the refused association has its row", lambda: len(daemon.refusals()) == 3)
    wait_for("and its line", lambda: daemon.log().count(" event=refused ") == 3)
    rows = {one["id"]: one for one in daemon.refusals()}
    lines = [line for line in daemon.log().splitlines() if " event=refused " in line]
    shown = {int(line.split(" refusal=")[1].split()[0]): line for line in lines}
    assert len(lines) == 3 and shown.keys() == rows.keys()
    assert all(f'status="{one["status"]}"' in shown[number] and one["cause"] in shown[number]
               for number, one in rows.items())
    clean = daemon.log_path.read_bytes()
    daemon.log_path.write_text("\n".join(line for line in daemon.log().splitlines() if line != lines[1]))
    with pytest.raises(AssertionError):
        judge_refusals_named(daemon)
    daemon.log_path.write_bytes(clean)


def test_a_level_leaves_out_what_is_below_it(start_daemon, start_pacs):
    studies.secrets.clear()
    text = scenario(start_daemon, start_pacs, "warning").log()
    assert told(text) == [] and "delivery_failed" in text
    assert " info " not in text and " debug " not in text
