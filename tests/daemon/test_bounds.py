"""Each bound of the listener has its own limit, log line and count; who stops half way is aborted and leaves nothing."""
import contextlib
import os
import pathlib
import re
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess
import threading
import time

import pytest
import requests
from pydicom.uid import ImplicitVRLittleEndian
from prometheus_client.parser import text_string_to_metric_families

from counterparts import Sender, contexts_of, send
from raw_peer import ABORT, CONTEXT, DATA, REJECT, RawPeer, request, store
from service import FULL, SENDER, TIME_FACTOR, free_port, has_shadow_memory, wait_for
from studies import ct_study, encoded

ECHO = "1.2.840.10008.1.1"
SHORT_S = max(1, int(TIME_FACTOR))


def causes(daemon):
    """How often refused, by cause; only what was."""
    text = requests.get(daemon.url + "/metrics", timeout=30 * TIME_FACTOR).text
    (family,) = [one for one in text_string_to_metric_families(text) if one.name == "cardioscribe_refusals_by_cause"]
    return {one.labels["cause"]: one.value for one in family.samples if one.value and one.name.endswith("_total")}


def log_line(daemon, event, *words):
    """The one line of an event with all these words."""
    def look():
        return [line for line in daemon.log().splitlines() if f" event={event} " in line
                and all(word in line for word in words)]
    wait_for(f"a line {event} with {words}", look)
    (line,) = look()
    return line


def echoes(daemon):
    with Sender(daemon, [(ECHO, ImplicitVRLittleEndian)]) as sender:
        return sender.established and sender.echo() == 0x0000


def large_slice(side=512):
    (one,) = ct_study(slices=1).objects
    one.Rows = one.Columns = side
    one.PixelData = bytes(2 * side * side)
    return one


def judge_nothing_left(daemon):
    wait_for("incoming is empty", lambda: daemon.files("incoming") == [])
    assert daemon.files("objects") == [] and daemon.studies() == []
    assert daemon.rows("SELECT * FROM instance") == []
    assert echoes(daemon)


def judge_refusal(daemon, status, cause, words):
    """One row; its number, the words and the status in one line; counted under its cause."""
    (row,) = wait_for("a refusal", daemon.refusals)
    assert row["status"] == status and words in row["cause"], row
    log_line(daemon, "refused", f"refusal={row['id']} ", words, status)
    assert causes(daemon).get(cause) == 1, (causes(daemon), row)
    return row


# ---- how many, how long, how large ----

def test_r15_silent_and_half_spoken_clients_together_delay_nobody(start_daemon):
    daemon = start_daemon()
    peers = [RawPeer(daemon) for _ in range(64)]
    for peer in peers[32:]:
        peer.send(request()[:100])
    time.sleep(0.3)
    begun = time.monotonic()
    assert echoes(daemon)
    assert time.monotonic() - begun < (1 if TIME_FACTOR == 1 else 3)  # the bound itself is what is promised
    for peer in peers:
        peer.close()


NO_NAMES = """
#include <netdb.h>
#include <stdlib.h>
int getnameinfo(const struct sockaddr *address, socklen_t size, char *host, socklen_t host_size, char *service,
                socklen_t service_size, int flags) { abort(); }
"""


@pytest.mark.skipif(has_shadow_memory(), reason="a sanitizer wants to be loaded first")
@pytest.mark.skipif(not shutil.which("storescp") or not shutil.which("echoscu"), reason="no storescp, no echoscu")
def test_r15_nobodys_name_is_looked_up(start_daemon, tmp_path):
    """In a process where to ask for a name is death; DCMTK's own storescp, which asks, dies of it."""
    library, port = tmp_path / "no_names.so", free_port()
    subprocess.run(["cc", "-w", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=NO_NAMES, text=True, check=True,
                   timeout=60)
    no_names = {"LD_PRELOAD": str(library)}
    asks = subprocess.Popen(["storescp", str(port)], env={**os.environ, **no_names}, stderr=subprocess.DEVNULL)
    try:
        wait_for("its death", lambda: subprocess.run(["echoscu", "127.0.0.1", str(port)], stderr=subprocess.DEVNULL)
                 and asks.poll() == -signal.SIGABRT)
    finally:
        asks.kill()
        asks.wait()
    daemon = start_daemon(environment=no_names)
    assert echoes(daemon)
    send(daemon, ct_study(slices=2).objects)
    assert daemon.alive()


def test_more_than_the_associations_in_total_is_told(start_daemon):
    daemon = start_daemon(keys={"listener.max_associations": 2})
    with RawPeer(daemon).agree(), RawPeer(daemon).agree(), RawPeer(daemon) as third:
        third.send(request())
        kind, body = third.read()
        assert (kind, tuple(body[1:])) == (REJECT, (2, 3, 2))
        judge_refusal(daemon, "reject 2,3,2", "too_many_associations", 'too many associations')


def test_more_than_the_associations_of_one_peer_is_told(start_daemon):
    daemon = start_daemon(keys={"listener.max_associations_per_peer": 1})
    with RawPeer(daemon).agree(), RawPeer(daemon) as second:
        second.send(request())
        kind, body = second.read()
        assert (kind, tuple(body[1:])) == (REJECT, (2, 3, 2))
        row = judge_refusal(daemon, "reject 2,3,2", "too_many_of_peer", "too many associations of this peer")
        assert row["peer_ae"] == SENDER


def test_an_object_above_the_limit_is_told(start_daemon):
    daemon = start_daemon(keys={"listener.max_object_mb": 1})
    one = large_slice(1024)
    with RawPeer(daemon).agree() as peer:
        try:
            for pdu in store(one):
                peer.send(pdu)
        except ConnectionError:
            pass
        peer.ended()
    row = judge_refusal(daemon, "abort", "object_too_large", "object larger than 1048576 bytes")
    assert row["sop_uid"] == one.SOPInstanceUID
    judge_nothing_left(daemon)


def test_an_object_that_is_thrown_away_has_the_same_limit(start_daemon):
    """Who may not store could else send for ever."""
    daemon = start_daemon(keys={"listener.max_object_mb": 1},
                          peers=[{"name": "looker", "ae_title": "LOOKER", "address": "127.0.0.1"}])
    with RawPeer(daemon).agree(calling="LOOKER") as peer:
        try:
            for pdu in store(large_slice(1024)):
                peer.send(pdu)
        except ConnectionError:
            pass
        peer.ended()
    judge_refusal(daemon, "abort", "object_too_large", "object larger than 1048576 bytes")
    judge_nothing_left(daemon)


def data(piece, last=False):
    """A P-DATA-TF with one fragment of a data set. source: PS3.8 9.3.5, annex E.2"""
    return struct.pack(">BBIIBB", DATA, 0, len(piece) + 6, len(piece) + 2, CONTEXT, 2 * last) + piece


def most_resident_mb(daemon):
    status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024


@pytest.mark.skipif(has_shadow_memory(), reason="a sanitizer's memory cannot be bounded")
def test_r14_an_object_goes_to_disk_without_a_copy_in_memory(start_daemon):
    """128 MB; with FULL=1 more than 2 GB, which no signed length of 32 bits can tell."""
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600})
    one, frames = large_slice(1024), 1100 if FULL else 64
    frame = len(one.PixelData)
    one.NumberOfFrames = frames
    command, *_ = store(one)
    head = encoded(one)[:-frame]
    assert head[-4:] == struct.pack("<I", frame)
    before = most_resident_mb(daemon)
    with RawPeer(daemon).agree() as peer:
        peer.send(command)
        peer.send(data(head[:-4] + struct.pack("<I", frame * frames)))
        piece = data(bytes(8192))
        for _ in range(frames * frame // 8192 - 1):
            peer.send(piece)
        peer.send(data(bytes(8192), last=True))
        assert bytes.fromhex("00000009 02000000 0000") in peer.read()[1]  # (0000,0900), two bytes: success
    (path,) = daemon.files("objects")
    assert path.stat().st_size > frame * frames and most_resident_mb(daemon) - before < 32


@pytest.mark.parametrize("said", [b"", request()[:5], request()[:-1]], ids=["nothing", "head", "all_but_one"])
def test_a_request_that_takes_too_long_is_dropped(said, start_daemon):
    daemon = start_daemon(keys={"listener.acse_timeout_s": SHORT_S})
    with RawPeer(daemon) as peer:
        peer.send(said)
        assert not peer.ended()
    log_line(daemon, "connection_dropped", "address=", "127.0.0.1", "association request too slow")
    assert causes(daemon) == {"request_timeout": 1}


def test_r15_a_request_that_drips_is_dropped_at_the_same_time(start_daemon):
    daemon = start_daemon(keys={"listener.acse_timeout_s": 3})
    with RawPeer(daemon) as peer, dripping(peer, request()):
        assert not peer.ended()
    log_line(daemon, "connection_dropped", "association request too slow")


def test_an_idle_association_is_aborted(start_daemon):
    daemon = start_daemon(keys={"listener.idle_timeout_s": SHORT_S, "listener.dimse_timeout_s": 3600})
    with RawPeer(daemon).agree() as peer:
        assert peer.ended()
    log_line(daemon, "association_ended", "peer=", "released=no", '"idle for too long"')
    assert causes(daemon) == {"idle_timeout": 1}


def test_the_dimse_time_out_does_not_end_an_idle_association(start_daemon):
    daemon = start_daemon(keys={"listener.dimse_timeout_s": 1, "listener.idle_timeout_s": 3600})
    study = ct_study(slices=2)
    with Sender(daemon, contexts_of(study.objects)) as sender:
        assert sender.send(study.objects[0]) == 0x0000
        time.sleep(3)
        assert sender.send(study.objects[1]) == 0x0000


@contextlib.contextmanager
def dripping(peer, raw, before=b"", size=1, pause_s=0.3):
    """Say a piece now and then, each well inside every time-out, until the end or until nobody listens."""
    ended = threading.Event()

    def drip():
        with contextlib.suppress(OSError):
            peer.send(before)
            for at in range(0, len(raw), size):
                if ended.wait(pause_s):
                    return
                peer.send(raw[at:at + size])

    thread = threading.Thread(target=drip)
    thread.start()
    yield
    ended.set()
    thread.join()


EMPTY_FRAGMENT = bytes([DATA, 0, 0, 0, 0, 6, 0, 0, 0, 2, CONTEXT, 0])  # of a data set. source: PS3.8 9.3.5, annex E.2
DRIPS = {"the_command": (0, "SENDER"), "the_object": (1, "SENDER"), "what_is_thrown_away": (1, "LOOKER")}


@pytest.mark.parametrize("what", DRIPS)
def test_a_peer_that_drips_is_aborted_and_leaves_nothing(what, start_daemon):
    """It is never silent for as long as dimse_timeout_s."""
    daemon = start_daemon(keys={"listener.dimse_timeout_s": 3 * SHORT_S, "listener.idle_timeout_s": 3600},
                          peers=[{"name": "looker", "ae_title": "LOOKER", "address": "127.0.0.1"}])
    pdus = store(large_slice())
    whole, calling = DRIPS[what]
    with RawPeer(daemon).agree(calling=calling) as peer, dripping(peer, b"".join(pdus[whole:]), b"".join(pdus[:whole])):
        assert peer.ended()
    if what == "the_command":
        log_line(daemon, "association_ended", "released=no", "command: slower than 4096 bytes a second")
        assert causes(daemon) == {"too_slow": 1}
    else:
        judge_refusal(daemon, "abort", "too_slow", "object: slower than 4096 bytes a second")
    judge_nothing_left(daemon)


def test_fragments_without_data_end_like_too_much_data(start_daemon):
    """They are never slow, and no object grows by them."""
    daemon = start_daemon(keys={"listener.max_object_mb": 1})
    with RawPeer(daemon).agree() as peer:
        with pytest.raises(ConnectionError):
            peer.send(store(large_slice())[0])
            for _ in range(100):
                peer.send(EMPTY_FRAGMENT * 20000)
    judge_refusal(daemon, "abort", "object_too_large", "object larger than 1048576 bytes")
    judge_nothing_left(daemon)


def test_a_peer_that_talks_on_after_our_abort_loses_its_place(start_daemon):
    """Small whole PDUs, which dcmnet throws away one after another while it waits for the peer to close."""
    daemon = start_daemon(keys={"listener.idle_timeout_s": SHORT_S, "listener.max_associations": 1})
    with RawPeer(daemon).agree() as peer:
        kind, _ = peer.read()
        assert kind == ABORT
        with dripping(peer, EMPTY_FRAGMENT * 1000, size=len(EMPTY_FRAGMENT)):
            wait_for("there is a place", lambda: echoes(daemon))


def test_a_slow_line_is_no_offence(start_daemon):
    """Four times the slowest rate, for several times dimse_timeout_s."""
    daemon = start_daemon(keys={"listener.dimse_timeout_s": 2 * SHORT_S})
    one = large_slice(256)
    pdus = store(one)
    with RawPeer(daemon).agree() as peer, dripping(peer, b"".join(pdus[1:]), pdus[0], size=4096, pause_s=0.25):
        kind, _ = peer.read()
        assert kind == DATA
    assert daemon.stored()[one.SOPInstanceUID] == [encoded(one)] and causes(daemon) == {}


# ---- the door itself ----

def test_who_is_turned_away_waits_for_no_database(start_daemon):
    """Each row waits 3 s for a locked database in vain: nobody else does."""
    daemon = start_daemon(keys={"listener.max_associations": 1})
    other = sqlite3.connect(daemon.state / "cardioscribe.db", isolation_level=None, timeout=60)
    with RawPeer(daemon).agree():
        other.execute("BEGIN IMMEDIATE")
        for _ in range(8):
            with RawPeer(daemon) as peer:
                peer.send(request())
                kind, body = peer.read()
                assert (kind, tuple(body[1:])) == (REJECT, (2, 3, 2))
        assert daemon.log().count(" event=refused ") < 7  # the eighth had not to wait for the rows of those before
        other.execute("ROLLBACK")
    other.close()
    wait_for("all are told", lambda: daemon.log().count(" event=refused ") == 8, 60)
    assert causes(daemon) == {"too_many_associations": 8}


def accepts_failed(daemon):
    (value,) = re.findall(r"^cardioscribe_accepts_failed_total (\d+)$",
                          requests.get(daemon.url + "/metrics", timeout=30 * TIME_FACTOR).text, re.M)
    return int(value)


def test_a_lack_of_descriptors_is_told_once_and_passes(start_daemon):
    daemon = start_daemon()
    pid = daemon.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    begun = time.monotonic()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    with RawPeer(daemon) as peer:
        line = log_line(daemon, "accept_failed", "Too many open files")
        assert " error " in line
        time.sleep(3)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        log_line(daemon, "accept_works")
        tried_for_s = time.monotonic() - begun
        peer.agree()
    assert daemon.log().count("event=accept_failed") == 1
    assert 2 <= accepts_failed(daemon) <= 2 + tried_for_s / 0.5
    assert echoes(daemon)


STOPS = {"behind_the_command": lambda pdus: pdus[0], "inside_the_command": lambda pdus: pdus[0][:40],
         "inside_a_head": lambda pdus: pdus[0] + pdus[1][:3],
         "inside_a_fragment": lambda pdus: pdus[0] + pdus[1] + pdus[2][:1000],
         "between_fragments": lambda pdus: b"".join(pdus[:5]), "before_the_last": lambda pdus: b"".join(pdus[:-1])}


@pytest.mark.parametrize("where", STOPS)
def test_r23_a_peer_that_stops_is_aborted_and_leaves_nothing(where, start_daemon):
    daemon = start_daemon(keys={"listener.dimse_timeout_s": SHORT_S, "listener.idle_timeout_s": 3600})
    one = large_slice()
    with RawPeer(daemon).agree() as peer:
        peer.send(STOPS[where](store(one)))
        assert peer.ended()
    line = log_line(daemon, "association_ended", "released=no")
    if where != "inside_the_command":
        row = judge_refusal(daemon, "abort", "timeout", "object: ")
        assert row["sop_uid"] == one.SOPInstanceUID
    assert "cause=\"\"" not in line
    judge_nothing_left(daemon)


@pytest.mark.parametrize("how", ["close", "reset", "half_close"])
@pytest.mark.parametrize("where", STOPS)
def test_a_peer_that_goes_leaves_nothing(where, how, start_daemon):
    daemon = start_daemon(keys={"listener.dimse_timeout_s": 3600, "listener.idle_timeout_s": 3600})
    one = large_slice()
    with RawPeer(daemon).agree() as peer:
        peer.send(STOPS[where](store(one)))
        if where != "inside_the_command":
            wait_for("the object has begun", lambda: daemon.files("incoming"))
        getattr(peer, how)()
        if how == "half_close":
            peer.ended()
    log_line(daemon, "association_ended", "released=no")
    if where != "inside_the_command":
        judge_refusal(daemon, "abort", "broken", "object: ")
    judge_nothing_left(daemon)


def test_tcp_asks_for_a_peer_that_says_nothing(start_daemon):
    """source: Documentation/networking/proc_net_tcp.rst: timer 2 is keepalive, with the time left."""
    daemon = start_daemon(keys={"listener.keepalive_s": 7})
    with RawPeer(daemon).agree() as peer:
        time.sleep(0.5)
        ends = f":{daemon.port:04X} 0100007F:{peer.port:04X} 01 "
        (line,) = [line for line in pathlib.Path("/proc/net/tcp").read_text().splitlines() if ends in line]
        timer, left = re.search(r" [0-9A-F]{8}:[0-9A-F]{8} ([0-9A-F]{2}):([0-9A-F]{8}) ", line).groups()
        assert timer == "02" and 0 < int(left, 16) <= 700, line


def test_every_limit_stands_beside_every_other(start_daemon):
    """A sender of ordinary objects meets none of them, however small."""
    daemon = start_daemon(keys={"listener.max_object_mb": 1, "listener.max_associations": 1,
                                "listener.max_associations_per_peer": 1, "listener.keepalive_s": 1})
    study = ct_study()
    send(daemon, study.objects)
    stored = daemon.stored()
    assert all(stored[one.SOPInstanceUID] == [encoded(one)] for one in study.objects)
    assert causes(daemon) == {}
