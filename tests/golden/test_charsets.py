"""Reports of studies in every character set: valid UTF-8 (ISO_IR 192), and names as pydicom reads the source's.

Sources are the files of the shared data as they are; where one is no image of a study, its bytes in a CT made here.
"""
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from test_report import MIXED, PROBE, made_ct, real, result_of, write

FILES = sorted(f"chr{name}.dcm" for name in (
    "Arab", "Fren", "FrenMulti", "Germ", "Greek", "H31", "H32", "Hbrw", "I2", "JapMulti", "JapMultiExplicitIR6",
    "KoreanMulti", "Russ", "SQEncoding", "SQEncoding1", "X1", "X2"))
TEXT = {"PN", "LO", "SH", "LT", "ST", "UC", "UT"}

pytestmark = [pytest.mark.skipif(not PROBE.exists(), reason=f"{PROBE} is not built: set BUILD_DIR"),
              pytest.mark.skipif(not real("charsets/*"), reason="no real data beside the checkout"),
              pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]


def source_of(name, folder):
    """The file, or its character sets and the name in its sequence in a CT of a study; the patient's name, and that of
    the request."""
    path = real(f"charsets/{name}")
    data = pydicom.dcmread(path)
    if "StudyInstanceUID" in data:
        return path, str(data.PatientName), None
    inner = pydicom.dcmread(path)[0x00321064].value[0]
    raw = inner.get_item("PatientName").value
    image, request = pydicom.dcmread(made_ct(folder)), pydicom.Dataset()
    image.SpecificCharacterSet, image.PatientName, image.ReferringPhysicianName = data.SpecificCharacterSet, "", ""
    if "SpecificCharacterSet" in inner:
        request.SpecificCharacterSet = inner.SpecificCharacterSet
    request.RequestedProcedureDescription, request.RequestedProcedureID = "X" * len(raw), "R1"
    image.RequestAttributesSequence = [request]
    image.save_as(folder / "source.dcm", write_like_original=False)
    made = (folder / "source.dcm").read_bytes()
    assert made.count(b"X" * len(raw)) == 1
    (folder / "source.dcm").write_bytes(made.replace(b"X" * len(raw), raw))  # pydicom would encode it anew
    return folder / "source.dcm", "", str(inner.PatientName)


def raw_texts(data):
    """Bytes of every text element, those of sequences included; read afresh, so that nothing is decoded yet."""
    for tag in data.keys():
        element = data.get_item(tag)
        if element.VR == "SQ":
            for item in data[tag].value:
                yield from raw_texts(item)
        elif element.VR in TEXT and element.value:
            assert isinstance(element, RawDataElement), element
            yield element.value


def test_every_file_is_listed():
    assert FILES == sorted(path.name for path in real("charsets/*").parent.iterdir())


@pytest.mark.parametrize("name", FILES)
def test_a_report_is_utf_8_and_says_the_names_of_its_source(name, tmp_path):
    source, patient, requested = source_of(name, tmp_path)
    report = write(tmp_path, "report", result_of(source, MIXED), source)
    texts = [raw.decode("utf-8").rstrip(" =") for raw in raw_texts(pydicom.dcmread(report))]
    assert len(texts) > 20
    data = pydicom.dcmread(report)
    assert data.SpecificCharacterSet == "ISO_IR 192"
    assert str(data.PatientName) == patient
    if requested:
        (request,) = data.ReferencedRequestSequence
        assert request.RequestedProcedureDescription == requested
    name = requested or patient
    assert name in texts
    assert any(ord(letter) > 127 for letter in name), "nothing was to be converted"
