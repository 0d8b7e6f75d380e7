"""Rules of the site's own: checked before they count, read again at a reload, told with every result."""
import hashlib
import json
import subprocess

import pytest

from counterparts import send, texts
from service import CLI, DAEMON, MODEL, ROOT, TIME_FACTOR
from studies import Study, ct_study
from test_reload import hang_up

SHIPPED = json.loads((ROOT / "conf" / "series.json").read_text())
LEFT = {"role": "coronary_left", "when": {"words": "coronary 0.6"}, "take": False, "why": "this site leaves them"}
WRONG = {
    "no JSON": ("{", ["line 1"]),
    "twice the same key": ('{"rules": [], "rules": []}', ["rules"]),
    "no rules": ("{}", ["rules"]),
    "unknown key": (json.dumps({"rules": [{"role": "a", "why": "b", "rank": 1, "wen": {}}]}), ["rules[0]", "wen"]),
    "unknown number": (json.dumps({"rules": [SHIPPED["rules"][0], {"role": "a", "why": "b", "rank": 1, "when": {"max_kvp": 3}}]}),
                       ["rules[1]", "max_kvp"]),
}


def with_rule(path, *rules):
    """The shipped file with more rules before its own."""
    path.write_text(json.dumps({**SHIPPED, "rules": [*rules, *SHIPPED["rules"]]}))
    return path


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def analysed(daemon, study):
    send(daemon, study.objects)
    daemon.wait_state(study.uid, "encoded", "delivered", "declined")
    return daemon.study(study.uid)["results"][0]


# ---- the service ----

@pytest.mark.parametrize("text, words", WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_named_by_rule_and_key(start_daemon, tmp_path, text, words):
    path = tmp_path / "site.json"
    path.write_text(text)
    daemon = start_daemon(keys={"service.series_file": path}, wait=False)
    done = subprocess.run([DAEMON, "-c", daemon.write_configuration(), "--check"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and all(word in done.stderr for word in ("service.series_file", str(path), *words)), done.stderr
    assert daemon.launch().process.wait(60 * TIME_FACTOR) != 0
    assert "event=not_started" in daemon.log() and words[0] in daemon.log()


def test_the_check_counts_the_rules(start_daemon, tmp_path):
    for keys in ({}, {"service.series_file": ROOT / "conf" / "series.json"}):
        daemon = start_daemon(keys=keys, wait=False)
        done = subprocess.run([DAEMON, "-c", daemon.write_configuration(), "--check"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and f"{len(SHIPPED['rules'])} series rules" in done.stdout, done.stderr


def test_a_file_that_is_not_there_stops_the_start(start_daemon, tmp_path):
    daemon = start_daemon(keys={"service.series_file": tmp_path / "none.json"}, wait=False).launch()
    assert daemon.process.wait(60 * TIME_FACTOR) != 0 and "none.json" in daemon.log()


def test_rules_change_at_a_reload_and_a_broken_file_does_not(start_daemon, start_pacs, tmp_path):
    pacs = start_pacs()
    path = with_rule(tmp_path / "site.json", LEFT)
    daemon = start_daemon(peers=[pacs.peer()], keys={"service.series_file": path})
    first, left, study = digest(path), None, ct_study()
    left = analysed(daemon, study)
    assert (left["analysed"], left["reason"]) == (False, "coronary_left")
    series = left["input"]["series"][0]
    assert (series["role"], series["why"]) == ("coronary_left", "this site leaves them") and not series["taken"]
    assert left["input"]["series_rules_sha256"] == first
    daemon.wait_reported(study.uid)
    said = texts(pacs.of_study(study.uid)[0].data_set)
    assert f"Series rules sha256={first}" in said and any("Not analysed (coronary_left)" in text for text in said)

    with_rule(path)  # written, not yet read
    assert analysed(daemon, ct_study())["input"]["series_rules_sha256"] == first
    assert f"event=series_rules source=file rules={len(SHIPPED['rules'])} sha256={digest(path)[:12]}" in hang_up(daemon)
    taken = analysed(daemon, ct_study())
    assert taken["analysed"] and taken["input"]["series_rules_sha256"] == digest(path)
    assert taken["input"]["series"][0]["role"] == "cta"

    good = digest(path)
    path.write_text(WRONG["unknown number"][0])
    refused = hang_up(daemon)
    assert "event=reload_refused" in refused and str(path) in refused and "rules[1]" in refused and "max_kvp" in refused
    assert analysed(daemon, ct_study())["input"]["series_rules_sha256"] == good

    daemon.keys["service.series_file"] = ""
    daemon.write_configuration()
    assert 'applied="service.series_file"' in hang_up(daemon)
    assert analysed(daemon, ct_study())["input"]["series_rules_sha256"] == digest(ROOT / "conf" / "series.json")


# ---- the command line ----

def encode(*arguments):
    return subprocess.run([CLI, *map(str, arguments)], capture_output=True, text=True, timeout=120 * TIME_FACTOR)


@pytest.fixture
def two_series(tmp_path):
    study = Study()
    study.add_series(12, 0)
    for one in study.add_series(9, 1, description="CORONARY 2ND"):
        one.SeriesNumber = 2
    study.write(tmp_path / "study")
    return study, tmp_path / "study"


def test_the_command_takes_rules_of_a_file(two_series, tmp_path):
    _, folder = two_series
    path = with_rule(tmp_path / "site.json", LEFT)
    shown = json.loads(encode("encode", "--model", MODEL, "--json", folder).stdout)
    ruled = json.loads(encode("encode", "--model", MODEL, "--series-rules", path, "--json", folder).stdout)
    assert [one["taken"] for one in shown["input"]["series"]] == [True, False]
    assert [one["taken"] for one in ruled["input"]["series"]] == [False, True]
    assert ruled["input"]["series"][0]["reason"] == "coronary_left"
    assert ruled["input"]["series_rules_sha256"] == digest(path) != shown["input"]["series_rules_sha256"]
    path.write_text(WRONG["unknown key"][0])
    done = encode("encode", "--model", MODEL, "--series-rules", path, folder)
    assert done.returncode == 1 and str(path) in done.stderr and "rules[0]" in done.stderr and "wen" in done.stderr


def test_one_series_alone_by_number_or_uid(two_series, tmp_path):
    study, folder = two_series
    second = study.objects[-1].SeriesInstanceUID
    for series in ("2", second):
        shown = json.loads(encode("encode", "--model", MODEL, "--series", series, "--json", folder).stdout)
        assert shown["analysed"] and [one["series_uid"] for one in shown["input"]["series"]] == [second]
        done = encode("volume", folder, "--series", series, "--nifti", tmp_path / "out.nii")
        assert done.returncode == 0 and "of 9 x 64 x 64 voxels" in done.stdout and "series     2 " in done.stdout
    for command in (("encode", "--model", MODEL), ("volume", "--nifti", tmp_path / "none.nii")):
        done = encode(*command, "--series", "7", folder)
        assert "no_such_series" in done.stdout + done.stderr
    assert not (tmp_path / "none.nii").exists()
    assert encode("encode", "--model", MODEL, "--series", "2", "--tensor", folder / "0000.dcm").returncode == 2
