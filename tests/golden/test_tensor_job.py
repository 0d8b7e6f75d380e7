"""`encode --tensor` of a tower of volumes: which shapes it takes, and the mask beside them."""
import pytest
import torch
from safetensors.torch import save_file

from test_clip import ask, command  # noqa: F401

SHAPE = (32, 48, 48)  # models/demo-ct


def encode(command, root, folder, ok=True, **tensors):  # noqa: F811
    save_file(tensors, folder / "in.safetensors")
    return ask(command, "encode", "--model", root / "models/demo-ct", "--tensor", folder / "in.safetensors", "--json",
               ok=ok)


def volume(*shape):
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)).reshape(shape or SHAPE)


def test_axes_of_one_may_lead(command, root, tmp_path):  # noqa: F811
    mask = torch.ones(SHAPE, dtype=torch.uint8)
    vectors = [encode(command, root, tmp_path, input=volume(*shape))["embedding"]
               for shape in (SHAPE, (1, *SHAPE), (1, 1, *SHAPE))]
    vectors.append(encode(command, root, tmp_path, input=volume(), mask=mask)["embedding"])
    assert len(vectors[0]) == 64 and all(vector == vectors[0] for vector in vectors)


@pytest.mark.parametrize("tensors, words", [
    (dict(input=torch.zeros(2, *SHAPE)), ["[2,32,48,48]", "[1,32,48,48]"]),
    (dict(input=torch.zeros(32, 48)), ["[32,48]"]),
    (dict(input=torch.zeros(32, 48, 40)), ["32 x 48 x 40", "32 x 48 x 48"]),
    (dict(input=torch.zeros(SHAPE, dtype=torch.float16)), ["F16"]),
    (dict(other=torch.zeros(SHAPE)), ["no tensor named", "input"]),
    (dict(input=torch.zeros(SHAPE), mask=torch.zeros(SHAPE)), ["mask", "F32", "U8 [32,48,48]"]),
    (dict(input=torch.zeros(SHAPE), mask=torch.zeros(32, 48, 47, dtype=torch.uint8)), ["mask", "[32,48,47]"]),
    (dict(input=torch.full(SHAPE, float("nan"))), ["not finite"]),
])
def test_what_does_not_fit_is_refused(command, root, tmp_path, tensors, words):  # noqa: F811
    text = encode(command, root, tmp_path, ok=False, **tensors)
    assert all(word in text for word in words), text
