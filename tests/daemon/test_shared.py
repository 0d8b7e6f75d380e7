"""What all workers of a daemon share: one packed copy of a model's weights, which none of them can write, and the turn they
encode in."""
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest
import requests

from counterparts import send
from service import BUILD, CLI, MODEL, ROOT, TIME_FACTOR, Daemon, has_shadow_memory, wait_for
from studies import ct_study
from test_worker_faults import children

WIDE = ["vision.width=384", "vision.heads=6", "vision.mlp_dim=1536", "vision.depth=4"]
PACKED_BYTES = 4 * 4 * 12 * 384 * 384  # of the blocks' matrices alone


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model whose weights are seen beside the rest of a worker's memory, marked as trained."""
    folder = tmp_path_factory.mktemp("model") / "wide"
    subprocess.run([sys.executable, ROOT / "tools" / "make_model.py", "--from", MODEL, "--out", folder, "--seed", "3",
                    "--trained", *(f"--set={one}" for one in WIDE)], check=True, timeout=120 * TIME_FACTOR)
    return folder


@pytest.fixture
def wide(made, tmp_path):
    """A copy that a test may change."""
    return pathlib.Path(shutil.copytree(made, tmp_path / "wide"))


def shelves(pid):
    """What a process has mapped of shelves: (inode, rights) and bytes."""
    found = []
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        place, rights, _, _, inode, *name = line.split(maxsplit=5)
        if name and "cardioscribe-shelf" in name[0]:
            begin, end = (int(one, 16) for one in place.split("-"))
            found.append(((inode, rights), end - begin))
    return found


def own_bytes(pid):
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def ready_workers(daemon, count):
    """They have opened the first model."""
    def look():
        pids = children(daemon)
        return len(pids) == count and all(shelves(pid) for pid in pids) and pids
    return wait_for(f"{count} workers with a model", look, 30)


def result_of(daemon, study):
    send(daemon, study.objects)
    daemon.wait_state(study.uid, "encoded", "delivered", limit_s=90)
    (result,) = daemon.get(f"/api/v1/studies/{study.uid}", embedding=1)["results"]
    assert result["analysed"], result["reason_text"]
    return result


def alone(model, study, folder):
    """The same study by the command line, whose worker packs for itself."""
    study.write(folder)
    done = subprocess.run([CLI, "encode", "--model", model, "--threads", "1", "--json", folder], capture_output=True,
                          text=True, timeout=120 * TIME_FACTOR)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def judge_same(result, by_cli):
    assert result["embedding"] == by_cli["embedding"] and result["findings"] == by_cli["findings"]


def told(daemon, event):
    return [line for line in daemon.log(this_start_only=True).splitlines() if f"event={event} " in line]


def gauge(daemon, name):
    text = requests.get(daemon.url + "/metrics", timeout=30 * TIME_FACTOR).text
    return float(re.search(rf"^cardioscribe_{name} (\S+)$", text, re.M)[1])


def test_two_workers_read_one_copy_and_cannot_write_it(start_daemon, wide, tmp_path):
    daemon = start_daemon(keys={"pool.workers": 2}, models=[{"name": "wide", "folder": wide}])
    first, second = ready_workers(daemon, 2)
    ((seen, size),), ((seen_too, size_too),) = shelves(first), shelves(second)
    assert seen == seen_too and seen[1] == "r--s"
    assert size == size_too >= PACKED_BYTES and 0 <= size - gauge(daemon, "packed_bytes") < 4096
    assert not shelves(daemon.process.pid)
    for pid in (first, second):
        (number,) = [one.name for one in pathlib.Path(f"/proc/{pid}/fd").iterdir()
                     if "cardioscribe-shelf" in os.readlink(one)]
        flags = int(re.search(r"flags:\s+(\d+)", pathlib.Path(f"/proc/{pid}/fdinfo/{number}").read_text())[1], 8)
        assert flags & os.O_ACCMODE == os.O_RDONLY
    assert not told(daemon, "weights_not_shared")
    studies = [ct_study(seed=seed) for seed in (1, 2, 3, 4)]
    results = [result_of(daemon, study) for study in studies]
    for number, (study, result) in enumerate(zip(studies, results)):
        judge_same(result, alone(wide, study, tmp_path / str(number)))


def test_a_worker_that_is_killed_takes_nothing_with_it(start_daemon, wide, tmp_path):
    daemon = start_daemon(keys={"pool.workers": 2}, models=[{"name": "wide", "folder": wide}])
    before = ready_workers(daemon, 2)
    ((seen, _),) = shelves(before[0])
    os.kill(before[0], signal.SIGKILL)
    study = ct_study(seed=5)
    judge_same(result_of(daemon, study), alone(wide, study, tmp_path / "one"))
    after = wait_for("two workers again", lambda: before[0] not in (pids := children(daemon)) and len(pids) == 2
                     and all(shelves(pid) for pid in pids) and pids)
    assert {one for pid in after for one, _ in shelves(pid)} == {seen}


def change_version(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "version": "9.9.9"}))


@pytest.mark.skipif(has_shadow_memory(), reason="a sanitizer's memory is not the worker's")
def test_a_folder_that_changed_is_packed_by_each_worker_and_again_once_after_a_restart(start_daemon, wide, tmp_path):
    daemon = start_daemon(models=[{"name": "wide", "folder": wide}])
    (worker,) = ready_workers(daemon, 1)
    result_of(daemon, ct_study(seed=6))
    shared = own_bytes(worker)
    change_version(wide)
    for number in range(2):
        study = ct_study(seed=7 + number)
        result = result_of(daemon, study)
        assert result["model"]["version"] == "9.9.9"
        judge_same(result, alone(wide, study, tmp_path / str(number)))
    assert children(daemon) == [worker] and not shelves(worker)
    assert own_bytes(worker) - shared > 0.9 * PACKED_BYTES
    (line,) = told(daemon, "weights_not_shared")
    assert 'model="wide"' in line and "until the service starts again" in line
    daemon.stop()
    daemon.start()
    (worker,) = ready_workers(daemon, 1)
    assert [rights for (_, rights), _ in shelves(worker)] == ["r--s"] and not told(daemon, "weights_not_shared")
    assert result_of(daemon, ct_study(seed=9))["model"]["version"] == "9.9.9"


def test_each_model_has_its_own_and_one_that_does_not_open_has_none(start_daemon, wide, tmp_path):
    damaged = pathlib.Path(shutil.copytree(MODEL, tmp_path / "damaged"))
    with open(damaged / "model.safetensors", "r+b") as file:
        file.truncate((damaged / "model.safetensors").stat().st_size - 4)
    models = [{"name": "damaged", "folder": damaged}, {"name": "wide", "folder": wide},
              {"name": "demo", "folder": MODEL}]
    daemon = Daemon(tmp_path / "run", models=models)
    try:
        daemon.launch()
        wait_for("a report of both models", lambda: len(told(daemon, "model_ready")) == 2, 60)
        (worker,) = ready_workers(daemon, 1)
        assert len(told(daemon, "model_unavailable")) == 1 and not told(daemon, "weights_not_shared")
        linked = [os.readlink(one) for one in pathlib.Path(f"/proc/{worker}/fd").iterdir()]
        assert len([one for one in linked if "cardioscribe-shelf" in one]) == 2
        assert 0 < gauge(daemon, "packed_bytes") - PACKED_BYTES < 8 << 20
        study = ct_study(seed=10)
        send(daemon, study.objects)
        daemon.wait_state(study.uid, "encoded", "delivered", limit_s=90)
        results = daemon.get(f"/api/v1/studies/{study.uid}", embedding=1)["results"]
        folders = {one["name"]: one["folder"] for one in models}
        assert len(results) == 2
        for result in results:
            name = "wide" if result["model"]["trained"] else "demo"
            judge_same(result, alone(folders[name], study, tmp_path / f"study-{name}"))
        assert not told(daemon, "weights_not_shared")
    finally:
        daemon.stop()


def test_only_a_worker_that_packs_can_write_and_only_its_own(start_daemon, wide, tmp_path):
    """What each worker is given, in order of start: two that pack, the slot's, and the one after it."""
    log, program = tmp_path / "given", tmp_path / "worker"
    program.write_text(f"""#!/bin/sh
given=
for fd in /proc/$$/fd/*; do
  case $(readlink $fd) in /memfd:*) given="$given ${{fd##*/}}:$(sed -n 's/^flags:.*\\(.\\)$/\\1/p' /proc/$$/fdinfo/${{fd##*/}})";; esac
done
echo "$given" >> {log}
exec {BUILD}/worker/cardioscribe-worker "$@"
""")
    program.chmod(0o755)
    daemon = start_daemon(keys={"pool.worker_file": program},
                          models=[{"name": "wide", "folder": wide}, {"name": "demo", "folder": MODEL}])
    (worker,) = ready_workers(daemon, 1)
    os.kill(worker, signal.SIGKILL)
    wait_for("the next worker", lambda: (pids := children(daemon)) and pids != [worker] and len(pids) == 1
             and shelves(pids[0]))
    packs_first, packs_second, serves, serves_next = [line.split() for line in log.read_text().splitlines()]
    assert packs_first == ["4:2"] and packs_second == ["4:0", "5:2"]
    assert serves == serves_next == ["4:0", "5:0"]


def turn_of(pid):
    """The descriptor a worker waits on, opened anew."""
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        if "cardioscribe-turn" in os.readlink(entry):
            return os.open(entry, os.O_RDWR)
    return None


def test_a_worker_encodes_when_it_is_its_turn(start_daemon):
    daemon = start_daemon(keys={"pool.workers": 2, "pool.threads": os.cpu_count()})
    turns = [turn_of(pid) for pid in ready_workers(daemon, 2)]
    assert len({os.fstat(one).st_ino for one in turns}) == 1
    with pytest.raises(OSError):
        os.write(turns[0], b"x")
    fcntl.lockf(turns[0], fcntl.LOCK_EX)
    study, other = ct_study(seed=31), ct_study(seed=32)
    send(daemon, study.objects)
    wait_for("the first study is taken up", lambda: daemon.study(study.uid)["jobs"], 30)
    with pytest.raises(AssertionError):
        wait_for("it is encoded", lambda: daemon.study(study.uid)["results"], 3)
    for pid in children(daemon):
        os.kill(pid, signal.SIGKILL)  # one of them waits; it takes nothing along
    fcntl.lockf(turns[0], fcntl.LOCK_UN)
    send(daemon, other.objects)
    for one in (study, other):
        daemon.wait_state(one.uid, "encoded", "delivered", limit_s=90)
        assert daemon.study(one.uid)["results"][0]["analysed"]
    for fd in turns:
        os.close(fd)


@pytest.mark.parametrize("workers, threads", [(1, 2), (2, 1)])
def test_who_has_cores_of_its_own_waits_for_nobody(start_daemon, workers, threads):
    if os.cpu_count() < workers * threads:
        pytest.skip(f"needs {workers * threads} cores")
    daemon = start_daemon(keys={"pool.workers": workers, "pool.threads": threads})
    assert [turn_of(pid) for pid in ready_workers(daemon, workers)] == [None] * workers
