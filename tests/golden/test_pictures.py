"""Slices as the pictures a 2D tower takes: resizing against Pillow, a whole study against transformers' own processor."""
import json
import os
import pathlib
import subprocess

import numpy
import pydicom
import pytest
import torch
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid
from transformers import CLIPImageProcessor

import clip_reference as clip
from test_slice_pool import CONFIG

PROMPTS = {"version": "1", "labels": [{"id": "one", "text": "One", "positive": "one", "negative": "none"}]}
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def built(root, name):
    path = pathlib.Path(os.environ.get("BUILD_DIR", root / "build")) / name
    if not path.exists():
        pytest.skip(f"{path} is not built: set BUILD_DIR")
    return path


@pytest.mark.parametrize("size", [(512, 512), (300, 400), (224, 300), (97, 224), (100, 80), (1, 7), (224, 224)])
@pytest.mark.parametrize("out", [(224, 224), (224, 298)])
def test_bicubic_equals_pillow_to_the_byte(root, tmp_path, size, out):
    picture = numpy.random.default_rng(1).integers(0, 256, size, dtype="u1")
    picture[: size[0] // 2] = numpy.where(picture[: size[0] // 2] > 127, 255, 0)  # edges overshoot and are clamped
    picture.tofile(tmp_path / "in.u8")
    subprocess.run([built(root, "tests/golden/volume_probe"), "bicubic", tmp_path / "in.u8", tmp_path / "out.u8",
                    *map(str, size + out)], check=True, timeout=60)
    ours = numpy.fromfile(tmp_path / "out.u8", dtype="u1").reshape(out)
    theirs = numpy.asarray(Image.fromarray(picture).resize(out[::-1], Image.BICUBIC))
    assert (ours == theirs).all()


def lidc(shared):
    """A real chest, [z][y][x] in HU."""
    files = sorted((shared / "data/ct_series/lidc-idri-0314_chest_2mm").glob("*.dcm"))
    slices = sorted(map(pydicom.dcmread, files), key=lambda data: float(data.ImagePositionPatient[2]))
    return numpy.stack([data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept) for data in slices])


@pytest.mark.parametrize("out", [(224, 224), (200, 300)])
def test_bicubic_of_a_real_slice_equals_pillow_to_the_byte(root, shared, tmp_path, out):
    for number, plane in enumerate(lidc(shared)[::8]):
        picture = numpy.clip((plane + 160) * 255 / 400, 0, 255).round().astype("u1")
        assert len(numpy.unique(picture)) > 100
        picture.tofile(tmp_path / "in.u8")
        subprocess.run([built(root, "tests/golden/volume_probe"), "bicubic", tmp_path / "in.u8", tmp_path / "out.u8",
                        *map(str, picture.shape + out)], check=True, timeout=60)
        ours = numpy.fromfile(tmp_path / "out.u8", dtype="u1").reshape(out)
        assert (ours == numpy.asarray(Image.fromarray(picture).resize(out[::-1], Image.BICUBIC))).all(), number


def test_a_real_series_as_pictures(root, shared, tmp_path):
    """From its files to the embedding, against transformers' own processor and model."""
    model = clip.make(clip.SMALL)
    folder = clip.save(model, tmp_path / "m")
    preprocess = {"modality": "CT", "norm": "meanstd", "mean": MEAN, "std": STD, "max_slices": 16, "hu_clip": [-160, 240]}
    (folder / "config.json").write_text(json.dumps({**CONFIG, "preprocess": preprocess}))
    (folder / "prompts.json").write_text(json.dumps(PROMPTS))
    done = subprocess.run([built(root, "cli/cardioscribe"), "encode", "--model", folder, "--json",
                           shared / "data/ct_series/lidc-idri-0314_chest_2mm"], capture_output=True, text=True, timeout=120)
    answer = json.loads(done.stdout)
    assert answer["analysed"] is True and len(answer["input"]["instances"]) == 16, answer
    difference = numpy.abs(numpy.array(answer["embedding"]) - wanted(model, lidc(shared), -160, 240, 16)).max()
    assert difference < 1e-5, difference


def write_series(folder, voxels, modality):
    """voxels [z][y][x], stored values equal to rescaled ones."""
    folder.mkdir()
    study, series = generate_uid(), generate_uid()
    for z, plane in enumerate(voxels):
        d = pydicom.Dataset()
        d.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
        d.SOPInstanceUID, d.StudyInstanceUID, d.SeriesInstanceUID = generate_uid(), study, series
        d.PatientID, d.Modality, d.SeriesNumber, d.InstanceNumber = "p", modality, 1, z + 1
        d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"] if modality == "CT" else ["ORIGINAL", "PRIMARY", "M"]
        d.ImagePositionPatient, d.ImageOrientationPatient = [0, 0, 2.0 * z], [1, 0, 0, 0, 1, 0]
        d.PixelSpacing, d.SliceThickness = [1, 1], 2
        d.Rows, d.Columns = plane.shape
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
        if modality == "CT":
            d.RescaleSlope, d.RescaleIntercept = 1, 0
        d.PixelData = plane.astype("<i2").tobytes()
        d.file_meta = FileMetaDataset()
        d.file_meta.TransferSyntaxUID, d.file_meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, d.SOPClassUID
        d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID
        d.is_little_endian, d.is_implicit_VR = True, False
        d.save_as(folder / f"{z:03}.dcm", write_like_original=False)
    return folder


def wanted(model, voxels, low, high, most):
    count = min(len(voxels), most)
    slices = [voxels[(2 * i + 1) * len(voxels) // (2 * count)] for i in range(count)]
    greys = [numpy.floor(numpy.clip((s - low) * (255 / (high - low)), 0, 255) + 0.5).astype("u1") for s in slices]
    side = clip.SMALL["vision"]["image_size"]
    processor = CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    pictures = [Image.fromarray(grey).convert("RGB") for grey in greys]
    pixels = torch.from_numpy(numpy.stack(processor(pictures)["pixel_values"])).double()
    return clip.image_stages(model.double(), pixels)["unit"][0]


def test_the_manifest_says_how_a_study_was_prepared(root, tmp_path):
    """Of the same objects: another percentile is another input."""
    folder, found = clip.save(clip.make(clip.SMALL), tmp_path / "m"), []
    (folder / "prompts.json").write_text(json.dumps(PROMPTS))
    study = write_series(tmp_path / "study", numpy.random.default_rng(1).integers(0, 99, (4, 30, 40)), "MR")
    for percentile in ([1, 99], [1, 99], [5, 99]):
        preprocess = {"modality": "MR", "norm": "meanstd", "mean": MEAN, "std": STD, "percentile": percentile}
        (folder / "config.json").write_text(json.dumps({**CONFIG, "preprocess": preprocess}))
        done = subprocess.run([built(root, "cli/cardioscribe"), "encode", "--model", folder, "--json", study],
                              capture_output=True, text=True, timeout=120)
        found.append(json.loads(done.stdout)["input"]["manifest_sha256"])
    assert found[0] == found[1] != found[2]


def test_channels_that_no_grey_picture_has(root, tmp_path):
    """mean and std are given for up to three."""
    sizes = {**clip.SMALL, "vision": {**clip.SMALL["vision"], "num_channels": 4}}
    folder = clip.save(clip.make(sizes), tmp_path / "m")
    config = {**CONFIG, "vision": {**CONFIG["vision"], "channels": 4},
              "preprocess": {"modality": "CT", "norm": "meanstd", "mean": MEAN, "std": STD}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "prompts.json").write_text(json.dumps(PROMPTS))
    study = write_series(tmp_path / "study", numpy.random.default_rng(1).integers(0, 99, (4, 30, 40)), "CT")
    done = subprocess.run([built(root, "cli/cardioscribe"), "encode", "--model", folder, "--json", study],
                          capture_output=True, text=True, timeout=120)
    assert "no_study_path" in done.stdout, done.stdout[:200] + done.stderr


@pytest.fixture(params=["CT window", "CT", "MR percentiles"])
def case(request, tmp_path):
    draw = numpy.random.default_rng(3)
    depth, most = (70, 64) if request.param == "CT window" else (9, 4)
    z, y, x = numpy.mgrid[:depth, :90, :120]
    voxels = (300 * numpy.sin(z / 5 + x / 20) * numpy.cos(y / 17) + draw.normal(0, 40, (depth, 90, 120))).astype("i2")
    modality = request.param[:2]
    preprocess = {"modality": modality, "norm": "meanstd", "mean": MEAN, "std": STD, "max_slices": most}
    if request.param == "CT window":
        preprocess["hu_clip"] = [-160, 240]
        low, high = -160, 240
    else:
        taken = numpy.concatenate([voxels[(2 * i + 1) * depth // (2 * most)].ravel() for i in range(most)])
        low, high = numpy.sort(taken)[[int(p / 100 * (taken.size - 1) + 0.5) for p in (1, 99)]].astype(float)
    return voxels, modality, preprocess, (low, high, most)


def test_a_study_of_slices(root, case, tmp_path):
    voxels, modality, preprocess, how = case
    model = clip.make(clip.SMALL)
    folder = clip.save(model, tmp_path / "m")
    (folder / "config.json").write_text(json.dumps({**CONFIG, "preprocess": preprocess}))
    (folder / "prompts.json").write_text(json.dumps(PROMPTS))
    study = write_series(tmp_path / "study", voxels, modality)
    done = subprocess.run([built(root, "cli/cardioscribe"), "encode", "--model", folder, "--json", study],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["analysed"] is True, answer
    assert len(answer["input"]["instances"]) == how[2]
    difference = numpy.abs(numpy.array(answer["embedding"]) - wanted(model, voxels, *how)).max()
    assert difference < 1e-5, difference
