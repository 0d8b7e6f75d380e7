"""Stored values of every real grey image against pydicom's decoders: equal, lossy JPEG within 2 (two inverse transforms
may round differently). What `cardioscribe pixels` writes of each transfer syntax: tests/daemon/test_pixels.py.
"""
import glob
import os
import pathlib
import subprocess
import warnings

import numpy
import pydicom
import pytest

CT = "ct_series"


@pytest.fixture(scope="module")
def run(root):
    path = pathlib.Path(os.environ.get("BUILD_DIR", root / "build")) / "tests/golden/volume_probe"
    if not path.exists():
        pytest.skip(f"{path} is not built: set BUILD_DIR")

    def call(*words):
        done = subprocess.run([path, *map(str, words)], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, (done.returncode, done.stderr)

    return call


PIXELS = ["transfer_syntaxes/*/*.dcm", f"{CT}/*/*.dcm", "mr_*/*.dcm", "mr_*/*/*.dcm", "other_modality/xa*.dcm"]
NOT_READ_HERE = {
    "JLSL_08_07_0_1F.dcm",  # JPEG-LS of 7 bits: DCMTK's decoder refuses it
    "parametric_map_float.dcm",  # Float Pixel Data, not Pixel Data
}
NOT_READ_BY_REFERENCE = {
    "JPEGProcess10_12_1.2.840.10008.1.2.4.55.dcm",  # progressive JPEG
    "JPEGProcess6_8_1.2.840.10008.1.2.4.53.dcm",  # spectral selection
    "MR1_JPLY.dcm", "MR3_JPLY.dcm",  # pylibjpeg: misplaced marker
}
LOSSY_JPEG = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"}


def masked(values, data):
    """What the standard says and pydicom 2 leaves to its caller: bits above High Bit are not part of a value."""
    low = data.HighBit + 1 - data.BitsStored
    values = (values >> low) & ((1 << data.BitsStored) - 1)
    sign = 1 << (data.BitsStored - 1)
    return (values ^ sign) - sign if data.PixelRepresentation else values


def grey(data):
    return (data.get("PhotometricInterpretation", "").startswith("MONOCHROME") and data.get("SamplesPerPixel") == 1
            and data.get("BitsAllocated") in (8, 16, 32))


def test_pixels_equal_pydicom(run, shared, tmp_path):
    pytest.importorskip("libjpeg")
    pytest.importorskip("openjpeg")
    judged, wrong, seen = [], [], set()
    for file in sorted(sum((glob.glob(str(shared / "data" / pattern)) for pattern in PIXELS), [])):
        data = pydicom.dcmread(file, force=True)
        if not grey(data) or os.path.basename(file) in NOT_READ_HERE | NOT_READ_BY_REFERENCE:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                judged.append((file, data, data.pixel_array.astype("i8")))
        except Exception:  # what the reference cannot read, it cannot judge
            continue
    run("pixels", tmp_path, *[file for file, _, _ in judged])
    for number, (file, data, expected) in enumerate(judged):
        syntax = data.file_meta.get("TransferSyntaxUID", "none")
        expected = expected if syntax in LOSSY_JPEG else masked(expected, data)
        found = numpy.fromfile(tmp_path / f"{number}.i32", "<i4").reshape(expected.shape)
        difference = numpy.abs(found - expected).max()
        if difference > (2 if syntax in LOSSY_JPEG else 0):
            wrong.append((file, int(difference)))
        seen.add(str(syntax))
    compared = len(judged)
    assert not wrong
    assert compared > 300
    assert len(seen) >= 11, seen


@pytest.mark.parametrize("name", sorted(NOT_READ_BY_REFERENCE))
def test_lossy_jpeg_is_near_its_original(name, run, shared, tmp_path):
    """Where the reference decoder fails: the uncompressed original is there."""
    file = glob.glob(str(shared / f"data/transfer_syntaxes/*/{name}"))[0]
    original = (file.replace(name, name[:3] + "_UNC.dcm") if name.startswith("MR")
                else file.replace(name, "LittleEndianExplicit_1.2.840.10008.1.2.1.dcm"))
    run("pixels", tmp_path, file)
    lossy, exact = pydicom.dcmread(file), pydicom.dcmread(original)
    rescale = [(float(d.get("RescaleSlope", 1)), float(d.get("RescaleIntercept", 0))) for d in (lossy, exact)]
    found = numpy.fromfile(tmp_path / "0.i32", "<i4") * rescale[0][0] + rescale[0][1]
    expected = exact.pixel_array.ravel() * rescale[1][0] + rescale[1][1]
    assert numpy.corrcoef(found, expected)[0, 1] > 0.999
