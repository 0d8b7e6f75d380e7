"""What a person reads of an answer. The worker is a stand-in that says what it is told to say."""
import json
import os
import subprocess

import pytest

from service import CLI, MODEL, TIME_FACTOR

SERIES = {"series_uid": "1.2.3", "series_number": 5, "modality": "MR", "description": "CINE SA", "instances": 270, "taken": True,
          "reason": "chosen", "role": "cine", "why": "Its description says CINE."}
LEFT = dict(SERIES, series_uid="1.2.4", series_number=6, description=None, instances=3, taken=False, reason="localizer",
            role="", why="")
VIEWS = [{"name": "cine_sa", "reason": None, "how": "geometry", "series_uid": "1.2.3", "slices": 9, "phases": 30, "frames": 270},
         {"name": "lge_3ch", "reason": "missing", "how": None, "series_uid": "", "slices": 0, "phases": 0, "frames": 0}]
BOX = {"source": "estimate", "confidence": 0.83, "centre_lps": [-10.5, 20, 300], "size_zyx_mm": [150, 160, 170]}
RESULT = {"analysed": True, "reason": None, "reason_text": None, "embedding": None, "organs": [], "findings": [],
          "model": {"name": "m", "version": "1", "trained": True, "weights_sha256": "ab" * 32, "prompts_sha256": "cd" * 32},
          "input": {"modality": "MR", "series": [SERIES, LEFT], "views": VIEWS, "box": BOX,
                    "warnings": ["interpolated: 1 of 9 slices"]}}


@pytest.fixture
def told(tmp_path):
    """A function: what a command prints when the worker answers this."""
    def tell(answer, *arguments):
        worker, file = tmp_path / "worker", tmp_path / "some.dcm"
        (tmp_path / "answer").write_text(json.dumps({"ok": True, **answer}) + "\n")
        worker.write_text(f"#!/bin/sh\nread -r job\nexec cat '{tmp_path}/answer'\n")
        worker.chmod(0o755)
        file.write_bytes(b"")
        done = subprocess.run([str(CLI), *map(str, arguments), str(file)], capture_output=True, text=True,
                              timeout=60 * TIME_FACTOR, env={**os.environ, "CARDIOSCRIBE_WORKER": str(worker)})
        assert done.returncode == 0, done.stderr
        return [" ".join(line.split()) for line in done.stdout.splitlines()]
    return tell


def test_series_views_and_field_are_lines(told):
    lines = told({"result": RESULT}, "encode", "--model", MODEL)
    assert lines[lines.index("series 5 MR 270 objects chosen cine CINE SA") + 1] == "Its description says CINE."
    assert lines[lines.index("series 6 MR 3 objects localizer - -") + 1].startswith("view")
    assert "view cine_sa series 5 by geometry: 9 slices, 30 phases, 270 frames" in lines
    assert "view lge_3ch NOT THERE: missing" in lines
    assert "field estimate (confidence 0.83), centre -10.5 20.0 300.0 mm (l, p, s), size 150.0 160.0 170.0 mm (z, y, x)" in lines
    assert "warning interpolated: 1 of 9 slices" in lines


def test_what_was_not_asked_for_has_no_line(told):
    lines = told({"result": dict(RESULT, input=dict(RESULT["input"], views=[], box=None))}, "encode", "--model", MODEL)
    assert [line for line in lines if line.startswith(("view", "field"))] == []
