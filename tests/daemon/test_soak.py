"""Twenty thousand objects, four associations at once, the encoder running: nothing is lost, and memory stays where it
was. Only with FULL=1."""
import concurrent.futures
import pathlib
import re
import shutil
import threading
import time

import numpy as np
import pydicom
import pytest
import requests

import studies
from counterparts import dcmsend
from service import FULL, data_set_bytes, has_shadow_memory, wait_for
from studies import Study, phantom
from test_worker_faults import children

STUDIES, SLICES, SENDERS, WORKERS = 200, 100, 4, 2
OBJECTS = STUDIES * SLICES
WARM_UP = OBJECTS // 10  # libraries, caches and every thread's heap are there by then
AHEAD = 3 * SENDERS  # studies sent and not yet analysed, at most: so the encoder runs all the while
MOST_MB_PER_1000 = 1.0
ROOT_UID = "1.2.826.0.1.3680043.8.498"  # pydicom's

pytestmark = [
    pytest.mark.skipif(not FULL, reason="FULL=1 asks for it"),
    pytest.mark.skipif(FULL and has_shadow_memory(), reason="a sanitizer's memory grows by itself"),
]


class Template:
    """One study as files; the others are the same bytes under UIDs of the same length, and differ in a pixel."""

    def __init__(self, folder):
        study = Study("CT")
        frame = self.uid(0, 99998)
        for z, plane in enumerate(phantom(SLICES, 32, 32)):
            one = study.slice(plane, z, self.uid(0, 99999), frame)
            one.StudyInstanceUID = self.uid(0, 0)
            one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = self.uid(0, z + 1)
        paths = study.write(folder)
        self.files = [path.read_bytes() for path in paths]
        self.starts = [path.stat().st_size - len(data_set_bytes(path)) for path in paths]
        studies.secrets.update(self.uid(number, 0) for number in range(1, STUDIES + 1))

    @staticmethod
    def uid(study, item):
        return f"{ROOT_UID}.1{study:05}.1{item:05}"

    def data(self, study, item):
        """One object's file; items count from 0."""
        return self.files[item].replace(f"{ROOT_UID}.100000.".encode(), f"{ROOT_UID}.1{study:05}.".encode())[:-2] + \
            study.to_bytes(2, "little")

    def data_set(self, study, item):
        return self.data(study, item)[self.starts[item]:]

    def write(self, study, folder):
        folder.mkdir()
        for item in range(SLICES):
            (folder / f"{item:04}.dcm").write_bytes(self.data(study, item))


class Watch(threading.Thread):
    """Notes, twice a second, how far the service is and what its processes have resident: the daemon, and its workers
    together, which are the same from beginning to end."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.daemon_under_test, self.over = daemon, threading.Event()
        self.pids = {"daemon": [daemon.process.pid], "workers": children(daemon)}
        self.results = 0
        self.samples = []  # (seconds, objects stored, {who: MB})

    def look(self):
        text = requests.get(self.daemon_under_test.url + "/metrics", timeout=60).text
        counted = dict(re.findall(r"^cardioscribe_(\w+) (\d+)", text, re.MULTILINE))
        self.results = int(counted["results_analysed_total"])
        self.samples.append((time.monotonic(), int(counted["objects_stored_total"]),
                             {who: sum(map(resident_mb, pids)) for who, pids in self.pids.items()}))

    def run(self):
        while not self.over.wait(0.5):
            self.look()

    def __enter__(self):
        self.look()
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()
        self.look()

    def after_warm_up(self, who):
        return [(stored / 1000, mb[who]) for _, stored, mb in self.samples if stored > WARM_UP]

    def slope(self, who):
        """MB per 1,000 objects, by least squares over what was seen after the warm-up."""
        return np.polyfit(*zip(*self.after_warm_up(who)), 1)[0]

    def __str__(self):
        took_s = self.samples[-1][0] - self.samples[0][0]
        lines = [f"{self.samples[-1][1]} objects, {self.results} results in {took_s:.0f} s"]
        for who in self.pids:
            seen = [mb for _, mb in self.after_warm_up(who)]
            lines.append(f"{who}: {self.slope(who):+.3f} MB per 1,000 objects over {len(seen)} samples; "
                         f"{self.samples[0][2][who]:.0f} MB at the start, then {min(seen):.0f} to {max(seen):.0f}, "
                         f"{seen[-1]:.0f} at the end")
        return "\n".join(lines)


def resident_mb(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) / 1024


def feed(daemon, template, watch, folder):
    """Every study over an association of its own, four at once, no faster than the encoder."""
    def send_study(number):
        wait_for("the encoder keeps up", lambda: number - watch.results <= AHEAD or not watch.is_alive(), 600)
        assert watch.is_alive()
        place = folder / f"study{number}"
        template.write(number, place)
        dcmsend(daemon, place)
        shutil.rmtree(place)

    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        for done in [pool.submit(send_study, number) for number in range(1, STUDIES + 1)]:
            done.result()
    wait_for("every study is delivered",
             lambda: [("delivered", STUDIES)] == [(row["state"], row["n"]) for row in daemon.rows(
                 "SELECT state, count(*) AS n FROM study GROUP BY state")], 600, step_s=1)


def test_r16_nothing_is_lost_and_memory_does_not_grow(start_daemon, storescp, tmp_path, capsys):
    template = Template(tmp_path / "template")
    daemon = start_daemon(peers=[storescp.peer()], keys={"pool.workers": WORKERS})
    wait_for("every worker", lambda: daemon.get("/readyz") and len(children(daemon)) == WORKERS)
    with Watch(daemon) as watch:
        feed(daemon, template, watch, tmp_path)
    with capsys.disabled():
        print(f"\n{watch}")

    stored = daemon.stored()
    assert len(stored) == OBJECTS
    for number in range(1, STUDIES + 1):
        for item in range(SLICES):
            assert stored[template.uid(number, item + 1)] == [template.data_set(number, item)]
    reports = [pydicom.dcmread(path, specific_tags=["StudyInstanceUID"]).StudyInstanceUID for path in storescp.files()]
    assert sorted(reports) == [template.uid(number, 0) for number in range(1, STUDIES + 1)]
    assert watch.results == STUDIES and daemon.refusals() == []
    assert "event=worker_replaced" not in daemon.log() and "event=attempt_failed" not in daemon.log(), \
        "the workers' memory is that of the same processes throughout"
    for who in watch.pids:
        assert watch.slope(who) < MOST_MB_PER_1000, str(watch)
