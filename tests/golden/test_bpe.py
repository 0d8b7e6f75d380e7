"""CLIP's byte pairs against openai/CLIP's ids and transformers' CLIPTokenizer (slow); its words against Unicode.

The slow tokenizer without ftfy falls back to BERT's basic tokenizer, which strips accents and cuts at punctuation: not
what any CLIP was trained on. So ftfy's step is replaced by what openai/CLIP does beside it (NFC, html.unescape twice);
all else, from white space and lower case to pattern and merges, is transformers' own code.
"""
import ctypes
import gzip
import html
import json
import os
import pathlib
import random
import subprocess
import unicodedata

import pytest
import regex
from transformers import CLIPTokenizer, CLIPTokenizerFast, GPT2Tokenizer

START, END, TOKENS = 49406, 49407, 49408
TRICKY = [
    "", " ", "\t\n\r", "A photo of a cat.", "There is no pericardial effusion.", "Left ventricle is dilated; EF=35%",
    "It's the patient's 2nd scan; they've had one, I'm sure: we'd, he'll, you're, can't", "I'LL YOU'VE 'S 'RE 'x 'ſ 'ſt --'s",
    "<|startoftext|> plain <|endoftext|> x<|endoftext|>", "<|STARTOFTEXT|>a!<|endoftext|>", "<|ſtartoftext|>", "<|endoftext|", "<|",
    "&lt;b&gt;bold&lt;/b&gt; &amp; more", "&amp;lt; &amp;amp;lt; &#60;&#x3E;&#x3e &copy &copyx &notit; &nbsp;x&nGt;", "&", "&&;&#;&#x;&#xg;&#99999999999;",
    "&#0;&#13;&#128;&#xD800;&#x1F600;&#1;&#xFFFE;&#x110000; &zwnj;a &" + "q" * 40 + ";", "&CounterClockwiseContourIntegral; &NotEqualTilde;",
    "naïve café ÀÉÎÕÜ Ångström ﬁne", "İstanbul DİYARBAKIR ıI", "ΟΔΟΣ Σ ΣΑΣ ΌΣΟΣ. σΣ' ΑΣ ΑΣ'Α ΑΣ''. ªΣ 🄰Σ", "ẞ ß STRASSE",
    "e\u0301 E\u0301 a\u0308\u0323 \u1100\u1161\u11a8", "\u212a \u212b \u2126 \u0958", "漢字かなカナ 한국어 abc漢def", "𠀀𪜀x", "豈更",
    "zero\u200bwidth \u200djoin \ufeffbom soft\u00adhyphen", "x\ufffdy", "a\u0007b\u007fc\u0085d", "\x1c\x1fa\x1cb\x1f ", "a\x0bb\x0cc",
    "nbsp\u00a0here\u2003em\u3000ideographic\u2028line\u2029para", "“curly” ‘quotes’ it’s «guillemets» ¿qué?", "1,234.56 mm² 10³ ½ ① Ⅷ ٣",
    "...---!!!", "a" * 500, "ab" * 400, "é" * 300, "مرحبا עִבְרִית हिन्दी ไทย", "\U0001f600 emoji \U0001f468\u200d\U0001f469\U0001f3fd", "x\u0301\u0302\u0303y",
    "ﷺ ﬀ ǅ ǆ Ǆ", "coronary artery disease, LAD/LCx; EF=55%", "word " * 600, "!" * 1000, "ÿ\u0100\u0143", "\u0345Σ Α\u0345Σ",
]
PROMPTS = [  # of models.md 1(e), 2(e), 3(e), 4(e)
    f"There is {no}{f}." for no in ("", "no ") for f in (
        "calcified plaque at the coronary artery", "stenosis at the coronary artery", "calcification at the cardiac aortic wall",
        "atherosclerosis", "cardiomegaly", "pericardial effusion", "pulmonary hypertension")
] + [
    "Left ventricle with systolic dysfunction", "Right ventricle with systolic dysfunction", "Left ventricle is dilated",
    "Left ventricle is enlarged in size", "Right ventricle is dilated", "Right ventricle is enlarged in size",
    "There is left ventricular hypertrophy", "There is septal hypertrophy", "LV is thickened",
    "Delayed-enhancement imaging reveals transmural enhancement", "Delayed-enhancement imaging reveals patchy enhancement",
    "There is a large area of LAD scar", "Aortic root is ectatic", "Ascending aortic is dilated", "Descending aorta is dilated",
    "Abdomen CT, liver lesion", "ABDOMEN CT", "HEAD MRI", "CHEST X-ray", "Chest X-Ray, pneumonia effusion ",
    "This is a portal_vein_and_splenic_vein in the CT scan.", "This is a heart in the CT scan.", "Pericardial effusion in the heart.",
    "No abnormality in the heart.", "Not Cardiomegaly.", "Cardiomegaly.", "Not Lung opacity.", "Lung opacity.",
]


class TextProbe:
    def __init__(self, path):
        self.path = path

    def __call__(self, folder, texts, lower=False, tokens=TOKENS, max_len=100000):
        stdin = b"".join((t if isinstance(t, bytes) else t.encode()) + b"\0" for t in texts)
        done = subprocess.run([self.path, folder, str(int(lower)), str(tokens), str(max_len)], input=stdin, capture_output=True, timeout=600)
        assert done.returncode == 0, done.stderr.decode()
        lines = done.stdout.decode().split("\n")[:-1]
        assert len(lines) == len(texts)
        return [[int(word) for word in line.split()] if line[:1].isdigit() else line for line in lines]

    def refusal(self, folder, tokens=TOKENS):
        done = subprocess.run([self.path, folder, "0", str(tokens), "77"], input=b"", capture_output=True, timeout=60)
        assert done.returncode == 1, done.stdout.decode()
        return done.stderr.decode()


@pytest.fixture(scope="session")
def text_probe(root):
    path = pathlib.Path(os.environ.get("BUILD_DIR", root / "build")) / "tests/text/text_probe"
    if not path.exists():
        pytest.skip(f"{path} is not built: set BUILD_DIR")
    return TextProbe(path)


def bytes_to_unicode():
    from transformers.models.clip.tokenization_clip import bytes_to_unicode as theirs
    return theirs()


@pytest.fixture(scope="session")
def clip(shared, tmp_path_factory):
    """CLIP's vocabulary as Hugging Face lays it out."""
    folder = tmp_path_factory.mktemp("clip")
    lines = gzip.open(shared / "data/tokenizers/clip_bpe_simple_vocab_16e6.txt.gz").read().decode().split("\n")
    merges = lines[1:49152 - 256 - 2 + 1]
    alphabet = list(bytes_to_unicode().values())
    vocab = alphabet + [a + "</w>" for a in alphabet] + ["".join(m.split()) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocab)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2"] + merges) + "\n")
    return folder


@pytest.fixture(scope="session")
def plain(shared, tmp_path_factory):
    """The merges alone, 262,145 lines, as openai/CLIP ships them."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "merges.txt").write_bytes(gzip.open(shared / "data/tokenizers/clip_bpe_simple_vocab_16e6.txt.gz").read())
    return folder


@pytest.fixture(scope="session")
def reference(clip):
    tokenizer = CLIPTokenizer(str(clip / "vocab.json"), str(clip / "merges.txt"))
    tokenizer.fix_text = lambda text: html.unescape(html.unescape(unicodedata.normalize("NFC", text)))
    return lambda text: [START] + tokenizer.convert_tokens_to_ids(tokenizer._tokenize(text)) + [END]


def compare(text_probe, folder, reference, texts):
    for text, ids in zip(texts, text_probe(folder, texts)):
        assert ids == reference(text), repr(text[:80])


def test_openai_vectors(text_probe, clip, plain, shared):
    cases = [json.loads(line) for line in open(shared / "data/tokenizers/clip_bpe_vectors_a.jsonl", encoding="utf-8")]
    assert len(cases) == 100
    for folder in (clip, plain):
        for case, ids in zip(cases, text_probe(folder, [case["text"] for case in cases])):
            assert ids == [START] + case["ids"] + [END], case["text"]


def test_tricky_texts_and_all_prompts(text_probe, clip, plain, reference):
    for folder in (clip, plain):
        compare(text_probe, folder, reference, TRICKY + PROMPTS)


def test_prompts_by_the_fast_tokenizer_too(text_probe, clip):
    fast = CLIPTokenizerFast(str(clip / "vocab.json"), str(clip / "merges.txt"))
    assert text_probe(clip, PROMPTS, max_len=77) == [fast.encode(text, truncation=True, max_length=77) for text in PROMPTS]


def known_points():
    """Code points that utf8proc's Unicode and the regex module's see alike."""
    utf8proc = ctypes.CDLL("libutf8proc.so.2")
    utf8proc.utf8proc_category_string.restype = ctypes.c_char_p
    points = [p for p in range(1, 0x30000) if not 0xD800 <= p <= 0xDFFF]
    known = [p for p in points if utf8proc.utf8proc_category_string(p).decode() == unicodedata.category(chr(p))
             and bool(regex.match(r"\p{L}", chr(p))) == (unicodedata.category(chr(p))[0] == "L")
             and bool(regex.match(r"\p{N}", chr(p))) == (unicodedata.category(chr(p))[0] == "N")]
    assert len(points) - len(known) < 40000
    return [chr(p) for p in known]


def test_every_code_point(text_probe, clip, reference):
    points = known_points()
    assert len(points) > 150000
    compare(text_probe, clip, reference, [f"a{p}b" for p in points])


def test_every_code_point_beside_a_sigma_an_accent_and_an_apostrophe(text_probe, clip, reference):
    points = [p for p in known_points() if unicodedata.category(p) not in ("Lo", "Cn", "Co")]
    compare(text_probe, clip, reference, [f"ΑΣ{p} {p}Σ e{p}\u0301'{p} 1{p}." for p in points])


@pytest.mark.parametrize("seed", range(4))
def test_long_random_texts(text_probe, clip, reference, seed):
    chance = random.Random(seed)
    points = known_points()
    common = "abcdefgh ABC 'strevmldSRE 0123 .,;:-&#x;<|>" + "éÉİΣςß\u0301\u0323"
    texts = ["".join(chance.choice(points if chance.random() < 0.3 else common) for _ in range(chance.randrange(1, 3000))) for _ in range(60)]
    compare(text_probe, clip, reference, texts)


@pytest.mark.parametrize("max_len", [2, 3, 8, 77])
def test_the_end_stays_last(text_probe, clip, reference, max_len):
    for text, ids in zip(TRICKY, text_probe(clip, TRICKY, max_len=max_len)):
        whole = reference(text)
        assert ids == (whole if len(whole) <= max_len else whole[:max_len - 1] + [END]), repr(text[:80])


def test_every_html_name(text_probe, clip, reference):
    from html.entities import html5
    compare(text_probe, clip, reference, [f"&{name}" for name in html5] + [f"x&{name}y" for name in html5])


def test_hostile_texts(text_probe, clip, reference):
    """Of the largest size that is taken; quadratic work would run into the probe's time limit."""
    chance = random.Random(1)
    word = "".join(chance.choice("abcdefghij") for _ in range(65536))
    texts = [word, "\u0301\u0323" * 16384, "a" * 65536, "Σ'" * 20000, "&" * 65536, "&nGt;" * 13000, "<|" * 32768]
    ours = text_probe(clip, texts)
    assert all(ids[0] == START and ids[-1] == END for ids in ours)
    compare(text_probe, clip, reference, [word[:4000], "a" * 4001])
    assert text_probe(clip, ["a" * 65537, b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\x80"]) == ["input "] + ["input text_not_utf8"] * 4


def test_gpt2_bytes_and_merges(text_probe, shared, tmp_path):
    """GPT-2 knows no end of a word: a last letter that nothing merges with leaves its merges to the rest."""
    data = shared / "data/tokenizers"
    gpt2 = json.loads((data / "gpt2_vocab.json").read_text())
    merges = (data / "gpt2_merges.txt").read_text().split("\n")[:1 + 48894]
    kept = set(bytes_to_unicode().values()) | {"".join(m.split()) for m in merges[1:] if m}
    vocab = {token: i for token, i in gpt2.items() if token in kept}
    for token in [a + "</w>" for a in bytes_to_unicode().values()] + ["<|startoftext|>", "<|endoftext|>"]:
        vocab[token] = len(gpt2) + len(vocab)
    (tmp_path / "vocab.json").write_text(json.dumps(vocab))
    (tmp_path / "merges.txt").write_text("\n".join(merges) + "\n")
    text = json.loads((data / "gpt2_encoded_tokens.json").read_text())["text"]
    words = [w for w in regex.findall(r"\p{Ll}+", text)] + ["дом", "日本語", "ñandú", "łódź", "ʻokina"]
    gpt2_tokenizer = GPT2Tokenizer(str(data / "gpt2_vocab.json"), str(data / "gpt2_merges.txt"))
    encoder = bytes_to_unicode()
    ours = text_probe(tmp_path, [word + "z" for word in words], tokens=200000)
    assert len(words) > 100
    for word, ids in zip(words, ours):
        pieces = gpt2_tokenizer.bpe("".join(encoder[b] for b in word.encode())).split(" ")
        if not kept.issuperset(pieces):  # a merge beyond those that are read
            continue
        assert ids[1:-1] == [gpt2[p] for p in pieces] + [vocab["z</w>"]], word


def test_refusals(text_probe, clip, tmp_path):
    def folder(name, vocab, merges):
        (tmp_path / name).mkdir()
        if vocab is not None:
            (tmp_path / name / "vocab.json").write_text(vocab)
        if merges is not None:
            (tmp_path / name / "merges.txt").write_text(merges)
        return tmp_path / name

    special = '"<|startoftext|>": 0, "<|endoftext|>": 1'
    cases = [('{"<|endoftext|>": 1}', "#\n", "has no <|startoftext|>"), ('{"<|startoftext|>": 1}', "#\n", "has no <|endoftext|>"),
             ('{%s, "a": 1}' % special, "#\n", "have the same id"), ('{%s, "a": 9}' % special, "#\n", 'the id of "a" is not below 9'),
             ('{%s, "a": -1}' % special, "#\n", 'the id of "a"'), ('{%s, "a": "2"}' % special, "#\n", '"a": not a token'),
             ('{%s, "a": 2, "a": 3}' % special, "#\n", "duplicate"), ("[]", "#\n", "not a JSON object"), ('{"a": 1', "#\n", "line 1"),
             ("{%s}" % special, "#\na b\na\n", "line 3 is not two symbols"), ("{%s}" % special, "#\na b c\n", "line 2"),
             ("{%s}" % special, "#\n\na b\n", "line 2"), ("{%s}" % special, None, "merges.txt"),
             ("{%s}" % ",".join('"t%d":%d' % (i, i) for i in range(10)), "#\n", "10 tokens, the configuration allows 9")]
    for number, (vocab, merges, text) in enumerate(cases):
        assert text in text_probe.refusal(folder(str(number), vocab, merges), 9), text
    both = folder("both", "{%s}" % special, "#\n")
    (both / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\n")
    assert "only one kind" in text_probe.refusal(both)
    assert "vocab.txt" in text_probe.refusal(folder("none", None, None))
    assert "is not below 49407" in text_probe.refusal(folder("short", None, (clip / "merges.txt").read_text()), 49407)
