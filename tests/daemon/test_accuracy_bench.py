"""bench/accuracy on one study: what it keeps is what the encoder says of that study, and a second run has nothing to do."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from service import BUILD, CLI, ROOT, TIME_FACTOR

PHANTOM = BUILD / "tools" / "phantom" / "cardioscribe-phantom"
sys.path.insert(0, str(ROOT / "bench"))


@pytest.mark.skipif(not PHANTOM.exists(), reason="cardioscribe-phantom is not built")
def test_a_study_is_measured_once_and_as_it_is(deciding_model, tmp_path):
    from accuracy_bench.record import unpacked
    model, out = deciding_model(3), tmp_path / "record.jsonl"

    def bench():
        done = subprocess.run([sys.executable, ROOT / "bench" / "accuracy", "--out", out, "--ct", "1", "--cmr", "0",
                               "--variants", "0", "--workers", "1", "--first-seed", "2000", "--data", tmp_path / "none",
                               "--model", f"ct={model}"], capture_output=True, text=True, timeout=240 * TIME_FACTOR,
                              env={**os.environ, "BUILD_DIR": str(BUILD)})
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    shown, kept = bench(), out.read_bytes()
    assert "DEVELOPMENT" in shown and "SR in the PACS says what REST says" in shown and "1 of 1" in shown
    assert bench() == shown and out.read_bytes() == kept

    subject, row = (json.loads(line) for line in kept.splitlines())
    assert subject["subject"]["models"]["ct"]["name"] == "decides"
    assert row["key"] == "phantom/ct/2000" and row["report_faults"] == [] and row["truth"]["heart_ml"] > 400
    subprocess.run([PHANTOM, "--kind", "ct", "--seed", "2000", "--out", tmp_path], check=True, capture_output=True)
    here = subprocess.run([CLI, "encode", "--json", "--model", model, "--threads", "1", tmp_path / "ct-2000"],
                          check=True, capture_output=True, text=True)
    assert (unpacked(row["answer"]["embedding"]) == np.array(json.loads(here.stdout)["embedding"], "f4")).all()
    assert not list(tmp_path.glob("accuracy-*"))
