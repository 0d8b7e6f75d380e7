"""What a family_*.py says of one system."""
import dataclasses
import math
from typing import Callable

from convert_model.refused import Refused


@dataclasses.dataclass
class Converted:
    """What the rules found, as the family's config and prompts see it."""
    sizes: dict     # names of rules.py -> numbers
    depths: dict    # stack -> layers
    scalars: dict   # published name -> value
    hf: dict        # Hugging Face's config.json beside the checkpoint, or {}
    input: list | None = None    # --input
    given: dict = dataclasses.field(default_factory=dict)  # --set
    vectors: list = dataclasses.field(default_factory=list)  # shipped text vectors (RADAR)


@dataclasses.dataclass
class Family:
    system: str
    title: str
    name: str       # config.json: family
    depths: Callable     # names -> {stack: layers}
    rules: Callable      # depths -> rules
    config: Callable     # Converted -> sections of config.json
    published_depths: dict | None
    published: dict | None      # sizes
    licence: str
    source: str
    totals: tuple | None = None  # tensors, values; both of what the published file is known to hold
    ignored: tuple = ()          # patterns of names that may be there and are not needed
    scalars: tuple = ()          # one-value tensors that become keys of config.json
    prompts: Callable = lambda found: []  # Converted -> labels
    organ_prompts: str | None = None  # how an organ is recognised
    segments: dict = dataclasses.field(default_factory=dict)  # segments.json; {}: none
    made: Callable = lambda found: ()  # Converted -> tensors that no checkpoint holds, as safetensors_file.write
    tokenizer: str | None = "wordpiece"  # or "bpe"
    notes: tuple = ()            # sentences for the card


def heads(found, width, key):
    """Heads of 64 values in every published model."""
    if key in found.given:
        return found.given[key]
    if width % 64:
        raise Refused(f"{key}: width {width} is no multiple of 64; say how many heads: --set {key}=N")
    return width // 64


def input_of(found, cells, patch, published):
    """[z, y, x] of the image whose patches make so many positions: --input, the published one, or a square."""
    if found.input:
        grid = [n // p for n, p in zip(found.input, patch)]
        if len(found.input) != len(patch) or [n * p for n, p in zip(grid, patch)] != found.input or \
                math.prod(grid) != cells:
            raise Refused(f"--input {found.input}: patches of {patch} do not make the {cells} positions it has")
        return found.input
    if math.prod(n // p for n, p in zip(published, patch)) == cells and not any(n % p for n, p in zip(published, patch)):
        return published
    side = math.isqrt(cells)
    if len(patch) == 2 and side * side == cells:
        return [side * patch[0], side * patch[1]]
    raise Refused(f"{cells} positions do not say the size of the image: give it with --input")
