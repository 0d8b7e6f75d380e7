"""Words for why a study is not analysed: the metrics count each by its name."""
import json
import re

from tree import c_files, read

NO_REASON_OF_A_STUDY = {"chosen", "not_chosen", "organ_masks", "segmentation_geometry"}
OTHER_JOBS = {"job_tensor", "pixels", "text_cache"}  # files that decline something else
ON_DEMAND = {"no_such_series"}  # the service never asks for one series


def documented():
    """Of the verdicts on series, the first column; of section 3, the word of each row that declines."""
    text = read("docs/volumes.md")
    for line in text[text.index("\n### Verdicts\n"):text.index("\n## 4.")].split("\n"):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or len(cells) < 2:
            continue
        words = cells[0] if len(cells) == 2 else cells[3] if len(cells) == 4 and "decline" in cells[2] else ""
        yield from re.findall(r"`([a-z]+(?:_[a-z]+)*)`", words)


def left_by_rules():
    return {rule["role"] for rule in json.loads(read("conf/series.json"))["rules"] if not rule.get("take", True)}


def declined_by_code():
    for path in c_files(("modules",), ("*.c",)):
        *_, module, name = path.split("/")
        if module in ("study", "volume", "pipeline") and name.removesuffix(".c") not in OTHER_JOBS:
            yield from re.findall(r'err_decline\(\s*[^,"]+,\s*"(\w+)"', read(path))


def test_every_reason_of_a_decline_is_counted_by_its_name():
    (table,) = re.findall(r"\*const reasons\[\] = \{(.*?)\}", read("daemon/metrics.c"), re.DOTALL)
    counted = re.findall(r'"(\w+)"', table)
    assert {"no_geometry", "bad_rescale"} <= set(documented()), "the tables are not found"
    assert {"localizer", "map"} <= left_by_rules()
    assert {"several_studies", "spacing_too_coarse"} <= set(declined_by_code()), "the code is not found"
    known = {*documented(), *left_by_rules(), *declined_by_code()} - NO_REASON_OF_A_STUDY - ON_DEMAND
    assert len(set(counted)) == len(counted) and counted[-1] == "other"
    assert sorted(known - set(counted)) == []
