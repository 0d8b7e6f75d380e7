"""`cardioscribe volume --nifti` against dcm2niix, which nobody here wrote: where real series lie, and what is there.

Tolerances: affine 1e-3 mm; centres of the farthest voxels 2e-3 mm, because dcm2niix takes the distance of two slices
where we take that of the first and the last; values equal to 1e-5 of their magnitude (float32 on both sides, before any resampling).
What dcm2niix lays out otherwise on purpose (tilt, irregular spacing, phases stacked as slices) has its truth by
construction in tests/cases.
"""
import itertools
import json
import os
import pathlib
import shutil
import subprocess

import nibabel
import numpy
import pytest

CT, MR = "ct_series", "mr_cine"
SERIES = {  # files, x y z and phases
    "lidc": (f"{CT}/lidc-idri-0314_chest_2mm/*.dcm", (512, 512, 40, 1)),
    "smartscore": (f"{CT}/ge_smartscore_gated_tiny/CT5N*.dcm", (16, 16, 5, 1)),
    "ge_3slice": (f"{CT}/ge_3slice/*.dcm", (512, 512, 3, 1)),
    "tiny": (f"{CT}/tiny_24x38x3/*.dcm", (24, 38, 3, 1)),
    "tiny_legacy_converted": (f"{CT}/enhanced/mf_24x38x3.dcm", (24, 38, 3, 1)),
    "enhanced_ct": (f"{CT}/enhanced/eCT_Supplemental.dcm", (512, 512, 2, 1)),
    "sunnybrook": (f"{MR}/sunnybrook_SCD0000301_sax/*.dcm", (256, 256, 10, 20)),
    "pig": (f"{MR}/pig_sax_ssfp/*.dcm", (256, 256, 2, 20)),
    "prostate_adc": ("mr_other/prostate_adc_20slices/*.dcm", (256, 256, 20, 1)),
}
KNEE = "mr_other/enhanced/MOVEKNEE.dcm"  # 19 times at one position


@pytest.fixture(scope="module")
def volume(root):
    path = pathlib.Path(os.environ.get("BUILD_DIR", root / "build")) / "cli/cardioscribe"
    if not path.exists():
        pytest.skip(f"{path} is not built: set BUILD_DIR")

    def call(out, files):
        done = subprocess.run([path, "volume", *files, "--nifti", out, "--json"], capture_output=True, text=True,
                              timeout=300)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), nibabel.load(out)

    return call


def files_of(shared, pattern):
    """In an order that says nothing."""
    files = sorted((shared / "data").glob(pattern))
    assert files, pattern
    return [files[i] for i in numpy.random.default_rng(7).permutation(len(files))]


def dcm2niix(files, folder):
    if not shutil.which("dcm2niix"):
        pytest.skip("dcm2niix is not installed (package dcm2niix)")
    source, out = folder / "source", folder / "out"
    source.mkdir()
    out.mkdir()
    for number, file in enumerate(files):
        shutil.copy(file, source / f"{number}.dcm")
    # -m y: one image, whatever anonymisers did; -p n: Rescale Slope, not Philips' private scaling
    subprocess.run(["dcm2niix", "-z", "n", "-b", "n", "-m", "y", "-p", "n", "-f", "v", "-o", out, source], check=True,
                   capture_output=True, timeout=300)
    return max(map(nibabel.load, out.glob("*.nii")), key=lambda image: numpy.prod(image.shape))


def laid(image):
    """Axes turned to the nearest of right, front, head: which way a file runs through space is its writer's choice."""
    image = nibabel.as_closest_canonical(image)
    return image.affine, numpy.asanyarray(image.dataobj).astype("f8").reshape(*image.shape[:3], -1)


def corners(affine, shape):
    ends = numpy.array(list(itertools.product(*((0, n - 1) for n in shape[:3]))))
    return nibabel.affines.apply_affine(affine, ends)


@pytest.mark.parametrize("name", SERIES)
def test_a_real_series_lies_where_dcm2niix_puts_it(name, volume, shared, tmp_path):
    pattern, shape = SERIES[name]
    files = files_of(shared, pattern)
    said, ours = volume(tmp_path / "ours.nii", files)
    assert (*said["zyx"][::-1], said["phases"]) == shape
    assert numpy.abs(ours.get_qform() - ours.get_sform()).max() < 1e-3
    affine, voxels = laid(ours)
    expected_affine, expected = laid(dcm2niix(files, tmp_path))
    assert voxels.shape == expected.shape
    assert numpy.abs(affine - expected_affine).max() < 1e-3
    assert numpy.abs(corners(affine, voxels.shape) - corners(expected_affine, expected.shape)).max() < 2e-3
    assert numpy.ptp(expected) > 0
    numpy.testing.assert_allclose(voxels, expected, rtol=1e-5, atol=1e-5)


def test_times_at_one_position_are_phases(volume, shared, tmp_path):
    """dcm2niix stacks them as slices; the plane and what is in it are the same."""
    said, ours = volume(tmp_path / "ours.nii", files_of(shared, KNEE))
    assert said["zyx"] == [1, 256, 256] and said["phases"] == 19
    reference = dcm2niix(files_of(shared, KNEE), tmp_path)
    assert reference.shape == (256, 256, 19)
    # It runs up a column and stacks the times backwards; our only place is that of its last slice.
    turn = numpy.array([[1, 0, 0, 0], [0, -1, 0, 255], [0, 0, -1, 18], [0, 0, 0, 1]])
    turned, expected = reference.affine @ turn, numpy.asanyarray(reference.dataobj)[:, ::-1, ::-1]
    assert numpy.abs(corners(turned, (256, 256, 1)) - corners(ours.affine, (256, 256, 1))).max() < 1e-3
    assert abs(turned[:3, 2] @ ours.affine[:3, 2]) == pytest.approx(36, abs=1e-3)  # 6 mm thick, along the normal
    numpy.testing.assert_allclose(numpy.asanyarray(ours.dataobj)[:, :, 0], expected, rtol=1e-5)
