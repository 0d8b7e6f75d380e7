"""From the rows of a record to what is printed."""
import statistics

NAMES = {"ours": "ours", "ours-avx2": "ours, AVX2", "ours-bf16": "ours, bf16", "ours-int8": "ours, int8",
         "torch": "PyTorch", "torch-new": "PyTorch, newer", "onnxruntime": "onnxruntime",
         "onnxruntime-int8": "onnxrt, int8"}
WIDE = ("avx512f", "avx512_bf16")

# Issue 8's floors. Of the peak: 197 to 257 tokens, 1,729, 5,185.
SHARE = {"vit-b16": 0.80, "vit-l14": 0.80, "radclip": 0.80, "vit-3d": 0.75, "cardiac-clip": 0.65}
SHARE_AVX2 = 0.70
FASTER = 1.1  # than onnxruntime, every vision transformer
SHARE_BF16 = {"vit-b16": 0.78, "vit-3d": 0.68, "cardiac-clip": 0.50}
INT8 = (("vit-b16", 1), ("vit-l14", 16))
COSINE = 0.9999
COSINES = {"ours-bf16": 0.9999, "ours-int8": 0.999}
LOAD_S = 3.0


def middle(seconds):
    """Every round counts once, however often a party came round in its turn."""
    return statistics.median(statistics.median(one) for one in seconds)


def best(seconds):
    return min(min(one) for one in seconds)


def limit(row, name, how):
    """10^9 operations a second with the widest instructions a party may use, in fp32 where there are none for fewer bits; None
    where it was not measured."""
    peak = row["peak"]
    wide = None if name == "ours-avx2" else peak.get("fma_512")
    narrow = {"bf16": peak.get("bf16_512"), "int8": peak.get("int8_512")}.get(name.rpartition("-")[2])
    found = narrow or wide or peak.get("fma_256")
    return how(found) if found else None


def figures(row, name):
    party = row["parties"][name]
    taken, fastest = middle(party["seconds"]), best(party["seconds"])
    peak, highest = limit(row, name, statistics.median), limit(row, name, max)
    ours = row["parties"].get("ours")
    return {"seconds": taken, "best_s": fastest, "gflops": row["gflop"] / taken,
            "share": row["gflop"] / taken / peak if peak else None,
            "best_share": row["gflop"] / fastest / highest if highest else None,
            "ratio": taken / middle(ours["seconds"]) if ours else None}


def percent(value):
    return "-" if value is None else f"{100 * value:.0f} %"


def show_head(head, out=print):
    about = head["machine"]
    out(f"machine   {about['lscpu'].get('Model name', 'unknown')} (family {about['lscpu'].get('CPU family', '?')}, model "
        f"{about['lscpu'].get('Model', '?')}), {about['usable_cores']} cores usable, {about['memory_gib']} GiB, "
        f"{about['system']}, {about['lscpu'].get('Hypervisor vendor', 'no hypervisor')}")
    out(f"flags     {' '.join(about['flags'])}")
    out(f"program   {head['program']}, encoder-run {head['sha256'][:16]}")
    out(f"how       {head['threads']} threads, {head['rounds']} rounds, {head['turn_s']:g} s a turn"
        + (", REDUCED SIZES: no figure below means anything" if head["small"] else ""))
    presets = ", ".join(f"{name}={value}" for name, value in head["presets"].items()) or "none"
    out(f"presets   {presets} (cleared for every party)")
    out(f"start     {loaded(head['start'])}")


def loaded(moment):
    return (f"{moment['at']}, load average {' '.join(map(str, moment['load']))}, {percent(moment['busy'])} of the processors "
            "busy with something else")


def show_row(row, out=print):
    words = f"{row['items']} x {row['tokens']} tokens" if row["tokens"] else "one window"
    if row["shape"] == "cmr-clip":
        words = f"{row['items']} frames, {row['tokens']} tokens"
    peaks = ", ".join(f"{name} {statistics.median(found):.0f} (best {max(found):.0f})" for name, found in row["peak"].items())
    out(f"\n== {row['shape']}: {words}, {row['gflop']:.1f} GFLOP; peak, 10^9 a second: {peaks or 'not measured'}; "
        f"{max((len(party['seconds']) for party in row['parties'].values()), default=0)} rounds")
    out(f"   {'':15} {'median s':>9} {'best s':>9} {'GFLOP/s':>8} {'of peak':>8} {'best':>6} {'peak MiB':>9} {'time/ours':>9}  cosine")
    for name, party in row["parties"].items():
        one = figures(row, name)
        ratio = "" if name.startswith("ours") or one["ratio"] is None else f"{one['ratio']:.2f}"
        near = "-" if party["cosine"] is None else f"{party['cosine']:.8f}"
        out(f"   {NAMES[name]:15} {one['seconds']:9.4f} {one['best_s']:9.4f} {one['gflops']:8.1f} {percent(one['share']):>8} "
            f"{percent(one['best_share']):>6} {party['peak_bytes'] / 2 ** 20:9.0f} {ratio:>9}  {near}  {party['runtime']}")
    for name, why in row["skipped"].items():
        out(f"   {NAMES[name]:15} not run: {why}")
    if "control" in row:
        out(f"   the same input mirrored has cosine {row['control']:.4f}")
    if "stages" in row:
        parts = grouped(row["stages"], row["items"])
        whole = sum(parts.values())
        out("   where     " + ", ".join(f"{name} {percent(value / whole)}" for name, value in parts.items()))


def grouped(stages, items):
    """{part: seconds}. Taps see the first item of the first batch: the patches of its others are in the first block's
    attention, from where they are taken back, and what runs in later batches comes before "post"."""
    out = {}
    for name, value in stages.items():
        stage, _, layer = name.rpartition(".")
        part = {"patch": "patch", "embed": "patch", "time": "time attention", "attn": "attention", "layer": "mlp"}.get(stage)
        if stage in ("enc", "dec"):
            part = f"{stage}.{layer}"
        if stage == "post" and items > 1 and "time.0" not in stages:
            part = "later slices"
        out[part or "rest"] = out.get(part or "rest", 0) + value
    others = [value for name, value in stages.items() if name.startswith("attn.") and name != "attn.0"]
    if items > 1 and others and "time.0" not in stages:
        excess = max(0, stages["attn.0"] - statistics.median(others))
        out["patch"], out["attention"] = out["patch"] + excess, out["attention"] - excess
    return out


class Verdicts:
    """What was to be reached, on which processor, and whether it was."""

    def __init__(self, flags, small=False):
        self.flags, self.small, self.rows = flags, small, []

    def judge(self, what, wanted, value, reached, needs=(), timed=True):
        """reached None: not measured. Of reduced sizes no time counts."""
        if self.small and timed:
            verdict = "reduced size"
        elif not set(needs) <= set(self.flags):
            verdict = "not this processor"
        else:
            verdict = "not measured" if reached is None else "reached" if reached else "NOT REACHED"
        self.rows.append((what, wanted, value, verdict))

    def least(self, what, wanted, value, form, needs=(), timed=True):
        self.judge(what, ">= " + form(wanted), "-" if value is None else form(value), None if value is None else value >= wanted,
                   needs, timed)

    def show(self, out=print):
        wide = max((len(row[0]) for row in self.rows), default=0)
        for what, wanted, value, verdict in self.rows:
            out(f"{what:<{wide}}  {wanted:>12}  {value:>12}  {verdict}")


def times(value):
    return f"{value:.2f} x"


def judge_row(row, verdicts):
    name, words = row["shape"], f"{row['shape']} x {row['items']}"
    share = {one: figures(row, one)["share"] for one in ("ours", "ours-avx2") if one in row["parties"]}
    peer = figures(row, "onnxruntime")["ratio"] if "onnxruntime" in row["parties"] else None
    bf16 = figures(row, "ours-bf16") if "ours-bf16" in row["parties"] else None
    faster = peer * bf16["gflops"] / figures(row, "ours")["gflops"] if bf16 and peer else None
    if name in SHARE:
        verdicts.least(f"{words}: fp32 share of peak", SHARE[name], share.get("ours"), percent, WIDE)
        narrow = share.get("ours-avx2" if "avx512f" in verdicts.flags else "ours")
        verdicts.least(f"{words}: AVX2 share of AVX2's peak", SHARE_AVX2, narrow, percent, ("avx2",))
    if name != "radar":
        verdicts.least(f"{words}: against onnxruntime", FASTER, peer, times, WIDE)
    if name in SHARE_BF16:
        verdicts.least(f"{words}: bf16 share of bf16's peak", SHARE_BF16[name], bf16 and bf16["share"], percent, WIDE)
    if name != "radar":
        verdicts.least(f"{words}: bf16 against onnxruntime fp32", 2.1, faster, times, WIDE)
    if (name, row["items"]) in INT8:
        peer8, ours8 = (figures(row, one)["seconds"] if one in row["parties"] else None for one in ("onnxruntime-int8", "ours-int8"))
        verdicts.least(f"{words}: int8 against onnxruntime int8", 1.2, peer8 and ours8 and peer8 / ours8, times,
                       (*WIDE, "avx512_vnni"))
    for one in ("ours", "ours-avx2", *COSINES):
        if one == "ours" or one in row["parties"]:
            near = row["parties"].get(one, {}).get("cosine")
            verdicts.least(f"{words}: cosine of {NAMES[one]} to PyTorch's embedding", COSINES.get(one, COSINE), near,
                           "{:.8f}".format, timed=one in COSINES)  # reduced sizes are rounded more


def show(rows, out=print):
    """rows: of one run."""
    head = rows[0]["head"]
    show_head(head, out)
    verdicts = Verdicts(head["machine"]["flags"], head["small"])
    for row in rows:
        if "shape" in row:
            show_row(row, out)
            judge_row(row, verdicts)
        if "load" in row:
            one = row["load"]
            taken = statistics.median(one["seconds"])
            out(f"\n== load: {one['weights_bytes'] / 1e9:.2f} GB, start of the process to the first vector {taken:.2f} s "
                f"(best {min(one['seconds']):.2f}, first time {one['cold_s']:.2f}), peak {one['peak_bytes'] / 2 ** 20:.0f} MiB")
            verdicts.judge("load to the first result, warm", f"< {LOAD_S:g} s", f"{taken:.2f} s", taken < LOAD_S)
        if "end" in row:
            out(f"\nend       {loaded(row['end'])}")
    out("\n== what was to be reached (the ratio of medians decides)")
    verdicts.show(out)
