"""The daemon under test: the real binary with a configuration of its own, in a folder of its own.

BUILD_DIR names the build folder (default: build). TIME_FACTOR multiplies every time limit, for slow builds.
"""
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build")).resolve()
DAEMON = BUILD / "daemon" / "cardioscribed"
CLI = BUILD / "cli" / "cardioscribe"
MODEL = ROOT / "models" / "demo-ct"
SHARED = pathlib.Path(os.environ.get("CARDIOSCRIBE_SHARED", ROOT.parent / "shared"))
DATA = SHARED / "data"
TIME_FACTOR = float(os.environ.get("TIME_FACTOR", "1"))
FULL = os.environ.get("FULL") == "1"
SENDER = "SENDER"  # the calling AE title of test senders
SANITIZER_MARKS = ("ERROR: AddressSanitizer", "runtime error:", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer")

# Worker k of at most 12 takes its ports from a thousand of its own: nobody else's free port is tried between the
# look and the bind. They lie below the range from which the kernel takes those of outgoing connections.
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 12
_ports = random.sample(range(20000 + 1000 * _worker, 21000 + 1000 * _worker), 1000)


def has_shadow_memory():
    """The address or thread sanitizer is in the programs: their memory cannot be bounded."""
    return any(mark in DAEMON.read_bytes() for mark in (b"__asan_init", b"__tsan_init"))



def free_port():
    """Nobody listens there, and no other test of this run is given it."""
    for _ in range(len(_ports)):
        port = _ports.pop()
        _ports.insert(0, port)  # long ended when its turn comes again
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no free port")


def wait_for(what, look, limit_s=20, step_s=0.05):
    """The first true value of look(); fails with a sentence when the time is over."""
    until = time.monotonic() + limit_s * TIME_FACTOR
    while True:
        value = look()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"waited {limit_s * TIME_FACTOR:.0f} s in vain: {what}; last seen: {value!r}")
        time.sleep(step_s)


def data_set_bytes(path):
    """What follows the file meta information of a Part 10 file."""
    raw = pathlib.Path(path).read_bytes()
    assert raw[128:132] == b"DICM" and raw[132:140] == b"\x02\x00\x00\x00UL\x04\x00", path
    return raw[144 + int.from_bytes(raw[140:144], "little"):]


class Daemon:
    """One cardioscribed. Keys are overridden as {"assembly.study_quiet_s": 5}; peers and models are lists of
    dicts with a name each, and replace the defaults; a peer may say that it is of another kind."""

    def __init__(self, folder, keys=(), peers=(), models=None, environment=None, state=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = pathlib.Path(state) if state else self.folder / "state"
        self.state.mkdir(exist_ok=True)
        self.port, self.api_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.api_port}"
        self.ae_title = "CARDIOSCRIBE"
        self.peers = [{"name": "sender", "ae_title": SENDER, "address": "127.0.0.1", "may_store": "yes"}, *peers]
        self.models = [{"name": "demo-ct", "folder": MODEL}] if models is None else models
        self.environment = environment or {}
        self.keys = {
            "service.state_folder": self.state,
            "service.codes_file": ROOT / "conf" / "codes.json",
            "listener.address": "127.0.0.1", "listener.port": self.port,
            "listener.max_associations_per_peer": 32,
            "assembly.series_quiet_s": 1, "assembly.study_quiet_s": 1,
            "pool.threads": 1, "pool.job_timeout_s": int(120 * TIME_FACTOR),
            "delivery.backoff_first_s": 1, "delivery.backoff_max_s": 4, "delivery.connect_timeout_s": 3,
            "storage.reserve_mb": 1,
            "api.port": self.api_port,
            **dict(keys),
        }
        self.process = None
        self.log_path = self.folder / "daemon.log"
        self.started = 0

    # ---- the process ----

    def write_configuration(self):
        sections = {}
        for key, value in self.keys.items():
            section, name = key.split(".")
            sections.setdefault(section, {})[name] = value
        lines = []
        named = [(f'{one.get("kind", "peer")} "{one["name"]}"', one) for one in self.peers]
        named += [(f'model "{one["name"]}"', one) for one in self.models]
        for section, keys in [*sections.items(), *named]:
            lines.append(f"[{section}]")
            lines += [f"{key} = {value}" for key, value in keys.items() if key not in ("kind", "name")]
        path = self.folder / "cardioscribed.conf"
        path.write_text("\n".join(lines) + "\n")
        return path

    def launch(self):
        """Start the process without waiting for it."""
        with open(self.log_path, "ab") as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen([str(DAEMON), "-c", str(self.write_configuration())], stdout=log,
                                            stderr=log, env={**os.environ, **self.environment})
        self.started += 1
        return self

    def start(self):
        self.launch()
        wait_for("the daemon is ready", self.ready, 60)
        return self

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log()}")
        if any(mark in self.log(this_start_only=True) for mark in SANITIZER_MARKS):
            raise AssertionError("a sanitizer complains:\n" + self.log(this_start_only=True)[:4000])
        try:
            return requests.get(self.url + "/readyz", timeout=10 * TIME_FACTOR).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self, limit_s=60):
        """SIGTERM, and its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(limit_s * TIME_FACTOR)

    def stop(self):
        if self.alive():
            try:
                self.terminate()
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("the daemon did not end after SIGTERM:\n" + self.log()[-3000:])

    def log(self, this_start_only=False):
        raw = self.log_path.read_bytes() if self.log_path.exists() else b""
        return raw[self.log_start if this_start_only else 0:].decode("utf-8", "replace")

    # ---- what the administrator sees ----

    def get(self, path, **parameters):
        answer = requests.get(self.url + path, params=parameters, timeout=30 * TIME_FACTOR)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def post(self, path):
        return requests.post(self.url + path, timeout=30 * TIME_FACTOR)

    def studies(self, **parameters):
        return self.get("/api/v1/studies", **parameters)["studies"]

    def study(self, uid):
        """The study as REST shows it, or None."""
        answer = requests.get(f"{self.url}/api/v1/studies/{uid}", timeout=30 * TIME_FACTOR)
        assert answer.status_code in (200, 404), answer.text
        return answer.json() if answer.status_code == 200 else None

    def state_of(self, uid):
        study = self.study(uid)
        return study["state"] if study else None

    def wait_state(self, uid, *states, revision=None, limit_s=40):
        def look():
            study = self.study(uid)
            return study and study["state"] in states and (revision in (None, study["revision"])) and study
        try:
            return wait_for(f"study in {states}, revision {revision}", look, limit_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\nstudy: {json.dumps(self.study(uid), indent=1)[:3000]}\n{self.log()[-3000:]}")

    def wait_reported(self, uid, revision=1, reports=1, limit_s=40):
        """The study once so many reports of a revision have reached every place they go to."""
        def look():
            study = self.study(uid)
            sent = [one["state"] for one in study["deliveries"] if one["revision"] == revision] if study else []
            return len(sent) >= reports and set(sent) == {"delivered"} and study
        return wait_for(f"{reports} reports of revision {revision} delivered", look, limit_s)

    def refusals(self):
        return self.get("/api/v1/refusals")["refusals"]

    def cli(self, *arguments):
        return subprocess.run([str(CLI), *map(str, arguments)], capture_output=True, text=True,
                              timeout=60 * TIME_FACTOR, env={**os.environ, "CARDIOSCRIBE_URL": self.url})

    # ---- what lies in the state folder ----

    def files(self, room):
        """Every file in incoming, objects or reports."""
        folder = self.state / room
        return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []

    def stored(self):
        """Data sets in objects/ by SOP Instance UID: a list of bytes each."""
        import pydicom
        found = {}
        for path in self.files("objects"):
            uid = str(pydicom.filereader.read_file_meta_info(path).MediaStorageSOPInstanceUID)
            found.setdefault(uid, []).append(data_set_bytes(path))
        return found

    def rows(self, question, *values):
        """Look into the database of a daemon, running or not; nothing is changed."""
        import sqlite3
        connection = sqlite3.connect(f"file:{self.state}/cardioscribe.db?mode=ro", uri=True, timeout=30)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(question, values)]
        finally:
            connection.close()
