"""Retention: objects of finished studies go as configured, results and reports stay, nothing that waits is touched,
and a crash in the middle loses neither a file nor a row."""
import re
import sqlite3

import numpy as np
import pytest
import requests

from counterparts import Sender, contexts_of, send
from service import wait_for
from studies import Study, ct_study, generate_uid

AT_ONCE = {"retention.delivered_hours": 0}


def reported_study(daemon, slices=6, rows=64):
    study = Study("CT")
    study.add_series(slices, rows=rows)
    send(daemon, study.objects)
    daemon.wait_reported(study.uid, limit_s=60)
    return study


def here(daemon, study):
    """Objects of a study that have a file."""
    (row,) = daemon.rows("SELECT count(*) AS n FROM instance i JOIN study s ON s.id = i.study_id"
                         " WHERE s.study_uid = ? AND gone = ''", study.uid)
    return row["n"]


def wait_dropped(daemon, study, limit_s=40):
    wait_for("its objects are dropped", lambda: here(daemon, study) == 0, limit_s)
    wait_for("the files are removed", lambda: not daemon.rows("SELECT path FROM removal"), limit_s)


def files_and_rows_agree(daemon):
    """Every file has a row that says it is here, and the other way round."""
    rows = {row["path"] for row in daemon.rows("SELECT path FROM instance WHERE gone = ''")}
    return rows == {str(path.relative_to(daemon.state)) for path in daemon.files("objects")}


@pytest.fixture
def pacs(start_pacs):
    return start_pacs()


def test_objects_go_after_delivery_and_results_stay(start_daemon, pacs):
    daemon = start_daemon(peers=[pacs.peer()], keys=AT_ONCE)
    study = reported_study(daemon, 12)
    wait_dropped(daemon, study)
    assert not daemon.files("objects") and len(daemon.files("reports")) == 1
    shown = daemon.study(study.uid)
    assert shown["state"] == "delivered" and shown["findings"] and shown["results"][0]["report"]
    assert shown["objects"]["dropped"] == 12 and shown["objects"]["lost"] == 0
    assert "12 of its objects have been removed by retention" in shown["explanation"]
    assert daemon.get(f"/api/v1/studies/{study.uid}", embedding=1)["results"][0]["embedding"]
    assert daemon.cli("report", study.uid).returncode == 0
    events = [one["kind"] for one in daemon.get(f"/api/v1/studies/{study.uid}/events")["events"]]
    assert events.count("objects_dropped") == 1
    daemon.terminate()
    daemon.start()
    assert "objects_lost=0 adopted=0" in daemon.log(this_start_only=True)


def test_what_is_undelivered_stays(start_daemon, start_pacs):
    pacs = start_pacs(listen=False)
    daemon = start_daemon(peers=[pacs.peer()], models=[],
                          keys={**AT_ONCE, "retention.finished_days": 0, "retention.free_low_mb": 1 << 30,
                                "retention.free_high_mb": 1 << 30})
    study = ct_study(4)
    send(daemon, study.objects)
    wait_for("the keeper has nothing to drop", lambda: "event=nothing_to_drop" in daemon.log())
    wait_for("an attempt", lambda: daemon.rows("SELECT id FROM delivery WHERE attempts > 0"))
    assert here(daemon, study) == 4
    pacs.listen()
    daemon.wait_reported(study.uid)
    wait_dropped(daemon, study)
    assert len(pacs.of_study(study.uid)) == 1


def test_what_is_parked_stays(start_daemon, start_pacs):
    pacs = start_pacs(answer=lambda arrival, number: 0xC000)
    daemon = start_daemon(peers=[pacs.peer()], models=[], keys={**AT_ONCE, "retention.finished_days": 0})
    refused = ct_study(4)
    send(daemon, refused.objects)
    wait_for("it is parked", lambda: daemon.rows("SELECT id FROM delivery WHERE state = 'parked'"))
    pacs.answer = None
    later = reported_study(daemon, 3)
    wait_dropped(daemon, later)
    assert here(daemon, refused) == 4


def test_objects_go_by_age(start_daemon, pacs):
    daemon = start_daemon(peers=[pacs.peer()], models=[], keys={"retention.finished_days": 30})
    old, young = reported_study(daemon, 4), reported_study(daemon, 4)
    daemon.terminate()
    with sqlite3.connect(daemon.state / "cardioscribe.db") as database:
        database.execute("UPDATE study SET last_object_ms = last_object_ms - 31 * 86400000 WHERE study_uid = ?", (old.uid,))
    daemon.start()
    wait_dropped(daemon, old)
    assert here(daemon, young) == 4


def test_a_quota_takes_the_oldest_first_and_stops_at_the_low_mark(start_daemon, pacs):
    daemon = start_daemon(peers=[pacs.peer()], models=[])
    # 1.3 MB each
    all_three = [reported_study(daemon, 10, rows=256) for _ in range(3)]
    daemon.terminate()
    daemon.keys.update({"retention.used_high_mb": 3, "retention.used_low_mb": 2})
    daemon.start()
    wait_dropped(daemon, all_three[0])
    wait_dropped(daemon, all_three[1])
    assert here(daemon, all_three[2]) == 10 and files_and_rows_agree(daemon)
    text = daemon.log()
    assert text.count("rule=used_high_mb") == 2
    used = int(re.search(r"cardioscribe_spool_used_bytes (\d+)", requests.get(daemon.url + "/metrics").text)[1])
    assert used == sum(path.stat().st_size for path in daemon.files("objects"))


def test_a_dropped_object_that_comes_again_is_kept_and_asks_for_no_answer(start_daemon, pacs):
    daemon = start_daemon(peers=[pacs.peer()], models=[], keys=AT_ONCE)
    study = reported_study(daemon, 5)
    wait_dropped(daemon, study)
    daemon.keys["retention.delivered_hours"] = -1
    daemon.terminate()
    daemon.start()
    send(daemon, study.objects)
    assert here(daemon, study) == 5 and files_and_rows_agree(daemon)
    reported_study(daemon, 3)  # whatever was due for the first had its time
    shown = daemon.study(study.uid)
    assert shown["revision"] == 1 and shown["objects"]["dropped"] == 0 and len(pacs.of_study(study.uid)) == 1
    daemon.terminate()
    daemon.start()
    assert "objects_lost=0 adopted=0" in daemon.log(this_start_only=True)


def test_a_late_image_of_a_dropped_study_is_answered_in_words(start_daemon, pacs):
    daemon = start_daemon(peers=[pacs.peer()], keys=AT_ONCE)
    study = reported_study(daemon, 8)
    wait_dropped(daemon, study)
    send(daemon, [study.late_slice(study.objects)])
    shown = daemon.wait_reported(study.uid, revision=2)
    assert shown["state"] == "declined" and shown["reason"] == "pixels_dropped"
    assert "send the whole study again" in shown["explanation"]
    send(daemon, study.objects)
    shown = daemon.wait_reported(study.uid, revision=3, limit_s=60)
    assert shown["state"] == "delivered" and shown["findings"] and len(shown["results"][0]["input"]["instances"]) == 9


def test_the_whole_study_sent_again_with_a_late_image_is_analysed(start_daemon, pacs):
    daemon = start_daemon(peers=[pacs.peer()], keys={**AT_ONCE, "assembly.study_quiet_s": 4, "assembly.series_quiet_s": 4})
    study = reported_study(daemon, 8)
    wait_dropped(daemon, study)
    study.late_slice(list(study.objects))
    send(daemon, study.objects)
    shown = daemon.wait_reported(study.uid, revision=2, limit_s=60)
    assert shown["state"] == "delivered" and shown["findings"]


MANY = 800


def many_objects():
    """Small images, as many as a keeper needs several steps for."""
    study = Study("CT")
    series, frame = generate_uid(prefix=None), generate_uid(prefix=None)
    plane = np.zeros((8, 8), np.int16)
    for z in range(MANY):
        study.slice(plane, z, series, frame)
    return study


def test_a_kill_in_the_middle_of_removal_loses_nothing(start_daemon, pacs):
    daemon = start_daemon(peers=[pacs.peer()], models=[])
    study, other = many_objects(), ct_study(5)
    send(daemon, study.objects)
    send(daemon, other.objects)
    daemon.wait_reported(study.uid, limit_s=120)
    daemon.wait_reported(other.uid, limit_s=120)
    daemon.terminate()
    daemon.keys.update(AT_ONCE)
    caught = []
    left = MANY
    while left:
        daemon.launch()
        before = left
        wait_for("files go, or all are gone", lambda: len(daemon.files("objects")) < before, 60, step_s=0.002)
        daemon.kill()
        left = here(daemon, study)
        caught.append(left)
        assert len(caught) < 60
    daemon.start()
    wait_for("nothing is left", lambda: not daemon.files("objects") and not daemon.rows("SELECT * FROM removal"))
    assert sum(0 < one < MANY for one in caught) >= 2, caught  # it was in the middle
    text = daemon.log()
    assert not re.search(r"objects_lost=[1-9]|adopted=[1-9]|foreign=[1-9]", text)
    assert not daemon.files("incoming") and len(daemon.files("reports")) == 2
    assert daemon.rows("SELECT sum(gone = 'dropped') AS n, sum(lost) AS lost FROM instance") == [{"n": MANY + 5, "lost": 0}]
    assert daemon.rows("SELECT bytes FROM spool_use") == [{"bytes": 0}]
    assert {event["kind"]: 1 for event in daemon.get(f"/api/v1/studies/{study.uid}/events")["events"]}["objects_dropped"]


def test_objects_are_stored_while_others_are_removed(start_daemon, pacs):
    daemon = start_daemon(peers=[pacs.peer()], models=[])
    study, fresh = many_objects(), ct_study(60)
    send(daemon, study.objects)
    daemon.wait_reported(study.uid, limit_s=120)
    daemon.terminate()
    daemon.keys.update(AT_ONCE)
    daemon.start()
    with Sender(daemon, contexts_of(fresh.objects)) as sender:
        for one in fresh.objects:
            assert sender.send(one) == 0x0000
        assert here(daemon, fresh) == 60
        wait_dropped(daemon, study, 120)
    assert files_and_rows_agree(daemon)


def test_objects_that_come_again_while_they_are_removed_are_there(start_daemon, pacs):
    """The same files, dropped and sent at once, round after round: what was acknowledged last is there."""
    daemon = start_daemon(peers=[pacs.peer()], models=[], keys={**AT_ONCE, "assembly.study_quiet_s": 1})
    study = reported_study(daemon, 20)
    for _ in range(3):
        wait_for("some are gone", lambda: here(daemon, study) < 20)
        send(daemon, study.objects)
    assert daemon.study(study.uid)["revision"] == 1
    daemon.keys["retention.delivered_hours"] = -1
    daemon.terminate()
    daemon.start()
    assert files_and_rows_agree(daemon)
    assert "objects_lost=0 adopted=0" in daemon.log(this_start_only=True)
    assert len(pacs.of_study(study.uid)) == 1
