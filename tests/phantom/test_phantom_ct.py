"""What truth.json says of a CT study, measured in its pictures: with a finding, worse, and without, of the same patient."""
import numpy as np
import pytest

from phantoms import Axes, Ct, first_beyond, make, truth_of  # noqa: F401 (a fixture)

SEED, SEVERITIES = 5, (0, 0.5, 1)
MYOCARDIUM = 110  # about, with contrast


@pytest.fixture(scope="module")
def patient(make):
    """Truth and angiography; without a finding it is the same for all."""
    def made(finding, severity):
        folder = make("ct", SEED, f"{finding}={severity}" if severity else "cardiomegaly=0", lean=True)
        if folder not in seen:
            seen[folder] = truth_of(folder), Ct(folder)
        return seen[folder]
    seen = {}
    return made


@pytest.mark.parametrize("finding, place, measure", [
    ("pulmonary_hypertension", "pulmonary_trunk", "pulmonary_trunk_mm"),
    ("aortic_aneurysm", "ascending_aorta", "ascending_aorta_mm")])
def test_great_vessels_have_the_width_that_is_said(patient, finding, place, measure):
    said = []
    for severity in SEVERITIES:
        truth, ct = patient(finding, severity)
        point = truth["places_lps"][place]
        blood = ct.smooth(ct.at(point)[0])[ct.at(point)[1:]]
        said.append(truth["measures"][measure])
        assert abs(ct.narrowest(point, (blood + 50) / 2) - said[-1]) < 3, severity
    assert said[0] + 4 < said[1] < said[2] - 4


def fluid_mm(truth, ct):
    """Run of fluid's grey to the left of the heart's middle, between two layers of fat."""
    box = np.array(truth["heart_box_lps"]).reshape(2, 3)
    middle = np.array(truth["places_lps"]["mitral_valve"]) * 0.6 + np.array(truth["places_lps"]["apex"]) * 0.4
    z, y, x = ct.at(middle)
    line = ct.smooth(z)[y, x:]
    edge = int((box[1, 0] - middle[0] - 12) / ct.spacing[0])
    outside = line[max(edge, 0):]
    lung = np.argmax(outside < -500)
    inner = line[:max(edge, 0) + lung]
    return np.sum((inner > -45) & (inner < 40)) * ct.spacing[0]


def test_an_effusion_is_as_thick_as_said(patient):
    studies = [patient("pericardial_effusion", severity) for severity in SEVERITIES]
    found = [fluid_mm(*study) for study in studies]
    said = [truth["measures"]["effusion_mm"] for truth, _ in studies]
    assert found[0] < found[1] < found[2], found
    assert 0.4 * (said[2] - said[0]) < found[2] - found[0] < 1.2 * (said[2] - said[0]), (found, said)


def wall_mm(truth, ct):
    """From blood to fat, across the long axis, away from the septum."""
    axes, found = Axes(truth), []
    blood = ct.line(axes.along(0.45), axes.apex, 4).mean()
    for degrees in (90, 110, 130, 180, 230, 250):
        line = ct.line(axes.along(0.35), axes.towards(degrees), 60)
        line = line[first_beyond(line, (blood + MYOCARDIUM) / 2):]
        found.append(first_beyond(line, (MYOCARDIUM - 95) / 2) * 0.25)
    return np.median(found)


def test_the_left_ventricle_has_the_wall_that_is_said(patient):
    for severity in SEVERITIES:
        truth, ct = patient("left_ventricular_hypertrophy", severity)
        assert abs(wall_mm(truth, ct) - truth["measures"]["lv_wall_mm"]) < 1.5, severity


def width_mm(truth, ct):
    """The longest run from lung to lung through the heart's box, from right to left."""
    widest, middle = 0, np.array(truth["heart_box_lps"]).reshape(2, 3).mean(0)
    for up in np.arange(-30, 31, 6):
        for back in np.arange(-30, 31, 6):
            start = middle + [0, back, up]
            runs = [ct.line(start, (side, 0, 0), 120) for side in (1, -1)]
            ends = [first_beyond(run, -450) for run in runs]
            if runs[0][0] > -450 and max(ends) < len(runs[0]):  # else in the lung, or cut by the field
                widest = max(widest, sum(ends) * 0.25)
    return widest


def test_a_large_heart_is_as_wide_as_said(patient):
    for severity in (0, 0.5):  # a larger one reaches out of this patient's field
        truth, ct = patient("cardiomegaly", severity)
        assert abs(width_mm(truth, ct) - truth["measures"]["heart_width_mm"]) < 6, severity


def test_a_stenosis_is_dark_where_it_is_said_and_nowhere_else(patient):
    none, lumen = patient("coronary_stenosis", 0)[1], []
    for severity in SEVERITIES[1:]:
        truth, ct = patient("coronary_stenosis", severity)
        place, length = truth["stenosis"]["at_lps"], truth["stenosis"]["length_mm"]
        changed = none.places(ct.voxels != none.voxels)
        assert len(changed) > 200
        assert np.linalg.norm(changed - place, axis=1).max() < length / 2 + 6
        usual, narrow = (one.line(place, (0, 0, 1), 0.2)[0] for one in (none, ct))
        lumen.append((narrow - 55) / (usual - 55))
    assert 0.7 > lumen[0] > lumen[1] + 0.15, lumen  # 66 and 90 % of the diameter, at voxels of 0.6 mm


def changed_mm3(one, other, least):
    assert one.voxels.shape == other.voxels.shape
    return np.sum(one.voxels - other.voxels > least) * np.prod(one.spacing)


@pytest.mark.parametrize("finding, measure, pieces", [
    ("coronary_calcification", "coronary_calcium_mm3", "coronary_plaques"),
    ("aortic_wall_calcification", "aortic_calcium_mm3", "aortic_plates")])
def test_calcium_lies_where_it_is_said(patient, finding, measure, pieces):
    none, amounts = patient(finding, 0)[1], []
    for severity in SEVERITIES[1:]:
        truth, ct = patient(finding, severity)
        brighter = ct.places(ct.voxels - none.voxels > 150)
        places = np.array([piece["at_lps"] for piece in truth[pieces]])
        reach = np.array([max(piece["size_mm"]) / 2 + 2 for piece in truth[pieces]])
        off = np.linalg.norm(brighter[:, None] - places, axis=2) - reach
        assert (off.min(1) < 0).all()
        seen = [near < 0 for place, near in zip(places, off.min(0)) if ct.holds(place)]
        assert len(seen) >= 3 and all(seen)
        amounts.append((changed_mm3(ct, none, 150), truth["measures"][measure]))
    assert amounts[0][0] < amounts[1][0] and amounts[0][1] < amounts[1][1], amounts


def test_calcium_is_seen_without_contrast(make):
    none, ill = (Ct(make("ct", SEED, f"coronary_calcification={severity}"), "calcium_score") for severity in (0, 0.6))
    assert 50 < changed_mm3(ill, none, 90) < 5000
