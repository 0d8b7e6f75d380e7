#!/usr/bin/env python3
"""Make, prepare and keep training data: a phantom study is made, the project's own preprocessing writes what the encoder
would get of it (`cardioscribe encode --dump-input`), and the study is deleted.

    tools/train/data.py --kind ct --seeds 100000 103000 --out DATA --build build --workers 2

DATA/KIND/SEED.npy holds the input as float16 [z][y][x] (wider than the model's, see demos.KEPT), SEED.npz what the
phantom's shapes are there (labels.py), SEED.json the truth and where the input lies; the last is written last, so that a run that was stopped goes on. A study the service would decline is kept as SEED.json with its reason, and counted."""
import argparse
import json
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import numpy as np
from safetensors.numpy import load_file

import demos
import labels

SMALL = {part: {"width": 8, "depth": 1, "heads": 1, "mlp_dim": 8, "proj_dim": 8} for part in ("vision", "text")}


def prepared_model(kind, folder):
    """The demo model's preprocessing with next to no encoder."""
    import folder as folders  # torch is wanted here only
    path = pathlib.Path(folder)
    if not (path / "vocab.txt").exists():
        changes = demos.merged(demos.KEPT[kind], SMALL)
        folders.random_folder(path, demos.config(kind, changes))
    return path


def run(*command):
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr[-500:]}")
    return done.stdout


def encode(build, model, folder, dump):
    return json.loads(run(build / "cli/cardioscribe", "encode", "--json", "--threads", 1, "--model", model, "--dump-input",
                          dump, folder))


def put(path, write):
    """A file appears whole or not at all."""
    part = path.with_name("." + path.name)
    with open(part, "wb") as file:
        write(file)
    os.replace(part, path)


def put_labels(kind, kept, shape, path, build):
    parts = labels.maps(kind, kept, shape, build / "tools/phantom/cardioscribe-phantom-labels")
    put(path, lambda file: np.savez_compressed(file, blocks=labels.blocks(kind, parts)))


def make(kind, seed, out, build, model, scratch):
    """One study. Returns None, or why the service would not analyse it."""
    run(build / "tools/phantom/cardioscribe-phantom", "--lean", "--kind", kind, "--seed", seed, "--out", scratch)
    folder, dump = scratch / f"{kind}-{seed}", scratch / f"{seed}.safetensors"
    try:
        truth = json.loads((folder / "truth.json").read_text())
        result = encode(build, model, folder, dump)
        reason = None if result["analysed"] else result["reason"]
        kept = {"truth": truth, "reason": reason, "box": result["input"].get("box")}
        if reason is None:
            values = load_file(dump)["input"]
            values = values.reshape([-1, *values.shape[-2:]])
            kept["where"] = labels.where(kind, result, folder)
            put(out / f"{seed}.npy", lambda file: np.save(file, values.astype(np.float16)))
            put_labels(kind, kept, values.shape, out / f"{seed}.npz", build)
        put(out / f"{seed}.json", lambda file: file.write(json.dumps(kept).encode()))
        return reason
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        dump.unlink(missing_ok=True)


def work(arguments, part, parts):
    out, build = pathlib.Path(arguments.out) / arguments.kind, pathlib.Path(arguments.build).resolve()
    model = out.parent / f"model-{arguments.kind}"
    made, start = 0, time.time()
    with tempfile.TemporaryDirectory(prefix="train-", dir=arguments.scratch) as scratch:
        for seed in range(arguments.seeds[0] + part, arguments.seeds[1], parts):
            if (out / f"{seed}.json").exists():
                continue
            try:
                reason = make(arguments.kind, seed, out, build, model, pathlib.Path(scratch))
            except (RuntimeError, subprocess.TimeoutExpired, KeyError) as fault:
                print(f"{seed}: {fault}", flush=True)
                continue
            made += 1
            if reason:
                print(f"{seed}: {reason}", flush=True)
            if made % 50 == 0:
                print(f"{arguments.kind} {seed}: {made} made, {(time.time() - start) / made:.2f} s each", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("ct", "cmr"), required=True)
    parser.add_argument("--seeds", type=int, nargs=2, required=True, metavar=("FROM", "TO"), help="TO is not made")
    parser.add_argument("--out", required=True)
    parser.add_argument("--build", default="build")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--scratch", help="where studies lie while they are read (default: the temporary folder)")
    arguments = parser.parse_args()
    (pathlib.Path(arguments.out) / arguments.kind).mkdir(parents=True, exist_ok=True)
    prepared_model(arguments.kind, pathlib.Path(arguments.out) / f"model-{arguments.kind}")
    crew = [multiprocessing.Process(target=work, args=(arguments, part, arguments.workers))
            for part in range(arguments.workers)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    raise SystemExit(any(one.exitcode for one in crew))


if __name__ == "__main__":
    main()
