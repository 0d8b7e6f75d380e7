"""Arguments, the run, the record, the print."""
import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from . import machine, measure, shapes, tables

BENCH = pathlib.Path(__file__).resolve().parents[1]
ROOT = BENCH.parent
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build")).resolve()
OURS, PEAK = BUILD / "bench" / "encoder-run", BUILD / "bench" / "register-peak"
REQUIREMENTS = BENCH / "requirements.txt"


def read_arguments(words):
    names = [shape.name for shape in shapes.PUBLISHED]
    parser = argparse.ArgumentParser(
        description="Speed of the encoders at published sizes, against the processor's limit and against PyTorch and "
                    "onnxruntime with the same weights, in turns.",
        epilog="Needs a build (BUILD_DIR, default build/). Without --python the peers are installed into "
               "BUILD_DIR/encoder-bench-venv. For figures that mean anything, nothing else may run.")
    parser.add_argument("--models", default=",".join(names), help="of %(default)s")
    parser.add_argument("--batch", help="only these numbers of slices, where a shape has several: 1,16")
    parser.add_argument("--rounds", type=int, default=7, help="(%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of each party (%(default)s)")
    parser.add_argument("--turn-s", type=float, default=1.0, help="a turn has as many passes as fill so many seconds, at "
                        "least one (%(default)s)")
    parser.add_argument("--shape-s", type=float, default=900, help="fewer rounds of a shape that would take longer, three at "
                        "least (%(default)g)")
    parser.add_argument("--out", type=pathlib.Path, help="record, JSON lines; what is there already is kept")
    parser.add_argument("--show", type=pathlib.Path, help="print the last run of a record, and measure nothing")
    parser.add_argument("--small", action="store_true", help="reduced sizes: does it work, in seconds")
    parser.add_argument("--python", help="a Python that has the peers already (torch, safetensors, onnxruntime); what it "
                        "lacks is left out")
    parser.add_argument("--torch-python", help="another Python, with a newer torch and safetensors: one more peer")
    parser.add_argument("--scratch", type=pathlib.Path, help="where models of up to 4 GB lie meanwhile")
    arguments = parser.parse_args(words)
    wanted = arguments.models.split(",")
    for name in wanted:
        if name not in names:
            parser.error(f"--models {name}: one of {', '.join(names)}")
    arguments.shapes = [shape for shape in shapes.PUBLISHED if shape.name in wanted]
    if arguments.small:
        arguments.shapes = [shapes.small(shape) for shape in arguments.shapes]
        arguments.turn_s = 0.0
    arguments.settle_s = 0.0 if arguments.small else 0.3
    arguments.only = {int(word) for word in arguments.batch.split(",")} if arguments.batch else None
    arguments.size = "small" if arguments.small else "full"
    if arguments.rounds < 1 or arguments.threads < 1:
        parser.error("--rounds and --threads are at least 1")
    return arguments


def peers_python(given):
    """The Python of the peers, made when none is given."""
    if given:
        return given
    folder = BUILD / "encoder-bench-venv"
    stamp, wanted = folder / "requirements.txt", REQUIREMENTS.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        base = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable  # Debian's has Debian's torch
        for step in ([base, "-m", "venv", "--system-site-packages", folder],
                     [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r",
                      REQUIREMENTS]):
            if subprocess.run([str(word) for word in step]).returncode:
                raise SystemExit("the peers are not installed; --python names a Python that has them")
        shutil.copy(REQUIREMENTS, stamp)
    return str(folder / "bin" / "python")


def has(python, *modules):
    """Without loading them."""
    look = "import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))"
    return subprocess.run([python, "-c", look, *modules]).returncode == 0


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Bench:
    def __init__(self, arguments, scratch):
        self.arguments, self.scratch = arguments, scratch
        self.wide = "avx512f" in machine.describe()["flags"]
        self.environment = {**machine.cleared(os.environ), "PYTHONPATH": str(BENCH), "PYTHONDONTWRITEBYTECODE": "1"}
        self.python = peers_python(arguments.python)
        if not has(self.python, "torch", "safetensors"):
            raise SystemExit(f"{self.python} has no torch or no safetensors: there is nothing to make models with")
        self.absent = {}
        if not has(self.python, "onnxruntime"):
            self.absent["onnxruntime"] = "not installed"
        if self.absent or not has(self.python, "onnx", "ml_dtypes"):
            self.absent["onnxruntime-int8"] = "what it quantizes with is not installed"
        if arguments.torch_python and not has(arguments.torch_python, "torch", "safetensors"):
            raise SystemExit(f"{arguments.torch_python} has no torch or no safetensors")

    def make(self, names, *more):
        for name in names:
            shutil.rmtree(self.scratch / name, ignore_errors=True)
        done = subprocess.run([self.python, "-m", "encoder_bench.make", self.arguments.size, str(self.scratch),
                               ",".join(names), *more], env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"making {', '.join(names)} failed: {done.stderr[-2000:]}")

    def commands(self, shape, items):
        threads, folder = str(self.arguments.threads), self.scratch / shape.name
        peer = ["-m", "encoder_bench.peer"]
        rest = [shape.name, self.arguments.size, folder, items, threads]
        ours = [OURS, folder, folder / f"input-{items}.f32", items, threads]
        out = {"ours": ours, "torch": [self.python, *peer, "torch", *rest]}
        if self.wide:
            out["ours-avx2"] = [*ours, "avx2"]
        if not shape.is_unet:
            means = [OURS, folder, folder / "other.f32", shape.items[0], threads, "avx512", "fp32", folder / "means.json"]
            if not means[-1].exists():  # whoever needs it and has it not is told to be skipped
                subprocess.run([str(word) for word in means], env=self.environment, stdout=subprocess.DEVNULL)
            out |= {f"ours-{precision}": [*ours, "avx512", precision, means[-1]] for precision in ("bf16", "int8")}
        if self.arguments.torch_python:
            out["torch-new"] = [self.arguments.torch_python, *peer, "torch", *rest]
        if "onnxruntime" not in self.absent:
            out["onnxruntime"] = [self.python, *peer, "onnxruntime", *rest]
        if "onnxruntime-int8" not in self.absent and shape.name in shapes.QUANTIZED:
            out["onnxruntime-int8"] = [self.python, *peer, "onnxruntime-int8", *rest]
        if PEAK.exists():
            out["peak"] = [PEAK, threads]
        return out

    def measure(self, shape):
        for items in shape.items:
            if len(shape.items) > 1 and self.arguments.only and items not in self.arguments.only:
                continue
            row = measure.measure(shape, items, self.scratch / shape.name, self.commands(shape, items), self.environment,
                                  self.arguments)
            row["skipped"].update(self.absent if shape.name in shapes.QUANTIZED else
                                  {name: why for name, why in self.absent.items() if name == "onnxruntime"})
            yield row

    def load(self, shape):
        """The model whole, as published, and one picture."""
        self.make([shape.name], "text")
        folder, items = self.scratch / shape.name, shape.items[-1]
        values = (folder / f"input-{items}.f32").read_bytes()
        (folder / "one.f32").write_bytes(values[:len(values) // items])
        return {"load": measure.load_time([OURS, folder, folder / "one.f32", 1, self.arguments.threads],
                                          (folder / "model.safetensors").stat().st_size, self.environment)}

    def rows(self):
        onnx = ["onnx"] * ("onnxruntime" not in self.absent) + ["int8"] * ("onnxruntime-int8" not in self.absent)
        listed = self.arguments.shapes
        for group in [listed] if self.arguments.small else [[shape] for shape in listed]:
            self.make([shape.name for shape in group], *onnx)
            for shape in group:
                yield from self.measure(shape)
                shutil.rmtree(self.scratch / shape.name)
                if shape.text:
                    yield self.load(shape)
                    shutil.rmtree(self.scratch / shape.name)


def head(arguments):
    return {"head": {
        "machine": machine.describe(), "start": machine.load(), "presets": machine.presets(os.environ),
        "program": "cardioscribe " + machine.first_line("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "sha256": digest(OURS), "threads": arguments.threads, "rounds": arguments.rounds, "turn_s": arguments.turn_s,
        "small": arguments.small}}


def run(arguments, record, scratch):
    bench = Bench(arguments, scratch)
    rows = [head(arguments)]
    record(rows[0])
    tables.show_head(rows[0]["head"], lambda text: print(text, file=sys.stderr, flush=True))
    for row in bench.rows():
        record(row)
        rows.append(row)
        if "shape" in row:
            tables.show_row(row, lambda text: print(text, file=sys.stderr, flush=True))
    rows.append({"end": machine.load()})
    record(rows[-1])
    return rows


def last_run(path):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    heads = [at for at, row in enumerate(rows) if "head" in row]
    if not heads:
        raise SystemExit(f"{path} is no record")
    return rows[heads[-1]:]


def main(words=None):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the parties are ended too
    arguments = read_arguments(words)
    if arguments.show:
        return tables.show(last_run(arguments.show))
    if not OURS.exists():
        raise SystemExit(f"{OURS} is not built: set BUILD_DIR")
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="encoder-", dir=arguments.scratch))
        file = stack.enter_context(arguments.out.open("a")) if arguments.out else None

        def record(row):
            if file:
                file.write(json.dumps(row) + "\n")
                file.flush()
        rows = run(arguments, record, pathlib.Path(scratch))
    tables.show(rows)
    return 0 if all("ours" in row["parties"] for row in rows if "shape" in row) else 1
