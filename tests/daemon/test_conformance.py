"""docs/conformance.md says what the service does: its tables are compared with the running listener and sender, with
the code's own tables, and with the keys of the configuration."""
import re
import subprocess

import pytest
from pydicom._uid_dict import UID_dictionary
from pynetdicom import AE, build_role, evt

from counterparts import Sender, send
from service import CLI, DAEMON, ROOT, free_port
from studies import COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, CT, ENHANCED_SR, ct_study

EXPLICIT, IMPLICIT, VERIFICATION = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.1"
AT_ONCE = 120  # contexts of one association: 128 at most


def sections():
    """Heading -> text of the statement."""
    text = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    parts = re.split(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def rows(section):
    """Cells of every table row of a section, without heads."""
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in sections()[section].split("\n")
             if line.startswith("|")]
    return [row for row, below in zip(found, found[1:] + [[]]) if not set("".join(row)) <= {"-"} and
            not (below and set("".join(below)) <= {"-"})]


def uids(section):
    return {row[1] for row in rows(section) if re.fullmatch(r"[\d.]+", row[1])}


def classes():
    """Analysed, and kept beside a study."""
    return uids("3.2 SOP classes"), uids("Annex A: classes kept beside a study")


def known_classes():
    """Every SOP class anyone here has heard of, and some that nobody has."""
    of_pydicom = {uid for uid, entry in UID_dictionary.items() if "SOP Class" in entry[1]}
    near = {f"{uid}.{more}" for uid in (CT, "1.2.840.10008.5.1.4.1.1.66", "1.2.840.10008.5.1.4.1.1.200")
            for more in range(1, 12)}
    return of_pydicom | near | set().union(*classes()) | {"1.2.840.113619.4.30", "1.3.46.670589.11.0.0.12.1"}


def accepted(daemon, proposals):
    """Of (class, [syntaxes]): the (class, syntax) that the listener takes. Verification is proposed with all of them,
    because pynetdicom gives an association up in which nothing is taken."""
    taken, asked = set(), {sop_class for sop_class, _ in proposals}
    for start in range(0, len(proposals), AT_ONCE):
        entity = AE("SENDER")
        for sop_class, syntaxes in [(VERIFICATION, [EXPLICIT]), *proposals[start:start + AT_ONCE]]:
            entity.add_requested_context(sop_class, syntaxes)
        association = entity.associate("127.0.0.1", daemon.port, ae_title=daemon.ae_title)
        assert association.is_established
        taken |= {(str(one.abstract_syntax), str(one.transfer_syntax[0])) for one in association.accepted_contexts
                  if one.abstract_syntax in asked}
        association.release()
    return taken


def test_r14_the_listener_takes_the_classes_of_the_statement_and_no_other(start_daemon):
    analysed, beside = classes()
    assert len(analysed) == 6 and len(beside) > 150 and not analysed & beside
    proposals = [(uid, [EXPLICIT, IMPLICIT]) for uid in sorted(known_classes())]
    assert len(proposals) > 300
    taken = accepted(start_daemon(), proposals)
    assert {uid for uid, _ in taken} == analysed | beside | {VERIFICATION}
    assert {syntax for _, syntax in taken} == {EXPLICIT}


def test_without_other_classes_the_listener_takes_those_that_are_analysed(start_daemon):
    daemon = start_daemon(keys={"listener.accept_other": "no"})
    taken = accepted(daemon, [(uid, [EXPLICIT]) for uid in sorted(set().union(*classes()))])
    assert {uid for uid, _ in taken} == classes()[0]


def test_the_listener_takes_the_transfer_syntaxes_of_the_statement_in_its_order(start_daemon):
    order = [row[1] for row in rows("3.3 Transfer syntaxes")]
    every = {uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"}
    every |= {f"1.2.840.10008.1.2.4.{last}" for last in (*range(50, 130), *range(201, 207))}
    daemon = start_daemon()
    taken = {syntax for syntax in every | set(order) if (CT, syntax) in accepted(daemon, [(CT, [syntax])])}
    assert taken == set(order)
    for at in range(len(order)):
        assert accepted(daemon, [(CT, order[:at - 1:-1] if at else order[::-1])]) == {(CT, order[at])}


def test_the_listener_names_itself_as_the_statement_does(start_daemon):
    named = dict(row for row in rows("1. Overview") if len(row) == 2)
    daemon = start_daemon()
    with Sender(daemon, [(VERIFICATION, EXPLICIT)]) as sender:
        acceptor = sender.association.acceptor
        assert named["Implementation Class UID"].split()[0] == acceptor.implementation_class_uid
        assert named["Implementation Version Name"] == acceptor.implementation_version_name
        assert named["Application Context Name"] == acceptor.primitive.application_context_name
        assert acceptor.maximum_length == 131072
        assert acceptor.asynchronous_operations == (1, 1)


def test_nothing_is_negotiated_beyond_contexts(start_daemon):
    entity = AE("SENDER")
    entity.add_requested_context(CT, EXPLICIT)
    association = entity.associate("127.0.0.1", start_daemon().port, ae_title="CARDIOSCRIBE",
                                   ext_neg=[build_role(CT, scu_role=True, scp_role=True)])
    assert association.is_established
    assert not association.acceptor.role_selection and not association.acceptor.user_identity
    association.release()


class Observer:
    """A destination that notes what is proposed to it and takes everything."""

    def __init__(self):
        self.proposed, self.stored, self.port = [], [], free_port()
        self.entity = AE("OBSERVER")
        for sop_class in (COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR, VERIFICATION):
            self.entity.add_supported_context(sop_class, [EXPLICIT, IMPLICIT])
        self.server = self.entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=[
            (evt.EVT_REQUESTED, self.note), (evt.EVT_C_STORE, self.store)])

    def note(self, event):
        self.proposed.append([(str(one.abstract_syntax), [str(syntax) for syntax in one.transfer_syntax])
                              for one in event.assoc.requestor.requested_contexts])

    def store(self, event):
        self.stored.append((str(event.request.AffectedSOPClassUID), str(event.context.transfer_syntax)))
        return 0x0000


@pytest.fixture
def observer():
    one = Observer()
    yield one
    one.server.shutdown()


def test_reports_are_proposed_as_the_statement_says(start_daemon, observer):
    daemon = start_daemon(peers=[{"name": "observer", "ae_title": "OBSERVER", "address": "127.0.0.1",
                                  "port": observer.port, "receives_results": "yes"}])
    study = ct_study()
    send(daemon, study.objects)
    daemon.wait_state(study.uid, "delivered")
    stated = [(row[1], row[2].split(", ")) for row in rows("4.2 Storage of reports") if len(row) == 3]
    assert observer.proposed == [stated] and len(stated) == 3
    assert observer.stored == [(stated[0][0], EXPLICIT)]


def test_echo_is_proposed_as_the_statement_says(observer):
    done = subprocess.run([str(CLI), "echo", "--host", "127.0.0.1", "--port", str(observer.port), "--called",
                           "OBSERVER"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert observer.proposed == [[(VERIFICATION, [EXPLICIT, IMPLICIT])]]


def test_statuses_are_those_of_the_code():
    header = (ROOT / "modules" / "dicom" / "dicom_net.h").read_text()
    ours = {code for code in re.findall(r"= 0x([0-9A-F]{4})\b", header[:header.index("A-ASSOCIATE-RJ")])}
    assert {row[0] for row in rows("3.4 Storage")} == ours and len(ours) == 8
    source = (ROOT / "daemon" / "outcome.c").read_text()
    told = {code for row in rows("4.2 Storage of reports") if len(row) == 2
            for code in re.findall(r"\b[0-9A-FB]{4}\b", row[0])}
    assert told == set(re.findall(r"case 0x([0-9A-F]{4}):", source)) and len(told) == 8


def test_rejections_are_those_of_the_code():
    header = (ROOT / "modules" / "dicom" / "dicom_net.h").read_text()
    ours = {tuple(numbers.split(",")) for numbers in re.findall(r"/\* (\d,\d,\d)", header)}
    told = {tuple(row[1].split(",")) for row in rows("3.1 Associations") if re.fullmatch(r"\d,\d,\d", row[1])}
    assert told <= ours and ours - told <= {("2", "3", "1")}


def keys_of_the_service():
    printed = subprocess.run([str(DAEMON), "--print-keys"], capture_output=True, text=True, check=True, timeout=30)
    return [line.split("\t") for line in printed.stdout.splitlines()]


def test_defaults_are_those_of_the_configuration():
    table = {f"{section}.{key}": default for section, key, _, default, *_ in keys_of_the_service()}
    stated = {key.strip("`"): value for key, value in rows("5. Configuration")}
    assert len(stated) > 10
    assert stated == {key: table.get(key) for key in stated}


def test_every_key_that_is_named_is_one():
    keys = {row[1] for row in keys_of_the_service()}
    named = {word for text in sections().values()
             for word in re.findall(r"`(?:\w+\.)?([a-z]+(?:_[a-z]+)+)(?: = \w+)?`", text)}
    assert len(named) > 8
    assert named <= keys, named - keys


def test_names_of_classes_are_the_standards():
    for section in ("3.2 SOP classes", "Annex A: classes kept beside a study"):
        for name, uid in rows(section):
            if uid in UID_dictionary:
                assert name.replace(" (retired)", "") == UID_dictionary[uid][0].replace(" SOP Class", ""), uid
