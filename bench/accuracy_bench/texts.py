"""What is asked of an embedding: the model's own sentences, those that training held out, and reports.

Text vectors come from the model's own text tower (`cardioscribe text`)."""
import importlib.util
import json
import subprocess

import numpy as np

from .service import CLI, ROOT

TRAIN = ROOT / "tools" / "train"
AT_ONCE = 500  # texts a call


class Texts:
    """Unit vectors of texts, each asked once."""

    def __init__(self, model):
        self.model, self.known = model, {}

    def vectors(self, texts):
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        for at in range(0, len(new), AT_ONCE):
            part = new[at:at + AT_ONCE]
            done = subprocess.run([CLI, "text", "--model", self.model, "--json", *part], capture_output=True,
                                  text=True, check=True)
            for text, one in zip(part, json.loads(done.stdout)["embeddings"]):
                self.known[text] = np.array(one["embedding"])
        return np.array([self.known[text] for text in texts])

    def side(self, texts):
        """One side of a question: the mean of its unit vectors, at unit length again (docs/model-folder.md)."""
        mean = self.vectors([texts] if isinstance(texts, str) else texts).mean(axis=0)
        return mean / np.linalg.norm(mean)

    def direction(self, positive, negative):
        """A study's margin is its embedding's product with this."""
        return self.side(positive) - (self.side(negative) if negative else 0)


def labels(model):
    return json.loads((model / "prompts.json").read_text())["labels"]


def held_out(kind):
    """{label: {"positive": [...], "negative": [...]}} of sentences that training never saw, or None."""
    path = TRAIN / "held_out.json"
    return json.loads(path.read_text()).get(kind) if path.exists() else None


def all_sentences(kind, model):
    """Of the prompts and of those held out, to be asked at once: each call opens the model."""
    sides = [label.get(side) for label in [*labels(model), *(held_out(kind) or {}).values()]
             for side in ("positive", "negative")]
    return [text for side in sides for text in ([side] if isinstance(side, str) else side or [])]


def report_writer():
    """The function of tools/train that tells findings in words, or None."""
    path = TRAIN / "reports.py"
    if not path.exists():
        return None
    found = importlib.util.spec_from_file_location("train_reports", path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.report
