"""Annotations for the worklist: HL7 over MLLP and JSON over HTTP say what the report says, and arrive once."""
import subprocess
import sys
import threading

import numpy as np
import pytest
from pydicom.dataset import Dataset
from safetensors.numpy import save_file

import domains
from counterparts import send
from receivers import (Hook, MllpReceiver, acknowledgement, event_of, field, hl7_items, is_oru_r01, json_items, parsed, plain,
                       sr_items)
from service import MODEL, ROOT, TIME_FACTOR, wait_for
from studies import ct_study, mr_study


@pytest.fixture
def broker():
    started = []

    def start(*arguments, **options):
        started.append(MllpReceiver(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def hook(tmp_path):
    started = []

    def start(**options):
        started.append(Hook(tmp_path, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def model(folder, calibrated=True, far=False):
    """Random weights that decide; every label but one calibrated; `far`: no study lies within its domain."""
    subprocess.run([sys.executable, ROOT / "tools" / "make_model.py", "--from", MODEL, "--out", folder, "--seed", "3",
                    "--trained", "--threshold", "0.5", "--name", "guarded"], check=True, timeout=120 * TIME_FACTOR)
    if calibrated:
        domains.change(folder, "prompts.json", domains.calibrate)
        domains.change(folder, "config.json",
                       lambda config: config["score"].update(calibration={"id": "platt-7", "on": domains.ON}))
    if far:
        save_file({"mean": np.zeros(64, "f4"), "whiten": 1e4 * np.eye(4, 64, dtype="f4")}, folder / "domain.safetensors")
        domains.change(folder, "config.json",
                       lambda config: config.update(domain={"of": "embedding", "limit": 4, "id": "waves-1"}))
    return {"name": "guarded", "folder": folder}


def ordered(study):
    """With everything that an order and a patient can say, delimiters of HL7 among it."""
    for one in study.objects:
        one.SpecificCharacterSet = "ISO_IR 192"
        one.PatientName, one.PatientBirthDate, one.PatientSex = "Müller^Jörg^Q.^Dr.^Jr.", "19600203", "M"
        one.IssuerOfPatientID, one.AccessionNumber, one.StudyTime = "HOSPITAL", "A|C^C&1", "101112"
        one.StudyDescription = "Heart ~ a\\b | c^d & e"
        request = Dataset()
        request.AccessionNumber, request.RequestedProcedureID = "", "RP1"
        request.PlacerOrderNumberImagingServiceRequest = "PLACER-1"
        request.FillerOrderNumberImagingServiceRequest = "FILLER-1"
        one.RequestAttributesSequence = [request]
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "CTHEART", "99HOSP", "CT of the heart"
        one.ProcedureCodeSequence = [code]
    return study


def deliveries(daemon, uid, name):
    study = daemon.study(uid)
    return [one for one in (study or {"deliveries": []})["deliveries"] if one["destination"] == name]


def wait_delivery(daemon, uid, name, state, attempts=1, limit_s=60):
    def look():
        found = deliveries(daemon, uid, name)
        return found and found[-1]["state"] == state and found[-1]["attempts"] >= attempts and found[-1]
    return wait_for(f"delivery to {name} {state} after {attempts} attempts", look, limit_s)


def flags(message):
    """OBX-5 and OBX-8 of every answer to a label."""
    return [(field(obx, 3).split("^")[1], field(obx, 5).split("^")[1], field(obx, 8)) for obx in parsed(message).obx
            if field(obx, 2) == "CWE" and field(obx, 5).split("^")[0] in ("52101004", "272519000", "373068000")
            and not field(obx, 3).startswith("121052^")]


CASES = {"calibrated": (lambda folder: model(folder), ct_study), "uncalibrated": (lambda f: model(f, False), ct_study),
         "outside": (lambda folder: model(folder, far=True), ct_study),
         "untrained": (lambda folder: {"name": "demo-ct", "folder": MODEL}, ct_study),
         "no_model": (lambda folder: {"name": "demo-ct", "folder": MODEL}, mr_study)}


@pytest.mark.parametrize("case", CASES)
def test_message_and_event_say_what_the_report_says_item_by_item(case, start_daemon, start_pacs, broker, hook, tmp_path):
    make, study_of = CASES[case]
    pacs, receiver, web = start_pacs(), broker(), hook()
    daemon = start_daemon(peers=[pacs.peer(), receiver.section(), web.section()], models=[make(tmp_path / "m")])
    study = ordered(study_of())
    send(daemon, study.objects)
    daemon.wait_reported(study.uid, reports=3, limit_s=90)
    (arrival,), (message,), (request,) = pacs.arrivals, receiver.messages, web.requests
    told = list(sr_items(arrival.data_set))
    assert len(told) > 12
    assert list(hl7_items(message)) == told and is_oru_r01(message)
    event = event_of(request)
    assert list(json_items(event["items"])) == told
    texts = [value for _, kind, _, value in told if kind == "TEXT"]
    assert any("Not for clinical use" in text for text in texts)
    assert case in ("calibrated", "uncalibrated") or any("not a negative result" in text for text in texts)
    (shown,) = daemon.study(study.uid)["results"]
    judge_event(event, arrival.data_set, study, shown)
    judge_head(parsed(message), arrival.data_set, case)
    probable = {one["text"] for one in event["result"]["findings"]
                if one["state"] == "present" and one["probability"] is not None}
    assert len([one for one in flags(message) if one[2] == "A"]) == len(probable)
    assert bool(probable) == (case == "calibrated")


def judge_event(event, document, study, shown):
    assert (event["type"], event["study"]["study_uid"]) == ("result", study.uid)
    assert event["study"]["accession"] == "A|C^C&1" and event["study"]["placer_order"] == "PLACER-1"
    assert event["report"]["sop_uid"] == document.SOPInstanceUID and event["report"]["replaces"] is None
    assert event["report"]["complete"] == (document.CompletionFlag == "COMPLETE")
    result = event["result"]
    assert "embedding" not in result and "Müller" not in str(event)
    assert [(one["id"], one["state"], one["probability"]) for one in result["findings"]] == \
        [(one["id"], one["state"], one["probability"]) for one in shown["findings"]]


def judge_head(message, document, case):
    msh, pid, obr = message.msh, message.pid, message.obr
    assert [field(msh, number) for number in (3, 9, 11, 12, 15, 16, 18)] == \
        ["CARDIOSCRIBE", "ORU^R01^ORU_R01", "P", "2.5.1", "AL", "NE", "UNICODE UTF-8"]
    assert field(pid, 3) == f"{document.PatientID}^^^HOSPITAL"
    assert field(pid, 5) == "Müller^Jörg^Q.^Jr.^Dr." and field(pid, 7) == "19600203" and field(pid, 8) == "M"
    assert [plain(field(obr, number)) for number in (2, 3, 4, 18, 25)] == \
        ["PLACER-1", "A|C^C&1", "CTHEART^CT of the heart^99HOSP", "A|C^C&1", "P"]
    assert field(obr, 24) == ("MR" if case == "no_model" else "CT")
    assert field(obr, 7).startswith(document.StudyDate + "101112")
    heads = {field(obx, 3).split("^")[0]: field(obx, 5) for obx in message.obx if not field(obx, 4)}
    completion = document.CompletionFlag + (f": {document.CompletionFlagDescription}" if "CompletionFlagDescription" in document else "")
    assert heads == {"113014": document.StudyInstanceUID, "SR_INSTANCE": document.SOPInstanceUID, "SR_COMPLETION": completion}
    assert {field(obx, 11) for obx in message.obx} == {"O", "P"}


def test_an_uncalibrated_score_flags_nothing(start_daemon, broker, tmp_path):
    receiver = broker()
    daemon = start_daemon(peers=[receiver.section()], models=[model(tmp_path / "m", calibrated=False)])
    study = ct_study()
    send(daemon, study.objects)
    wait_delivery(daemon, study.uid, "broker", "delivered")
    (message,) = receiver.messages
    assert "Present" in {answer for _, answer, _ in flags(message)}
    assert {field(obx, 8) for obx in parsed(message).obx} == {""}


@pytest.mark.parametrize("mode, code, msh", [("enhanced", "CA", "AL|NE"), ("original", "AA", "|")])
def test_both_modes_of_acknowledgement(mode, code, msh, start_daemon, broker):
    receiver = broker(lambda control_id, number: code)
    daemon = start_daemon(peers=[receiver.section(acknowledgement=mode)])
    study = ct_study()
    send(daemon, study.objects)
    one = wait_delivery(daemon, study.uid, "broker", "delivered")
    assert one["cause"] == code and one["status"] is None and one["sop_uid"] == ""
    assert f"|P|2.5.1|||{msh}||UNICODE UTF-8\r".encode() in receiver.messages[0]
    assert daemon.state_of(study.uid) == "delivered"
    kinds = [one["kind"] for one in daemon.get(f"/api/v1/studies/{study.uid}/events")["events"]]
    assert "annotation_delivered" in kinds


@pytest.mark.parametrize("code", ["CE", "AE"])
def test_an_error_parks_until_somebody_tries_again(code, start_daemon, broker):
    answers = [code, "AA"]
    receiver = broker(lambda control_id, number: acknowledgement(answers[number], control_id, "no such order"))
    daemon = start_daemon(peers=[receiver.section()])
    study = ct_study()
    send(daemon, study.objects)
    one = wait_delivery(daemon, study.uid, "broker", "parked")
    assert one["cause"] == f"{code}: no such order" and daemon.state_of(study.uid) == "undelivered"
    assert daemon.post(f"/api/v1/deliveries/{one['id']}/retry").status_code in (200, 202)
    wait_delivery(daemon, study.uid, "broker", "delivered", 2)
    assert receiver.messages[0] == receiver.messages[1]


@pytest.mark.parametrize("first", ["CR", "AR", "silence", "another's", "garbage", "hangs up"])
def test_a_rejection_and_silence_send_the_same_message_again(first, start_daemon, broker):
    def answer(control_id, number):
        if number > 0:
            return "AA"
        return {"silence": None, "another's": acknowledgement("AA", "somebody else"), "garbage": b"\x0bfoo\x1c\r\x00",
                "hangs up": b"no frame"}.get(first, first)
    receiver = broker(answer)
    daemon = start_daemon(peers=[receiver.section(answer_timeout_s=1)])
    study = ct_study()
    send(daemon, study.objects)
    one = wait_delivery(daemon, study.uid, "broker", "delivered", 2)
    assert one["cause"] == "AA" and len(receiver.messages) == 2
    assert receiver.messages[0] == receiver.messages[1]
    assert "event=delivery_failed" in daemon.log()


def test_an_answer_to_an_earlier_message_is_passed_over(start_daemon, broker):
    receiver = broker(lambda control_id, number: acknowledgement("AE", "earlier") + acknowledgement("CA", control_id))
    daemon = start_daemon(peers=[receiver.section()])
    study = ct_study()
    send(daemon, study.objects)
    assert wait_delivery(daemon, study.uid, "broker", "delivered")["attempts"] == 1


def test_a_new_revision_corrects_the_old_one(start_daemon, broker):
    receiver = broker()
    daemon = start_daemon(peers=[receiver.section()])
    study = ct_study()
    send(daemon, study.objects)
    daemon.wait_reported(study.uid, limit_s=60)
    send(daemon, [study.late_slice(study.objects)])
    daemon.wait_reported(study.uid, revision=2, limit_s=60)
    first, second = (parsed(message) for message in receiver.messages)
    assert field(first.obr, 25) == "P" and field(second.obr, 25) == "C"
    assert {field(obx, 11) for obx in second.obx} == {"O", "C"} and field(first.msh, 10) != field(second.msh, 10)
    heads = [{field(obx, 3).split("^")[0]: field(obx, 5) for obx in one.obx if not field(obx, 4)} for one in (first, second)]
    assert heads[1]["SR_REPLACES"] == heads[0]["SR_INSTANCE"] and "SR_REPLACES" not in heads[0]


def test_r05_r06_a_kill_between_message_and_answer_sends_the_same_message_again(start_daemon, broker):
    came, go_on = threading.Event(), threading.Event()

    def answer(control_id, number):
        if number == 0:
            came.set()
            go_on.wait(60 * TIME_FACTOR)
            return None
        return "CA"
    receiver = broker(answer)
    daemon = start_daemon(peers=[receiver.section()])
    study = ct_study()
    send(daemon, study.objects)
    assert came.wait(60 * TIME_FACTOR)
    daemon.kill()
    go_on.set()
    daemon.start()
    wait_delivery(daemon, study.uid, "broker", "delivered")
    assert len(receiver.messages) == 2 and receiver.messages[0] == receiver.messages[1]
    assert len(daemon.rows("SELECT id FROM delivery")) == 1


def test_an_older_message_that_was_parked_does_not_follow_its_correction(start_daemon, broker):
    receiver = broker(lambda control_id, number: ["AE", "AA"][number])
    daemon = start_daemon(peers=[receiver.section()])
    study = ct_study()
    send(daemon, study.objects)
    one = wait_delivery(daemon, study.uid, "broker", "parked")
    send(daemon, [study.late_slice(study.objects)])
    daemon.wait_reported(study.uid, revision=2, limit_s=60)
    assert deliveries(daemon, study.uid, "broker")[0]["cause"] == "superseded by a newer result"
    refused = daemon.post(f"/api/v1/deliveries/{one['id']}/retry")
    assert refused.status_code == 409 and refused.json()["error"]["code"] == "withdrawn"
    assert daemon.post("/api/v1/destinations/broker/retry").json()["deliveries"] == 0
    assert [field(parsed(message).obr, 25) for message in receiver.messages] == ["P", "C"]


def test_r07_a_receiver_that_is_down_keeps_nobody_else_waiting(start_daemon, start_pacs, broker):
    pacs, receiver = start_pacs(), broker(listen=False)
    daemon = start_daemon(peers=[pacs.peer(), receiver.section()])
    study = ct_study()
    send(daemon, study.objects)
    wait_delivery(daemon, study.uid, "pacs", "delivered")
    one = wait_delivery(daemon, study.uid, "broker", "pending", 2)
    assert one["cause"].startswith("no connection")
    receiver.listen()
    wait_delivery(daemon, study.uid, "broker", "delivered")
    assert len(receiver.messages) == len(pacs.arrivals) == 1


@pytest.mark.parametrize("where, fields", [("obr3", ("ACC9", "")), ("obr18", ("FILLER-1", "ACC9")), ("both", ("ACC9", "ACC9"))])
def test_the_accession_number_goes_where_the_site_says(where, fields, start_daemon, broker):
    receiver = broker()
    daemon = start_daemon(peers=[receiver.section(accession_field=where, sending_facility="HOSP",
                                                  receiving_application="BROKER", receiving_facility="RIS", processing_id="T")])
    study = ordered(ct_study())
    for one in study.objects:
        one.AccessionNumber = "ACC9"
    send(daemon, study.objects)
    wait_delivery(daemon, study.uid, "broker", "delivered")
    message = parsed(receiver.messages[0])
    assert (field(message.obr, 3), field(message.obr, 18)) == fields
    assert [field(message.msh, number) for number in (4, 5, 6, 11)] == ["HOSP", "BROKER", "RIS", "T"]


@pytest.fixture
def certificate(tmp_path):
    """(certificate, key) of 127.0.0.1, signed by itself."""
    pair = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pair[1], "-out", pair[0]],
                   check=True, capture_output=True)
    return pair


def test_tls_is_checked(start_daemon, broker, certificate):
    receiver = broker(certificate=certificate)
    daemon = start_daemon(peers=[receiver.section(tls="yes", ca_file=certificate[0]),
                                 receiver.section(name="stranger", tls="yes")])
    study = ct_study()
    send(daemon, study.objects)
    wait_delivery(daemon, study.uid, "broker", "delivered")
    assert "certificate" in wait_delivery(daemon, study.uid, "stranger", "pending", 1)["cause"].lower()
    assert len(receiver.messages) == 1


# ---- webhook ----

def test_an_event_is_signed_and_comes_again_as_it_was(start_daemon, hook):
    web = hook(status=lambda number: [503, 429, 200][number])
    daemon = start_daemon(peers=[web.section()])
    study = ct_study()
    send(daemon, study.objects)
    one = wait_delivery(daemon, study.uid, "hook", "delivered", 3)
    assert one["cause"] == "HTTP status 200" and len(web.requests) == 3
    assert all(web.signed(request) for request in web.requests)
    assert {request[0] for request in web.requests} == {"/results?site=1"}
    assert len({request[2] for request in web.requests}) == 1
    event = event_of(web.requests[0])
    assert {request[1]["X-Cardioscribe-Event"] for request in web.requests} == {event["event"]}
    path, headers, body = web.requests[0]
    assert not web.signed((path, headers, body + b" "))


@pytest.mark.parametrize("status", [400, 401, 404, 410, 302])
def test_a_refusal_parks(status, start_daemon, hook):
    web = hook(status=lambda number: status)
    daemon = start_daemon(peers=[web.section()])
    study = ct_study()
    send(daemon, study.objects)
    one = wait_delivery(daemon, study.uid, "hook", "parked")
    assert one["cause"] == f"HTTP status {status}" and len(web.requests) == 1


@pytest.mark.parametrize("fault", ["missing", "short", "open"])
def test_nothing_leaves_unsigned(fault, start_daemon, hook):
    web = hook()
    if fault == "missing":
        web.secret_file.unlink()
    elif fault == "short":
        web.secret_file.write_text("fifteen bytes..\n")
    else:
        web.secret_file.chmod(0o604)
    daemon = start_daemon(peers=[web.section()])
    study = ct_study()
    send(daemon, study.objects)
    assert "secret" in wait_delivery(daemon, study.uid, "hook", "pending", 1)["cause"]
    assert not web.requests
    web.secret_file.write_bytes(web.secret + b"\n")
    web.secret_file.chmod(0o600)
    wait_delivery(daemon, study.uid, "hook", "delivered", 2)
    assert web.signed(web.requests[0])
