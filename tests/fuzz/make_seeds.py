#!/usr/bin/env python3
"""Write the seeds of the fuzz targets into corpus/, all made here: nothing of a patient, nothing of others.

make_seeds.py                 write corpus/ and dictionaries/ anew (needs dcmtk's tools, and Pillow with JPEG 2000 for that seed)
make_seeds.py --real FROM TO  copy small real files of FROM (../shared/data) into the scratch folders TO/<target>;
                              they stay out of the repository
"""
import io
import json
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_CT, SEGMENTATION = "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.66.4"
LONG = {"OB", "OW", "OF", "SQ", "UN", "UT"}


def element(tag, vr, value, syntax=EXPLICIT, length=None):
    order = ">" if syntax == BIG else "<"
    if isinstance(value, str):
        value = value.encode("latin-1")
        if len(value) % 2:
            value += b"\0" if vr == "UI" else b" "
    elif isinstance(value, int):
        value = struct.pack(order + {"US": "H", "UL": "I", "SS": "h"}[vr], value)
    length = len(value) if length is None else length
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT:
        return head + struct.pack("<I", length) + value
    if vr in LONG:
        return head + vr.encode() + struct.pack(order + "HI", 0, length) + value
    return head + vr.encode() + struct.pack(order + "H", length) + value


def item(content, undefined=False):
    if undefined:
        return b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + content + b"\xfe\xff\x0d\xe0\0\0\0\0"
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(content)) + content


def sequence(tag, items, undefined=False):
    content = b"".join(items)
    if undefined:
        return element(tag, "SQ", content + b"\xfe\xff\xdd\xe0\0\0\0\0", length=0xFFFFFFFF)
    return element(tag, "SQ", content)


def part10(syntax, dataset):
    meta = element(0x00020002, "UI", CT) + element(0x00020003, "UI", "1.2.3.4") + element(0x00020010, "UI", syntax)
    return bytes(128) + b"DICM" + element(0x00020000, "UL", len(meta)) + meta + dataset


def image(syntax=EXPLICIT, rows=8, columns=8, bits=16, stored=12, signed=0, frames=0, charset="ISO_IR 100",
          sop_class=CT, extra=b"", pixels=None):
    def e(tag, vr, value):
        return element(tag, vr, value, syntax)
    if pixels is None:
        word = (">" if syntax == BIG else "<") + {8: "B", 16: "H", 32: "I"}[bits]
        pixels = b"".join(struct.pack(word, (37 * i) % (1 << stored)) for i in range(rows * columns * max(frames, 1)))
    return (e(0x00080005, "CS", charset) + e(0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL")
            + e(0x00080016, "UI", sop_class) + e(0x00080018, "UI", "1.2.3.4") + e(0x00080020, "DA", "20200101")
            + e(0x00080033, "TM", "101112.5") + e(0x00080050, "SH", "A1") + e(0x00080060, "CS", "CT")
            + e(0x0008103E, "LO", "made") + e(0x00100010, "PN", "Nobody^Made") + e(0x00100020, "LO", "none")
            + e(0x00180050, "DS", "2.5") + e(0x00181060, "DS", "40.5") + e(0x0020000D, "UI", "1.2.3")
            + e(0x0020000E, "UI", "1.2.3.1") + e(0x00200011, "IS", "3") + e(0x00200013, "IS", "7")
            + e(0x00200032, "DS", "-10.5\\20\\3e1") + e(0x00200037, "DS", "1\\0\\0\\0\\1\\0")
            + e(0x00200052, "UI", "1.2.9") + e(0x00280002, "US", 1) + e(0x00280004, "CS", "MONOCHROME2")
            + (e(0x00280008, "IS", str(frames)) if frames else b"") + e(0x00280010, "US", rows)
            + e(0x00280011, "US", columns) + e(0x00280030, "DS", "0.7\\0.7") + e(0x00280100, "US", bits)
            + e(0x00280101, "US", stored) + e(0x00280102, "US", stored - 1) + e(0x00280103, "US", signed)
            + e(0x00281052, "DS", "-1024") + e(0x00281053, "DS", "1") + extra
            + e(0x7FE00010, "OW", pixels))


ORIENTATION = sequence(0x00209116, [item(element(0x00200037, "DS", "1\\0\\0\\0\\1\\0"))])


def fragments(dataset, pieces, table=b""):
    """The same data set with its pixel data encapsulated."""
    cut = dataset.rindex(b"\xe0\x7f\x10\0")
    return dataset[:cut] + element(0x7FE00010, "OB", item(table) + b"".join(item(p) for p in pieces)
                                   + b"\xfe\xff\xdd\xe0\0\0\0\0", length=0xFFFFFFFF)


def rle_frame(values):
    """Two segments, each one literal run and one replicate run."""
    def segment(data):
        return bytes([len(data) - 1]) + data
    high, low = bytes(v >> 8 for v in values), bytes(v & 255 for v in values)
    first = segment(high)
    first += b"\x80" * (len(first) % 2)
    return struct.pack("<16I", 2, 64, 64 + len(first), *[0] * 13) + first + segment(low) + b"\x80"


def enhanced():
    def frame(z):
        position = sequence(0x00209113, [item(element(0x00200032, "DS", f"0\\0\\{z}"))])
        content = sequence(0x00209111, [item(element(0x00209156, "UL", 1) + element(0x00209057, "UL", z + 1))])
        return item(content + position, undefined=z % 2 == 1)
    shared = (ORIENTATION
              + sequence(0x00289110, [item(element(0x00180050, "DS", "1") + element(0x00280030, "DS", "1\\1"))])
              + sequence(0x00289145, [item(element(0x00281052, "DS", "0") + element(0x00281053, "DS", "2"))]))
    groups = sequence(0x52009229, [item(shared)]) + sequence(0x52009230, [frame(z) for z in range(3)], undefined=True)
    return part10(EXPLICIT, image(rows=4, columns=4, frames=3, sop_class=ENHANCED_CT, extra=groups))


def jpeg_2000(boxes=False):
    from PIL import Image
    out = io.BytesIO()
    Image.frombytes("I;16", (8, 8), struct.pack("<64H", *[i * 60 for i in range(64)])).save(
        out, "JPEG2000", irreversible=False, num_resolutions=1, no_jp2=not boxes)
    return out.getvalue()


def deflated(dataset):
    squeeze = zlib.compressobj(wbits=-15)
    content = squeeze.compress(dataset) + squeeze.flush()
    return part10("1.2.840.10008.1.2.1.99", content + b"\0" * (len(content) % 2))


def dicom():
    seeds = {
        "explicit": part10(EXPLICIT, image()),
        "implicit": part10(IMPLICIT, image(IMPLICIT)),
        "big-endian": part10(BIG, image(BIG)),
        "bare": image(IMPLICIT),
        "eight-bits": part10(EXPLICIT, image(bits=8, stored=8, rows=5, columns=3)),
        "thirty-two-bits": part10(EXPLICIT, image(bits=32, stored=32, signed=1, rows=2, columns=2)),
        "frames": part10(EXPLICIT, image(frames=3, rows=4, columns=4)),
        "enhanced": enhanced(),
        "short-pixels": part10(EXPLICIT, image(rows=16)[:-200]),
        "no-pixels": part10(EXPLICIT, image())[:-140],
        "japanese": part10(EXPLICIT, image(charset="\\ISO 2022 IR 87").replace(b"made", b"\x1b$B;3\x1b(B "[:4])),
        "deflated": deflated(image()),
        "nested": part10(EXPLICIT, image(extra=_nest(40))),
        "rle": part10("1.2.840.10008.1.2.5",
                      fragments(image(rows=4, columns=4), [rle_frame([i * 100 for i in range(16)])])),
        "rle-fragments": part10("1.2.840.10008.1.2.5", fragments(
            image(rows=4, columns=4, frames=2),
            [rle_frame([i * 100 for i in range(16)])[:70], rle_frame([i * 100 for i in range(16)])[70:],
             rle_frame(range(16))])),
        "rle-frames": part10("1.2.840.10008.1.2.5", fragments(
            image(rows=4, columns=4, frames=2), [rle_frame([i * 100 for i in range(16)])] * 2)),
    }
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        plain = scratch / "plain.dcm"
        plain.write_bytes(part10(EXPLICIT, image(frames=2)))
        eight = scratch / "eight.dcm"
        eight.write_bytes(part10(EXPLICIT, image(bits=8, stored=8)))
        for name, source, command in (("jpeg-lossless", plain, ["dcmcjpeg", "+e1"]),
                                      ("jpeg-extended", plain, ["dcmcjpeg", "+ee", "+un"]),
                                      ("jpeg-baseline", eight, ["dcmcjpeg", "+eb", "+un"]),
                                      ("jpeg-ls", plain, ["dcmcjpls"]), ("rle-dcmtk", plain, ["dcmcrle"])):
            made = scratch / name
            subprocess.run([*command, source, made], check=True, capture_output=True)
            seeds[name] = made.read_bytes()
        codestream = jpeg_2000()
        seeds["jpeg-2000"] = part10("1.2.840.10008.1.2.4.90", fragments(image(stored=16), [codestream]))
        half = len(codestream) // 2 & ~1
        seeds["jpeg-2000-fragments"] = part10("1.2.840.10008.1.2.4.90", fragments(
            image(stored=16), [codestream[:half], codestream[half:]], table=bytes(4)))
        seeds["jpeg-2000-frames"] = part10("1.2.840.10008.1.2.4.90", fragments(
            image(stored=16, frames=2), [codestream[:half], codestream[half:], codestream]))
        seeds["jpeg-2000-boxes"] = part10("1.2.840.10008.1.2.4.90", fragments(image(stored=16), [jpeg_2000(boxes=True)]))
        seeds["deflated-skipped"] = deflated(image(rows=32, columns=32))
    return seeds


def _nest(depth):
    content = b""
    for _ in range(depth):
        content = sequence(0x00081140, [item(content, undefined=True)], undefined=True)
    return content


def segmentation(kind="BINARY", frames=((0, 1), (1, 1), (1, 2)), spacing=1, pixels=None):
    """Two segments on 5 x 3 pixels; frames: (z, number of the segment) of each; spacing: what is stated, true or not."""
    def segment(number, code):
        meaning = element(0x00080100, "SH", code) + element(0x00080102, "SH", "SCT")
        return item(element(0x00620004, "US", number) + element(0x00620005, "LO", f"part {number - 1}")
                    + sequence(0x0062000F, [item(meaning)]))

    def frame(z, number):
        return item(sequence(0x00209113, [item(element(0x00200032, "DS", f"0\\0\\{z}"))])
                    + sequence(0x0062000A, [item(element(0x0062000B, "US", number))]))
    binary = kind == "BINARY"
    measures = (element(0x00180050, "DS", "1") + element(0x00180088, "DS", str(spacing))
                + element(0x00280030, "DS", "1\\1"))
    extra = (element(0x00620001, "CS", kind)
             + sequence(0x00620002, [segment(1, "80891009"), segment(2, "39607008")])
             + (element(0x0062000E, "US", 200) if kind == "FRACTIONAL" else b"")
             + sequence(0x52009229, [item(ORIENTATION + sequence(0x00289110, [item(measures)]))])
             + sequence(0x52009230, [frame(*one) for one in frames]))
    if pixels is None:
        size = -(-15 * len(frames) // (8 if binary else 1))
        pixels = bytes((37 * i + 11) & 255 for i in range(size + size % 2))
    return part10(EXPLICIT, image(rows=5, columns=3, bits=1 if binary else 8, stored=8, frames=len(frames),
                                  sop_class=SEGMENTATION, extra=extra, pixels=pixels))


def seg():
    return {
        "binary": segmentation(),
        "fractional": segmentation("FRACTIONAL"),
        "no-type": segmentation("LABELMAP"),
        "one-frame": segmentation(frames=[(3, 2)]),
        "unknown-segment": segmentation(frames=[(0, 1), (1, 7)]),
        "irregular": segmentation(frames=[(0, 1), (1, 1), (2.5, 2)], spacing=0),
        "far-apart": segmentation(frames=[(0, 1), (1, 1), (1e9, 2)]),
        "stated-spacing-is-wrong": segmentation(frames=[(0, 1), (2, 1), (4, 2)], spacing=3),
        "short": segmentation(pixels=b"\1\2"),
        "damaged-lengths": segmentation().replace(ORIENTATION, b""),
    }


def tensors(entries, data, start=b"", metadata=None):
    header = {"__metadata__": metadata} if metadata else {}
    header.update(entries)
    text = start + json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def safetensors():
    def entry(dtype, shape, begin, end):
        return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    sizes = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
             "I32": 4, "U32": 4, "F32": 4, "F64": 8, "I64": 8, "U64": 8}
    every, at = {}, 0
    for name, size in sizes.items():
        every[name.lower()] = entry(name, [3], at, at + 3 * size)
        at += 3 * size
    return {
        "one": tensors({"a": entry("F32", [2, 3], 0, 24)}, bytes(range(24))),
        "every-type": tensors(every, bytes(i & 255 for i in range(at))),
        "metadata": tensors({"b": entry("F16", [], 0, 2)}, b"\0\x3c", metadata={"format": "pt"}),
        "empty-axis": tensors({"z": entry("F32", [0, 4], 0, 0), "a": entry("U8", [1], 0, 1)}, b"x"),
        "hole": tensors({"a": entry("U8", [1], 1, 2)}, b"xy"),
        "overlap": tensors({"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 1, 3)}, b"xyz"),
        "overflow": tensors({"a": entry("F64", [1 << 62, 8], 0, 8)}, bytes(8)),
        "beyond": tensors({"a": entry("U8", [9], 0, 9)}, b"x"),
        "nothing": tensors({}, b""),
        "bad-header": struct.pack("<Q", 99) + b"{}",
    }


def model_config():
    root = {"name": "m", "version": "1", "manufacturer": "x", "family": "cardiac-clip", "trained": 0}
    root["vision"] = {"arch": "vit", "input": [8, 16, 16], "channels": 1, "patch": [8, 8, 8], "width": 64, "depth": 1,
                      "heads": 4, "mlp_dim": 8, "act": "gelu", "ln_eps": 1e-05, "cls_token": True, "pos": "none",
                      "qkv_bias": 1, "pool": "cls", "proj_pre": "none", "proj_dim": 4, "proj_bias": False}
    root["text"] = {"arch": "bert", "vocab": 30, "width": 8, "depth": 1, "heads": 2, "mlp_dim": 8, "act": "relu",
                    "ln_eps": 1e-12, "max_pos": 8, "max_len": 8, "type_emb": True, "do_lower_case": True,
                    "pool": "mean", "proj_dim": 4}
    root["preprocess"] = {"modality": "CT", "hu_clip": [-200, 500.5], "norm": "range01", "min_slices": 8,
                          "max_spacing_z_mm": 5, "orientation": "lps", "resize": "trilinear", "padding": "air"}
    seeds = {"range01": json.dumps(root)}
    root["preprocess"] = {"modality": "MR", "norm": "meanstd", "mean": 1.5, "std": 2}
    root["score"] = {"mode": "pair_softmax", "scale_mode": "exp", "threshold": 0.5}
    seeds["meanstd"] = json.dumps(root, indent=1)
    frames = {"n": 6, "views": [{"name": "cine_lax", "from": "phases"}, {"name": "lge_sa", "from": "slices"},
                                {"name": "lge_2ch", "from": "repeat"}], "phases": 30, "phases_policy": "exact",
              "slices": [10, 15], "slices_policy": "resample", "missing": "blank", "lge": "magnitude",
              "sampling": "uniform", "double_resize": [20, 16]}
    video = {**root["vision"], "arch": "spacetime_vit", "attn": "divided_time_space", "input": [7, 16, 16], "patch": [8, 8]}
    seeds["frames"] = json.dumps({**root, "vision": video, "preprocess": {**root["preprocess"], "frames": frames}})
    guarded = {**root, "domain": {"of": "tower", "limit": 1.75, "id": "phantoms-1"}}
    guarded["score"] = {"calibration": {"id": "platt-1", "on": "phantoms", "a": 2, "b": -0.5}}
    seeds["guarded"] = json.dumps(guarded)
    seeds["half-guarded"] = json.dumps({**guarded, "domain": {"of": "embedding", "limit": 0, "id": ""}, "score": {"calibration": {"a": 1}}})
    root["vision"]["input"] = [7, 2000000000, -1]
    seeds["bad-input"] = json.dumps(root)
    root["license"], root["score"] = None, {"scale_mode": "raw", "scale": 1e308}
    seeds["infinite"] = json.dumps(root)
    return seeds


def prompts():
    label = {"id": "a_1", "text": "A", "positive": "there is", "negative": "no"}
    other = {"id": "b", "text": "B \u00e9\u4e2d", "positive": ["x", "y"], "negative": ["z"]}
    return {"two": json.dumps({"version": "1", "labels": [label, other]}, ensure_ascii=False),
            "twice": json.dumps({"version": "1", "labels": [label, label]}),
            "calibrated": json.dumps({"version": "1", "labels": [dict(label, threshold=0.25, calibration={"a": 2, "b": -0.5})]}),
            "none": json.dumps({"version": "1", "labels": []}),
            "odd": '{"version":"1","labels":[{"id":"A","text":"","positive":[],"negative":7,"more":null}]}',
            "nested": "[" * 300}


def series_rules():
    rule = {"role": "cta", "modality": "CT", "when": {"words": "cta|angio", "not_image_type_1": "derived", "min_positions": 2,
                                                     "contrast": False}, "take": True, "rank": 3000, "why": "it says so"}
    left = {"role": "mr_left", "modality": "MR", "when": {"max_field_mm": 400}, "take": False, "why": "of no use"}
    prefer = [{"add": -1, "each": "positions", "most": 3, "why": "w"}, {"add": 5, "near": "percent", "target": [75, 15]},
              {"modality": "any", "when": {"kernel": "sharp"}, "add": 2}]
    return {"two": json.dumps({"rules": [rule, left], "prefer": prefer}), "none": json.dumps({"rules": []}),
            "shipped": (HERE.parents[1] / "conf" / "series.json").read_text(),
            "odd": json.dumps({"rules": [{"role": "A", "why": "", "when": {"max_": 1, "words": "|"}}], "prefer": [7]}),
            "twice": '{"rules": [], "rules": []}'}


CONFIG = """# a comment
[service]
state_folder = /tmp/x
intended_use = research
log_level = debug
[listener]
address = 127.0.0.1
port = 11112
ae_title = CARDIOSCRIBE
accept_other = no
refused_classes = 1.2.3 1.2.4
[pool]
workers = 2
[api]
address = 0.0.0.0
token_sha256 = 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
[peer "PACS"]
ae_title = PACS
address = 10.0.0.1 ; a comment
port = 104
may_store = yes
receives_results = yes
[model "ct"]
folder = /m
description_match = heart|cardiac
live = no
"""


def config():
    return {"whole": CONFIG, "windows": CONFIG.replace("\n", "\r\n"), "long-line": "[service]\nstation_name = " + "x" * 300,
            "no-section": "port = 1\n", "unknown": "[listener]\nwhat = 1\n", "not-a-line": "[service]\nnothing\n",
            "continued": "[service]\nstation_name = a\n b\n", "bom": "\ufeff[listener]\nport = 65536\n",
            "unnamed": '[peer ""]\nport = 1\n[model]\nfolder = x\n',
            "many": "".join(f'[peer "p{i}"]\nport = 1\n' for i in range(65))}


def tokenizer():
    words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\nheart\n##s\n\u4e2d\n.\n"
    return {"words": "\x01\0There is no stenosis. A\u00e9 \u4e2d\u6587 \u0130\u1e9e\ufb03",
            "own": "\x01" + words + "\0The hearts.", "cased": "\x06" + words + "\0THE \t\n heart\u0301s\u200b",
            "windows": "\x01" + words.replace("\n", "\r\n") + "\0the", "long-word": "\0\0" + "a" * 101 + " " + "no" * 50,
            "no-unk": "\0[CLS]\n[SEP]\n\0x", "korean": "\x01\0\uac01\ud79d \u0958\u0fb9 \U0001d15e",
            "bad": b"\x01\0ok \xff\xfe \xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80"}


def bpe():
    merges = "#version: 0.2\nt h\nth e</w>\nh e\na r\nhe ar\nhear t</w>\na a\naa aa\n"
    vocab = json.dumps({token: i for i, token in enumerate(["the</w>", "heart</w>", "h", "e", "aa", "s</w>", "\u0120", "<|startoftext|>", "<|endoftext|>"])})
    text = "The heart's  <|startoftext|> aaaa\u00e9\u0301 \u0130\u03a3 &lt;b&gt; &amp;amp; &#x3e; 12\u00b2 \u4e2d\u6587 it's we'll"
    return {"own": f"\0{merges}\0{vocab}\0{text}", "merges": f"\0{merges}\0\0{text}", "ours": f"\0\0\0{text}", "short": f"\x0d{merges}\0{vocab}\0{text}",
            "windows": "\0" + merges.replace("\n", "\r\n") + "\0\0the", "long-word": "\0\0\0" + "aab" * 200, "no-special": '\0#\n\0{"a": 1}\0a',
            "same-id": '\0#\n\0{"a": 1, "b": 1}\0a', "references": "\0\0\0&nGt;&notit;&&#0;&#1114112;&#xD800;&CounterClockwiseContourIntegral;&x;&",
            "marks": "\0\0\0a" + "\u0301\u0323" * 40 + "\u1100\u1161\u11a8", "sigma": "\0\0\0\u03a3 \u0391\u03a3' \u0391\u03a3'\u0391 \u0345",
            "bad": b"\0\0\0ok \xff\xfe \xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80"}


def shards():
    def entry(*at):
        return {"dtype": "U8", "shape": [at[1] - at[0]], "data_offsets": list(at)}
    def folder(weight_map, a, b, **more):
        return json.dumps({"weight_map": weight_map, **more}).encode() + b"\0" + struct.pack("<H", len(a)) + a + b
    a, b = tensors({"x": entry(0, 2), "z": entry(2, 3)}, b"xxz"), tensors({"y": entry(0, 4)}, b"yyyy")
    places = {"x": "a.safetensors", "y": "b.safetensors", "z": "a.safetensors"}
    return {"whole": folder(places, a, b, metadata={"total_size": 7}), "missing": folder(places, b, b), "not-named": folder({"x": "a.safetensors"}, a, b),
            "twice": folder(places, a, tensors({"x": entry(0, 1)}, b"x")), "absent": folder(dict(places, y="c.safetensors"), a, b),
            "path": folder(dict(places, y="../b.safetensors"), a, b), "itself": folder({"x": "model.safetensors.index.json"}, a, b),
            "short": folder(places, a, b[:20]), "empty": folder({}, a, b), "not-json": b"{\0\0\0"}


def rest():
    return {"studies": "GET\n/api/v1/studies\nlimit=10\nsince=2026-11-21T10:15:30.25%2B01:00\nstate=queued",
            "study": "GET\n/api/v1/studies/1.2.3%2E4\nembedding=1", "report": "HEAD\n/api/v1/studies/17/report\nrevision=2\nmodel=a%20b",
            "retry": "POST\n/api/v1/deliveries/3/retry", "other-method": "DELETE\n/api/v1/status",
            "escapes": "GET\n/%68ealthz%00%zz\n%=%\na=%c3%a9", "slashes": "GET\n//api/v1//studies/../status\n",
            "twice": "GET\n/api/v1/refusals\nlimit=1\nlimit=2", "no-value": "GET\n/readyz\nx",
            "times": "GET\n/healthz\n1700000000000\n2026-02-31\n2026-11-21T10:15Z\n2026-12-31T23:59:60-14:00\n9999-12-31",
            "long": "GET\n/api/v1/studies/" + "9" * 300, "force": "POST\n/api/v1/studies/5/force"}


def answer():
    finding = {"id": "a", "text": "A", "organ": None, "state": "present", "reason": None, "score": 0.75, "probability": 0.5,
               "threshold": 0.5, "cosine_positive": 0.3, "cosine_negative": -0.2}
    later = dict(finding, id="b", state="undetermined", reason="model_untrained", score=None, probability=None)
    model = {"name": "m", "version": "1", "manufacturer": "x", "family": "cardiac-clip", "score": "pair_softmax",
             "calibration": "none", "trained": True, "weights_sha256": "0" * 64, "prompts_sha256": "a1" * 32, "config_sha256": "b2" * 32}
    series = {"series_uid": "1.2.4", "series_number": 3, "modality": "CT", "description": "made", "instances": 1,
              "taken": True, "reason": "chosen", "role": "cine", "why": "the rules say so"}
    views = [{"name": "cine_sa", "reason": None, "how": "geometry", "series_uid": "1.2.4", "slices": 9, "phases": 3, "frames": 27},
             {"name": "lge_3ch", "reason": "missing", "how": None, "series_uid": "", "slices": 0, "phases": 0, "frames": 0}]
    box = {"source": "estimate", "confidence": 0.8, "centre_lps": [-10, 20.5, 300], "size_zyx_mm": [150, 160, 170]}
    instance = {"sop_class": CT, "sop_uid": "1.2.3.4", "series_uid": "1.2.4", "frames": 2}
    put = {"modality": "CT", "series": [series], "views": views, "box": box, "series_rules_sha256": "c3" * 32, "instances": [instance], "key": {"instance": 0, "frame": 1},
           "source_zyx": [9, 8, 8], "source_spacing_zyx_mm": [2.5, 0.7, 0.7], "input_zyx": [8, 8, 8],
           "warnings": ["interpolated: 1 of 9 slices"], "manifest_sha256": "b" * 64}
    return {"analysed": True, "reason": None, "reason_text": None, "embedding": [0.6, -0.8], "organs": [],
            "findings": [finding, later], "model": model, "input": put, "started": "2026-11-21T10:15:30.123Z",
            "timing": {"load_s": 0.1, "volume_s": 1, "encode_s": 2.5}}


def by_organ():
    made = answer()
    heart = {"id": "heart", "text": "Heart", "embedding": [0.6, 0.8], "recognised": {"id": "lung", "score": 0.5}}
    made.update(embedding=None, organs=[heart, {"id": "lung", "text": "Lung", "not_assessed": "organ_missing"}])
    made["findings"][0].update(organ="heart", score=-0.5, cosine_negative=None)
    made["findings"][1].update(organ="lung", state="not_assessed", reason="organ_missing")
    made["model"]["score"] = "cosine_mean"
    return made


def outside():
    made = answer()
    made["domain"] = {"of": "tower", "id": "phantoms-1", "distance": 4.25, "limit": 1.75, "inside": False}
    made["findings"] = [dict(one, state="not_assessed", reason="outside_domain", score=None, probability=None) for one in made["findings"]]
    return made


def calibrated():
    made = answer()
    made["domain"] = {"of": "embedding", "id": "phantoms-1", "distance": 1.1, "limit": 1.75, "inside": True}
    made["model"].update(calibration="platt-1", calibration_on="200 phantoms")
    made["findings"][0]["calibration"] = {"a": 2.5, "b": -0.5, "probability_at_threshold": 0.375}
    return made


def declined():
    """As an older row has it: without what came later."""
    made = answer()
    for key in ("views", "box", "series_rules_sha256"):
        del made["input"][key]
    made["input"]["series"] = [{k: v for k, v in one.items() if k not in ("role", "why")} for one in made["input"]["series"]]
    made.update(analysed=False, reason="too_few_slices", reason_text="There are too few.", embedding=None)
    made["findings"] = [dict(made["findings"][1], state="not_assessed", reason="too_few_slices")]
    made["input"].update(instances=[], key=None, manifest_sha256="", source_zyx=[0, 0, 0])
    return made


def result():
    odd = answer()
    odd["embedding"], odd["findings"][0]["score"], odd["started"] = [1e99], -1, "yesterday"
    return {"analysed": json.dumps(answer()), "declined": json.dumps(declined()), "odd": json.dumps(odd),
            "by-organ": json.dumps(by_organ()), "outside": json.dumps(outside()), "calibrated": json.dumps(calibrated()),
            "no-model": json.dumps(dict(declined(), model=None, findings=[])), "empty": "{}", "list": "[1]"}


def report():
    text = json.dumps(answer()).encode()
    hostile = image(charset="ISO 2022 IR 6\\ISO 2022 IR 149\\nothing").replace(b"20200101", b"not-date")
    hostile = hostile.replace(b"Nobody^Made ", b"\x1b$)C\xb1\xe8=\xff^^= ")
    return {"plain": text, "declined": json.dumps(declined()).encode(),
            "with-source": text + b"\0" + part10(EXPLICIT, image()),
            "hostile-source": text + b"\0" + part10(EXPLICIT, hostile),
            "implicit-source": json.dumps(declined()).encode() + b"\0" + image(IMPLICIT, charset="ISO_IR 192")}


def job():
    jobs = [{"job": "model", "model": "demo-ct"}, {"job": "tokenize", "model": "demo-ct", "text": "There is no stenosis."},
            {"job": "text", "model": "demo-ct", "texts": ["a", "plaque"]}, {"job": "check", "path": "demo-ct/model.safetensors"},
            {"job": "check", "path": "nowhere"}, {"job": "study", "model": "demo-ct", "files": ["demo-ct/vocab.txt", "/dev/null"]},
            {"job": "tensor", "model": "demo-ct", "file": "demo-ct/model.safetensors"},
            {"job": "volume", "files": [], "fd": 900}, {"job": "volume", "files": ["x"], "fd": -1}, {"job": 7},
            {"job": "volume", "files": [], "fd": 5, "rules": json.dumps({"rules": [{"role": "a"}]})},
            {"job": "volume", "files": [], "fd": 5, "rules": '{"rules": []}', "series": "1.2"}]
    seeds = {f"{i}-{one['job']}": json.dumps(one) + "\n" for i, one in enumerate(jobs)}
    seeds["several"] = '{"job":"x"}\n\n[]\n{"job":"text","model":"demo-ct","texts":[1]}\nnot json\n{"job":"check"}'
    seeds["nul"] = '{"job":"tokenize","model":"demo-ct\\u0000x","text":"\\ud800"}'
    return seeds


def pdu(kind, content):
    return struct.pack(">BBI", kind, 0, len(content)) + content


def request(classes=("1.2.840.10008.1.1", CT), syntaxes=(IMPLICIT, EXPLICIT), called="CARDIOSCRIBE", more=b""):
    """A-ASSOCIATE-RQ. source: PS3.8 9.3.2."""
    def part(kind, content):
        content = content.encode() if isinstance(content, str) else content
        return struct.pack(">BBH", kind, 0, len(content)) + content
    contexts = b"".join(part(0x20, bytes([2 * i + 1, 0, 0, 0]) + part(0x30, uid) + b"".join(part(0x40, x) for x in syntaxes))
                        for i, uid in enumerate(classes))
    user = part(0x50, part(0x51, struct.pack(">I", 16384)) + part(0x52, "1.2.3.99") + part(0x55, "MADE") + more)
    return pdu(1, struct.pack(">HH16s16s32x", 1, 0, called.ljust(16).encode(), b"MADE".ljust(16))
               + part(0x10, "1.2.840.10008.3.1.1.1") + contexts + user)


def data(context, content, command=False, last=True):
    return pdu(4, struct.pack(">IBB", len(content) + 2, context, command | last << 1) + content)


def command(*elements):
    content = b"".join(element(tag, vr, value, IMPLICIT) for tag, vr, value in elements)
    return element(0x00000000, "UL", len(content), IMPLICIT) + content


ECHO = command((0x00000002, "UI", "1.2.840.10008.1.1"), (0x00000100, "US", 0x30), (0x00000110, "US", 1),
               (0x00000800, "US", 0x101))
STORE = command((0x00000002, "UI", CT), (0x00000100, "US", 1), (0x00000110, "US", 2), (0x00000700, "US", 0),
                (0x00000800, "US", 0), (0x00001000, "UI", "1.2.3.4"))
RELEASE, ABORT = pdu(5, bytes(4)), pdu(7, bytes(4))


def association():
    small = image(IMPLICIT, rows=2, columns=2)
    half = len(small) // 2
    stored = data(3, STORE, command=True) + data(3, small)
    roles = struct.pack(">BBHH", 0x54, 0, 4 + len(CT), len(CT)) + CT.encode() + b"\1\1"
    return {"echo": request() + data(1, ECHO, command=True) + RELEASE, "half-request": request()[:100],
            "store": request(syntaxes=(IMPLICIT,)) + stored + stored + RELEASE, "abort": request() + ABORT,
            "pieces": request(syntaxes=(IMPLICIT,)) + data(3, STORE[:30], command=True, last=False)
            + data(3, STORE[30:], command=True) + data(3, small[:half], last=False) + data(3, small[half:]) + RELEASE,
            "stops": request(syntaxes=(IMPLICIT,)) + data(3, STORE, command=True) + data(3, small[:half], last=False),
            "roles": request(more=roles + b"\x58\0\0\x0a\1\0\0\4user\0\0") + RELEASE,
            "no-context": request() + data(9, ECHO, command=True), "not-dicom": b"GET / HTTP/1.1\r\n\r\n",
            "unknown-command": request() + data(1, ECHO.replace(b"\x30\0", b"\x20\0"), command=True) + RELEASE,
            "too-long": request() + b"\4\0\xff\xff\xff\xff"}


TARGETS = {"association": association, "bpe": bpe, "config": config, "dicom": dicom, "job": job, "model_config": model_config, "prompts": prompts,
           "report": report, "rest": rest, "result": result, "safetensors": safetensors, "seg": seg, "series_rules": series_rules, "shards": shards, "tokenizer": tokenizer}


def write(folder, seeds):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in seeds.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


DICOM_WORDS = (
    [struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in (
        0x00020010, 0x00080005, 0x00080016, 0x00080018, 0x00080032, 0x00080033, 0x00100020, 0x00180050, 0x00181060,
        0x00200013, 0x00200032, 0x00200037, 0x00200100, 0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011,
        0x00280030, 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00280120, 0x00281052, 0x00281053, 0x00283000,
        0x00209111, 0x00209113, 0x00209116, 0x00289110, 0x00289145, 0x52009229, 0x52009230, 0x7FE00008, 0x7FE00010,
        0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD)]
    + [vr.encode() for vr in "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL"
       " UN UR US UT UV".split()]
    + [f"1.2.840.10008.1.2{tail}".encode() for tail in ("", ".1", ".2", ".5", ".1.99", ".4.50", ".4.51", ".4.57", ".4.70",
                                                        ".4.80", ".4.81", ".4.90", ".4.91", ".4.201")]
    + [b"\xff\xff\xff\xff", b"\xff\x4f\xff\x51", b"\xff\xd8", b"\xff\xc3", b"\xff\xf7", b"MONOCHROME1", b"MONOCHROME2",
       b"PALETTE COLOR", b"ISO 2022 IR 87", b"ISO 2022 IR 149", b"ISO_IR 192", b"GB18030", b"\x1b$B", b"\x1b$)C", b"\x1b(B"])


def words_of(value):
    """Every key and text of JSON."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield json.dumps(key)
            yield from words_of(member)
    elif isinstance(value, list):
        for member in value:
            yield from words_of(member)
    else:
        yield json.dumps(value)


def words(seeds):
    found = []
    for seed in seeds.values():
        for line in (seed.split(b"\0")[0].decode() if isinstance(seed, bytes) else seed).splitlines():
            try:
                found += words_of(json.loads(line))
            except ValueError:
                pass
    return sorted(set(found)) + ["null", "1e308", "9223372036854775807", "\\ud800", "[", "{"]


def dictionaries():
    settings = sorted({part.strip() for line in CONFIG.splitlines() for part in line.split("=", 1)})
    paths = ("GET POST HEAD /healthz /readyz /api/v1/status /api/v1/studies /api/v1/studies/ /events /report /force"
             " /api/v1/deliveries/ /retry /api/v1/refusals accession= patient_id= study_uid= state= since= limit= embedding="
             " revision= model= %2F %00 %c3%a9 2026-11-21 T10:15:30 +01:00 Z queued").split()
    pieces = "[PAD] [UNK] [CLS] [SEP] ## İ ẞ ﬃ 中 각 ́ ​ �".split()
    byte_pairs = "</w> <|startoftext|> <|endoftext|> 's 'll &lt; &amp; &#x &nGt; &not \u017f \u0130 \u03a3 \u0345 \u0301 \u0323 \u00b2 \u4e2d \u0120 \ufffd".split()
    pdus = [bytes([kind, 0]) for kind in (1, 2, 3, 4, 5, 6, 7, 0x10, 0x20, 0x30, 0x40, *range(0x50, 0x5A))]
    return {"dicom": DICOM_WORDS, "seg": DICOM_WORDS + ["BINARY", "FRACTIONAL"], "association": pdus + [RELEASE, ABORT, CT, MR, IMPLICIT, EXPLICIT, BIG], "safetensors": words({"": json.dumps([{"dtype": "F32", "shape": [1], "data_offsets": 0},
                                                                       "BF16", "F16", "F64", "U8", "__metadata__"])}),
            "model_config": words(model_config()), "prompts": words(prompts()), "result": words(result()), "series_rules": words(series_rules()),
            "report": words({"": json.dumps(answer())}) + DICOM_WORDS, "job": words(job()), "config": settings,
            "rest": paths, "tokenizer": pieces, "bpe": byte_pairs,
            "shards": words({"": json.dumps({"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}, "metadata": {"dtype": "U8", "shape": [1], "data_offsets": 0}})})}


def write_dictionary(path, entries):
    lines = []
    for entry in entries:
        content = entry.encode() if isinstance(entry, str) else entry
        if content:
            lines.append('"' + "".join(f"\\x{byte:02x}" if byte < 32 or byte > 126 or byte in b'"\\' else chr(byte)
                                       for byte in content) + '"')
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def copy_real(source, to, most=65536):
    """Real files as seeds of one run."""
    kinds = {"dicom": "malformed charsets transfer_syntaxes other_modality sr mr_other", "safetensors": "safetensors"}
    for target, folders in kinds.items():
        (to / target).mkdir(parents=True, exist_ok=True)
        files = (f for name in folders.split() for f in sorted((source / name).rglob("*")) if f.is_file())
        for number, path in enumerate(f for f in files if f.stat().st_size <= most):
            shutil.copyfile(path, to / target / f"real-{number}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--real"]:
        copy_real(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        for target, make in TARGETS.items():
            write(HERE / "corpus" / target, make())
        for target, entries in dictionaries().items():
            write_dictionary(HERE / "dictionaries" / f"{target}.dict", entries)
