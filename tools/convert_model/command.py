"""The command line of tools/convert."""
import argparse
import math
import os
import re
import sys

from convert_model import card, family_cardiac_clip, family_cmr_clip, family_ct_glip, family_fvlm, family_hf_clip
from convert_model import family_radar, family_radclip, folder, safetensors_file, same_text, text_vectors, vocabulary
from convert_model.checkpoint import open_checkpoint
from convert_model.family import Converted
from convert_model.finite import numbers
from convert_model.refused import Refused, shown
from convert_model.rules import match
from convert_model.torch_values import FLOATS

FAMILIES = {module.FAMILY.system: module.FAMILY for module in (
    family_cardiac_clip, family_cmr_clip, family_radclip, family_ct_glip, family_fvlm, family_radar, family_hf_clip)}

GROWTH_MAX = 8  # nnU-Net repeats its weights three times

ABOUT = """\
Make a model folder from what a system's authors publish.

  tools/convert cardiac-clip cardiac_clip.ckpt --vocab vocab.txt -o models/cardiac-clip
  tools/convert radclip RadCLIP.pth --vocab vocab.json merges.txt --openai model.safetensors -o models/radclip

CHECKPOINT is a torch.save file (zip or legacy, .ckpt, .pth, .bin), a .safetensors file, the index of a sharded one,
or a folder of Hugging Face's. It is read without importing or calling anything that it names; what it names beyond
tensors is listed, and refused when the weights depend on it. Every name, shape and value is checked; what is wrong
is said by name. Nothing is written unless all is well.
"""
EXIT = "exit status: 0 written; 1 refused, the reason on standard error, nothing written; 2 wrong usage"


def read_arguments(arguments):
    parser = argparse.ArgumentParser(prog="tools/convert", description=ABOUT, epilog=EXIT,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system", metavar="SYSTEM", choices=FAMILIES, help=", ".join(FAMILIES))
    parser.add_argument("checkpoint", metavar="CHECKPOINT")
    parser.add_argument("-o", dest="out", metavar="DIR", required=True, help="the model folder; new or empty")
    parser.add_argument("--vocab", nargs="+", default=[], metavar="FILE",
                        help="vocab.txt, or vocab.json and merges.txt (default: those beside the checkpoint)")
    parser.add_argument("--any-size", action="store_true", help="take a size other than the published one")
    parser.add_argument("--input", type=lambda text: [int(n) for n in text.split(",")], metavar="Z,Y,X",
                        help="size of the image, where the positions do not say it")
    parser.add_argument("--openai", metavar="FILE",
                        help="radclip: openai/clip-vit-large-patch14; the text tower must equal it bit for bit")
    parser.add_argument("--text-vectors", metavar="FILE", help="radar: the published text vectors (.pt)")
    parser.add_argument("--ignore", action="append", default=[], metavar="NAME",
                        help="leave out a tensor there is no place for; one that ends with a dot is a prefix")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=JSON",
                        help="any key of config.json: name='\"site-7\"', score.threshold=0.6, vision.heads=4")
    return parser.parse_args(arguments)


def main(arguments=None):
    given = read_arguments(arguments)
    try:
        convert(FAMILIES[given.system], given)
    except Refused as refused:
        print(f"tools/convert: {refused}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"tools/convert: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def convert(family, given):
    checkpoint = open_checkpoint(given.checkpoint)
    if checkpoint.unknown:
        print("names that stayed names: " + ", ".join(map(shown, checkpoint.unknown)), file=sys.stderr)
    any_size = given.any_size or family.published is None
    depths = family.depths(checkpoint.tensors) if any_size else family.published_depths
    check_growth(checkpoint)
    ignored = (*family.ignored, *map(ignored_pattern, given.ignore))
    kept, sizes, dropped = match(checkpoint, list(family.rules(depths)), ignored,
                                 None if any_size else family.published, family.totals)
    found = Converted(sizes, depths, scalars(family, checkpoint), hf_config(given.checkpoint), given.input,
                      assignments(given.set))
    said = list(extras(family, found, given, checkpoint))
    config = configured(family, found)
    vocab = vocabulary.find(family.tokenizer, given.vocab, given.checkpoint)
    vocabulary.check(family.tokenizer, vocab, sizes.get("V", 0))
    if family.tokenizer and not vocab:
        said.append(f"No vocabulary was given: add {' and '.join(vocabulary.NAMES[family.tokenizer])} before use.")
    with folder.new_folder(given.out) as made:
        write(made, family, found, config, vocab, checkpoint, kept,
              [name for name in dropped if name not in family.scalars], {"published": not any_size, "said": said})
    for note in said:
        print(note, file=sys.stderr)


def check_growth(checkpoint):
    """Tensors may share their storage, but not to fill a disk."""
    held = sum(size for _, _, size, _ in checkpoint.files)
    asked = sum(tensor.count * tensor.size for tensor in checkpoint.tensors.values())
    if asked > GROWTH_MAX * held:
        raise Refused(f"{asked} bytes of tensors share the {held} bytes of the file")


def ignored_pattern(name):
    return re.escape(name) + (".*" if name.endswith(".") else "")


def extras(family, found, given, checkpoint):
    """What one system alone has. Yields sentences for the card."""
    if given.openai and family.system != "radclip" or given.text_vectors and family.system != "radar":
        raise Refused(f"--openai goes with radclip, --text-vectors with radar, not with {family.system}")
    if given.openai:
        yield f"{same_text.check(checkpoint, given.openai)} tensors of the text tower equal the given OpenAI model " \
              "bit for bit."
    elif family.system == "radclip":
        yield "No OpenAI model was given: that the text tower is the frozen one was not checked."
    if given.text_vectors:
        found.vectors, digest = text_vectors.read(given.text_vectors, found.sizes["J"])
        yield f"{len(found.vectors)} pairs of text vectors from a file of SHA-256 `{digest}`."
        yield from text_vectors.lengths(found.vectors)
    elif family.system == "radar":
        yield "No text vectors were given: the model embeds organs, but asks no labels (--text-vectors)."


def scalars(family, checkpoint):
    values = {}
    for name in family.scalars:
        tensor = checkpoint.tensors.get(name)
        if tensor is None or tensor.count != 1 or tensor.dtype not in FLOATS or tensor.fault():
            raise Refused(f"{name}: missing, or not one number")
        values[name], = numbers(tensor)
        if not math.isfinite(values[name]) or values[name] <= 0:
            raise Refused(f"{name}: is {values[name]}, no temperature")
    return values


def hf_config(path):
    beside = os.path.join(path if os.path.isdir(path) else os.path.dirname(path), "config.json")
    if not os.path.isfile(beside):
        return {}
    value = safetensors_file.parse_json(vocabulary.read(beside), beside)
    return value if isinstance(value, dict) and value.get("model_type") == "clip" else {}


def assignments(texts):
    pairs = (text.partition("=") for text in texts)
    return {key: safetensors_file.parse_json(value, f"--set {key}") for key, _, value in pairs}


def configured(family, found):
    config = {"name": family.system, "version": "1", "manufacturer": "unknown", "family": family.name,
              "trained": True, "license": family.licence, "source": family.source,
              "intended_use": "Research. Not for clinical use."} | family.config(found)
    for path, value in found.given.items():
        *sections, key = path.split(".")
        target = config
        for section in sections:
            target = target.setdefault(section, {})
            if not isinstance(target, dict):
                raise Refused(f"--set {path}: {section} is no section")
        target[key] = value
    return config


def prompts(family, found):
    kind = "published" if family.published else "inferred"
    organs = {"organ_prompts": family.organ_prompts} if family.organ_prompts else {}
    return {"version": f"{family.system}-{kind}-1", "labels": family.prompts(found)} | organs


def write(made, family, found, config, vocab, checkpoint, kept, dropped, notes):
    digests = {name: folder.copy(made, name, path) for name, path in vocab.items()}
    digests["config.json"] = folder.write_json(made, "config.json", config)
    digests["prompts.json"] = folder.write_json(made, "prompts.json", prompts(family, found))
    if family.segments:
        digests["segments.json"] = folder.write_json(made, "segments.json", family.segments)
    tensors = [(one.canonical, one.dtype, one.shape, one.chunks) for one in kept] + list(family.made(found))
    digests["model.safetensors"] = safetensors_file.write(os.path.join(made, "model.safetensors"), tensors)
    if found.vectors:
        digests["text_cache.safetensors"] = safetensors_file.write(
            os.path.join(made, "text_cache.safetensors"), text_vectors.tensors(found.vectors))
    folder.write_text(made, "README.md", card.card(family, config, checkpoint, kept, dropped, digests, notes))
