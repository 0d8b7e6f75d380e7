"""Studies made here: small, smooth, each with identifiers that nothing else has, so that a log can be searched."""
import io
import itertools
import pathlib
import random

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
BASIC_SR = "1.2.840.10008.5.1.4.1.1.88.11"
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.22"

_numbers = itertools.count(random.randrange(10000, 90000) * 100)
secrets = set()  # what no log may say: names, numbers and UIDs of every study made


def phantom(slices, rows=64, columns=64, seed=0):
    """A body with a bright ellipsoid in it, no two slices alike."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (slices, rows, columns)), indexing="ij")
    waves = np.random.default_rng(seed).uniform(1, 4, (3, 3))
    texture = sum(40 * np.sin(wave[0] * z + wave[1] * y * 3 + wave[2] * x * 3) for wave in waves)
    body = np.where(y * y + x * x < 0.8, 40 + texture, -1000)
    heart = (x / 0.45) ** 2 + (y / 0.4) ** 2 + (z / 0.7) ** 2 < 1
    return np.rint(np.where(heart, 250 + texture, body)).astype(np.int16)


class Study:
    """One patient, one study; objects are pydicom data sets in the order made."""

    def __init__(self, modality="CT", date="20260102", description="HEART"):
        self.modality, self.date, self.description = modality, date, description
        number = next(_numbers)
        self.patient_id, self.patient_name = f"PID{number}X", f"ZWEIG^MARIE{number}"
        self.accession = f"ACC{number}Y"
        self.uid = generate_uid(prefix=None)
        self.objects = []
        secrets.update((self.uid, self.patient_id, self.accession, f"MARIE{number}", self.patient_name))

    def head(self, sop_class, series_uid, modality=None):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = sop_class
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid(prefix=None)
        one.StudyInstanceUID, one.SeriesInstanceUID = self.uid, series_uid
        one.PatientName, one.PatientID, one.PatientBirthDate, one.PatientSex = \
            self.patient_name, self.patient_id, "19500101", "F"
        one.StudyDate = one.SeriesDate = one.ContentDate = self.date
        one.StudyTime = one.SeriesTime = one.ContentTime = "101112"
        one.AccessionNumber, one.StudyID, one.StudyDescription = self.accession, "1", self.description
        one.Modality = modality or self.modality
        one.Manufacturer, one.ReferringPhysicianName = "nobody", ""
        one.SeriesNumber, one.InstanceNumber = 1, len(self.objects) + 1
        one.is_little_endian, one.is_implicit_VR = True, False
        secrets.update((one.SOPInstanceUID, series_uid))
        self.objects.append(one)
        return one

    def slice(self, plane, z, series_uid, frame_of_reference, spacing_z=2.5, description="CORONARY 0.6"):
        ct = self.modality == "CT"
        one = self.head(CT if ct else MR, series_uid)
        one.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"] if ct else ["ORIGINAL", "PRIMARY", "M", "NORM"]
        one.SeriesDescription = description
        one.FrameOfReferenceUID, one.PositionReferenceIndicator = frame_of_reference, ""
        one.ImagePositionPatient, one.ImageOrientationPatient = [-60, -60, z * spacing_z], [1, 0, 0, 0, 1, 0]
        one.PixelSpacing, one.SliceThickness = [1.9, 1.9], spacing_z
        one.Rows, one.Columns = plane.shape
        one.BitsAllocated, one.BitsStored, one.HighBit = 16, 12 if ct else 16, 11 if ct else 15
        one.PixelRepresentation = 0
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        if ct:
            one.RescaleIntercept, one.RescaleSlope, one.RescaleType = -1024, 1, "HU"
            one.KVP, one.AcquisitionNumber = "120", 1
        else:
            one.ScanningSequence, one.SequenceVariant, one.ScanOptions, one.MRAcquisitionType = "GR", "SS", "", "3D"
            one.EchoTime, one.RepetitionTime, one.EchoTrainLength = 1.5, 3.1, 1
        one.PixelData = (plane.astype(np.int32) + 1024).astype("<u2").tobytes()
        return one

    def add_series(self, slices=12, seed=0, rows=64, description="CORONARY 0.6"):
        series, frame = generate_uid(prefix=None), generate_uid(prefix=None)
        planes = phantom(slices, rows, rows, seed)
        return [self.slice(plane, z, series, frame, description=description) for z, plane in enumerate(planes)]

    def late_slice(self, series, seed=5):
        """One slice more at the head of a series made by add_series."""
        first = series[0]
        plane = phantom(12, first.Rows, first.Columns, seed)[6]
        return self.slice(plane, len(series), first.SeriesInstanceUID, first.FrameOfReferenceUID)

    def secondary_capture(self):
        one = self.head(SECONDARY_CAPTURE, generate_uid(prefix=None), "OT")
        one.ConversionType, one.ImageType = "WSD", ["DERIVED", "SECONDARY"]
        one.Rows = one.Columns = 16
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 8, 8, 7, 0
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.PixelData = bytes(range(256))
        return one

    def document(self, sop_class=BASIC_SR):
        """An SR or key object selection of other software, as small as can be."""
        one = self.head(sop_class, generate_uid(prefix=None), "KO" if sop_class == KEY_OBJECTS else "SR")
        one.ValueType, one.ContinuityOfContent = "CONTAINER", "SEPARATE"
        title = Dataset()
        title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning = "113000", "DCM", "Of Interest"
        one.ConceptNameCodeSequence = [title]
        one.CompletionFlag, one.VerificationFlag = "PARTIAL", "UNVERIFIED"
        return one

    def write(self, folder, objects=None):
        """One file an object; returns the paths in order."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for number, one in enumerate(self.objects if objects is None else objects):
            paths.append(folder / f"{number:04}.dcm")
            one.save_as(paths[-1], write_like_original=False)
        return paths


def ct_study(slices=12, seed=0, **options):
    study = Study("CT", **options)
    study.add_series(slices, seed)
    return study


def mr_study(slices=12, seed=0, **options):
    study = Study("MR", **options)
    study.add_series(slices, seed, description="SAX CINE")
    return study


def encoded(one):
    """The bytes of a data set in its own transfer syntax."""
    syntax = one.file_meta.TransferSyntaxUID
    buffer = pydicom.filebase.DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = syntax.is_little_endian, syntax.is_implicit_VR
    pydicom.filewriter.write_dataset(buffer, pydicom.dataset.Dataset(one))
    return buffer.getvalue()


def read(raw, transfer_syntax):
    """A data set from bytes without file meta information."""
    syntax = pydicom.uid.UID(transfer_syntax)
    return pydicom.filereader.read_dataset(io.BytesIO(raw), syntax.is_implicit_VR, syntax.is_little_endian)
