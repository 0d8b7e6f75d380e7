"""Senders and receivers nobody here wrote: DCMTK's tools, pynetdicom, Orthanc. All on loopback."""
import contextlib
import io
import json
import logging
import pathlib
import shutil
import socket
import subprocess
import threading
import time

import pydicom
import pytest
import requests
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.pdu import A_ASSOCIATE_RJ
from pynetdicom.sop_class import Verification

import studies
from service import SENDER, TIME_FACTOR, data_set_bytes, free_port, wait_for

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # it complains of every odd UID it is told to send
ORTHANC = next((path for path in ("/usr/sbin/Orthanc", shutil.which("Orthanc")) if path and pathlib.Path(path).exists()),
               None)


def accepts_connections(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop_process(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# ---- senders ----

def storescu(daemon, paths, *options, check=True):
    """DCMTK's storescu; proposes what the files need."""
    done = subprocess.run(["storescu", "-aet", SENDER, "-aec", daemon.ae_title, "-R", *options, "127.0.0.1",
                           str(daemon.port), *map(str, paths)], capture_output=True, text=True,
                          timeout=120 * TIME_FACTOR)
    assert not check or done.returncode == 0, done.stderr
    return done


def dcmsend(daemon, *paths):
    """DCMTK's dcmsend, folders too; UIDs with leading zeros pass: real studies have them."""
    done = subprocess.run(["dcmsend", "-aet", SENDER, "-aec", daemon.ae_title, "-nuc", "+sd", "+r", "127.0.0.1",
                           str(daemon.port), *map(str, paths)], capture_output=True, text=True,
                          timeout=300 * TIME_FACTOR)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


class Sender:
    """One pynetdicom association with the daemon. contexts: (SOP Class UID, transfer syntax) pairs."""

    def __init__(self, daemon, contexts, calling=SENDER, called=None, timeout_s=60):
        self.entity = AE(ae_title=calling)
        for name in ("acse_timeout", "dimse_timeout", "network_timeout"):
            setattr(self.entity, name, timeout_s * TIME_FACTOR)
        for sop_class, syntax in dict.fromkeys(contexts):
            self.entity.add_requested_context(sop_class, syntax)
        self.rejection = None  # as it came: pynetdicom may take a rejection and the close behind it for an abort
        self.association = self.entity.associate("127.0.0.1", daemon.port, ae_title=called or daemon.ae_title,
                                                 evt_handlers=[(evt.EVT_PDU_RECV, self.note_rejection)])
        self.held = False

    def hold_reactor(self):
        """Keep pynetdicom's own loop from taking a response before we do: its pause for one message has a gap."""
        if self.held or not self.established:
            return
        self.association._reactor_checkpoint.clear()
        for _ in range(4):
            while not self.association._is_paused and self.association.is_alive():
                time.sleep(0.002)
            time.sleep(0.005)
        self.held = True

    def free_reactor(self):
        self.association._reactor_checkpoint.set()
        self.held = False

    @property
    def established(self):
        return self.association.is_established

    @property
    def reject(self):
        """(result, source, reason), or None."""
        return self.rejection

    def note_rejection(self, event):
        if isinstance(event.pdu, A_ASSOCIATE_RJ):
            self.rejection = event.pdu.result, event.pdu.source, event.pdu.reason_diagnostic

    def accepted(self):
        return {(str(one.abstract_syntax), str(one.transfer_syntax[0]))
                for one in self.association.accepted_contexts}

    def send_bytes(self, raw, sop_class, sop_uid, syntax):
        """C-STORE of exactly these bytes (an even number: PS3.8 knows no other fragment); the response as a
        C_STORE primitive, or None when there was none."""
        context = next(one for one in self.association.accepted_contexts
                       if one.abstract_syntax == sop_class and one.transfer_syntax[0] == syntax)
        request = C_STORE()
        request.MessageID = 1
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, sop_uid
        request.Priority, request.DataSet = 2, io.BytesIO(raw)
        return self.ask(request, context)

    def ask(self, request, context):
        self.hold_reactor()
        self.association.dimse.send_msg(request, context.context_id)
        _, response = self.association.dimse.get_msg(block=True)
        if response is None:
            self.free_reactor()  # which notices that the association has ended
        return response

    def send(self, one):
        """C-STORE of a pydicom data set in its own transfer syntax; the status, or None."""
        response = self.send_bytes(studies.encoded(one), one.SOPClassUID, one.SOPInstanceUID,
                                   one.file_meta.TransferSyntaxUID)
        return response.Status if response is not None else None

    def echo(self):
        """C-ECHO; the status, or None."""
        context = next(one for one in self.association.accepted_contexts if one.abstract_syntax == Verification)
        request = C_ECHO()
        request.MessageID, request.AffectedSOPClassUID = 2, Verification
        response = self.ask(request, context)
        return response.Status if response is not None else None

    def close(self):
        self.free_reactor()
        if self.association.is_established:
            self.association.release()
        elif self.association.is_alive():
            self.association.abort()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def contexts_of(objects):
    return [(one.SOPClassUID, one.file_meta.TransferSyntaxUID) for one in objects]


def send(daemon, objects, **options):
    """Objects over one association; every one must be a success."""
    with Sender(daemon, contexts_of(objects), **options) as sender:
        assert sender.established
        for one in objects:
            status = sender.send(one)
            assert status == 0x0000, f"status {status}"


def even(raw):
    """Padded as PS3.5 A.5 has a deflated data set padded."""
    return raw + bytes(len(raw) % 2)


def send_file(sender, path):
    """A Part 10 file's data set as it lies there."""
    meta = pydicom.filereader.read_file_meta_info(path)
    return sender.send_bytes(even(data_set_bytes(path)), meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID,
                             meta.TransferSyntaxUID)


# ---- receivers ----

class Storescp:
    """DCMTK's storescp as the PACS."""

    def __init__(self, folder, ae_title="PACS"):
        self.folder, self.ae_title, self.port = pathlib.Path(folder), ae_title, free_port()
        self.folder.mkdir(parents=True)
        self.process = subprocess.Popen(["storescp", "-aet", ae_title, "-od", str(self.folder), "-uf", str(self.port)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("storescp listens", lambda: accepts_connections(self.port))

    def peer(self, **more):
        return {"name": "storescp", "ae_title": self.ae_title, "address": "127.0.0.1", "port": self.port,
                "receives_results": "yes", **more}

    def files(self, study_uid=None):
        found = []
        for path in sorted(self.folder.iterdir()):
            with contextlib.suppress(pydicom.errors.InvalidDicomError, EOFError, OSError):
                if study_uid in (None, pydicom.dcmread(path, specific_tags=["StudyInstanceUID"]).StudyInstanceUID):
                    found.append(path)
        return found

    def stop(self):
        stop_process(self.process)


class Orthanc:
    """Debian's Orthanc as the PACS; its REST interface tells what it has."""

    def __init__(self, folder, ae_title="ORTHANC", storage=None):
        """storage: another folder for what it keeps."""
        if not ORTHANC:
            pytest.skip("Orthanc is not installed")
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True)
        storage = str(storage or folder / "storage")
        self.ae_title, self.port, http = ae_title, free_port(), free_port()
        self.url = f"http://127.0.0.1:{http}"
        configuration = {
            "Name": "test", "StorageDirectory": storage, "IndexDirectory": storage,
            "DicomAet": ae_title, "DicomPort": self.port, "HttpPort": http, "HttpServerEnabled": True,
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "DicomCheckCalledAet": True,
            "Plugins": [], "ConcurrentJobs": 1, "DicomThreadsCount": 2, "HttpThreadsCount": 4,
        }
        self.configuration = folder / "orthanc.json"
        self.configuration.write_text(json.dumps(configuration))
        self.log = open(folder / "orthanc.log", "wb")
        self.start()

    def start(self):
        self.process = subprocess.Popen([ORTHANC, str(self.configuration)], stdout=self.log, stderr=self.log)

        def up():
            assert self.process.poll() is None, "Orthanc ended"
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(self.url + "/system", timeout=5).status_code == 200

        wait_for("Orthanc answers", up, 60)

    def peer(self, **more):
        return {"name": "orthanc", "ae_title": self.ae_title, "address": "127.0.0.1", "port": self.port,
                "receives_results": "yes", **more}

    def instances(self, study_uid, modality="SR"):
        """Orthanc's identifiers of the instances of a study."""
        answer = requests.post(self.url + "/tools/find", timeout=30 * TIME_FACTOR, json={
            "Level": "Instance", "Query": {"StudyInstanceUID": study_uid, "Modality": modality}})
        return answer.json()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def file(self, instance):
        return requests.get(f"{self.url}/instances/{instance}/file", timeout=30 * TIME_FACTOR).content

    def stop(self):
        stop_process(self.process)
        self.log.close()


class Arrival:
    """One object as a Pacs got it."""

    def __init__(self, event):
        request = event.request
        self.at = time.monotonic()
        self.sop_class, self.sop_uid = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
        self.syntax = str(event.context.transfer_syntax)
        self.association = event.assoc
        self.raw = request.DataSet.getvalue()
        self.answer = None

    @property
    def data_set(self):
        return studies.read(self.raw, self.syntax)


class Pacs:
    """A pynetdicom SCP. `answer(arrival, number)` gives the status, may sleep, and may return None to drop the
    connection after storing; `classes` are the SR classes it negotiates; `calling`: the only AE titles that may call,
    if any are named. `proposed` are the classes that each association asked for."""

    def __init__(self, ae_title="PACS", classes=(studies.COMPREHENSIVE_3D_SR, studies.COMPREHENSIVE_SR,
                                                  studies.ENHANCED_SR), answer=None, port=None, listen=True,
                 verification=True, calling=()):
        self.ae_title, self.classes, self.answer = ae_title, classes, answer
        self.verification, self.calling, self.proposed = verification, list(calling), []
        self.port = port or free_port()
        self.arrivals = []
        self.associations = 0
        self.lock = threading.Lock()
        self.server = None
        self.require_called = True
        if listen:
            self.listen()

    def peer(self, **more):
        return {"name": "pacs", "ae_title": self.ae_title, "address": "127.0.0.1", "port": self.port,
                "receives_results": "yes", **more}

    def listen(self):
        entity = AE(ae_title=self.ae_title)
        entity.require_called_aet = self.require_called
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60 * TIME_FACTOR
        entity.maximum_associations = 20
        entity.require_calling_aet = self.calling
        if self.verification:
            entity.add_supported_context(Verification)
        for sop_class in self.classes:
            entity.add_supported_context(sop_class, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        self.server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=[
            (evt.EVT_C_STORE, self._store), (evt.EVT_REQUESTED, self._requested)])

    def _requested(self, event):
        self.associations += 1
        self.proposed.append([str(one.abstract_syntax) for one in event.assoc.requestor.requested_contexts])

    def _store(self, event):
        arrival = Arrival(event)
        with self.lock:
            number = len(self.arrivals)
            self.arrivals.append(arrival)
        arrival.answer = self.answer(arrival, number) if self.answer else 0x0000
        if arrival.answer is None:
            event.assoc.dul.socket.close()
            return 0x0110
        return arrival.answer

    def of_study(self, uid, accepted_only=True):
        with self.lock:
            arrivals = list(self.arrivals)
        return [one for one in arrivals if one.data_set.StudyInstanceUID == uid and
                (one.answer in (0x0000, 0xB000) or not accepted_only)]

    def close(self):
        if self.server:
            self.server.shutdown()
            self.server = None

    stop = close


# ---- judges ----

def dciodvfy_errors(path):
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, timeout=60 * TIME_FACTOR)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def content(data_set):
    """Every content item of a document, the root first."""
    yield data_set
    for item in data_set.get("ContentSequence", []):
        yield from content(item)


def concept(item):
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeValue) if names and "CodeValue" in names[0] else None


def code(item):
    return str(item.ConceptCodeSequence[0].CodeValue)


def summary(data_set):
    """The value of CAD Processing and Findings Summary."""
    return next(code(item) for item in content(data_set) if concept(item) == "111017")


def texts(data_set):
    return [str(item.TextValue) for item in content(data_set) if item.get("ValueType") == "TEXT"]


def findings(data_set):
    """Every Finding item: code values."""
    return [code(item) for item in content(data_set) if concept(item) == "121071"]
