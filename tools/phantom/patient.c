#include "patient.h"

#include "dice.h"

#include <math.h>

/* A finding's measure: `absent` without it, else from `mild` (severity 0) to
 * `worst` (severity 1). */
static double grade(const struct patient *patient, enum finding finding, double absent, double mild,
                    double worst)
{
    double severity = patient->findings.severity[finding];
    return severity > 0 ? mild + (worst - mild) * severity : absent;
}

static void draw_body(struct patient *patient)
{
    struct dice dice = dice_named(patient->seed, "body");
    patient->female = dice_chance(&dice, 0.5);
    patient->age_years = 35 + dice_below(&dice, 50);
    patient->height_m = (patient->female ? 1.64 : 1.76) + 0.065 * dice_normal(&dice);
    double bmi = 20 + 12 * dice_unit(&dice) * dice_unit(&dice) + 4 * dice_unit(&dice);
    patient->weight_kg = bmi * patient->height_m * patient->height_m;
    patient->scale = patient->height_m / 1.72 * dice_between(&dice, 0.97, 1.03);
    patient->chest_half_width_mm = 138 * patient->scale * dice_between(&dice, 0.96, 1.04);
    patient->chest_half_depth_mm = 92 * patient->scale * dice_between(&dice, 0.94, 1.1);
    patient->fat_mm = 6 + (bmi - 19) * dice_between(&dice, 1.3, 1.9) + (patient->female ? 3 : 0);
    patient->breath_mm = dice_between(&dice, -10, 14);
    patient->heart_rate = 52 + 30 * dice_unit(&dice);
    patient->heart_fat_mm = dice_between(&dice, 2.5, 6.5);
}

/* source of the usual direction: the long axis points to the left, front and
 * foot */
static void draw_pose(struct patient *patient)
{
    struct dice dice = dice_named(patient->seed, "pose");
    double k = patient->scale;
    struct vec origin = {(8 + 5 * dice_normal(&dice)) * k, (-7 + 3 * dice_normal(&dice)) * k,
                         3 * dice_normal(&dice)};
    struct vec apex = {0.64 + 0.07 * dice_normal(&dice), -0.55 + 0.06 * dice_normal(&dice),
                       -0.53 + 0.1 * dice_normal(&dice)};
    struct vec septum = {-0.55 + 0.06 * dice_normal(&dice), -0.8, 0.1 + 0.08 * dice_normal(&dice)};
    patient->heart = frame_along(origin, apex, septum);
}

static void draw_heart(struct patient *patient)
{
    struct dice dice = dice_named(patient->seed, "heart");
    double cube = patient->scale * patient->scale * patient->scale;
    double grown = grade(patient, CARDIOMEGALY, 1, 1.1, 1.36);
    patient->lv_edv_ml = 128 * cube * (1 + 0.07 * dice_normal(&dice)) * grown * grown * grown;
    patient->rv_edv_ml = patient->lv_edv_ml * (1.06 + 0.06 * dice_normal(&dice));
    patient->lv_ef = 0.63 + 0.03 * dice_normal(&dice);
    patient->rv_ef = 0.58 + 0.03 * dice_normal(&dice);
    patient->lv_slimness = 3.35 + 0.12 * dice_normal(&dice);
    patient->wall_mm = (8.6 + 0.7 * dice_normal(&dice)) * patient->scale;
    patient->septum_mm = 0.5 + 0.4 * dice_normal(&dice);
    patient->atria_scale = patient->scale * (1 + 0.05 * dice_normal(&dice)) * grown;
    patient->aorta_mm = (31 + 1.6 * dice_normal(&dice)) * patient->scale;
    patient->pulmonary_mm = (25 + 1.2 * dice_normal(&dice)) * patient->scale;
    patient->effusion_mm = dice_between(&dice, 0.8, 2.2);
}

static void apply_findings(struct patient *patient)
{
    const double *severity = patient->findings.severity;
    patient->lv_edv_ml *= grade(patient, LEFT_VENTRICULAR_ENLARGEMENT, 1, 1.25, 1.95);
    patient->lv_slimness -= 0.5 * severity[LEFT_VENTRICULAR_ENLARGEMENT];
    patient->rv_edv_ml *= grade(patient, RIGHT_VENTRICULAR_ENLARGEMENT, 1, 1.25, 1.95);
    patient->rv_edv_ml *= grade(patient, PULMONARY_HYPERTENSION, 1, 1.05, 1.4);
    patient->lv_ef = grade(patient, LEFT_VENTRICULAR_DYSFUNCTION, patient->lv_ef, 0.50, 0.20);
    patient->rv_ef = grade(patient, RIGHT_VENTRICULAR_DYSFUNCTION, patient->rv_ef, 0.45, 0.18);
    patient->wall_mm = grade(patient, LEFT_VENTRICULAR_HYPERTROPHY, patient->wall_mm, 12, 19);
    if (severity[SEPTAL_HYPERTROPHY] > 0)
        patient->septum_mm = 6 + 10 * severity[SEPTAL_HYPERTROPHY];
    patient->effusion_mm = grade(patient, PERICARDIAL_EFFUSION, patient->effusion_mm, 4, 25);
    patient->pulmonary_mm = grade(patient, PULMONARY_HYPERTENSION, patient->pulmonary_mm, 29.5, 40);
    patient->aorta_mm = grade(patient, AORTIC_ANEURYSM, patient->aorta_mm, 40, 55);
    patient->aorta_mm = grade(patient, AORTIC_DILATION, patient->aorta_mm, 39, 52);
    patient->calcium_scale = severity[CORONARY_CALCIFICATION];
    patient->stenosis = grade(patient, CORONARY_STENOSIS, 0, 0.42, 0.9);
}

struct patient patient_drawn(enum kind kind, uint64_t seed, const struct findings *findings)
{
    struct patient patient = {.kind = kind, .seed = seed, .findings = *findings, .rv_width = {1, 1}};
    draw_body(&patient);
    draw_pose(&patient);
    draw_heart(&patient);
    apply_findings(&patient);
    return patient;
}
