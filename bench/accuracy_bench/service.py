"""The running service: one daemon as its tests start it, a PACS that takes its reports, and studies sent to it with dcmsend.

A study's images are removed from the state folder once its report has come back: the service itself keeps them."""
import collections
import os
import pathlib
import subprocess
import sys
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "daemon"))
from counterparts import Pacs, code, concept, content  # noqa: E402
from service import BUILD, SENDER, Daemon  # noqa: E402

CLI = BUILD / "cli" / "cardioscribe"
PHANTOM = BUILD / "tools" / "phantom" / "cardioscribe-phantom"
ENDED = ("delivered", "declined", "parked", "undelivered")
ANSWER_S = 600  # longest wait for one report


class Service:
    """models: their folders. keys: of the configuration."""

    def __init__(self, folder, models, workers, precision="fp32", **keys):
        self.pacs = Pacs()
        self.daemon = Daemon(folder, keys={"pool.workers": workers, "assembly.study_quiet_s": 5,
                                           "pool.job_timeout_s": ANSWER_S, **keys}, peers=[self.pacs.peer()],
                             models=[{"name": path.name, "folder": path, "precision": precision} for path in models])

    def __enter__(self):
        self.daemon.start()
        return self

    def __exit__(self, *_):
        self.daemon.stop()
        self.pacs.stop()

    def send(self, paths, tolerant=False):
        """Acknowledged, every one: seconds, bytes and objects. Tolerant: some may be refused, and "refused" says so."""
        began = time.monotonic()
        done = subprocess.run(["dcmsend", *(["-nh"] if tolerant else []), "-aet", SENDER, "-aec",
                               self.daemon.ae_title, "-nuc", "127.0.0.1", str(self.daemon.port), *map(str, paths)],
                              capture_output=True, text=True, env={**os.environ, "TCP_NODELAY": "1"})
        if done.returncode and not tolerant:
            raise RuntimeError(f"dcmsend: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return {"seconds": time.monotonic() - began, "objects": len(paths),
                "bytes": sum(os.path.getsize(path) for path in paths),
                **({"refused": (done.stderr.strip().split("\n")[-1] or "refused by the service")[:200]}
                   if tolerant else {})}

    def knows(self, study_uid):
        return bool(self.daemon.studies(study_uid=study_uid))

    def answer(self, study_uid, revision=1):
        """The study as REST shows it, embeddings included, once the revision has come to an end; and its seconds."""
        began = time.monotonic()
        requests.post(f"{self.daemon.url}/api/v1/studies/{study_uid}/force", timeout=60)  # complete: do not wait
        while True:
            (row,) = self.daemon.studies(study_uid=study_uid)
            if row["state"] in ENDED and row["revision"] >= revision:
                shown = self.daemon.get(f"/api/v1/studies/{study_uid}", embedding=1)
                if (all(one["state"] in ("done", "failed", "superseded") for one in shown["jobs"])
                        and all(one["state"] != "pending" for one in shown["deliveries"])):
                    return shown, time.monotonic() - began
            if not self.daemon.alive() or time.monotonic() - began > ANSWER_S:
                raise RuntimeError(f"no answer for a study: {row['state']} {row['reason']}\n"
                                   + self.daemon.log()[-3000:])
            time.sleep(0.1)

    def report(self, sop_uid):
        """The Structured Report as the PACS got it, or None."""
        return next((one.data_set for one in self.pacs.arrivals if one.sop_uid == sop_uid), None)

    def forget(self, study_uid):
        """Remove the images of a study that is done with."""
        for row in self.daemon.rows("SELECT path FROM instance JOIN study ON study.id = study_id WHERE study_uid = ?",
                                    study_uid):
            (self.daemon.state / row["path"]).unlink(missing_ok=True)


STATES = {"52101004": "present", "272519000": "absent", "373068000": "undetermined"}


def judge_report(document, result):
    """What the report in the PACS says otherwise than REST: a list of sentences, empty when they agree."""
    if document is None:
        return ["no report in the PACS"]
    faults = []
    present = {one["id"]: one for one in result["findings"] if one["state"] == "present"}
    said = numbers_of_present(document)
    faults += [f"{name} is present in one only" for name in sorted(set(said) ^ set(present))]
    for name in set(said) & set(present):
        one = present[name]
        number = one["probability"] * 100 if one["probability"] is not None else one["score"]
        if len(said[name]) != 1 or abs(said[name][0] - number) > 1e-3 * max(1, abs(number)):
            faults.append(f"{name}: {said[name]} in the report, {number} over REST")
    counted = collections.Counter(STATES[code(one)] for one in answers(document) if code(one) in STATES)
    wanted = collections.Counter("undetermined" if one["state"] == "not_assessed" else one["state"]
                                 for one in result["findings"])
    if counted != wanted:
        faults.append(f"answers: {dict(counted)} in the report, {dict(wanted)} over REST")
    return faults


def numbers_of_present(document):
    """{label: its numbers} of the measurement groups that say present."""
    said = {}
    for group in content(document):
        if concept(group) != "125007":
            continue
        items = list(content(group))
        if any(concept(one) == "121052" and STATES.get(code(one)) == "present" for one in items):
            name = next(str(one.TextValue) for one in items if concept(one) == "112039")
            said[name.replace("-", "_")] = [float(one.MeasuredValueSequence[0].NumericValue)
                                            for one in group.ContentSequence if one.ValueType == "NUM"]
    return said


def answers(document):
    """The coded answers of Qualitative Evaluations."""
    for container in content(document):
        if concept(container) == "C0034375":
            yield from (one for one in container.get("ContentSequence", []) if one.ValueType == "CODE")
