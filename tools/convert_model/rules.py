"""Names and shapes: which published tensors make which canonical one, and whether a checkpoint holds them.

A shape is words: a size by its name ("W"), a multiple of one ("3W"), or a number. With a published size the values of
the names are given; else each name takes the value that most tensors agree on, so that the odd one out is the one
that is refused."""
import collections
import dataclasses
import math
import re

from convert_model.refused import Refused, shown
from convert_model.torch_values import FLOATS
from convert_model.finite import finite

SHOWN_MAX = 10
INDEX_MAX = 4096


@dataclasses.dataclass(frozen=True)
class Rule:
    canonical: str | None      # None: published and counted, not needed
    sources: tuple             # joined in this order along the first axis
    shape: tuple               # of each source, leading axes of length 1 left out
    optional: bool = False


def rule(canonical, source, shape="", optional=False):
    sources = source if isinstance(source, tuple) else (source,)
    return Rule(canonical, sources, tuple(shape.split()), optional)


def linear(canonical, source, rows, columns, bias=True, optional=False):
    """y = Wx + b, and everything of that form: a norm is linear(..., "W", "")."""
    sources = source if isinstance(source, tuple) else (source,)
    parts = [("weight", f"{rows} {columns}"), ("bias", rows)][:2 if bias else 1]
    return [rule(f"{canonical}.{part}" if canonical else None, tuple(f"{s}.{part}" for s in sources), shape, optional)
            for part, shape in parts]


def norm(canonical, source, width, optional=False):
    return linear(canonical, source, width, "", optional=optional)


def count(names, pattern):
    """One more than the largest number that `pattern` finds in a name."""
    found = [int(match.group(1)) for match in (re.match(pattern, name) for name in names)
             if match and len(match.group(1)) <= 4]
    most = max(found, default=-1) + 1
    if most > INDEX_MAX:
        raise Refused(f"a layer numbered {most - 1}")
    return most


def squeezed(shape, rank):
    while len(shape) > rank and shape[0] == 1:
        shape = shape[1:]
    return shape


def terms(shape):
    """("3W", "8") -> ((3, "W"), (8, None))"""
    split = (re.fullmatch(r"(\d*)([A-Za-z]\w*)?", word).groups() for word in shape)
    return tuple((int(factor or 1), name) for factor, name in split)


def sizes_by_vote(rules, tensors):
    votes = collections.defaultdict(collections.Counter)
    for one in rules:
        for source in one.sources:
            shape = squeezed(tensors[source].shape, len(one.shape)) if source in tensors else ()
            for n, (factor, name) in zip(shape, terms(one.shape)):
                if name and len(shape) == len(one.shape) and n % factor == 0:
                    votes[name][n // factor] += 1
    return {name: counter.most_common(1)[0][0] for name, counter in votes.items()}


def expected(shape, sizes):
    return tuple(factor * (sizes[name] if name else 1) for factor, name in terms(shape))


@dataclasses.dataclass
class Mapped:
    canonical: str
    dtype: str
    shape: tuple
    tensors: list
    sources: tuple

    def chunks(self):
        for name, tensor in zip(self.sources, self.tensors):
            for chunk in tensor.chunks():
                if not finite(chunk, self.dtype):
                    raise Refused(f"{shown(name)}: holds values that are not finite")
                yield chunk


def refuse(faults, hint=()):
    """The hint goes with many faults: one is a damaged file, not another size."""
    if faults:
        more = [f"and {len(faults) - SHOWN_MAX} more", *hint] if len(faults) > SHOWN_MAX else []
        raise Refused("\n".join(faults[:SHOWN_MAX] + more))


def match(checkpoint, rules, ignored, published, totals):
    """(what to write, sizes, dropped names). published: sizes, or None for any size; totals: (tensors, values)."""
    tensors = checkpoint.tensors
    refuse(list(strangers(checkpoint, rules, ignored)))
    hint = ["this is not the published size; --any-size takes others"] if published else []
    refuse([f"{name}: missing" for name in missing(tensors, rules, published is None)], hint)
    sizes = sizes_by_vote(rules, tensors) | (published or {})
    refuse(list(misshapen(tensors, rules, sizes)), hint)
    used = [source for one in rules for source in one.sources if source in tensors]
    if totals and published:
        found = len(used), sum(tensors[name].count for name in used)
        if found != totals:
            raise Refused(f"{found[0]} tensors of {found[1]} values instead of {totals[0]} of {totals[1]}")
    kept = [mapped(one, tensors, sizes) for one in rules if one.canonical and one.sources[0] in tensors]
    left = set(used) - {source for one in kept for source in one.sources}
    others = set(tensors) | set(checkpoint.plain)
    return kept, sizes, sorted(left | (others - set(used)))


def strangers(checkpoint, rules, ignored):
    known = {source for one in rules for source in one.sources}
    patterns = [re.compile(pattern) for pattern in ignored]
    for name in [*checkpoint.tensors, *checkpoint.plain]:
        if name in known and name in checkpoint.plain:
            yield f"{shown(name)}: not a tensor"
        elif name not in known and not any(pattern.fullmatch(name) for pattern in patterns):
            yield f"{shown(name)}: no place for it"


def missing(tensors, rules, any_size):
    for one in rules:
        present = [source for source in one.sources if source in tensors]
        spare = one.optional or (any_size and one.canonical is None)
        if not spare or (present and len(present) < len(one.sources)):
            yield from (source for source in one.sources if source not in tensors)


def misshapen(tensors, rules, sizes):
    for one in rules:
        for source in one.sources:
            tensor = tensors.get(source)
            if tensor is None:
                continue
            if any(name and name not in sizes for _, name in terms(one.shape)):
                yield f"{source}: is {list(tensor.shape)}, expected {len(one.shape)} axes"
            elif squeezed(tensor.shape, len(one.shape)) != expected(one.shape, sizes):
                yield f"{source}: is {list(tensor.shape)}, expected {list(expected(one.shape, sizes))}"
            elif one.canonical and tensor.dtype not in FLOATS:
                yield f"{source}: is of type {tensor.dtype}, expected one of {', '.join(FLOATS)}"
            elif one.canonical and tensor.fault():
                yield f"{source}: {tensor.fault()}"


def mapped(one, tensors, sizes):
    parts = [tensors[source] for source in one.sources]
    dtypes = {part.dtype for part in parts}
    if len(dtypes) > 1:
        raise Refused(f"{one.sources[0]}: joined from tensors of different types")
    shape = expected(one.shape, sizes)
    if len(parts) > 1:
        shape = (len(parts) * shape[0], *shape[1:])
    if math.prod(shape) == 0:
        raise Refused(f"{one.sources[0]}: holds no values")
    return Mapped(one.canonical, dtypes.pop(), shape, parts, one.sources)
