"""A DICOM peer of bare bytes, which can stop, vanish and lie at any place of the conversation."""
import io
import socket
import struct

from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import P_DATA_TF

import studies
from service import SENDER, TIME_FACTOR

REJECT, ACCEPT, DATA, ABORT = 3, 2, 4, 7
CONTEXT = 1


def item(kind, content):
    return struct.pack(">BBH", kind, 0, len(content)) + content


def request(called="CARDIOSCRIBE", calling=SENDER, sop_class=studies.CT, syntax=ExplicitVRLittleEndian):
    """An A-ASSOCIATE-RQ of one presentation context. source: PS3.8 9.3.2"""
    context = bytes([CONTEXT, 0, 0, 0]) + item(0x30, sop_class.encode()) + item(0x40, syntax.encode())
    user = item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3.4")
    body = struct.pack(">HH", 1, 0) + called.ljust(16).encode() + calling.ljust(16).encode() + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x20, context) + item(0x50, user)
    return struct.pack(">BBI", 1, 0, len(body)) + body


def store(one, pdu_bytes=16384):
    """The PDUs of a C-STORE-RQ and its data set: the first is the command."""
    message = C_STORE()
    message.MessageID, message.Priority = 1, 2
    message.AffectedSOPClassUID, message.AffectedSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
    message.DataSet = io.BytesIO(studies.encoded(one))
    command = C_STORE_RQ()
    command.primitive_to_message(message)
    pdus = []
    for primitive in command.encode_msg(CONTEXT, pdu_bytes):
        pdu = P_DATA_TF()
        pdu.from_primitive(primitive)
        pdus.append(pdu.encode())
    return pdus


class RawPeer:
    """A connection; `agree` makes it an association."""

    def __init__(self, daemon):
        self.socket = socket.create_connection(("127.0.0.1", daemon.port), timeout=30 * TIME_FACTOR)
        self.port = self.socket.getsockname()[1]

    def send(self, raw):
        self.socket.sendall(raw)

    def agree(self, **options):
        self.send(request(**options))
        kind, body = self.read()
        assert kind == ACCEPT, (kind, body)
        return self

    def read(self):
        """The next PDU: its type and the rest; (None, b"") when the other end has closed."""
        head = self.exactly(6)
        return (head[0], self.exactly(int.from_bytes(head[2:], "big"))) if head else (None, b"")

    def exactly(self, size):
        got = b""
        while len(got) < size:
            try:
                piece = self.socket.recv(size - len(got))
            except ConnectionError:
                return b""
            if not piece:
                return b""
            got += piece
        return got

    def ended(self):
        """Wait until the other end gives up: True when it said so with an A-ABORT first."""
        kind, aborted = 0, False
        while kind is not None:
            kind, _ = self.read()
            aborted = aborted or kind == ABORT
        return aborted

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
