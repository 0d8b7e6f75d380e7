"""The commands that ask the daemon, against a stand-in that records what it is asked and answers as told."""
import hashlib
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time

import pytest

from service import CLI, ROOT, free_port


class StandIn(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization")))
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *arguments):
        pass


@pytest.fixture
def daemon():
    server = http.server.HTTPServer(("127.0.0.1", 0), StandIn)
    server.asked, server.answer = [], (200, b"{}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def cli(daemon, *arguments, **environment):
    url = f"http://127.0.0.1:{daemon.server_address[1]}"
    return subprocess.run([str(CLI), *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "CARDIOSCRIBE_URL": url, **environment})


def test_each_command_asks_its_one_question(daemon):
    daemon.answer = (200, json.dumps({"studies": [], "events": [], "refusals": []}).encode())
    for arguments, question in ((("status",), ("GET", "/readyz")), (("studies",), ("GET", "/api/v1/studies")),
                                (("study", "7"), ("GET", "/api/v1/studies/7")),
                                (("events", "7"), ("GET", "/api/v1/studies/7/events")),
                                (("force", "1.2.3"), ("POST", "/api/v1/studies/1.2.3/force")),
                                (("retry", "9"), ("POST", "/api/v1/deliveries/9/retry")),
                                (("refusals",), ("GET", "/api/v1/refusals"))):
        done = cli(daemon, *arguments)
        assert done.returncode == 0, (arguments, done.stderr)
        assert daemon.asked.pop()[:2] == question


def test_what_the_user_types_is_escaped(daemon):
    daemon.answer = (200, b'{"studies": []}')
    cli(daemon, "studies", "--accession", "A&B=1 ?", "--state", "parked")
    assert daemon.asked.pop()[1] == "/api/v1/studies?accession=A%26B%3D1%20%3F&state=parked"
    cli(daemon, "events", "../../readyz")
    assert daemon.asked.pop()[1] == "/api/v1/studies/..%2F..%2Freadyz/events"


def test_the_token_is_sent_and_its_file_checked(daemon, tmp_path):
    token, other = tmp_path / "token", tmp_path / "other"
    for path, text in ((token, "secret-1\n"), (other, "secret-2\n")):
        path.write_text(text)
        path.chmod(0o600)
    assert cli(daemon, "status", "--token-file", token).returncode == 0
    assert daemon.asked.pop()[2] == "Bearer secret-1"
    assert cli(daemon, "status", CARDIOSCRIBE_TOKEN_FILE=str(other)).returncode == 0
    assert daemon.asked.pop()[2] == "Bearer secret-2"
    assert cli(daemon, "status", "--token-file", token, CARDIOSCRIBE_TOKEN_FILE=str(other)).returncode == 0
    assert daemon.asked.pop()[2] == "Bearer secret-1"
    token.write_text("two\nlines\n")
    assert cli(daemon, "status", "--token-file", token).returncode == 1
    assert cli(daemon, "status", "--token-file", tmp_path / "none").returncode == 1
    for mode in (0o640, 0o604, 0o620):
        other.chmod(mode)
        done = cli(daemon, "status", "--token-file", other)
        assert done.returncode == 1 and "chmod 600" in done.stderr and "secret" not in done.stderr
    assert daemon.asked == []


def test_a_token_is_made_once_with_its_digest(tmp_path):
    made = set()
    for _ in range(3):
        done = subprocess.run([str(CLI), "token"], capture_output=True, text=True, timeout=60)
        token, line = done.stdout.splitlines()
        assert done.returncode == 0 and re.fullmatch(r"cardioscribe-[0-9a-f]{64}", token)
        assert line == f"token_sha256 = {hashlib.sha256(token.encode()).hexdigest()}" and token not in done.stderr
        made.add(token)
    assert len(made) == 3


@pytest.mark.parametrize("arguments", [("token",), ("status",), ("study", "7", "--json"),
                                       ("tokenize", "--model", ROOT / "models" / "demo-ct", "heart")])
def test_an_answer_that_cannot_be_written_is_a_failure(arguments, daemon):
    url = f"http://127.0.0.1:{daemon.server_address[1]}"
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(CLI), *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=60, env={**os.environ, "CARDIOSCRIBE_URL": url})
    assert done.returncode == 1 and done.stderr.count("the output cannot be written") == 1


def test_a_token_goes_into_a_file_of_its_own(tmp_path):
    path = tmp_path / "token"

    def make(*arguments, umask=0):
        return subprocess.run([str(CLI), "token", *map(str, arguments)], capture_output=True, text=True, timeout=60,
                              umask=umask)
    done = make("--out", path)
    token = path.read_text()
    assert done.returncode == 0 and path.stat().st_mode & 0o777 == 0o600
    assert done.stdout == f"token_sha256 = {hashlib.sha256(token.strip().encode()).hexdigest()}\n"
    assert token.strip() not in done.stdout + done.stderr
    again = make("--out", path)  # never over a token that may be in use
    assert again.returncode == 1 and again.stdout == "" and path.read_text() == token
    assert make("--out", tmp_path / "none" / "token").returncode == 1
    assert make("--out").returncode == 2 and make("--url", "x").returncode == 2 and make("more").returncode == 2
    full = make("--out", "/dev/full")
    assert full.returncode == 1 and full.stdout == ""


def test_a_list_is_a_table_and_json_is_raw(daemon):
    body = json.dumps({"studies": [{"id": 3, "state": "declined", "reason": "too_few_slices", "study_uid": "1.2"}]})
    daemon.answer = (200, body.encode())
    lines = cli(daemon, "studies").stdout.splitlines()
    assert lines[0].split() == ["ID", "STATE", "REASON", "STUDY", "UID"]
    assert lines[1].split() == ["3", "declined", "too_few_slices", "1.2"]
    assert cli(daemon, "studies", "--json").stdout == body + "\n"


def test_errors_are_told_with_their_text(daemon):
    daemon.answer = (404, b'{"error": {"code": "not_found", "text": "no such study"}}')
    for command in (("study", 1), ("events", 1), ("report", 1), ("force", 1), ("retry", 1), ("studies",)):
        done = cli(daemon, *command)
        assert done.returncode == 1 and "404" in done.stderr and "no such study" in done.stderr, command
    daemon.answer = (200, b"\x00\xff no JSON")
    assert cli(daemon, "studies").returncode == 1


def test_not_ready_is_told_part_by_part(daemon):
    daemon.answer = (503, b'{"ready": false, "checks": {"database": {"ok": true}, "models": {"ok": false}}}')
    done = cli(daemon, "status")
    assert done.returncode == 1
    assert "NOT ready" in done.stdout and "checks.models.ok" in done.stdout


def test_a_report_goes_to_its_file_or_is_refused_as_text(daemon, tmp_path):
    daemon.answer = (200, b"bytes \x00 of a report")
    assert cli(daemon, "report", 1, "--out", tmp_path / "r.dcm").returncode == 0
    assert (tmp_path / "r.dcm").read_bytes() == daemon.answer[1]
    assert cli(daemon, "report", 1).returncode == 1


def test_a_report_shows_as_text(daemon, tmp_path):
    shared = pathlib.Path(os.environ.get("CARDIOSCRIBE_SHARED", ROOT.parent / "shared")) / "data" / "sr"
    reports = sorted(shared.glob("*.dcm")) if shared.is_dir() else []
    if not reports:
        pytest.skip("no real reports beside the checkout")
    shown = 0
    for path in reports:
        daemon.answer = (200, path.read_bytes())
        done = cli(daemon, "report", 1)  # decodes as UTF-8, or this fails
        shown += done.returncode == 0 and "\x1b" not in done.stdout and len(done.stdout.splitlines()) > 3
    assert shown > len(reports) // 2


@pytest.mark.skipif(not shutil.which("storescp"), reason="no storescp")
def test_echo_reaches_an_scp_nobody_here_wrote(tmp_path):
    port = free_port()
    scp = subprocess.Popen(["storescp", "-aet", "CARDIOSCRIBE", "-od", str(tmp_path), str(port)])
    try:
        for _ in range(50):
            done = subprocess.run([str(CLI), "echo", "--port", str(port)], capture_output=True, text=True, timeout=60)
            if done.returncode != 3:
                break
            time.sleep(0.1)
        assert done.returncode == 0, done.stderr
    finally:
        scp.terminate()
        scp.wait()
    done = subprocess.run([str(CLI), "echo", "--port", str(port)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
