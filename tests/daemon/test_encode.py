"""The command line without a daemon, on real studies: the real binaries, numbers recomputed with torch.

BUILD_DIR names the build folder (default: build). Real data comes from CARDIOSCRIBE_SHARED or ../shared beside the
checkout; the tests that need it are skipped without it.
"""
import json
import os
import pathlib
import random
import shutil
import subprocess
import time

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build"))
CLI = BUILD / "cli" / "cardioscribe"
WORKER = BUILD / "worker" / "cardioscribe-worker"
MODEL = ROOT / "models" / "demo-ct"
SHARED = pathlib.Path(os.environ.get("CARDIOSCRIBE_SHARED", ROOT.parent / "shared"))
DATA = SHARED / "data"
LIDC = DATA / "ct_series" / "lidc-idri-0314_chest_2mm"
CINE = DATA / "mr_cine" / "sunnybrook_SCD0000301_sax"
INPUT_ZYX = tuple(json.loads((MODEL / "config.json").read_text())["vision"]["input"])

real_data = pytest.mark.skipif(not DATA.is_dir(), reason="no real data beside the checkout")


def cli(*arguments, timeout=300, **environment):
    return subprocess.run([str(CLI), *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **environment})


def encode(*paths, model=MODEL, **environment):
    done = cli("encode", "--model", model, "--json", *paths, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def lidc():
    return encode(LIDC)


# ---- encode ----

@real_data
def test_a_real_ct_gives_every_field(lidc):
    assert lidc["analysed"] is True and lidc["reason"] is None
    assert set(lidc["model"]) >= {"name", "version", "weights_sha256", "prompts_sha256", "config_sha256", "trained"}
    assert len(lidc["model"]["weights_sha256"]) == len(lidc["model"]["prompts_sha256"]) == 64
    source = lidc["input"]
    assert source["modality"] == "CT"
    assert len(source["instances"]) == source["source_zyx"][0] == len(list(LIDC.iterdir()))
    assert tuple(source["input_zyx"]) == INPUT_ZYX
    assert len(source["manifest_sha256"]) == 64
    assert [one["reason"] for one in source["series"] if one["taken"]] == ["chosen"]
    assert source["key"] == {"instance": len(source["instances"]) // 2, "frame": 0}
    assert all(lidc["timing"][key] >= 0 for key in ("load_s", "volume_s", "encode_s"))


@real_data
def test_the_embedding_has_unit_length(lidc):
    vector = np.array(lidc["embedding"])
    assert vector.shape == (64,)
    assert abs(np.linalg.norm(vector) - 1) < 1e-5


@real_data
def test_an_untrained_model_decides_nothing(lidc):
    prompts = json.loads((MODEL / "prompts.json").read_text())
    assert [one["id"] for one in lidc["findings"]] == [one["id"] for one in prompts["labels"]]
    for finding in lidc["findings"]:
        assert finding["state"] == "undetermined" and finding["reason"] == "model_untrained"
        assert finding["probability"] is None


@real_data
def test_instances_lie_in_order_of_position(lidc):
    import pydicom
    positions = {}
    for path in LIDC.iterdir():
        head = pydicom.dcmread(path, stop_before_pixels=True)
        positions[head.SOPInstanceUID] = float(head.ImagePositionPatient[2])
    used = [positions[one["sop_uid"]] for one in lidc["input"]["instances"]]
    assert used == sorted(positions.values())


@real_data
def test_runs_and_file_orders_agree_to_the_bit(lidc, tmp_path):
    files = sorted(LIDC.iterdir())
    random.Random(1).shuffle(files)
    for number, path in enumerate(files):
        shutil.copy(path, tmp_path / f"{number:03}")
    for again in (encode(LIDC), encode(*files), encode(tmp_path)):
        assert again["embedding"] == lidc["embedding"]
        assert again["input"]["manifest_sha256"] == lidc["input"]["manifest_sha256"]
        assert again["input"]["instances"] == lidc["input"]["instances"]


@real_data
def test_other_files_are_skipped_and_counted(lidc, tmp_path):
    study = tmp_path / "study"
    shutil.copytree(LIDC, study)
    (study / "notes.txt").write_text("not DICOM")
    (study / "deep").mkdir()
    (study / "deep" / "empty").touch()
    found = encode(study)
    assert found["embedding"] == lidc["embedding"]
    assert any(text.startswith("skipped: 2 of ") for text in found["input"]["warnings"])
    assert encode(study, study / "notes.txt")["input"]["warnings"] == found["input"]["warnings"]


@real_data
def test_the_human_form_says_it_is_not_for_clinical_use():
    done = cli("encode", "--model", MODEL, LIDC)
    assert done.returncode == 0
    assert "UNTRAINED" in done.stdout and "Not for clinical use" in done.stdout


@real_data
def test_mr_to_a_ct_model_is_not_analysed_with_reason():
    found = encode(CINE)
    assert found["analysed"] is False and found["embedding"] is None
    assert found["reason"] and found["reason_text"]
    assert found["input"]["modality"] == "MR"
    assert found["input"]["series"] and not any(one["taken"] for one in found["input"]["series"])
    assert all(one["state"] == "not_assessed" and one["reason"] == found["reason"] for one in found["findings"])


@real_data
def test_too_few_slices_are_not_analysed():
    found = encode(DATA / "ct_series" / "ge_3slice")
    assert found["analysed"] is False and found["reason"] == "too_few_slices"


@real_data
def test_two_studies_at_once_are_not_mixed():
    found = encode(LIDC, DATA / "ct_series" / "ge_3slice")
    assert found["analysed"] is False and found["reason"] == "several_studies"


@real_data
def test_a_missing_middle_slice_is_told(tmp_path):
    import pydicom
    order = sorted(LIDC.iterdir(),
                   key=lambda path: float(pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient[2]))
    for number, path in enumerate(order):
        if number not in range(18, 23):
            shutil.copy(path, tmp_path)
    found = encode(tmp_path)
    assert found["analysed"] is False and found["reason"] == "missing_slices"


def test_an_empty_folder_is_a_clear_error(tmp_path):
    done = cli("encode", "--model", MODEL, "--json", tmp_path)
    assert done.returncode == 1 and "no file" in done.stderr and done.stdout == ""


def test_a_folder_without_dicom_is_a_clear_error(tmp_path):
    (tmp_path / "a").write_text("a")
    done = cli("encode", "--model", MODEL, "--json", tmp_path)
    assert done.returncode == 1 and "no_dicom_files" in done.stderr
    assert json.loads(done.stdout)["reason"] == "no_dicom_files"


def test_a_path_that_is_not_there_is_a_clear_error(tmp_path):
    done = cli("encode", "--model", MODEL, tmp_path / "nothing")
    assert done.returncode == 1 and "No such file" in done.stderr


def test_a_model_that_is_not_there_is_a_clear_error(tmp_path):
    (tmp_path / "a").write_text("a")
    done = cli("encode", "--model", tmp_path / "nothing", tmp_path / "a")
    assert done.returncode == 1 and "config.json" in done.stderr


# ---- the worker misbehaves ----

def test_a_crash_is_told_with_its_signal(tmp_path):
    (tmp_path / "a").write_text("a")
    done = cli("encode", "--model", MODEL, tmp_path, CARDIOSCRIBE_WORKER_FAULT="crash")
    assert done.returncode == 1 and "worker_crashed" in done.stderr and "signal 11" in done.stderr


def test_a_hang_ends_with_the_time_limit(tmp_path):
    (tmp_path / "a").write_text("a")
    start = time.monotonic()
    done = cli("encode", "--model", MODEL, "--timeout", 1, tmp_path, CARDIOSCRIBE_WORKER_FAULT="hang")
    assert done.returncode == 1 and "worker_timeout" in done.stderr
    assert time.monotonic() - start < 20


def test_a_missing_worker_is_told(tmp_path):
    (tmp_path / "a").write_text("a")
    done = cli("encode", "--model", MODEL, tmp_path, CARDIOSCRIBE_WORKER="/nonexistent")
    assert done.returncode == 1 and "/nonexistent" in done.stderr


def test_the_worker_answers_line_by_line_and_ends_with_its_input():
    lines = ['{"job":"model","model":"%s"}' % MODEL, "nonsense", '{"job":"tokenize","model":"%s","text":"a"}' % MODEL]
    done = subprocess.run([str(WORKER), str(MODEL)], input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=60)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [one["ok"] for one in answers] == [True, False, True]
    assert answers[0]["dim"] == 64 and tuple(answers[0]["input_zyx"]) == INPUT_ZYX
    assert answers[1]["error"]["code"] == "input"


# ---- tensor, text, tokens, check ----

def save_input(path, array, name="input"):
    from safetensors.numpy import save_file
    save_file({name: np.ascontiguousarray(array)}, str(path))
    return path


def encode_tensor(path):
    return cli("encode", "--model", MODEL, "--tensor", path, "--json")


def test_a_tensor_in_its_three_shapes_gives_one_embedding(tmp_path):
    array = np.random.default_rng(1).random(INPUT_ZYX, dtype=np.float32)
    vectors = []
    for number, shape in enumerate((INPUT_ZYX, (1, *INPUT_ZYX), (1, 1, *INPUT_ZYX))):
        done = encode_tensor(save_input(tmp_path / f"{number}.safetensors", array.reshape(shape)))
        assert done.returncode == 0, done.stderr
        vectors.append(json.loads(done.stdout)["embedding"])
    assert vectors[0] == vectors[1] == vectors[2]
    other = encode_tensor(save_input(tmp_path / "other.safetensors", array[::-1]))
    assert json.loads(other.stdout)["embedding"] != vectors[0]


@pytest.mark.parametrize("what", ["shape", "rank", "type", "name", "nan"])
def test_a_wrong_tensor_is_refused(tmp_path, what):
    array = np.zeros(INPUT_ZYX, dtype=np.float32)
    if what == "shape":
        array = np.zeros((INPUT_ZYX[0] + 8, *INPUT_ZYX[1:]), dtype=np.float32)
    elif what == "rank":
        array = np.zeros((2, *INPUT_ZYX), dtype=np.float32)
    elif what == "type":
        array = array.astype(np.float64)
    elif what == "nan":
        array[0, 0, 0] = np.nan
    done = encode_tensor(save_input(tmp_path / "t.safetensors", array, "other" if what == "name" else "input"))
    assert done.returncode == 1 and done.stderr and done.stdout == ""


def test_texts_become_unit_vectors():
    done = cli("text", "--model", MODEL, "--json", "There is cardiomegaly.", "There is no cardiomegaly.")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert set(answer) == {"model", "embeddings"} and answer["model"]["name"] == "demo-ct"
    assert [one["text"] for one in answer["embeddings"]] == ["There is cardiomegaly.", "There is no cardiomegaly."]
    vectors = np.array([one["embedding"] for one in answer["embeddings"]])
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4


def test_scores_are_the_pair_softmax_of_the_cosines(tmp_path):
    array = np.random.default_rng(2).random(INPUT_ZYX, dtype=np.float32)
    result = json.loads(encode_tensor(save_input(tmp_path / "t.safetensors", array)).stdout)
    labels = json.loads((MODEL / "prompts.json").read_text())["labels"]
    texts = [text for label in labels for text in (label["positive"], label["negative"])]
    if not all(isinstance(text, str) for text in texts):
        pytest.skip("prompts are lists")
    answer = json.loads(cli("text", "--model", MODEL, "--json", *texts).stdout)
    cosines = np.array([one["embedding"] for one in answer["embeddings"]]) @ np.array(result["embedding"])
    from safetensors.numpy import load_file
    scale = np.exp(float(load_file(str(MODEL / "model.safetensors"))["logit_scale"].reshape(-1)[0]))
    for number, finding in enumerate(result["findings"]):
        positive, negative = cosines[2 * number], cosines[2 * number + 1]
        assert finding["cosine_positive"] == pytest.approx(positive, abs=1e-5)
        assert finding["cosine_negative"] == pytest.approx(negative, abs=1e-5)
        if finding["score"] is not None:
            assert finding["score"] == pytest.approx(1 / (1 + np.exp(-scale * (positive - negative))), abs=1e-3)


def test_tokens_are_what_wordpiece_says():
    transformers = pytest.importorskip("transformers")
    reference = transformers.BertTokenizer(str(MODEL / "vocab.txt"), do_lower_case=True)
    for text in ("There is stenosis at the coronary artery.", "Zzyzx? caf\u00e9 \u5fc3", ""):
        done = cli("tokenize", "--model", MODEL, "--json", text)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["ids"] == reference(text)["input_ids"]
        assert cli("tokenize", "--model", MODEL, text).stdout.split() == [str(i) for i in reference(text)["input_ids"]]


def test_the_model_folder_passes_its_check():
    done = cli("model", "check", MODEL)
    assert done.returncode == 0 and "demo-ct" in done.stdout and "UNTRAINED" in done.stdout


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt", "prompts.json"])
def test_a_model_folder_that_lacks_a_file_fails_its_check(tmp_path, name):
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder)
    (folder / name).unlink()
    done = cli("model", "check", folder)
    assert done.returncode == 1 and name in done.stderr


@real_data
def test_every_safetensors_file_is_judged_right():
    files = sorted((DATA / "safetensors").glob("*.safetensors"))
    assert len(files) >= 10
    reasons = {}
    for path in files:
        done = cli("model", "check", path)
        if path.name.startswith("valid_"):
            assert done.returncode == 0, (path.name, done.stderr)
        else:
            assert done.returncode == 1 and "(" in done.stderr, path.name
            reasons[path.name] = done.stderr.rsplit("(", 1)[1]
    assert len(set(reasons.values())) > len(reasons) // 2  # reasons tell the cases apart


# ---- studies made here, so that one thing at a time is odd ----

def phantom(z, y=24, x=20, seed=3):
    """A smooth volume in which no two slices or corners are alike."""
    grid = np.stack(np.meshgrid(np.arange(z), np.arange(y), np.arange(x), indexing="ij")).astype(float)
    waves = np.random.default_rng(seed).uniform(0.05, 0.4, (3, 3))
    return np.rint(300 + sum(150 * np.sin(np.tensordot(wave, grid, 1)) for wave in waves)).astype(np.int16)


def write_series(folder, voxels, spacing_z=2.5, study="1.2.3", series="1.2.3.4", first=0, **attributes):
    """One CT file a slice, in a random order of names and numbers; x to the left, y to the back, z to the head."""
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    folder.mkdir(parents=True, exist_ok=True)
    numbers = list(range(len(voxels)))
    random.Random(7).shuffle(numbers)
    for z, plane in enumerate(voxels):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        meta.MediaStorageSOPInstanceUID = f"{series}.{first + z + 1}"
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        one = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
        one.SOPClassUID, one.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, series, "1.2.9"
        one.Modality, one.SeriesNumber, one.InstanceNumber = "CT", 1, numbers[z] + 1
        one.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        one.ImagePositionPatient, one.ImageOrientationPatient = [-50, -60, z * spacing_z], [1, 0, 0, 0, 1, 0]
        one.PixelSpacing, one.SliceThickness = [0.9, 0.8], spacing_z
        one.Rows, one.Columns = plane.shape
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.RescaleSlope, one.RescaleIntercept = 1, -1024
        for name, value in attributes.items():
            setattr(one, name, value)
        one.PixelData = plane.astype("<i2").tobytes()
        one.is_little_endian, one.is_implicit_VR = True, False
        one.save_as(folder / f"{numbers[z]:03}-{first}.dcm", write_like_original=False)
    return folder


def reference_vector(tmp_path, hounsfield):
    import torch
    tensor = torch.nn.functional.interpolate(torch.from_numpy(hounsfield.astype(np.float32))[None, None],
                                             size=INPUT_ZYX, mode="trilinear", align_corners=False).numpy()
    tensor = (tensor - tensor.min()) / (tensor.max() - tensor.min())
    return np.array(json.loads(encode_tensor(save_input(tmp_path / "r.safetensors", tensor)).stdout)["embedding"])


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_padding_is_air_in_ct_and_the_lowest_value_in_mr(modality, tmp_path):
    """And a voxel between padding and tissue is padding too, not a mixture."""
    torch = pytest.importorskip("torch")
    model = tmp_path / "model"
    shutil.copytree(MODEL, model)
    config = json.loads((model / "config.json").read_text())
    config["preprocess"]["modality"] = modality
    (model / "config.json").write_text(json.dumps(config))
    more = {} if modality == "CT" else {"Modality": "MR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}
    voxels = np.maximum(phantom(12), 60)  # -964 HU at least
    padded = voxels.copy()
    padded[:, :5, :4] = -2000
    found = encode(write_series(tmp_path / "s", padded, PixelPaddingValue=-2000, **more), model=model)
    assert found["analysed"], found["reason_text"]
    marked = np.where(padded == -2000, np.nan, padded - 1024.0).astype("f4")
    sampled = torch.nn.functional.interpolate(torch.from_numpy(marked)[None, None], size=INPUT_ZYX, mode="trilinear",
                                              align_corners=False).numpy()
    sampled = np.where(np.isnan(sampled), -1024 if modality == "CT" else np.nanmin(sampled), sampled)
    tensor = ((sampled - sampled.min()) / (sampled.max() - sampled.min())).astype("f4")
    expected = json.loads(encode_tensor(save_input(tmp_path / "r.safetensors", tensor)).stdout)["embedding"]
    assert np.abs(np.array(found["embedding"]) - expected).max() < 1e-5
    plain = encode(write_series(tmp_path / "p", padded, **more), model=model)  # the same values, not declared as padding
    assert np.abs(np.array(plain["embedding"]) - expected).max() > 1e-3


def test_of_several_phases_the_one_nearest_to_75_percent_is_taken(tmp_path):
    pytest.importorskip("torch")
    for number, percent in enumerate((5, 35, 70, 95)):
        write_series(tmp_path / "s", phantom(10, seed=percent), first=100 * number,
                     NominalPercentageOfCardiacPhase=percent)
    found = encode(tmp_path / "s")
    assert found["analysed"], found["reason_text"]
    assert np.abs(np.array(found["embedding"]) - reference_vector(tmp_path, phantom(10, seed=70) - 1024.0)).max() < 1e-5
    assert [one["sop_uid"] for one in found["input"]["instances"]] == [f"1.2.3.4.{200 + z}" for z in range(1, 11)]
    assert any(text.startswith("one_phase: phase 3 of 4") for text in found["input"]["warnings"])


def test_a_volume_of_one_value_is_not_analysed(tmp_path):
    found = encode(write_series(tmp_path / "s", np.full((10, 8, 8), 5, np.int16)))
    assert found["analysed"] is False and found["reason"] == "constant_volume"
    found = encode(write_series(tmp_path / "p", np.full((10, 8, 8), 5, np.int16), PixelPaddingValue=5))
    assert found["analysed"] is False and found["reason"] == "constant_volume"


def test_slices_too_far_apart_are_not_analysed(tmp_path):
    found = encode(write_series(tmp_path / "s", phantom(10), spacing_z=10.5))
    assert found["analysed"] is False and found["reason"] == "spacing_too_coarse"
    assert found["input"]["source_spacing_zyx_mm"] == pytest.approx([10.5, 0.9, 0.8])
    assert [one["reason"] for one in found["input"]["series"]] == ["spacing_too_coarse"]
    assert encode(write_series(tmp_path / "t", phantom(10), spacing_z=9.5))["analysed"] is True


def test_a_file_cut_in_its_pixels_is_not_fed_to_the_encoder(tmp_path):
    folder = write_series(tmp_path / "s", phantom(10))
    victim = sorted(folder.iterdir())[4]
    victim.write_bytes(victim.read_bytes()[:-300])
    found = encode(folder)
    assert found["analysed"] is False or any("skipped" in text for text in found["input"]["warnings"])
    assert len(found["input"]["instances"]) < 10


def test_a_changed_voxel_changes_embedding_but_not_geometry(tmp_path):
    voxels = phantom(10)
    before = encode(write_series(tmp_path / "a", voxels))
    voxels[5] += 40
    after = encode(write_series(tmp_path / "b", voxels))
    assert before["embedding"] != after["embedding"]
    assert before["input"]["source_zyx"] == after["input"]["source_zyx"] == [10, 24, 20]


# ---- the pipeline feeds what it says ----

def as_encoder_input(nifti, padding):
    """volume -> canonical orientation -> trilinear -> minmax, with nibabel and torch."""
    import nibabel
    import torch
    image = nibabel.load(nifti)
    turn = nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine),
                                               nibabel.orientations.axcodes2ornt("LPS"))
    voxels = nibabel.orientations.apply_orientation(np.asarray(image.dataobj), turn).astype(np.float32)
    voxels = voxels.transpose(2, 1, 0)
    if padding is not None and (voxels == padding).any():
        voxels = np.where(voxels == padding, voxels[voxels != padding].min(), voxels)
    tensor = torch.nn.functional.interpolate(torch.from_numpy(np.ascontiguousarray(voxels))[None, None],
                                             size=INPUT_ZYX, mode="trilinear", align_corners=False)
    low, high = tensor.min(), tensor.max()
    return ((tensor - low) / (high - low)).numpy()


@real_data
def test_the_embedding_of_the_whole_field_equals_an_independent_recomputation(tmp_path):
    pytest.importorskip("torch")
    import pydicom
    model = tmp_path / "model"
    shutil.copytree(MODEL, model)
    config = json.loads((model / "config.json").read_text())
    config["preprocess"]["crop"] = "none"
    (model / "config.json").write_text(json.dumps(config))
    lidc = encode(LIDC, model=model)
    done = cli("volume", LIDC, "--nifti", tmp_path / "v.nii")
    assert done.returncode == 0, done.stderr
    head = pydicom.dcmread(next(LIDC.iterdir()), stop_before_pixels=True)
    padding = head.get("PixelPaddingValue")
    if padding is not None:
        padding = float(padding) * float(head.RescaleSlope) + float(head.RescaleIntercept)
    array = as_encoder_input(tmp_path / "v.nii", padding)
    done = encode_tensor(save_input(tmp_path / "t.safetensors", array))
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    difference = np.abs(np.array(again["embedding"]) - np.array(lidc["embedding"])).max()
    assert difference < 1e-5
    assert np.abs(np.array(again["embedding"]) - np.array(lidc["embedding"])[::-1]).max() > 1e-2


@real_data
def test_the_volume_holds_pydicom_s_values_where_they_lie(tmp_path):
    import nibabel
    import pydicom
    assert cli("volume", LIDC, "--nifti", tmp_path / "v.nii").returncode == 0
    image = nibabel.load(tmp_path / "v.nii")
    voxels = np.asarray(image.dataobj)
    slices = sorted((pydicom.dcmread(path) for path in LIDC.iterdir()),
                    key=lambda one: float(one.ImagePositionPatient[2]))
    assert voxels.shape == (slices[0].Columns, slices[0].Rows, len(slices))
    for z in (0, len(slices) // 2, len(slices) - 1):
        one = slices[z]
        expected = one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept)
        assert np.array_equal(voxels[:, :, z].T, expected.astype(np.float32))
        x, y, height = map(float, one.ImagePositionPatient)
        assert np.allclose(image.affine @ [0, 0, z, 1], [-x, -y, height, 1], atol=1e-3)


@real_data
def test_phases_become_a_fourth_axis(tmp_path):
    import nibabel
    done = cli("volume", CINE, "--nifti", tmp_path / "v.nii", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["phases"] == 20 and answer["phases"] * answer["zyx"][0] == answer["files"] == 200
    assert nibabel.load(tmp_path / "v.nii").shape == (*answer["zyx"][::-1], answer["phases"])


@real_data
def test_a_volume_that_cannot_be_built_leaves_no_file(tmp_path):
    done = cli("volume", DATA / "safetensors", "--nifti", tmp_path / "v.nii")
    assert done.returncode == 1 and "no_dicom_files" in done.stderr
    assert list(tmp_path.iterdir()) == []


# ---- usage ----

def test_exit_codes():
    assert cli("--version").returncode == 0 and cli("--help").returncode == 0
    for wrong in ((), ("nonsense",), ("encode",), ("encode", "--model", MODEL), ("encode", "--nonsense", "x"),
                  ("model", "chack", MODEL), ("tokenize", "--model", MODEL), ("volume", MODEL), ("report",),
                  ("studies", "surplus"), ("echo", "--port", "none")):
        assert cli(*wrong).returncode == 2, wrong
    for remote in (("status",), ("studies",), ("report", "1"), ("events", "1"), ("force", "1"), ("retry", "1")):
        done = cli(*remote, "--url", "http://127.0.0.1:9")
        assert done.returncode == 3 and "no daemon" in done.stderr, remote
