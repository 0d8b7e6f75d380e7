"""Organ-grounded models on whole studies: masks from segmentation objects, organs assessed and not assessed by name,
first with the command line, then through the service."""
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pydicom
import pytest

import grounded
from counterparts import send, texts
from service import CLI, DATA, MODEL, ROOT
from studies import Study, generate_uid

WHOLE = {"heart": (slice(4, 9), slice(20, 40), slice(22, 44)), "lung": (slice(1, 11), slice(10, 50), slice(5, 20))}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return grounded.model(tmp_path_factory.mktemp("grounded") / "model")


def made(parts=None, slices=12, **options):
    """A CT study with a segmentation that is not among its objects yet."""
    study = Study("CT")
    images = study.add_series(slices)
    return study, grounded.segmentation(images, WHOLE if parts is None else parts, **options)


def encode(folder, study, *more, model):
    study.write(folder)
    for i, one in enumerate(more):
        one.save_as(folder / f"seg{i}.dcm", write_like_original=False)
    done = subprocess.run([CLI, "encode", "--model", model, "--json", folder], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def organs_of(result):
    return {one["id"]: one.get("embedding") or one["not_assessed"] for one in result["organs"]}


def states(result):
    return {one["organ"]: (one["state"], one["reason"]) for one in result["findings"]}


def vectors(result):
    return {name: np.array(value) for name, value in organs_of(result).items() if not isinstance(value, str)}


# ---- the command line ----

def test_every_organ_is_measured_in_fewer_bits(model, tmp_path):
    """Of two studies: the first corrects, the second is compared."""
    copy, folders = shutil.copytree(model, tmp_path / "model"), [tmp_path / "a", tmp_path / "b"]
    exact = [encode(folder, *made(), model=copy) for folder in folders][1]
    done = subprocess.run([CLI, "model", "measure", "--precision", "int8", "--json", copy, *folders], capture_output=True,
                          text=True, timeout=300)
    said = json.loads(done.stdout)
    narrow = json.loads(subprocess.run([CLI, "encode", "--model", copy, "--json", "--precision", "int8", folders[1]],
                                       capture_output=True, text=True, timeout=300, check=True).stdout)
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b)
               for a, b in ((vectors(exact)[name], vectors(narrow)[name]) for name in ("heart", "lung"))]
    assert said["studies"] == said["corrected_by"] == 1 and said["findings"] == 4
    assert said["cosine_least"] == pytest.approx(min(cosines), abs=1e-7) and min(cosines) < 1 - 1e-7


def test_organs_with_a_mask_are_assessed_and_the_others_named(model, tmp_path):
    study, seg = made()
    result = encode(tmp_path / "s", study, seg, model=model)
    assert result["analysed"] is True and result["reason"] is None
    assert {one["reason"] for one in result["input"]["series"]} == {"chosen", "organ_masks"}
    assert [one["sop_uid"] for one in result["input"]["instances"]][-1] == seg.SOPInstanceUID
    assert set(vectors(result)) == {"heart", "lung"}
    assert all(abs(np.linalg.norm(vector) - 1) < 1e-5 for vector in vectors(result).values())
    assert organs_of(result)["aorta"] == organs_of(result)["esophagus"] == "organ_not_segmented"
    assert states(result)["aorta"] == ("not_assessed", "organ_not_segmented")
    assert states(result)["heart"][0] in ("present", "absent") and states(result)["heart"][1] is None


def other_frame(seg):
    seg.FrameOfReferenceUID = generate_uid(prefix=None)


def damaged(seg):
    seg.SegmentationType = "LABELMAP"


def irregular(seg):
    position = seg.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0]
    position.ImagePositionPatient = [position.ImagePositionPatient[0], position.ImagePositionPatient[1], 3.6]


def unknown(seg):
    for segment in seg.SegmentSequence:
        segment.SegmentedPropertyTypeCodeSequence[0].CodeValue = "4711"


def far_away(seg):
    positions = [group.PlanePositionSequence[0] for group in seg.PerFrameFunctionalGroupsSequence]
    for position in {id(one): one for one in positions}.values():  # frames of one plane share theirs
        position.ImagePositionPatient = [position.ImagePositionPatient[0] + 900, *position.ImagePositionPatient[1:]]


@pytest.mark.parametrize("change, reason", [
    (other_frame, "other_frame_of_reference"), (damaged, "segmentation_unreadable"),
    (irregular, "segmentation_geometry"), (unknown, "segment_code_unknown"), (far_away, "organ_without_voxels"),
])
def test_a_segmentation_that_cannot_be_used_is_no_assessment(model, tmp_path, change, reason):
    study, seg = made()
    change(seg)
    result = encode(tmp_path / "s", study, seg, model=model)
    assert vectors(result) == {} and organs_of(result)["heart"] == reason
    assert states(result)["heart"] == ("not_assessed", reason)


def test_a_study_without_a_segmentation(model, tmp_path):
    study, _ = made()
    result = encode(tmp_path / "s", study, model=model)
    assert set(organs_of(result).values()) == {"no_segmentation"}
    assert {state for state, _ in states(result).values()} == {"not_assessed"}


def test_several_objects_are_joined(model, tmp_path):
    """Heart and lung in an object each are what they are in one; the same organ twice is said."""
    study, seg = made()
    images = study.objects
    parts = [grounded.segmentation(images, {name: where}) for name, where in WHOLE.items()]
    one = vectors(encode(tmp_path / "one", study, seg, model=model))
    two = encode(tmp_path / "two", study, *parts, model=model)
    assert all((one[name] == vectors(two)[name]).all() for name in WHOLE)
    assert not any(text.startswith("segmentations_joined") for text in two["input"]["warnings"])
    again = encode(tmp_path / "again", study, *parts, seg, model=model)
    assert "segmentations_joined: 2 organs are in more than one segmentation" in again["input"]["warnings"]


def test_a_site_says_what_its_labels_mean(model, tmp_path):
    study, seg = made()
    unknown(seg)
    seg.SegmentSequence[0].SegmentLabel = "Heart_Total"
    own = tmp_path / "own"
    own.mkdir()
    for name in os.listdir(model):
        os.link(model / name, own / name)
    (own / "segments.json").unlink()
    (own / "segments.json").write_text(json.dumps({"labels": {"heart total": "heart"}}))
    result = encode(tmp_path / "s", study, seg, model=own)
    assert set(vectors(result)) == {"heart"} and organs_of(result)["lung"] == "segment_code_unknown"
    digests = [r["model"]["config_sha256"] for r in (result, encode(tmp_path / "t", study, model=model))]
    assert digests[0] != digests[1]
    (own / "segments.json").write_text(json.dumps({"labels": {"heart": "hart"}}))
    done = subprocess.run([CLI, "encode", "--model", own, tmp_path / "s"], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "labels.heart: not the id of an organ" in done.stderr


@pytest.mark.skipif(not DATA.is_dir(), reason="no real data beside the checkout")
def test_a_real_series_with_a_segmentation(model, tmp_path):
    """LIDC, whose images were given a frame of reference each; and an object of another patient."""
    paths = sorted((DATA / "ct_series/lidc-idri-0314_chest_2mm").iterdir())
    images = sorted((pydicom.dcmread(path) for path in paths), key=lambda one: float(one.ImagePositionPatient[2]))
    for one in images:
        one.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    seg = grounded.segmentation(images, {"lung": (slice(3, -3), slice(100, 200), slice(80, 180)),
                                         "aorta": (slice(5, 30), slice(280, 320), slice(250, 290))})
    seg.save_as(tmp_path / "seg.dcm", write_like_original=False)
    done = subprocess.run([CLI, "encode", "--model", model, "--json", tmp_path / "seg.dcm", *paths,
                           DATA / "other_modality/seg_ct.dcm"], capture_output=True, text=True, timeout=300)
    result = json.loads(done.stdout)
    if result["reason"] == "several_studies":  # the other patient's: refused as a whole
        done = subprocess.run([CLI, "encode", "--model", model, "--json", tmp_path / "seg.dcm", *paths],
                              capture_output=True, text=True, timeout=300)
        result = json.loads(done.stdout)
    assert set(vectors(result)) == {"lung", "aorta"} and organs_of(result)["heart"] == "organ_not_segmented"


def test_the_sample_table_is_what_the_converter_writes():
    sys.path.insert(0, str(ROOT / "tools"))
    from convert_model import family_fvlm
    assert family_fvlm.SEGMENTS == json.loads((ROOT / "conf/segments.json").read_text())


def prepared(study, parts, spacing, size, clip=(-1150, 350), box_of="mask"):
    """The encoder's input, written out again: spacing, clip, range, box, padding on both sides."""
    import torch
    from torch.nn import functional
    images = study.objects
    volume = np.stack([one.pixel_array.astype("f8") + float(one.RescaleIntercept) for one in images])
    labels = np.zeros(volume.shape)
    for name, where in parts.items():
        labels[where] = grounded.ORGANS.index(name) + 1
    old = [2.5, 1.9, 1.9]
    out = [int(n * o / s) for n, o, s in zip(volume.shape, old, spacing)]
    values = functional.interpolate(torch.from_numpy(volume)[None, None], size=out, mode="trilinear",
                                    align_corners=False)[0, 0].numpy()
    values = (values.clip(*clip) - clip[0]) / (clip[1] - clip[0])
    at = np.ix_(*[np.floor((np.arange(o) + 0.5) * n / o).astype(int) for n, o in zip(volume.shape, out)])
    mask = labels[at].astype("u1")
    inside = np.argwhere(mask if box_of == "mask" else values)
    box = tuple(slice(max(0, low - m), min(n, high + 1 + m)) for low, high, m, n in
                zip(inside.min(0), inside.max(0), (5, 20, 20), out))
    values, mask = values[box], mask[box]
    pads = [(max(0, s - n) // 2, max(0, s - n) - max(0, s - n) // 2) for n, s in zip(values.shape, size)]
    return np.pad(values, pads).astype("f4"), np.pad(mask, pads)


@pytest.mark.parametrize("spacing", [(3, 2, 2), (1.5, 2.4, 1.7)])
def test_the_input_is_what_torch_makes_of_the_study(tmp_path, spacing):
    """The whole path against the tower on a tensor that was prepared elsewhere."""
    from safetensors.numpy import save_file
    folder = grounded.model(tmp_path / "m", spacing=list(spacing))
    parts = {"heart": (slice(4, 9), slice(21, 40), slice(22, 43)), "aorta": (slice(2, 10), slice(44, 51), slice(30, 39))}
    study, seg = made(parts)
    ours = encode(tmp_path / "s", study, seg, model=folder)
    values, mask = prepared(study, parts, spacing, (16, 32, 64))
    assert tuple(ours["input"]["input_zyx"]) == values.shape
    save_file({"input": values[None], "mask": mask}, tmp_path / "in.safetensors")
    done = subprocess.run([CLI, "encode", "--model", folder, "--tensor", tmp_path / "in.safetensors", "--json"],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    theirs = {one["id"]: np.array(one["embedding"]) for one in json.loads(done.stdout)["organs"] if "embedding" in one}
    assert set(theirs) == set(vectors(ours)) == set(parts)
    assert max(np.abs(theirs[name] - vectors(ours)[name]).max() for name in parts) < 1e-5


def test_a_unet_with_given_masks(tmp_path):
    """CT-GLIP style: the box of what is not air, no padding but the windows'; against nnU-Net's own modules."""
    torch = pytest.importorskip("torch")
    sys.path.insert(0, str(ROOT / "tests/golden"))
    import unet_reference
    from organ_flow import Mean
    unet = dict(features=[8, 12, 16], kernels=[[1, 3, 3], [3, 3, 3], [3, 3, 3]],
                strides=[[1, 1, 1], [1, 2, 2], [2, 2, 2]], convs_enc=2, convs_dec=2, norm="instance", act="leaky_relu",
                slope=0.01, out_map="full", overlap=0.25)
    net, window = unet_reference.build(unet, 3), [8, 32, 40]
    project = torch.nn.Linear(8, grounded.DIM)
    tensors = unet_reference.arrays(unet_reference.canonical(net, unet))
    tensors |= {"vision.proj.weight": project.weight.detach().numpy(), "vision.proj.bias": project.bias.detach().numpy()}
    folder = grounded.write_model(tmp_path / "m", "ct-glip", tensors, {
        "vision": {"arch": "unet", "input": window, "proj_dim": grounded.DIM}, "unet": unet,
        "organ": {"pool": "mean", "organs": grounded.ORGAN_TABLE},
        "preprocess": {"modality": "CT", "spacing": [5, 1.5, 1.5], "hu_clip": [-300, 400], "norm": "range01"}})
    parts = {"heart": (slice(4, 9), slice(21, 40), slice(22, 43)), "lung": (slice(2, 10), slice(10, 50), slice(6, 19))}
    study, seg = made(parts)
    ours = vectors(encode(tmp_path / "s", study, seg, model=folder))
    values, mask = prepared(study, parts, (5, 1.5, 1.5), (0, 0, 0), (-300, 400), "nonzero")
    theirs = Mean(net.double(), unet, {"lung": [1], "heart": [2], "aorta": [4]}, project.double())(
        values, mask, window, 0.25)
    assert set(ours) == set(theirs) == set(parts)
    assert max(np.abs(theirs[name] - ours[name]).max() for name in parts) < 2e-5


def test_a_unet_that_predicts_its_masks_needs_no_segmentation(tmp_path):
    """RADAR."""
    torch = pytest.importorskip("torch")
    sys.path.insert(0, str(ROOT / "tests/golden"))
    import unet_reference
    from organ_flow import Query
    unet = {**unet_reference.RADAR, "features": [8, 10, 12, 14, 16, 18], "classes": 5, "map_dim": 24, "overlap": 0.25}
    organs = {name: [i + 1] for i, name in enumerate(grounded.ORGANS)}
    reference, window = Query(unet, organs, 1, proj_dim=grounded.DIM), [32, 64, 96]
    tensors = {name: value for name, value in reference.canonical().items() if not name.endswith("num_batches_tracked")}
    folder = grounded.write_model(tmp_path / "m", "radar", unet_reference.arrays(tensors), {
        "vision": {"arch": "unet", "input": window, "proj_dim": grounded.DIM}, "unet": unet,
        "organ": {"pool": "queries", "query_heads": 4, "organs": grounded.ORGAN_TABLE},
        "preprocess": {"modality": "CT", "spacing": [1, 1.5, 1.5], "hu_clip": [-300, 400], "norm": "range01"}})
    study = Study("CT")
    study.add_series(12)
    result = encode(tmp_path / "s", study, model=folder)
    ours = vectors(result)
    values, _ = prepared(study, {}, (1, 1.5, 1.5), (0, 0, 0), (-300, 400), "nonzero")
    with torch.no_grad():
        theirs, _ = reference.double()(values, window, 0.25)
    assert ours and set(ours) == set(theirs)
    assert max(np.abs(theirs[name] - ours[name]).max() for name in theirs) < 2e-5
    assert {why for why in organs_of(result).values() if isinstance(why, str)} <= {"organ_not_found"}


def edited(folder, where, change):
    copied = where / "edited"
    shutil.copytree(folder, copied)
    config = json.loads((copied / "config.json").read_text())
    change(config["preprocess"])
    (copied / "config.json").write_text(json.dumps(config))
    return copied


@pytest.mark.parametrize("base, change, words", [
    ("grounded", lambda p: p.pop("spacing"), "preprocess.spacing: required with organs"),
    ("grounded", lambda p: p.update(spacing=[3, 0, 1]), "preprocess.spacing"),
    ("grounded", lambda p: p.update(crop="heart"), "preprocess.crop"),
    ("grounded", lambda p: p.update(crop_margin=[1, 2]), "preprocess.crop_margin"),
    ("grounded", lambda p: p.update(pad={"where": "end"}), "preprocess.pad.size"),
    ("grounded", lambda p: p.update(pad={"size": [1, 1, 1], "side": "end"}), "preprocess.pad.side: unknown key"),
    ("demo", lambda p: p.update(spacing=1, crop="none"), "preprocess.crop_margin_mm and spacing: only with crop heart"),
    ("demo", lambda p: p.update(crop="mask"), "preprocess.crop: none, mask or nonzero with organs; else none or heart"),
    ("demo", lambda p: p.update(crop="heart", modality="MR"), "preprocess.crop: the heart is only found in CT"),
    ("demo", lambda p: p.update(pad={"size": [1, 1, 1]}), "only with organs"),
])
def test_a_preprocess_key_that_does_not_fit_is_named(model, tmp_path, base, change, words):
    folder = edited(model if base == "grounded" else MODEL, tmp_path, change)
    done = subprocess.run([CLI, "model", "check", folder], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and words in done.stderr + done.stdout


def test_padding_goes_where_it_is_said_to(tmp_path):
    """At the end, with a value of its own, without a crop."""
    from safetensors.numpy import save_file
    folder = grounded.model(tmp_path / "m", spacing=[2.5, 1.9, 1.9], crop="none",
                            pad={"size": [20, 70, 80], "where": "end", "value": 0.25})
    study, seg = made()
    ours = encode(tmp_path / "s", study, seg, model=folder)
    assert ours["input"]["input_zyx"] == [20, 70, 80]
    volume = np.stack([one.pixel_array + float(one.RescaleIntercept) for one in study.objects])
    ends = [(0, 20 - 12), (0, 70 - 64), (0, 80 - 64)]
    values = np.pad((volume.clip(-1150, 350) + 1150) / 1500, ends, constant_values=0.25).astype("f4")
    labels = np.zeros(volume.shape, "u1")
    for name in ("heart", "lung"):
        labels[WHOLE[name]] = grounded.ORGANS.index(name) + 1
    save_file({"input": values[None], "mask": np.pad(labels, ends)}, tmp_path / "in.safetensors")
    done = subprocess.run([CLI, "encode", "--model", folder, "--tensor", tmp_path / "in.safetensors", "--json"],
                          capture_output=True, text=True, timeout=300)
    theirs = {one["id"]: np.array(one["embedding"]) for one in json.loads(done.stdout)["organs"] if "embedding" in one}
    assert set(theirs) == set(vectors(ours)) == set(WHOLE)
    assert max(np.abs(theirs[name] - vectors(ours)[name]).max() for name in theirs) < 1e-5


# ---- the service ----

def grounded_daemon(start_daemon, model, pacs):
    return start_daemon(peers=[pacs.peer()], models=[{"name": "tiny-grounded", "folder": model}])


def test_a_study_with_its_segmentation_goes_through_the_service(start_daemon, start_pacs, model):
    pacs = start_pacs()
    daemon = grounded_daemon(start_daemon, model, pacs)
    study, seg = made()
    send(daemon, [*study.objects, seg])
    shown = daemon.wait_state(study.uid, "delivered")
    result = shown["results"][0]
    assert result["analysed"] is True and states(result)["aorta"] == ("not_assessed", "organ_not_segmented")
    assert states(result)["heart"][0] in ("present", "absent")
    report = pacs.of_study(study.uid)[-1]
    said = " ".join(texts(report.data_set))
    assert "heart_finding" in said and "Organs: 2 of 4 assessed" in said
    assert ("Input: 1 of 2 series, 12 images; series 100: organ_masks; started: quiet; received: 12 CT or MR images, "
            "1 other objects") in said
    assert "Finding of the aorta (aorta_finding): not assessed: organ Aorta (aorta): organ_not_segmented" in said


def test_a_segmentation_alone_is_nothing_to_analyse(start_daemon, start_pacs, model):
    """As when a PACS routes the new masks of an old study: no report into it, until its images come."""
    pacs = start_pacs()
    daemon = grounded_daemon(start_daemon, model, pacs)
    study, seg = made()
    send(daemon, [seg])
    assert daemon.wait_state(study.uid, "delivered", "declined")["reason"] == "no_ct_or_mr_image"
    assert daemon.study(study.uid)["results"] == [] and not pacs.arrivals
    send(daemon, study.objects)
    shown = daemon.wait_state(study.uid, "delivered")
    assert shown["results"][0]["analysed"] is True and len(pacs.arrivals) == 1


def test_an_index_that_is_made_anew_knows_what_its_models_need(start_daemon, start_pacs, model):
    pacs = start_pacs()
    daemon = grounded_daemon(start_daemon, model, pacs)
    study, seg = made()
    send(daemon, [*study.objects, seg])
    daemon.wait_state(study.uid, "delivered")
    daemon.kill()
    for path in daemon.state.glob("cardioscribe.db*"):
        path.unlink()
    daemon.start()
    shown = daemon.wait_state(study.uid, "delivered")
    assert shown["objects"]["input"] == 13
    assert states(shown["results"][0])["heart"][0] in ("present", "absent")


def test_a_segmentation_that_comes_late_makes_a_new_revision(start_daemon, start_pacs, model):
    pacs = start_pacs()
    daemon = grounded_daemon(start_daemon, model, pacs)
    study, seg = made()
    send(daemon, study.objects)
    first = daemon.wait_state(study.uid, "delivered", revision=1)
    assert states(first["results"][0])["heart"] == ("not_assessed", "no_segmentation")
    send(daemon, [seg])
    second = daemon.wait_state(study.uid, "delivered", revision=2)
    assert states(second["results"][0])["heart"][0] in ("present", "absent")


def test_where_no_model_needs_its_masks_a_segmentation_changes_nothing(start_daemon, start_pacs):
    pacs = start_pacs()
    daemon = start_daemon(peers=[pacs.peer()])
    study, seg = made({"lung": WHOLE["lung"]})
    send(daemon, study.objects)
    daemon.wait_state(study.uid, "delivered", revision=1)
    send(daemon, [seg])
    assert daemon.study(study.uid)["revision"] == 1
