/* One synthetic patient: everything that is drawn, once, in millimetres,
 * millilitres and fractions.
 *
 * Findings and confounders come from separate streams of the seed, so that
 * neither tells of the other. The sources of the numbers stand in README.md. */
#ifndef PHANTOM_PATIENT_H
#define PHANTOM_PATIENT_H

#include "findings.h"
#include "geometry.h"

struct patient {
    enum kind kind;
    uint64_t seed;
    struct findings findings;

    /* confounders */
    bool female;
    int age_years;
    double height_m, weight_kg;
    double scale; /* of organs' lengths, 1: an adult of 1.72 m */
    double chest_half_width_mm, chest_half_depth_mm, fat_mm;
    double breath_mm; /* the diaphragm's height over its usual place */
    double heart_rate;
    struct frame heart; /* mitral plane's centre at end diastole; x to the septum,
                           y to the inferior wall, z to the apex */
    double heart_fat_mm;

    /* what findings move */
    double lv_edv_ml, lv_ef, lv_slimness; /* length over radius */
    double wall_mm, septum_mm;            /* end-diastolic; the septum's is on top of the wall's */
    double rv_edv_ml, rv_ef;
    double atria_scale;
    double effusion_mm; /* at its thickest */
    double aorta_mm;    /* ascending, lumen */
    double pulmonary_mm;
    double calcium_scale; /* of a coronary plaque's size */
    double stenosis;      /* of the narrowest place: fraction of the diameter */

    /* solved by heart_solve */
    double rv_width[2]; /* end diastole, end systole */
};

struct patient patient_drawn(enum kind kind, uint64_t seed, const struct findings *findings);

#endif
