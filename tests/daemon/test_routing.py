"""Rules of the site: where results and originals go, what is done first, and the sentence that says why."""
import collections
import io
import json
import subprocess
import sys
import threading

import pytest
import requests
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from pynetdicom import AE, evt

import domains
from counterparts import Pacs, send
from service import CLI, DAEMON, MODEL, ROOT, SENDER, TIME_FACTOR, data_set_bytes, wait_for
from studies import COMPREHENSIVE_3D_SR, CT, ENHANCED_SR, SECONDARY_CAPTURE, Study, ct_study, encoded
from test_reload import reload

SR = (COMPREHENSIVE_3D_SR, ENHANCED_SR)


def write(path, *rules):
    path.write_text(json.dumps({"rules": rules}))
    return path


def sent(daemon, study, *states):
    send(daemon, study.objects)
    return daemon.wait_state(study.uid, *(states or ("delivered",)), limit_s=60)


def route(daemon, study):
    return daemon.get(f"/api/v1/studies/{study.uid}/route")


def verdicts(part):
    return {step["rule"]: step["verdict"] for step in part["steps"]}


def because(part, rule):
    return next(step["because"] for step in part["steps"] if step["rule"] == rule)


def destinations(daemon, study, what="result"):
    return sorted(one["destination"] for one in daemon.study(study.uid)["deliveries"] if one["what"] == what)


def run(*arguments):
    return subprocess.run([str(one) for one in arguments], capture_output=True, text=True, timeout=60 * TIME_FACTOR)


def cli(daemon, *arguments):
    done = run(CLI, *arguments, "--url", daemon.url)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def archive_peer(pacs, **more):
    return pacs.peer(name="archive", receives_results="no", receives_objects="yes", **more)


# ---- results ----

def test_rules_choose_by_attribute_sender_and_state_and_say_why(start_daemon, start_pacs, tmp_path):
    one, two = start_pacs("ONE"), start_pacs("TWO")
    rules = write(tmp_path / "routes.json",
                  {"name": "trial", "when": {"study_description": "trial"}, "hold": True, "priority": "low", "last": True},
                  {"name": "room", "when": {"tags": {"StationName": "ROOM 7"}, "modality": "CT"}, "deliver": ["two"],
                   "priority": "high", "last": True},
                  {"name": "nothing said", "when": {"state": "declined", "reason": "no_model_for_modality"},
                   "deliver": ["one", "two"], "last": True},
                  {"name": "elsewhere", "when": {"calling_ae": "SOMEBODY"}, "hold": True},
                  {"name": "all others", "deliver": ["one"]})
    daemon = start_daemon(keys={"service.routes_file": rules},
                          peers=[one.peer(name="one"), two.peer(name="two")])
    held, room, plain, mr = (Study("CT", description="TRIAL 3"), ct_study(), ct_study(), Study("MR"))
    held.add_series()
    mr.add_series(description="SAX CINE")
    for image in room.objects:
        image.StationName = "ROOM 7"
    assert sent(daemon, held, "encoded")["deliveries"] == []
    sent(daemon, room)
    sent(daemon, plain)
    send(daemon, mr.objects)
    wait_for("the MR study's report at both", lambda: two.of_study(mr.uid) and one.of_study(mr.uid), 60)
    assert destinations(daemon, room) == ["two"]
    assert destinations(daemon, plain) == ["one"]
    assert destinations(daemon, mr) == ["one", "two"]
    assert not one.of_study(room.uid) and not two.of_study(plain.uid)
    assert not one.of_study(held.uid) and not two.of_study(held.uid)
    assert len(daemon.files("reports")) == 4  # what is held is computed and kept

    assert daemon.study(held.uid)["jobs"][0]["priority"] == -1 and daemon.study(room.uid)["jobs"][0]["priority"] == 1
    told = route(daemon, room)
    assert told["rules"]["count"] == 5 and told["at_end"]["priority"] == "high"
    (result,) = told["results"]
    assert result["deliver"] == ["two"] and not result["by_default"] and not result["hold"]
    assert verdicts(result) == {"trial": "differs", "room": "matches", "nothing said": "not_asked",
                                "elsewhere": "not_asked", "all others": "not_asked"}
    (result,) = route(daemon, plain)["results"]
    assert 'there is ""' in because(result, "room") and because(result, "elsewhere").endswith(f'there is "{SENDER}"')
    assert 'state asks "declined", and it is "analysed"' == because(result, "nothing said")
    (result,) = route(daemon, held)["results"]
    assert result["hold"] and result["deliver"] == [] and result["priority"] == "low"
    text = cli(daemon, "route", "--explain", room.uid)
    assert "deliver   two" in text and "rule \"room\" was the last" in text
    assert run(CLI, "route", room.uid, "--url", daemon.url).returncode == 2
    assert requests.get(f"{daemon.url}/api/v1/studies/99/route", timeout=30 * TIME_FACTOR).status_code == 404


@pytest.fixture
def calibrated(tmp_path):
    """Random weights that decide, every label but one calibrated."""
    folder = tmp_path / "calibrated"
    subprocess.run([sys.executable, ROOT / "tools" / "make_model.py", "--from", MODEL, "--out", folder, "--seed", "3",
                    "--trained", "--threshold", "0.5", "--name", "calibrated"], check=True, timeout=120 * TIME_FACTOR)
    domains.change(folder, "prompts.json", domains.calibrate)
    domains.change(folder, "config.json", lambda config: config["score"].update(calibration={"id": "p", "on": "x"}))
    return [{"name": "ct", "folder": folder}]


def test_a_finding_routes_by_its_probability_and_never_by_a_bare_score(start_daemon, start_pacs, tmp_path, calibrated):
    pacs, ris = start_pacs(), start_pacs("RIS")
    rules = write(tmp_path / "routes.json", {"name": "none", "deliver": ["pacs"]})
    daemon = start_daemon(keys={"service.routes_file": rules}, models=calibrated,
                          peers=[pacs.peer(), ris.peer(name="ris")])
    first = ct_study(seed=4)
    findings = {one["id"]: one for one in sent(daemon, first)["findings"]}
    known = min((one for one in findings.values() if one["probability"] is not None),
                key=lambda one: abs(one["probability"] - 0.5))
    bare = findings[domains.UNCALIBRATED]
    assert bare["score"] is not None and bare["probability"] is None
    likely = known["probability"]
    assert 0.01 < likely < 0.99
    write(rules,
          {"name": "too high", "when": {"findings": [{"label": known["id"], "min_probability": likely + 0.005}]},
           "deliver": ["ris"], "priority": "high"},
          {"name": "bare", "when": {"findings": [{"label": bare["id"], "min_probability": 0}]},
           "deliver": ["ris"], "priority": "high"},
          {"name": "enough", "when": {"findings": [{"label": known["id"], "state": known["state"],
                                                    "min_probability": likely - 0.005}]},
           "deliver": ["pacs"], "priority": "high", "last": True},
          {"name": "others", "deliver": ["ris"]})
    assert "event=reloaded" in reload(daemon)
    second = ct_study(seed=4)
    sent(daemon, second)
    assert destinations(daemon, second) == ["pacs"] and not ris.arrivals
    assert daemon.rows("SELECT priority FROM delivery ORDER BY id DESC LIMIT 1") == [{"priority": 1}]
    (result,) = route(daemon, second)["results"]
    assert verdicts(result) == {"too high": "differs", "bare": "differs", "enough": "matches", "others": "not_asked"}
    assert because(result, "bare") == (f"{bare['id']} has no probability, because its score is not calibrated; at least 0"
                                       " is asked")
    assert "has a probability of" in because(result, "too high")
    assert route(daemon, second)["at_end"]["priority"] == "normal"  # jobs are put in order before there is a finding


# ---- the file ----

def test_a_wrong_file_is_named_by_rule_and_key_and_changes_nothing(start_daemon, start_pacs, tmp_path):
    pacs = start_pacs()
    rules = write(tmp_path / "routes.json", {"name": "x", "deliver": ["nobody"]})
    daemon = start_daemon(keys={"service.routes_file": rules}, peers=[pacs.peer()], wait=False)
    done = run(DAEMON, "-c", daemon.write_configuration(), "--check")
    assert done.returncode == 1 and f"{rules}: rules[0].deliver: no destination of results is called \"nobody\"" in done.stderr
    assert daemon.launch().process.wait(60 * TIME_FACTOR) != 0
    write(rules, {"name": "x", "forward": ["pacs"]})
    assert "no peer with receives_objects is called \"pacs\"" in run(DAEMON, "-c", daemon.write_configuration(), "--check").stderr
    write(rules, {"name": "x", "when": {"modality": "CT"}, "deliver": ["pacs"]}, {"name": "y", "priority": "low"})
    done = run(DAEMON, "-c", daemon.write_configuration(), "--check")
    assert done.returncode == 0 and "2 routing rules" in done.stdout
    daemon.start()
    study = ct_study()
    sent(daemon, study)
    running = route(daemon, study)["rules"]["sha256"]
    write(rules, {"name": "x", "when": {"modality": "CT", "colour": "red"}, "hold": True})
    said = reload(daemon)
    assert "event=reload_refused" in said and "rules[0].when.colour" in said
    assert route(daemon, study)["rules"]["sha256"] == running
    write(rules, {"name": "x", "deliver": ["pacs"]})
    said = reload(daemon, peers=[daemon.peers[0]])  # the destination that the rule names is gone
    assert "event=reload_refused" in said and "rules[0].deliver" in said
    write(rules, {"name": "held", "hold": True})
    assert "event=reloaded" in reload(daemon, peers=daemon.peers)
    other = ct_study()
    assert sent(daemon, other, "encoded")["deliveries"] == []


# ---- originals ----

def test_originals_are_forwarded_as_they_came_and_once(start_daemon, start_pacs, tmp_path):
    pacs, archive = start_pacs(), start_pacs("ARCHIVE", classes=(CT, SECONDARY_CAPTURE, *SR))
    rules = write(tmp_path / "routes.json",
                  {"name": "copies", "when": {"modality": "CT"}, "forward": ["archive"]},
                  {"name": "again", "when": {"state": "analysed"}, "forward": ["archive"]})
    daemon = start_daemon(keys={"service.routes_file": rules}, peers=[pacs.peer(), archive_peer(archive)])
    study = Study()
    series = study.add_series(12)
    study.secondary_capture()
    sent(daemon, study)
    wait_for("every original", lambda: len(archive.arrivals) == 13)
    assert [one.sop_uid for one in archive.arrivals] == [one.SOPInstanceUID for one in study.objects]
    assert [one.raw for one in archive.arrivals] == [encoded(one) for one in study.objects]
    assert destinations(daemon, study) == ["pacs"] and destinations(daemon, study, "objects") == ["archive"]
    late = study.late_slice(series)
    send(daemon, [late])
    daemon.wait_state(study.uid, "delivered", revision=2)
    wait_for("the late one", lambda: len(archive.arrivals) >= 14)
    wait_for("both deliveries", lambda: {one["state"] for one in daemon.study(study.uid)["deliveries"]} == {"delivered"})
    assert [one.sop_uid for one in archive.arrivals[13:]] == [late.SOPInstanceUID]
    events = [one["kind"] for one in daemon.get(f"/api/v1/studies/{study.uid}/events")["events"]]
    assert events.count("objects_delivered") == 2


def test_a_compressed_original_is_sent_as_it_is_or_not_at_all(start_daemon, tmp_path):
    class Compressed(Pacs):
        syntaxes = [ExplicitVRLittleEndian]

        def listen(self):
            entity = AE(ae_title=self.ae_title)
            entity.add_supported_context(CT, self.syntaxes)
            self.server = entity.start_server(("127.0.0.1", self.port), block=False,
                                              evt_handlers=[(evt.EVT_C_STORE, self._store)])

    pacs = Compressed("ARCHIVE")
    rules = write(tmp_path / "routes.json", {"name": "copies", "forward": ["archive"]})
    daemon = start_daemon(keys={"service.routes_file": rules}, peers=[archive_peer(pacs)])
    study = ct_study()
    for image in study.objects[5:]:
        image.compress(RLELossless)
    send(daemon, study.objects)
    parked = wait_for("the refusal", lambda: daemon.rows("SELECT cause FROM delivery WHERE state = 'parked'"), 60)
    assert parked[0]["cause"].startswith("7 of 12 originals refused, the first: the peer takes no ")
    assert "RLE" in parked[0]["cause"] and len(pacs.arrivals) == 5
    pacs.close()
    pacs.syntaxes = [RLELossless, ImplicitVRLittleEndian]
    pacs.listen()
    assert "deliveries" in cli(daemon, "retry", "--all", "archive")
    wait_for("the rest", lambda: daemon.rows("SELECT 1 FROM delivery WHERE state = 'delivered'"))
    assert [one.sop_uid for one in pacs.arrivals] == [one.SOPInstanceUID for one in study.objects]
    kept = {data_set_bytes(path) for path in daemon.files("objects")}
    assert {one.raw for one in pacs.arrivals if one.syntax == RLELossless} <= kept
    pacs.stop()


def test_orthanc_gets_originals_and_report_of_what_the_rules_choose(start_daemon, orthanc, tmp_path):
    rules = write(tmp_path / "routes.json", {"name": "heart", "when": {"study_description": "heart"}, "forward": ["orthanc"]},
                  {"name": "knee", "when": {"study_description": "knee"}, "hold": True})
    daemon = start_daemon(keys={"service.routes_file": rules}, peers=[orthanc.peer(receives_objects="yes")])
    heart, knee = ct_study(), ct_study(description="KNEE")
    for image in heart.objects[6:]:
        image.compress(RLELossless)
    sent(daemon, knee, "encoded")
    sent(daemon, heart)
    wait_for("both deliveries", lambda: {one["state"] for one in daemon.study(heart.uid)["deliveries"]} == {"delivered"}, 60)
    held = {one.SOPInstanceUID: one for one in (dcmread(io.BytesIO(orthanc.file(one)))
                                                for one in orthanc.instances(heart.uid, "CT"))}
    assert set(held) == {one.SOPInstanceUID for one in heart.objects}
    for one in heart.objects:
        kept = held[one.SOPInstanceUID]
        assert kept.file_meta.TransferSyntaxUID == one.file_meta.TransferSyntaxUID
        assert kept.PixelData == one.PixelData and kept.SeriesInstanceUID == one.SeriesInstanceUID
    assert len(orthanc.instances(heart.uid)) == 1
    assert orthanc.instances(knee.uid) == [] == orthanc.instances(knee.uid, "CT")


def test_an_original_that_is_refused_keeps_no_other_and_is_first_when_tried_again(start_daemon, start_pacs, tmp_path):
    refused = []
    archive = start_pacs("ARCHIVE", classes=(CT,),
                         answer=lambda arrival, number: 0xA900 if arrival.sop_uid in refused else 0x0000)
    rules = write(tmp_path / "routes.json", {"name": "copies", "forward": ["archive"]})
    daemon = start_daemon(keys={"service.routes_file": rules}, peers=[archive_peer(archive)])
    study = ct_study()
    refused.append(study.objects[4].SOPInstanceUID)
    send(daemon, study.objects)

    def parked():
        return daemon.get("/api/v1/deliveries/parked")["deliveries"]
    (one,) = wait_for("the parked delivery", parked, 60)
    assert one["cause"].startswith("1 of 12 originals refused, the first: status 0xa900") and one["what"] == "objects"
    assert one["destination"] == "archive" and one["study_uid"] == study.uid and one["status"] == "0xA900"
    assert len(archive.arrivals) == 12
    assert "archive" in cli(daemon, "parked") and "1 of 12" in cli(daemon, "parked", "--destination", "archive")
    assert "1 of 12" not in cli(daemon, "parked", "--destination", "other")
    wait_for("the state", lambda: daemon.state_of(study.uid) == "undelivered", 60)
    assert daemon.post("/api/v1/destinations/other/retry").status_code == 404
    refused.clear()
    answer = daemon.post("/api/v1/destinations/archive/retry")
    assert answer.status_code == 202 and answer.json() == {"accepted": True, "deliveries": 1}
    wait_for("the delivery", lambda: not parked() and daemon.rows("SELECT 1 FROM delivery WHERE state = 'delivered'"))
    assert [one.sop_uid for one in archive.arrivals[12:]] == [one.SOPInstanceUID for one in study.objects[4:]]


def test_r05_forwarding_goes_on_after_kill_9_and_loses_nothing(start_daemon, start_pacs, tmp_path):
    archive = start_pacs("ARCHIVE", classes=(CT,))
    rules = write(tmp_path / "routes.json", {"name": "copies", "forward": ["archive"], "priority": "low"})
    daemon = start_daemon(keys={"service.routes_file": rules}, peers=[archive_peer(archive)], models=[])
    study = ct_study(slices=70)

    def answer(arrival, number):
        if number == 45:
            daemon.kill()
            return None
        return 0x0000
    archive.answer = answer
    send(daemon, study.objects)
    wait_for("the kill", lambda: len(archive.arrivals) > 45 and daemon.process.poll() is not None, 60)
    daemon.start()
    wait_for("the delivery", lambda: daemon.rows("SELECT 1 FROM delivery WHERE state = 'delivered'"), 60)
    times = collections.Counter(one.sop_uid for one in archive.arrivals)
    assert set(times) == {one.SOPInstanceUID for one in study.objects}
    twice = [uid for uid, count in times.items() if count > 1]
    assert max(times.values()) == 2 and 1 <= len(twice) <= 20, twice


def test_an_original_whose_file_is_lost_is_told_and_the_others_are_sent(start_daemon, start_pacs, tmp_path):
    archive = start_pacs("ARCHIVE", classes=(CT,))
    rules = write(tmp_path / "routes.json", {"name": "copies", "forward": ["archive"]})
    daemon = start_daemon(keys={"service.routes_file": rules}, peers=[archive_peer(archive)], models=[])
    study = ct_study()

    def answer(arrival, number):
        if number == 2:
            daemon.kill()
            return None
        return 0x0000
    archive.answer = answer
    send(daemon, study.objects)
    wait_for("the kill", lambda: daemon.process.poll() is not None, 60)
    (last,) = daemon.rows("SELECT path FROM instance ORDER BY id DESC LIMIT 1")
    (daemon.state / last["path"]).unlink()
    daemon.start()
    (parked,) = wait_for("the verdict", lambda: daemon.rows("SELECT cause FROM delivery WHERE state = 'parked'"), 60)
    assert parked["cause"].endswith("originals refused, the first: the object cannot be read")
    assert parked["cause"].startswith("1 of ")
    assert len({one.sop_uid for one in archive.arrivals}) == 11


def test_r19_a_receiver_of_originals_that_hangs_delays_no_sender(start_daemon, start_pacs, tmp_path):
    held = threading.Event()
    archive = start_pacs("ARCHIVE", classes=(CT,), answer=lambda arrival, number: held.wait(600) and 0 or 0)
    rules = write(tmp_path / "routes.json", {"name": "copies", "forward": ["archive"]})
    daemon = start_daemon(keys={"service.routes_file": rules}, peers=[archive_peer(archive)], models=[])
    first, second = ct_study(), ct_study()
    try:
        send(daemon, first.objects)
        wait_for("the first original", lambda: archive.arrivals, 60)
        send(daemon, second.objects)  # each is acknowledged
        assert len(archive.arrivals) == 1 and len(daemon.stored()) == 24
    finally:
        held.set()
    wait_for("every original", lambda: len({one.sop_uid for one in archive.arrivals}) == 24, 60)


def test_r23_after_a_time_out_the_rest_goes_over_another_association(start_daemon, start_pacs, tmp_path):
    held = threading.Event()
    archive = start_pacs("ARCHIVE", classes=(CT,),
                         answer=lambda arrival, number: 0 if number != 4 or held.wait(600) else 0)
    rules = write(tmp_path / "routes.json", {"name": "copies", "forward": ["archive"]})
    daemon = start_daemon(keys={"service.routes_file": rules, "delivery.backoff_first_s": 1}, models=[],
                          peers=[archive_peer(archive, dimse_timeout_s=int(TIME_FACTOR) or 1)])
    study = ct_study()
    send(daemon, study.objects)
    try:
        wait_for("every original", lambda: len({one.sop_uid for one in archive.arrivals}) == 12, 60)
    finally:
        held.set()
    late = archive.arrivals[4].association
    wait_for("the end of the late one", lambda: not late.is_alive())
    assert [one.association is late for one in archive.arrivals] == [True] * 5 + [False] * (len(archive.arrivals) - 5)
    assert late.is_aborted and not late.is_released
    assert archive.arrivals[5].sop_uid == archive.arrivals[4].sop_uid


# ---- what was given up ----

def test_r06_a_permanent_reject_parks_and_all_of_a_destination_are_put_back(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer(ae_title="WRONG")])  # the PACS rejects a called AE that is not its own
    studies = [ct_study(), ct_study()]
    for study in studies:
        send(daemon, study.objects)
    for study in studies:
        daemon.wait_state(study.uid, "undelivered", limit_s=60)
    listed = daemon.get("/api/v1/deliveries/parked", destination="pacs")["deliveries"]
    assert [one["attempts"] for one in listed] == [1, 1] and all("rejected" in one["cause"] for one in listed)
    assert daemon.log().count("event=delivery_parked") == 2 and not pacs.arrivals
    assert "event=reloaded" in reload(daemon, peers=[daemon.peers[0], pacs.peer()])
    assert "deliveries" in cli(daemon, "retry", "--all", "pacs")
    for study in studies:
        daemon.wait_state(study.uid, "delivered")
    assert sorted(one.data_set.StudyInstanceUID for one in pacs.arrivals) == sorted(one.uid for one in studies)
    assert daemon.get("/api/v1/deliveries/parked") == {"deliveries": []}
