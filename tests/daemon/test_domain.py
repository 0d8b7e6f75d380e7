"""A model that says what it was made from: a study like that, and one that is not, from C-STORE to the report."""
import re
import shutil
import subprocess

import highdicom
import pydicom
import pytest
import requests

import domains
from counterparts import code, concept, content, dciodvfy_errors, findings, send, summary, texts
from service import CLI, TIME_FACTOR
from test_rest import STUDY, ask


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    work = tmp_path_factory.mktemp("domain")
    return domains.model(work / "m", work / "training")


def analysed(daemon, study):
    send(daemon, study.objects)
    daemon.wait_state(study.uid, "delivered", limit_s=60 * TIME_FACTOR)
    return ask(daemon, STUDY, id=study.uid, embedding=1)


def answers(document):
    """Finding code to answer, of the report-level evaluations."""
    (container,) = [item for item in document.ContentSequence if concept(item) == "C0034375"]
    return {concept(item): code(item) for item in container.ContentSequence
            if item.ValueType == "CODE" and concept(item) != "111017"}


def numbers(document):
    return [item for item in content(document) if item.ValueType == "NUM"]


def judge_outside(shown, document):
    """Nothing anywhere reads as a negative, and the report says in words why."""
    (result,) = shown["results"]
    domain = result["domain"]
    assert domain["inside"] is False and domain["distance"] > 4 * domain["limit"]
    assert (domain["of"], domain["id"], domain["limit"]) == ("embedding", "waves-1", 4)
    assert result["analysed"] is True and result["reason"] is None and len(result["embedding"]) == 64
    assert len(shown["findings"]) == 7
    for finding in shown["findings"]:
        assert (finding["state"], finding["reason"]) == ("not_assessed", "outside_domain")
        assert finding["score"] is finding["probability"] is finding["calibration"] is None
    assert shown["reason"] == "outside_domain"
    assert "It lies outside the domain of model guarded" in shown["explanation"]
    assert "not a negative result" in shown["explanation"]

    assert findings(document) == [] and numbers(document) == [] and summary(document) == "111245"
    assert len(answers(document)) == 7 and set(answers(document).values()) == {"373068000"}
    assert "272519000" not in {code(item) for item in content(document) if item.ValueType == "CODE"}
    (said,) = [text for text in texts(document) if "outside" in text.lower()]
    assert said == (f"Not assessed (outside_domain): the study lies outside the domain of the model (waves-1): its "
                    f"distance from the studies the model was made from is {domain['distance']:.4g}, the limit 4. No label "
                    f"was assessed. This is not a negative result.")
    assert document.CompletionFlag == "PARTIAL"
    assert document.CompletionFlagDescription == "Outside the domain of the model"
    assert not [text for text in texts(document) if "Probability" in text or text.startswith("Score: ")]
    assert any("calibration=platt-7" in text for text in texts(document))  # the model is named all the same


def judge_inside(shown, document):
    (result,) = shown["results"]
    domain = result["domain"]
    assert domain["inside"] is True and domain["distance"] < 2 and shown["reason"] == ""
    assert {one["state"] for one in shown["findings"]} == {"present", "absent"} and "outside" not in shown["explanation"]
    assert (f"Within the domain of the model (waves-1): distance {domain['distance']:.4g}, limit 4") in texts(document)
    assert document.CompletionFlag == "COMPLETE"
    assert not [text for text in texts(document) if "outside" in text.lower()]


def judge_probabilities(shown, document):
    """In each group percent, or the bare score of a label that is not calibrated; in words for all that are."""
    (result,) = shown["results"]
    said = texts(document)
    assert (result["model"]["calibration"], result["model"]["calibration_on"]) == ("platt-7", domains.ON)
    (words,) = [text for text in said if text.startswith("Probability (Certainty of Finding): ")]
    assert "by platt-7, Platt scaling" in words and f"fitted on: {domains.ON}." in words
    for finding in shown["findings"]:
        line = [text for text in said if text.startswith(f"Probability: {finding['text']} ({finding['id']}): ")]
        parameters = [text for text in said if text.startswith(finding["id"] + ": threshold=0.5")]
        assert (finding["state"] == "present") == (finding["score"] > finding["threshold"])
        if finding["id"] == domains.UNCALIBRATED:
            assert finding["probability"] is None and line == [] and set(parameters) == {finding["id"] + ": threshold=0.5"}
            continue
        at = finding["calibration"]["probability_at_threshold"]
        assert line[0].endswith(f": {100 * finding['probability']:.3g} %; at the threshold {100 * at:.3g} %")
        assert (finding["probability"] > at) == (finding["state"] == "present")
        assert f"a={finding['calibration']['a']:.10g}; b={finding['calibration']['b']:.10g}" in parameters[0]
    present = {one["id"]: one for one in shown["findings"] if one["state"] == "present"}
    groups = document.content.get_image_measurement_groups()
    assert sorted(str(group.tracking_identifier) for group in groups) == sorted(present)
    for group in groups:
        (number,) = group.get_measurements()
        finding = present[str(group.tracking_identifier)]
        calibrated = finding["probability"] is not None
        assert number.name.value == ("111012" if calibrated else "ZS_SCORE")
        assert number.unit.value == ("%" if calibrated else "1")
        assert float(number.value) == pytest.approx(100 * finding["probability"] if calibrated else finding["score"], rel=1e-6)


def test_inside_and_outside_from_the_wire_to_the_report(start_daemon, storescp, guarded, tmp_path):
    daemon = start_daemon(peers=[storescp.peer()], models=[{"name": "guarded", "folder": guarded}])
    shown = {}
    for name, study in (("inside", domains.inside()), ("outside", domains.outside())):
        shown[name] = analysed(daemon, study)
        (received,) = storescp.files(study.uid)
        assert dciodvfy_errors(received) == []
        if name == "outside":
            judge_outside(shown[name], pydicom.dcmread(received))
            assert highdicom.sr.srread(received).content.get_image_measurement_groups() == []
        else:
            judge_inside(shown[name], pydicom.dcmread(received))
            judge_probabilities(shown[name], highdicom.sr.srread(received))
        study.write(tmp_path / name)
        again = domains.encode(guarded, tmp_path / name, "--threads", "1")  # as the daemon: the same bits
        assert again["domain"] == shown[name]["results"][0]["domain"]

    outside, inside = shown["outside"], shown["inside"]
    log = daemon.log()
    assert re.search(rf"event=job_done study={outside['id']} .*analysed=yes reason=\"outside_domain\" ", log)
    assert re.search(rf"event=job_done study={inside['id']} .*analysed=yes reason=\"\" ", log)
    metrics = requests.get(daemon.url + "/metrics", timeout=30 * TIME_FACTOR).text
    assert "\ncardioscribe_results_outside_domain_total 1\n" in metrics
    assert "\ncardioscribe_results_analysed_total 2\n" in metrics and "\ncardioscribe_results_not_analysed_total 0\n" in metrics
    events = daemon.get(f"/api/v1/studies/{outside['id']}/events")["events"]
    assert any(one["kind"] == "analysed" and one["detail"].endswith(": outside_domain") for one in events)
    rows = daemon.rows("SELECT DISTINCT state, score, probability FROM finding f JOIN result r ON r.id = f.result_id"
                       " WHERE r.study_id = ?", outside["id"])
    assert rows == [{"state": "not_assessed", "score": None, "probability": None}]
    listed = daemon.cli("studies").stdout.splitlines()
    assert [re.search(r"delivered +outside_domain ", line) is not None for line in listed[1:]] == [
        outside["study_uid"] in line for line in listed[1:]] and len(listed) == 3
    assert "not a negative result" in daemon.cli("study", outside["study_uid"]).stdout
    assert "outside the domain of the model (waves-1)" in daemon.cli("report", outside["study_uid"]).stdout.replace("\n", " ")


def test_a_second_model_that_says_something_takes_the_reason_away(start_daemon, start_pacs, guarded, deciding_model):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], models=[{"name": "guarded", "folder": guarded},
                                                       {"name": "decides", "folder": deciding_model(3)}])
    study = domains.outside()
    shown = analysed(daemon, study)
    assert shown["reason"] == "" and "outside the domain of model guarded" in shown["explanation"]
    states = {one["model_section"]: {finding["state"] for finding in one["findings"]} for one in shown["results"]}
    assert states["guarded"] == {"not_assessed"} and states["decides"] <= {"present", "absent"}
    assert {one["model_section"]: one["domain"] for one in shown["results"]}["decides"] is None


def test_the_command_says_it(guarded, tmp_path):
    for name, words in (("inside", r"domain     inside, distance 0\.\d{4}, limit 4\.0000; waves-1, of the embedding"),
                        ("outside", r"domain     OUTSIDE, distance \d\d\.\d{4}, limit 4\.0000; waves-1, of the embedding")):
        getattr(domains, name)().write(tmp_path / name)
        done = subprocess.run([CLI, "encode", "--model", guarded, tmp_path / name], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and re.search(words, done.stdout), done.stdout
        assert len(re.findall(r"not_assessed +outside_domain", done.stdout)) == (7 if name == "outside" else 0)
        assert len(re.findall(r"score 0\.\d{4} probability [01]\.\d{4}", done.stdout)) == (6 if name == "inside" else 0)


def test_a_new_domain_is_taken_at_the_next_study(start_daemon, start_pacs, guarded, tmp_path):
    """Another limit and other statistics: a running service notices, and the digest of the result says so."""
    folder = tmp_path / "m"
    shutil.copytree(guarded, folder)
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], models=[{"name": "guarded", "folder": folder}])
    first = analysed(daemon, domains.inside())["results"][0]
    raw = bytearray((folder / "domain.safetensors").read_bytes())
    raw[-4:] = b"\0\0\x80\x41"  # 16 in place of the last weight
    (folder / "domain.safetensors").write_bytes(raw)
    second = analysed(daemon, domains.inside())["results"][0]
    assert second["embedding"] == first["embedding"] and second["domain"]["distance"] != first["domain"]["distance"]
    assert second["model"]["config_sha256"] != first["model"]["config_sha256"]
