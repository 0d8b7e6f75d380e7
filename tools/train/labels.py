"""Where a kept input lies in the patient, and what the phantom's shapes say of every part of it (labels.c)."""
import pathlib
import subprocess

import numpy as np

SPACING_MM = 1.6


def where(kind, result, folder, side=144, field_mm=240):
    """CT: place of the first voxel and its step. CMR: for each different frame the place of its first pixel, the steps to
    the right and down, and when in the beat it was taken (None: late enhancement)."""
    if kind == "ct":
        centre, size = np.array(result["input"]["box"]["centre_lps"]), np.array(result["input"]["input_zyx"][::-1])
        return {"first_lps": list(centre - (size - 1) / 2 * SPACING_MM), "step_mm": SPACING_MM}
    import pydicom
    heads = {}
    for path in pathlib.Path(folder).rglob("*.dcm"):
        head = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[
            "SOPInstanceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns",
            "TriggerTime", "NominalInterval", "InversionTime"])
        heads[head.SOPInstanceUID] = head
    return [plane(heads[one["sop_uid"]], side, field_mm) for one in result["input"]["instances"]]


def turns():
    for swap in (False, True):
        for flip_y in (False, True):
            for flip_x in (False, True):
                yield swap, flip_y, flip_x


def plane(head, side, field_mm):
    """The frame after middle square, turn and resizing, as exam_video.c makes it."""
    first = np.array(head.ImagePositionPatient, float)
    right, down = (np.array(head.ImageOrientationPatient, float)[i:i + 3] for i in (0, 3))
    down_mm, right_mm = (float(v) for v in head.PixelSpacing)
    rows, columns = int(head.Rows), int(head.Columns)
    side_mm = min(rows * down_mm, columns * right_mm, field_mm)
    size = [min(rows, int(side_mm / down_mm + 0.5)), min(columns, int(side_mm / right_mm + 0.5))]
    first = first + (rows - size[0]) // 2 * down_mm * down + (columns - size[1]) // 2 * right_mm * right

    def turned(swap, flip_y, flip_x):
        at, y, x, counts = first, down * down_mm, right * right_mm, list(size)
        if swap:
            y, x, counts = x, y, counts[::-1]
        if flip_y:
            at, y = at + (counts[0] - 1) * y, -y
        if flip_x:
            at, x = at + (counts[1] - 1) * x, -x
        return at, y, x, counts

    def merit(one):
        _, y, x, _ = one
        return x @ [1, 0.5, 0] / np.linalg.norm(x) + y @ [0, 0.5, -1] / np.linalg.norm(y)

    best = None
    for one in turns():
        made = turned(*one)
        if best is None or merit(made) > merit(best) + 1e-9:
            best = made
    at, y, x, counts = best
    fy, fx = counts[0] / side, counts[1] / side
    at = at + (0.5 * fy - 0.5) * y + (0.5 * fx - 0.5) * x
    late = "InversionTime" in head
    beat = None if late else float(head.TriggerTime) / float(head.NominalInterval)
    return {"first_lps": list(at), "down": list(y * fy), "right": list(x * fx), "beat": beat}


PARTS = ["nothing", "fat", "fluid", "lv_wall", "other_wall", "lv_blood", "left_blood", "right_blood", "pulmonary", "aorta",
         "cava", "coronary", "soft_plaque", "coronary_calcium", "aortic_calcium", "scar_diffuse", "scar_ischemic",
         "scar_patchy"]
SWINGS = {"ct": [], "cmr": ["lv_blood", "right_blood"]}  # how much more of it a block holds at one time than at another
LATE = {"ct": [], "cmr": ["aorta"]}  # what is asked of late enhancement alone: there the ascending aorta is seen
SIZES = {"ct": [], "cmr": [("aorta", "ascending_aorta_mm", 36, 8)]}  # of patches that hold LATE: a measure, its middle and scale


def said(kind, blocks):
    """How many values are asked of a patch of that many blocks."""
    return blocks * (len(PARTS) + len(SWINGS[kind]) + len(LATE[kind])) + len(SIZES[kind])


def contraction_at(part):
    """source: tools/phantom/mr_study.c"""
    if part < 0.35:
        return 0.5 - 0.5 * np.cos(np.pi * part / 0.35)
    if part < 0.58:
        return 0.28 + 0.72 * (0.5 + 0.5 * np.cos(np.pi * (part - 0.35) / 0.23))
    if part < 0.82:
        return 0.28 - 0.04 * (part - 0.58) / 0.24
    return 0.24 * (0.5 + 0.5 * np.cos(np.pi * (part - 0.82) / 0.18))


def planes_of(kind, place, shape):
    """(contraction, first, right, down) of each plane of the kept input."""
    if kind == "ct":
        step = place["step_mm"]
        return [(0.12, [*place["first_lps"][:2], place["first_lps"][2] + z * step], [step, 0, 0], [0, step, 0])
                for z in range(shape[0])]
    return [(-1 if one["beat"] is None else contraction_at(one["beat"]), one["first_lps"], one["right"], one["down"])
            for one in place]


BLOCK = {"ct": (6, 6, 6), "cmr": (1, 8, 8)}


def blocks(kind, parts):
    """How many pixels of each block are of each of PARTS: uint8 [z][y][x][PARTS]."""
    bz, by, bx = BLOCK[kind]
    nz, ny, nx = (n // b for n, b in zip(parts.shape, BLOCK[kind]))
    cut = parts.reshape(nz, bz, ny, by, nx, bx).transpose(0, 2, 4, 1, 3, 5).reshape(nz * ny * nx, -1)
    place = np.arange(len(cut))[:, None] * len(PARTS)
    return np.bincount((cut + place).ravel(), minlength=len(cut) * len(PARTS)).astype(np.uint8).reshape(nz, ny, nx, -1)


def maps(kind, kept, shape, program):
    """PARTS by number, uint8 [z][y][x] as the input of that shape."""
    planes = planes_of(kind, kept["where"], shape)
    words = [kind, kept["truth"]["seed"], *kept["truth"]["places_lps"]["mitral_valve"], *shape]
    for contraction, *vectors in planes:
        words += [contraction, *(v for vector in vectors for v in vector)]
    done = subprocess.run([str(program)], input=" ".join(str(w) for w in words).encode(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(shape)
