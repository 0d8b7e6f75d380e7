"""tools/convert's reading and writing of safetensors, held against the safetensors library and hostile headers."""
import json
import pathlib
import random
import struct
import sys

import pytest
import torch
from safetensors.torch import load_file, save

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

from convert_model import safetensors_file  # noqa: E402
from convert_model.refused import Refused  # noqa: E402

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
          torch.uint8, torch.bool]


def tensors():
    torch.manual_seed(1)
    found = {f"t{i}": (torch.randn(2, i + 1) * 9).to(dtype) for i, dtype in enumerate(DTYPES)}
    return found | {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3)}


def test_what_the_library_wrote_is_read_and_written_the_same(tmp_path):
    read = safetensors_file.read(save(tensors(), {"format": "pt"}))
    assert {name: tensor.shape for name, tensor in read.items()} == {n: tuple(t.shape) for n, t in tensors().items()}
    digest = safetensors_file.write(tmp_path / "f", [(n, t.dtype, t.shape, t.chunks) for n, t in read.items()])
    made = load_file(tmp_path / "f")
    assert len(digest) == 64 and set(made) == set(tensors())
    for name, value in tensors().items():
        assert made[name].dtype == value.dtype and torch.equal(made[name], value)
    assert struct.unpack("<Q", (tmp_path / "f").read_bytes()[:8])[0] % 8 == 0


def with_header(header, body=bytes(24)):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(**changes):
    return {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]} | changes}


def test_a_good_header_is_taken():
    assert safetensors_file.read(with_header(entry()))["a"].shape == (2, 3)


@pytest.mark.parametrize("header", [
    entry(dtype="F31"), entry(dtype=None), entry(dtype=["F32"]), entry(dtype={}), entry(shape=None), entry(shape=[6.0]),
    entry(shape=[-2, -3]), entry(shape=[True, 6]), entry(shape=[2**70, 0]), entry(shape=[1] * 17 + [6]), entry(shape="23"),
    entry(data_offsets=[0]), entry(data_offsets=[0, 24, 24]), entry(data_offsets=[4, 28]), entry(data_offsets=[24, 0]),
    entry(data_offsets=[0, 20]), entry(more=1), {"a": 7}, {"a": None}, {"__metadata__": {}},
    {"a": entry()["a"], "b": entry()["a"]}, b"[]", b"{", b"{}x", b'{"a":1,"a":2}', b"[" * 100_000, b"\xff\xfe", b"1e999", b""])
def test_a_bad_header_is_refused(header):
    with pytest.raises(Refused):
        safetensors_file.read(with_header(header))


def test_lengths_are_checked():
    good = with_header(entry())
    for data in (good[:-1], good + b"x", struct.pack("<Q", 2**63) + good[8:], struct.pack("<Q", 33 << 20) + good[8:]):
        with pytest.raises(Refused):
            safetensors_file.read(data)


def test_mutations_are_read_or_refused():
    data, chance = save(tensors()), random.Random(3)
    length = 8 + struct.unpack("<Q", data[:8])[0]
    for _ in range(4000):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(length)] = chance.choice(b'[]{}",:0123456789ax\0\xff')
        try:
            for tensor in safetensors_file.read(bytes(changed)).values():
                if tensor.fault() is None and tensor.size <= 8:
                    list(tensor.chunks())
        except Refused:
            pass
