"""CMR-CLIP's input from DICOM with pydicom, numpy and torch alone: docs/model-folder.md, "preprocess.frames". Frames are
given as they should be found, so this knows nothing of choosing."""
import numpy as np
import torch
from torch.nn.functional import interpolate

import cmr

ROUNDING = 1e-3  # of a grey level


def resize(pictures, side):
    """[n][y][x] to [n][side][side], as torchvision's Resize with antialias."""
    return interpolate(torch.as_tensor(pictures, dtype=torch.float32)[None], size=(side, side), mode="bilinear",
                       align_corners=False, antialias=True)[0]


def middle_of(count, everything):
    """The middle one of each of `count` equal parts."""
    return [everything[(2 * i + 1) * len(everything) // (2 * count)] for i in range(count)]


def from_base_to_apex(slices):
    return sorted(slices, key=lambda phases: np.dot([float(v) for v in phases[0].ImagePositionPatient], cmr.APEX))


def view_frames(view, slices, phases=30, limits=(10, 15)):
    """The different objects of a view, in order. slices: [slice][phase], phases in order of time."""
    if view.endswith("_sa"):
        slices = from_base_to_apex(slices)
    if view.startswith("cine"):
        return middle_of(phases, slices[len(slices) // 2])
    if view == "lge_sa":
        return [one[0] for one in middle_of(min(max(len(slices), limits[0]), limits[1]), slices)]
    return [slices[len(slices) // 2][0]]


def square(one, pixels, field_mm=1000):
    """The middle of a picture, as high as wide in mm, at most field_mm."""
    y_mm, x_mm = (float(v) for v in one.PixelSpacing)
    side_mm = min(one.Rows * y_mm, one.Columns * x_mm, field_mm)
    height, width = min(one.Rows, int(side_mm / y_mm + 0.5)), min(one.Columns, int(side_mm / x_mm + 0.5))
    top, left = (one.Rows - height) // 2, (one.Columns - width) // 2
    return pixels[top:top + height, left:left + width]


def pixels_of(objects):
    """Padding takes the lowest value of all that is none."""
    pixels = np.stack([one.pixel_array.astype("f4") for one in objects])
    if "PixelPaddingValue" in objects[0]:
        padding = pixels == float(objects[0].PixelPaddingValue)
        pixels[padding] = pixels[~padding].min()
    return pixels


def grey(objects, side, percentile=(1, 99), field_mm=1000):
    """[n][side][side], 0..255, windowed over all of them together, before rounding."""
    values = resize(np.stack([square(*pair, field_mm) for pair in zip(objects, pixels_of(objects))]), side).numpy()
    flat = np.sort(values.ravel()[::(values.size // 1000000) | 1])
    low, high = (float(flat[int(p / 100 * (flat.size - 1) + 0.5)]) for p in percentile)
    return np.clip((values.astype("f8") - low) * (255 / (high - low)), 0, 255)


def sampled(count, n):
    n = min(n, count)
    edges = [int(k * (count / n)) for k in range(n)] + [count]
    return [(edges[k] + edges[k + 1] - 1) // 2 for k in range(n)]


def rounded(greys, slack):
    return np.floor(greys + 0.5 + slack).clip(0, 255)


def normalised(picture, side):
    """A grey picture [side][side] as [3][side][side]."""
    wide = resize(picture[None] / 255, (side * 256 + 112) // 224)
    last = resize(wide, side).numpy()[0]
    return np.stack([(last - mean) / std for mean, std in zip(cmr.MEAN, cmr.STD)])


def video(views, side, n=64, field_mm=1000, repeat=0, **options):
    """[n][3][side][side] of {view: [slice][phase] or a number of blank frames}, in the model's order: the least and the
    most it may be. They differ where a grey lies so close to a half that the last bit of a float decides how it is
    rounded; every step after that keeps the order."""
    objects = {view: slices if isinstance(slices, int) else view_frames(view, slices, **options)
               for view, slices in views.items()}
    length = objects.get("lge_sa", 10)
    length = repeat or (length if isinstance(length, int) else len(length))
    frames = []
    for view, found in objects.items():
        if isinstance(found, int):
            frames += [None] * found
            continue
        pictures = list(grey(found, side, field_mm=field_mm))
        frames += pictures * length if view in ("lge_lax", "lge_2ch", "lge_3ch") else pictures
    least, most = np.zeros((2, n, 3, side, side), "f4")
    for k, place in enumerate(sampled(len(frames), n)):
        if frames[place] is not None:
            least[k], most[k] = (normalised(rounded(frames[place], slack), side) for slack in (-ROUNDING, ROUNDING))
    return least, most
