"""The demonstration models in the running service: a synthetic study with one strong finding comes back with a report
that names it and nothing else; what is no such study is outside the domain."""
import json
import re
import shutil
import subprocess

import numpy as np
import pydicom
import pytest

from conftest import real_data
from counterparts import code, concept, content, dciodvfy_errors, dcmsend, findings, summary, texts
from service import BUILD, DATA, ROOT, TIME_FACTOR

MODELS = {kind: ROOT / "models" / name for kind, name in (("ct", "demo-cardiac-ct"), ("cmr", "demo-cmr"))
          if (ROOT / "models" / name / "config.json").exists()}
PHANTOM = BUILD / "tools" / "phantom" / "cardioscribe-phantom"
STRONG = [one for one in (("ct", 3001, "pericardial_effusion"), ("ct", 3002, "aortic_aneurysm"),
                          ("cmr", 3001, "left_ventricular_dysfunction"), ("cmr", 3002, "lge_ischemic"),
                          ("cmr", 3003, "aortic_dilation")) if one[0] in MODELS]

pytestmark = pytest.mark.skipif(not PHANTOM.exists(), reason="cardioscribe-phantom is not built")


def make(folder, kind, seed, *findings):
    """Its images and truth; only what the models look at."""
    wanted = [word for finding in findings for word in ("--finding", finding)]
    subprocess.run([PHANTOM, "--lean", "--kind", kind, "--seed", str(seed), "--out", folder, *wanted], check=True,
                   capture_output=True, timeout=120 * TIME_FACTOR)
    made = folder / f"{kind}-{seed}"
    return sorted(made.glob("*.dcm")), json.loads((made / "truth.json").read_text())


@pytest.fixture
def demo(start_daemon, storescp):
    return start_daemon(peers=[storescp.peer()],
                        models=[{"name": folder.name, "folder": folder} for folder in MODELS.values()])


def named(document):
    """Labels that the report has a group for that says present."""
    for group in content(document):
        items = list(content(group)) if concept(group) == "125007" else []
        if any(concept(one) == "121052" and code(one) == "52101004" for one in items):
            yield next(str(one.TextValue) for one in items if concept(one) == "112039").replace("-", "_")


def answer(demo, storescp, uid):
    shown = demo.wait_reported(uid, limit_s=90)
    (received,) = storescp.files(uid)
    return shown, received


def test_a_strong_finding_comes_back_by_name_and_no_other(demo, storescp, tmp_path):
    sent = {}
    for kind, seed, finding in STRONG:
        paths, truth = make(tmp_path, kind, seed, f"{finding}=0.9")
        assert {name for name, severity in truth["findings"].items() if severity} == {finding}
        dcmsend(demo, *paths)
        sent[truth["study_uid"]] = finding, truth
    for uid, (finding, truth) in sent.items():
        shown, received = answer(demo, storescp, uid)
        assert dciodvfy_errors(received) == []
        document = pydicom.dcmread(received)
        assert set(named(document)) == {finding}, (finding, shown["findings"])
        assert summary(document) in ("111242", "111244")
        states = {one["id"]: one["state"] for one in shown["findings"]}
        assert set(states) == set(truth["findings"])
        assert [name for name, state in states.items() if state == "present"] == [finding]
        for one in shown["findings"]:
            assert (one["probability"] is None) == (one["reason"] == "label_untrained"), one
        assert shown["results"][0]["domain"]["inside"]


def noise(paths, seed):
    """The same heads, nothing behind them."""
    draw, uid = np.random.default_rng(seed), pydicom.uid.generate_uid(prefix=None)
    for path in paths:
        one = pydicom.dcmread(path)
        low, high = one.pixel_array.min(), one.pixel_array.max()
        one.PixelData = draw.integers(low, high + 1, one.pixel_array.shape).astype(one.pixel_array.dtype).tobytes()
        one.StudyInstanceUID = uid
        one.save_as(path)
    return uid


@pytest.mark.parametrize("kind", MODELS)
def test_a_study_of_noise_is_outside_the_domain(demo, storescp, tmp_path, kind):
    paths, _ = make(tmp_path, kind, 3003)
    uid = noise(paths, 1)
    dcmsend(demo, *paths)
    shown, received = answer(demo, storescp, uid)
    assert {(one["state"], one["reason"]) for one in shown["findings"]} == {("not_assessed", "outside_domain")}
    assert not shown["results"][0]["domain"]["inside"]
    document = pydicom.dcmread(received)
    assert findings(document) == [] and summary(document) == "111245"
    assert any(re.search("outside", text, re.IGNORECASE) for text in texts(document)), texts(document)


def opened(folder, target):
    """A copy of a model whose other gates let everything pass."""
    shutil.copytree(folder, target)
    config = json.loads((target / "config.json").read_text())
    for key in ("min_slices", "max_spacing_z_mm", "min_field_mm", "min_length_mm", "gated", "complete", "lossy", "roles"):
        config["preprocess"].pop(key, None)
    if "frames" in config["preprocess"]:
        config["preprocess"]["frames"].update(missing="blank", phases_policy="resample", slices_policy="resample")
    (target / "config.json").write_text(json.dumps(config))
    return target


@real_data
def test_real_studies_are_outside_the_domain_when_nothing_else_holds_them_back(start_daemon, tmp_path):
    models = [{"name": kind, "folder": opened(folder, tmp_path / kind)} for kind, folder in MODELS.items()]
    daemon = start_daemon(models=models)
    for folder, kind in (("ct_series/lidc-idri-0314_chest_2mm", "ct"), ("mr_cine/sunnybrook_SCD0000301_sax", "cmr"),
                         ("mr_cine/pig_sax_ssfp", "cmr")):
        if kind not in MODELS:
            continue
        dcmsend(daemon, DATA / folder)
        head = pydicom.dcmread(next((DATA / folder).iterdir()), stop_before_pixels=True)
        shown = daemon.wait_state(str(head.StudyInstanceUID), "encoded", "delivered", "declined", limit_s=90)
        assert shown["findings"], (folder, shown["reason"])
        assert {(one["state"], one["reason"]) for one in shown["findings"]} == {("not_assessed", "outside_domain")}, folder
