"""What is done for each line of the record: make a study, send it, read what comes back, delete it."""
import collections
import json
import pathlib
import shutil
import subprocess
import tempfile
import time

import numpy as np
import pydicom

from . import variants
from .record import packed
from .service import BUILD, PHANTOM, ROOT, judge_report

IMAGES = {"1.2.840.10008.5.1.4.1.1.2": "ct", "1.2.840.10008.5.1.4.1.1.2.1": "ct", "1.2.840.10008.5.1.4.1.1.2.2": "ct",
          "1.2.840.10008.5.1.4.1.1.4": "cmr", "1.2.840.10008.5.1.4.1.1.4.1": "cmr",
          "1.2.840.10008.5.1.4.1.1.4.4": "cmr"}
GATES = ("min_slices", "max_spacing_z_mm", "min_field_mm", "min_length_mm", "gated", "complete", "lossy", "roles")
TRUTH = ("findings", "heart_box_lps", "heart_ml", "measures", "places_lps")
LATE_ROLE = {"ct": "cta", "cmr": "cine_sax"}


def make_phantom(kind, seed, folder):
    """Its folder and truth."""
    began = time.monotonic()
    subprocess.run([PHANTOM, "--kind", kind, "--seed", str(seed), "--out", folder], check=True, capture_output=True)
    made = pathlib.Path(folder) / f"{kind}-{seed}"
    return made, json.loads((made / "truth.json").read_text()), time.monotonic() - began


def roles_of(truth):
    return {series["uid"]: series["role"] for series in truth["series"]}


def told(shown, result):
    """What is kept of an answer."""
    return {"state": shown["state"], "analysed": result["analysed"], "reason": result["reason"],
            "reason_text": result["reason_text"], "domain": result.get("domain"), "box": result["input"].get("box"),
            "warnings": result["input"]["warnings"], "timing": result["timing"],
            "findings": [{key: finding.get(key) for key in (
                "id", "state", "reason", "score", "probability", "threshold", "calibration", "cosine_positive",
                "cosine_negative")} for finding in result["findings"]],
            "embedding": packed(result.get("embedding"))}


def newest(shown):
    """The result of the newest revision."""
    return max(shown["results"], key=lambda one: one["revision"])


def send_and_ask(service, uid, paths, revision=1):
    sent = service.send(paths)
    shown, seconds = service.answer(uid, revision)
    return {"send": sent, "answer_s": seconds}, shown


def phantom(service, kind, seed, scratch):
    """One line: a phantom as it is."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        made, truth, make_s = make_phantom(kind, seed, folder)
        uid = truth["study_uid"]
        try:
            figures, shown = send_and_ask(service, uid, variants.images(made))
            result = newest(shown)
            document = service.report(result["report"]["sop_uid"]) if result["report"] else None
            return {"kind": kind, "seed": seed, "truth": {key: truth[key] for key in TRUTH if key in truth},
                    "make_s": make_s, **figures, "answer": told(shown, result),
                    "report_faults": judge_report(document, result)}
        finally:
            service.forget(uid)


def variant(service, kind, seed, name, scratch):
    """One line: the same phantom written otherwise. "late" sends a slice after the answer."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        made, truth, _ = make_phantom(kind, seed, folder)
        roles, late = roles_of(truth), []
        uid, paths = variants.make(name, made, pathlib.Path(folder) / name, roles)
        if name == "late":
            paths, late = variants.late_slice(paths, roles, LATE_ROLE[kind])
        try:
            figures, shown = send_and_ask(service, uid, paths)
            row = {"kind": kind, "seed": seed, "variant": name, **figures, "answer": told(shown, newest(shown))}
            if late:
                _, shown = send_and_ask(service, uid, late, 2)
                row["before"], row["answer"] = row["answer"], told(shown, newest(shown))
            return row
        finally:
            service.forget(uid)


def real_studies(data):
    """[(name, kind, Study Instance UID, paths)] of everything under `data` that has CT or MR images, by study."""
    found = collections.defaultdict(list)
    for path in sorted(path for path in data.rglob("*") if path.is_file()):
        try:
            one = pydicom.dcmread(path, force=True, stop_before_pixels=True,
                                  specific_tags=["SOPClassUID", "StudyInstanceUID"])
            kind = IMAGES.get(str(one.get("SOPClassUID", "")))
        except Exception:  # some are damaged on purpose
            continue
        if kind and one.get("StudyInstanceUID"):
            found[kind, str(one.StudyInstanceUID)].append(path)
    studies = []
    for (kind, uid), paths in found.items():
        shared = {one for other, others in found.items() if other != (kind, uid) for one in (p.parent for p in others)}
        name = paths[0].relative_to(data)
        name = str(name) if paths[0].parent in shared or len(paths) == 1 else str(name.parent)
        studies.append((name, kind, uid, paths))
    return studies


def real(service, gates, name, kind, uid, paths):
    """One line: what becomes of a real study."""
    row = {"name": name, "kind": kind, "gates": gates, "objects": len(paths)}
    refused = service.send(paths, tolerant=True)["refused"]
    if not service.knows(uid):
        return {**row, "refused": refused}
    shown, row["answer_s"] = service.answer(uid)
    row["answer"] = told(shown, newest(shown))
    service.forget(uid)
    return row


def opened_model(model, target):
    """A copy of a model folder whose only gate is the domain's."""
    shutil.copytree(model, target)
    path = target / "config.json"
    config = json.loads(path.read_text())
    for key in GATES:
        config["preprocess"].pop(key, None)
    if "frames" in config["preprocess"]:
        config["preprocess"]["frames"].update(missing="blank", phases_policy="resample", slices_policy="resample")
    path.write_text(json.dumps(config))
    return target


def opened_rules(target):
    """The rules of series without those that leave out derived images and other parts of the body."""
    rules = json.loads((ROOT / "conf" / "series.json").read_text())
    rules["rules"] = [rule for rule in rules["rules"] if rule["role"] not in ("derived", "other_body_part")]
    target.write_text(json.dumps(rules))
    return target


def box_of(answer, margin_mm):
    """(low, high) in patient coordinates of the heart's box, without the model's margin; None where there is none."""
    box = answer["box"]
    if not box:
        return None
    half = np.array(box["size_zyx_mm"])[::-1] / 2 - (margin_mm if box["source"] != "field_of_view" else 0)
    return np.array(box["centre_lps"]) - half, np.array(box["centre_lps"]) + half


def heart_shares(boxes):
    """Of each (row, (low, high)): how much of the heart lies in the box, counted in the phantom's own shapes."""
    lines = "".join(" ".join(map(str, [row["seed"], *row["truth"]["places_lps"]["mitral_valve"], *low, *high])) + "\n"
                    for row, (low, high) in boxes)
    done = subprocess.run([BUILD / "bench" / "heart-share"], input=lines, capture_output=True, text=True, check=True)
    return np.array([float(line.split()[0]) for line in done.stdout.splitlines()])
