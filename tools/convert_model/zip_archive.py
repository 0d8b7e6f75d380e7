"""A zip archive as torch.save writes it: every entry stored, so nothing is decompressed and nothing can grow. Read in
place, each length checked against the file. (Python's zipfile reads a directory of any length into memory.)
source: PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 4.3.16 (ends), 4.5.3 (zip64)"""
import dataclasses
import struct
import zlib

from convert_model.refused import Refused, shown

ENTRIES_MAX = 100_000
END = struct.Struct("<4s4HIIH")           # ..., entries, bytes, offset of the directory, length of the comment
LOCATOR = struct.Struct("<4sIQI")         # of the zip64 end, just before the end
END64 = struct.Struct("<4sQHHIIQQQQ")
ENTRY = struct.Struct("<4s6H3I5H2I")
LOCAL = struct.Struct("<4s22xHH")         # ..., length of the name, of what follows it
COMMENT_MAX = 0xFFFF
STORED, ENCRYPTED = 0, 1
ZIP64 = 1
IN_ZIP64 = 0xFFFFFFFF


@dataclasses.dataclass
class Entry:
    start: int  # of the local header
    size: int
    crc: int
    plain: bool  # neither compressed nor encrypted


class Archive:
    def __init__(self, data):
        self.data, self.entries, self.read_before = data, {}, {}
        count, at, end = self.directory()
        for _ in range(count):
            name, entry, at = self.entry(at, end)
            if name in self.entries:
                raise Refused(f"zip archive with two entries {shown(name)}")
            self.entries[name] = entry

    def unpack(self, form, at, signature, what):
        if at < 0 or at + form.size > len(self.data):
            raise Refused(f"zip archive: {what} cut off")
        fields = form.unpack(self.data[at:at + form.size])
        if fields[0] != signature:
            raise Refused(f"zip archive: no {what} where one should be")
        return fields

    def directory(self):
        """Number of entries, begin and end of the directory."""
        place = self.data.rfind(b"PK\5\6", max(0, len(self.data) - END.size - COMMENT_MAX))
        if place < 0:
            raise Refused("zip archive without an end: cut off?")
        count, size, start = self.unpack(END, place, b"PK\5\6", "end")[4:7]
        if self.data[place - LOCATOR.size:place - LOCATOR.size + 4] == b"PK\6\7":
            place = self.unpack(LOCATOR, place - LOCATOR.size, b"PK\6\7", "locator")[2]
            count, size, start = self.unpack(END64, place, b"PK\6\6", "zip64 end")[7:10]
        if count > ENTRIES_MAX or start + size > place:
            raise Refused("zip archive: a directory beyond its end, or of too many entries")
        return count, start, start + size

    def entry(self, at, end):
        fields = self.unpack(ENTRY, at, b"PK\1\2", "entry")
        flags, method, crc, packed, size, name_length, extra_length, comment_length = (fields[i] for i in
                                                                                       (3, 4, 7, 8, 9, 10, 11, 12))
        start, after = fields[16], at + ENTRY.size + name_length
        behind = after + extra_length + comment_length
        if behind > end:
            raise Refused("zip archive: an entry beyond the directory")
        name = str(self.data[at + ENTRY.size:after], "utf-8", "replace")
        size, packed, start = zip64(self.data[after:after + extra_length], (size, packed, start))
        plain = method == STORED and not flags & ENCRYPTED and packed == size
        return name, Entry(start, size, crc, plain), behind

    def read(self, name):
        """An entry's bytes, in place; its checksum is looked at once."""
        if name in self.read_before:
            return self.read_before[name]
        entry = self.entries.get(name)
        if entry is None:
            raise Refused(f"{shown(name)}: not in the archive")
        if not entry.plain:
            raise Refused(f"{shown(name)}: compressed or encrypted, which torch.save never does")
        start = entry.start + LOCAL.size + sum(self.unpack(LOCAL, entry.start, b"PK\3\4", "local header")[1:])
        if start + entry.size > len(self.data):
            raise Refused(f"{shown(name)}: reaches beyond the end of the file")
        found = memoryview(self.data)[start:start + entry.size]
        if zlib.crc32(found) != entry.crc:
            raise Refused(f"{shown(name)}: damaged, its checksum differs")
        self.read_before[name] = found
        return found


def zip64(extra, values):
    """The values of which there were too many bits for their place, from the extra field, in order."""
    fields, at = [], 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == ZIP64:
            fields = [struct.unpack_from("<Q", extra, place)[0]
                      for place in range(at + 4, min(at + 4 + length, len(extra)) - 7, 8)]
            break
        at += 4 + length
    fields = iter(fields)
    return tuple(next(fields, value) if value == IN_ZIP64 else value for value in values)
