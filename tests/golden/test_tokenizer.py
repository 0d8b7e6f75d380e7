"""WordPiece against transformers' BertTokenizer (slow) and against the SQuAD vectors."""
import json
import re
import shutil
import unicodedata

import pytest
from transformers import BertTokenizer

from test_bpe import PROMPTS, text_probe  # noqa: F401

TRICKY = [
    "", " ", "\t\n\r", "There is no pericardial effusion.", "There is calcified plaque at the coronary artery.",
    "naïve café ÀÉÎÕÜ Ångström ﬁne", "İstanbul DİYARBAKIR ıI", "ΟΔΟΣ Σ ΣΑΣ ΌΣΟΣ. σΣ' ΑΣ", "ẞ ß STRASSE",
    "e\u0301 E\u0301 a\u0308\u0323", "\u212a \u212b \u2126", "漢字かなカナ 한국어 abc漢def", "𠀀𪜀x", "豈更",
    "a\u0000b".replace("\u0000", ""), "zero\u200bwidth \u200djoin \ufeffbom soft\u00adhyphen", "x\ufffdy", "a\u0007b\u007fc\u0085d",
    "nbsp\u00a0here\u2003em\u3000ideographic\u2028line\u2029para", "dash–em—minus−hyphen-", "$100 5% a_b c^d `e` ~f| <g> =h +i",
    "“curly” ‘quotes’ «guillemets» ¿qué? ¡sí!", "1,234.56 mm² 10³ ½ ① Ⅷ", "can't won't it's", "...---!!!", "a" * 100, "a" * 101,
    "é" * 100, "é" * 101, "supercalifragilisticexpialidocious", "##ing ## # [ ]", "مرحبا עִבְרִית हिन्दी ไทย", "\U0001f600 emoji \U0001f468\u200d\U0001f469",
    "\u0378 unassigned \ue000 private", "\u00a8\u1fc1 \u037e \u0340", "x\u0301\u0302\u0303y", "ﷺ ﬀ ǅ ǆ Ǆ", "A.B.C.", "HU -1024",
    "coronary artery disease, LAD/LCx; EF=55%", "word " * 600,
]


def compare(probe, vocab, lower, texts, max_len=512):
    reference = BertTokenizer(str(vocab), do_lower_case=lower)
    ours = probe.tokenize(vocab, lower, texts, max_len)
    for text, ids in zip(texts, ours):
        assert ids == reference.encode(text, truncation=True, max_length=max_len), repr(text[:80])


@pytest.mark.parametrize("lower", [True, False])
def test_tricky_texts_with_the_demo_vocabulary(probe, root, lower):
    compare(probe, root / "models/demo-ct/vocab.txt", lower, TRICKY)


@pytest.mark.parametrize("lower", [True, False])
def test_tricky_texts_with_berts_vocabulary(probe, shared, lower):
    compare(probe, shared / "data/tokenizers/bert_base_uncased_vocab.txt", lower, TRICKY)


@pytest.mark.parametrize("max_len", [3, 7])
def test_truncation(probe, root, max_len):
    compare(probe, root / "models/demo-ct/vocab.txt", True, TRICKY, max_len)


def test_room_for_the_special_tokens_only(probe, root):
    assert probe.tokenize(root / "models/demo-ct/vocab.txt", True, ["There is no"], 2) == [[2, 3]]


@pytest.mark.parametrize("lower", [True, False])
def test_every_code_point(probe, shared, lower):
    """Each alone between two letters. Left out: what Python's and utf8proc's Unicode versions see differently."""
    points = [chr(p) for p in range(1, 0x30000) if not 0xD800 <= p <= 0xDFFF]
    texts = [f"a{p}b" for p in points if unicodedata.category(p) != "Cn"]
    compare(probe, shared / "data/tokenizers/bert_base_uncased_vocab.txt", lower, texts)


def test_squad_questions_token_for_token(probe, shared):
    folder = shared / "data/tokenizers"
    with open(folder / "bert_squad_question_tokens.json", encoding="utf-8") as file:
        cases = json.load(file)
    tokens = (folder / "bert_base_uncased_vocab.txt").read_text(encoding="utf-8").split("\n")
    ours = probe.tokenize(folder / "bert_base_uncased_vocab.txt", True, [case["original"] for case in cases])
    assert len(cases) > 10000
    for case, ids in zip(cases, ours):
        assert [tokens[i] for i in ids[1:-1]] == case["wordpiece"], case["original"]


def test_bytes_that_are_no_utf8_are_refused(probe, root):
    for bad in (b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\x80"):
        out = probe.call("tokenize", root / "models/demo-ct/vocab.txt", 1, 64, input=bad + b"\0")
        assert out == "input text_not_utf8\n", bad


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CASED = PROMPTS + ["Schönlein-Henoch, Ménière", "LGE of the LV: 12 %", "ÉTUDE"]


@pytest.fixture(scope="session")
def cased_vocabulary(tmp_path_factory):
    """Of Bio_ClinicalBERT's kind: words and pieces in both cases, accents too."""
    words = sorted({word for text in CASED for word in re.findall(r"\w+", text.replace("_", " "))})
    pieces = [w for word in words for w in (word, word.lower(), word[:3], "##" + word[3:], "##" + word[1:].lower()) if w.strip("#")]
    letters = [chr(c) for c in range(33, 127)] + list("éèöÉ")
    folder = tmp_path_factory.mktemp("cased")
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(SPECIAL + letters + ["##" + x for x in letters if x.isalnum()] + pieces)) + "\n")
    return folder


@pytest.mark.parametrize("lower", [True, False])
def test_all_prompts_by_a_folder_with_an_uncased_vocabulary(text_probe, shared, tmp_path, lower):  # noqa: F811
    """PubMedBERT as Cardiac-CLIP uses it (cased reading), CXR-BERT (lower-cased)."""
    shutil.copy(shared / "data/tokenizers/bert_base_uncased_vocab.txt", tmp_path / "vocab.txt")
    reference = BertTokenizer(str(tmp_path / "vocab.txt"), do_lower_case=lower)
    ours = text_probe(tmp_path, CASED, lower, 30522, 192)
    assert ours == [reference.encode(text, truncation=True, max_length=192) for text in CASED]
    there = reference.convert_tokens_to_ids("[UNK]" if not lower else "there")
    assert all(ids[1] == there for text, ids in zip(CASED, ours) if text.startswith("There "))


@pytest.mark.parametrize("lower", [True, False])
def test_all_prompts_by_a_folder_with_a_cased_vocabulary(text_probe, cased_vocabulary, lower):  # noqa: F811
    """Bio_ClinicalBERT as CMR-CLIP uses it: lower-cased and stripped of accents, although the vocabulary is cased."""
    reference = BertTokenizer(str(cased_vocabulary / "vocab.txt"), do_lower_case=lower)
    ours = text_probe(cased_vocabulary, CASED, lower, 30000, 512)
    assert ours == [reference.encode(text, truncation=True, max_length=512) for text in CASED]
    tokens = (cased_vocabulary / "vocab.txt").read_text().split("\n")
    used = {tokens[i] for ids in ours for i in ids} - set(SPECIAL)
    assert any(any(c.isupper() for c in token) for token in used) == (not lower)
    assert ("é" in "".join(used)) == (not lower)
