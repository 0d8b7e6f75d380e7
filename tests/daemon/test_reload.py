"""SIGHUP: what the key table calls reloadable changes while associations, studies and reports go on."""
import hashlib
import signal
import socket
import threading

import pytest
import requests

from counterparts import Sender, contexts_of, send
from service import SENDER, TIME_FACTOR, wait_for
from studies import ct_study

VERIFICATION = ("1.2.840.10008.1.1", "1.2.840.10008.1.2")
ENDS = ("event=reloaded", "event=reload_refused")  # the last line of a reload


def hang_up(daemon):
    """SIGHUP; the log lines from then on, once the daemon has said what became of it."""
    wait_for("its own line that it is ready", lambda: "event=ready " in daemon.log(this_start_only=True))
    begin = len(daemon.log())
    daemon.process.send_signal(signal.SIGHUP)

    def done():
        said = daemon.log()[begin:]
        return any(end in said for end in ENDS) and said
    return wait_for("the end of a reload", done)


def reload(daemon, keys=(), **lists):
    """Change keys, peers or models in the file, and have it read again."""
    daemon.keys.update(dict(keys))
    for name, value in lists.items():
        setattr(daemon, name, value)
    daemon.write_configuration()
    return hang_up(daemon)


def echoes(daemon, calling=SENDER, called=None):
    """The C-ECHO status, or the rejection."""
    with Sender(daemon, [VERIFICATION], calling, called) as sender:
        return sender.echo() if sender.established else sender.reject


def sender_peer(ae_title, **more):
    return {"name": ae_title.lower(), "ae_title": ae_title, "address": "127.0.0.1", "may_store": "yes", **more}


def test_senders_come_and_go_and_an_open_association_goes_on(start_daemon):
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600})
    study = ct_study()
    assert echoes(daemon, "NEWCT") == (1, 1, 3)
    with Sender(daemon, contexts_of(study.objects)) as open_one:
        assert open_one.send(study.objects[0]) == 0x0000
        said = reload(daemon, peers=[sender_peer("NEWCT")])
        assert 'event=reloaded applied="peer"' in said
        assert echoes(daemon, "NEWCT") == 0x0000
        assert echoes(daemon) == (1, 1, 3)
        for one in study.objects[1:]:
            assert open_one.send(one) == 0x0000
    assert daemon.study(study.uid)["objects"]["input"] == 12
    reload(daemon, peers=[sender_peer(SENDER)])
    assert echoes(daemon) == 0x0000 and echoes(daemon, "NEWCT") == (1, 1, 3)


def test_our_own_title_changes_for_new_associations(start_daemon):
    daemon = start_daemon()
    assert 'applied="listener.ae_title"' in reload(daemon, {"listener.ae_title": "HEART"})
    assert echoes(daemon) == (1, 1, 7)
    assert echoes(daemon, called="HEART") == 0x0000


def test_the_limit_of_a_peer_counts_the_associations_from_before(start_daemon):
    daemon = start_daemon()
    with Sender(daemon, [VERIFICATION]) as first:
        assert first.echo() == 0x0000
        reload(daemon, {"listener.max_associations_per_peer": 1})
        assert echoes(daemon) == (2, 3, 2)
        reload(daemon, {"listener.max_associations_per_peer": 2})
        assert echoes(daemon) == 0x0000
        assert first.echo() == 0x0000


def test_the_reserve_closes_and_opens_the_door(start_daemon):
    daemon = start_daemon()
    reload(daemon, {"storage.reserve_mb": 1073741823})
    assert echoes(daemon) == (2, 3, 2)
    assert requests.get(daemon.url + "/readyz", timeout=10 * TIME_FACTOR).status_code == 503
    reload(daemon, {"storage.reserve_mb": 1})
    assert echoes(daemon) == 0x0000


# ---- tokens ----

def new_token(daemon, path):
    """(token, digest) as the command line makes them."""
    made = daemon.cli("token", "--out", path)
    assert made.returncode == 0, made.stderr
    key, digest = made.stdout.split(" = ")
    token = path.read_text().strip()
    assert key == "token_sha256" and digest.strip() == hashlib.sha256(token.encode()).hexdigest()
    return token, digest.strip()


def status_with(daemon, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(daemon.url + "/api/v1/status", headers=headers, timeout=30 * TIME_FACTOR).status_code


def test_tokens_are_rotated_without_a_moment_in_which_none_is_right(start_daemon, tmp_path):
    daemon = start_daemon()
    old, old_digest = new_token(daemon, tmp_path / "old")
    new, new_digest = new_token(daemon, tmp_path / "new")
    for digests, right, wrong in (("", [None, old], []), (old_digest, [old], [None, new, old_digest]),
                                  (f"{old_digest} {new_digest}", [old, new], [None, old[:-1], new + "0", "x"]),
                                  (new_digest, [new], [None, old])):
        said = reload(daemon, {"api.token_sha256": digests})
        assert not digests or 'applied="api.token_sha256"' in said
        assert {status_with(daemon, token) for token in right} == {200}
        assert not wrong or {status_with(daemon, token) for token in wrong} == {401}
    assert daemon.cli("studies", "--token-file", tmp_path / "new").returncode == 0
    assert daemon.cli("studies", "--token-file", tmp_path / "old").returncode == 1
    assert not any(word in daemon.log() for word in (old, new, old_digest, new_digest))


# ---- what is wrong, and what cannot be ----

@pytest.mark.parametrize("fault, words", [
    ("[listener]\nae_title = NEW\nprot = 1\n", (":3:", "prot")), ("[peer \"A\"]\nport = 1\n", ("A", "ae_title")),
    ("[api]\ntoken_sha256 = correct-horse-battery-staple\n", (":2:", "token_sha256")), (None, ("open",)),
])
def test_a_broken_file_changes_nothing(start_daemon, fault, words):
    daemon = start_daemon()
    path = daemon.folder / "cardioscribed.conf"
    path.unlink() if fault is None else path.write_text(fault)
    said = hang_up(daemon)
    (line,) = said.splitlines()
    assert " error event=reload_refused" in line and all(word in line for word in words)
    assert "correct-horse" not in line
    assert echoes(daemon) == 0x0000 and status_with(daemon, None) == 200
    assert "event=reloaded" in reload(daemon, {"listener.ae_title": "HEART"})
    assert echoes(daemon, called="HEART") == 0x0000


def test_what_needs_a_restart_is_named_and_waits_for_it(start_daemon):
    daemon = start_daemon()
    port = daemon.port
    said = reload(daemon, {"listener.port": port + 1, "pool.workers": 2, "listener.ae_title": "HEART"}, models=[])
    warnings = [line for line in said.splitlines() if " warning " in line]
    assert len(warnings) == 1 and 'keys="listener.port pool.workers model", takes effect after restart' in warnings[0]
    assert 'applied="listener.ae_title"' in said
    assert echoes(daemon, called="HEART") == 0x0000
    status = daemon.get("/api/v1/status")
    assert status["workers"]["wanted"] == 1 and [one["name"] for one in status["models"]] == ["demo-ct"]
    daemon.keys.update({"listener.port": port, "pool.workers": 1})
    assert daemon.terminate() == 0
    daemon.start()
    assert daemon.get("/api/v1/status")["models"] == []


def test_an_unchanged_file_is_read_in_peace(start_daemon):
    daemon = start_daemon()
    (line,) = hang_up(daemon).splitlines()
    assert line.endswith('info event=reloaded applied=""')


def test_more_is_logged_at_once(start_daemon):
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600})
    study = ct_study()
    send(daemon, study.objects[:1])
    assert "event=object_stored" not in daemon.log()
    reload(daemon, {"service.log_level": "debug"})
    send(daemon, study.objects[1:2])
    assert "event=object_stored" in daemon.log()


# ---- studies and reports under way ----

def test_a_shorter_quiet_time_counts_for_studies_that_wait(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], keys={"assembly.study_quiet_s": 86400})
    study = ct_study()
    send(daemon, study.objects)
    assert daemon.state_of(study.uid) == "receiving"
    reload(daemon, {"assembly.study_quiet_s": 1})
    daemon.wait_state(study.uid, "delivered")


def test_a_job_that_runs_is_not_disturbed(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()], environment={"CARDIOSCRIBE_WORKER_FAULT": "slow:3000"})
    study = ct_study()
    send(daemon, study.objects)
    daemon.wait_state(study.uid, "encoding")
    reload(daemon, {"listener.ae_title": "HEART", "service.station_name": "NIGHT"})
    shown = daemon.wait_state(study.uid, "delivered")
    assert shown["revision"] == 1 and [job["attempts"] for job in shown["jobs"]] == [0]
    assert "event=attempt_failed" not in daemon.log() and daemon.log().count("event=job_started") == 1
    assert pacs.arrivals[0].data_set.StationName == "NIGHT"


def test_a_shadow_model_goes_live_without_a_restart(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()])
    live = [dict(daemon.models[0], live="yes")]
    assert 'applied="model.live"' in reload(daemon, models=[dict(daemon.models[0], live="no")])
    shadow = ct_study()
    send(daemon, shadow.objects)
    wait_for("a result that goes nowhere", lambda: daemon.study(shadow.uid)["results"])
    reload(daemon, models=live)
    study = ct_study()
    send(daemon, study.objects)
    daemon.wait_reported(study.uid)
    assert {one.data_set.StudyInstanceUID for one in pacs.arrivals} == {study.uid}


def test_a_destination_comes_moves_and_goes(start_daemon, start_pacs):
    daemon = start_daemon()
    senders = list(daemon.peers)

    def sent():
        study = ct_study()
        send(daemon, study.objects)
        return study.uid

    first = start_pacs()
    reload(daemon, peers=[*senders, first.peer()])
    daemon.wait_reported(sent())
    assert len(first.arrivals) == 1

    second = start_pacs("SECOND")
    reload(daemon, peers=[*senders, second.peer()])  # the same name, elsewhere
    daemon.wait_reported(sent())
    assert (len(first.arrivals), len(second.arrivals)) == (1, 1)

    second.close()
    waiting = sent()
    wait_for("an attempt in vain", lambda: any(one["attempts"] for one in daemon.study(waiting)["deliveries"]))
    assert 'applied="peer"' in reload(daemon, peers=senders)
    wait_for("parked", lambda: [one["state"] for one in daemon.study(waiting)["deliveries"]] == ["parked"])
    assert daemon.log().count("event=delivery_parked") == 1

    second.listen()
    reload(daemon, peers=[*senders, second.peer()])
    daemon.wait_reported(sent())
    (delivery,) = daemon.study(waiting)["deliveries"]
    assert delivery["state"] == "parked" and daemon.post(f"/api/v1/deliveries/{delivery['id']}/retry").status_code < 300
    daemon.wait_reported(waiting)


def test_many_reloads_under_load_lose_nothing(start_daemon, start_pacs):
    """Every room reads the configuration meanwhile; under the thread sanitizer this is the test that matters."""
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()])
    studies = [ct_study() for _ in range(4)]
    ended = threading.Event()

    def ask():
        while not ended.is_set():
            requests.get(daemon.url + "/api/v1/status", timeout=30 * TIME_FACTOR)
            requests.get(daemon.url + "/readyz", timeout=30 * TIME_FACTOR)

    asking = threading.Thread(target=ask)
    sending = [threading.Thread(target=send, args=(daemon, study.objects)) for study in studies]
    for thread in (asking, *sending):
        thread.start()
    try:
        for number in range(20):
            said = reload(daemon, {"assembly.study_quiet_s": 1 + number % 2, "delivery.backoff_max_s": 5 + number % 2,
                                   "storage.refusal_days": 30 + number % 2},
                          peers=[*daemon.peers[:2], sender_peer(f"CT{number}")])
            assert "event=reloaded" in said
    finally:
        for thread in sending:
            thread.join()
        ended.set()
        asking.join()
    for study in studies:
        shown = daemon.wait_state(study.uid, "delivered")
        assert shown["objects"]["input"] == 12
    assert "event=refused" not in daemon.log()


# ---- systemd ----

def test_the_service_manager_is_told(start_daemon, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(60 * TIME_FACTOR)
        daemon = start_daemon(environment={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert [listener.recv(100)[:7] for _ in range(4)] == [b"STATUS="] * 3 + [b"READY=1"]
        hang_up(daemon)
        assert [listener.recv(100), listener.recv(100)] == [b"RELOADING=1", b"READY=1"]
        assert daemon.terminate() == 0
        assert listener.recv(100) == b"STOPPING=1"
