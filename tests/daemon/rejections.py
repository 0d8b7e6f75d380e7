"""Rejection notes as two others write them: highdicom, and pydicom attribute by attribute."""
import highdicom
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from studies import KEY_OBJECTS, secrets

TITLES = {"113001": "Rejected for Quality Reasons", "113037": "Rejected for Patient Safety Reasons",
          "113038": "Incorrect Modality Worklist Entry", "113039": "Data Retention Policy Expired",
          "113000": "Of Interest"}


def by_highdicom(study, rejected, code="113001"):
    note = highdicom.ko.KeyObjectSelectionDocument(
        evidence=rejected,
        content=highdicom.ko.KeyObjectSelection(Code(code, "DCM", TITLES[code]), rejected),
        series_instance_uid=generate_uid(prefix=None), series_number=900, sop_instance_uid=generate_uid(prefix=None),
        instance_number=1, manufacturer="nobody", institution_name="nowhere")
    secrets.update((note.SOPInstanceUID, note.SeriesInstanceUID))
    return note


def by_hand(study, rejected, code="113001"):
    """The head is the study's; the evidence names each object by study, series and instance."""
    note = study.head(KEY_OBJECTS, generate_uid(prefix=None), "KO")
    study.objects.remove(note)
    note.ValueType, note.ContinuityOfContent = "CONTAINER", "SEPARATE"
    title = Dataset()
    title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning = code, "DCM", TITLES[code]
    note.ConceptNameCodeSequence = [title]
    studies = {}
    for one in rejected:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
        studies.setdefault(one.StudyInstanceUID, {}).setdefault(one.SeriesInstanceUID, []).append(reference)
    note.CurrentRequestedProcedureEvidenceSequence = []
    for study_uid, all_series in studies.items():
        item = Dataset()
        item.StudyInstanceUID, item.ReferencedSeriesSequence = study_uid, []
        for series_uid, references in all_series.items():
            series = Dataset()
            series.SeriesInstanceUID, series.ReferencedSOPSequence = series_uid, references
            item.ReferencedSeriesSequence.append(series)
        note.CurrentRequestedProcedureEvidenceSequence.append(item)
    return note
