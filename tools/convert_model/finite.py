"""Are all values finite? Little-endian bytes of a float type in, at the speed of slicing: only the byte that holds the
upper bits of the exponent is looked at, and the values one by one only where that byte leaves it open."""
import array
import math
import struct
import sys

HALF_OPEN = bytes(range(0x7C, 0x80)) + bytes(range(0xFC, 0x100))  # the five bits of a half's exponent are set


def finite(chunk, dtype):
    data = bytes(chunk)
    if dtype == "F16":
        high = data[1::2]
        return len(high.translate(None, HALF_OPEN)) == len(high)
    size = {"F64": 8, "F32": 4, "BF16": 2}[dtype]
    high = data[size - 1::size]
    if b"\x7f" not in high and b"\xff" not in high:
        return True
    if dtype == "BF16":
        return not any(h & 0x7F == 0x7F and low & 0x80 for h, low in zip(high, data[0::2]))
    values = array.array("d" if dtype == "F64" else "f", data)
    if sys.byteorder == "big":
        values.byteswap()
    return all(map(math.isfinite, values))


def numbers(tensor):
    """The values of a small tensor of a float type, as Python's floats."""
    data = b"".join(bytes(chunk) for chunk in tensor.chunks())
    if tensor.dtype == "BF16":  # the upper half of a float
        data = b"".join(b"\0\0" + data[at:at + 2] for at in range(0, len(data), 2))
    form = {"F64": "d", "F32": "f", "F16": "e", "BF16": "f"}[tensor.dtype]
    return struct.unpack(f"<{tensor.count}{form}", data)
