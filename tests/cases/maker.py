"""Studies from recipes: a recipe is a list of steps, each one verb with its settings; the verbs are the functions of
VERBS, and what a setting means stands there.

Images made here show a field whose value depends on nothing but the place in the patient and the phase, so that every
voxel of a volume can be judged wherever it lies. Pixels are made last, from where the image truly is and from how its
header says they are stored; damage to the header alone (`set`, `raw`, `delete`) does not move them.
"""
import copy
import math
import pathlib
import shutil

import numpy as np
import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

CLASSES = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4",
           "enhanced CT": "1.2.840.10008.5.1.4.1.1.2.1", "legacy CT": "1.2.840.10008.5.1.4.1.1.2.2",
           "enhanced MR": "1.2.840.10008.5.1.4.1.1.4.1", "legacy MR": "1.2.840.10008.5.1.4.1.1.4.4"}
AXES = {"axial": ([1, 0, 0], [0, 1, 0]), "coronal": ([1, 0, 0], [0, 0, -1]), "sagittal": ([0, 1, 0], [0, 0, -1]),
        "feet_first": ([-1, 0, 0], [0, 1, 0])}
GRADIENT = np.array([1.3, 11, 61])  # of the field, per mm: distinct in every direction
PER_PHASE = 40
PLACE, NUMBER = "7777.7777", "77777777"  # of an image that is repeated: what each copy has another of


def field(points, phase, base):
    return points @ GRADIENT + PER_PHASE * phase + base


class Image:
    """One frame to be: its header, where it truly lies, and what it shows."""

    def __init__(self, data, origin, row, column, spacing_yx, z, phase, base):
        self.data, self.z, self.phase, self.base = data, z, phase, base
        self.origin, self.row, self.column, self.spacing_yx = map(np.array, (origin, row, column, spacing_yx))
        self.offset, self.corner, self.values, self.junk, self.older = 0, None, None, 0, False
        self.cut, self.repeated = 0, None

    def place(self):
        """Write into the header where the image is."""
        self.data.ImagePositionPatient = [f"{v:.10g}" for v in self.origin]
        self.data.ImageOrientationPatient = [f"{v:.10g}" for v in (*self.row, *self.column)]

    def points(self):
        """Patient coordinates of all pixels, [row][column][3]."""
        y, x = np.mgrid[:self.data.Rows, :self.data.Columns]
        return (self.origin + (y * self.spacing_yx[0])[..., None] * self.column +
                (x * self.spacing_yx[1])[..., None] * self.row)

    def render(self):
        if "PixelData" in self.data:
            return
        data = self.data
        shown = field(self.points(), self.phase, self.base) + self.offset
        self.values = shown
        if "ModalityLUTSequence" in data:
            entries = np.frombuffer(data.ModalityLUTSequence[0].LUTData, "<u2").astype("f8")
            stored = np.abs(entries[None, None, :] - shown[..., None]).argmin(-1)
        else:
            stored = (shown - float(data.get("RescaleIntercept", 0))) / (float(data.get("RescaleSlope", 1)) or 1)
        stored = np.rint(stored).astype("i8")
        low = -(1 << data.BitsStored - 1) if data.PixelRepresentation else 0
        high = low + (1 << data.BitsStored) - 1
        assert low <= stored.min() and stored.max() <= high, (stored.min(), stored.max(), "do not fit")
        if data.PhotometricInterpretation == "MONOCHROME1" and data.Modality == "MR":
            stored = low + high - stored
        if self.corner is not None:
            stored[:4, :4] = self.corner
        shift = data.HighBit + 1 - data.BitsStored
        mask = ((1 << data.BitsStored) - 1) << shift
        cells = (stored << shift) & mask | (self.junk & ~mask)
        cells &= (1 << data.BitsAllocated) - 1
        data.PixelData = cells.astype(f"<u{data.BitsAllocated // 8}").tobytes()
        data["PixelData"].VR = "OB" if data.BitsAllocated == 8 else "OW"


class Study:
    """images: frames that are objects of their own; wrapped: multi-frame objects, made of wrapped_images. real: what
    is shown came with the objects and follows no field."""

    def __init__(self, shared=None, seed=1):
        self.shared, self.draw = shared, np.random.default_rng(seed)
        self.uid, self.reference = generate_uid(None), generate_uid(None)
        self.images, self.wrapped, self.wrapped_images, self.copied, self.series = [], [], [], [], 0
        self.real = False

    def latest(self, series=None, z=None, phase=None, every=None):
        """Images of a series (the last one made), of some slices and phases of it."""
        number = self.series if series is None else series
        chosen = [one for one in self.images if number == "all" or one.series == number]
        chosen = [one for one in chosen if (z is None or one.z in z) and (phase is None or one.phase in phase)]
        return [one for one in chosen if every is None or one.z % every == 0]


def head(study, modality, series_uid, number):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = CLASSES[modality], generate_uid(None)
    data.StudyInstanceUID, data.SeriesInstanceUID = study.uid, series_uid
    data.FrameOfReferenceUID = study.reference
    data.PatientID, data.PatientName, data.StudyDate, data.StudyTime = "CASE", "CASE", "20260102", "101112"
    data.Modality, data.SeriesNumber = modality, number
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.is_little_endian, data.is_implicit_VR = True, False
    return data


# ---- what makes images ----

def make(study, modality, slices=12, phases=1, rows=16, columns=20, spacing=(2.5, 2.0, 1.5), axes="axial",
         center=(0, 0, 0), base=300, order="slice", times=None, percents=None, indices=None, per_slice=0.0, **tags):
    """One series: [slices] along row x column by [phases]. spacing: z, y, x. times: Trigger Time of each phase, ms;
    per_slice: how many ms it grows from slice to slice. order: whether instance numbers run through a slice's
    phases first ("slice"), or a phase's slices ("time"), or anyhow ("random")."""
    study.series += 1
    row, column = (np.array(axis, float) for axis in (AXES[axes] if isinstance(axes, str) else axes))
    row, column = row / np.linalg.norm(row), column - row * (column @ row) / (row @ row)
    column /= np.linalg.norm(column)
    normal, uid = np.cross(row, column), generate_uid(None)
    corner = (np.array(center, float) - row * spacing[2] * (columns - 1) / 2 - column * spacing[1] * (rows - 1) / 2 -
              normal * spacing[0] * (slices - 1) / 2)
    made = []
    for z in range(slices):
        for phase in range(phases):
            data = head(study, modality, uid, study.series)
            if modality == "CT":
                data.ImageType, data.RescaleIntercept, data.RescaleSlope = ["ORIGINAL", "PRIMARY", "AXIAL"], -1024, 1
                data.KVP, data.ConvolutionKernel, data.RescaleType = 120, "B26f", "HU"
            else:
                data.ImageType, data.EchoTime, data.RepetitionTime = ["ORIGINAL", "PRIMARY", "M", "NORM"], 1.5, 3.1
                data.ScanningSequence, data.SequenceVariant = "GR", ["SS", "SK"]
            data.SliceThickness, data.PixelSpacing = spacing[0], list(spacing[1:])
            data.Rows, data.Columns, data.AcquisitionNumber = rows, columns, 1
            data.ContentTime = data.AcquisitionTime = "101112"
            if times:  # gated, as the heart rate says
                data.TriggerTime, data.HeartRate = round(times[phase] + z * per_slice, 3), 60
            if percents:
                data.NominalPercentageOfCardiacPhase = percents[phase]
            if indices:
                data.TemporalPositionIdentifier = indices[phase]
            image = Image(data, corner + normal * spacing[0] * z, row, column, spacing[1:], z, phase, base)
            image.series, image.made, image.normal = study.series, study.series, normal
            image.place()
            made.append(image)
    for number, image in enumerate(made):
        image.data.InstanceNumber = 1 + (number if order == "slice" else image.phase * slices + image.z)
    if order == "random":
        for image, number in zip(made, study.draw.permutation(len(made))):
            image.data.InstanceNumber = int(number) + 1
    study.images += made
    change(study, made, tags)


def ct(study, **how):
    make(study, "CT", **how)


def mr(study, **how):
    make(study, "MR", **{"base": 3000, **how})


def real(study, files, first=None, reference=None):
    """Real objects of the shared data, one series: `first` of them along the normal. reference: of all of them, where
    an anonymiser gave each its own."""
    paths = sorted((study.shared / "data").glob(files))
    assert paths, files
    study.series, study.real, made = study.series + 1, True, []
    for path in paths:
        data = pydicom.dcmread(path)
        data.StudyInstanceUID = study.uid
        row, column = np.array(data.ImageOrientationPatient, float).reshape(2, 3)
        image = Image(data, np.array(data.ImagePositionPatient, float), row, column,
                      np.array(data.PixelSpacing, float), 0, 0, 0)
        stored = data.pixel_array.astype("f8")
        image.values = stored * float(data.get("RescaleSlope", 1)) + float(data.get("RescaleIntercept", 0))
        image.series, image.made, image.normal = study.series, study.series, np.cross(row, column)
        made.append(image)
    places = sorted({round(float(one.origin @ one.normal), 2) for one in made})
    for image in made:
        image.z = places.index(round(float(image.origin @ image.normal), 2))
    for z in range(len(places)):
        stack = sorted((one for one in made if one.z == z), key=lambda one: float(one.data.get("TriggerTime", 0) or 0))
        for phase, image in enumerate(stack):
            image.phase = phase
    if reference:
        for image in made:
            image.data.FrameOfReferenceUID = study.reference
    study.images += [one for one in made if first is None or one.z < first]


def files(study, files):
    """Files of the shared data as they are."""
    study.real = True
    found = sorted((study.shared / "data").glob(files))
    assert found, files
    study.copied += found


# ---- damage ----

def change(study, images, tags):
    for image in images:
        for name, value in tags.items():
            setattr(image.data, name, value)


def of(verb):
    """A verb that changes each of the images that `series`, `z`, `phase`, `every` choose."""
    def all_of(study, series=None, z=None, phase=None, every=None, **how):
        for image in study.latest(series, z, phase, every):
            verb(study, image, **how)
    return all_of


@of
def set_tags(study, image, **tags):
    change(study, [image], tags)


@of
def set_each(study, image, by="z", **tags):
    """Tags that grow from slice to slice (or phase to phase): first value and step."""
    for name, (first, more) in tags.items():
        value = round(first + more * getattr(image, by), 6)
        setattr(image.data, name, str(value) if name.endswith("Time") and "Content" in name else value)


def same_uids(study, series, like):
    """Objects of two series that share their SOP Instance UIDs."""
    for image, other in zip(study.latest(series), study.latest(like)):
        image.data.SOPInstanceUID = other.data.SOPInstanceUID


@of
def raw(study, image, **tags):
    """The value as these bytes (latin-1), whatever they are."""
    for name, text in tags.items():
        value = text.encode("latin-1")
        vr = pydicom.datadict.dictionary_VR(Tag(name))
        image.data[Tag(name)] = RawDataElement(Tag(name), vr, len(value) + len(value) % 2,
                                               value + b" " * (len(value) % 2), 0, False, True)


@of
def delete(study, image, tags):
    for name in tags:
        if name in image.data:
            del image.data[name]


def drop(study, series=None, z=None, phase=None):
    """Images that never arrived."""
    gone = study.latest(series, z, phase)
    study.images = [one for one in study.images if not any(one is other for other in gone)]


def double(study, series=None, z=None, phase=None, same_uid=False, show_more=0, **tags):
    """Images sent again, as other objects unless same_uid, showing `show_more` more; `tags` are set in the copies."""
    for image in study.latest(series, z, phase):
        again = copy.deepcopy(image)
        if not same_uid:
            again.data.SOPInstanceUID = generate_uid(None)
        again.offset += show_more
        change(study, [again], tags)
        study.images.append(again)
        image.older = True


@of
def shift_trigger(study, image, per_slice):
    """Trigger Times that are later in every slice, as when the heart's rate changes."""
    image.data.TriggerTime = float(image.data.TriggerTime) + per_slice * image.z


@of
def move(study, image, lps):
    """The image truly lies elsewhere."""
    image.origin = image.origin + np.array(lps, float)
    image.place()


def jitter(study, share, series=None):
    """Slices between the first and the last, each moved along the normal by up to a share of the spacing, the largest
    by exactly that."""
    images = study.latest(series)
    last = max(one.z for one in images)
    moves = study.draw.uniform(-1, 1, last + 1)
    moves *= share / np.abs(moves[1:last]).max()
    moves[0] = moves[last] = 0
    for image in images:
        image.origin = image.origin + image.normal * moves[image.z] * float(image.data.SliceThickness)
        image.place()


def tilt(study, degrees, series=None):
    """A tilted gantry: the table moves on straight, the planes are turned about the x axis."""
    angle = math.radians(degrees)
    turn = np.array([[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]])
    for image in study.latest(series):
        image.row, image.column = turn @ image.row, turn @ image.column
        image.data.GantryDetectorTilt = degrees
        image.place()


@of
def pad(study, image, value, limit=None, stored=None):
    """A corner of 4 x 4 pixels is padding."""
    image.data.add_new(0x00280120, "SS" if image.data.PixelRepresentation else "US", value)
    if limit is not None:
        image.data.add_new(0x00280121, "SS" if image.data.PixelRepresentation else "US", limit)
    image.corner = value if stored is None else stored


@of
def bits(study, image, allocated, stored, high=None, signed=False, junk=0):
    """How pixels are stored; junk: what stands in the bits that are not part of a value."""
    image.data.BitsAllocated, image.data.BitsStored = allocated, stored
    image.data.HighBit, image.data.PixelRepresentation = (stored - 1 if high is None else high), int(signed)
    image.junk = junk


@of
def lut(study, image, count=4096, first=0):
    """A Modality LUT that runs downwards instead of slope and intercept."""
    item = Dataset()
    item.add_new(0x00283002, "US", [count, first, 16])
    item.ModalityLUTType = "HU"
    item.add_new(0x00283006, "OW", np.arange(count - 1, -1, -1).astype("<u2").tobytes())
    image.data.ModalityLUTSequence = [item]
    for name in ("RescaleSlope", "RescaleIntercept"):
        if name in image.data:
            del image.data[name]


@of
def colour(study, image, photometric="RGB"):
    data = image.data
    data.PhotometricInterpretation, data.SamplesPerPixel, data.PlanarConfiguration = photometric, 3, 0
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.PixelData = bytes(range(256)) * (data.Rows * data.Columns * 3 // 256)
    data.PixelData += bytes(data.Rows * data.Columns * 3 - len(data.PixelData))


@of
def short_pixels(study, image, bytes_left_out):
    """Fewer bytes than rows, columns and bits say; the element's length is honest."""
    image.render()
    image.data.PixelData = image.data.PixelData[:-bytes_left_out]


@of
def cut_file(study, image, bytes_left_out):
    """The file ends early."""
    image.cut = bytes_left_out


def repeat(study, count, step):
    """Very many slices, each a copy of the latest image, `step` mm apart; too many to make one by one."""
    (image,) = study.latest()
    image.repeated = count, step
    x, y, _ = image.data.ImagePositionPatient
    image.data.ImagePositionPatient, image.data.SOPInstanceUID = [x, y, PLACE], f"2.25.{NUMBER}"


def merge(study, series, into):
    """Two series sent under one Series Instance UID."""
    target = study.latest(into)[0].data
    for image in study.latest(series):
        image.data.SeriesInstanceUID, image.data.SeriesNumber = target.SeriesInstanceUID, target.SeriesNumber
        image.series = into


def series_per(study, by="z", series=None, numbered=True, **tags):
    """Each slice (or phase) becomes a series of its own, as Siemens sends them. tags: texts with {} for which."""
    images = study.latest(series)
    uids = {}
    for image in images:
        which = getattr(image, by)
        uids.setdefault(which, generate_uid(None))
        image.data.SeriesInstanceUID = uids[which]
        if numbered:
            image.data.SeriesNumber = 100 * image.series + which
        for name, text in tags.items():
            setattr(image.data, name, text.format(which) if isinstance(text, str) else text[which])


# ---- multi-frame ----

def items(**tags):
    item = Dataset()
    for name, value in tags.items():
        setattr(item, name, value)
    return [item]


def groups(image, modality, named, cardiac, wrong=False):
    """Functional groups of one frame; wrong: of another place, to be overruled by the frame's own."""
    data, group = image.data, Dataset()
    away = 500 if wrong else 0
    if "position" in named:
        group.PlanePositionSequence = items(ImagePositionPatient=[f"{v + away:.10g}" for v in image.origin])
    if "orientation" in named:
        group.PlaneOrientationSequence = items(
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1] if wrong else list(data.ImageOrientationPatient))
    if "measures" in named:
        spacing = [9, 9] if wrong else list(data.PixelSpacing)
        group.PixelMeasuresSequence = items(PixelSpacing=spacing, SliceThickness=data.SliceThickness)
    if "rescale" in named and "RescaleSlope" in data:
        group.PixelValueTransformationSequence = items(
            RescaleIntercept=7777 if wrong else data.RescaleIntercept, RescaleSlope=data.RescaleSlope, RescaleType="HU")
    if "type" in named:
        name = "CTImageFrameTypeSequence" if modality == "CT" else "MRImageFrameTypeSequence"
        setattr(group, name, items(FrameType=list(data.ImageType)[:3] + ["NONE"]))
    if "content" in named:
        group.FrameContentSequence = items(FrameAcquisitionNumber=1,
                                           DimensionIndexValues=[image.z + 1, image.phase + 1])
        if "TemporalPositionIdentifier" in data:
            group.FrameContentSequence[0].TemporalPositionIndex = data.TemporalPositionIdentifier
    if "cardiac" in named and cardiac:
        item = Dataset()
        if "TriggerTime" in data:
            item.NominalCardiacTriggerDelayTime = float(data.TriggerTime)
        if "NominalPercentageOfCardiacPhase" in data:
            item.NominalPercentageOfCardiacPhase = float(data.NominalPercentageOfCardiacPhase)
        group.CardiacSynchronizationSequence = [item]
    return group


KINDS = ("position", "orientation", "measures", "rescale", "type", "content", "cardiac")


def enhance(study, series=None, kind="enhanced", shared=("orientation", "measures", "type"), overruled=(), parts=1,
            order="slice", top_level=False, stacks=None):
    """A series as one multi-frame object. shared: the groups that stand in the shared item, others in each frame's;
    overruled: groups that stand in both, and wrong in the shared one; parts: of a concatenation; top_level: geometry
    outside any functional group as well, and wrong; stacks: Stack ID of slices [[0, 5], [6, 11]]."""
    images = study.latest(series)
    for image in images:
        image.render()
    images.sort(key=(lambda one: (one.z, one.phase)) if order == "slice" else (lambda one: (one.phase, one.z)))
    if order == "random":
        images = [images[i] for i in study.draw.permutation(len(images))]
    modality = images[0].data.Modality
    cardiac = any(name in images[0].data for name in ("TriggerTime", "NominalPercentageOfCardiacPhase"))
    whole, size = generate_uid(None), -(-len(images) // parts)
    for part in range(parts):
        mine = images[part * size:(part + 1) * size]
        data = copy.deepcopy(mine[0].data)
        for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
                     "RescaleSlope", "RescaleIntercept", "RescaleType", "TriggerTime", "ConvolutionKernel",
                     "NominalPercentageOfCardiacPhase", "TemporalPositionIdentifier", "EchoTime"):
            if name in data:
                del data[name]
        data.SOPClassUID, data.SOPInstanceUID = CLASSES[f"{kind} {modality}"], generate_uid(None)
        data.ImageType = list(data.ImageType)[:3] + ["NONE"]
        data.InstanceNumber, data.NumberOfFrames = part + 1, len(mine)
        data.SharedFunctionalGroupsSequence = [groups(mine[0], modality, [*shared], cardiac)]
        if overruled:
            wrong = groups(mine[0], modality, overruled, cardiac, wrong=True)
            data.SharedFunctionalGroupsSequence[0].update(wrong)
        data.PerFrameFunctionalGroupsSequence = [
            groups(one, modality, [name for name in KINDS if name not in shared], cardiac) for one in mine]
        for image, group in zip(mine, data.PerFrameFunctionalGroupsSequence):
            for number, (low, high) in enumerate(stacks or ()):
                if low <= image.z <= high:
                    group.FrameContentSequence[0].StackID = str(number + 1)
        if top_level:
            data.ImagePositionPatient, data.PixelSpacing = [1, 2, 3], [9, 9]
        if parts > 1:
            data.ConcatenationUID, data.InConcatenationNumber = whole, part + 1
            data.InConcatenationTotalNumber = parts
            data.ConcatenationFrameOffsetNumber = part * size
            data.SOPInstanceUIDOfConcatenationSource = whole
        data.PixelData = b"".join(one.data.PixelData for one in mine)
        study.wrapped.append(data)
    study.wrapped_images += images
    study.images = [one for one in study.images if not any(one is other for other in images)]


def drop_object(study, number):
    """A multi-frame object that never arrived."""
    del study.wrapped[number]


VERBS = {"ct": ct, "mr": mr, "real": real, "files": files, "set": set_tags, "set_each": set_each, "same_uids": same_uids, "raw": raw,
         "delete": delete, "drop": drop, "double": double, "shift_trigger": shift_trigger, "move": move,
         "jitter": jitter, "tilt": tilt, "pad": pad, "bits": bits, "lut": lut, "colour": colour,
         "short_pixels": short_pixels, "cut_file": cut_file, "repeat": repeat, "merge": merge, "series_per": series_per,
         "enhance": enhance, "drop_object": drop_object}


def follow(recipe, shared=None):
    study = Study(shared)
    for step in recipe:
        (verb, how), = step.items()
        VERBS[verb](study, **how)
    for image in study.images:
        image.render()
    return study


def write_copies(path, count, step):
    raw = path.read_bytes()
    path.unlink()
    for number in range(count):
        one = raw.replace(PLACE.encode(), f"{number * step:09.4f}".encode())
        path.with_name(f"{path.stem}-{number}.dcm").write_bytes(
            one.replace(NUMBER.encode(), str(10000000 + number).encode()))


def write(study, folder):
    """One file an object, in an order that says nothing."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    objects = [(one.data, one.cut, one.repeated) for one in study.images]
    objects += [(data, 0, None) for data in study.wrapped]
    for number, place in enumerate(study.draw.permutation(len(objects))):
        data, cut, repeated = objects[place]
        data.file_meta.MediaStorageSOPClassUID = data.get("SOPClassUID", CLASSES["CT"])
        data.file_meta.MediaStorageSOPInstanceUID = data.get("SOPInstanceUID", "1.2.3")
        path = folder / f"{number:05}.dcm"
        pydicom.dcmwrite(path, data, write_like_original=False)
        if repeated:
            write_copies(path, *repeated)
        if cut:
            path.write_bytes(path.read_bytes()[:-cut])
    for number, source in enumerate(study.copied):
        shutil.copy(source, folder / f"copied{number}.dcm")
