"""Every way to score, worked out again in numpy from the vectors the program shows; then through the service."""
import json
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from safetensors.numpy import load_file, save_file

import grounded
from counterparts import send, texts
from service import CLI, MODEL, TIME_FACTOR
from studies import Study
from test_rest import STUDY, ask

WORDS = ["There is cardiomegaly.", "There is stenosis.", "There is pericardial effusion.", "a plaque"]


def folder_of(tmp_path, labels, score, name="m", trained=True, **prompts):
    """demo-ct with other questions."""
    folder = tmp_path / name
    shutil.copytree(MODEL, folder)
    config = json.loads((folder / "config.json").read_text())
    config.update(score=score, trained=trained, name=name)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "prompts.json").write_text(json.dumps({"version": "t", "labels": labels, **prompts}))
    return folder


def cli(*arguments):
    done = subprocess.run([CLI, *map(str, arguments)], capture_output=True, text=True, timeout=120 * TIME_FACTOR)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def vectors(folder, words):
    return np.array([one["embedding"] for one in cli("text", "--model", folder, "--json", *words)["embeddings"]])


@pytest.fixture
def tensor(tmp_path):
    save_file({"input": np.random.default_rng(5).normal(size=(1, 32, 48, 48)).astype("f4")}, tmp_path / "in.safetensors")
    return tmp_path / "in.safetensors"


def answer(folder, tensor):
    result = cli("encode", "--model", folder, "--json", "--tensor", tensor)
    return result, np.array(result["embedding"]), result["findings"]


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / e.sum()


def asked(index, **more):
    return {"id": f"label_{index}", "text": f"Label {index}", "positive": WORDS[index], **more}


@pytest.mark.parametrize("score, factor", [({"scale_mode": "fixed", "scale": 1}, 1),
                                           ({"scale_mode": "inv_temp", "scale": 0.07}, 1 / 0.07),
                                           ({"scale_mode": "fixed", "scale": 1 / 0.07}, 1 / 0.07)])
def test_class_softmax(tmp_path, tensor, score, factor):
    folder = folder_of(tmp_path, [asked(i) for i in range(4)], {"mode": "class_softmax", **score})
    result, image, findings = answer(folder, tensor)
    cosines = vectors(folder, WORDS) @ image
    expected = softmax(factor * cosines)
    assert result["model"]["score"] == "class_softmax" and result["organs"] == []
    np.testing.assert_allclose([one["score"] for one in findings], expected, atol=1e-6)
    np.testing.assert_allclose([one["cosine_positive"] for one in findings], cosines, atol=1e-6)
    best = int(np.argmax(expected))
    assert [one["state"] for one in findings] == ["present" if i == best else "undetermined" for i in range(4)]
    assert {one["reason"] for one in findings} == {None, "other_class_fits_better"}
    assert all(one["cosine_negative"] is None and one["probability"] is None for one in findings)


def test_classes_below_the_threshold_or_within_the_margin_are_left_open(tmp_path, tensor):
    labels = [asked(0), asked(1)]
    scale = {"mode": "class_softmax", "scale_mode": "fixed", "scale": 1}
    for number, (more, reason) in enumerate(((({"threshold": 0.99}), "score_below_threshold"),
                                             (({"margin": 0.9}), "classes_too_close"))):
        findings = answer(folder_of(tmp_path, labels, scale | more, name=f"m{number}"), tensor)[2]
        assert {(one["state"], one["reason"]) for one in findings} == {("undetermined", reason)}
    same = [asked(0), asked(0) | {"id": "twin"}]
    findings = answer(folder_of(tmp_path, same, scale, name="twins"), tensor)[2]
    assert {(one["state"], one["reason"]) for one in findings} == {("undetermined", "classes_too_close")}


@pytest.mark.parametrize("half", [False, True])
def test_cosine_mean_is_the_mean_of_the_cosines(tmp_path, tensor, half):
    labels = [asked(0, threshold=0.9) | {"positive": WORDS[:3]}, asked(3, threshold=0)]
    folder = folder_of(tmp_path, labels, {"mode": "cosine_mean", "map": "half" if half else "none"})
    result, image, findings = answer(folder, tensor)
    cosines = vectors(folder, WORDS) @ image
    means = np.array([cosines[:3].mean(), cosines[3]])
    mean_vector = vectors(folder, WORDS[:3]).mean(0)
    assert abs(image @ mean_vector / np.linalg.norm(mean_vector) - means[0]) > 1e-4  # what it is not
    np.testing.assert_allclose([one["cosine_positive"] for one in findings], means, atol=1e-6)
    scores = (1 + means) / 2 if half else means
    np.testing.assert_allclose([one["score"] for one in findings], scores, atol=1e-6)
    assert result["model"]["score"] == ("cosine_mean_half" if half else "cosine_mean")
    assert [one["state"] for one in findings] == [
        "present" if score > threshold else "absent" for score, threshold in zip(scores, (0.9, 0))]
    assert [one["threshold"] for one in findings] == [0.9, 0]


def test_a_pair_with_several_prompts_a_side_and_a_threshold_of_its_own(tmp_path, tensor):
    labels = [asked(0, negative=WORDS[1:3], threshold=0.0001), asked(0, negative=WORDS[1:3], id="other")]
    folder = folder_of(tmp_path, [labels[0], labels[1]], {"mode": "pair_softmax", "scale_mode": "fixed", "scale": 5})
    _, image, findings = answer(folder, tensor)
    text = vectors(folder, WORDS)
    no = text[1:3].mean(0) / np.linalg.norm(text[1:3].mean(0))
    expected = softmax(5 * np.array([text[0] @ image, no @ image]))[0]
    np.testing.assert_allclose([one["score"] for one in findings], [expected] * 2, atol=1e-6)
    assert findings[0]["state"] == "present" and findings[0]["threshold"] == 0.0001
    assert findings[1]["state"] == ("present" if expected > 0.5 else "absent")


@pytest.mark.parametrize("words", [WORDS[0], WORDS[:2]])
def test_a_pair_of_equal_sides_is_no_question(tmp_path, words):
    """Its score would be one half, and every study without the finding."""
    folder = folder_of(tmp_path, [asked(0, positive=words, negative=words)], {"mode": "pair_softmax"})
    done = subprocess.run([CLI, "model", "check", folder], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "labels.label_0: positive and negative are the same" in done.stderr


def test_organs_are_recognised_by_softmax_over_their_texts(tmp_path):
    folder = grounded.model(tmp_path / "organs")
    prompts = json.loads((folder / "prompts.json").read_text())
    prompts["organ_prompts"] = "This is a {organ} in the CT scan."
    (folder / "prompts.json").write_text(json.dumps(prompts))
    draw = np.random.default_rng(3)
    mask = np.zeros((16, 48, 64), np.uint8)
    mask[4:12, 8:24, 8:30], mask[4:12, 26:40, 8:30] = 1, 2
    save_file({"input": draw.random((1, 16, 48, 64)).astype("f4"), "mask": mask}, tmp_path / "in.safetensors")
    result = cli("encode", "--model", folder, "--json", "--tensor", tmp_path / "in.safetensors")
    assert result["embedding"] is None and [one["id"] for one in result["organs"]] == grounded.ORGANS
    text = vectors(folder, [f"This is a {name.capitalize()} in the CT scan." for name in grounded.ORGANS])
    pair = vectors(folder, ["There is stenosis.", "There is no stenosis."])
    for organ, finding in zip(result["organs"], result["findings"]):
        assert finding["organ"] == organ["id"]
        if organ["id"] not in ("lung", "heart"):
            assert organ["not_assessed"] and "embedding" not in organ and "recognised" not in organ
            assert (finding["state"], finding["reason"]) == ("not_assessed", organ["not_assessed"])
            assert finding["score"] is None and finding["cosine_positive"] is None
            continue
        vector = np.array(organ["embedding"])
        expected = softmax(text @ vector / 0.07)
        assert organ["recognised"]["id"] == grounded.ORGANS[int(np.argmax(expected))]
        assert organ["recognised"]["score"] == pytest.approx(expected.max(), abs=1e-5)
        assert finding["score"] == pytest.approx(softmax(pair @ vector / 0.07)[0], abs=1e-5)


def test_the_temperature_may_be_a_tensor(tmp_path):
    fixed, stored = grounded.model(tmp_path / "fixed"), grounded.model(tmp_path / "stored")
    config = json.loads((stored / "config.json").read_text())
    del config["score"]["scale"]
    (stored / "config.json").write_text(json.dumps(config))
    done = subprocess.run([CLI, "model", "check", stored], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "tensor temp is missing" in done.stderr
    save_file({**load_file(stored / "model.safetensors"), "temp": np.array(0.07, "f4")}, stored / "model.safetensors")
    mask = np.zeros((16, 48, 64), np.uint8)
    mask[4:12, 8:24, 8:30] = 2
    save_file({"input": np.ones((1, 16, 48, 64), "f4"), "mask": mask}, tmp_path / "in.safetensors")
    scores = [cli("encode", "--model", one, "--json", "--tensor", tmp_path / "in.safetensors")["findings"][1]["score"]
              for one in (fixed, stored)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6) and abs(scores[0] - 0.5) > 1e-4


def tower(draw, **more):
    """A random image tower of width 32 and one block, under canonical names."""
    shapes = {"vision.cls": (32,), "vision.post_ln.weight": (32,), "vision.post_ln.bias": (32,), "vision.proj.weight": (64, 32),
              **more}
    block = {"ln1.weight": (32,), "ln1.bias": (32,), "ln2.weight": (32,), "ln2.bias": (32,), "attn.qkv.weight": (96, 32),
             "attn.qkv.bias": (96,), "attn.out.weight": (32, 32), "attn.out.bias": (32,), "mlp.fc1.weight": (64, 32),
             "mlp.fc1.bias": (64,), "mlp.fc2.weight": (32, 64), "mlp.fc2.bias": (32,)}
    if "vision.time_pos" in more:
        block |= {"ln_t.weight": (32,), "ln_t.bias": (32,)} | {f"t{name}": shape for name, shape in block.items() if "attn" in name}
    shapes |= {f"vision.layers.0.{name}": shape for name, shape in block.items()}
    return {name: draw.normal(size=shape) * (np.prod(shape[1:]) or 1) ** -0.5 for name, shape in shapes.items()}


def tiny(folder, family, tensors, vision, score, labels):
    size = {"width": 32, "depth": 1, "heads": 4, "mlp_dim": 64, "proj_dim": 64, "channels": 3}
    grounded.write_model(folder, family, tensors, {
        "name": family, "vision": size | vision, "score": score,
        "preprocess": {"modality": "CT", "norm": "meanstd", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}})
    (folder / "segments.json").unlink()
    (folder / "prompts.json").write_text(json.dumps({"version": "t", "labels": labels}))
    return folder


def tiny_radclip(folder):
    """2D, RGB, slices pooled; one question of classes, without a temperature."""
    tensors = tower(np.random.default_rng(8), **{
        "vision.patch.weight": (32, 3, 14, 14), "vision.pos": (5, 32), "vision.pre_ln.weight": (32,), "vision.pre_ln.bias": (32,)})
    return tiny(folder, "radclip", tensors, {"arch": "vit", "input": [28, 28], "patch": [14, 14], "proj_bias": False},
                {"mode": "class_softmax", "scale_mode": "fixed", "scale": 1}, [asked(i) for i in range(3)])


def tiny_cmr_clip(folder):
    tensors = tower(np.random.default_rng(9), **{
        "vision.patch.weight": (32, 3, 16, 16), "vision.patch.bias": (32,), "vision.pos": (5, 32), "vision.time_pos": (4, 32),
        "vision.proj.bias": (64,)})
    return tiny(folder, "cmr-clip", tensors,
                {"arch": "spacetime_vit", "input": [4, 32, 32], "patch": [16, 16], "patch_bias": True, "act": "gelu",
                 "pre_ln": False, "time_pos": 4, "attn": "divided_time_space", "proj_pre": "relu"},
                {"mode": "cosine_mean", "map": "half"},
                [asked(0, threshold=0.5385) | {"positive": WORDS[:2]}, asked(2, threshold=0.5105)])


def test_a_video_of_cmr_clip(tmp_path):
    folder = tiny_cmr_clip(tmp_path / "m")
    save_file({"input": np.random.default_rng(2).normal(size=(4, 3, 32, 32)).astype("f4")}, tmp_path / "in.safetensors")
    result, image, findings = answer(folder, tmp_path / "in.safetensors")
    cosines = vectors(folder, WORDS) @ image
    expected = (1 + np.array([cosines[:2].mean(), cosines[2]])) / 2
    np.testing.assert_allclose([one["score"] for one in findings], expected, atol=1e-6)
    assert [one["threshold"] for one in findings] == [0.5385, 0.5105]
    assert [one["state"] for one in findings] == ["present" if e > t else "absent" for e, t in zip(expected, (0.5385, 0.5105))]
    assert result["model"]["score"] == "cosine_mean_half"


def test_all_ways_to_score_through_the_service(start_daemon, start_pacs, tmp_path):
    """One study, three models: a question of classes, cosines, organs; in REST, the table of embeddings and the SR."""
    pacs = start_pacs("PACS")
    classes = tiny_radclip(tmp_path / "classes")
    cosines = folder_of(tmp_path, [asked(0, threshold=-1), asked(1, threshold=1)], {"mode": "cosine_mean"}, name="cosines")
    organs = grounded.model(tmp_path / "organs")
    daemon = start_daemon(peers=[pacs.peer()], models=[{"name": one.name, "folder": one} for one in (classes, cosines, organs)])
    study = Study("CT")
    images = study.add_series(12)
    seg = grounded.segmentation(images, {"heart": (slice(4, 9), slice(20, 40), slice(22, 44))})
    send(daemon, [*images, seg])
    daemon.wait_reported(study.uid, reports=3, limit_s=60 * TIME_FACTOR)
    results = {one["model_section"]: one for one in ask(daemon, STUDY, id=study.uid, embedding=1)["results"]}
    bare = {one["model_section"]: one for one in ask(daemon, STUDY, id=study.uid)["results"]}

    assert sorted(one["state"] for one in results["classes"]["findings"]) == ["present", "undetermined", "undetermined"]
    assert [one["state"] for one in results["cosines"]["findings"]] == ["present", "absent"]
    states = {one["organ"]: one["state"] for one in results["organs"]["findings"]}
    assert states.pop("heart") in ("present", "absent")
    assert states == {"lung": "not_assessed", "esophagus": "not_assessed", "aorta": "not_assessed"}
    assert [("embedding" in one, "not_assessed" in one) for one in results["organs"]["organs"]] == [
        (name == "heart", name != "heart") for name in grounded.ORGANS]
    assert results["organs"]["embedding"] is None
    assert not any("embedding" in one for one in [bare["organs"], *bare["organs"]["organs"]])

    rows = daemon.rows("SELECT r.model, e.organ, length(e.vector) FROM embedding e JOIN result r ON r.id = e.result_id"
                       " ORDER BY r.id, e.id")
    assert sorted(tuple(row.values()) for row in rows) == [("classes", "", 256), ("cosines", "", 256), ("organs", "heart", 256)]

    said = {}
    for path in daemon.state.rglob("*.dcm"):
        head = pydicom.dcmread(path)
        if head.Modality == "SR":
            said[head.ContributingEquipmentSequence[0].ManufacturerModelName] = " | ".join(texts(head))
    assert "One question of 3 classes, answered" in said["radclip"]
    assert "mean cosine similarity c of image and prompts, -1 to 1. It is not a probability" in said["cosines"]
    assert "Organs: 1 of 4 assessed" in said["tiny-grounded"]
    assert "Organ not assessed: Aorta (aorta)" in said["tiny-grounded"]
    shown = daemon.cli("study", study.uid)
    assert shown.returncode == 0 and "not_assessed" in shown.stdout
