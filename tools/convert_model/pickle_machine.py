"""A pickle's opcodes, read without importing or calling anything.

What the stream names becomes a Global, a name and nothing else. What it asks to call, build or instantiate becomes an
Inert that remembers its parts, unless the name is in `calls`, our own closed table. Dictionaries are lists of pairs:
nothing from the file is hashed, compared or converted. Every length is checked against the bytes that are there, so
that work and memory are bounded by the size of the stream.
source: https://docs.python.org/3.11/library/pickletools.html (protocols 0 to 5)
"""
import struct

from convert_model.refused import Refused, shown

BYTES_MAX = 64 << 20   # a checkpoint's pickle holds names and sizes; weights lie outside
STEPS_MAX = 4_000_000  # about thirty a tensor
DIGITS_MAX = 1000
LONG_BYTES_MAX = 256


class Global:
    """A name the stream refers to."""
    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name


class Inert:
    """What an unknown call or class would have made."""
    __slots__ = ("name", "parts")

    def __init__(self, name, parts=()):
        self.name, self.parts = name, list(parts)


class Pairs:
    """A dictionary, unhashed, in the order of the stream."""
    __slots__ = ("pairs",)

    def __init__(self):
        self.pairs = []


class Machine:
    """One pickle out of data[start:]; run() returns its value, `at` then stands behind it.

    calls: global name -> function of one tuple. persistent: function of a persistent id.
    """

    def __init__(self, data, start=0, calls=None, persistent=None):
        self.data, self.at = data, start
        self.end = min(len(data), start + BYTES_MAX)
        self.calls = calls or {}
        self.persistent = persistent or (lambda pid: Inert("a persistent id", [pid]))
        self.stack, self.marks, self.memo = [], [], {}
        self.globals = {}  # names, in order of appearance

    def run(self):
        for _ in range(STEPS_MAX):
            code = self.take(1)
            if code == b".":
                return self.pop()
            step = OPCODES.get(code)
            if step is None:
                raise Refused(f"pickle: no such opcode {code!r} at byte {self.at - 1}")
            step(self)
        raise Refused(f"pickle: more than {STEPS_MAX} opcodes")

    # the stream

    def take(self, count):
        if count < 0 or count > self.end - self.at:
            raise Refused(f"pickle: cut off or too long at byte {self.at}")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self):
        end = self.data.find(b"\n", self.at, self.end)
        if end < 0:
            raise Refused(f"pickle: a line without end at byte {self.at}")
        return self.take(end + 1 - self.at)[:-1]

    def text_line(self):
        return decoded(self.line(), "utf-8")

    # the stack

    def push(self, value):
        self.stack.append(value)

    def pop(self):
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise Refused(f"pickle: nothing on the stack at byte {self.at - 1}")
        return self.stack.pop()

    def top(self):
        value = self.pop()
        self.stack.append(value)
        return value

    def pop_mark(self):
        """The values since the last mark, in order."""
        if not self.marks:
            raise Refused(f"pickle: no mark at byte {self.at - 1}")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def recall(self, index):
        if index not in self.memo:
            raise Refused(f"pickle: nothing remembered as {index}")
        self.push(self.memo[index])

    # names and calls

    def find(self, module, name):
        if not isinstance(module, str) or not isinstance(name, str):
            raise Refused("pickle: a global whose name is not text")
        full = f"{module}.{name}"
        self.globals.setdefault(full)
        self.push(Global(full))

    def call(self, function, arguments):
        name = function.name if isinstance(function, (Global, Inert)) else type(function).__name__
        if isinstance(function, Global) and function.name in self.calls and isinstance(arguments, tuple):
            return self.calls[function.name](arguments)
        return Inert(name, [arguments])

    def extend(self, target, values):
        if isinstance(target, list):
            target.extend(values)
        elif isinstance(target, Inert):
            target.parts.extend(values)
        else:
            raise Refused("pickle: appends to what is no list")

    def set_items(self, target, values):
        if len(values) % 2:
            raise Refused("pickle: a key without a value")
        if isinstance(target, Pairs):
            target.pairs.extend(zip(values[0::2], values[1::2]))
        elif isinstance(target, Inert):
            target.parts.extend(values)
        else:
            raise Refused("pickle: sets items of what is no dictionary")


def decoded(data, encoding):
    try:
        return str(data, encoding, "surrogatepass" if encoding == "utf-8" else "strict")
    except ValueError:
        raise Refused("pickle: text in a wrong encoding") from None


def old_text(data):
    """Python 2's str: ASCII names in every checkpoint; other bytes keep their number."""
    return str(data, "latin-1")


def integer(text, bytes_read):
    if not text.isascii() or not text.lstrip(b"+-").isdigit() or len(text) > DIGITS_MAX:
        raise Refused(f"pickle: {shown(old_text(bytes_read))} is no number")
    try:
        return int(text)
    except ValueError:
        raise Refused(f"pickle: {shown(old_text(bytes_read))} is no number") from None


def op_int(machine):
    line = machine.line()
    machine.push(line == b"01" if line in (b"00", b"01") else integer(line.strip(), line))


def op_long(machine):
    line = machine.line()
    machine.push(integer(line.strip().removesuffix(b"L"), line))


def op_long_bytes(form):
    def step(machine):
        count = machine.number(form)
        if count < 0 or count > LONG_BYTES_MAX:
            raise Refused("pickle: a number of too many digits")
        machine.push(int.from_bytes(machine.take(count), "little", signed=True))
    return step


def op_float(machine):
    line = machine.line()
    try:
        machine.push(float(line))
    except ValueError:
        raise Refused(f"pickle: {shown(old_text(line))} is no number") from None


def op_string(machine):
    line = machine.line().strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"') or b"\\" in line:
        raise Refused("pickle: a text without quotes, or with escapes")
    machine.push(old_text(line[1:-1]))


def op_get(machine):
    line = machine.line()
    machine.recall(integer(line.strip(), line))


def op_put(machine):
    line = machine.line()
    machine.memo[integer(line.strip(), line)] = machine.top()


def op_dict(machine):
    made, values = Pairs(), machine.pop_mark()
    machine.set_items(made, values)
    machine.push(made)


def op_setitem(machine):
    value, key = machine.pop(), machine.pop()
    machine.set_items(machine.top(), [key, value])


def op_append(machine):
    value = machine.pop()
    machine.extend(machine.top(), [value])


def op_tuple(count):
    def step(machine):
        machine.push(tuple(reversed([machine.pop() for _ in range(count)])))
    return step


def op_reduce(machine):
    arguments, function = machine.pop(), machine.pop()
    machine.push(machine.call(function, arguments))


def op_newobj_ex(machine):
    keywords, arguments, kind = machine.pop(), machine.pop(), machine.pop()
    machine.push(machine.call(kind, [arguments, keywords]))


def op_build(machine):
    """What a state would have done to an object. A dictionary's attributes (a state dict has `_metadata`) and a
    tensor's are not part of what it holds."""
    state = machine.pop()
    target = machine.top()
    if isinstance(target, Inert):
        target.parts.append(state)


def op_inst(machine):
    module, name = machine.text_line(), machine.text_line()
    machine.find(module, name)
    kind = machine.pop()
    machine.push(machine.call(kind, tuple(machine.pop_mark())))


def op_obj(machine):
    values = machine.pop_mark()
    if not values:
        raise Refused("pickle: an object without a class")
    machine.push(machine.call(values[0], tuple(values[1:])))


def op_extension(form):
    def step(machine):
        machine.find("copyreg extension", str(machine.number(form)))
    return step


def op_stack_global(machine):
    name, module = machine.pop(), machine.pop()
    machine.find(module, name)


def op_proto(machine):
    if machine.number("<B") > 5:
        raise Refused("pickle: of a protocol above 5")


def op_no_buffer(machine):
    raise Refused("pickle: refers to buffers outside the file")


def after_length(form, made):
    """An opcode whose argument is a length and that many bytes."""
    return lambda machine: machine.push(made(machine.take(machine.number(form))))


def text(data):
    return decoded(data, "utf-8")


OPCODES = {
    b"(": lambda m: m.marks.append(len(m.stack)),
    b"0": lambda m: m.pop() if len(m.stack) > (m.marks[-1] if m.marks else 0) else m.pop_mark(),
    b"1": lambda m: m.pop_mark(),
    b"2": lambda m: m.push(m.top()),
    b"N": lambda m: m.push(None), b"\x88": lambda m: m.push(True), b"\x89": lambda m: m.push(False),
    b"I": op_int, b"L": op_long, b"F": op_float,
    b"J": lambda m: m.push(m.number("<i")), b"K": lambda m: m.push(m.number("<B")),
    b"M": lambda m: m.push(m.number("<H")), b"G": lambda m: m.push(m.number(">d")),
    b"\x8a": op_long_bytes("<B"), b"\x8b": op_long_bytes("<i"),
    b"S": op_string, b"T": after_length("<i", old_text), b"U": after_length("<B", old_text),
    b"V": lambda m: m.push(decoded(m.line(), "raw-unicode-escape")),
    b"X": after_length("<I", text), b"\x8c": after_length("<B", text), b"\x8d": after_length("<Q", text),
    b"B": after_length("<I", bytes), b"C": after_length("<B", bytes), b"\x8e": after_length("<Q", bytes),
    b"\x96": after_length("<Q", bytes), b"\x97": op_no_buffer, b"\x98": op_no_buffer,
    b"]": lambda m: m.push([]), b"l": lambda m: m.push(m.pop_mark()),
    b"a": op_append, b"e": lambda m: extend_top(m, m.pop_mark()),
    b")": lambda m: m.push(()), b"t": lambda m: m.push(tuple(m.pop_mark())),
    b"\x85": op_tuple(1), b"\x86": op_tuple(2), b"\x87": op_tuple(3),
    b"}": lambda m: m.push(Pairs()), b"d": op_dict, b"s": op_setitem,
    b"u": lambda m: set_items_of_top(m, m.pop_mark()),
    b"\x8f": lambda m: m.push(Inert("set")), b"\x90": lambda m: extend_top(m, m.pop_mark()),
    b"\x91": lambda m: m.push(Inert("frozenset", m.pop_mark())),
    b"g": op_get, b"h": lambda m: m.recall(m.number("<B")), b"j": lambda m: m.recall(m.number("<I")),
    b"p": op_put, b"q": lambda m: m.memo.__setitem__(m.number("<B"), m.top()),
    b"r": lambda m: m.memo.__setitem__(m.number("<I"), m.top()),
    b"\x94": lambda m: m.memo.__setitem__(len(m.memo), m.top()),
    b"c": lambda m: m.find(m.text_line(), m.text_line()), b"\x93": op_stack_global,
    b"i": op_inst, b"o": op_obj, b"R": op_reduce, b"\x81": op_reduce, b"\x92": op_newobj_ex, b"b": op_build,
    b"\x82": op_extension("<B"), b"\x83": op_extension("<H"), b"\x84": op_extension("<I"),
    b"P": lambda m: m.push(m.persistent(m.text_line())), b"Q": lambda m: m.push(m.persistent(m.pop())),
    b"\x80": op_proto, b"\x95": lambda m: m.number("<Q"),
}


def extend_top(machine, values):
    machine.extend(machine.top(), values)


def set_items_of_top(machine, values):
    machine.set_items(machine.top(), values)
