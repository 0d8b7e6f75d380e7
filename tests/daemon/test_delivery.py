"""Delivery: a report reaches the PACS once, with one identity, whatever the PACS does meanwhile."""
import socket
import threading
import time

import pytest

from counterparts import send
from service import TIME_FACTOR, data_set_bytes, wait_for
from studies import COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR, Study, ct_study


def delivery_of(daemon, uid):
    study = daemon.study(uid)
    return study["deliveries"][0] if study and study["deliveries"] else None


def wait_delivery(daemon, uid, state, attempts=1, limit_s=40):
    def look():
        one = delivery_of(daemon, uid)
        return one and one["state"] == state and one["attempts"] >= attempts and one
    return wait_for(f"delivery {state} after {attempts} attempts", look, limit_s)


def instant(text):
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + float("0" + text[19:].rstrip("Z"))


def sent_study(daemon):
    study = ct_study()
    send(daemon, study.objects)
    return study


def test_a_pacs_that_is_down_gets_its_report_when_it_comes_up_across_a_restart(start_daemon, start_pacs):
    pacs = start_pacs(listen=False)
    daemon = start_daemon(peers=[pacs.peer()], keys={"delivery.backoff_first_s": 1, "delivery.backoff_max_s": 60})
    study = sent_study(daemon)
    waits = []
    for attempt in (1, 2, 3):
        one = wait_delivery(daemon, study.uid, "pending", attempt)
        assert one["attempts"] == attempt and "no_connection" not in one["cause"] and one["cause"]
        waits.append(instant(one["next_at"]) - instant(one["updated_at"]))
    # doubling from 1 s, with jitter in the upper half
    assert 0.5 <= waits[0] <= 1.01 and 1 <= waits[1] <= 2.01 and 2 <= waits[2] <= 4.01
    uid = daemon.study(study.uid)["results"][0]["report"]["sop_uid"]
    (kept,) = daemon.files("reports")
    before = kept.read_bytes()

    assert daemon.terminate() == 0
    due = daemon.rows("SELECT attempts, next_ms FROM delivery")
    assert due[0]["attempts"] == 3
    daemon.start()
    assert delivery_of(daemon, study.uid)["attempts"] >= 3
    pacs.listen()
    one = wait_delivery(daemon, study.uid, "delivered", 4)
    assert [arrival.sop_uid for arrival in pacs.arrivals] == [uid] == [one["sop_uid"]]
    assert kept.read_bytes() == before and pacs.arrivals[0].raw == data_set_bytes(kept)
    assert daemon.state_of(study.uid) == "delivered"


def test_waiting_deliveries_keep_their_time_across_a_restart(start_daemon, start_pacs):
    pacs = start_pacs(listen=False)
    daemon = start_daemon(peers=[pacs.peer()], keys={"delivery.backoff_first_s": 600, "delivery.backoff_max_s": 3600})
    study = sent_study(daemon)
    before = wait_delivery(daemon, study.uid, "pending", 1)
    assert daemon.terminate() == 0
    pacs.listen()
    daemon.start()
    time.sleep(2)
    assert delivery_of(daemon, study.uid) == before and not pacs.arrivals
    assert daemon.post(f"/api/v1/deliveries/{before['id']}/retry").status_code in (200, 202)
    wait_delivery(daemon, study.uid, "delivered", 2)
    assert len(pacs.arrivals) == 1


@pytest.mark.parametrize("classes", [(COMPREHENSIVE_SR, ENHANCED_SR), (ENHANCED_SR,)])
def test_r22_a_pacs_without_comprehensive_3d_gets_the_next_class_under_another_uid(classes, start_daemon, start_pacs):
    pacs = start_pacs(classes=classes)
    daemon = start_daemon(peers=[pacs.peer()])
    study = Study()
    series = study.add_series(12)
    send(daemon, study.objects)
    shown = daemon.wait_state(study.uid, "delivered")
    (arrival,) = pacs.arrivals
    first = arrival.data_set
    assert arrival.sop_class == first.SOPClassUID == classes[0]
    base = shown["results"][0]["report"]
    assert base["sop_class"] == COMPREHENSIVE_3D_SR and base["sop_uid"] != arrival.sop_uid == first.SOPInstanceUID
    assert shown["deliveries"][0]["sop_uid"] == arrival.sop_uid
    kept = daemon.rows("SELECT path FROM report WHERE sop_uid = ?", arrival.sop_uid)
    assert data_set_bytes(daemon.state / kept[0]["path"]) == arrival.raw

    # what it took is remembered, and the next revision names what the PACS really has
    assert daemon.rows("SELECT sop_class FROM destination WHERE name = 'pacs'") == [{"sop_class": classes[0]}]
    send(daemon, [study.late_slice(series)])
    daemon.wait_state(study.uid, "delivered", revision=2)
    second = pacs.arrivals[1].data_set
    assert second.SOPClassUID == classes[0]
    named = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert (named.ReferencedSOPInstanceUID, named.ReferencedSOPClassUID) == (first.SOPInstanceUID, classes[0])


def test_the_class_that_was_taken_is_kept_when_the_pacs_learns_a_better_one(start_daemon, start_pacs):
    pacs = start_pacs(classes=(COMPREHENSIVE_SR,))
    daemon = start_daemon(peers=[pacs.peer()])
    study = sent_study(daemon)
    wait_delivery(daemon, study.uid, "delivered")
    pacs.close()
    pacs.classes = (COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR)
    pacs.listen()
    study = sent_study(daemon)
    wait_delivery(daemon, study.uid, "delivered")
    assert [one.sop_class for one in pacs.arrivals] == [COMPREHENSIVE_SR] * 2


def test_a_pacs_that_answers_0122_gets_the_next_class(start_daemon, start_pacs):
    pacs = start_pacs(answer=lambda arrival, number: 0x0122 if arrival.sop_class == COMPREHENSIVE_3D_SR else 0x0000)
    daemon = start_daemon(peers=[pacs.peer()])
    study = sent_study(daemon)
    wait_delivery(daemon, study.uid, "delivered")
    assert [one.sop_class for one in pacs.arrivals] == [COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR]
    assert pacs.arrivals[0].sop_uid != pacs.arrivals[1].sop_uid


def test_r22_a_pacs_that_takes_no_report_class_parks_the_delivery(start_daemon, start_pacs):
    pacs = start_pacs(classes=())
    daemon = start_daemon(peers=[pacs.peer()])
    study = sent_study(daemon)
    one = wait_delivery(daemon, study.uid, "parked")
    assert "class" in one["cause"]
    assert daemon.state_of(study.uid) == "undelivered"


class Answers:
    """A status for each study, until it has been given so many times; then Success."""

    def __init__(self, times):
        self.times, self.statuses, self.given = times, {}, {}

    def __call__(self, arrival, number):
        uid = arrival.data_set.StudyInstanceUID
        self.given[uid] = self.given.get(uid, 0) + 1
        return self.statuses[uid] if self.given[uid] <= self.times else 0x0000


def studies_with_answers(start_daemon, start_pacs, answers, statuses):
    """One study a status, all at once."""
    pacs = start_pacs(answer=answers)
    daemon = start_daemon(peers=[pacs.peer()])
    sent = {status: ct_study() for status in statuses}
    answers.statuses.update((study.uid, status) for status, study in sent.items())
    for study in sent.values():
        send(daemon, study.objects)
    return pacs, daemon, sent


def test_a_temporary_refusal_is_tried_again_with_the_same_report(start_daemon, start_pacs):
    pacs, daemon, sent = studies_with_answers(start_daemon, start_pacs, Answers(2), [0xA700, 0xA7FF, 0x0110, 0x0213])
    for study in sent.values():
        assert wait_delivery(daemon, study.uid, "delivered", 3)["attempts"] == 3
        arrivals = pacs.of_study(study.uid, accepted_only=False)
        assert len(arrivals) == 3
        assert len({one.sop_uid for one in arrivals}) == len({one.raw for one in arrivals}) == 1


def test_a_permanent_refusal_parks_the_delivery_until_somebody_retries(start_daemon, start_pacs):
    pacs, daemon, sent = studies_with_answers(start_daemon, start_pacs, Answers(1),
                                              [0xC000, 0xC123, 0xA900, 0xA901, 0x0117, 0x0124])
    parked = {}
    for status, study in sent.items():
        one = parked[status] = wait_delivery(daemon, study.uid, "parked")
        assert one["status"] == f"0x{status:04X}" and f"0x{status:04x}" in one["cause"].lower()
        shown = daemon.study(study.uid)
        assert shown["state"] == "undelivered" and "pacs" in shown["reason"] + shown["explanation"]
    time.sleep(2)
    assert len(pacs.arrivals) == len(sent)
    for status, study in sent.items():
        assert daemon.post(f"/api/v1/deliveries/{parked[status]['id']}/retry").status_code in (200, 202)
        wait_delivery(daemon, study.uid, "delivered", 2)
        first, second = pacs.of_study(study.uid, accepted_only=False)
        assert (first.sop_uid, first.raw) == (second.sop_uid, second.raw)
        assert daemon.state_of(study.uid) == "delivered"


def test_a_retry_for_a_destination_that_is_gone_is_refused_until_it_is_back(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()])
    peers = daemon.peers
    pacs.close()
    study = ct_study()
    send(daemon, study.objects)
    wait_delivery(daemon, study.uid, "pending")
    daemon.terminate()
    daemon.peers = [one for one in peers if one["name"] == "sender"]
    daemon.start()
    delivery = wait_delivery(daemon, study.uid, "parked")
    refused = daemon.post(f"/api/v1/deliveries/{delivery['id']}/retry")
    assert refused.status_code == 409 and refused.json()["error"]["code"] == "no_destination"
    assert wait_delivery(daemon, study.uid, "parked")["attempts"] == delivery["attempts"]
    daemon.terminate()
    daemon.peers = peers
    pacs.listen()
    daemon.start()
    assert daemon.post(f"/api/v1/deliveries/{delivery['id']}/retry").status_code == 202
    wait_delivery(daemon, study.uid, "delivered")


def test_r24_a_warning_counts_as_delivered(start_daemon, start_pacs):
    pacs, daemon, sent = studies_with_answers(start_daemon, start_pacs, Answers(99), [0xB000, 0xB006, 0xB007, 0x0111])
    for status, study in sent.items():
        assert wait_delivery(daemon, study.uid, "delivered")["status"] == f"0x{status:04X}"
    time.sleep(1.5)
    assert len(pacs.arrivals) == len(sent)


def test_r06_an_association_rejected_for_good_parks_the_delivery(start_daemon, start_pacs):
    pacs = start_pacs(listen=False)
    peer = pacs.peer()
    pacs.ae_title = "OTHER"
    pacs.listen()  # checks the called AE title, which is not its own: 1,1,7
    daemon = start_daemon(peers=[peer])
    study = sent_study(daemon)
    one = wait_delivery(daemon, study.uid, "parked")
    assert "reject" in one["cause"].lower()
    assert daemon.state_of(study.uid) == "undelivered"


class BusyListener:
    """Rejects every association as transient (2,3,2), as a PACS that has no room."""

    def __init__(self, port):
        self.socket = socket.create_server(("127.0.0.1", port))
        self.socket.settimeout(0.2)
        self.count, self.ending = 0, False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ending:
            try:
                peer, _ = self.socket.accept()
            except TimeoutError:
                continue
            with peer:
                peer.recv(65536)
                peer.sendall(bytes([3, 0, 0, 0, 0, 4, 0, 2, 3, 2]))
                self.count += 1
                peer.settimeout(2)
                try:
                    peer.recv(100)
                except OSError:
                    pass

    def close(self):
        self.ending = True
        self.thread.join()
        self.socket.close()


def test_an_association_rejected_for_now_is_tried_again(start_daemon, start_pacs):
    pacs = start_pacs(listen=False)
    daemon = start_daemon(peers=[pacs.peer()])
    busy = BusyListener(pacs.port)
    try:
        study = sent_study(daemon)
        one = wait_delivery(daemon, study.uid, "pending", 2)
        assert "reject" in one["cause"].lower()
    finally:
        busy.close()
    pacs.listen()
    wait_delivery(daemon, study.uid, "delivered")
    assert len(pacs.arrivals) == 1


def test_r06_a_pacs_that_stores_and_drops_the_connection_gets_the_same_report_again(start_daemon, start_pacs):
    pacs = start_pacs(answer=lambda arrival, number: None if number < 2 else 0x0000)
    daemon = start_daemon(peers=[pacs.peer()])
    study = sent_study(daemon)
    one = wait_delivery(daemon, study.uid, "delivered", 3)
    assert len(pacs.arrivals) == 3 and {arrival.sop_uid for arrival in pacs.arrivals} == {one["sop_uid"]}
    assert len({arrival.raw for arrival in pacs.arrivals}) == 1
    assert len(daemon.files("reports")) == 1


def test_r07_one_pacs_that_hangs_does_not_hold_up_another(start_daemon, start_pacs):
    held = threading.Event()
    slow = start_pacs("SLOW", answer=lambda arrival, number: held.wait(30 * TIME_FACTOR) and 0 or 0)
    quick = start_pacs("QUICK")
    daemon = start_daemon(peers=[{**slow.peer(), "name": "slow"}, {**quick.peer(), "name": "quick"}])
    try:
        first, second = sent_study(daemon), sent_study(daemon)
        wait_for("both reports at the quick one", lambda: len(quick.arrivals) == 2, 20)
        assert len(slow.arrivals) == 1
    finally:
        held.set()
    for study in (first, second):
        daemon.wait_state(study.uid, "delivered")
