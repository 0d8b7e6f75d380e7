"""Why a file is not converted."""


class Refused(Exception):
    """The text names the file, key or tensor, and what is wrong with it."""


def shown(name, limit=120):
    """A name from a file as it may be printed: no control characters, no end of line, not endless."""
    text = ascii(name)[1:-1] if isinstance(name, str) else ascii(name)
    return text if len(text) <= limit else text[:limit] + "..."
