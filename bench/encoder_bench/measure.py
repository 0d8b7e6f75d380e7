"""One shape, one number of items: the rounds."""
import array
import contextlib
import json
import math
import pathlib
import statistics
import time

from . import shapes
from .party import Party, PartyFailed

STAGE_PASSES = ROUNDS_MIN = 3
LONG_S = 5
LOADS = 3


def cosine(one, other):
    dot, left, right = (math.fsum(a * b for a, b in zip(x, y)) for x, y in ((one, other), (one, one), (other, other)))
    return dot / math.sqrt(left * right) if left and right else 0.0


def read_floats(path):
    values = array.array("f")
    values.frombytes(path.read_bytes())
    return values


def rounds(parties, peak, arguments, skipped):
    """{name: [[seconds of each pass] of each round]}, {instruction: [10^9 operations a second of each round]}.
    Every other round goes backwards, so that no party always follows the same one; between two, everybody's threads
    are given time to stop spinning. A party that fails leaves `parties` for `skipped`. After three rounds none begins
    that is likely to end later than shape_s."""
    taken, limits = {name: [] for name in parties}, {}
    turns, began = [*parties, None], time.monotonic()
    for number in range(arguments.rounds):
        if number >= ROUNDS_MIN and (time.monotonic() - began) * (number + 1) / number > arguments.shape_s:
            break
        for name in turns if number % 2 == 0 else turns[::-1]:
            time.sleep(arguments.settle_s)
            if name is None:
                for key, value in (json.loads(peak.ask("go")) if peak else {}).items():
                    limits.setdefault(key, []).append(value)
            elif name in parties:
                try:
                    taken[name].append([float(word) for word in parties[name].ask(f"go {arguments.turn_s}").split()])
                except PartyFailed as failure:
                    skipped[name] = str(failure)
                    del parties[name]
    return taken, limits


def stages(ours, pass_s):
    """{"STAGE.LAYER": median seconds}, after the rounds, so that no tap disturbs them."""
    seen = [json.loads(ours.ask("stages")) for _ in range(STAGE_PASSES if pass_s < LONG_S else 1)]
    return {name: statistics.median(one[name] for one in seen) for name in seen[0]}


def embeddings(parties, folder):
    out = {}
    for name, party in parties.items():
        party.ask(f"out {folder / (name + '.out')}")
        out[name] = read_floats(folder / (name + ".out"))
    return out


def measure(shape, items, folder, commands, environment, arguments):
    """commands: {name: words}, "ours" and "torch" among them; "peak" is not a party. A row of the record."""
    folder, skipped, parties = pathlib.Path(folder), {}, {}
    with contextlib.ExitStack() as stack:
        def opened(name):
            party = Party(commands[name], environment)
            stack.callback(party.close)
            return party
        for name in commands:
            try:
                if name != "peak":
                    parties[name] = opened(name)
            except PartyFailed as failure:
                skipped[name] = str(failure)
        peak = opened("peak") if "peak" in commands else None
        taken, limits = rounds(parties, peak, arguments, skipped)
        row = {"shape": shape.name, "items": items, "tokens": shapes.tokens(shape),
               "gflop": shapes.operations(shape, items) / 1e9, "peak": limits, "skipped": skipped, "parties": {}}
        memory = {name: party.memory() for name, party in parties.items()}
        vectors = embeddings(parties, folder)
        for name, party in parties.items():
            near = cosine(vectors[name], vectors["torch"]) if "torch" in vectors else None
            row["parties"][name] = {"seconds": taken[name], **memory[name], **party.facts, "cosine": near,
                                    "libraries": party.libraries()}
        if "torch" in parties:
            row["control"] = json.loads(parties["torch"].ask("control"))["cosine"]
        if "ours" in parties:
            row["stages"] = stages(parties["ours"], taken["ours"][-1][-1])
    return row


def load_time(command, weights_bytes, environment):
    """From the start of a process to its first answer, the file in the page cache from the first on."""
    taken, facts = [], {}
    for _ in range(LOADS + 1):
        party = Party(command, environment)
        taken.append(round(party.first_result_s, 3))
        facts = party.memory()
        party.close()
    return {"cold_s": taken[0], "seconds": taken[1:], "weights_bytes": weights_bytes, **facts}
