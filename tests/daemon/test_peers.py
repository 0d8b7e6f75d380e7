"""Peers: what each may ask and is sent, how it is asked whether it is there, and how it says no."""
import re
import signal
import socket
import threading

import numpy as np
import pytest
import requests

from counterparts import Sender, concept, content, contexts_of, dciodvfy_errors, send, texts
from pynetdicom.sop_class import Verification
from pydicom.uid import ImplicitVRLittleEndian
from raw_peer import RawPeer
from service import ROOT, SENDER, TIME_FACTOR, free_port, wait_for
from studies import COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, CT, ENHANCED_SR, SECONDARY_CAPTURE, ct_study

ECHO = (Verification, ImplicitVRLittleEndian)


def sender_peer(**more):
    return {"name": "sender", "ae_title": SENDER, "address": "127.0.0.1", "may_store": "yes", **more}


def only(daemon, *peers):
    """Instead of the sender that a daemon of the tests knows."""
    daemon.peers = list(peers)
    return daemon.start()


def echo(daemon, name):
    return daemon.post(f"/api/v1/peers/{name}/echo")


def refusal(answer):
    assert answer.status_code == 502, answer.text
    return answer.json()["error"]


def sent_study(daemon):
    study = ct_study()
    send(daemon, study.objects)
    return study


def wait_delivery(daemon, uid, state):
    def look():
        study = daemon.study(uid)
        one = study and study["deliveries"] and study["deliveries"][0]
        return one and one["state"] == state and one
    return wait_for(f"delivery {state}", look, 40)


# ---- echo ----

def test_a_peer_is_asked_with_c_echo_over_rest_and_from_the_command_line(start_daemon, start_pacs, storescp):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer(name="the PACS"), storescp.peer()])
    for name, peer in (("the PACS", pacs), ("storescp", storescp)):
        answer = echo(daemon, name)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["peer"], told["ae_title"], told["port"]) == (name, peer.ae_title, peer.port)
        done = daemon.cli("echo", name)
        assert done.returncode == 0 and f"{name} answers C-ECHO" in done.stdout, done.stderr
    assert pacs.associations == 2
    assert echo(daemon, "nobody").status_code == 404
    assert daemon.cli("echo", "nobody").returncode == 1
    assert daemon.log().count("event=peer_echo") == 4


def test_orthanc_answers(start_daemon, orthanc):
    daemon = start_daemon(peers=[orthanc.peer()])
    assert echo(daemon, "orthanc").status_code == 200
    orthanc.stop()
    assert refusal(echo(daemon, "orthanc"))["code"] == "no_connection"
    assert daemon.cli("echo", "orthanc").returncode == 1


def test_who_does_not_answer_says_why(start_daemon, start_pacs):
    strict = start_pacs("STRICT")  # pynetdicom checks the called AE title
    deaf = start_pacs("DEAF", classes=(CT,), verification=False)
    silent = socket.create_server(("127.0.0.1", free_port()))  # takes the connection, says nothing
    try:
        daemon = start_daemon(peers=[
            strict.peer(name="strict", ae_title="OTHER"), deaf.peer(name="deaf"),
            {"name": "silent", "ae_title": "SILENT", "address": "127.0.0.1", "port": silent.getsockname()[1],
             "acse_timeout_s": 1},
            {"name": "absent", "ae_title": "ABSENT", "address": "127.0.0.1", "port": free_port()}])
        said = refusal(echo(daemon, "strict"))
        assert said["code"] == "rejected_permanent" and "called AE title not recognized" in said["text"]
        assert refusal(echo(daemon, "deaf"))["code"] == "no_verification"
        assert refusal(echo(daemon, "absent"))["code"] == "no_connection"
        assert refusal(echo(daemon, "silent"))["code"] in ("no_connection", "no_answer")
        done = daemon.cli("echo", "strict")
        assert done.returncode == 1 and "called AE title not recognized" in done.stderr
    finally:
        silent.close()


def test_r15_one_echo_at_a_time_and_the_interface_goes_on_answering(start_daemon):
    silent = socket.create_server(("127.0.0.1", free_port()))
    daemon = start_daemon(peers=[{"name": "silent", "ae_title": "SILENT", "address": "127.0.0.1",
                                  "port": silent.getsockname()[1], "acse_timeout_s": 3600}])
    try:
        first = []
        asking = threading.Thread(target=lambda: first.append(echo(daemon, "silent")))
        asking.start()
        silent.settimeout(30 * TIME_FACTOR)
        connection, _ = silent.accept()
        assert connection.recv(1) == b"\1"  # an association request
        again = echo(daemon, "silent")
        assert again.status_code == 503 and again.json()["error"]["code"] == "busy"
        assert daemon.get("/readyz")["ready"]
        connection.close()
        asking.join(60 * TIME_FACTOR)
        assert first[0].status_code == 502
        assert echo(daemon, "silent").status_code != 503 or pytest.fail("the place was not given back")
    finally:
        silent.close()


# ---- what a peer may ask ----

def test_a_peer_that_may_not_echo_stores_and_is_not_granted_verification(start_daemon):
    daemon = only(start_daemon(wait=False), sender_peer(may_echo="no"))
    study = ct_study()
    with Sender(daemon, [ECHO, *contexts_of(study.objects)]) as sender:
        assert {one for one, _ in sender.accepted()} == {CT}
        assert sender.send(study.objects[0]) == 0x0000
    with Sender(daemon, [ECHO]) as sender:
        assert not sender.established or not sender.accepted()


def test_a_peer_that_may_do_nothing_is_rejected(start_daemon):
    daemon = start_daemon(peers=[{"name": "reader", "ae_title": "READER", "address": "127.0.0.1",
                                  "may_echo": "no"}])
    with Sender(daemon, [ECHO], calling="READER") as sender:
        assert sender.reject == (1, 1, 3)
    (row,) = daemon.refusals()
    assert row["status"] == "reject 1,1,3" and "neither" in row["cause"]
    with Sender(daemon, [ECHO]) as sender:
        assert sender.echo() == 0x0000


def test_each_peer_has_its_own_number_of_associations(start_daemon):
    daemon = start_daemon(peers=[{"name": "one", "ae_title": "ONE", "address": "127.0.0.1", "max_associations": 1}],
                          keys={"listener.max_associations_per_peer": 2})
    with Sender(daemon, [ECHO], calling="ONE") as first, Sender(daemon, [ECHO], calling="ONE") as second:
        assert first.echo() == 0x0000 and second.reject == (2, 3, 2)
        with Sender(daemon, [ECHO]) as a, Sender(daemon, [ECHO]) as b, Sender(daemon, [ECHO]) as c:
            assert a.echo() == b.echo() == 0x0000 and c.reject == (2, 3, 2)


def ended(peer):
    """The connection is closed or aborted by the other side."""
    peer.socket.settimeout(60 * TIME_FACTOR)
    try:
        return peer.socket.recv(100)[:1] in (b"", b"\7")
    except ConnectionResetError:
        return True


def test_r14_each_peer_has_its_own_patience(start_daemon):
    """The general time-outs are beyond any test's; one peer's are short."""
    daemon = start_daemon(peers=[{"name": "hasty", "ae_title": "HASTY", "address": "127.0.0.1", "may_store": "yes",
                                  "idle_timeout_s": 1, "dimse_timeout_s": 1}],
                          keys={"listener.idle_timeout_s": 86400, "listener.dimse_timeout_s": 3600})
    idle, slow, patient = (RawPeer(daemon) for _ in range(3))
    idle.agree(calling="HASTY")
    slow.agree(calling="HASTY")
    patient.agree()
    slow.send(b"\4\0\0\0\1\0")  # the head of a P-DATA-TF that never goes on
    assert ended(idle) and ended(slow)
    patient.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        patient.socket.recv(1)


# ---- what a peer is sent ----

def test_the_classes_of_a_peer_are_proposed_in_its_order_and_no_others(start_daemon, start_pacs):
    choosy = start_pacs("CHOOSY")
    daemon = start_daemon(peers=[choosy.peer(sr_classes="enhanced comprehensive")])
    study = sent_study(daemon)
    wait_delivery(daemon, study.uid, "delivered")
    assert [one.sop_class for one in choosy.arrivals] == [ENHANCED_SR]
    assert choosy.proposed == [[ENHANCED_SR, COMPREHENSIVE_SR]]
    shown = daemon.get("/api/v1/peers")["peers"][1]
    assert shown["sr_classes"] == [ENHANCED_SR, COMPREHENSIVE_SR] and shown["sr_class_taken"] == ENHANCED_SR
    assert shown["delivered"] == 1 and shown["pending"] == shown["parked"] == 0


def test_a_class_that_is_left_out_is_not_used_though_the_peer_took_it_before(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()])
    wait_delivery(daemon, sent_study(daemon).uid, "delivered")
    daemon.terminate()
    daemon.peers[1]["sr_classes"] = "comprehensive"
    daemon.start()
    wait_delivery(daemon, sent_study(daemon).uid, "delivered")
    assert [one.sop_class for one in pacs.arrivals] == [COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR]


def test_a_peer_that_takes_none_of_its_classes_parks_and_is_told(start_daemon, start_pacs):
    pacs = start_pacs(classes=(COMPREHENSIVE_3D_SR,))
    daemon = start_daemon(peers=[pacs.peer(sr_classes="comprehensive enhanced")])
    study = sent_study(daemon)
    one = wait_delivery(daemon, study.uid, "parked")
    assert "none of the SR classes" in one["cause"] and not pacs.arrivals
    assert daemon.state_of(study.uid) == "undelivered" and "event=delivery_parked" in daemon.log()
    assert daemon.get("/api/v1/peers")["peers"][1]["parked"] == 1


def test_r06_a_refused_ae_title_parks_at_once_and_does_not_loop(start_daemon, start_pacs):
    pacs = start_pacs("PACS", calling=["SOMEBODY"])  # rejects us for good: 1,1,3
    daemon = start_daemon(peers=[pacs.peer()], keys={"delivery.backoff_first_s": 1, "delivery.backoff_max_s": 1})
    study = sent_study(daemon)
    one = wait_delivery(daemon, study.uid, "parked")
    assert one["attempts"] == 1 and "calling AE title not recognized" in one["cause"]
    second = sent_study(daemon)  # the route goes on, and nothing of the first is tried again
    wait_delivery(daemon, second.uid, "parked")
    assert wait_delivery(daemon, study.uid, "parked")["attempts"] == 1 and pacs.associations == 2
    metrics = requests.get(daemon.url + "/metrics", timeout=30 * TIME_FACTOR).text
    assert "cardioscribe_deliveries_parked_total 2" in metrics


def test_a_pacs_that_stops_inside_an_answer_costs_its_own_time_out_only(start_daemon, start_pacs):
    held = threading.Event()
    slow = start_pacs("SLOW", answer=lambda arrival, number: held.wait(600) and 0 or 0)
    daemon = start_daemon(peers=[slow.peer(dimse_timeout_s=1)],
                          keys={"listener.dimse_timeout_s": 3600, "delivery.backoff_first_s": 3600})
    try:
        study = sent_study(daemon)
        wait_for("one attempt failed", lambda: (daemon.study(study.uid) or {}).get("deliveries")
                 and daemon.study(study.uid)["deliveries"][0]["attempts"] == 1, 40)
        assert "C-STORE" in daemon.study(study.uid)["deliveries"][0]["cause"]
    finally:
        held.set()


def test_what_a_peer_may_is_changed_by_a_reload(start_daemon):
    daemon = start_daemon()
    with Sender(daemon, [ECHO]) as sender:
        assert sender.echo() == 0x0000
    daemon.peers = [sender_peer(may_echo="no")]
    daemon.write_configuration()
    daemon.process.send_signal(signal.SIGHUP)
    wait_for("the reload", lambda: daemon.log().count("event=reloaded") == 1)
    with Sender(daemon, [ECHO]) as sender:
        assert not sender.established or not sender.accepted()


# ---- the page beside the report ----

ALL_SR = (COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR)
FONT_BANDS = re.findall(r'^    "([ #]{96})",$', (ROOT / "modules/pipeline/canvas_font.c").read_text(), re.MULTILINE)
LETTERS = {"".join(FONT_BANDS[band * 9 + y][column * 6:column * 6 + 5] for y in range(9)): chr(32 + band * 16 + column)
           for band in range(6) for column in range(16)}


def words_of(page):
    """What stands on the page, letter by letter by the font's own shapes; every run of blanks is one."""
    pixels = np.frombuffer(page.PixelData, np.uint8).reshape(page.Rows, page.Columns)
    assert set(np.unique(pixels)) == {0, 255}
    ink = pixels[20::2, 20::2] > 127  # a dot is two pixels
    lines = []
    for top in range(0, ink.shape[0] - 12, 12):
        cells = (ink[top:top + 9, left:left + 5] for left in range(0, 80 * 6, 6))
        lines.append("".join(LETTERS["".join(" #"[int(dot)] for dot in cell.ravel())] for cell in cells))
    return " ".join(" ".join(lines).split())


def summary_peer(pacs, **more):
    return pacs.peer(results="sr+summary", **more)


@pytest.mark.parametrize("decides", [False, True])
def test_r12_a_viewer_that_shows_no_report_gets_a_page_that_says_the_same(decides, start_daemon, start_pacs, tmp_path,
                                                                          deciding_model):
    pacs = start_pacs(classes=(*ALL_SR, SECONDARY_CAPTURE))
    models = [{"name": "decides", "folder": deciding_model(3, threshold=0)}] if decides else None
    daemon = start_daemon(peers=[summary_peer(pacs)], models=models)
    study = ct_study()
    series = study.objects[0].SeriesInstanceUID
    send(daemon, study.objects)
    wait_delivery(daemon, study.uid, "delivered")
    report, page = (one.data_set for one in pacs.arrivals)
    assert (report.SOPClassUID, page.SOPClassUID) == (COMPREHENSIVE_3D_SR, SECONDARY_CAPTURE)
    for name in ("PatientName", "PatientID", "StudyInstanceUID", "AccessionNumber", "StudyDate", "SeriesDescription",
                 "ContentTime", "InstanceNumber", "Manufacturer"):
        assert page[name].value == report[name].value, name
    assert page.SeriesInstanceUID not in (report.SeriesInstanceUID, series)
    assert page.SeriesNumber == report.SeriesNumber + 50 and page.Modality == "OT"
    said = words_of(page)
    wanted = [report.SeriesDescription, "Preliminary, unverified, complete", "revision 1"]
    evaluations = next(one for one in report.ContentSequence if concept(one) == "C0034375")
    wanted += [text for text in texts(evaluations) if "=" not in text]  # but digests and thresholds
    for one in evaluations.ContentSequence:
        if one.ValueType == "CODE" and concept(one) != "111017":
            site = one.ContentSequence[0].ConceptCodeSequence[0].CodeMeaning
            wanted.append(f"{one.ConceptNameCodeSequence[0].CodeMeaning} ({site}): "
                          f"{one.ConceptCodeSequence[0].CodeMeaning}")
    found = [one for one in content(report) if concept(one) == "121071"]
    wanted += [f"Finding: {one.ConceptCodeSequence[0].CodeMeaning}" for one in found]
    assert bool(found) == decides == ("Finding" in said.split())
    assert len(wanted) > 15 and [one for one in wanted if " ".join(one.split()) not in said] == []
    assert not any(secret in said for secret in (study.patient_id, study.accession, "MARIE"))
    path = tmp_path / "page.dcm"
    path.write_bytes((daemon.state / daemon.rows(
        "SELECT path FROM report WHERE sop_class = ?", SECONDARY_CAPTURE)[0]["path"]).read_bytes())
    assert dciodvfy_errors(path) == []


def test_orthanc_keeps_the_page_in_the_study_beside_the_report(start_daemon, orthanc):
    daemon = start_daemon(peers=[summary_peer(orthanc)])
    study = sent_study(daemon)
    wait_delivery(daemon, study.uid, "delivered")
    assert len(orthanc.instances(study.uid, "SR")) == len(orthanc.instances(study.uid, "OT")) == 1


def test_report_and_page_go_again_as_the_same_objects_when_the_page_was_lost(start_daemon, start_pacs):
    pacs = start_pacs(classes=(*ALL_SR, SECONDARY_CAPTURE), answer=lambda arrival, number: (0x0000, None)[number == 1])
    daemon = start_daemon(peers=[summary_peer(pacs)])
    study = sent_study(daemon)
    assert wait_delivery(daemon, study.uid, "delivered")["attempts"] == 2
    first, lost, again, page = pacs.arrivals
    assert (first.sop_uid, first.raw) == (again.sop_uid, again.raw)
    assert (lost.sop_uid, lost.raw) == (page.sop_uid, page.raw)


def test_a_page_that_is_refused_parks_and_says_that_the_report_is_stored(start_daemon, start_pacs):
    pacs = start_pacs()  # takes reports only
    daemon = start_daemon(peers=[summary_peer(pacs)])
    study = sent_study(daemon)
    one = wait_delivery(daemon, study.uid, "parked")
    assert one["cause"].startswith("the report is stored, its summary page is not: ") and len(pacs.arrivals) == 1
    daemon.peers[1]["results"] = "sr"
    daemon.write_configuration()
    daemon.process.send_signal(signal.SIGHUP)
    wait_for("the reload", lambda: "event=reloaded" in daemon.log())
    assert daemon.post(f"/api/v1/deliveries/{one['id']}/retry").status_code == 202
    wait_delivery(daemon, study.uid, "delivered")
    assert pacs.arrivals[0].raw == pacs.arrivals[1].raw
