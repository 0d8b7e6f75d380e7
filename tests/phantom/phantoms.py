"""Phantom studies for the tests: made once each, read by pydicom, looked at by place in the patient."""
import functools
import glob
import json
import os
import pathlib
import subprocess

import numpy as np
import pydicom
import pytest

BUILD = pathlib.Path(os.environ.get("BUILD_DIR", "build"))
PHANTOM = os.environ.get("PHANTOM", str(BUILD / "tools" / "phantom" / "cardioscribe-phantom"))
CLI = BUILD / "cli" / "cardioscribe"
KINDS = ("ct", "cmr")


@pytest.fixture(scope="session")
def make(tmp_path_factory):
    """Folder of a study; the same one is made once. Findings: "id=severity"."""
    @functools.lru_cache(maxsize=None)
    def made(kind, seed, *findings, lean=False):
        out = tmp_path_factory.mktemp("phantom")
        wanted = [word for finding in findings for word in ("--finding", finding)]
        subprocess.run([PHANTOM, "--kind", kind, "--seed", str(seed), "--out", str(out), *wanted,
                        *(["--lean"] if lean else [])], check=True, capture_output=True, timeout=300)
        return out / f"{kind}-{seed}"
    return made


def truth_of(folder):
    return json.loads((folder / "truth.json").read_text())


def series_of(folder, role):
    numbers = [series["number"] for series in truth_of(folder)["series"] if series["role"] == role]
    return [pydicom.dcmread(path) for number in numbers
            for path in sorted(glob.glob(f"{folder}/*{number:03d}_*.dcm"))]


def smoothed(plane):
    """The mean of three by three."""
    return sum(np.roll(plane, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)) / 9


def first_beyond(values, threshold, below=True):
    """Along the last axis, the first place below (or above) the threshold; the length where there is none."""
    found = values < threshold if below else values > threshold
    return np.where(found.any(-1), found.argmax(-1), values.shape[-1])


class Ct:
    """A series of axial pictures in Hounsfield units, [z][y][x] from the feet up."""
    def __init__(self, folder, role="cta"):
        slices = sorted(series_of(folder, role), key=lambda image: image.ImagePositionPatient[2])
        self.voxels = np.empty((len(slices), slices[0].Rows, slices[0].Columns), np.int16)
        for plane, image in zip(self.voxels, slices):
            plane[:] = image.pixel_array
            plane += int(image.RescaleIntercept)  # slopes are 1
        self.origin = np.array(slices[0].ImagePositionPatient, float)
        step = float(slices[1].ImagePositionPatient[2]) - float(slices[0].ImagePositionPatient[2])
        self.spacing = np.array([float(slices[0].PixelSpacing[1]), float(slices[0].PixelSpacing[0]), step])

    def index(self, points):
        """[..., x y z] in voxels, rounded, within the field."""
        index = np.round((np.asarray(points, float) - self.origin) / self.spacing).astype(int)
        return np.clip(index, 0, np.array(self.voxels.shape[::-1]) - 1)

    def at(self, point):
        return tuple(self.index(point)[::-1])

    def holds(self, point, margin_mm=3):
        inside = (np.asarray(point) - self.origin) / self.spacing
        room = margin_mm / self.spacing
        return bool(np.all(inside > room) and np.all(inside < np.array(self.voxels.shape[::-1]) - 1 - room))

    def places(self, mask):
        """Where a mask is true: [n][x y z] in mm."""
        return np.argwhere(mask)[:, ::-1] * self.spacing + self.origin

    def smooth(self, z):
        """A slice, the mean of three by three by three."""
        return smoothed(self.voxels[z - 1:z + 2].mean(0))

    def line(self, start, direction, length_mm, step_mm=0.25):
        """Grey along a line, the mean of three by three by three round every point."""
        points = np.asarray(start) + np.arange(0, length_mm, step_mm)[:, None] * np.asarray(direction)
        near = np.array([(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)])
        index = np.clip(self.index(points)[:, None] + near, 0, np.array(self.voxels.shape[::-1]) - 1)
        return self.voxels[index[..., 2], index[..., 1], index[..., 0]].mean(-1)

    def narrowest(self, point, threshold):
        """The shortest chord through the point, in its slice, of what is brighter than the threshold."""
        z, y, x = self.at(point)
        return narrowest(self.smooth(z), x, y, self.spacing, threshold)


class Picture:
    """One MR image and where it lies."""
    def __init__(self, image):
        self.image, self.pixels = image, image.pixel_array.astype(float)
        self.origin = np.array(image.ImagePositionPatient, float)
        self.right, self.down = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
        self.normal = np.cross(self.right, self.down)
        self.spacing = np.array([float(image.PixelSpacing[1]), float(image.PixelSpacing[0])])

    def distance(self, point):
        return abs((np.asarray(point) - self.origin) @ self.normal)

    def xy(self, point):
        offset = np.asarray(point) - self.origin
        return np.array([offset @ self.right, offset @ self.down]) / self.spacing

    def rays(self, xy, angles, length_mm, step_mm=0.25, smooth=True):
        """Grey along rays from a pixel, [angle][step], between pixels linear; angles as pixels count: 0 right, up pi/2
        down."""
        steps = np.arange(0, length_mm, step_mm)
        x = xy[0] + np.cos(angles)[:, None] * steps / self.spacing[0]
        y = xy[1] + np.sin(angles)[:, None] * steps / self.spacing[1]
        rows, columns = self.pixels.shape
        x, y = np.clip(x, 0, columns - 1.001), np.clip(y, 0, rows - 1.001)
        i, j = y.astype(int), x.astype(int)
        v, u = y - i, x - j
        p = smoothed(self.pixels) if smooth else self.pixels
        return ((1 - v) * ((1 - u) * p[i, j] + u * p[i, j + 1]) + v * ((1 - u) * p[i + 1, j] + u * p[i + 1, j + 1]))

    def narrowest(self, point, threshold):
        x, y = np.round(self.xy(point)).astype(int)
        return narrowest(smoothed(self.pixels), x, y, self.spacing, threshold)


def narrowest(plane, x, y, spacing, threshold):
    angles, steps = np.arange(0, 2 * np.pi, np.pi / 24), np.arange(0, 60, 0.25)
    rows = np.round(y + np.outer(np.sin(angles), steps) / spacing[1]).astype(int)
    columns = np.round(x + np.outer(np.cos(angles), steps) / spacing[0]).astype(int)
    inside = (rows >= 0) & (rows < plane.shape[0]) & (columns >= 0) & (columns < plane.shape[1])
    values = np.where(inside, plane[np.clip(rows, 0, plane.shape[0] - 1), np.clip(columns, 0, plane.shape[1] - 1)], -1e9)
    reach = first_beyond(values, threshold) * 0.25
    return (reach[:24] + reach[24:]).min()


class Axes:
    """The heart's own directions, from its places: to the apex, to the septum, to the inferior wall."""
    def __init__(self, truth):
        self.places = {name: np.array(place) for name, place in truth["places_lps"].items()}
        self.apex = np.array(truth["confounders"]["long_axis_lps"])
        across = self.places["right_ventricle"] - self.places["left_ventricle"]
        across -= across @ self.apex * self.apex
        self.septum = across / np.linalg.norm(across)
        self.inferior = np.cross(self.apex, self.septum)

    def along(self, part):
        """A point of the left ventricle's axis: 0 the valve, 1 the apex of its cavity."""
        return self.places["mitral_valve"] * (1 - part) + self.places["apex"] * part

    def towards(self, degrees):
        """Across the axis: 0 the septum, 90 the inferior wall, 180 the lateral one."""
        return np.cos(np.radians(degrees)) * self.septum + np.sin(np.radians(degrees)) * self.inferior
