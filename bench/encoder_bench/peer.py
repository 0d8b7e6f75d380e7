"""A peer, kept open over the rounds; a program, run in the peers' Python:

    python -m encoder_bench.peer torch|onnxruntime|onnxruntime-int8 NAME full|small FOLDER ITEMS THREADS

It knows the words of bench/encoder_run.c, but for "stages"; and "control", torch alone: the cosine of the embedding and
that of the same input mirrored, which says what a cosine near 1 is worth."""
import json
import pathlib
import sys
import time

import numpy

from . import shapes

SAMPLE = 4096  # as in encoder_run.c


def sampled(maps):
    flat = [one.reshape(-1) for one in maps]
    return numpy.concatenate([one[::-(-len(one) // SAMPLE)] for one in flat]).astype("<f4")


def open_torch(shape, folder, items, threads):
    import torch
    from safetensors.torch import load_file

    from .networks import FUSED, Network
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    network = Network(shape, 0 if shape.is_unet else shapes.cells(shape.vision))
    network.take(load_file(folder / "model.safetensors"))

    def run(values):
        with torch.inference_mode():
            out = network(torch.from_numpy(values))
        return [one.numpy() for one in (out if isinstance(out, tuple) else [out])]
    return run, f"torch {torch.__version__}", {"threads": torch.get_num_threads(), "fused_attention": bool(FUSED)}


def open_onnxruntime(shape, folder, items, threads, name="model.onnx"):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_free_dimension_override_by_name("items", items)
    session = onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])
    return (lambda values: session.run(None, {"x": values}), f"onnxruntime {onnxruntime.__version__}",
            {"threads": threads})


def open_int8(*words):
    return open_onnxruntime(*words, name="model-int8.onnx")


def answer(line, run, values, last):
    word, _, rest = line.strip().partition(" ")
    if word == "go":
        taken = []
        while not taken or sum(taken) <= float(rest or 0):
            start_s = time.perf_counter()
            last[:] = run(values)
            taken.append(time.perf_counter() - start_s)
        return " ".join(f"{one:.6f}" for one in taken)
    if word == "out":
        sampled(last).tofile(rest)
        return "{}"
    if word == "control":
        one, other = sampled(last).astype("f8"), sampled(run(numpy.ascontiguousarray(values[..., ::-1]))).astype("f8")
        return json.dumps({"cosine": one @ other / (one @ one * (other @ other)) ** 0.5})
    raise SystemExit(f"no such word: {line}")


def main(kind, name, size, folder, items, threads):
    folder, items, shape = pathlib.Path(folder), int(items), shapes.find(name, size)
    start_s = time.perf_counter()
    opener = {"torch": open_torch, "onnxruntime": open_onnxruntime, "onnxruntime-int8": open_int8}[kind]
    run, runtime, facts = opener(shape, folder, items, int(threads))
    values = numpy.fromfile(folder / f"input-{items}.f32", dtype="<f4").reshape(shape.input(items))
    loaded_s = time.perf_counter()
    last = run(values)
    facts.update(load_s=round(loaded_s - start_s, 3), first_s=round(time.perf_counter() - loaded_s, 3), runtime=runtime)
    print("ready", json.dumps(facts), flush=True)
    for line in sys.stdin:
        print(answer(line, run, values, last), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
