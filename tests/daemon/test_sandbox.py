"""The worker inside its sandbox: all ordinary work is possible, what a hostile file's code would try is not, and each
attempt costs one study what a crash costs. docs/sandbox.md"""
import io
import json
import os
import pathlib
import subprocess

import numpy as np
import pydicom
import pytest

from conftest import real_data
from counterparts import send
from service import BUILD, CLI, DATA, MODEL, TIME_FACTOR, wait_for
from studies import Study, ct_study
from test_worker_faults import children

CAN_READ_ALL = 1 << 2  # CAP_DAC_READ_SEARCH


def built_with(sanitizer):
    """"asan" or "tsan": whether the worker program was built with it."""
    return f"__{sanitizer}_init".encode() in (BUILD / "worker" / "cardioscribe-worker").read_bytes()


def cli(*arguments, **environment):
    return subprocess.run([str(CLI), *map(str, arguments)], capture_output=True, text=True, timeout=300,
                          env={**os.environ, **environment})


def encode(*arguments):
    done = cli("encode", "--model", MODEL, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# ---- ordinary work ----

@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A CT in Explicit VR Little Endian: its files and its embedding."""
    folder = tmp_path_factory.mktemp("plain")
    ct_study(slices=10).write(folder)
    return folder, encode(folder)["embedding"]


@pytest.mark.parametrize("tool", [["dcmconv", "+ti"], ["dcmconv", "+tb"], ["dcmconv", "+td"], ["dcmcrle"],
                                  ["dcmcjpeg", "+e1"], ["dcmcjpeg", "+el"], ["dcmcjpls", "+el"]], ids=" ".join)
def test_every_lossless_transfer_syntax_gives_the_same_embedding(tool, plain, tmp_path):
    folder, embedding = plain
    for path in folder.iterdir():
        subprocess.run([*tool, path, tmp_path / path.name], check=True, timeout=60)
    found = encode(tmp_path)
    assert found["analysed"] and found["embedding"] == embedding


def test_jpeg_2000_gives_the_same_embedding(plain, tmp_path):
    from PIL import Image
    folder, embedding = plain
    for path in sorted(folder.iterdir()):
        one = pydicom.dcmread(path)
        stored = one.pixel_array.astype(np.int32) + 32768  # Pillow writes unsigned
        one.RescaleIntercept = float(one.RescaleIntercept) - 32768 * float(one.RescaleSlope)
        one.PixelRepresentation = 0
        picture = io.BytesIO()
        Image.fromarray(stored.astype(np.uint16)).save(picture, "JPEG2000", irreversible=False, no_jp2=True)
        one.PixelData = pydicom.encaps.encapsulate([picture.getvalue()])
        one["PixelData"].VR, one["PixelData"].is_undefined_length = "OB", True
        one.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
        one.save_as(tmp_path / path.name, write_like_original=False)
    found = encode(tmp_path)
    assert found["analysed"], found["reason_text"]
    np.testing.assert_allclose(found["embedding"], embedding, atol=1e-6)


def eight_copies(path, folder):
    """The image at eight positions, so that it makes a volume and its pixels are read; none of what pydicom cannot
    write again."""
    paths = [folder / f"{number}.dcm" for number in range(8)]
    try:
        image = pydicom.dcmread(path)
        for number, copy in enumerate(paths):
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number + 1}"
            image.ImageOrientationPatient, image.PixelSpacing = [1, 0, 0, 0, 1, 0], [1, 1]
            image.ImagePositionPatient = [0, 0, 2.0 * number]
            image.save_as(copy)
    except (pydicom.errors.InvalidDicomError, AttributeError, ValueError, TypeError):
        return []
    return paths


@real_data
def test_no_real_file_needs_what_is_forbidden(tmp_path):
    decoded = set()
    for path in sorted(one for one in (DATA / "transfer_syntaxes").rglob("*") if one.is_file()):
        paths = eight_copies(path, tmp_path)
        if not paths:
            continue
        done = cli("volume", "--nifti", tmp_path / "volume.nii", *paths)
        assert "worker_" not in done.stderr and "denied" not in done.stderr, (path, done.stderr)
        if done.returncode == 0:
            decoded.add(pydicom.dcmread(paths[0], stop_before_pixels=True).file_meta.TransferSyntaxUID.name)
    assert len(decoded) >= 8, f"hardly a file was decoded, so this tests nothing: {decoded}"


CHARACTER_SETS = {"ISO_IR 100": "Cör", "ISO_IR 101": "Srdce říž", "ISO_IR 109": "Koro ĉŭ",
                  "ISO_IR 110": "Sirds āē", "ISO_IR 144": "Сердце", "ISO_IR 127": "قلب", "ISO_IR 126": "Καρδια",
                  "ISO_IR 138": "לב", "ISO_IR 148": "Kalp ığ", "ISO_IR 13": "ｼﾝｿﾞｳ", "ISO_IR 166": "หัวใจ",
                  "ISO_IR 192": "心臓", "GB18030": "心脏", "GBK": "心脏",
                  "\\ISO 2022 IR 149": "심장"}  # not IR 87 and 159: glibc's iconv, so Debian's DCMTK, lacks them


@pytest.mark.parametrize("terms", CHARACTER_SETS)
def test_every_character_set_is_there(terms, tmp_path):
    study = ct_study(slices=10)
    for one in study.objects:
        one.SpecificCharacterSet = terms.split("\\")
        one.SeriesDescription = CHARACTER_SETS[terms]
    study.write(tmp_path)
    assert [one["description"] for one in encode(tmp_path)["input"]["series"]] == [CHARACTER_SETS[terms]]


def test_one_thread_and_two_agree(plain):
    folder, _ = plain
    one, two = (encode("--threads", count, folder)["embedding"] for count in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_links_lead_where_they_lead(plain, tmp_path):
    """A model folder as Hugging Face's cache makes it, and a study of links."""
    folder, embedding = plain
    for name, targets in (("model", MODEL.iterdir()), ("study", folder.iterdir())):
        (tmp_path / name / "deep").mkdir(parents=True)
        for target in targets:
            place = tmp_path / name / ("deep" if name == "study" else "") / target.name
            place.symlink_to(target.resolve())
    done = cli("encode", "--model", tmp_path / "model", "--json", tmp_path / "study")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["embedding"] == embedding


# ---- under the daemon ----

def test_a_worker_of_the_daemon_has_given_up_what_it_does_not_need(start_daemon):
    daemon = start_daemon(keys={"pool.threads": 2})
    (worker,) = wait_for("a worker", lambda: children(daemon))
    # itself, one that multiplies, one that decodes; that sanitizer adds one of its own to the first one started
    count = 4 if built_with("tsan") else 3

    def closed():
        threads = [path.read_text() for path in pathlib.Path(f"/proc/{worker}/task").glob("*/status")]
        return len(threads) == count and all("\nSeccomp:\t2" in text for text in threads) and threads

    for text in wait_for("the filter is closed in every thread", closed):
        status = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        assert status["NoNewPrivs"] == "1"
        assert int(status["CapEff"], 16) & ~CAN_READ_ALL == 0 == int(status["CapPrm"], 16) & ~CAN_READ_ALL
    limits = pathlib.Path(f"/proc/{worker}/limits").read_text()
    assert [line.split()[-3:-1] for line in limits.splitlines() if line.startswith("Max open files")] == [["64", "64"]]
    assert "event=worker_confined landlock=" in daemon.log()


def described(word):
    study = Study("CT")
    study.add_series(description=word)
    return study


FAULTS = [("socket", "signal 31 (forbidden system call)", {}),
          ("exec", "signal 31 (forbidden system call)", {}),
          ("write:{tmp}/made", "signal 31 (forbidden system call)", {}),
          ("open:/etc/passwd", "exit code 13", {}),
          ("alloc", "signal 6", {"pool.memory_mb": 400}),
          ("crash", "signal 11", {}),
          ("abort", "signal 6", {}),
          ("spin", "did not answer in time", {"pool.job_timeout_s": max(4, int(4 * TIME_FACTOR))})]


@pytest.mark.parametrize("fault, told, keys", FAULTS, ids=[one[0].split(":")[0] for one in FAULTS])
def test_two_attempts_park_the_study_while_others_go_on(fault, told, keys, start_daemon, start_pacs, deciding_model,
                                                       tmp_path):
    if fault == "crash" and built_with("asan"):
        pytest.skip("this sanitizer takes the signal for itself")
    if fault == "alloc" and (built_with("asan") or built_with("tsan")):
        pytest.skip("this sanitizer's shadow memory fits no limit, so there is none")
    pacs = start_pacs()
    folder = deciding_model(3)
    daemon = start_daemon(peers=[pacs.peer()], keys={"pool.workers": 2, **keys},
                          environment={"CARDIOSCRIBE_WORKER_FAULT": fault.format(tmp=tmp_path) + f"@{folder}"},
                          models=[{"name": "bad", "folder": folder, "description_match": "VICTIM"},
                                  {"name": "good", "folder": MODEL, "description_match": "BESIDE"}])
    victim, beside, after = (described(word) for word in ("VICTIM", "BESIDE", "BESIDE"))
    send(daemon, victim.objects)
    send(daemon, beside.objects)
    daemon.wait_state(beside.uid, "delivered")
    if fault == "spin":
        assert daemon.state_of(victim.uid) in ("queued", "encoding"), "the other study waited for it"
    shown = daemon.wait_state(victim.uid, "parked", limit_s=60)
    assert shown["jobs"][0]["attempts"] == 2
    assert told in shown["results"][0]["reason_text"], shown["results"][0]["reason_text"]
    events = daemon.get(f"/api/v1/studies/{victim.uid}/events")["events"]
    assert any(told in one["detail"] for one in events), events
    assert daemon.log().count("event=attempt_failed") == 2
    daemon.wait_reported(victim.uid)
    assert not (tmp_path / "made").exists()
    send(daemon, after.objects)
    daemon.wait_state(after.uid, "delivered")
