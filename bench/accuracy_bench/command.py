"""Arguments, the run, the print."""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings

from . import measure, tables, texts, variants
from .record import Record
from .service import BUILD, CLI, PHANTOM, ROOT, Service

FIRST_SEED, BEYOND = 500000, 900000  # docs: seeds from 900000 up are nobody's
MODELS = {"ct": ROOT / "models" / "demo-cardiac-ct", "cmr": ROOT / "models" / "demo-cmr"}


def read_arguments(words):
    parser = argparse.ArgumentParser(
        description="Accuracy of the demonstration models on phantoms, through DICOM and the whole service.",
        epilog="Run it again with the same --out to go on where it was stopped; what is there already is only printed. "
               "Needs tests/requirements.txt, DCMTK's tools and a build (BUILD_DIR, default build/).")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="record, JSON lines; kept")
    parser.add_argument("--ct", type=int, default=400, help="CT studies (%(default)s)")
    parser.add_argument("--cmr", type=int, default=400, help="CMR studies (%(default)s)")
    parser.add_argument("--variants", type=int, default=8, help="studies of each kind that are also sent otherwise "
                        "written (%(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="worker processes (%(default)s)")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(os.environ.get(
        "CARDIOSCRIBE_SHARED", ROOT.parent / "shared")) / "data", help="real studies that must be declined")
    parser.add_argument("--scratch", type=pathlib.Path, help="where phantoms and the service's state lie meanwhile")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="of both kinds; other than %(default)s only "
                        "for development: the figures then say so")
    parser.add_argument("--precision", choices=("fp32", "bf16", "int8"), default="fp32", help="of the image towers; the "
                        "model folders must vouch for it (%(default)s)")
    parser.add_argument("--model", action="append", default=[], metavar="ct=DIR|cmr=DIR", help="another model folder")
    arguments = parser.parse_args(words)
    if arguments.first_seed + max(arguments.ct, arguments.cmr) > BEYOND:
        parser.error(f"seeds from {BEYOND} up are nobody's")
    arguments.models = dict(MODELS)
    for one in arguments.model:
        kind, _, folder = one.partition("=")
        if kind not in MODELS:
            parser.error(f"--model {one}: ct=DIR or cmr=DIR")
        arguments.models[kind] = pathlib.Path(folder).resolve()
    arguments.models = {kind: folder for kind, folder in arguments.models.items() if getattr(arguments, kind)}
    for folder in arguments.models.values():
        if not (folder / "config.json").exists():
            parser.error(f"no model in {folder}")
    return arguments


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def identity(model):
    """What the service itself says a model folder is."""
    done = subprocess.run([CLI, "text", "--model", model, "--json", "heart"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{model}: {done.stdout}{done.stderr}")
    found = json.loads(done.stdout)["model"]
    return {key: found[key] for key in ("name", "version", "trained", "calibration", "weights_sha256",
                                        "prompts_sha256", "config_sha256")}


def subject(arguments):
    return {"models": {kind: identity(folder) for kind, folder in arguments.models.items()},
            **({} if arguments.precision == "fp32" else {
                "precision": arguments.precision,
                "measured": {kind: digest(folder / "precision.json") for kind, folder in arguments.models.items()}}),
            "worker_sha256": digest(BUILD / "worker" / "cardioscribe-worker"), "phantom_sha256": digest(PHANTOM)}


def processor():
    with open("/proc/cpuinfo") as lines:
        return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def surroundings():
    def first(*words):
        try:
            return subprocess.run(words, capture_output=True, text=True, cwd=ROOT).stdout.split("\n")[0]
        except OSError:
            return "unknown"
    return {"machine": f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
            "program": f"{first('git', 'describe', '--always', '--dirty')}, DCMTK "
                       f"{first('dpkg-query', '-W', '-f', '${Version}', 'dcmtk')}, Python {platform.python_version()}",
            "date": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())}


def show_subject(about, begun, arguments):
    for word, text in begun.items():
        print(f"{word:<9} {text}")
    print(f"precision {about.get('precision', 'fp32')}")
    print(f"built     worker {about['worker_sha256'][:16]}, phantom {about['phantom_sha256'][:16]}")
    for kind, model in about["models"].items():
        print(f"model     {kind}: {model['name']} {model['version']}, trained {model['trained']}, calibration "
              f"{model['calibration']}\n          weights {model['weights_sha256']}\n          prompts "
              f"{model['prompts_sha256']}\n          config  {model['config_sha256']}")
    count = max(arguments.ct, arguments.cmr)
    print(f"phantoms  {arguments.ct} CT, {arguments.cmr} CMR, seeds from {arguments.first_seed} to "
          f"{arguments.first_seed + count - 1}")
    if arguments.first_seed < FIRST_SEED:
        print("DEVELOPMENT: these seeds are not those kept back; no figure below is one of the model's")


def all_work(arguments, service, scratch):
    """(key, function) of every line there is to be; real studies are another service's."""
    for kind in arguments.models:
        for seed in range(arguments.first_seed, arguments.first_seed + getattr(arguments, kind)):
            yield f"phantom/{kind}/{seed}", lambda k=kind, s=seed: measure.phantom(service, k, s, scratch)
    for kind in arguments.models:
        count = min(arguments.variants, getattr(arguments, kind))
        for seed in range(arguments.first_seed, arguments.first_seed + count):
            for name in (*variants.SAME_BITS, *variants.NEARLY, "late"):
                yield (f"variant/{kind}/{seed}/{name}",
                       lambda k=kind, s=seed, n=name: measure.variant(service, k, s, n, scratch))


def do(record, work, at_once):
    """Whatever is not in the record yet, `at_once` at a time; the first error stops it."""
    work = [(key, function) for key, function in work if key not in record]
    began, lock, done = time.monotonic(), threading.Lock(), 0

    def one(key, function):
        nonlocal done
        record.add(key, function())
        with lock:
            done += 1
            if done % 20 == 0 or done == len(work):
                print(f"   {done} of {len(work)}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(one, key, function) for key, function in work]
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def run_phantoms(arguments, record, scratch):
    if any(key not in record for key, _ in all_work(arguments, None, scratch)):
        with Service(scratch / "service", arguments.models.values(), arguments.workers, arguments.precision) as service:
            do(record, all_work(arguments, service, scratch), arguments.workers + 1)


def run_real(arguments, record, scratch):
    """Twice: with the gates as shipped, and with all but the domain's opened."""
    studies = [study for study in measure.real_studies(arguments.data) if study[1] in arguments.models] \
        if arguments.data.is_dir() else []
    for gates in ("shipped", "opened"):
        if all(f"real/{gates}/{uid}" in record for _, _, uid, _ in studies):
            continue
        models, keys = arguments.models.values(), {}
        if gates == "opened":
            models = [measure.opened_model(folder, scratch / f"{kind}-opened")
                      for kind, folder in arguments.models.items()]
            keys = {"service.series_file": measure.opened_rules(scratch / "series.json")}
        with Service(scratch / gates, models, arguments.workers, arguments.precision, **keys) as service:
            do(record, [(f"real/{gates}/{uid}", lambda one=(name, kind, uid, paths): measure.real(service, gates, *one))
                        for name, kind, uid, paths in studies], 1)


def show(arguments, record):
    verdicts = tables.Verdicts()
    wanted = {key for key, _ in all_work(arguments, None, None)}
    rows = [row for row in record.of("phantom") if row["key"] in wanted]
    for kind, folder in arguments.models.items():
        asked = texts.Texts(folder)
        asked.vectors(texts.all_sentences(kind, folder))
        studies = tables.Studies(kind, [row for row in rows if row["kind"] == kind], folder, asked)
        tables.show_cost(studies)
        if len(studies.analysed):
            tables.show_findings(studies, verdicts)
            tables.show_held_out(studies, verdicts)
            tables.show_calibration(studies, verdicts)
            tables.show_recall(studies, verdicts)
        tables.show_domain(studies, verdicts)
        tables.show_variants(studies, [row for row in record.of("variant") if row["key"] in wanted], verdicts)
        if kind == "ct":
            config = json.loads((folder / "config.json").read_text())
            tables.show_boxes(studies, config["preprocess"].get("crop_margin_mm", 5), verdicts)
        tables.show_reports(studies, verdicts)
    tables.show_real(record.of("real"), verdicts)
    tables.heading("what was to be reached")
    verdicts.show()


def main(words=None):
    warnings.filterwarnings("ignore", category=UserWarning)  # pydicom, of damaged files
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the service is stopped too
    arguments = read_arguments(words)
    about = subject(arguments)
    record = Record(arguments.out, about, surroundings())
    show_subject(about, record.begun, arguments)
    with tempfile.TemporaryDirectory(prefix="accuracy-", dir=arguments.scratch) as scratch:
        run_phantoms(arguments, record, pathlib.Path(scratch))
        run_real(arguments, record, pathlib.Path(scratch))
    show(arguments, record)
