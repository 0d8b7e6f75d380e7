"""Every family from C-STORE to SR: a checkpoint as its authors lay it out, converted by tools/convert, in a daemon.
Random weights, reduced sizes; with CARDIOSCRIBE_FULL_SIZE=1 also the published ones."""
import collections
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import cmr
import grounded
from counterparts import code, concept, content, dciodvfy_errors, send, texts
from service import CLI, ROOT, TIME_FACTOR
from studies import ct_study

torch = pytest.importorskip("torch")
sys.path.append(str(ROOT / "tests" / "golden"))
clip_reference = pytest.importorskip("clip_reference")
organ_flow = pytest.importorskip("organ_flow")
published = pytest.importorskip("published")
unet_reference = pytest.importorskip("unet_reference")

FULL = pytest.mark.skipif(not os.environ.get("CARDIOSCRIBE_FULL_SIZE"), reason="set CARDIOSCRIBE_FULL_SIZE=1")
SMALL_INPUT = {"cardiac-clip": "8,8,8", "fvlm": "8,8,16", "radar": "16,64,96", "ct-glip": "16,64,64"}
FULL_INPUT = {"ct-glip": "96,256,384"}  # of the others the converter knows it
MASKED = {"fvlm": ["heart", "lung"], "ct-glip": ["aorta", "liver"]}
PARTS = [(slice(3, 7), slice(20, 24), slice(22, 28)), (slice(2, 10), slice(30, 33), slice(30, 36))]
FAMILIES = ["cardiac-clip", "cmr-clip", "radclip", "clip", "fvlm", "radar", "ct-glip"]


def vocabulary(folder, pairs):
    """Of a few tokens: most words are unknown."""
    if pairs:
        (folder / "vocab.json").write_text(json.dumps({"a": 0, "a</w>": 1, "<|startoftext|>": 2, "<|endoftext|>": 3}))
        (folder / "merges.txt").write_text("#version: 0.2\n")
        return ["--vocab", folder / "vocab.json", folder / "merges.txt"]
    (folder / "words.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n")
    return ["--vocab", folder / "words.txt"]


def radar():
    """Random scores are everywhere much alike; scaled ones leave parts that keep clear of borders here and there."""
    unet = dict(unet_reference.RADAR, overlap=0.25, features=[8, 10, 12, 14, 16, 18], classes=7, map_dim=24)
    model = organ_flow.Query(unet, {f"organ{i}": [i] for i in range(1, 7)}, 3, proj_dim=20)
    with torch.no_grad():
        model.net.decoder.seg_layers[3].weight.mul_(3)
    return model.published()


def convert(family, full, folder):
    """tools/convert on a state dict as it is published."""
    torch.manual_seed(1)
    sizes = published.PUBLISHED if full else {**published.SMALL, "radar": radar}
    made = sizes[family]() if family in sizes else published.ct_glip()
    torch.save(collections.OrderedDict(made), folder / "published")
    window = (FULL_INPUT if full else SMALL_INPUT).get(family)
    options = [*([] if family == "radar" else vocabulary(folder, family == "radclip")),
               *([] if full else ["--any-size"]), *(["--input", window] if window else [])]
    done = subprocess.run([sys.executable, "-S", "-E", ROOT / "tools/convert", family, folder / "published", "-o",
                           folder / "model", *map(str, options)], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    (folder / "published").unlink()


def stock_clip(full, folder):
    """As Hugging Face lays it out, with labels beside it."""
    sizes = clip_reference.VIT_L_14 if full else clip_reference.SMALL
    clip_reference.save(clip_reference.make(sizes), folder / "model")
    labels = [{"id": "cardiomegaly", "text": "Cardiomegaly", "positive": "cardiomegaly", "negative": "no cardiomegaly"}]
    (folder / "model" / "prompts.json").write_text(json.dumps({"version": "1", "labels": labels}))


@pytest.fixture
def model(family, full, tmp_path):
    """Gigabytes at full size: gone when the test is."""
    folder = tmp_path / "family"
    folder.mkdir()
    if family == "clip":
        stock_clip(full, folder)
    else:
        convert(family, full, folder)
    yield folder / "model"
    shutil.rmtree(folder)


def study_for(family):
    """One with what its model asks for."""
    if family == "cmr-clip":
        study, _ = cmr.six_views(shape=(48, 48))
        return study, study.objects
    study = ct_study(slices=12)
    masks = [grounded.segmentation(study.objects, dict(zip(MASKED[family], PARTS)))] if family in MASKED else []
    return study, [*study.objects, *masks]


def vectors(result):
    """What was computed, by organ, or of the whole study."""
    organs = {one["id"]: one["embedding"] for one in result["organs"] if "embedding" in one}
    return organs if result["embedding"] is None else {"": result["embedding"]}


def judge_report(document, result):
    given = result["model"]
    said = texts(document)
    assert any(f"family={given['family']};" in text and f"weights sha256={given['weights_sha256']}" in text for text in said)
    taken = [one["series_number"] for one in result["input"]["series"] if one["taken"]]
    assert any(text.startswith(f"Input: {len(taken)} of ") for text in said)
    assert all(any(text.startswith(f"Series {number} taken: ") for text in said) for number in taken)
    for view in result["input"]["views"]:
        words = f"Not analysed: view {view['name']} (" if view["reason"] else f"View analysed: {view['name']}: series "
        assert any(text.startswith(words) for text in said), view
    (evaluations,) = [item for item in content(document) if concept(item) == "C0034375"]
    answers = [item for item in evaluations.ContentSequence if item.ValueType == "CODE" and concept(item) != "111017"]
    states = {"present": "52101004", "absent": "272519000"}
    assert [code(item) for item in answers] == [states.get(one["state"], "373068000") for one in result["findings"]]
    for organ in result["organs"]:
        missing = f"Organ not assessed: {organ['text']} ({organ['id']}): {organ.get('not_assessed')}"
        assert (missing in said) == ("embedding" not in organ), organ["id"]


@pytest.mark.parametrize("full", [pytest.param(False, id="small"), pytest.param(True, id="published", marks=FULL)])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_from_store_to_report(start_daemon, start_pacs, model, family, full):
    pacs = start_pacs()
    limit_s = 3000 if full else 120
    daemon = start_daemon(peers=[pacs.peer()], models=[{"name": "one", "folder": model}],
                          keys={"pool.job_timeout_s": int(limit_s * TIME_FACTOR), "pool.memory_mb": 16384})
    study, objects = study_for(family)
    send(daemon, objects)
    daemon.wait_state(study.uid, "delivered", limit_s=limit_s)
    (result,) = daemon.get(f"/api/v1/studies/{study.uid}", embedding=1)["results"]
    assert result["analysed"] and result["model"]["family"] == family
    used, sent = {one["sop_uid"] for one in result["input"]["instances"]}, {str(one.SOPInstanceUID) for one in objects}
    assert used and used <= sent if family == "cmr-clip" else used == sent
    assert len(result["input"]["views"]) == (6 if family == "cmr-clip" else 0)
    for view in result["input"]["views"]:  # a small model has too few frames for some
        assert (view["reason"] is None) == (view["sampled"] > 0) and (not full or view["sampled"] > 0), view
        assert view["reason"] in (None, "not_sampled")
    assert full and family == "radar" or len({len(vector) for vector in vectors(result).values()}) == 1, result["organs"]
    assert all(abs(np.linalg.norm(vector) - 1) < 1e-3 for vector in vectors(result).values())
    if family in MASKED:
        assert {one["id"] for one in result["organs"] if "embedding" in one} >= set(MASKED[family])
    (arrived,) = pacs.of_study(study.uid)
    judge_report(arrived.data_set, result)
    (written,) = daemon.files("reports")
    assert not shutil.which("dciodvfy") or dciodvfy_errors(written) == []
    assert "event=weights_not_shared" not in daemon.log()
    if full:
        return
    alone = json.loads(subprocess.run([CLI, "encode", "--model", model, "--threads", "1", "--json", *daemon.files("objects")],
                                      capture_output=True, text=True, timeout=120 * TIME_FACTOR).stdout)
    assert vectors(alone) == vectors(result) and alone["findings"] == result["findings"]
    assert alone["input"]["manifest_sha256"] == result["input"]["manifest_sha256"]
