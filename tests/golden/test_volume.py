"""Volumes and pixels against code nobody here wrote: dcm2niix, pydicom with its decoders.

Stated tolerances: voxel values equal to 1e-4 of their magnitude (float32 on both sides), voxel centres to 0.01 voxel;
stored pixels equal, lossy JPEG within 2 (two inverse transforms may
round differently).
"""
import glob
import os
import pathlib
import shutil
import subprocess
import warnings

import nibabel
import numpy
import pydicom
import pytest

CT = "ct_series"
STACKS = {
    "lidc": (f"{CT}/lidc-idri-0314_chest_2mm/*.dcm", (512, 512, 40)),
    "tiny": (f"{CT}/tiny_24x38x3/*.dcm", (24, 38, 3)),
    "ge_3slice": (f"{CT}/ge_3slice/*.dcm", (512, 512, 3)),
    "smartscore": (f"{CT}/ge_smartscore_gated_tiny/CT5N*.dcm", (16, 16, 5)),
    "prostate_adc": ("mr_other/prostate_adc_20slices/*.dcm", (256, 256, 20)),
    "sunnybrook": ("mr_cine/sunnybrook_SCD0000301_sax/*.dcm", (256, 256, 10, 20)),
    "pig": ("mr_cine/pig_sax_ssfp/*.dcm", (256, 256, 2, 20)),
    "legacy_enhanced_ct": (f"{CT}/enhanced/mf_24x38x3.dcm", (24, 38, 3)),
    "enhanced_ct_supplemental": (f"{CT}/enhanced/eCT_Supplemental.dcm", (512, 512, 2)),
}
DECLINED = {
    "one_position_enhanced": ("mr_other/enhanced/MOVEKNEE.dcm", "too_few_slices"),
    "enhanced_without_geometry": ("mr_other/enhanced/emri_small.dcm", "no_geometry"),
    "multiframe_without_geometry": ("mr_cine/heart_multiframe_16x_8bit.dcm", "no_geometry"),
    "localizers": (f"{CT}/ge_smartscore_gated_tiny/CT2N*.dcm", "localizer"),
    "one_slice": (f"{CT}/single/CT_small.dcm", "single_image"),
    "side_object": ("other_modality/seg_ct.dcm", "other_object"),
}


@pytest.fixture(scope="module")
def run(root):
    path = pathlib.Path(os.environ.get("BUILD_DIR", root / "build")) / "tests/golden/volume_probe"
    if not path.exists():
        pytest.skip(f"{path} is not built: set BUILD_DIR")

    def call(*words, rc=0):
        done = subprocess.run([path, *map(str, words)], capture_output=True, text=True, timeout=300)
        assert done.returncode == rc, (done.returncode, done.stderr)
        return done.stdout if rc == 0 else done.stderr

    return call


def files_of(shared, pattern):
    files = sorted(glob.glob(str(shared / "data" / pattern)))
    assert files, pattern
    return files


# ---- dcm2niix ----

def dcm2niix(files, folder):
    if not shutil.which("dcm2niix"):
        pytest.skip("dcm2niix is not installed (package dcm2niix)")
    source, out = folder / "source", folder / "out"
    source.mkdir()
    out.mkdir()
    for number, file in enumerate(files):
        shutil.copy(file, source / f"{number}.dcm")
    subprocess.run(["dcm2niix", "-z", "n", "-b", "n", "-m", "y", "-p", "n", "-f", "v", "-o", out, source],
                   check=True, capture_output=True, timeout=300)
    made = [nibabel.load(path) for path in out.glob("*.nii")]
    return max(made, key=lambda image: numpy.prod(image.shape))


def sample(image, points_ras):
    """Values of an image at voxel centres given in RAS; they must be voxel centres there too."""
    places = nibabel.affines.apply_affine(numpy.linalg.inv(image.affine), points_ras)
    index = numpy.rint(places).astype(int)
    assert numpy.abs(places - index).max() < 0.01
    assert (index >= 0).all() and (index < image.shape[:3]).all()
    return numpy.asanyarray(image.dataobj)[tuple(index.T)]


@pytest.mark.parametrize("name", STACKS)
def test_equals_dcm2niix(name, run, shared, tmp_path):
    pattern, shape = STACKS[name]
    files = files_of(shared, pattern)
    reference = dcm2niix(files, tmp_path)
    order = numpy.random.default_rng(7).permutation(len(files))
    run("nifti", tmp_path / "ours.nii", *[files[i] for i in order])
    ours = nibabel.load(tmp_path / "ours.nii")
    assert ours.shape == shape
    assert sorted(ours.shape) == sorted(reference.shape)
    assert numpy.abs(ours.get_qform() - ours.affine).max() < 1e-3 * max(ours.header.get_zooms())
    grid = numpy.stack(numpy.meshgrid(*map(numpy.arange, shape[:3]), indexing="ij"), -1).reshape(-1, 3)
    points = nibabel.affines.apply_affine(ours.affine, grid)
    expected = sample(reference, points).astype("f8")
    found = numpy.asanyarray(ours.dataobj).reshape(expected.shape)
    assert numpy.ptp(expected) > 0
    numpy.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", DECLINED)
def test_declines_with_its_reason(name, run, shared, tmp_path):
    pattern, reason = DECLINED[name]
    said = run("nifti", tmp_path / "none.nii", *files_of(shared, pattern), rc=2)
    assert said.startswith(reason + ":")


def test_a_missing_slice_is_declined(run, shared, tmp_path):
    files = files_of(shared, STACKS["lidc"][0])
    place = {file: pydicom.dcmread(file, stop_before_pixels=True).ImagePositionPatient[2] for file in files}
    files.sort(key=place.get)
    said = run("nifti", tmp_path / "none.nii", *(files[:20] + files[21:]), rc=2)
    assert said.startswith("missing_slices:")


def other_kernel(data, place):
    if place % 2:
        data.ConvolutionKernel = "B70f"


def other_reference(data, place):
    data.FrameOfReferenceUID = "1.2.3" if place % 2 else "1.2.4"


def junk_in_the_rescale(data, place):
    if place == 7:
        data["RescaleIntercept"] = pydicom.dataelem.RawDataElement(
            pydicom.tag.Tag("RescaleIntercept"), "DS", 8, b"-1,024.0", 0, False, True)


def half_the_rescale(data, place):
    if place == 7:
        del data.RescaleIntercept, data.RescaleSlope


def nearly_at_the_moon(data, place):
    data.ImagePositionPatient[2] = 2e6 * place


@pytest.mark.parametrize("change, reason", [
    (other_kernel, "mixed_series"), (other_reference, "mixed_series"), (junk_in_the_rescale, "bad_rescale"),
    (half_the_rescale, "mixed_rescale"), (nearly_at_the_moon, "absurd_geometry")])
def test_a_damaged_series_is_declined(change, reason, run, shared, tmp_path):
    """LIDC-IDRI slices, regular in space, of which one attribute was changed."""
    files = files_of(shared, STACKS["lidc"][0])[:16]
    datasets = sorted(map(pydicom.dcmread, files), key=lambda data: data.ImagePositionPatient[2])
    changed = []
    for place, data in enumerate(datasets):
        change(data, place)
        changed.append(tmp_path / f"{place}.dcm")
        data.save_as(changed[-1])
    said = run("nifti", tmp_path / "none.nii", *changed, rc=2)
    assert said.startswith(reason + ":")


# ---- pydicom ----

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
