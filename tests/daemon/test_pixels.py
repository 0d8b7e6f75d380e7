"""`cardioscribe pixels`: stored values as pydicom's decoders (pylibjpeg), GDCM and OpenJPEG have them; frames, threads.

Lossless transfer syntaxes bit for bit, lossy ones within one grey level (two inverse transforms may round differently).
"""
import base64
import json
import shutil
import subprocess
import warnings

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, JPEGLosslessSV1

from conftest import real_data
from service import CLI, DATA
from studies import ct_study

LOSSY = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"}
REFUSED = {  # why
    "TestPattern_JPEG-LS-NearLossless.dcm": "colour_image", "TestPattern_Palette_16.dcm": "colour_image",
    "TestPattern_RGB.dcm": "colour_image", "HTJ2KLossless_08_RGB.dcm": "colour_image",
    "JLSL_RGB_ILV1.dcm": "colour_image", "examples_ybr_color.dcm": "colour_image",
    "parametric_map_float.dcm": "float_pixels",
    "liver_deflate.dcm": "compressed transfer syntax",  # Deflated Image Frame Compression, single bits
    "JLSL_08_07_0_1F.dcm": "cannot be decoded",  # JPEG-LS of 7 bits: DCMTK's decoder says no
    # no JPEG 2000 in them: counted bytes, and a header of which only the first markers are there
    "defined_bot_1_to_1.dcm": "header damaged", "defined_bot_2_to_1.dcm": "header damaged",
    "empty_bot_2_to_1.dcm": "header damaged", "JPEG2000-embedded-sequence-delimiter.dcm": "header damaged",
}


def pixels(*arguments, rc=0):
    done = subprocess.run([str(CLI), "pixels", *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == rc, (arguments, done.returncode, done.stderr)
    return done.stdout if rc == 0 else done.stderr


def values(path, data, out):
    """All frames as the command writes them."""
    said = json.loads(pixels(path, "--raw", out, "--json"))
    width = max(data.BitsAllocated, 8)
    assert (said["rows"], said["columns"], said["bits_allocated"]) == (data.Rows, data.Columns, data.BitsAllocated)
    assert said["signed"] == bool(data.PixelRepresentation)
    found = np.fromfile(out, f"<{'i' if said['signed'] else 'u'}{width // 8}")
    return found.reshape(said["frames"], said["rows"], said["columns"])


def stored(array, data):
    """What the standard says and pydicom leaves to its caller: bits above High Bit are not part of a value."""
    array = (array.astype("i8") >> data.HighBit + 1 - data.BitsStored) & (1 << data.BitsStored) - 1
    sign = 1 << data.BitsStored - 1
    return (array ^ sign) - sign if data.PixelRepresentation else array


def by_gdcm(path, folder):
    if not shutil.which("gdcmconv"):
        pytest.skip("gdcmconv is not installed (package libgdcm-tools)")
    subprocess.run(["gdcmconv", "--raw", path, folder / "raw.dcm"], check=True, capture_output=True, timeout=60)
    return pydicom.dcmread(folder / "raw.dcm").pixel_array


def reference(path, data, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return data.pixel_array
        except Exception:  # progressive JPEG, GE's private syntax
            return by_gdcm(path, folder)


def real_files():
    return sorted((DATA / "transfer_syntaxes").glob("*/*.dcm")) if DATA.is_dir() else []


@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.name)
def test_every_transfer_syntax_is_decoded_or_refused_with_its_reason(path, tmp_path):
    pytest.importorskip("libjpeg")
    pytest.importorskip("openjpeg")
    if path.name in REFUSED:
        assert REFUSED[path.name] in pixels(path, "--raw", tmp_path / "out", rc=1)
        assert list(tmp_path.iterdir()) == []
        return
    data = pydicom.dcmread(path)
    found = values(path, data, tmp_path / "out").astype("i8")
    expected = reference(path, data, tmp_path).reshape(found.shape)
    lossy = data.file_meta.TransferSyntaxUID in LOSSY
    expected = expected.astype("i8") if lossy else stored(expected, data)
    assert np.ptp(expected) > 0
    assert np.abs(found - expected).max() <= (1 if lossy else 0)


@real_data
def test_there_are_files_of_every_transfer_syntax_the_receiver_accepts():
    found = {pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID for path in real_files()
             if path.name not in REFUSED}
    of_standard = [f"1.2.840.10008.1.2{more}" for more in (
        "", ".1", ".1.99", ".2", ".4.50", ".4.51", ".4.57", ".4.70", ".4.80", ".4.81", ".4.90", ".4.91", ".5")]
    assert found >= set(of_standard)


# ---- files made here: layouts of fragments, signs, widths ----

def picture(number, rows=40, columns=56, bits=12):
    y, x = np.mgrid[:rows, :columns]
    noise = np.random.default_rng(number).integers(0, 40, (rows, columns))
    return (((x * 71 + y * 11 + number * 101 + noise) << bits - 12) % (1 << bits)).astype("<u2")


def j2k(array):
    import io
    from PIL import Image
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "JPEG2000", no_jp2=True)
    return stream.getvalue()


@pytest.fixture
def image(tmp_path):
    """A CT image, without pixels, to fill and save."""
    ct_study(slices=1).write(tmp_path / "made")
    (path,) = (tmp_path / "made").iterdir()
    data = pydicom.dcmread(path)
    data.Rows, data.Columns, data.BitsAllocated, data.BitsStored, data.HighBit = 40, 56, 16, 12, 11
    data.PixelRepresentation = 0
    return data


def save_frames(data, coded, syntax, path, fragments=1, table=True):
    data.file_meta.TransferSyntaxUID = syntax
    data.NumberOfFrames = len(coded)
    data.PixelData = encapsulate(coded, fragments_per_frame=fragments, has_bot=table)
    data["PixelData"].is_undefined_length = True
    data["PixelData"].VR = "OB"
    data.save_as(path, write_like_original=False)
    return path


def by_dcmtk(tool, data, array, folder):
    """One frame in a transfer syntax that DCMTK's tools can write."""
    one = data.copy()
    one.file_meta = pydicom.dataset.FileMetaDataset(data.file_meta)
    one.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    one.is_little_endian, one.is_implicit_VR = True, False
    one.PixelData = array.tobytes()
    one["PixelData"].VR = "OW"
    one.save_as(folder / "plain.dcm", write_like_original=False)
    subprocess.run([*tool, folder / "plain.dcm", folder / "coded.dcm"], check=True, timeout=60)
    coded = pydicom.dcmread(folder / "coded.dcm")
    (frame,) = pydicom.encaps.generate_pixel_data_frame(coded.PixelData, 1)
    return frame


CODERS = {
    "jpeg_2000": (JPEG2000Lossless, lambda data, array, folder: j2k(array)),
    "jpeg": (JPEGLosslessSV1, lambda *known: by_dcmtk(["dcmcjpeg", "+e1"], *known)),
    "jpeg_ls": (JPEGLSLossless, lambda *known: by_dcmtk(["dcmcjpls", "+el"], *known)),
}


@pytest.mark.parametrize("table", [True, False], ids=["table", "no_table"])
@pytest.mark.parametrize("fragments", [1, 3])
@pytest.mark.parametrize("coder", CODERS)
def test_frames_in_fragments_with_and_without_offset_table(coder, fragments, table, image, tmp_path):
    syntax, code = CODERS[coder]
    frames = [picture(number) for number in range(4)]
    coded = [code(image, frame, tmp_path) for frame in frames]
    path = save_frames(image, coded, syntax, tmp_path / "x.dcm", fragments, table)
    assert np.array_equal(values(path, image, tmp_path / "out"), frames)
    pixels(path, "--frame", 3, "--raw", tmp_path / "third")
    assert np.array_equal(np.fromfile(tmp_path / "third", "<u2").reshape(40, 56), frames[2])


@pytest.mark.parametrize("bits", [12, 16])
def test_a_codestream_without_sign_is_read_as_the_data_set_says(bits, image, tmp_path):
    image.BitsStored, image.HighBit, image.PixelRepresentation = bits, bits - 1, 1
    array = picture(1, bits=bits)
    path = save_frames(image, [j2k(array)], JPEG2000Lossless, tmp_path / "x.dcm")
    found = values(path, image, tmp_path / "out")[0]
    assert found.min() < 0 and np.array_equal(found, stored(array, image))


# HTJ2K by OpenJPH 0.26.3, which nothing here is made of: 32 x 32, (37 x + 101 y) mod 4096, without sign and with, then
# less 2048.
HTJ2K = {0: (
    "/0//UQApQAAAAAAgAAAAIAAAAAAAAAAAAAAAIAAAACAAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCIkJCQkJCQkJ"
    "CQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAARUAAf+TwAAmI/YFB3QAwAATQAATQAARgEb9Aod0AGz+Awd0AABjAMAA"
    "E8AAE8AAEwCiNP0CAnQANkf5AKNUAMD5AANUAMAAFXAABWQAAVBQUAdW1fykMYJ1AJhjhpwAxcBCASy2AB9YePfgg9QAwAAWlAABa0AAFYAkEo"
    "lEIhkYkMj859C6enECeADEiYmJiYkNQLBb5Pr9mGAT9jGB7LoAHuBP/sO//f6A4dUAwAAuhgABdPAACsAIgiAIgiAIgiAI8t8//0EEJPz5/gSA"
    "fFp6enp6enCCfwDISCQSiUQikUgkEllN/1Dm+wcy+f94YcgHPOIQHv2IQHv2IQHsswH/d3/+/3kgMYB+WAD/2Q=="), 1: (
    "/0//UQApQAAAAAAgAAAAIAAAAAAAAAAAAAAAIAAAACAAAAAAAAAAAAABjwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCIkJCQkJCQkJ"
    "CQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAARUAAf+TwAAmI/4Ch3QAwAATQAATQAARgEb9Aod0AGz+Awd0AABjAMAA"
    "E8AAE8AAEwCiNP0CAnQANkf5AKNUAMD5AANUAMAAFXAABWQAAVBQUAdW1fykMYJ1AJhjhpwAxcBCASy2AB9YePfgg9QAwAAWlAABa0AAFYAkEo"
    "lEIhkYkMj859C6enECeADEiYmJiYkNQLBb5Pr9mGAT9jGB7LoAHuBP/sO//f6A4dUAwAAuhgABdPAACsAIgiAIgiAIgiAI8t8//0EEJPz5/gSA"
    "fFp6enp6enCCfwDISCQSiUQikUgkEllN/1Dm+wcy+f94YcgHPOIQHv2IQHv2IQHsswH/d3/+/3kgMYB+WAD/2Q==")}


@pytest.mark.parametrize("coded_signed", [0, 1])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("syntax", ["201", "202", "203"])
def test_htj2k_from_another_encoder(syntax, signed, coded_signed, image, tmp_path, monkeypatch):
    uid = f"1.2.840.10008.1.2.4.{syntax}"
    known = ("HTJ2K", "Transfer Syntax", "", "", "HTJ2K")
    monkeypatch.setitem(pydicom.uid.UID_dictionary, uid, known)  # pydicom 2 knows it not
    image.Rows = image.Columns = 32
    image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 15, signed
    path = save_frames(image, [base64.b64decode(HTJ2K[coded_signed])] * 2, pydicom.uid.UID(uid),
                       tmp_path / "x.dcm", 2, False)
    y, x = np.mgrid[:32, :32]
    expected = stored((37 * x + 101 * y) % 4096 - 2048 * coded_signed, image)
    found = values(path, image, tmp_path / "out")
    assert np.array_equal(found[0], expected) and np.array_equal(found[1], expected)


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("allocated, bits, high", [(8, 8, 7), (8, 6, 5), (16, 12, 11), (16, 12, 15), (16, 16, 15),
                                                   (32, 32, 31), (32, 20, 19)])
def test_native_values_of_every_width(allocated, bits, high, signed, image, tmp_path):
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = allocated, bits, high, signed
    array = np.random.default_rng(5).integers(0, 1 << allocated, (40, 56), f"u{allocated // 8}")  # overlay bits too
    image.PixelData = array.tobytes()
    image.save_as(tmp_path / "x.dcm", write_like_original=False)
    assert np.array_equal(values(tmp_path / "x.dcm", image, tmp_path / "out")[0].astype("i8"), stored(array, image))


# ---- frames and threads ----

@pytest.fixture
def many(image, tmp_path):
    frames = [picture(number) for number in range(9)]
    return save_frames(image, [j2k(frame) for frame in frames], JPEG2000Lossless, tmp_path / "many.dcm"), frames


def test_any_number_of_threads_writes_the_same(many, tmp_path):
    path, frames = many
    for threads in (1, 2, 3):
        pixels(path, "--raw", tmp_path / "out", "--threads", threads)
        assert (tmp_path / "out").read_bytes() == np.stack(frames).tobytes()


def test_frames_are_counted_from_one(many, tmp_path):
    path, frames = many
    for number in range(1, 10):
        assert "1 frame(s) of 40 x 56 values" in pixels(path, "--frame", number, "--raw", tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == frames[number - 1].tobytes()


def test_a_frame_that_is_not_there_is_refused(many, tmp_path):
    path, _ = many
    assert "frame 10 of 9 (no_such_frame)" in pixels(path, "--frame", 10, "--raw", tmp_path / "out", rc=1)
    for word in ("0", "-1", "x", "1.5", ""):
        pixels(path, "--frame", word, "--raw", tmp_path / "out", rc=2)
    assert not (tmp_path / "out").exists()


def test_the_first_damaged_frame_is_named_whatever_the_threads(image, tmp_path):
    coded = [j2k(picture(number)) for number in range(8)]
    coded[3] = coded[5] = b"\xff\x4f\xff\x51" + bytes(100)
    path = save_frames(image, coded, JPEG2000Lossless, tmp_path / "x.dcm")
    said = {pixels(path, "--raw", tmp_path / "out", "--threads", threads, rc=1) for threads in (1, 2, 2, 2, 3)}
    assert len(said) == 1 and "frame 4: JPEG 2000" in said.pop()
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.part").exists()


def test_usage(many, tmp_path):
    path, _ = many
    for wrong in ((path,), ("--raw", tmp_path / "o"), (path, path, "--raw", tmp_path / "o"),
                  (path, "--raw", tmp_path / "o", "--stats"), (path, "--raw", tmp_path / "o", "--nifti", "x")):
        pixels(*wrong, rc=2)
    assert "No such file" in pixels(tmp_path / "none.dcm", "--raw", tmp_path / "o", rc=1)
    pixels(__file__, "--raw", tmp_path / "o", rc=1)
    assert not (tmp_path / "o").exists()


def test_a_volume_is_the_same_with_one_thread_and_two(tmp_path):
    ct_study(slices=12).write(tmp_path / "study")
    for threads in (1, 2, 3):
        done = subprocess.run([str(CLI), "volume", tmp_path / "study", "--nifti", tmp_path / f"{threads}.nii",
                               "--threads", str(threads)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "1.nii").read_bytes() == (tmp_path / "2.nii").read_bytes() == (tmp_path / "3.nii").read_bytes()


# ---- Modality LUT ----

@pytest.mark.parametrize("first, bits, signed", [(0, 16, 0), (-50, 16, 1), (300, 8, 0)])
def test_a_modality_lut_is_applied_as_pydicom_applies_it(first, bits, signed, tmp_path):
    import nibabel
    from pydicom.pixel_data_handlers.util import apply_modality_lut
    ct_study(slices=12).write(tmp_path / "study")
    entries = np.random.default_rng(2).integers(0, 1 << bits, 900, "u2")
    expected = {}
    for path in (tmp_path / "study").iterdir():
        data = pydicom.dcmread(path)
        item = pydicom.Dataset()
        item.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries), first, bits])
        item.add_new("LUTData", "OW", entries.tobytes())
        item.ModalityLUTType = "HU"
        data.ModalityLUTSequence = [item]
        data.PixelRepresentation = signed
        del data.RescaleSlope, data.RescaleIntercept
        stored = picture(data.InstanceNumber, data.Rows, data.Columns).astype("<i2") % 1500 - 200 * signed
        data.PixelData = stored.astype("<i2").tobytes()
        data.save_as(path)
        data = pydicom.dcmread(path)
        expected[float(data.ImagePositionPatient[2])] = apply_modality_lut(data.pixel_array, data)
    done = subprocess.run([str(CLI), "volume", tmp_path / "study", "--nifti", tmp_path / "v.nii", "--json"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert any(word.startswith("modality_lut:") for word in json.loads(done.stdout)["warnings"])
    found = np.asarray(nibabel.load(tmp_path / "v.nii").dataobj).transpose(2, 1, 0)
    assert np.array_equal(found, np.stack([expected[place] for place in sorted(expected)]))
    assert len(np.unique(found)) > 100


@pytest.mark.parametrize("descriptor, entries", [([4, 0, 16], 3), ([0, 0, 16], 4), ([4, 0, 17], 4), ([4, 0, 7], 4),
                                                 ([4, 0], 4), ([], 4), ([4, 0, 8], 1)])
def test_a_damaged_modality_lut_is_refused(descriptor, entries, image, tmp_path):
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "US", descriptor)
    item.add_new("LUTData", "OW", bytes(2 * entries))
    image.ModalityLUTSequence = [item]
    image.PixelData = picture(1).tobytes()
    image.save_as(tmp_path / "x.dcm", write_like_original=False)
    assert "(modality_lut)" in pixels(tmp_path / "x.dcm", "--raw", tmp_path / "out", rc=1)
