"""tools/convert's reading of pickles: the same plain data as Python's own, and hostile streams. Whatever the bytes,
nothing is imported or called, and no exception but Refused comes out."""
import collections
import io
import pathlib
import pickle
import pickletools
import random
import struct
import sys

import pytest
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

from convert_model import pickle_machine  # noqa: E402
from convert_model.checkpoint import Checkpoint, read_file, state_dict  # noqa: E402
from convert_model.pickle_machine import Global, Inert, Machine, Pairs  # noqa: E402
from convert_model.refused import Refused  # noqa: E402
from convert_model.torch_file import Unpickled  # noqa: E402

PLAIN = [None, True, False, 0, 1, -1, 255, 256, 65535, 65536, 2**31 - 1, -2**31, 2**40, -2**70, 2**600, 0.0, -2.5, 1e300,
         float("inf"), "", "text", "été 主动脉\n\\", "x" * 300, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1, [2, ()]],
         {}, {"a": 1, "b": {"c": [1, 2]}}, {"k%d" % i: i for i in range(2000)}]


def run(data):
    return Machine(data).run()


def plain(value):
    """The machine's value as Python's own, to compare."""
    if isinstance(value, Pairs):
        return {plain(key): plain(item) for key, item in value.pairs}
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value))
    return value


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_is_what_python_reads(protocol):
    for value in [*PLAIN, PLAIN]:
        if protocol == 0 and isinstance(value, (str, list)) and "\\" in str(value) and value != []:
            continue  # Python writes the escapes of protocol 0 itself; see below
        data = pickle.dumps(value, protocol)
        got = plain(run(data))
        assert got == value and type(got) is type(value), (protocol, value)


def test_old_text_and_its_escapes():
    assert run(pickle.dumps("a\\b\n\u4e3b", 0)) == "a\\b\n\u4e3b"
    assert run(b"S'name.weight'\n.") == "name.weight" == run(b"U\x0bname.weight.") == run(b"T\x0b\0\0\0name.weight.")
    assert run(b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x01a\x94h\0\x86\x94.") == ("a", "a")


def test_bytes_are_kept():
    for protocol in (3, 4, 5):
        assert run(pickle.dumps(b"\0\xff" * 200, protocol)) == b"\0\xff" * 200
    assert run(pickle.dumps(bytearray(b"ab"), 5)) == b"ab"


CALLED = []


class Hostile:
    def __reduce__(self):
        return CALLED.append, ("called",)


@pytest.mark.parametrize("protocol", range(6))
def test_a_call_is_remembered_not_made(protocol):
    value = run(pickle.dumps({"x": Hostile()}, protocol))
    (key, made), = value.pairs
    assert key == "x" and isinstance(made, Inert) and CALLED == []


@pytest.mark.parametrize("stream, name", [
    (b"cos\nsystem\n(S'touch /tmp/x'\ntR.", "os.system"), (b"(S'true'\nios\nsystem\n.", "os.system"),
    (b"(cos\nsystem\nS'true'\no.", "os.system"), (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R.", "os.system"),
    (b"cos\nsystem\n)\x81.", "os.system"), (b"cos\nsystem\n)}\x92.", "os.system"),
    (b"\x82\x05)R.", "copyreg extension.5"), (b"\x83\x05\0)R.", "copyreg extension.5"),
    (b"\x84\x05\0\0\0)R.", "copyreg extension.5"),
    (b"cbuiltins\neval\ncbuiltins\neval\n(S'1'\ntRR.", "builtins.eval"),
])
def test_every_way_to_name_and_call(stream, name):
    value = run(stream)
    assert isinstance(value, Inert) and value.name == name


def test_a_name_alone_stays_a_name():
    value = run(b"cos\nsystem\n.")
    assert isinstance(value, Global) and value.name == "os.system"


def test_states_and_items_go_into_what_they_would_have_changed():
    value = run(b"cargparse\nNamespace\n)\x81}S'lr'\nK\x01sb.")
    assert value.name == "argparse.Namespace" and value.parts[1].pairs == [("lr", 1)]
    value = run(b"ccollections\ndeque\n)R(K\x01K\x02e.")
    assert value.parts[1:] == [1, 2]
    assert run(b"\x8f(K\x01\x90.").parts == [1] and run(b"(K\x01\x91.").parts == [1]


BAD = {
    "empty": b"", "no end": b"N", "pop of nothing": b"0.", "stop on nothing": b".", "no such opcode": b"\xff.",
    "no mark": b"e.", "mark below": b"]K\x01(0e.", "unknown memo": b"h\x07.", "unknown memo, text": b"g7\n.",
    "unknown memo, long": b"j\xff\xff\xff\xff.", "length beyond the end": b"X\xff\xff\xff\x7fabc.",
    "length of 8 bytes": b"\x8d" + b"\xff" * 8 + b".", "negative length": b"T\xff\xff\xff\xff.",
    "negative long": b"\x8b\xff\xff\xff\xff.", "endless long": b"\x8b\xff\xff\xff\x7f" + b"\1" * 50 + b".",
    "long of 5,000 digits": b"L" + b"9" * 5000 + b"L\n.", "no number": b"Iabc\n.", "no float": b"Fx\n.",
    "no quotes": b"Sabc\n.", "a line without end": b"Iabc", "text of no encoding": b"X\x01\0\0\0\xff.",
    "buffer": b"\x97.", "read-only buffer": b"N\x98.", "protocol": b"\x80\x07.", "append to a number": b"K\x01K\x02a.",
    "item of a number": b"K\x01K\x02K\x03s.", "odd items": b"}(K\x01u.", "odd dictionary": b"(K\x01d.",
    "name of a number": b"K\x01K\x02\x93.", "no class": b"(o.", "frame cut off": b"\x95\0\0.",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_stream_is_refused(name):
    with pytest.raises(Refused):
        run(BAD[name])


def test_every_opcode_is_known():
    known = set(pickle_machine.OPCODES) | {b"."}
    assert known == {one.code.encode("latin-1") for one in pickletools.opcodes}


def test_work_is_bounded(monkeypatch):
    monkeypatch.setattr(pickle_machine, "STEPS_MAX", 1000)
    with pytest.raises(Refused, match="more than 1000 opcodes"):
        run(b"N" * 2000 + b".")
    monkeypatch.setattr(pickle_machine, "BYTES_MAX", 10)
    with pytest.raises(Refused, match="too long"):
        run(b"U\x40" + b"x" * 64 + b".")


def test_depth_and_sharing_do_no_harm():
    deep = b")" + b"\x85" * 100_000 + b"."
    assert isinstance(run(deep), tuple)
    shared = b"]q\0" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(200)) + b"."
    assert isinstance(run(shared), list)  # doubled two hundred times, were it copied
    own = run(b"]q\0h\0a.")
    assert own[0] is own


def test_what_many_keys_share_is_looked_at_once():
    shared = b"(lq\0(" + b"K\x01" * 200_000 + b"e"
    keys = b"".join(b"Vk%d\nh\0" % i for i in range(20_000))
    value = run(b"(" + shared + b"0}(" + keys + b"u.")
    assert len(value.pairs) == 20_000
    assert len(state_dict(value)[1]) == 20_000  # else four thousand million steps


def test_an_endless_name_is_refused():
    with pytest.raises(Refused, match="endless"):
        state_dict(run(b"}X\xe9\x03\0\0" + b"n" * 1001 + b"K\x01s."))


def saved(legacy):
    out = io.BytesIO()
    state = collections.OrderedDict(a=torch.ones(2, 3), b=torch.nn.Parameter(torch.ones(2).half()),
                                    c=torch.ones(3, 2).t())
    torch.save({"state_dict": state, "epoch": 3, "lr": 1e-3}, out, _use_new_zipfile_serialization=not legacy)
    return out.getvalue()


def read(path, data):
    """The tensors' bytes; Refused is the only exception that is expected."""
    path.write_bytes(data)
    found = Checkpoint()
    read_file(found, str(path))
    return {name: b"".join(map(bytes, tensor.chunks())) for name, tensor in found.tensors.items()
            if tensor.fault() is None}


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_cut_anywhere_is_refused(tmp_path, legacy):
    data = saved(legacy)
    whole = read(tmp_path / "f", data)
    assert set(whole) == {"a", "b", "c"}
    for length in range(len(data)):
        with pytest.raises(Refused):
            read(tmp_path / "f", data[:length])
            pytest.fail(f"taken at {length} of {len(data)} bytes")


@pytest.mark.parametrize("legacy", [False, True])
def test_mutations_are_read_or_refused(tmp_path, legacy):
    data, chance = saved(legacy), random.Random(4)
    for _ in range(600):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        try:
            read(tmp_path / "f", bytes(changed))
        except Refused:
            pass


def test_random_opcodes_are_read_or_refused():
    chance = random.Random(5)
    codes = list(pickle_machine.OPCODES)
    for _ in range(10_000):
        parts = [chance.choice(codes) + chance.randbytes(chance.choice((0, 0, 1, 4))) for _ in range(chance.randint(1, 30))]
        try:
            Unpickled(b"".join(parts) + b".")
        except Refused:
            pass


def test_tensors_of_nonsense_are_refused_or_inert():
    storage = b"((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nK\x04tQ"
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
    good = rebuild + storage + b"K\0(K\x02K\x02t(K\x02K\x01tI00\nNtR."
    assert Unpickled(good).value.shape == (2, 2)
    for bad in (rebuild + b")R.", rebuild + b"(NNNNtR.", good.replace(b"K\0(", b"J\xff\xff\xff\xff("),
                good.replace(b"(K\x02K\x02t", b"(K\x02t"), good.replace(b"(K\x02K\x02t", b"N"),
                good.replace(b"(K\x02K\x02t", b"(" + b"L" + str(2**70).encode() + b"L\nK\x02t"),
                good.replace(b"(K\x02K\x02t(K\x02K\x01t", b"(" + b"K\x01" * 17 + b"t(" + b"K\x01" * 17 + b"t")):
        with pytest.raises(Refused):
            Unpickled(bad)
    strange = Unpickled(good.replace(b"FloatStorage", b"QInt8Storage")).value
    assert isinstance(strange, Inert)
    far = Unpickled(good.replace(b"K\0(", b"K\x01(")).value
    far.storage.read = lambda: memoryview(struct.pack("<4f", *range(4)))
    assert "reaches to value 4" in far.fault()
