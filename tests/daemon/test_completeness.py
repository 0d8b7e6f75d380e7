"""When a study is whole: each sender's own timers, what it is expected to send, and what the report says of it."""
import signal
import time

import pytest

from counterparts import Sender, contexts_of, send, texts
from service import SENDER, TIME_FACTOR, wait_for
from studies import Study, ct_study

SETTLED = 2  # seconds after which a study with the shortest timers would have begun


def start(start_daemon, pacs, peers=(), keys=(), **sender):
    """A daemon whose sender has keys of its own."""
    daemon = start_daemon(peers=[pacs.peer(), *peers], keys=keys, wait=False)
    daemon.peers[0].update(sender)
    return daemon.start()


def add_series(study, description, slices=12):
    return study.add_series(slices, seed=len(study.objects), description=description)


def completeness(pacs, study):
    """What the study's one report says of it, and its Completion Flag."""
    (document,) = [one.data_set for one in pacs.of_study(study.uid)]
    (said,) = [text for text in texts(document) if text.startswith("Completeness: ")]
    return said, document.CompletionFlag


def stays_receiving(daemon, study):
    time.sleep(SETTLED * TIME_FACTOR)
    shown = daemon.study(study.uid)
    assert shown["state"] == "receiving" and shown["jobs"] == []
    return shown


def test_r02_series_that_arrive_apart_are_one_job_and_one_report(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start(start_daemon, pacs, series_quiet_s=0, study_quiet_s=int(4 * TIME_FACTOR))
    study = Study()
    for description in ("CORONARY 0.6", "CALCIUM SCORE", "THORAX 5.0"):
        send(daemon, add_series(study, description))  # an association each
        time.sleep(1.2)
        assert daemon.state_of(study.uid) == "receiving"
    shown = daemon.wait_state(study.uid, "delivered")
    assert shown["started_by"] == "quiet" and shown["revision"] == 1 and shown["sources"] == ["sender"]
    assert len(shown["jobs"]) == len(shown["results"]) == len(pacs.arrivals) == 1
    assert completeness(pacs, study)[0] == "Completeness: nothing was stated of what the study would have"


def test_r03_a_study_waits_for_its_required_series_and_says_so(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start(start_daemon, pacs, required_series="coronary|cta, calcium")
    study = Study()
    send(daemon, add_series(study, "Coronary 0.6"))
    shown = stays_receiving(daemon, study)
    words = "a series with coronary|cta (came); a series with calcium ({})"
    assert shown["expected"] == words.format("missing") and shown["expected_missing"]
    assert words.format("missing") in shown["explanation"]
    assert "missing" in daemon.cli("study", study.uid).stdout
    send(daemon, add_series(study, "CaScore CALCIUM 3.0"))
    shown = daemon.wait_state(study.uid, "delivered", revision=1)
    assert shown["started_by"] == "rules_met" and not shown["expected_missing"]
    assert shown["expected"] == words.format("came")
    said, _ = completeness(pacs, study)
    assert said == "Completeness: all that was expected had come when the analysis began: " + words.format("came")
    (event,) = [one for one in daemon.get(f"/api/v1/studies/{study.uid}/events")["events"]
                if one["kind"] == "study_complete"]
    assert event["detail"] == "revision 1, rules_met; expected: " + words.format("came")


def test_r03_after_the_longest_wait_the_report_says_what_is_missing(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start(start_daemon, pacs, expected_series=2, expected_instances=12, study_force_s=3)
    study = ct_study()
    send(daemon, study.objects)
    shown = daemon.wait_state(study.uid, "delivered")
    assert shown["started_by"] == "force_timer" and shown["expected_missing"]
    assert completeness(pacs, study) == (
        "Completeness: not all that was expected had come when the analysis began: 2 series of CT or MR images "
        "(1 came); 12 CT or MR images (12 came)", "PARTIAL")
    (document,) = [one.data_set for one in pacs.of_study(study.uid)]
    assert document.CompletionFlagDescription == "Input incomplete"


@pytest.mark.parametrize("how", ["rest", "cli"])
def test_r03_the_end_may_be_called_before_all_has_come(how, start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start(start_daemon, pacs, expected_instances=13)
    study = ct_study()
    send(daemon, study.objects)
    wait_for("the study", lambda: daemon.study(study.uid))
    if how == "rest":
        assert daemon.post(f"/api/v1/studies/{study.uid}/force").status_code == 202
    else:
        assert daemon.cli("force", study.uid).returncode == 0
    shown = daemon.wait_state(study.uid, "delivered")
    assert shown["started_by"] == "forced" and shown["expected_missing"]
    said, flag = completeness(pacs, study)
    assert said.endswith(": 13 CT or MR images (12 came)") and flag == "PARTIAL"


def counted(study, series, objects):
    for one in study.objects:
        one.NumberOfStudyRelatedSeries, one.NumberOfStudyRelatedInstances = series, objects
    return study


def test_the_count_of_a_trusted_sender_is_waited_for(start_daemon, start_pacs):
    pacs = start_pacs()
    other = {"name": "other", "ae_title": "OTHER", "address": "127.0.0.1", "may_store": "yes"}
    daemon = start(start_daemon, pacs, [other], trust_counts="yes")
    study, untrusted, silent = counted(ct_study(), 2, 13), counted(ct_study(), 2, 13), ct_study()
    send(daemon, study.objects)
    send(daemon, silent.objects)
    send(daemon, untrusted.objects, calling="OTHER")
    for one in (silent, untrusted):
        assert daemon.wait_state(one.uid, "delivered")["started_by"] == "quiet"
    shown = stays_receiving(daemon, study)
    assert (shown["stated_series"], shown["stated_objects"]) == (2, 13)
    send(daemon, [study.secondary_capture()])  # of any kind, also what is never analysed
    shown = daemon.wait_state(study.uid, "delivered")
    assert shown["started_by"] == "rules_met"
    assert shown["expected"] == ("2 series of any kind, as the objects say (2 came); "
                                 "13 objects of any kind, as the objects say (13 came)")


def test_each_sender_has_timers_of_its_own_and_a_study_of_two_waits_for_the_longer(start_daemon, start_pacs):
    pacs = start_pacs()
    slow = {"name": "slow", "ae_title": "SLOW", "address": "127.0.0.1", "may_store": "yes", "study_quiet_s": 600}
    daemon = start(start_daemon, pacs, [slow], {"assembly.study_quiet_s": 300}, study_quiet_s=1)
    quick, patient, both = ct_study(), ct_study(), ct_study(slices=14)
    send(daemon, patient.objects, calling="SLOW")
    send(daemon, both.objects[:7], calling="SLOW")
    send(daemon, both.objects[7:])
    send(daemon, quick.objects)
    daemon.wait_state(quick.uid, "delivered")
    assert stays_receiving(daemon, patient)["sources"] == ["slow"]
    assert daemon.study(both.uid)["sources"] == ["sender", "slow"]
    assert "600 s" in daemon.study(both.uid)["explanation"]
    slow["study_quiet_s"] = 1  # a reload is enough
    daemon.write_configuration()
    daemon.process.send_signal(signal.SIGHUP)
    for one in (patient, both):
        daemon.wait_state(one.uid, "delivered", revision=1)
    assert len(pacs.arrivals) == 3


def test_what_is_expected_changes_with_a_reload_while_a_study_waits(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start(start_daemon, pacs, expected_series=3)
    study = ct_study()
    send(daemon, study.objects)
    stays_receiving(daemon, study)
    daemon.peers[0]["expected_series"] = 1
    daemon.write_configuration()
    daemon.process.send_signal(signal.SIGHUP)
    shown = daemon.wait_state(study.uid, "delivered")
    assert shown["expected"] == "1 series of CT or MR images (1 came)"


def test_r05_what_a_study_waits_for_outlives_a_kill(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start(start_daemon, pacs, trust_counts="yes")
    study = ct_study(slices=14)
    counted(study, 1, 14)
    send(daemon, study.objects[:9])
    daemon.kill()
    daemon.start()
    stays_receiving(daemon, study)
    send(daemon, study.objects[9:])
    shown = daemon.wait_state(study.uid, "delivered", revision=1)
    assert shown["started_by"] == "rules_met" and len(pacs.arrivals) == 1


def test_r01_all_that_was_expected_does_not_end_a_study_whose_association_is_open(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start(start_daemon, pacs, expected_instances=4)
    study = ct_study()
    with Sender(daemon, contexts_of(study.objects), calling=SENDER) as sender:
        for one in study.objects[:6]:
            assert sender.send(one) == 0x0000
        stays_receiving(daemon, study)
        for one in study.objects[6:]:
            assert sender.send(one) == 0x0000
    shown = daemon.wait_state(study.uid, "delivered", revision=1)
    assert shown["started_by"] == "rules_met" and len(shown["results"][0]["input"]["instances"]) == 12


def test_a_late_object_makes_the_next_revision_that_says_anew_what_came(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start(start_daemon, pacs, expected_instances=13, study_force_s=3)
    study = Study()
    series = study.add_series(12)
    send(daemon, series)
    assert daemon.wait_state(study.uid, "delivered", revision=1)["expected_missing"]
    send(daemon, [study.late_slice(series)])
    shown = daemon.wait_state(study.uid, "delivered", revision=2)
    assert shown["started_by"] == "rules_met" and not shown["expected_missing"]
    first, second = [one.data_set for one in pacs.of_study(study.uid)]
    assert first.CompletionFlag == "PARTIAL"
    assert any(text.endswith(": 13 CT or MR images (13 came)") for text in texts(second))
    predecessor = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert predecessor.ReferencedSOPInstanceUID == first.SOPInstanceUID
