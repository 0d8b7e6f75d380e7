"""What truth.json says of a CMR study, measured in its pictures: with a finding, worse, and without, of the same patient."""
import numpy as np
import pytest

from phantoms import Axes, Picture, first_beyond, make, series_of, truth_of  # noqa: F401 (a fixture)

SEED, SEVERITIES = 5, (0, 0.5, 1)
ROUND = np.arange(48) * np.pi / 24


@pytest.fixture(scope="module")
def patient(make):
    """Folder and truth; without a finding it is the same for all."""
    def made(finding, severity, lean=True):
        folder = make("cmr", SEED, f"{finding}={severity}" if severity else "lge_patchy=0", lean=lean)
        return folder, truth_of(folder)
    return made


def cine(folder):
    """The short-axis slice of a lean study through the beat, from the first phase on."""
    return [Picture(image) for image in sorted(series_of(folder, "cine_sax"), key=lambda image: float(image.TriggerTime))]


def late(folder):
    return [Picture(image) for image in series_of(folder, "lge_sax")]


def middle_of(picture, axes):
    """Where the ventricle's long axis goes through: part of the way to the apex, and the pixel."""
    valve = axes.places["mitral_valve"]
    part = ((picture.origin - valve) @ picture.normal) / ((axes.places["apex"] - valve) @ picture.normal)
    return part, picture.xy(axes.along(part))


def angles_of(picture, axes, degrees):
    directions = [axes.towards(one) for one in degrees]
    return np.array([np.arctan2(one @ picture.down, one @ picture.right) for one in directions])


def cavity_mm2(picture, axes):
    rays = picture.rays(middle_of(picture, axes)[1], ROUND, 60)
    radius = first_beyond(rays, 0.66 * rays[:, :8].mean()) * 0.25
    return (radius ** 2).sum() * np.pi / len(ROUND)


def test_the_ventricle_squeezes_as_much_as_said(patient):
    found = []
    for severity in SEVERITIES:
        folder, truth = patient("left_ventricular_dysfunction", severity)
        areas = [cavity_mm2(picture, Axes(truth)) for picture in cine(folder)]
        ef = truth["measures"]["lv_ef"]
        found.append(1 - min(areas) / areas[0])
        # one slice does not see the shortening of the axis: 15 % of the length at an EF of 0.63
        assert abs(found[-1] - (1 - (1 - ef) / (1 - 0.15 * ef / 0.63))) < 0.1, (severity, found, ef)
    assert found[0] > found[1] + 0.1 > found[2] + 0.2, found


def test_an_enlarged_ventricle_is_larger(patient):
    areas, volumes = [], []
    for severity in SEVERITIES:
        folder, truth = patient("left_ventricular_enlargement", severity)
        areas.append(cavity_mm2(cine(folder)[0], Axes(truth)))
        volumes.append(truth["measures"]["lv_edv_ml"])
    for i in (1, 2):  # rounder too, so that the slice grows more than a body of the same shape would
        assert (volumes[i] / volumes[0]) ** (2 / 3) < areas[i] / areas[0] < 1.3 * volumes[i] / volumes[0], areas


def right_width_mm(picture, axes):
    """From the septum to the right ventricle's thin wall, which the mean over neighbouring pixels would hide."""
    rays = picture.rays(middle_of(picture, axes)[1], angles_of(picture, axes, range(-24, 25, 3)), 110, smooth=False)
    found = []
    for i in range(0, len(rays) - 4, 4):
        ray = rays[i:i + 5].mean(0)
        left = first_beyond(ray, 0.66 * ray[:20].mean())
        right = ray[left + 8 + first_beyond(ray[left + 8:], 0.66 * ray[:20].mean(), below=False) + 8:]
        found.append(2 + 0.25 * first_beyond(right, 0.78 * right[:12].mean()))
    return np.median(found)


def test_the_right_ventricle_squeezes_less_and_less(patient):
    shortenings = []
    for severity in SEVERITIES:
        folder, truth = patient("right_ventricular_dysfunction", severity)
        widths = [right_width_mm(picture, Axes(truth)) for picture in cine(folder)]
        shortenings.append(1 - min(widths) / widths[0])
    assert shortenings[0] > 0.3 and shortenings[0] > shortenings[1] + 0.1 > shortenings[2] + 0.15, shortenings


def test_an_enlarged_right_ventricle_is_wider(patient):
    widths, volumes = [], []
    for severity in SEVERITIES:
        folder, truth = patient("right_ventricular_enlargement", severity)
        widths.append(right_width_mm(cine(folder)[0], Axes(truth)))
        volumes.append(truth["measures"]["rv_edv_ml"])
    for i in (1, 2):
        assert (volumes[i] / volumes[0]) ** (1 / 3) < widths[i] / widths[0] < volumes[i] / volumes[0], (widths, volumes)


def thickness_mm(picture, axes, degrees, part):
    """From blood to what is bright beyond the muscle."""
    rays, found = picture.rays(middle_of(picture, axes)[1], angles_of(picture, axes, degrees), 60), []
    for ray in rays:
        inner = ray[first_beyond(ray, part * ray[:8].mean()) + 4:]
        found.append(1 + 0.25 * first_beyond(inner, part * ray[:8].mean(), below=False))
    return np.median(found)


def test_the_wall_is_as_thick_as_said(patient):
    found, said = [], []
    for severity in SEVERITIES:
        folder, truth = patient("left_ventricular_hypertrophy", severity)
        found.append(thickness_mm(cine(folder)[0], Axes(truth), range(90, 271, 30), 0.5))
        said.append(truth["measures"]["lv_wall_mm"])
        assert abs(found[-1] - said[-1]) < 3, (found, said)
    assert abs((found[2] - found[0]) - (said[2] - said[0])) < 1.5, (found, said)


def test_a_thick_septum_is_as_thick_as_said_and_the_rest_is_not(patient):
    others = []
    for severity in SEVERITIES:
        folder, truth = patient("septal_hypertrophy", severity)
        axes = Axes(truth)
        picture = min(late(folder), key=lambda one: one.distance(axes.along(0.3)))
        assert abs(thickness_mm(picture, axes, (-15, 0, 15), 0.6) - truth["measures"]["septum_mm"]) < 2.5, severity
        others.append(thickness_mm(picture, axes, (150, 180, 210), 0.6))
    assert max(others) - min(others) < 1.5, others


def test_the_aorta_is_as_wide_as_said(patient):
    for severity in (0, 0.6):
        folder, truth = patient("aortic_dilation", severity, lean=False)
        picture, place = Picture(series_of(folder, "cine_3ch")[0]), truth["places_lps"]["ascending_aorta"]
        column, row = np.round(picture.xy(place)).astype(int)
        blood = picture.pixels[row - 1:row + 2, column - 1:column + 2].mean()
        assert abs(picture.narrowest(place, 0.6 * blood) - truth["measures"]["ascending_aorta_mm"]) < 3.5, severity


# ---- late enhancement ----

def brightened(patient, finding, severity):
    """Truth, and of every slice the picture, the one without the finding, and where it is brighter by a quarter of
    blood's grey."""
    folder, truth = patient(finding, severity)
    pairs, axes = list(zip(late(folder), late(patient(finding, 0)[0]))), Axes(truth)
    through = [pair for pair in pairs if 0.1 < middle_of(pair[0], axes)[0] < 0.9]
    blood = [without.rays(middle_of(without, axes)[1], ROUND, 3).mean() for _, without in through]
    return truth, [(one, without, one.pixels - without.pixels > 0.25 * grey)
                   for (one, without), grey in zip(through, blood)]


def millilitres(pictures):
    return sum(hit.sum() * np.prod(one.spacing) * float(one.image.SpacingBetweenSlices) for one, _, hit in pictures) / 1000


@pytest.mark.parametrize("finding", ["lge_ischemic", "lge_patchy"])
def test_scars_are_bright_where_they_are_said(patient, finding):
    found, said = [], []
    for severity in SEVERITIES[1:]:
        truth, pictures = brightened(patient, finding, severity)
        axes, areas = Axes(truth), truth["lge_areas"]
        assert {area["pattern"] for area in areas} == {finding.split("_")[1]}
        found.append(millilitres(pictures))
        said.append(sum(area["ml"] for area in areas))
        for one, _, hit in pictures:
            part = middle_of(one, axes)[0]
            rows, columns = np.nonzero(hit)
            points = one.origin + columns[:, None] * one.spacing[0] * one.right + rows[:, None] * one.spacing[1] * one.down
            across = np.linalg.norm(points - axes.along(part), axis=1)
            assert (across < 45).all()  # in the wall of the left ventricle
        if finding == "lge_patchy":
            for area in areas:
                one, _, hit = min(pictures, key=lambda picture: picture[0].distance(area["at_lps"]))
                column, row = np.round(one.xy(area["at_lps"])).astype(int)
                near = one.distance(area["at_lps"]) < 5
                assert not near or hit[row - 2:row + 3, column - 2:column + 3].any(), area
    assert found[0] < found[1] and said[0] < said[1]
    for seen, told in zip(found, said):
        assert 0.7 * told < seen < 2 * told, (found, said)  # patches are thin: blur makes them wider


def test_ischaemic_scars_begin_at_the_cavity(patient):
    truth, pictures = brightened(patient, "lge_ischemic", 0.5)
    axes, bright = Axes(truth), {0.25: 0, 0.85: 0}  # by part of the wall, from the cavity
    for one, without, hit in pictures:
        centre = middle_of(one, axes)[1]
        rays = without.rays(centre, ROUND, 60)
        cavity = first_beyond(rays, 0.5 * rays[:, :8].mean()) * 0.25
        for depth in bright:
            reach = (cavity + depth * truth["measures"]["lv_wall_mm"])[:, None] / one.spacing
            x, y = np.round(centre + reach * np.stack([np.cos(ROUND), np.sin(ROUND)], axis=1)).astype(int).T
            bright[depth] += hit[y, x].sum()
    assert bright[0.25] > 10 and bright[0.85] < bright[0.25] / 3, bright


def test_diffuse_enhancement_brightens_the_wall_and_darkens_the_blood(patient):
    walls, said = [], []
    for severity in SEVERITIES[1:]:
        truth, pictures = brightened(patient, "lge_diffuse", severity)
        axes, blood, wall = Axes(truth), [], []
        assert truth["lge_areas"] == []
        for one, without, hit in pictures:
            centre = middle_of(one, axes)[1]
            here, before = one.rays(centre, ROUND, 60), without.rays(centre, ROUND, 60)
            blood.append(here[:, :8].mean() / before[:, :8].mean())
            within = first_beyond(before, 0.5 * before[:, :8].mean()) + int(0.5 * truth["measures"]["lv_wall_mm"] / 0.25)
            within = within.clip(max=before.shape[1] - 1)
            rays = np.arange(len(ROUND))
            wall.append((here[rays, within] - before[rays, within]).mean() / before[:, :8].mean())
        assert abs(np.mean(blood) - (1 - 0.35 * severity)) < 0.05, severity
        walls.append(np.mean(wall))
        said.append(truth["measures"]["lge_percent"])
    assert 0.2 < walls[0] < walls[1] - 0.1 and said[0] < said[1], (walls, said)
