"""The model card."""
import demos
import towers

TEXT = """# {name}

{use}

{data} What it says of anything else means nothing; a study unlike the phantoms is answered `outside_domain`.

| | |
|---|---|
| architecture | {family}: `{arch}`, input {input}, patch {patch}, width {width}, depth {depth}, {gflop:.1f} GFLOP a study; text tower `bert`, width {text_width}, depth {text_depth} |
| trained on | {training} phantoms (`cardioscribe-phantom`, seeds from 100000), {steps} steps, {hours:.2f} hours on one or two busy cores; {declined} phantoms were declined by the service and not used |
| calibrated on | {validation} phantoms, seeds from 400000, used for nothing else |
| weights | F16, made by `tools/train` (README there has the recipe) |
| trained: {trained} | {why} |

## How it was trained
{losses} In training only, heads that the folder does not hold say what each patch is made of, millimetres and millilitres, and
each finding's severity: a vision transformer from scratch is hungry, and phantoms know the truth of every voxel.

| step | seconds | patches | measures | findings | prompts | contrast |
|---|---|---|---|---|---|---|
{curve}

## What it reaches
On the {validation} phantoms it was calibrated on, from their vectors in float32. `bench/accuracy` measures through the
service on phantoms that served for nothing.

| finding | positive | AUC | mild | middling | severe | sentences never trained |
|---|---|---|---|---|---|---|
{figures}

{untold}Mean AUC {mean:.3f}{counted}; expected calibration error {ece:.3f} (fitted on these same studies); recall@10 of reports among
{validation}: study to text {recall[0]:.2f}, text to study {recall[1]:.2f}, chance {chance:.2f}.
"""

LOSSES = {
    "ct": "Cardiac-CLIP's soft-label contrastive loss between studies and templated reports, targets from pathology vectors, and\n"
          "each label's pair of sentences as a yes or a no.",
    "cmr": "CMR-CLIP's symmetric InfoNCE between studies and templated reports, and each label's pair of sentences as a yes or\na no.",
}


def curve_lines(curve):
    chosen = curve[::max(1, len(curve) // 12)]
    return "\n".join(f"| {row['step']} | {float(row['seconds']):.0f} | " +
                     " | ".join(f"{float(row[name]):.3f}" for name in ("parts", "measures", "findings", "prompts", "contrast")) + " |"
                     for row in chosen)


def figure_lines(figures):
    return "\n".join(f"| {row['id']} | {row['count']} | {row['auc']:.3f} | " + " | ".join(f"{v:.3f}" for v in row["thirds"]) +
                     f" | {row['held_out']:.3f} |" for row in figures["labels"])


def written(facts):
    config, figures = facts["config"], facts["figures"]
    vision, text = config["vision"], config["text"]
    counted = [row["auc"] for row in figures["labels"] if row["id"] != "coronary_stenosis"]
    why = "its figures are below; it decides" if config["trained"] else \
        "its figures are below what would be worth deciding from: every label is `undetermined`"
    untold = [row["id"] for row in figures["labels"] if not row["told"]]
    return TEXT.format(
        name=config["name"], use=demos.USE, data=demos.DATA, family=config["family"], arch=vision["arch"],
        input=" x ".join(map(str, vision["input"])), patch=" x ".join(map(str, vision["patch"])), width=vision["width"],
        depth=vision["depth"], gflop=towers.flops(vision) / 1e9, text_width=text["width"], text_depth=text["depth"],
        training=facts["training"], steps=facts["step"], hours=facts["seconds"] / 3600, declined=facts["declined"],
        validation=figures["studies"], trained=str(config["trained"]).lower(), why=why, losses=LOSSES[facts["kind"]],
        curve=curve_lines(facts["curve"]), figures=figure_lines(figures), mean=sum(counted) / len(counted),
        counted=" (coronary stenosis not counted)" if facts["kind"] == "ct" else "", ece=figures["ece"],
        recall=figures["recall"], chance=10 / figures["studies"],
        untold=f"Always `undetermined`, because it cannot tell: {', '.join(untold)}.\n\n" if untold else "")
