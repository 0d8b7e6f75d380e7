"""A study that nobody wants in memory: what is held of it, and that its values are right.

Reduced here; with CARDIOSCRIBE_FULL_SIZE=1 it has 4,000 slices of 512 x 512 (2 GB, and room for 8 GB of NIfTI files).
The bound is the one that docs/volumes.md states in section 4, over what a small study of the same slices takes.
"""
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from service import CLI, MODEL, has_shadow_memory

FULL_SIZE = bool(os.environ.get("CARDIOSCRIBE_FULL_SIZE"))
SLICES, SIDE = (4000, 512) if FULL_SIZE else (700, 192)
FEW = 12
HEAD_BYTES, SLAB_BYTES = 6 << 10, 32 << 20
STEP_MM = 0.25
SIZE = tuple(json.loads((MODEL / "config.json").read_text())["vision"]["input"])

pytestmark = pytest.mark.skipif(has_shadow_memory(), reason="a sanitizer's memory cannot be bounded")


def plane_and_steps():
    """Stored value (z, y, x) is plane[y, x] + steps[z], so that all of it can be computed from little."""
    values = np.random.default_rng(5)
    return values.integers(-400, 1400, (SIDE, SIDE)).astype("<i2"), values.integers(-300, 300, SLICES).astype("<i2")


def template():
    """One CT image whose digits at the marked places are to be replaced, up to its pixels."""
    import io
    import pydicom
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.777777"
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    one = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    one.SOPClassUID, one.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = "1.2.3", "1.2.3.4", "1.2.9"
    one.Modality, one.SeriesNumber, one.ImageType = "CT", 1, ["ORIGINAL", "PRIMARY", "AXIAL"]
    one.ImagePositionPatient, one.ImageOrientationPatient = [-50, -60, "888888.8"], [1, 0, 0, 0, 1, 0]
    one.PixelSpacing, one.SliceThickness = [0.625, 0.625], STEP_MM
    one.Rows = one.Columns = SIDE
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.RescaleSlope, one.RescaleIntercept = 1, -100
    one.PixelData = bytes(2 * SIDE * SIDE)
    one.is_little_endian, one.is_implicit_VR = True, False
    out = io.BytesIO()
    one.save_as(out, write_like_original=False)
    head = out.getvalue()[:-2 * SIDE * SIDE]
    assert head.count(b"777777") == 2 and head.count(b"888888.8") == 1
    return head


def write_slices(folder, numbers):
    folder.mkdir()
    head, (plane, steps) = template(), plane_and_steps()
    for z in numbers:
        place = b"%08.2f" % (z * STEP_MM)
        one = head.replace(b"777777", b"%06d" % (100000 + z)).replace(b"888888.8", place)
        (folder / f"{z}.dcm").write_bytes(one + (plane + steps[z]).tobytes())
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return write_slices(tmp_path_factory.mktemp("large") / "study", np.random.default_rng(1).permutation(SLICES))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write_slices(tmp_path_factory.mktemp("small") / "study", range(FEW))


def bound(least, more_bytes=0):
    """A study of FEW slices took `least`: the others add their heads, and there is some noise."""
    return least + (SLICES - FEW) * HEAD_BYTES + more_bytes + (4 << 20)


def run(*words):
    """The answer, and the peak of all processes that took part."""
    code = ("import resource, subprocess, sys\n"
            "done = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)\n"
            "print(done.stdout + done.stderr)\n"
            "sys.exit(done.returncode)")
    done = subprocess.run([sys.executable, "-c", code, CLI, *map(str, words)], capture_output=True, text=True,
                          timeout=1200)
    assert done.returncode == 0, done.stdout
    peak, answer = done.stdout.split("\n", 1)
    return json.loads(answer), int(peak)


def encode(*words):
    return run("encode", "--model", MODEL, "--json", "--stats", *words)


def resized(values, count):
    """Of one axis, as torch has it with align_corners=False."""
    place = ((np.arange(count) + 0.5) * len(values) / count - 0.5).clip(0, len(values) - 1)
    low = np.floor(place).astype(int)
    high, share = np.minimum(low + 1, len(values) - 1), place - low
    return (values[low].T * (1 - share) + values[high].T * share).T


def expected_input():
    plane, steps = (part.astype("f8") for part in plane_and_steps())
    plane = resized(resized(plane, SIZE[1]).T, SIZE[2]).T
    values = resized(steps, SIZE[0])[:, None, None] + plane
    return ((values - values.min()) / (values.max() - values.min())).astype("f4")


def test_r16_encode_holds_heads_and_slices_only(large, small, tmp_path):
    from safetensors.numpy import save_file
    save_file({"input": expected_input()[None, None]}, tmp_path / "input.safetensors")
    of_tensor, _ = encode("--tensor", tmp_path / "input.safetensors")
    _, least = encode("--threads", 2, small)
    for threads in (1, 2):
        answer, peak = encode("--threads", threads, large)
        print(f"encode: {SLICES} slices of {SIDE} x {SIDE}, {threads} threads: peak {peak / 2**20:.0f} MiB, of {FEW} slices "
              f"{least / 2**20:.0f} MiB, bound {bound(least) / 2**20:.0f}; volume_s "
              f"{answer['timing']['volume_s']:.1f}, load_s {answer['timing']['load_s']:.1f}")
        assert answer["analysed"], answer["reason_text"]
        assert answer["input"]["source_zyx"] == [SLICES, SIDE, SIDE]
        assert peak < bound(least)
        assert np.abs(np.array(answer["embedding"]) - of_tensor["embedding"]).max() < 1e-5


def test_a_nifti_file_is_written_in_slabs(large, small, tmp_path):
    plane, steps = plane_and_steps()
    _, least = run("volume", small, "--nifti", tmp_path / "small.nii", "--json", "--threads", 2)
    for threads in (1, 2):
        path = tmp_path / f"{threads}.nii"
        _, peak = run("volume", large, "--nifti", path, "--json", "--threads", threads)
        print(f"volume: {SLICES} slices of {SIDE} x {SIDE}, {threads} threads: peak {peak / 2**20:.0f} MiB, of {FEW} slices "
              f"{least / 2**20:.0f} MiB, bound {bound(least, SLAB_BYTES) / 2**20:.0f}")
        assert peak < bound(least, SLAB_BYTES)
        found = np.memmap(path, "<f4", "r", 352).reshape(SLICES, SIDE, SIDE)
        for z in [0, SLICES - 1, *np.random.default_rng(2).integers(0, SLICES, 60)]:
            assert (found[z] == plane + steps[z] - 100.0).all()
    names = [tmp_path / f"{threads}.nii" for threads in (1, 2)]
    assert subprocess.run(["cmp", *names]).returncode == 0
