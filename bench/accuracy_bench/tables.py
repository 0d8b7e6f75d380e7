"""From the lines of the record to what is printed."""
import collections
import math
import statistics

import numpy as np

from . import figures, measure, texts, variants
from .record import unpacked

UNCOUNTED = ("coronary_stenosis",)  # near the size of a voxel: printed, not counted
THIRDS = ((0.2, 1.4 / 3), (1.4 / 3, 2.2 / 3), (2.2 / 3, 1.001))  # of the severities that are drawn, 0.2 to 1
BOX = "CT heart's box: share with 98 % inside and volume <= 2.5"
WORD = {"ct": "CT", "cmr": "CMR"}


class Verdicts:
    """What was to be reached, and whether it was."""

    def __init__(self):
        self.rows = []

    def add(self, what, wanted, value, reached):
        verdict = "not measured" if reached is None else "reached" if reached else "NOT REACHED"
        self.rows.append((what, wanted, value, verdict))

    def least(self, what, wanted, value, more=""):
        missing = value is None or math.isnan(value)
        self.add(what, f">= {wanted:g}", "-" if missing else f"{value:.4f}{more}", None if missing else value >= wanted)

    def most(self, what, wanted, value, more=""):
        missing = value is None or math.isnan(value)
        self.add(what, f"<= {wanted:g}", "-" if missing else f"{value:.4f}{more}", None if missing else value <= wanted)

    def show(self):
        wide = max(len(row[0]) for row in self.rows)
        for what, wanted, value, reached in self.rows:
            print(f"{what:<{wide}}  {wanted:>9}  {value:<34}  {reached}")


def heading(text):
    print(f"\n== {text}")


def interval(found):
    return f"{found[0]:.3f} [{found[1]:.3f}, {found[2]:.3f}]"


class Studies:
    """The analysed phantoms of one kind: embeddings [n, d], and per label truth, margin and what was said."""

    def __init__(self, kind, rows, model, asked):
        self.kind, self.rows, self.asked = kind, rows, asked
        self.analysed = [row for row in rows if row["answer"]["embedding"]]
        self.embeddings = np.array([unpacked(row["answer"]["embedding"]) for row in self.analysed], float)
        known = rows[0]["truth"]["findings"] if rows else {}
        self.labels = [label for label in texts.labels(model) if label["id"] in known]
        self.ids = [label["id"] for label in self.labels]
        self.counted = [name for name in self.ids if name not in UNCOUNTED]

    def severities(self, name):
        return np.array([row["truth"]["findings"][name] for row in self.analysed])

    def said(self, name):
        return [next(one for one in row["answer"]["findings"] if one["id"] == name) for row in self.analysed]

    def margins(self, label):
        """As served; of a study whose labels were not assessed (outside the domain), from its embedding."""
        mine = self.embeddings @ self.asked.direction(label["positive"], label.get("negative"))
        served = np.array([math.nan if one["cosine_positive"] is None else
                           one["cosine_positive"] - (one["cosine_negative"] or 0) for one in self.said(label["id"])])
        return np.where(np.isnan(served), mine, served)


def show_findings(studies, verdicts):
    kind, columns = studies.kind, {}
    heading(f"{WORD[kind]}: zero-shot, {len(studies.analysed)} studies; AUC [95 %], of the mildest, middle and "
            "severest third against all without; told present of those with, of those without, not decided")
    for label in studies.labels:
        name, margins = label["id"], studies.margins(label)
        severity = studies.severities(name)
        present = severity > 0
        columns[name] = margins, present
        found = figures.auc_interval(margins, present)
        thirds = [figures.auc(margins[rows], present[rows]) for rows in (
            ~present | ((severity >= low) & (severity < high)) for low, high in THIRDS)]
        states = np.array([one["state"] for one in studies.said(name)])
        told = [np.mean(states[chosen] == "present") if chosen.any() else math.nan for chosen in (present, ~present)]
        undecided = np.mean(~np.isin(states, ["present", "absent"]))
        print(f"{name:<31} {present.sum():4} {interval(found)}  {' '.join(f'{one:.3f}' for one in thirds)}  "
              f"{told[0]:.2f} {told[1]:.2f} {undecided:.2f}{'' if name in studies.counted else '  (not counted)'}")
    counted = [columns[name] for name in studies.counted]
    mean = figures.mean_auc(counted)
    least = min(studies.counted, key=lambda name: figures.auc(*columns[name]))
    print(f"mean of {len(counted)} counted: {interval(mean)}")
    verdicts.least(f"{WORD[kind]} mean AUC", 0.95, mean[0], f" [{mean[1]:.4f}, {mean[2]:.4f}]")
    verdicts.least(f"{WORD[kind]} least AUC of a counted finding", 0.85, figures.auc(*columns[least]), f" ({least})")


def show_held_out(studies, verdicts):
    kind, sentences = studies.kind, texts.held_out(studies.kind)
    heading(f"{WORD[kind]}: sentences that training held out")
    if not sentences:
        print("none are listed in tools/train")
        return verdicts.least(f"{WORD[kind]} mean AUC, sentences never used", 0.90, None)
    means = {}
    for name in (name for name in studies.ids if name in sentences):
        positive, negative = sentences[name]["positive"], sentences[name].get("negative") or [None]
        present = studies.severities(name) > 0
        each = [figures.auc(studies.embeddings @ studies.asked.direction(
            positive[i % len(positive)], negative[i % len(negative)]), present)
            for i in range(max(len(positive), len(negative)))]
        means[name] = np.mean(each)
        print(f"{name:<31} {len(each):3} pairs of sentences: mean {np.mean(each):.3f}, worst {min(each):.3f}"
              f"{'' if name in studies.counted else '  (not counted)'}")
    counted = [means[name] for name in studies.counted if name in means]
    missing = [name for name in studies.counted if name not in means]
    print(f"mean of {len(counted)} counted: {np.mean(counted):.3f}")
    if missing:
        print(f"none for {' '.join(missing)}")
    return verdicts.least(f"{WORD[kind]} mean AUC, sentences never used", 0.90, np.mean(counted))


def show_calibration(studies, verdicts):
    kind = studies.kind
    heading(f"{WORD[kind]}: calibration, pooled, 10 bins of equal mass")
    pairs = [(one["probability"], severity > 0) for name in studies.ids
             for one, severity in zip(studies.said(name), studies.severities(name)) if one["probability"] is not None]
    if not pairs:
        print("the model states no probabilities")
        return verdicts.most(f"{WORD[kind]} calibration error", 0.05, None)
    error, rows = figures.calibration_error(*zip(*pairs))
    for count, said, true in rows:
        print(f"{count:6} said {said:.3f}  true {true:.3f}")
    print(f"expected calibration error {error:.4f} over {len(pairs)} answers")
    return verdicts.most(f"{WORD[kind]} calibration error", 0.05, error)


def show_recall(studies, verdicts):
    kind, write = studies.kind, texts.report_writer()
    heading(f"{WORD[kind]}: retrieval among {len(studies.analysed)}, the truth as a report")
    names = f"{WORD[kind]} recall@10, text to study", f"{WORD[kind]} recall@10, study to text"
    if not write:
        print("tools/train has no reports")
        return [verdicts.least(name, 10, None) for name in names]
    reports = [write(kind, row["truth"]["findings"]) for row in studies.analysed]
    similarity = studies.asked.vectors(reports) @ studies.embeddings.T
    chance = 10 / len(reports)
    for name, table in zip(names, (similarity, similarity.T)):
        found = figures.recall_at(table, 10)
        print(f"{name}: {found:.3f}, chance {chance:.3f} ({len(set(reports))} different reports)")
        verdicts.least(name + " / chance", 10, found / chance, " times")
    return None


def show_domain(studies, verdicts):
    kind = studies.kind
    heading(f"{WORD[kind]}: the domain gate on held-back phantoms")
    domains = [row["answer"]["domain"] for row in studies.analysed]
    reasons = collections.Counter(row["answer"]["reason"] for row in studies.rows if not row["answer"]["analysed"])
    if reasons:
        print(f"not analysed at all: {dict(reasons)}")
    verdicts.most(f"{WORD[kind]} share of phantoms not analysed at all", 0.0,
                  sum(reasons.values()) / max(1, len(studies.rows)))
    if not domains or not all(domains):
        print("the model has no domain gate")
        return verdicts.most(f"{WORD[kind]} phantoms declined by the gate", 0.02, None)
    distances = np.array([one["distance"] for one in domains])
    outside = sum(not one["inside"] for one in domains)
    print(f"distance: median {np.median(distances):.3f}, 99 % below {np.percentile(distances, 99):.3f}, largest "
          f"{distances.max():.3f}; limit {domains[0]['limit']:.3f}")
    share = figures.share_interval(outside, len(domains))
    print(f"declined: {outside} of {len(domains)}, {interval(share)}")
    return verdicts.most(f"{WORD[kind]} phantoms declined by the gate", 0.02, share[0],
                         f" [{share[1]:.4f}, {share[2]:.4f}]")


def became(answer):
    """In a word what an answer was, and whether the gate or something before it declined."""
    if not answer["analysed"]:
        return f"not analysed: {answer['reason']}", True
    domain = answer["domain"]
    if domain and not domain["inside"]:
        told = {one["state"] for one in answer["findings"]}
        return f"outside_domain: {domain['distance']:.2f} > {domain['limit']:.2f}", told == {"not_assessed"}
    inside = f", {domain['distance']:.2f} <= {domain['limit']:.2f}" if domain else ", no gate"
    return f"ANSWERED{inside}", False


def show_real(rows, verdicts):
    heading("real studies, objects of each: with the gates as shipped; with every other gate opened")
    said, declined = collections.defaultdict(dict), {"shipped": [], "opened": []}
    for row in rows:
        said[f"{row['name']:<62} {row['objects']:4}"][row["gates"]] = became(row["answer"]) if "answer" in row else (
            f"not accepted: {row['refused']}", None)
    for name, found in sorted(said.items()):
        print(name, "; ".join(found.get(gates, ("-", None))[0] for gates in declined))
        for gates, (_, one) in found.items():
            declined[gates] += [] if one is None else [one]
    for gates, found in declined.items():
        verdicts.add(f"real studies declined, gates {gates}", "all", f"{sum(found)} of {len(found)}" if found else "-",
                     all(found) if found else None)


def states_agree(one, other):
    """Equal, or the probability is within 0.05 of the threshold's: sentences about those that are not."""
    faults = []
    for a, b in zip(one["findings"], other["findings"]):
        if a["state"] == b["state"]:
            continue
        edge = (a.get("calibration") or {}).get("probability_at_threshold")
        near = edge is not None and a["probability"] is not None and b["probability"] is not None and min(
            abs(a["probability"] - edge), abs(b["probability"] - edge)) <= 0.05
        if not near:
            faults.append(f"{a['id']}: {a['state']} {a['probability']} became {b['state']} {b['probability']}")
    return faults


def compared(kind, name, pairs, verdicts):
    """pairs: (answer as it is, answer otherwise)."""
    both = [(a, b) for a, b in pairs if a["embedding"] and b["embedding"]]
    same = sum(a["embedding"] == b["embedding"] and a["findings"] == b["findings"] for a, b in both)
    cosines = [figures.cosine(unpacked(a["embedding"]), unpacked(b["embedding"])) for a, b in both]
    faults = [fault for a, b in both for fault in states_agree(a, b)]
    lost = collections.Counter(b["reason"] for _, b in pairs if not b["embedding"])
    print(f"{name:<14} {len(pairs):3} studies: {same} identical, cosine least {min(cosines, default=math.nan):.5f} median "
          f"{statistics.median(cosines) if cosines else math.nan:.5f}, {len(faults)} states differ"
          f"{f', not analysed: {dict(lost)}' if lost else ''}")
    for fault in faults[:5]:
        print(f"    {fault}")
    if name in variants.SAME_BITS or name == "late_after":
        verdicts.add(f"{WORD[kind]} {name}: identical bits", "all", f"{same} of {len(pairs)}", same == len(pairs))
    else:
        reached = not lost and min(cosines, default=0) > 0.98 and not faults
        verdicts.add(f"{WORD[kind]} {name}: cosine, and equal states", "> 0.98",
                     f"{min(cosines, default=math.nan):.4f}, {len(faults)} states differ", reached)


def show_variants(studies, rows, verdicts):
    kind = studies.kind
    heading(f"{WORD[kind]}: the same phantom written otherwise")
    plain = {row["seed"]: row["answer"] for row in studies.rows}
    pairs = collections.defaultdict(list)
    for row in rows:
        if row["kind"] != kind or row["seed"] not in plain:
            continue
        pairs["late_after" if "before" in row else row["variant"]].append((plain[row["seed"]], row["answer"]))
        if "before" in row:
            pairs["late_before"].append((plain[row["seed"]], row["before"]))
    for name in (*variants.SAME_BITS, *variants.NEARLY, *variants.LATE):
        if name in pairs:
            compared(kind, name, pairs[name], verdicts)
        else:
            verdicts.add(f"{WORD[kind]} {name}", "", "-", None)


def show_boxes(studies, margin_mm, verdicts):
    heading("CT: the heart's box, without the model's margin")
    boxes = [(row, measure.box_of(row["answer"], margin_mm)) for row in studies.rows]
    boxes = [(row, box) for row, box in boxes if box]
    print(f"from: {dict(collections.Counter(row['answer']['box']['source'] for row, _ in boxes))}")
    if not boxes:
        return verdicts.least(BOX, 0.95, None)
    ratios = np.array([np.prod(high - low) / 1000 / row["truth"]["heart_ml"] for row, (low, high) in boxes])
    shares = measure.heart_shares(boxes)
    centres = np.array([np.linalg.norm((low + high) / 2 - np.reshape(row["truth"]["heart_box_lps"], (2, 3)).mean(axis=0))
                        for row, (low, high) in boxes])
    held, small = shares >= 0.98, ratios <= 2.5
    found = {name: figures.share_interval(int(hits.sum()), len(studies.rows))
             for name, hits in (("held", held), ("small", small), ("both", held & small))}
    print(f"at least 98 % of the heart inside: {interval(found['held'])}; least share but for 5 %: "
          f"{np.percentile(shares, 5):.3f}\nvolume at most 2.5 times the heart's: {interval(found['small'])}; ratio median "
          f"{np.median(ratios):.2f}, 95 % below {np.percentile(ratios, 95):.2f}\nboth: {interval(found['both'])}\n"
          f"centre off by {np.median(centres):.1f} mm (median), 95 % below {np.percentile(centres, 95):.1f}")
    return verdicts.least(BOX, 0.95, found["both"][0], f" [{found['both'][1]:.4f}, {found['both'][2]:.4f}]")


def show_cost(studies):
    heading(f"{WORD[studies.kind]}: sizes and seconds, medians a study")
    rows = studies.rows
    middle = lambda look: statistics.median(look(row) for row in rows)  # noqa: E731
    print(f"objects {middle(lambda r: r['send']['objects']):.0f}, {middle(lambda r: r['send']['bytes']) / 1e6:.1f} MB; "
          f"made in {middle(lambda r: r['make_s']):.2f} s, sent in {middle(lambda r: r['send']['seconds']):.2f} s, report after "
          f"{middle(lambda r: r['answer_s']):.2f} s (read {middle(lambda r: r['answer']['timing']['load_s']):.2f}, "
          f"prepared {middle(lambda r: r['answer']['timing']['volume_s']):.2f}, "
          f"encoded {middle(lambda r: r['answer']['timing']['encode_s']):.2f})")


def show_reports(studies, verdicts):
    faults = [(row["seed"], fault) for row in studies.rows for fault in row["report_faults"]]
    for seed, fault in faults[:10]:
        print(f"    {WORD[studies.kind]} {seed}: {fault}")
    verdicts.add(f"{WORD[studies.kind]} SR in the PACS says what REST says", "all",
                 f"{len(studies.rows) - len({seed for seed, _ in faults})} of {len(studies.rows)}", not faults)
