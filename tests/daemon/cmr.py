"""Cardiac MR studies made here, and a small CMR-CLIP with random weights.

The heart lies as most do: the frame of apex (base to apex), right (horizontal, to the right ventricle) and up, in LPS.
Long-axis planes hold the apex direction and cut the short axis at an angle from `right` towards `up`.
"""
import copy
import json
import shutil

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, generate_uid
from safetensors.numpy import save_file

from grounded import text_tower
from service import MODEL
from studies import MR, Study

APEX = np.array([0.634, -0.645, -0.426]) / np.linalg.norm([0.634, -0.645, -0.426])
RIGHT = np.cross(APEX, [0, 0, 1]) / np.linalg.norm(np.cross(APEX, [0, 0, 1]))
UP = np.cross(RIGHT, APEX)
CENTRE = np.array([40.0, -60.0, 10.0])
CUTS = {"4ch": -20, "3ch": 27, "2ch": 87}  # degrees
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
VIEWS = ["cine_lax", "cine_sa", "lge_sa", "lge_lax", "lge_2ch", "lge_3ch"]


def axes(plane, turn=0, flip=False):
    """Row and column of a plane, both unit. turn: degrees more round the long axis. flip: seen from the other side."""
    if plane == "sa":
        row, column = -RIGHT, -UP  # normal: to the base
    else:
        angle = np.radians(CUTS[plane] + turn)
        row, column = -(np.cos(angle) * RIGHT + np.sin(angle) * UP), APEX
    return (column, row) if flip else (row, column)


def picture(shape, row, column, position, spacing, time, seed):
    """Smooth in space and time, and of its own for every series."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:shape[0], :shape[1]].astype(float)
    place = position + x[..., None] * spacing[1] * row + y[..., None] * spacing[0] * column - CENTRE
    waves = [np.sin(place @ draw.normal(0, 0.08, 3) + 2 * np.pi * time + draw.uniform(0, 6)) for _ in range(4)]
    return np.rint(500 + 110 * sum(waves) + 40 * np.sin(0.9 * x) * np.cos(0.7 * y)).astype("<i2")


class Cmr(Study):
    def __init__(self, seed=0):
        super().__init__("MR", description="CARDIAC MR")
        self.frame_of_reference, self.count, self.seed = generate_uid(prefix=None), 0, seed

    def series(self, kind, plane, description, slices=1, phases=1, shape=(64, 64), spacing=(4.0, 4.0), gap=8.0, turn=0,
               flip=False, image_type=("ORIGINAL", "PRIMARY", "M", "ND"), one_series_a_slice=False, protocol=""):
        """One series (or one a slice); its objects as made, [slice][phase]."""
        row, column = axes(plane, turn, flip)
        normal = np.cross(row, column)
        made = []
        self.count += 1
        uid, seed = generate_uid(prefix=None), 1000 * self.seed + self.count
        for z in range(slices):
            if one_series_a_slice and z:
                uid, self.count = generate_uid(prefix=None), self.count + 1
            position = (CENTRE + (z - (slices - 1) / 2) * gap * normal - row * spacing[1] * (shape[1] - 1) / 2
                        - column * spacing[0] * (shape[0] - 1) / 2)
            for t in range(phases):
                plane_of_pixels = picture(shape, row, column, position, spacing, t / phases, seed)
                made.append(self.image(kind, plane_of_pixels, row, column, position, spacing, uid, description))
                one = made[-1]
                one.ImageType, one.SliceThickness = list(image_type), gap
                if protocol:
                    one.ProtocolName = protocol
                if kind == "cine":
                    one.TriggerTime, one.NominalInterval = round(t * 900 / phases, 2), 900
                    one.CardiacNumberOfImages, one.HeartRate = phases, 66
        return [made[z * phases:(z + 1) * phases] for z in range(slices)]

    def image(self, kind, pixels, row, column, position, spacing, uid, description):
        one = self.head(MR, uid)
        one.SeriesNumber, one.SeriesDescription = self.count, description
        one.FrameOfReferenceUID, one.PositionReferenceIndicator = self.frame_of_reference, ""
        one.ImagePositionPatient = [f"{v:.6f}" for v in position]
        one.ImageOrientationPatient = [f"{v:.8f}" for v in (*row, *column)]
        one.PixelSpacing = list(spacing)
        one.Rows, one.Columns = pixels.shape
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.ScanningSequence, one.SequenceVariant, one.ScanOptions = ("GR", "SS", "CG") if kind == "cine" else \
            (["GR", "IR"], "SK", "CG")
        one.MRAcquisitionType, one.EchoTime, one.RepetitionTime, one.EchoTrainLength = "2D", 1.5, 3.1, 1
        if kind == "lge":
            one.InversionTime = 320
        one.PixelData = pixels.tobytes()
        return one


def item(**tags):
    one = Dataset()
    for name, value in tags.items():
        setattr(one, name, value)
    return [one]


def enhanced(objects):
    """Images of one series as one Enhanced MR object, in the order given."""
    whole = copy.deepcopy(objects[0])
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "TriggerTime",
                 "EchoTime"):
        if name in whole:
            del whole[name]
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    whole.NumberOfFrames = len(objects)
    whole.SharedFunctionalGroupsSequence = item(
        PlaneOrientationSequence=item(ImageOrientationPatient=objects[0].ImageOrientationPatient),
        PixelMeasuresSequence=item(PixelSpacing=objects[0].PixelSpacing, SliceThickness=objects[0].SliceThickness),
        MRImageFrameTypeSequence=item(FrameType=objects[0].ImageType))
    frames = []
    for one in objects:
        frames += item(PlanePositionSequence=item(ImagePositionPatient=one.ImagePositionPatient))
        if "TriggerTime" in one:
            delay = item(NominalCardiacTriggerDelayTime=float(one.TriggerTime))
            frames[-1].CardiacSynchronizationSequence = delay
    whole.PerFrameFunctionalGroupsSequence = frames
    whole.PixelData = b"".join(one.PixelData for one in objects)
    return whole


def six_views(seed=0, words=True, slices=4, lge_slices=10, phases=30, **options):
    """A study of all six views of CMR-CLIP: the objects of each as {view: [slice][phase]}. words False: the
    descriptions tell technique only."""
    study = Cmr(seed)
    say = (lambda text: text) if words else (lambda text: text.split()[0])
    made = {
        "cine_sa": study.series("cine", "sa", say("CINE SAX"), slices=slices, phases=phases, **options),
        "cine_lax": study.series("cine", "4ch", say("CINE 4CH"), phases=phases, **options),
        "lge_sa": study.series("lge", "sa", say("LGE SAX"), slices=lge_slices, **options),
        "lge_lax": study.series("lge", "4ch", say("LGE 4CH"), **options),
        "lge_2ch": study.series("lge", "2ch", say("LGE 2CH"), **options),
        "lge_3ch": study.series("lge", "3ch", say("LGE 3CH"), **options)}
    return study, made


def model(folder, frames=None, n=64, side=32, seed=0, name="tiny-cmr", threshold=0.0, **preprocess):
    """A CMR-CLIP of one block, with demo-ct's text tower. frames: preprocess.frames. trained, so that it decides."""
    draw, width, dim, mlp, patch = np.random.default_rng(seed), 32, 64, 64, 16
    cells = (side // patch) ** 2
    shapes = {"patch.weight": (width, 3, patch, patch), "patch.bias": (width,), "cls": (width,),
              "pos": (1 + cells, width), "time_pos": (n, width), "post_ln.weight": (width,), "post_ln.bias": (width,),
              "proj.weight": (dim, width), "proj.bias": (dim,)}
    for part, shape in {"ln1": width, "ln2": width, "ln_t": width, "attn.qkv": (3 * width, width),
                        "attn.out": (width, width), "tattn.qkv": (3 * width, width), "tattn.out": (width, width),
                        "mlp.fc1": (mlp, width), "mlp.fc2": (width, mlp)}.items():
        shapes[f"layers.0.{part}.weight"] = shape if isinstance(shape, tuple) else (shape,)
        shapes[f"layers.0.{part}.bias"] = (shape[0] if isinstance(shape, tuple) else shape,)
    tensors = {f"vision.{key}": (draw.normal(size=shape) * (np.prod(shape[1:]) or 1) ** -0.5).astype("f4")
               for key, shape in shapes.items()}
    demo = json.loads((MODEL / "config.json").read_text())
    config = {
        **{key: demo[key] for key in ("version", "manufacturer")}, "name": name, "family": "cmr-clip", "trained": True,
        "vision": {"arch": "spacetime_vit", "input": [n, side, side], "channels": 3, "patch": [patch, patch],
                   "patch_bias": True, "width": width, "depth": 1, "heads": 4, "mlp_dim": mlp, "act": "gelu",
                   "ln_eps": 1e-6, "pre_ln": False, "attn": "divided_time_space", "time_pos": n, "proj_pre": "relu",
                   "proj_dim": dim},
        "text": {**demo["text"], "type_emb": False}, "score": {"mode": "cosine_mean", "threshold": threshold},
        "preprocess": {"modality": "MR", "norm": "meanstd", "mean": MEAN, "std": STD, **preprocess}}
    if frames is not None:
        config["preprocess"]["frames"] = frames
    folder.mkdir(parents=True)
    save_file({**tensors, **text_tower()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    labels = [{"id": "lv_dilation", "text": "Left ventricle dilation", "positive": "There is cardiomegaly."},
              {"id": "lge", "text": "Late enhancement", "positive": ["There is stenosis.", "There is a scar."]}]
    (folder / "prompts.json").write_text(json.dumps({"version": "1", "labels": labels}))
    shutil.copy(MODEL / "vocab.txt", folder)
    return folder
