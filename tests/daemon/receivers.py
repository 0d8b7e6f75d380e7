"""Who receives annotations: an MLLP receiver and an HTTP server, with parsers nobody here wrote (hl7apy, json); and
what a report, a message and an event say, item by item, in one form."""
import hashlib
import hmac
import http.server
import json
import re
import socket
import ssl
import threading

from hl7apy.parser import parse_message

from service import free_port

START, END = b"\x0b", b"\x1c\r"


class MllpReceiver:
    """Takes one message a connection or more. `answer(control_id, number)` gives the code of the answer, bytes to send as
    they are, or None to keep silent. Everything that arrived is in `messages`, as bytes."""

    def __init__(self, answer=None, listen=True, certificate=None):
        self.answer = answer or (lambda control_id, number: "CA")
        self.certificate = certificate  # (certificate, key)
        self.port, self.messages, self.connections, self.server = free_port(), [], [], None
        if listen:
            self.listen()

    def section(self, **more):
        return {"kind": "hl7", "name": "broker", "address": "127.0.0.1", "port": self.port, **more}

    def listen(self):
        self.server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self.server,), daemon=True).start()

    def _accept(self, server):
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        self.connections.append(connection)
        try:
            if self.certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self.certificate)
                connection = context.wrap_socket(connection, server_side=True)
            self._messages(connection)
        except OSError:
            pass

    def _messages(self, connection):
        came = b""
        while True:
            more = connection.recv(65536)
            if not more:
                return
            came += more
            while END in came:
                message, came = came.split(END, 1)
                assert message.startswith(START) and message.count(START) == 1
                self._take(connection, message[1:])

    def _take(self, connection, message):
        number = len(self.messages)
        self.messages.append(message)
        control_id = message.split(b"|")[9].decode()
        answer = self.answer(control_id, number)
        if isinstance(answer, str):
            answer = acknowledgement(answer, control_id)
        if answer:
            connection.sendall(answer)

    def stop(self):
        if self.server:
            self.server.close()
        for connection in self.connections:
            connection.close()


def acknowledgement(code, control_id, words=""):
    return START + (f"MSH|^~\\&|BROKER||CARDIOSCRIBE||20260101120000||ACK^R01^ACK|9{control_id}|P|2.5.1\r"
                    f"MSA|{code}|{control_id}|{words}\r").encode() + END


class Hook:
    """An HTTP server. `status(number)` gives the answer's; requests are (headers, body) in `requests`."""

    def __init__(self, folder, status=None, secret=b"a secret of many bytes"):
        self.status = status or (lambda number: 204)
        self.port, self.requests, self.secret = free_port(), [], secret
        self.secret_file = folder / "secret"
        self.secret_file.write_bytes(secret + b"\n")
        self.secret_file.chmod(0o600)
        hook = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.requests.append((self.path, self.headers, body))
                self.send_response(hook.status(len(hook.requests) - 1))
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def section(self, **more):
        return {"kind": "webhook", "name": "hook", "url": f"http://127.0.0.1:{self.port}/results?site=1",
                "secret_file": self.secret_file, **more}

    def signed(self, request):
        """As docs/annotations.md tells a receiver to check it."""
        _, headers, body = request
        text = headers["X-Cardioscribe-Timestamp"].encode() + b"." + body
        wanted = "v1=" + hmac.new(self.secret, text, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted, headers["X-Cardioscribe-Signature"])

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


# ---- one form for the three: (place, type, name, value), code (value, scheme, meaning) ----

def sr_code(sequence):
    return (sequence[0].CodeValue, sequence[0].CodingSchemeDesignator, sequence[0].CodeMeaning) if sequence else None


def sr_value(item):
    if item.ValueType == "CODE":
        return sr_code(item.ConceptCodeSequence)
    if item.ValueType == "TEXT":
        return item.TextValue
    if item.ValueType == "NUM":
        measured = item.MeasuredValueSequence[0]
        return f"{float(measured.NumericValue):.9e}", sr_code(measured.MeasurementUnitsCodeSequence)
    if item.ValueType == "UIDREF":
        return str(item.UID)
    reference = item.ReferencedSOPSequence[0]
    return reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID, int(reference.get("ReferencedFrameNumber", 0))


def sr_items(item, place=""):
    for number, child in enumerate(item.get("ContentSequence", []), 1):
        here = f"{place}.{number}" if place else str(number)
        if child.ValueType != "CONTAINER":
            yield here, child.ValueType, sr_code(child.get("ConceptNameCodeSequence")), sr_value(child)
        yield from sr_items(child, here)


TYPES = {"CWE": "CODE", "TX": "TEXT", "NM": "NUM", "ST": "UIDREF", "RP": "IMAGE"}
ESCAPED = {"F": "|", "S": "^", "T": "~", "R": "~", "E": "\\", ".br": "\n"}


def plain(text):
    """source: HL7 v2.5.1 2.7.1; R is repetition (~), T the subcomponent (&)."""
    return re.sub(r"\\(\.br|[FSTRE])\\", lambda found: {**ESCAPED, "T": "&"}[found.group(1)], text)


def hl7_code(field):
    value, meaning, scheme = (plain(part) for part in field.split("^"))
    return value, scheme, meaning


def hl7_value(kind, value, units):
    if kind == "CODE":
        return hl7_code(value)
    if kind == "NUM":
        assert re.fullmatch(r"-?\d+(\.\d+)?", value), value
        return f"{float(value):.9e}", hl7_code(units)
    if kind == "IMAGE":
        pointer, application, what, subtype = value.split("^")
        uid, _, frame = pointer.partition("/frames/")
        assert (what, subtype) == ("IM", "DICOM") and application.split("&")[::2] == ["", "ISO"]
        return application.split("&")[1], uid, int(frame or 0)
    return plain(value)


def parsed(message):
    return parse_message(message.decode("utf-8"), find_groups=False)


def is_oru_r01(message):
    """Segments in the order and number that version 2.5.1 has for ORU^R01, fields of their types."""
    whole = parse_message(message.decode("utf-8"), find_groups=True)
    return whole.name == "ORU_R01" and whole.validate()


def field(segment, number):
    """As hl7apy reads it."""
    return getattr(segment, f"{segment.name.lower()}_{number}").to_er7()


def hl7_items(message):
    for obx in parsed(message).obx:
        place = field(obx, 4)
        if place:
            kind, name = TYPES[field(obx, 2)], hl7_code(field(obx, 3))
            name = None if name == ("IMAGE", "99CARDIOSCRIBE", "Image reference") else name
            yield place, kind, name, hl7_value(kind, field(obx, 5), field(obx, 6))


def json_code(code):
    return code and (code["value"], code["scheme"], code["meaning"])


def json_value(item):
    if item["type"] == "NUM":
        return f"{item['number']:.9e}", json_code(item["unit"])
    if item["type"] == "IMAGE":
        return item["sop_class"], item["sop_uid"], item["frame"]
    return json_code(item["code"]) if item["type"] == "CODE" else item.get("text", item.get("uid"))


def json_items(items, place=""):
    for number, item in enumerate(items, 1):
        here = f"{place}.{number}" if place else str(number)
        if item["type"] != "CONTAINER":
            yield here, item["type"], json_code(item["name"]), json_value(item)
        yield from json_items(item.get("items", []), here)


def event_of(request):
    return json.loads(request[2])
