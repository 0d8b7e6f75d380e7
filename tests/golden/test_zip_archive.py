"""tools/convert's reading of zip archives: what Python's zipfile and torch write, and what no torch.save ever wrote."""
import io
import pathlib
import struct
import sys
import warnings
import zipfile

import pytest
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

from convert_model.refused import Refused  # noqa: E402
from convert_model.zip_archive import Archive  # noqa: E402


def written(*entries, comment=b"", zip64=False, **options):
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", **options) as archive:
        warnings.simplefilter("ignore")
        archive.comment = comment
        for name, data in entries:
            with archive.open(name, "w", force_zip64=zip64) as entry:
                entry.write(data)
    return out.getvalue()


@pytest.mark.parametrize("options", [{}, {"comment": b"x" * 500}, {"zip64": True}])
def test_entries_are_what_zipfile_wrote(options):
    archive = Archive(written(("a/data.pkl", b"12345"), ("a/data/0", b""), ("ä", b"x" * 70000), **options))
    assert list(archive.entries) == ["a/data.pkl", "a/data/0", "ä"]
    assert bytes(archive.read("a/data.pkl")) == b"12345" and len(archive.read("ä")) == 70000
    assert bytes(archive.read("a/data/0")) == b""


def test_entries_are_what_torch_wrote():
    out = io.BytesIO()
    torch.save({"a": torch.arange(5)}, out)
    archive, theirs = Archive(out.getvalue()), zipfile.ZipFile(out)
    assert set(archive.entries) == set(theirs.namelist())
    assert all(bytes(archive.read(name)) == theirs.read(name) for name in theirs.namelist())


def as_zip64(data):
    """The same archive with the numbers of its directory and first entry where only zip64 looks."""
    end = data.rindex(b"PK\5\6")
    count, size, start = struct.unpack_from("<HII", data, end + 10)
    entry, name_length = data[start:start + 46], struct.unpack_from("<H", data, start + 28)[0]
    packed, plain, local = struct.unpack_from("<II", entry, 20) + struct.unpack_from("<I", entry, 42)
    extra = struct.pack("<HHQQQ", 1, 24, plain, packed, local)
    entry = entry[:20] + b"\xff" * 8 + entry[28:30] + struct.pack("<H", len(extra)) + entry[32:42] + b"\xff" * 4
    directory = entry + data[start + 46:start + 46 + name_length] + extra + data[start + 46 + name_length:end]
    end64 = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, start + len(directory), 1)
    short = struct.pack("<4s4HIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:start] + directory + end64 + locator + short


def test_zip64_is_read_where_it_stands():
    data = as_zip64(written(("a", b"12345"), ("b", b"67")))
    assert zipfile.ZipFile(io.BytesIO(data)).read("a") == b"12345"
    archive = Archive(data)
    assert bytes(archive.read("a")) == b"12345" and bytes(archive.read("b")) == b"67"


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_entries_are_refused(method):
    bomb = written(("a/data.pkl", bytes(10_000_000)), compression=method)
    assert len(bomb) < 20_000
    with pytest.raises(Refused, match="compressed"):
        Archive(bomb).read("a/data.pkl")


def changed(data, at, value):
    return data[:at] + value + data[at + len(value):]


GOOD = written(("a", b"12345"), ("b", b"67"))
ENTRY, END = GOOD.index(b"PK\1\2"), GOOD.index(b"PK\5\6")


@pytest.mark.parametrize("name, data", [
    ("damaged", GOOD.replace(b"12345", b"12346")), ("encrypted", changed(GOOD, ENTRY + 8, b"\1")),
    ("longer than it is", changed(GOOD, ENTRY + 24, b"\xff")), ("header elsewhere", changed(GOOD, ENTRY + 42, b"\3")),
    ("header beyond", changed(GOOD, ENTRY + 42, b"\xff\xff\xff")), ("too many entries", changed(GOOD, END + 10, b"\3")),
    ("directory beyond", changed(GOOD, END + 12, b"\xff\xff")), ("name beyond", changed(GOOD, ENTRY + 28, b"\xff")),
    ("no directory", changed(GOOD, ENTRY, b"XX")), ("no end", GOOD[:END]), ("twice", written(("a", b"1"), ("a", b"2"))),
    ("longer than the file", changed(changed(GOOD, ENTRY + 20, b"\xff\xff\xff\0"), ENTRY + 24, b"\xff\xff\xff\0"))])
def test_what_is_wrong_is_refused(name, data):
    with pytest.raises(Refused):
        archive = Archive(data)
        archive.read("a")


def test_a_directory_of_endless_entries_is_refused():
    one = GOOD[ENTRY:ENTRY + 47]
    data = b"PK\3\4" + one * 100_001
    data += struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 100_001, 100_001, len(one) * 100_001, 4)
    data += struct.pack("<4sIQI", b"PK\6\7", 0, 4 + len(one) * 100_001, 1)
    with pytest.raises(Refused, match="too many"):
        Archive(data + struct.pack("<4s4HIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))
