"""README.md of a converted model: what it is, whence it came, what was left out."""
import re

from convert_model.refused import shown

LISTED_MAX = 40


def table(rows):
    yield "| | |"
    yield "|---|---|"
    for name, value in rows:
        yield f"| {name} | {value} |"


def listed(names):
    """Names as inline code, those that differ only in numbers as one; many of them as a count and the first."""
    names = list(dict.fromkeys(re.sub(r"(?<=\.)\d+(?=\.)", "*", name) for name in names))
    some = ", ".join(f"`{shown(name)}`" for name in names[:LISTED_MAX])
    return some + (f" and {len(names) - LISTED_MAX} more" if len(names) > LISTED_MAX else "")


def card(family, config, checkpoint, kept, dropped, digests, notes):
    values = sum(tensor.count for one in kept for tensor in one.tensors)
    lines = [f"# {config['name']}: {family.title}, converted", "",
             "**Not a medical device. Read the licence and the notes before use.**", ""]
    lines += table([
        ("What it is", f"{family.title}, from {family.source}"),
        ("Licence", family.licence),
        ("Published size", "yes, checked" if notes["published"] else "no size was checked against a publication"),
        ("Weights", f"{len(kept)} tensors, {values:,} values, "
                    f"{', '.join(sorted({one.dtype for one in kept}))}"),
        *[(f"Read from `{shown(name)}`", f"{container}, {size:,} bytes, SHA-256 `{digest}`")
          for name, container, size, digest in checkpoint.files],
    ])
    lines += ["", "## Files", ""]
    lines += table([(f"`{name}`", f"SHA-256 `{digest}`") for name, digest in sorted(digests.items())])
    if family.notes or notes["said"]:
        lines += ["", "## Notes", ""]
        lines += [f"- {note}" for note in (*family.notes, *notes["said"])]
    lines += ["", "## Left out", "",
              f"In the checkpoint, not needed to run: {listed(dropped)}." if dropped else "Nothing."]
    lines += ["", "## Not executed", "",
              "The checkpoint was read without importing or calling anything. " +
              (f"Names it refers to that stayed names: {listed(checkpoint.unknown)}." if checkpoint.unknown
               else "It refers to nothing but tensors.")]
    return "\n".join(lines) + "\n"
