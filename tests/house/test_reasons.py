"""Words for why a study is not analysed: the metrics count each of those that docs/volumes.md explains."""
import re

from tree import read

NO_REASON_OF_A_STUDY = {"chosen", "not_chosen", "organ_masks"}


def documented():
    """Of section 2, the first column of its table; of section 3, the word of each row that declines."""
    text = read("docs/volumes.md")
    for line in text[text.index("\n## 2."):text.index("\n## 4.")].split("\n"):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or len(cells) < 2:
            continue
        words = cells[0] if len(cells) == 2 else cells[3] if len(cells) == 4 and "decline" in cells[2] else ""
        yield from re.findall(r"`([a-z]+(?:_[a-z]+)*)`", words)


def test_every_reason_of_a_decline_is_counted_by_its_name():
    (table,) = re.findall(r"\*const reasons\[\] = \{(.*?)\}", read("daemon/metrics.c"), re.DOTALL)
    counted = re.findall(r'"(\w+)"', table)
    known = set(documented()) - NO_REASON_OF_A_STUDY
    assert {"localizer", "too_few_slices", "bad_rescale"} <= known, "the tables are not found"
    assert len(set(counted)) == len(counted) and counted[-1] == "other"
    assert sorted(known - set(counted)) == []
