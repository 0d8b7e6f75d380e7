"""cardioscribe-phantom: what it writes is DICOM, says the truth about itself, and is the same for the same seed."""
import filecmp
import functools
import glob
import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pydicom
import pytest

BUILD = pathlib.Path(os.environ.get("BUILD_DIR", "build"))
PHANTOM = os.environ.get("PHANTOM", str(BUILD / "tools" / "phantom" / "cardioscribe-phantom"))
KINDS = ("ct", "cmr")


@pytest.fixture(scope="session")
def make(tmp_path_factory):
    @functools.lru_cache(maxsize=None)
    def made(kind, seed, *findings):
        out = tmp_path_factory.mktemp("phantom")
        wanted = [word for finding in findings for word in ("--finding", finding)]
        subprocess.run([PHANTOM, "--kind", kind, "--seed", str(seed), "--out", str(out), *wanted], check=True,
                       capture_output=True, timeout=300)
        return out / f"{kind}-{seed}"
    return made


def truth_of(folder):
    return json.loads((folder / "truth.json").read_text())


def series_of(folder, role):
    numbers = [series["number"] for series in truth_of(folder)["series"] if series["role"] == role]
    return [pydicom.dcmread(path) for number in numbers
            for path in sorted(glob.glob(f"{folder}/*{number:03d}_*.dcm"))]


class Ct:
    """The angiography in Hounsfield units, [z][y][x] from the feet up."""
    def __init__(self, folder, role="cta"):
        slices = sorted(series_of(folder, role), key=lambda image: image.ImagePositionPatient[2])
        self.voxels = np.stack([image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
                                for image in slices])
        self.origin = np.array(slices[0].ImagePositionPatient, float)
        step = float(slices[1].ImagePositionPatient[2]) - float(slices[0].ImagePositionPatient[2])
        self.spacing = np.array([float(slices[0].PixelSpacing[1]), float(slices[0].PixelSpacing[0]), step])

    def at(self, point):
        index = np.round((np.array(point) - self.origin) / self.spacing).astype(int)
        return tuple(index[::-1])

    def smooth(self, z):
        """A slice, the mean of three by three by three."""
        block = self.voxels[z - 1:z + 2].mean(0)
        return sum(np.roll(block, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)) / 9

    def narrowest(self, point, threshold):
        """The shortest chord through the point, in its slice, of what is brighter than the threshold."""
        z, y, x = self.at(point)
        plane, chords = self.smooth(z), []
        for angle in np.arange(0, np.pi, np.pi / 24):
            reach = 0
            for sign in (1, -1):
                for step in np.arange(0, 60, 0.25):
                    row = int(round(y + sign * step * np.sin(angle) / self.spacing[1]))
                    column = int(round(x + sign * step * np.cos(angle) / self.spacing[0]))
                    if plane[row, column] < threshold:
                        break
                reach += step
            chords.append(reach)
        return min(chords)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes(make, tmp_path, kind):
    first = make(kind, 41)
    subprocess.run([PHANTOM, "--kind", kind, "--seed", "41", "--out", str(tmp_path)], check=True, capture_output=True)
    again = tmp_path / f"{kind}-41"
    names = sorted(os.listdir(first))
    assert names == sorted(os.listdir(again))
    same, other, errors = filecmp.cmpfiles(first, again, names, shallow=False)
    assert not other and not errors and len(same) > 100


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_stays_small_and_is_read_by_pydicom(make, kind):
    for seed in (41, 42):
        folder = make(kind, seed)
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 64e6
        heads = [pydicom.dcmread(path) for path in folder.glob("*.dcm")]
        assert len({head.SOPInstanceUID for head in heads}) == len(heads) == sum(
            series["files"] for series in truth_of(folder)["series"])
        assert len({head.StudyInstanceUID for head in heads}) == 1
        for head in heads:
            assert head.pixel_array.shape == (head.Rows, head.Columns)
            assert head.Modality == ("CT" if kind == "ct" else "MR")
            right, down = np.array(head.ImageOrientationPatient, float).reshape(2, 3)
            assert abs(right @ down) < 1e-6 and abs(np.linalg.norm(right) - 1) < 1e-6


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy is not installed")
@pytest.mark.parametrize("kind", KINDS)
def test_dciodvfy_finds_no_error(make, kind):
    for seed in (41, 42, 43):
        folder = make(kind, seed)
        for series in truth_of(folder)["series"]:
            path = sorted(folder.glob(f"*{series['number']:03d}_*.dcm"))[-1]
            checked = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace")
            faults = [line for line in (checked.stdout + checked.stderr).split("\n") if line.startswith("Error")]
            assert not faults, (path, faults)


@pytest.mark.skipif(not shutil.which("dcm2niix"), reason="dcm2niix is not installed")
def test_dcm2niix_stacks_the_angiography(make, tmp_path):
    folder = make("ct", 41)
    subprocess.run(["dcm2niix", "-o", str(tmp_path), "-f", "%s", str(folder)], capture_output=True, timeout=120)
    nibabel = pytest.importorskip("nibabel")
    number = next(series["number"] for series in truth_of(folder)["series"] if series["role"] == "cta")
    ct, image = Ct(folder), nibabel.load(tmp_path / f"{number}.nii")
    assert image.shape == ct.voxels.shape[::-1]
    assert np.allclose(np.abs(np.diag(image.affine)[:3]), ct.spacing, atol=1e-3)


@pytest.mark.parametrize("kind, roles", [("ct", {"cta"}), ("cmr", {"cine_sax"})])
def test_the_series_that_is_meant_is_chosen(make, tmp_path, kind, roles):
    cli = BUILD / "cli" / "cardioscribe"
    if not cli.exists():
        pytest.skip("the command line tool is not built")
    makers = set()
    for seed in (41, 42, 43, 44):
        folder = make(kind, seed)
        truth = truth_of(folder)
        answer = subprocess.run([str(cli), "volume", str(folder), "--nifti", str(tmp_path / "v.nii"), "--json"],
                                capture_output=True, text=True, timeout=120)
        assert answer.returncode == 0, answer.stderr
        taken = {series["series_uid"] for series in json.loads(answer.stdout)["series"] if series["reason"] == "chosen"}
        assert taken == {series["uid"] for series in truth["series"] if series["role"] in roles}
        makers.add(truth["confounders"]["manufacturer"])
    assert len(makers) > 1


# ---- what is said is what is seen ----

@pytest.mark.parametrize("finding, place, measure", [
    ("pulmonary_hypertension", "pulmonary_trunk", "pulmonary_trunk_mm"),
    ("aortic_aneurysm", "ascending_aorta", "ascending_aorta_mm")])
def test_great_vessels_have_the_width_that_is_said(make, finding, place, measure):
    said = []
    for severity in (0, 0.5, 1):
        folder = make("ct", 5, f"{finding}={severity}")
        truth, ct = truth_of(folder), Ct(folder)
        point = truth["places_lps"][place]
        blood = ct.smooth(ct.at(point)[0])[ct.at(point)[1:]]
        said.append(truth["measures"][measure])
        assert abs(ct.narrowest(point, (blood + 50) / 2) - said[-1]) < 3, severity
    assert said[0] + 4 < said[1] < said[2] - 4


def fluid_mm(folder):
    """Run of fluid's grey to the left of the heart's middle, between two layers of fat."""
    ct, truth = Ct(folder), truth_of(folder)
    box = np.array(truth["heart_box_lps"]).reshape(2, 3)
    middle = np.array(truth["places_lps"]["mitral_valve"]) * 0.6 + np.array(truth["places_lps"]["apex"]) * 0.4
    z, y, x = ct.at(middle)
    line = ct.smooth(z)[y, x:]
    edge = int((box[1, 0] - middle[0] - 12) / ct.spacing[0])
    outside = line[max(edge, 0):]
    lung = np.argmax(outside < -500)
    inner = line[:max(edge, 0) + lung]
    return np.sum((inner > -45) & (inner < 40)) * ct.spacing[0]


def test_an_effusion_is_as_thick_as_said(make):
    found = [fluid_mm(make("ct", 5, f"pericardial_effusion={severity}")) for severity in (0, 0.4, 1)]
    said = [truth_of(make("ct", 5, f"pericardial_effusion={severity}"))["measures"]["effusion_mm"]
            for severity in (0, 0.4, 1)]
    assert found[0] < found[1] < found[2], found
    assert 0.4 * (said[2] - said[0]) < found[2] - found[0] < 1.2 * (said[2] - said[0]), (found, said)


def changed_ml(one, other, role, least):
    one, other = Ct(one, role), Ct(other, role)
    assert one.voxels.shape == other.voxels.shape
    return np.sum(one.voxels - other.voxels > least) * np.prod(one.spacing) / 1000


@pytest.mark.parametrize("finding", ["coronary_calcification", "aortic_wall_calcification"])
def test_calcium_grows_with_severity_and_is_seen_without_contrast(make, finding):
    none = make("ct", 5, f"{finding}=0")
    amounts = [changed_ml(make("ct", 5, f"{finding}={severity}"), none, "calcium_score", 90) for severity in (0.2, 0.6, 1)]
    assert 0.005 < amounts[0] < amounts[1] < amounts[2] < 20, amounts


def cavity_area(image, centre, threshold):
    """Area of the cavity by 48 rays from its middle, mm2."""
    spacing, area = float(image.PixelSpacing[0]), 0
    pixels = image.pixel_array.astype(float)
    pixels = sum(np.roll(pixels, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)) / 9
    for angle in np.arange(48) * np.pi / 24:
        for step in np.arange(0, 60, 0.25):
            row, column = centre[1] + step * np.sin(angle) / spacing, centre[0] + step * np.cos(angle) / spacing
            if pixels[int(round(row)), int(round(column))] < threshold:
                break
        area += step * step * np.pi / 48
    return area


def shrinking(folder):
    """One minus end-systolic over end-diastolic area, summed over slices of the middle third."""
    truth = truth_of(folder)
    base, apex = (np.array(truth["places_lps"][name]) for name in ("mitral_valve", "apex"))
    areas = {}
    for image in series_of(folder, "cine_sax"):
        origin = np.array(image.ImagePositionPatient, float)
        right, down = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
        normal = np.cross(right, down)
        part = ((origin - base) @ normal) / ((apex - base) @ normal)
        if not 0.3 < part < 0.65:
            continue
        centre = base + part * (apex - base) - origin
        centre = np.array([centre @ right, centre @ down]) / float(image.PixelSpacing[0])
        pixels = image.pixel_array.astype(float)
        column, row = np.round(centre).astype(int)
        blood = pixels[row - 2:row + 3, column - 2:column + 3].mean()
        time = float(image.TriggerTime)
        areas[time] = areas.get(time, 0) + cavity_area(image, centre, 0.66 * blood)
    values = [areas[time] for time in sorted(areas)]
    return 1 - min(values) / values[0], values[0]


def test_the_ventricle_squeezes_as_much_as_said(make):
    found = []
    for severity in (0, 0.5, 1):
        folder = make("cmr", 5, f"left_ventricular_dysfunction={severity}")
        squeeze, _ = shrinking(folder)
        ef = truth_of(folder)["measures"]["lv_ef"]
        found.append(squeeze)
        # the middle third does not see the shortening of the axis: 15 % of the length at an EF of 0.63
        assert abs(squeeze - (1 - (1 - ef) / (1 - 0.15 * ef / 0.63))) < 0.1, (severity, squeeze, ef)
    assert found[0] > found[1] + 0.1 > found[2] + 0.2, found


def test_an_enlarged_ventricle_is_larger_and_a_scar_is_bright(make):
    usual, ill = make("cmr", 5, "left_ventricular_dysfunction=0"), make("cmr", 5, "left_ventricular_enlargement=0.8")
    assert shrinking(ill)[1] > 1.25 * shrinking(usual)[1]
    bright = []
    for severity in (0.2, 1):
        scarred = make("cmr", 5, f"lge_ischemic={severity}")
        pairs = zip(series_of(scarred, "lge_sax"), series_of(usual, "lge_sax"))
        bright.append(sum(np.sum(a.pixel_array.astype(int) - b.pixel_array > 60) for a, b in pairs))
    assert 10 < bright[0] < bright[1] / 2, bright


@pytest.mark.parametrize("kind", KINDS)
def test_the_box_holds_the_heart(make, kind):
    truth = truth_of(make(kind, 41))
    low, high = np.array(truth["heart_box_lps"]).reshape(2, 3)
    for name in ("mitral_valve", "apex"):
        assert np.all(low < truth["places_lps"][name]) and np.all(truth["places_lps"][name] < high)
    volume = np.prod(high - low) / 1000
    assert 1.2 < volume / truth["heart_ml"] < 3
    assert 400 < truth["heart_ml"] < 2200


# ---- chance ----

@pytest.fixture(scope="session")
def truths(tmp_path_factory):
    out = tmp_path_factory.mktemp("truths")
    for kind in KINDS:
        subprocess.run([PHANTOM, "--kind", kind, "--seed", "1000", "--count", "200", "--truth-only", "--out", str(out)],
                       check=True, capture_output=True, timeout=300)
    return {kind: [truth_of(out / f"{kind}-{1000 + i}") for i in range(200)] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_findings_come_in_thirty_percent_and_tell_nothing_of_the_confounders(truths, kind):
    listed = subprocess.run([PHANTOM, "--kind", kind, "--list"], capture_output=True, text=True, check=True)
    names = listed.stdout.split()
    severities = np.array([[truth["findings"][name] for name in names] for truth in truths[kind]])
    assert all(list(truth["findings"]) == names for truth in truths[kind])
    present = severities > 0
    assert np.all((present.mean(0) > 0.2) & (present.mean(0) < 0.4)), present.mean(0)
    assert severities[present].min() >= 0.2 and severities[present].max() <= 1
    confounders = np.array([[float(truth["confounders"][name]) for name in (
        "female", "age_years", "height_m", "weight_kg", "fat_mm", "heart_fat_mm", "breath_mm", "heart_rate")]
        + truth["confounders"]["heart_in_chest_mm"] + truth["confounders"]["long_axis_lps"]
        for truth in truths[kind]])
    together = np.corrcoef(severities.T, confounders.T)
    between = together[:len(names), len(names):]
    assert np.abs(between).max() < 0.25, between.max()
    among = np.abs(together[:len(names), :len(names)] - np.eye(len(names)))
    assert among.max() < 0.25
    assert len({truth["confounders"]["manufacturer"] for truth in truths[kind]}) == 4


def test_only_the_finding_that_is_asked_for(make):
    truth = truth_of(make("ct", 5, "aortic_aneurysm=1"))
    assert {name: value for name, value in truth["findings"].items() if value} == {"aortic_aneurysm": 1.0}


@pytest.mark.parametrize("options", [["--kind", "us"], ["--finding", "nonsense"], ["--finding", "cardiomegaly=2"],
                                     ["--finding", "lge_patchy"], ["--count", "0"], ["--seed", "-1"]])
def test_a_wrong_option_is_refused(tmp_path, options):
    refused = subprocess.run([PHANTOM, "--out", str(tmp_path), *options], capture_output=True, text=True)
    assert refused.returncode == 1 and refused.stderr.startswith("cardioscribe-phantom: ")
    assert not list(tmp_path.glob("**/*.dcm"))
