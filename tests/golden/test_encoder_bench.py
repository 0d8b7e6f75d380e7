"""bench/encoder at reduced sizes: every figure is there and every party's embedding is PyTorch's. How fast anybody was is
never asked here."""
import json
import os
import pathlib
import statistics
import subprocess
import sys

import pytest
import torch

from conftest import ROOT

sys.path.insert(0, str(ROOT / "bench"))
from encoder_bench import machine, measure, networks, shapes, tables  # noqa: E402

RUN = [ROOT / "bench" / "encoder", "--small", "--rounds", "2", "--python", sys.executable]
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build")).resolve()


def bench(*words, **environment):
    done = subprocess.run([str(word) for word in (*RUN, *words)], capture_output=True, text=True, timeout=600,
                          env={**os.environ, "BUILD_DIR": str(BUILD), **environment})
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """What was printed, and the record: one tower of each kind, under a preset that would change the figures."""
    if not (BUILD / "bench" / "encoder-run").exists():
        pytest.skip("bench/encoder-run is not built: set BUILD_DIR")
    record = tmp_path_factory.mktemp("bench") / "r.jsonl"
    record.write_text('{"head": "an earlier run"}\n')
    text = bench("--models", "radclip,cmr-clip,radar", "--out", record, OPENBLAS_CORETYPE="Prescott")
    return text, record


def rows_of(record):
    return [json.loads(line) for line in record.read_text().splitlines()]


def test_every_figure_is_there(taken):
    first, head, *rows, end = rows_of(taken[1])
    load = next(row["load"] for row in rows if "load" in row)
    rows = [row for row in rows if "shape" in row]
    assert len(load["seconds"]) == 3 and min(load["seconds"]) > 0 and load["weights_bytes"] > 600_000
    assert first == {"head": "an earlier run"} and len(end["end"]["load"]) == 3
    assert head["head"]["machine"]["lscpu"]["Model name"] and head["head"]["threads"] == 2
    assert [(row["shape"], row["items"]) for row in rows] == [("cmr-clip", 5), ("radclip", 5), ("radar", 1)]
    for row in rows:
        assert {"ours", "torch"} <= set(row["parties"])
        assert ({"ours-bf16", "ours-int8"} <= set(row["parties"])) == (row["shape"] != "radar")
        assert "onnxruntime" in row["parties"] or row["skipped"]["onnxruntime"] == "not installed"
        for name, party in row["parties"].items():
            assert len(party["seconds"]) == 2 and all(one > 0 for turn in party["seconds"] for one in turn)
            assert party["threads"] == 2 and party["peak_bytes"] >= party["now_bytes"] > 2 ** 20 and party["runtime"]
            one = tables.figures(row, name)
            assert one["gflops"] > 0 and one["best_s"] <= one["seconds"] and one["ratio"] > 0
            assert one["share"] > 0 or not row["peak"]
        assert sum(tables.grouped(row["stages"], row["items"]).values()) == pytest.approx(sum(row["stages"].values()))
    if "fma" in head["head"]["machine"]["flags"]:
        assert all(len(row["peak"]["fma_256"]) == 2 and min(row["peak"]["fma_256"]) > 1 for row in rows)


def test_every_embedding_is_pytorchs(taken):
    for row in rows_of(taken[1]):
        for name, party in row.get("parties", {}).items():
            # In fewer bits shapes as small as these miss what published ones must reach: tables.COSINES.
            assert party["cosine"] > {"ours-bf16": 0.9995, "ours-int8": 0.995}.get(name, 0.9999), (row["shape"], name)
        assert row.get("control", 0) < 0.99, "an embedding of another input would pass too"


def test_presets_are_told_and_cleared(taken):
    head, *rows = rows_of(taken[1])[1:-1]
    rows = [row for row in rows if "shape" in row]
    assert head["head"]["presets"]["OPENBLAS_CORETYPE"] == "Prescott" and "OPENBLAS_CORETYPE=Prescott" in taken[0]
    assert rows and not [row for row in rows if "Prescott" in row["parties"]["ours"]["runtime"]]
    assert machine.cleared({"DNNL_X": "1", "OMP_Y": "2", "NVPL_Z": "3", "PATH": "p"}) == {"PATH": "p"}


def test_what_was_measured_is_printed_again(taken):
    text, record = taken
    assert bench("--show", record) == text
    assert "radclip: 5 x 13 tokens" in text and "cmr-clip: 5 frames, 31 tokens" in text and "radar: one window" in text
    assert text.count("reduced size") > 3 and text.count("cosine of ours to PyTorch's embedding") == 3
    assert "NOT REACHED" not in text


def test_rounds_go_back_and_forth_and_a_party_that_fails_leaves():
    told = []

    class Told:
        def __init__(self, name, good=9):
            self.name, self.good = name, good

        def ask(self, words):
            told.append(self.name)
            self.good -= 1
            if self.good < 0:
                raise measure.PartyFailed("gone")
            return "0.5 0.25"

    arguments = type("Arguments", (), {"rounds": 3, "turn_s": 1, "settle_s": 0, "shape_s": 0})
    parties, skipped = {"a": Told("a", 3), "b": Told("b", 1)}, {}
    taken, limits = measure.rounds(parties, None, arguments, skipped)
    assert told == ["a", "b", "b", "a", "a"] and skipped == {"b": "gone"} and list(parties) == ["a"]
    assert taken["a"] == [[0.5, 0.25]] * 3 and limits == {}
    arguments.rounds = 9
    taken, _ = measure.rounds({"c": Told("c")}, None, arguments, skipped)
    assert len(taken["c"]) == 3, "shape_s is over"


def test_a_median_counts_rounds_and_a_best_is_of_all():
    assert tables.middle([[1, 1, 1, 1, 1], [3], [4]]) == 3 and tables.best([[2, 5], [3]]) == 2


def test_cosine():
    assert measure.cosine([1, 2], [2, 4]) == pytest.approx(1) and measure.cosine([1, 0], [0, 3]) == 0
    assert measure.cosine([0, 0], [1, 1]) == 0


@pytest.mark.parametrize("name", [shape.name for shape in shapes.PUBLISHED])
def test_operations_are_those_that_torch_runs(name, monkeypatch):
    shape, total = shapes.find(name, "small"), [0]
    items = shape.items[-1]

    def attend(q, k, v):
        total[0] += 4 * q.numel() * k.shape[-2]
        return attend_as_it_is(q, k, v)

    def count(module, given, out):
        many = given[0] if isinstance(module, torch.nn.ConvTranspose3d) else out
        channels = many.shape[-1 if isinstance(module, torch.nn.Linear) else 1]
        total[0] += 2 * module.weight.numel() * (many.numel() // channels)

    attend_as_it_is = networks.attend
    monkeypatch.setattr(networks, "attend", attend)
    network = networks.Network(shape, 0 if shape.is_unet else shapes.cells(shape.vision))
    for module in network.modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d, torch.nn.Conv3d, torch.nn.ConvTranspose3d)):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(shape.input(items)))
    assert shapes.operations(shape, items) == total[0]


def test_published_sizes():
    tokens = {shape.name: shapes.tokens(shape) for shape in shapes.PUBLISHED}
    assert tokens == {"vit-b16": 197, "vit-l14": 257, "vit-3d": 1729, "cardiac-clip": 5185, "cmr-clip": 1 + 64 * 196,
                      "radclip": 257, "radar": 0}
    assert {shape.name: shape.items for shape in shapes.PUBLISHED if len(shape.items) > 1 or shape.items[0] > 1} == {
        "vit-b16": (1, 16), "vit-l14": (1, 16), "cmr-clip": (64,), "radclip": (64,)}


def row_of(ours_s, peer_s, peak):
    party = {"cosine": 1.0, "peak_bytes": 1, "runtime": "x", "libraries": []}
    return {"shape": "vit-b16", "items": 1, "tokens": 197, "gflop": 35.0, "peak": {"fma_256": [60.0], "fma_512": [peak]},
            "skipped": {}, "parties": {"ours": {**party, "seconds": [[ours_s]] * 3},
                                       "onnxruntime": {**party, "seconds": [[peer_s]] * 3}}}


@pytest.mark.parametrize("flags, peer_s, share, ratio", [
    (["avx2"], 1.2, "not this processor", "not this processor"),
    (["avx2", "avx512f", "avx512_bf16"], 1.2, "reached", "reached"),
    (["avx2", "avx512f", "avx512_bf16"], 1.05, "reached", "NOT REACHED"),
])
def test_verdicts(flags, peer_s, share, ratio):
    verdicts = tables.Verdicts(flags)
    tables.judge_row(row_of(1.0, peer_s, 40.0), verdicts)
    said = {row[0].split(": ")[1]: row[3] for row in verdicts.rows}
    assert (said["fp32 share of peak"], said["against onnxruntime"]) == (share, ratio)
    wide = "avx512f" in flags
    assert said["AVX2 share of AVX2's peak"] == ("not measured" if wide else "reached")
    assert said["bf16 share of bf16's peak"] == ("not measured" if wide else "not this processor")
    assert said["int8 against onnxruntime int8"] == "not this processor"
    row = row_of(1.0, peer_s, 70.0)
    row["parties"]["ours-avx2"] = {**row["parties"]["ours"], "seconds": [[0.7]] * 3}
    row["parties"]["ours-bf16"] = {**row["parties"]["ours"], "seconds": [[0.3]] * 3}
    row["peak"]["bf16_512"] = [35.0 / 0.3 / 0.79]
    verdicts = tables.Verdicts(flags)
    tables.judge_row(row, verdicts)
    said = {row[0].split(": ")[1]: row[3] for row in verdicts.rows}
    assert said["AVX2 share of AVX2's peak"] == ("reached" if wide else "NOT REACHED")
    assert said["bf16 share of bf16's peak"] == said["bf16 against onnxruntime fp32"] == ("reached" if wide else "not this processor")
    assert said["fp32 share of peak"] == ("NOT REACHED" if wide else "not this processor")


def test_the_patches_of_other_slices_are_taken_from_the_first_attention():
    stages = {"patch.-1": 1.0, "embed.-1": 0.5, "attn.0": 5.0, "layer.0": 2.0, "attn.1": 2.0, "layer.1": 2.0, "post.-1": 0.25,
              "unit.-1": 0.125}
    assert tables.grouped(stages, 3) == {"patch": 4.5, "attention": 4.0, "mlp": 4.0, "later slices": 0.25, "rest": 0.125}
    assert tables.grouped(stages, 1) == {"patch": 1.5, "attention": 7.0, "mlp": 4.0, "rest": 0.375}
    assert statistics.fsum(tables.grouped(stages, 3).values()) == sum(stages.values())
