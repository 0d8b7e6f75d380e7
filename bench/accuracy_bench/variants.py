"""The same phantom, written otherwise: transfer syntax, order, orientation, spacing, a slice that comes late.

Each is a folder of files with a Study Instance UID of its own, because one service gets them all."""
import pathlib
import random
import subprocess

import numpy as np
import pydicom

SAME_BITS = ("jpeg_lossless", "jpeg_ls", "rle", "deflated", "big_endian", "shuffled")
NEARLY = ("turned", "finer", "coarser")
LATE = ("late_before", "late_after")  # what is said without the last slice, and when it has come
TOOLS = {"jpeg_lossless": ["dcmcjpeg", "+e1"], "jpeg_ls": ["dcmcjpls", "+el"], "rle": ["dcmcrle"],
         "deflated": ["dcmconv", "+td"], "big_endian": ["dcmconv", "+tb"]}
FACTORS = {"finer": 0.85, "coarser": 1.2}  # of the spacing
MANY_SLICES = 20  # a stack of so many is resampled along itself too


def images(folder):
    return sorted(path for path in pathlib.Path(folder).iterdir() if path.suffix == ".dcm")


def make(name, source, target, roles):
    """Write a variant. roles: {Series Instance UID: role} as the phantom says. The paths in the order to send."""
    target.mkdir(parents=True)
    if name in TOOLS:
        for path in images(source):
            subprocess.run([*TOOLS[name], str(path), str(target / path.name)], check=True, capture_output=True)
        sets = [(path.name, pydicom.dcmread(path)) for path in images(target)]
    else:
        sets = [(path.name, pydicom.dcmread(path)) for path in images(source)]
    if name in ("turned", *FACTORS):
        change = turned if name == "turned" else lambda stack: respaced(stack, FACTORS[name])
        sets = [(path, one) for stack in stacks(sets, roles) for path, one in change(stack)]
    uid = pydicom.uid.generate_uid(prefix=None)
    paths = []
    for path, one in sets:
        one.StudyInstanceUID = uid
        one.save_as(target / path, write_like_original=False)
        paths.append(target / path)
    if name == "shuffled":
        random.Random(1).shuffle(paths)
        paths = [path.rename(target / f"{number:05}.dcm") for number, path in enumerate(paths)]
    return uid, paths


def late_slice(paths, roles, role):
    """Without the last slice of the series, and that slice's images."""
    heads = [(path, pydicom.dcmread(path, stop_before_pixels=True)) for path in paths]
    meant = [(path, one) for path, one in heads if roles[one.SeriesInstanceUID] == role]
    last = max(height(one) for _, one in meant)
    late = [path for path, one in meant if abs(height(one) - last) < 0.01]
    return [path for path in paths if path not in late], late


def height(one):
    row, column = np.array(one.ImageOrientationPatient, float).reshape(2, 3)
    return float(np.cross(row, column) @ np.array(one.ImagePositionPatient, float))


def stacks(sets, roles):
    """Lists of (name, data set): the images of one series and place in the heartbeat, from one side to the other."""
    found = {}
    for name, one in sets:
        role = roles[one.SeriesInstanceUID]
        if role in ("localizer", "bolus_tracking"):
            found[(name,)] = [(name, one)]
        else:
            found.setdefault((one.SeriesInstanceUID, one.get("TriggerTime") if role.startswith("cine") else None),
                             []).append((name, one))
    return [sorted(stack, key=lambda item: height(item[1])) if len(stack) > 1 else stack for stack in found.values()]


def voxels(stack):
    return np.stack([one.pixel_array for _, one in stack])


def store(one, plane):
    one.Rows, one.Columns = plane.shape
    one.PixelData = np.ascontiguousarray(plane).tobytes()


def vectors(stack):
    """Position of the first voxel, and the way to the next along z, y and x, in mm."""
    first, last = stack[0][1], stack[-1][1]
    row, column = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    dy, dx = map(float, first.PixelSpacing)
    at = np.array(first.ImagePositionPatient, float)
    way = (np.array(last.ImagePositionPatient, float) - at) / max(len(stack) - 1, 1)
    return at, way, column * dy, row * dx


def number(values):
    return [f"{value:.10g}" for value in values]


def turned(stack):
    """A stack of CT becomes coronal: the same voxels at the same places, in other objects. Any other image is turned
    in its plane: rows become columns."""
    if len(stack) < MANY_SLICES:
        for _, one in stack:
            row, column = np.array(one.ImageOrientationPatient, float).reshape(2, 3)
            store(one, one.pixel_array.T)
            one.ImageOrientationPatient = number([*column, *row])
            one.PixelSpacing = list(reversed(one.PixelSpacing))
        return stack
    block, (at, z, y, x) = voxels(stack)[::-1], vectors(stack)
    top = at + z * (len(stack) - 1)
    made = []
    for index in range(block.shape[1]):
        name, one = stack[min(index, len(stack) - 1)]
        one = pydicom.dcmread(pydicom.filebase.DicomBytesIO(written(one)))
        store(one, block[:, index])
        one.ImageOrientationPatient = number([*(x / np.linalg.norm(x)), *(-z / np.linalg.norm(z))])
        one.ImagePositionPatient = number(top + index * y)
        one.PixelSpacing = number([np.linalg.norm(z), np.linalg.norm(x)])
        one.SliceThickness = number([np.linalg.norm(y)])[0]
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid(prefix=None)
        one.InstanceNumber = index + 1
        for tag in ("SliceLocation", "SpacingBetweenSlices"):
            if tag in one:
                del one[tag]
        made.append((f"turned_{name[:-4]}_{index:04}.dcm", one))
    return made


def written(one):
    buffer = pydicom.filebase.DicomBytesIO()
    pydicom.dcmwrite(buffer, one, write_like_original=False)
    return buffer.getvalue()


def sampled(block, axis, factor):
    """Linear, along one axis, at steps of `factor`; the field of view stays where it is."""
    count = max(2, int(round(block.shape[axis] / factor)))
    step = block.shape[axis] / count
    at = np.clip((np.arange(count) + 0.5) * step - 0.5, 0, block.shape[axis] - 1)
    low = np.minimum(at.astype(int), block.shape[axis] - 2)
    part = (at - low).reshape([-1 if i == axis else 1 for i in range(block.ndim)])
    return np.take(block, low, axis) * (1 - part) + np.take(block, low + 1, axis) * part, step


def respaced(stack, factor):
    """Pixels, and the slices of a long stack, of `factor` times the size; linear interpolation."""
    block, (at, z, y, x) = voxels(stack), vectors(stack)
    kind = block.dtype
    (block, step_y), step_z = sampled(block.astype(float), 1, factor), 1
    block, step_x = sampled(block, 2, factor)
    if len(stack) >= MANY_SLICES:
        block, step_z = sampled(block, 0, factor)
    block = np.rint(block).astype(kind)
    at = at + z * (step_z - 1) / 2 + y * (step_y - 1) / 2 + x * (step_x - 1) / 2
    made = []
    for index in range(len(block)):
        name, one = stack[min(index, len(stack) - 1)]
        if index >= len(stack):
            one = pydicom.dcmread(pydicom.filebase.DicomBytesIO(written(one)))
            one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid(prefix=None)
        store(one, block[index])
        own = at + z * step_z * index if step_z != 1 else np.array(one.ImagePositionPatient, float) + (
            y * (step_y - 1) + x * (step_x - 1)) / 2
        one.ImagePositionPatient = number(own)
        one.PixelSpacing = number([np.linalg.norm(y) * step_y, np.linalg.norm(x) * step_x])
        if step_z != 1:
            one.SliceThickness, one.InstanceNumber = number([np.linalg.norm(z) * step_z])[0], index + 1
            for tag in ("SliceLocation", "SpacingBetweenSlices"):
                if tag in one:
                    del one[tag]
        made.append((f"{name[:-4]}_{index:04}.dcm", one))
    return made
