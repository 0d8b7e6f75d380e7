"""What was measured, one JSON object a line, appended as it comes: a bench that was stopped goes on where it ended.

The first line says what was measured (models, versions, build); another one is refused, so that figures of two models
never mix. Every other line has a "key" that is done once."""
import base64
import json
import os
import pathlib
import threading

import numpy as np


def packed(vector):
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode() if vector is not None else None


def unpacked(text):
    return np.frombuffer(base64.b64decode(text), "<f4") if text is not None else None


class Record:
    """begun: where and with what a new record is made; kept, and not compared when it goes on."""

    def __init__(self, path, subject, begun=None):
        self.path, self.lock, self.begun = pathlib.Path(path), threading.Lock(), begun
        self.rows = {}
        lines = self.path.read_text().split("\n") if self.path.exists() else []
        whole = lines[:-1]  # what follows the last newline was cut off
        if whole:
            first = json.loads(whole[0])
            found, self.begun = first["subject"], first["begun"]
            if found != subject:
                raise SystemExit(f"{path} holds figures of something else, name another file:\n{found}\n{subject}")
            for line in whole[1:]:
                row = json.loads(line)
                self.rows[row["key"]] = row
        text = "".join(line + "\n" for line in whole) or json.dumps({"subject": subject, "begun": begun}) + "\n"
        part = self.path.with_name(self.path.name + ".part")
        part.write_text(text)
        os.replace(part, self.path)

    def __contains__(self, key):
        return key in self.rows

    def add(self, key, row):
        row = {"key": key, **row}
        with self.lock, open(self.path, "a", encoding="utf-8") as out:
            out.write(json.dumps(row, separators=(",", ":")) + "\n")
            self.rows[key] = row

    def of(self, what):
        """Rows whose key begins with this word, in order of key's numbers."""
        return [row for key, row in self.rows.items() if key.split("/")[0] == what]
