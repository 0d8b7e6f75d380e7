"""bench/accuracy on one study: what it keeps is what the encoder says of that study, and a second run has nothing to do."""
import copy
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from counterparts import send
from service import BUILD, CLI, ROOT, TIME_FACTOR
from studies import ct_study

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


def changed(result, found, **values):
    """A copy in which the first finding of that state is otherwise."""
    other = copy.deepcopy(result)
    next(one for one in other["findings"] if one["state"] == found).update(values)
    return other


def test_a_report_that_says_otherwise_than_rest_is_noticed(start_daemon, start_pacs, deciding_model):
    from accuracy_bench.service import judge_report
    for seed in range(20):
        pacs = start_pacs()
        daemon = start_daemon(peers=[pacs.peer()], models=[{"name": "decides", "folder": deciding_model(seed)}])
        study = ct_study()
        send(daemon, study.objects)
        result = daemon.wait_reported(study.uid)["results"][0]
        if {"present", "absent"} <= {one["state"] for one in result["findings"]}:
            break
        daemon.stop()
    (document,) = [one.data_set for one in pacs.of_study(study.uid)]
    assert judge_report(document, result) == []
    assert judge_report(None, result)
    assert judge_report(document, changed(result, "absent", state="present"))
    assert judge_report(document, changed(result, "present", state="absent"))
    assert judge_report(document, changed(result, "absent", state="undetermined"))
    assert judge_report(document, changed(result, "present", score=0.123, probability=None))
