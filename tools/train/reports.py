#!/usr/bin/env python3
"""What training says of a study in words: templates, paraphrases, words of severity; and what it never says.

    tools/train/reports.py --held-out > tools/train/held_out.json

A sentence is a pattern round a synonym. Some pairs of the two, and some whole sentences, are held out: they never occur
in training, though every word of them does elsewhere. Standard library only."""
import json
import random
import sys

PRESENT = ["there is {grade}{name}.", "{grade}{name} is present.", "the study shows {grade}{name}.", "{grade}{name}.",
           "findings of {grade}{name}.", "evidence of {grade}{name}.", "{grade}{name} is seen."]
ABSENT = ["there is no {name}.", "no {name}.", "no evidence of {name}.", "no {name} is seen.", "{name} is absent.",
          "the study shows no {name}.", "{name} is not present."]

# names; sentences of their own for it, and against it. The last of the sentences of each list of three or more is held out.
LABELS = {
    "ct": {
        "coronary_calcification": ("Coronary artery calcification", [
            "coronary artery calcification", "calcified plaque of the coronary arteries", "coronary calcium",
            "calcified plaque at the coronary artery"], [
            "the coronary arteries are calcified.", "calcium is seen in the coronary arteries.",
            "there is calcium in the coronary arteries."], [
            "the coronary arteries are free of calcium.", "no calcium is seen in the coronary arteries.",
            "the coronary arteries are not calcified."]),
        "coronary_stenosis": ("Coronary artery stenosis", [
            "coronary artery stenosis", "narrowing of a coronary artery", "stenosis at the coronary artery",
            "luminal narrowing of the coronary arteries"], [
            "a coronary artery is narrowed.", "the lumen of a coronary artery is narrowed.",
            "the coronary arteries are narrowed."], [
            "the coronary arteries are widely patent.", "the lumen of the coronary arteries is not narrowed.",
            "the coronary arteries are not narrowed."]),
        "aortic_wall_calcification": ("Aortic wall calcification", [
            "aortic wall calcification", "calcification at the cardiac aortic wall", "calcified plaque of the aorta",
            "aortic atheroma with calcium"], [
            "the aortic wall is calcified.", "calcium is seen in the aortic wall.", "the wall of the aorta contains calcium."], [
            "the aortic wall is free of calcium.", "no calcium is seen in the wall of the aorta.",
            "the aortic wall is not calcified."]),
        "cardiomegaly": ("Cardiomegaly", [
            "cardiomegaly", "enlargement of the heart", "cardiac enlargement", "an enlarged heart"], [
            "the heart is enlarged.", "the cardiac silhouette is enlarged.", "the heart is enlarged in size."], [
            "the heart is normal in size.", "the heart is not enlarged.", "the cardiac silhouette is normal in size."]),
        "pericardial_effusion": ("Pericardial effusion", [
            "pericardial effusion", "fluid in the pericardial sac", "fluid around the heart", "pericardial fluid"], [
            "fluid surrounds the heart.", "the pericardial sac contains fluid.", "fluid is seen around the heart."], [
            "the pericardium is normal.", "the pericardial sac contains no fluid.", "no fluid surrounds the heart."]),
        "pulmonary_hypertension": ("Pulmonary hypertension", [
            "pulmonary hypertension", "dilatation of the pulmonary trunk", "pulmonary artery enlargement",
            "an enlarged pulmonary artery"], [
            "the pulmonary trunk is dilated.", "the pulmonary artery is enlarged.", "the pulmonary trunk is enlarged."], [
            "the pulmonary trunk is normal in size.", "the pulmonary artery is not enlarged.",
            "the pulmonary trunk is not dilated."]),
        "aortic_aneurysm": ("Aneurysm of the ascending aorta", [
            "aneurysm of the ascending aorta", "ascending aortic aneurysm", "dilatation of the ascending aorta",
            "an aneurysmal ascending aorta"], [
            "the ascending aorta is aneurysmal.", "the ascending aorta is dilated.", "the ascending aorta is enlarged."], [
            "the ascending aorta is normal in size.", "the ascending aorta is not dilated.",
            "the ascending aorta is not enlarged."]),
        "left_ventricular_hypertrophy": ("Left ventricular hypertrophy", [
            "left ventricular hypertrophy", "thickening of the left ventricular wall", "a thick left ventricular wall",
            "hypertrophy of the left ventricle"], [
            "the left ventricle is hypertrophied.", "the left ventricular wall is thickened.",
            "the wall of the left ventricle is thickened."], [
            "the left ventricular wall is normal.", "the left ventricular wall is not thickened.",
            "the left ventricle is not hypertrophied."]),
    },
    "cmr": {
        "left_ventricular_hypertrophy": ("Left ventricular hypertrophy", [
            "left ventricular hypertrophy", "concentric hypertrophy of the left ventricle", "concentric wall thickening",
            "thickening of the left ventricular wall"], [
            "the left ventricular wall is thickened all round.", "lv is thickened.",
            "the left ventricle is thickened all round."], [
            "the left ventricular wall is normal.", "lv is not thickened.", "the left ventricular wall is not thickened."]),
        "left_ventricular_dysfunction": ("Left ventricular systolic dysfunction", [
            "left ventricular systolic dysfunction", "left ventricle with systolic dysfunction",
            "reduced left ventricular ejection fraction", "impaired left ventricular function"], [
            "left ventricular function is reduced.", "the left ventricular ejection fraction is reduced.",
            "left ventricular function is impaired."], [
            "left ventricular function is normal.", "the left ventricular ejection fraction is normal.",
            "left ventricular function is not reduced."]),
        "right_ventricular_dysfunction": ("Right ventricular systolic dysfunction", [
            "right ventricular systolic dysfunction", "right ventricle with systolic dysfunction",
            "reduced right ventricular ejection fraction", "impaired right ventricular function"], [
            "right ventricular function is reduced.", "the right ventricular ejection fraction is reduced.",
            "right ventricular function is impaired."], [
            "right ventricular function is normal.", "the right ventricular ejection fraction is normal.",
            "right ventricular function is not reduced."]),
        "left_ventricular_enlargement": ("Left ventricular enlargement", [
            "left ventricular enlargement", "dilatation of the left ventricle", "a dilated left ventricle",
            "left ventricular dilatation"], [
            "left ventricle is dilated.", "the left ventricle is enlarged in size.", "the left ventricle is dilated."], [
            "the left ventricle is normal in size.", "the left ventricle is not enlarged.",
            "the left ventricle is not dilated."]),
        "right_ventricular_enlargement": ("Right ventricular enlargement", [
            "right ventricular enlargement", "dilatation of the right ventricle", "a dilated right ventricle",
            "right ventricular dilatation"], [
            "right ventricle is dilated.", "the right ventricle is enlarged in size.", "the right ventricle is dilated."], [
            "the right ventricle is normal in size.", "the right ventricle is not enlarged.",
            "the right ventricle is not dilated."]),
        "septal_hypertrophy": ("Septal hypertrophy", [
            "septal hypertrophy", "asymmetric thickening of the septum", "a thick septum", "hypertrophy of the septum"], [
            "the septum is thickened.", "the septum is hypertrophied.", "the septum shows asymmetric hypertrophy."], [
            "the septum is normal.", "the septum is not thickened.", "the septum is not hypertrophied."]),
        "lge_ischemic": ("Ischaemic late gadolinium enhancement", [
            "ischaemic late enhancement", "subendocardial enhancement", "myocardial infarction",
            "scar in a coronary territory"], [
            "there is subendocardial scar.", "delayed enhancement imaging reveals subendocardial enhancement.",
            "delayed enhancement imaging reveals scar in a coronary territory."], [
            "no ischaemic scar.", "delayed enhancement imaging reveals no subendocardial enhancement.",
            "no subendocardial scar is seen."]),
        "lge_patchy": ("Patchy late gadolinium enhancement", [
            "patchy late enhancement", "patchy enhancement within the wall", "patchy midwall scar",
            "spots of enhancement within the wall"], [
            "delayed enhancement imaging reveals patchy enhancement.", "there are spots of midwall scar.",
            "delayed enhancement imaging reveals spots of scar."], [
            "delayed enhancement imaging reveals no patchy enhancement.", "there are no spots of scar.",
            "no spots of patchy scar are seen."]),
        "lge_diffuse": ("Diffuse late gadolinium enhancement", [
            "diffuse late enhancement", "diffuse enhancement of the whole wall", "an amyloid pattern of enhancement",
            "diffuse amyloid enhancement"], [
            "delayed enhancement imaging reveals diffuse enhancement.", "the whole wall enhances as in amyloid.",
            "delayed enhancement imaging reveals an amyloid pattern."], [
            "delayed enhancement imaging reveals no diffuse enhancement.", "the wall does not enhance as in amyloid.",
            "no diffuse amyloid pattern is seen."]),
        "aortic_dilation": ("Aortic dilation", [
            "aortic dilation", "dilatation of the ascending aorta", "an ectatic aorta", "ascending aortic dilatation"], [
            "the ascending aorta is dilated.", "the aortic root is ectatic.", "the ascending aorta is ectatic."], [
            "the ascending aorta is normal in size.", "the ascending aorta is not dilated.", "the aortic root is not ectatic."]),
    },
}

# CMR-CLIP's label for any late enhancement has no place here: each pattern is a finding of its own.
GRADES = ((0.4, ("mild ", "slight ")), (0.7, ("moderate ",)), (1.01, ("severe ", "marked ")))


def held(pattern, name):
    """The pairs that training never makes; the first pattern and the first name are always made."""
    return pattern > 0 and name > 0 and (pattern + 2 * name) % 5 == 0


def grade(severity, rng=None):
    words = next(words for limit, words in GRADES if severity < limit)
    return rng.choice(words) if rng else words[0]


def sentences(kind, label, present, out=False, graded=""):
    """All sentences for a label or against it: those of training, or those held out."""
    _, names, own_for, own_against = LABELS[kind][label]
    made = []
    for p, pattern in enumerate(PRESENT if present else ABSENT):
        for n, name in enumerate(names):
            if held(p, n) != out or (not present and name.split()[0] in ("a", "an")):
                continue
            if graded and name.split()[0] in ("a", "an"):
                continue
            made.append(pattern.format(name=name, grade=graded))
    own = own_for if present else own_against
    return made + (own[-1:] if out else own[:-1])


def sentence(kind, label, severity, rng):
    """One of training's, at random."""
    graded = grade(severity, rng) if severity > 0 and rng.random() < 0.5 else ""
    return rng.choice(sentences(kind, label, severity > 0, graded=graded))


def report(kind, findings, rng=None):
    """All findings of a study in one text, the present ones first. rng None: the plain template."""
    labels = [name for name in LABELS[kind] if name in findings]
    if rng:
        rng.shuffle(labels)
    labels.sort(key=lambda name: findings[name] <= 0)
    if rng:
        return " ".join(sentence(kind, name, findings[name], rng) for name in labels)
    plain = (PRESENT[0], ABSENT[0])
    return " ".join(plain[findings[name] <= 0].format(name=LABELS[kind][name][1][0], grade=grade(findings[name])
                                                       if findings[name] > 0 else "") for name in labels)


def held_out():
    return {kind: {label: {"positive": sentences(kind, label, True, out=True), "negative": sentences(kind, label, False, out=True)}
                   for label in labels} for kind, labels in LABELS.items()}


def training_texts(kind):
    """Every sentence of training, for the vocabulary."""
    texts = []
    for label in LABELS[kind]:
        for present in (True, False):
            texts += sentences(kind, label, present)
        for _, words in GRADES:
            for word in words:
                texts += sentences(kind, label, True, graded=word)
    return sorted(set(texts))


def main():
    if sys.argv[1:] == ["--held-out"]:
        print(json.dumps(held_out(), indent=1))
        return
    rng = random.Random(0)
    for kind in LABELS:
        print(report(kind, {label: rng.choice((0, 0, rng.random())) for label in LABELS[kind]}, rng))


if __name__ == "__main__":
    main()
