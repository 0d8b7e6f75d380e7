"""A PACS that dies in the middle of a delivery, or whose disk is full: Orthanc, killed and started again."""
import json

import pytest

from counterparts import Orthanc, send, stop_process
from service import wait_for
from studies import ct_study
from test_disk import small_disk  # noqa: F401


@pytest.fixture
def forwarding(start_daemon, tmp_path):
    """A function that starts a daemon that sends an Orthanc reports and originals."""
    rules = tmp_path / "routes.json"
    rules.write_text(json.dumps({"rules": [{"name": "all", "forward": ["orthanc"], "deliver": ["orthanc"]}]}))

    def start(orthanc):
        return start_daemon(keys={"service.routes_file": rules, "delivery.backoff_first_s": 1, "delivery.backoff_max_s": 2},
                            peers=[orthanc.peer(receives_objects="yes")])

    return start


def states(daemon):
    return sorted(row["what"] + " " + row["state"] for row in daemon.rows("SELECT what, state FROM delivery"))


def test_r05_a_pacs_killed_in_the_middle_of_a_delivery_gets_every_object_and_one_report(forwarding, orthanc):
    daemon = forwarding(orthanc)
    study = ct_study(slices=120)
    send(daemon, study.objects)
    wait_for("some originals", lambda: len(orthanc.instances(study.uid, "CT")) >= 5, 60, 0.01)
    orthanc.kill()
    wait_for("a failed attempt", lambda: "event=delivery_failed" in daemon.log(), 60)
    assert "objects delivered" not in states(daemon)
    orthanc.start()
    wait_for("both deliveries", lambda: states(daemon) == ["objects delivered", "result delivered"], 120)
    assert len(orthanc.instances(study.uid, "CT")) == 120
    assert len(orthanc.instances(study.uid, "SR")) == 1


def test_a_pacs_whose_disk_is_full_gets_all_when_there_is_room_again(forwarding, small_disk, tmp_path):  # noqa: F811
    disk = small_disk(12)
    orthanc = Orthanc(tmp_path / "orthanc", storage=disk / "storage")
    try:
        daemon = forwarding(orthanc)
        filler = disk / "filler"
        with open(filler, "wb") as file, pytest.raises(OSError):
            while True:
                file.write(bytes(65536))
                file.flush()
        study = ct_study()
        send(daemon, study.objects)
        wait_for("attempts", lambda: len(states(daemon)) == 2 and not daemon.rows(
            "SELECT 1 FROM delivery WHERE attempts = 0 AND state = 'pending'"), 60)
        assert not [one for one in states(daemon) if one.endswith("delivered")]
        causes = [row["cause"] for row in daemon.rows("SELECT cause FROM delivery")]
        assert all(causes), causes
        filler.unlink()
        for row in daemon.rows("SELECT id FROM delivery WHERE state = 'parked'"):
            assert daemon.post(f"/api/v1/deliveries/{row['id']}/retry").status_code == 202
        wait_for("both deliveries", lambda: states(daemon) == ["objects delivered", "result delivered"], 120)
        assert len(orthanc.instances(study.uid, "CT")) == 12 and len(orthanc.instances(study.uid, "SR")) == 1
    finally:
        stop_process(orthanc.process)
