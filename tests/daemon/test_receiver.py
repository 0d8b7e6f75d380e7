"""The listener: who may call, what is taken, what is refused and why; bytes are kept as they were sent."""
import concurrent.futures
import random
import socket
import subprocess
import threading
import time

import pydicom
import pytest
from pydicom.uid import (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian,
                         ImplicitVRLittleEndian, JPEG2000, JPEG2000Lossless, JPEGBaseline8Bit, JPEGExtended12Bit,
                         JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless, RLELossless, UID, generate_uid)

from conftest import real_data
from counterparts import Sender, contexts_of, even, send, send_file
from service import DATA, SENDER, TIME_FACTOR, data_set_bytes, wait_for
from studies import (BASIC_SR, CT, KEY_OBJECTS, MR, SECONDARY_CAPTURE, Study, ct_study, encoded, mr_study, secrets)

JPEG_LOSSLESS = UID("1.2.840.10008.1.2.4.57")
ECHO = "1.2.840.10008.1.1"


# ---- transfer syntaxes ----

CONVERTERS = {  # how DCMTK writes a slice in each
    ImplicitVRLittleEndian: ("dcmconv", "+ti"), ExplicitVRLittleEndian: ("dcmconv", "+te"),
    ExplicitVRBigEndian: ("dcmconv", "+tb"), DeflatedExplicitVRLittleEndian: ("dcmconv", "+td"),
    JPEGBaseline8Bit: ("dcmcjpeg", "+eb"), JPEGExtended12Bit: ("dcmcjpeg", "+ee"),
    JPEG_LOSSLESS: ("dcmcjpeg", "+el"), JPEGLosslessSV1: ("dcmcjpeg", "+e1"),
    JPEGLSLossless: ("dcmcjpls", "+el"), JPEGLSNearLossless: ("dcmcjpls", "+en"), RLELossless: ("dcmcrle",),
}


def judge_kept_as_sent(daemon, path):
    """Send a file's data set over a context that proposes its own transfer syntax only."""
    meta = pydicom.filereader.read_file_meta_info(path)
    contexts = [(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID)]
    with Sender(daemon, contexts) as sender:
        assert sender.established and sender.accepted() == {(str(a), str(b)) for a, b in contexts}
        assert send_file(sender, path).Status == 0x0000
    (row,) = daemon.rows("SELECT path, transfer_syntax, data_sha256 FROM instance WHERE sop_uid = ? AND current = 1",
                         meta.MediaStorageSOPInstanceUID)
    kept = daemon.state / row["path"]
    assert data_set_bytes(kept) == even(data_set_bytes(path))
    again = pydicom.filereader.read_file_meta_info(kept)
    assert again.TransferSyntaxUID == row["transfer_syntax"] == meta.TransferSyntaxUID
    assert again.MediaStorageSOPInstanceUID == meta.MediaStorageSOPInstanceUID


def test_every_transfer_syntax_is_negotiated_and_kept_as_sent(start_daemon, tmp_path):
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600})
    for number, (syntax, command) in enumerate(CONVERTERS.items()):
        study = Study()
        study.add_series(1)
        if syntax == JPEGBaseline8Bit:  # 8 bit only
            study.objects = []
            study.secondary_capture()
        (plain,) = study.write(tmp_path / str(number))
        path = tmp_path / f"{number}.dcm"
        subprocess.run([*command, str(plain), str(path)], check=True, timeout=60 * TIME_FACTOR)
        assert pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID == syntax
        secrets.add(str(pydicom.filereader.read_file_meta_info(path).MediaStorageSOPInstanceUID))
        judge_kept_as_sent(daemon, path)
    assert len(daemon.files("objects")) == len(CONVERTERS)


@real_data
def test_real_objects_of_every_transfer_syntax_are_kept_as_sent(start_daemon):
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600})
    wanted = {*map(str, CONVERTERS), str(JPEG2000), str(JPEG2000Lossless)}
    seen = set()
    folders = ("ge_chest_ct", "nema_wg04", "mr_small")
    for path in [path for name in folders for path in sorted((DATA / "transfer_syntaxes" / name).glob("*.dcm"))]:
        if path.read_bytes()[128:132] != b"DICM":
            continue
        syntax = str(pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID)
        if syntax in wanted:
            judge_kept_as_sent(daemon, path)
            seen.add(syntax)
    assert seen >= wanted - {str(JPEGExtended12Bit)}


def test_explicit_little_endian_is_preferred_when_much_is_proposed(start_daemon):
    daemon = start_daemon()
    entity_contexts = [ImplicitVRLittleEndian, ExplicitVRBigEndian, JPEGLosslessSV1, ExplicitVRLittleEndian]
    from pynetdicom import AE
    entity = AE(ae_title=SENDER)
    entity.add_requested_context(CT, entity_contexts)
    association = entity.associate("127.0.0.1", daemon.port, ae_title=daemon.ae_title)
    assert [str(one.transfer_syntax[0]) for one in association.accepted_contexts] == [ExplicitVRLittleEndian]
    association.release()


def test_r21_a_transfer_syntax_nobody_here_decodes_is_not_negotiated(start_daemon):
    daemon = start_daemon()
    htj2k, mpeg2 = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.100"
    with Sender(daemon, [(CT, htj2k), (CT, mpeg2), (CT, ExplicitVRLittleEndian)]) as sender:
        assert sender.accepted() == {(CT, ExplicitVRLittleEndian)}
        assert sorted(one.result for one in sender.association.rejected_contexts) == [4, 4]


# ---- classes ----

def others():
    study = ct_study()
    images = list(study.objects)
    return study, images, [study.secondary_capture(), study.document(BASIC_SR), study.document(KEY_OBJECTS)]


def test_r20_what_is_no_ct_and_no_mr_is_kept_and_never_analysed(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()])
    study, images, beside = others()
    send(daemon, images + beside)
    shown = daemon.wait_state(study.uid, "delivered")
    assert shown["objects"]["input"] == 12 and shown["objects"]["other"] == 3
    used = {one["sop_uid"] for one in shown["results"][0]["input"]["instances"]}
    assert used == {one.SOPInstanceUID for one in images}
    stored = daemon.stored()
    assert all(stored[one.SOPInstanceUID] == [encoded(one)] for one in beside)


@real_data
def test_real_objects_of_other_kinds_alone_are_declined_without_a_report(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()])
    for path in sorted((DATA / "other_modality").iterdir()):
        head = pydicom.dcmread(path, stop_before_pixels=True)
        secrets.update((str(head.PatientID), str(head.StudyInstanceUID)))
        with Sender(daemon, contexts_of([head])) as sender:
            assert send_file(sender, path).Status == 0x0000, path.name
        assert daemon.wait_state(head.StudyInstanceUID, "declined")["reason"] == "no_ct_or_mr_image"
    assert not pacs.arrivals


def test_other_classes_are_refused_when_the_configuration_says_so(start_daemon):
    daemon = start_daemon(keys={"listener.accept_other": "no"})
    proposed = [(CT, ExplicitVRLittleEndian), (MR, ExplicitVRLittleEndian),
                (SECONDARY_CAPTURE, ExplicitVRLittleEndian), (BASIC_SR, ExplicitVRLittleEndian)]
    with Sender(daemon, proposed) as sender:
        assert sender.accepted() == set(map(lambda pair: (str(pair[0]), str(pair[1])), proposed[:2]))
        assert [one.result for one in sender.association.rejected_contexts] == [3, 3]


def test_refused_classes_are_not_negotiated_even_ct(start_daemon):
    daemon = start_daemon(keys={"listener.refused_classes": f"{CT} {KEY_OBJECTS}"})
    proposed = [(one, ExplicitVRLittleEndian) for one in (CT, MR, KEY_OBJECTS, BASIC_SR)]
    with Sender(daemon, proposed) as sender:
        assert {one for one, _ in sender.accepted()} == {MR, BASIC_SR}


# ---- who may call ----

def wait_refusal(daemon, status, cause):
    return wait_for(f"a refusal {status} with {cause!r} in REST", lambda: next(
        (one for one in daemon.refusals() if one["status"] == status and cause in one["cause"]), None))


def test_a_calling_ae_title_that_is_not_configured_is_rejected(start_daemon):
    daemon = start_daemon()
    sender = Sender(daemon, [(ECHO, ImplicitVRLittleEndian)], calling="STRANGER")
    assert sender.reject == (1, 1, 3)
    row = wait_refusal(daemon, "reject 1,1,3", "not configured")
    assert row["peer_ae"] == "STRANGER" and row["peer_address"] == "127.0.0.1"


def test_a_known_ae_title_from_another_address_is_rejected(start_daemon):
    daemon = start_daemon(peers=[{"name": "far", "ae_title": "FAR", "address": "127.0.0.9", "may_store": "yes"}])
    sender = Sender(daemon, [(ECHO, ImplicitVRLittleEndian)], calling="FAR")
    assert sender.reject == (1, 1, 3)
    assert wait_refusal(daemon, "reject 1,1,3", "another address")["peer_ae"] == "FAR"


def test_another_called_ae_title_is_rejected(start_daemon):
    daemon = start_daemon()
    sender = Sender(daemon, [(ECHO, ImplicitVRLittleEndian)], called="SOMEBODY")
    assert sender.reject == (1, 1, 7)
    assert wait_refusal(daemon, "reject 1,1,7", "called")["peer_ae"] == SENDER


def test_a_peer_that_may_not_store_may_echo_and_is_told_0124(start_daemon):
    daemon = start_daemon(peers=[{"name": "looker", "ae_title": "LOOKER", "address": "127.0.0.1"}])
    (one,) = ct_study(slices=1).objects
    with Sender(daemon, [(ECHO, ImplicitVRLittleEndian), *contexts_of([one])], calling="LOOKER") as sender:
        assert sender.echo() == 0x0000
        response = sender.send_bytes(encoded(one), one.SOPClassUID, one.SOPInstanceUID, ExplicitVRLittleEndian)
        assert response.Status == 0x0124 and response.ErrorComment
        assert sender.echo() == 0x0000
    row = wait_refusal(daemon, "0124", "may not store")
    assert (row["peer_ae"], row["sop_uid"], row["sop_class"]) == ("LOOKER", one.SOPInstanceUID, CT)
    assert daemon.studies() == [] and daemon.files("incoming") == daemon.files("objects") == []


def test_dcmtk_gets_its_echo(start_daemon):
    daemon = start_daemon()
    done = subprocess.run(["echoscu", "-aet", SENDER, "-aec", daemon.ae_title, "127.0.0.1", str(daemon.port)],
                          capture_output=True, text=True, timeout=30 * TIME_FACTOR)
    assert done.returncode == 0, done.stderr


# ---- how many may call ----

def test_one_association_more_than_allowed_is_rejected_for_now(start_daemon):
    daemon = start_daemon(keys={"listener.max_associations": 4})
    held = [Sender(daemon, [(ECHO, ImplicitVRLittleEndian)]) for _ in range(4)]
    assert all(one.established for one in held)
    assert Sender(daemon, [(ECHO, ImplicitVRLittleEndian)]).reject == (2, 3, 2)
    assert wait_refusal(daemon, "reject 2,3,2", "too many associations")
    held.pop().close()
    wait_for("a place is free again", lambda: try_echo(daemon), 10)
    assert all(one.echo() == 0x0000 for one in held)
    for one in held:
        one.close()


def try_echo(daemon):
    with Sender(daemon, [(ECHO, ImplicitVRLittleEndian)]) as sender:
        return sender.established and sender.echo() == 0x0000


def test_one_peer_cannot_take_every_association(start_daemon):
    daemon = start_daemon(keys={"listener.max_associations_per_peer": 2}, peers=[
        {"name": "other", "ae_title": "OTHER", "address": "127.0.0.1", "may_store": "yes"}])
    held = [Sender(daemon, [(ECHO, ImplicitVRLittleEndian)]) for _ in range(2)]
    assert Sender(daemon, [(ECHO, ImplicitVRLittleEndian)]).reject == (2, 3, 2)
    assert wait_refusal(daemon, "reject 2,3,2", "too many associations of this peer")
    with Sender(daemon, [(ECHO, ImplicitVRLittleEndian)], calling="OTHER") as other:
        assert other.established and other.echo() == 0x0000
    for one in held:
        one.close()


def half_a_request():
    """The head of an A-ASSOCIATE-RQ that promises more than comes."""
    return bytes([1, 0]) + (4000).to_bytes(4, "big") + bytes([0, 1, 0, 0]) + b"CARDIOSCRIBE".ljust(16)


@pytest.mark.parametrize("first_bytes", [b"", half_a_request()], ids=["silent", "half_a_request"])
def test_r15_clients_that_never_finish_their_request_delay_nobody(first_bytes, start_daemon):
    daemon = start_daemon()
    idle = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(32)]
    try:
        for one in idle:
            one.sendall(first_bytes)
        time.sleep(0.3)
        for _ in range(3):
            begun = time.monotonic()
            assert try_echo(daemon)
            assert time.monotonic() - begun < (1 if TIME_FACTOR == 1 else 3)
    finally:
        for one in idle:
            one.close()


def test_an_odd_fragment_ends_its_association_and_leaves_nothing(start_daemon):
    daemon = start_daemon()
    one = one_slice()
    with Sender(daemon, contexts_of([one]), timeout_s=10) as sender:
        assert sender.send_bytes(encoded(one)[:-1], CT, one.SOPInstanceUID, ExplicitVRLittleEndian) is None
    wait_for("incoming is empty", lambda: daemon.files("incoming") == [], 10)
    assert daemon.files("objects") == [] and try_echo(daemon)


def test_what_speaks_no_dicom_is_dropped(start_daemon):
    daemon = start_daemon(keys={"listener.acse_timeout_s": 1})
    for said in (b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", bytes(64),
                 bytes([1, 0, 255, 255, 255, 255]) + bytes(100), b""):
        with socket.create_connection(("127.0.0.1", daemon.port)) as client:
            client.settimeout(10 * TIME_FACTOR)
            client.sendall(said)
            try:
                while client.recv(1000):
                    pass
            except ConnectionResetError:
                pass
    assert try_echo(daemon)


def test_eight_senders_at_once_lose_nothing(start_daemon):
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600})
    made = [ct_study(slices=15, seed=number) for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(send, daemon, study.objects) for study in made]:
            done.result(120 * TIME_FACTOR)
    stored = daemon.stored()
    assert len(stored) == 120
    for study in made:
        assert daemon.study(study.uid)["objects"]["input"] == 15
        assert all(stored[one.SOPInstanceUID] == [encoded(one)] for one in study.objects)


def test_senders_of_one_study_at_once_make_one_study(start_daemon):
    daemon = start_daemon()
    study = ct_study(slices=16)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(send, daemon, study.objects[part::3] + study.objects[:4]) for part in range(3)]:
            done.result(60 * TIME_FACTOR)
    shown = daemon.wait_state(study.uid, "delivered", "encoded", "queued", "encoding")
    assert shown["objects"]["total"] == 16 == len(daemon.files("objects")) and shown["revision"] == 1


# ---- bad objects ----

def judge_refused(daemon, raw, sop_class, sop_uid, status, cause, syntax=ExplicitVRLittleEndian):
    """The object is answered with the status, a comment and a row; nothing of it stays; the association lives."""
    before = len(daemon.files("objects"))
    with Sender(daemon, [(sop_class, syntax), (ECHO, ImplicitVRLittleEndian)]) as sender:
        response = sender.send_bytes(raw, sop_class, sop_uid, syntax)
        assert response.Status == status, f"0x{response.Status:04X} {response.ErrorComment}"
        assert response.ErrorComment and len(response.ErrorComment) <= 64
        assert sender.echo() == 0x0000
    row = wait_refusal(daemon, f"{status:04X}", cause)
    assert row["sop_uid"] == sop_uid and row["peer_ae"] == SENDER
    assert daemon.files("incoming") == [] and len(daemon.files("objects")) == before


def one_slice():
    (one,) = ct_study(slices=1).objects
    return one


def test_a_data_set_of_another_instance_than_the_command_says_is_refused(start_daemon):
    daemon = start_daemon()
    one = one_slice()
    judge_refused(daemon, encoded(one), CT, generate_uid(), 0xA900, "differs from the command")


def test_a_data_set_of_another_class_than_the_command_says_is_refused(start_daemon):
    daemon = start_daemon()
    one = one_slice()
    judge_refused(daemon, encoded(one), MR, one.SOPInstanceUID, 0xA900, "differs from the command")


@pytest.mark.parametrize("name", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
@pytest.mark.parametrize("how", ["missing", "empty", "illegal"])
def test_a_data_set_without_a_legal_uid_is_refused(name, how, start_daemon):
    daemon = start_daemon()
    one = one_slice()
    uid = one.SOPInstanceUID
    if how == "missing":
        delattr(one, name)
    else:
        setattr(one, name, "" if how == "empty" else "no.uid/../../etc")
    judge_refused(daemon, encoded(one), CT, uid, 0xA900, "")


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian,
                                    DeflatedExplicitVRLittleEndian, JPEGLosslessSV1])
def test_garbage_is_refused_as_unreadable(syntax, start_daemon):
    daemon = start_daemon()
    raw = random.Random(5).randbytes(5000)
    uid = generate_uid()
    secrets.add(uid)
    with Sender(daemon, [(CT, syntax)]) as sender:
        response = sender.send_bytes(raw, CT, uid, syntax)
        assert response.Status in (0xC000, 0xA900) and response.ErrorComment
    assert wait_refusal(daemon, f"{response.Status:04X}", "")["sop_uid"] == uid
    assert daemon.files("incoming") == daemon.files("objects") == [] and daemon.studies() == []


@pytest.mark.parametrize("lost_bytes", [2, 100, 8000])
def test_truncated_pixels_are_refused_as_unreadable(lost_bytes, start_daemon):
    daemon = start_daemon()
    one = one_slice()
    judge_refused(daemon, encoded(one)[:-lost_bytes], CT, one.SOPInstanceUID, 0xC000, "")


def test_r10_another_patient_under_a_known_study_uid_is_refused(start_daemon):
    daemon = start_daemon(keys={"assembly.study_quiet_s": 600})
    study = ct_study(slices=3)
    send(daemon, study.objects[:2])
    stranger = study.objects[2]
    stranger.PatientID = "SOMEBODYELSE77"
    secrets.add("SOMEBODYELSE77")
    judge_refused(daemon, encoded(stranger), CT, stranger.SOPInstanceUID, 0xA901, "Patient ID")
    assert daemon.study(study.uid)["objects"]["total"] == 2


def test_an_object_above_the_limit_ends_its_association_and_leaves_nothing(start_daemon):
    daemon = start_daemon(keys={"listener.max_object_mb": 1})
    big, small = one_slice(), one_slice()
    big.Rows = big.Columns = 1024
    big.PixelData = bytes(2 * 1024 * 1024)
    with Sender(daemon, contexts_of([big]), timeout_s=10) as sender:
        assert sender.send(big) is None
        wait_for("the association is gone", lambda: not sender.established, 10)
    assert daemon.files("incoming") == [] and daemon.studies() == []
    send(daemon, [small])
    assert len(daemon.files("objects")) == 1


def test_a_sender_that_dies_inside_an_object_leaves_nothing(start_daemon):
    daemon = start_daemon()
    one = one_slice()
    one.Rows = one.Columns = 1024
    one.PixelData = bytes(2 * 1024 * 1024)
    for _ in range(3):
        sender = Sender(daemon, contexts_of([one]))
        threading.Timer(0.02, lambda: sender.association.dul.socket.close()).start()
        try:
            sender.send(one)
        except Exception:
            pass
        sender.association.abort()
    wait_for("incoming is empty", lambda: daemon.files("incoming") == [], 20)
    assert daemon.alive() and len(daemon.files("objects")) <= 1  # the first may have been quicker
    send(daemon, ct_study(slices=2).objects)
