"""Damaged, odd and foreign files: each is answered as hostile.tsv says, and harms nothing else."""
import collections
import concurrent.futures
import csv
import json
import re
import subprocess

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, UID

import counterparts
import studies
from conftest import real_data
from counterparts import Sender, even, send
from service import CLI, DATA, MODEL, ROOT, SENDER, TIME_FACTOR, data_set_bytes, free_port, wait_for
from studies import ct_study

pytestmark = real_data
FOLDERS = ("malformed", "other_modality", "charsets")
CLASSES = {"CT": studies.CT, "MR": studies.MR, "SecondaryCapture": studies.SECONDARY_CAPTURE,
           "RTIonPlan": "1.2.840.10008.5.1.4.1.1.481.8"}
SYNTAXES = {"explicit": ExplicitVRLittleEndian, "big": ExplicitVRBigEndian}
PROPOSALS = {"1.2.840.10008.1.2.4.50": "-xy", "1.2.840.10008.1.2.4.70": "-xs", "1.2.840.10008.1.2.4.90": "-xv",
             "1.2.840.10008.1.2.5": "-xr"}  # storescu's options for what the files are compressed with
OFFENDING = {"SOP Class UID": 0x00080016, "SOP Instance UID": 0x00080018, "Study Instance UID": 0x0020000D}


def read_table():
    lines = (ROOT / "tests" / "daemon" / "hostile.tsv").read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t"))


TABLE = read_table()
FILES = list(dict.fromkeys(row["file"] for row in TABLE))


def split(raw):
    """The file meta information as a data set, and what follows it, to the byte; no length in it is believed."""
    meta, at = pydicom.Dataset(), 0
    if raw[128:132] == b"DICM":
        at = 132
    while at and raw[at:at + 2] == b"\x02\x00":
        long_form = raw[at + 4:at + 6] in (b"OB", b"UN")
        start = at + (12 if long_form else 8)
        end = start + int.from_bytes(raw[start - (4 if long_form else 2):start], "little")
        if raw[at + 4:at + 6] == b"UI":
            meta.add_new(Tag(2, int.from_bytes(raw[at + 2:at + 4], "little")), "UI",
                         raw[start:end].decode("ascii").rstrip("\0 "))
        at = end
    return meta, raw[at:]


def head_of(path):
    return pydicom.dcmread(path, force=True, stop_before_pixels=True)


def note_secrets(paths):
    """No log may hold what tells the patients of these files apart from each other."""
    for path in paths:
        try:
            head = head_of(path)
            words = [head.get(key, "") for key in ("PatientName", "PatientID", "AccessionNumber", "StudyInstanceUID",
                                                   "SOPInstanceUID", "SeriesInstanceUID")]
        except Exception:
            continue
        studies.secrets.update(str(word) for word in words if len(str(word)) > 6)


# ---- the senders ----

Sending = collections.namedtuple("Sending", "row sop_class syntax sop_uid raw")


def sending_of(row):
    path = DATA / row["file"]
    meta, raw = split(path.read_bytes())
    stated = dict(word.split("=") for word in row["sent_as"].split() if word != "meta")
    sop_uid = stated.get("uid") or str(meta.get("MediaStorageSOPInstanceUID"))
    if sop_uid == "dataset":
        sop_uid = str(head_of(path).SOPInstanceUID)
    return Sending(row, CLASSES.get(stated.get("class")) or str(meta.get("MediaStorageSOPClassUID")),
                   UID(SYNTAXES.get(stated.get("syntax")) or str(meta.get("TransferSyntaxUID"))), sop_uid, even(raw))


def send_raw(daemon, sendings):
    """All over one association, so that each comes behind those that were refused. Responses in order."""
    with Sender(daemon, [(one.sop_class, one.syntax) for one in sendings]) as sender:
        accepted = sender.accepted()
        return [sender.send_bytes(one.raw, one.sop_class, one.sop_uid, one.syntax)
                if (one.sop_class, one.syntax) in accepted else None for one in sendings]


def send_with_storescu(daemon, path):
    """The status that came back, or "local" when storescu sent nothing, and what it says."""
    try:
        syntax = str(split(path.read_bytes())[0].TransferSyntaxUID)
    except AttributeError:
        syntax = ""
    proposal = [PROPOSALS[syntax]] if syntax in PROPOSALS else []
    done = counterparts.storescu(daemon, [path], "-d", *proposal, check=False)
    said = done.stdout + done.stderr
    found = re.findall(r"DIMSE Status +: 0x([0-9a-fA-F]{4})", said)
    return (found[-1].upper() if found else "local"), said


class Mirror:
    """DCMTK's storescp, keeping what it gets to the bit: what storescu makes of a file before it sends it."""

    ae_title = "MIRROR"

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        self.process = subprocess.Popen(["storescp", "-aet", self.ae_title, "-B", "+xa", "-od", str(folder), "-uf",
                                         str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("storescp listens", lambda: counterparts.accepts_connections(self.port))

    def data_set(self, path):
        for old in self.folder.iterdir():
            old.unlink()
        status, said = send_with_storescu(self, path)
        assert status == "0000", said
        (got,) = self.folder.iterdir()
        return data_set_bytes(got)

    def stop(self):
        counterparts.stop_process(self.process)


# ---- the judges ----

def judge_refusal(sending, response, row):
    """A refusal as the sender and as the administrator sees it."""
    expected = sending.row
    assert expected["cause"] in row["cause"], (expected, row)
    assert row["status"] == expected["raw"] and row["peer_ae"] == SENDER and row["peer_address"] == "127.0.0.1"
    assert row["sop_uid"] == sending.sop_uid and row["sop_class"] == sending.sop_class
    if expected["raw"] == "C000":
        assert response.ErrorComment == "Cannot parse" and not response.OffendingElement, expected
        return
    attribute = next(name for name in OFFENDING if row["cause"].startswith(name))
    assert response.ErrorComment == row["cause"].replace(" of the data set", ""), expected
    assert response.OffendingElement == OFFENDING[attribute], expected


def refused(daemon):
    """Refusals in the order they came. The log has one line for each, under its number."""
    rows = daemon.rows("SELECT * FROM refusal ORDER BY id")
    lines = [line for line in daemon.log().splitlines() if "event=refused " in line]
    assert [int(re.search(r" refusal=(\d+) ", line)[1]) for line in lines] == [row["id"] for row in rows]
    for line, row in zip(lines, rows):
        assert f' status="{row["status"]}" ' in line and row["sop_uid"] not in line
    assert len(daemon.get("/api/v1/refusals", limit=1000)["refusals"]) == len(rows)
    return rows


def judge_kept(daemon, acknowledged):
    """acknowledged: (SOP Instance UID, data set) of each Success. Nothing else is there, and all of it is."""
    stored = daemon.stored()
    for sop_uid, raw in acknowledged:
        assert raw in stored[sop_uid], sop_uid
    assert sum(map(len, stored.values())) == len(set(acknowledged))
    assert daemon.files("incoming") == []
    assert daemon.alive()


def judge_shown(daemon, row):
    state, reason = row["shown"].split()
    uid = head_of(DATA / row["file"]).StudyInstanceUID
    study = daemon.wait_state(uid, state)
    assert study["reason"] == reason and study["state"] == state, (row, study["reason"])


class Scene:
    """A service that sends its reports to a PACS, with a good study between two halves of the bad and one after."""

    def __init__(self, start_daemon, start_pacs):
        self.pacs = start_pacs()
        self.daemon = start_daemon(peers=[self.pacs.peer()])
        self.good = []

    def send_good(self):
        study = ct_study(seed=len(self.good))
        send(self.daemon, study.objects)
        self.good.append(study)

    def good_acknowledged(self):
        return [(one.SOPInstanceUID, studies.encoded(one)) for study in self.good for one in study.objects]

    def judge_good(self):
        for study in self.good:
            shown = self.daemon.wait_reported(study.uid)
            assert shown["results"][0]["analysed"] is True
            assert len(self.pacs.of_study(study.uid)) == 1


def halves(things):
    middle = len(things) // 2
    return things[:middle], things[middle:]


# ---- the table ----

def test_the_table_has_a_row_for_every_file_and_a_file_for_every_row():
    found = {f"{folder}/{path.name}" for folder in FOLDERS for path in (DATA / folder).iterdir()}
    assert set(FILES) == found
    for file in FILES:
        first, *others = [row for row in TABLE if row["file"] == file]
        assert all(first[route] != "-" for route in ("raw", "storescu", "cli")), file
        assert all(row["storescu"] == row["cli"] == "-" for row in others), file


def test_our_own_sender_gets_every_answer_the_table_states(start_daemon, start_pacs):
    note_secrets(DATA / file for file in FILES)
    scene = Scene(start_daemon, start_pacs)
    daemon = scene.daemon
    sendings, responses = [sending_of(row) for row in TABLE], []
    for half in halves(sendings):
        responses += send_raw(daemon, half)
        scene.send_good()
    answers = {(one.row["file"], one.row["sent_as"]): f"{response.Status:04X}" if response else "no_context"
               for one, response in zip(sendings, responses)}
    assert answers == {(row["file"], row["sent_as"]): row["raw"] for row in TABLE}
    bad = [pair for pair in zip(sendings, responses) if pair[0].row["raw"] not in ("0000", "no_context")]
    rows = refused(daemon)
    assert len(rows) == len(bad)
    for (sending, response), row in zip(bad, rows):
        judge_refusal(sending, response, row)
    for row in TABLE:
        if row["raw"] == "0000":
            judge_shown(daemon, row)
    scene.judge_good()
    judge_kept(daemon, [(one.sop_uid, one.raw) for one in sendings if one.row["raw"] == "0000"] +
               scene.good_acknowledged())


def test_storescu_gets_every_answer_the_table_states(start_daemon, start_pacs, tmp_path):
    note_secrets(DATA / file for file in FILES)
    scene = Scene(start_daemon, start_pacs)
    daemon = scene.daemon
    rows = [row for row in TABLE if row["storescu"] != "-"]
    answers, said = {}, {}
    for half in halves(rows):
        for row in half:
            answers[row["file"]], said[row["file"]] = send_with_storescu(daemon, DATA / row["file"])
        scene.send_good()
    assert answers == {row["file"]: row["storescu"] for row in rows}
    assert [row["status"] for row in refused(daemon)] == [answer for answer in answers.values()
                                                           if answer not in ("0000", "local")]
    mirror = Mirror(tmp_path / "mirror")
    try:
        acknowledged = [(str(head_of(DATA / row["file"]).SOPInstanceUID), mirror.data_set(DATA / row["file"]))
                        for row in rows if row["storescu"] == "0000"]
    finally:
        mirror.stop()
    for row in rows:
        if row["storescu"] == "0000":
            judge_shown(daemon, row)
    scene.judge_good()
    judge_kept(daemon, acknowledged + scene.good_acknowledged())


def encode(file):
    done = subprocess.run([str(CLI), "encode", "--model", str(MODEL), "--json", str(DATA / file)], capture_output=True,
                          text=True, timeout=120 * TIME_FACTOR)
    return done.returncode, done.stdout, done.stderr


def test_the_command_line_gives_every_reason_the_table_states():
    rows = [row for row in TABLE if row["cli"] != "-"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(lambda row: encode(row["file"]), rows))
    reasons = {}
    for row, (status, out, complaint) in zip(rows, ends):
        assert status == (1 if row["cli"] == "no_dicom_files" else 0), (row["file"], complaint)
        result = json.loads(out)
        assert result["analysed"] is False and result["reason_text"], row["file"]
        reasons[row["file"]] = result["reason"]
    assert reasons == {row["file"]: row["cli"] for row in rows}


# ---- names ----

NAMED = [row for row in TABLE if row["name"] != "-"]


def name_bytes(path):
    """The name as it was sent, without the empty groups at its end, and the element that says how to read it."""
    source = head_of(path)
    return source.get_item("PatientName").value.rstrip(b" ="), source.get_item("SpecificCharacterSet")


def put_raw(data_set, tag, vr, raw):
    data_set[tag] = RawDataElement(Tag(tag), vr, len(raw), raw, 0, False, True)


def image_with_names(path, requested):
    """A CT image whose patient's name and study description are this file's name, to the byte, and whose request has
    a description in the character set of another."""
    (one,) = ct_study(slices=1).objects
    name, one["SpecificCharacterSet"] = name_bytes(path)
    put_raw(one, 0x00100010, "PN", name)
    put_raw(one, 0x00081030, "LO", name)
    request = pydicom.Dataset()
    name, request["SpecificCharacterSet"] = name_bytes(requested)
    put_raw(request, 0x00321060, "LO", name)
    request.RequestedProcedureID = "R1"
    one.RequestAttributesSequence = [request]
    return one


def test_pydicom_reads_the_names_as_the_table_has_them():
    assert {row["file"]: str(head_of(DATA / row["file"]).PatientName) for row in NAMED} == \
        {row["file"]: row["name"] for row in NAMED}


def test_names_in_every_character_set_reach_rest_and_report(start_daemon, start_pacs):
    studies.secrets.update(row["name"] for row in NAMED)
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()])
    requested = NAMED[1:] + NAMED[:1]
    images = {row["file"]: image_with_names(DATA / row["file"], DATA / other["file"])
              for row, other in zip(NAMED, requested)}
    send(daemon, list(images.values()))
    shown = {file: daemon.wait_reported(one.StudyInstanceUID)["description"] for file, one in images.items()}
    assert shown == {row["file"]: row["name"] for row in NAMED}
    for row, other in zip(NAMED, requested):
        (report,) = pacs.of_study(images[row["file"]].StudyInstanceUID)
        assert report.data_set.PatientName == row["name"], row["file"]
        assert report.data_set.StudyDescription == row["name"], row["file"]
        (request,) = report.data_set.ReferencedRequestSequence
        assert request.RequestedProcedureDescription == other["name"], (row["file"], other["file"])


def test_the_worker_reads_every_character_set_inside_its_sandbox(tmp_path):
    """As one study, so that one worker meets them all, its sandbox closed before the first."""
    uid, descriptions = pydicom.uid.generate_uid(), {}
    for number, row in enumerate(NAMED):
        (one,) = ct_study(slices=1).objects
        name, one["SpecificCharacterSet"] = name_bytes(DATA / row["file"])
        put_raw(one, 0x0008103E, "LO", name)
        one.StudyInstanceUID = uid
        one.save_as(tmp_path / f"{number}.dcm", write_like_original=False)
        descriptions[str(one.SeriesInstanceUID)] = row["name"]
    status, out, complaint = encode(tmp_path)
    assert status == 0, complaint
    shown = {one["series_uid"]: one["description"] for one in json.loads(out)["input"]["series"]}
    assert shown == descriptions
