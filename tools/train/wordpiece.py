"""A small WordPiece: vocabulary from texts, and the tokenizer of docs/model-folder.md for what these texts hold (ASCII)."""
import re

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def words(text):
    return re.findall(r"[a-z0-9]+|[^\sa-z0-9]", text.lower())


def build(texts, at_least=3):
    """Words that occur in `at_least` texts stand whole; the others are cut into a stem of up to five letters and
    endings, and single letters cover what is left, so that no word of letters is unknown."""
    counts = {}
    for text in texts:
        for word in set(words(text)):
            counts[word] = counts.get(word, 0) + 1
    pieces = set("abcdefghijklmnopqrstuvwxyz.,0123456789") | {"##" + c for c in "abcdefghijklmnopqrstuvwxyz"}
    for word, count in counts.items():
        if count >= at_least or len(word) <= 5:
            pieces.add(word)
        else:
            pieces |= {word[:5], "##" + word[5:]}
    return SPECIAL + sorted(pieces)


class Tokenizer:
    def __init__(self, vocabulary, max_len):
        self.ids, self.max_len = {piece: i for i, piece in enumerate(vocabulary)}, max_len

    def pieces(self, word):
        made, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in self.ids:
                    made.append(self.ids[piece])
                    start = end
                    break
            else:
                return [self.ids["[UNK]"]]
        return made

    def __call__(self, text):
        inner = [i for word in words(text) for i in self.pieces(word)][:self.max_len - 2]
        return [self.ids["[CLS]"], *inner, self.ids["[SEP]"]]

    def batch(self, texts):
        """Lists of ids, padded with 0."""
        made = [self(text) for text in texts]
        longest = max(map(len, made))
        return [ids + [0] * (longest - len(ids)) for ids in made]
