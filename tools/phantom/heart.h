/* The heart at one moment: four chambers, their walls, the sac round them.
 *
 * Places are in the heart's own frame (patient.h): x to the septum, y to the
 * inferior wall, z to the apex, mm, from the mitral plane's centre at end
 * diastole. The apex stays, the base moves, the muscle's volume is kept. */
#ifndef PHANTOM_HEART_H
#define PHANTOM_HEART_H

#include "patient.h"
#include "scene.h"

struct heart {
    const struct patient *patient; /* borrowed */
    double contraction;            /* 0: end diastole, 1: end systole */
    double size;                   /* of the landmarks, 1: a usual heart */
    double base_mm;                /* how far the mitral plane has come down */
    double length_mm;              /* mitral plane at end diastole to the cavity's apex */
    double radius_mm;              /* of the left ventricle's cavity */
    double wall_mm, septum_mm;
    double outer_mm;                   /* radius_mm + wall_mm */
    struct shape lv, lv_wall, rv, sac; /* sac: the surface of the fat, within the pericardium */
};

/* Widths of the right ventricle that give its volumes. To be called once before
 * heart_at. */
void heart_solve(struct patient *patient);

void heart_at(const struct patient *patient, double contraction, struct heart *heart);

/* A landmark in the patient; lengths are multiplied by heart->size, z counts
 * from the mitral plane of now. */
struct vec heart_point(const struct heart *heart, double x, double y, double z);
/* A point over the left ventricle: at an angle (radians, 0: septum, pi/2:
 * inferior), `over` mm above the muscle, z mm from the mitral plane of now. */
struct vec heart_surface(const struct heart *heart, double angle, double z, double over);
struct vec heart_aortic_valve(const struct heart *heart);
struct vec heart_pulmonary_valve(const struct heart *heart);

enum chamber { CHAMBER_LV, CHAMBER_RV, CHAMBER_LA, CHAMBER_RA, CHAMBERS };
struct vec heart_chamber(const struct heart *heart, enum chamber chamber); /* its body's middle */

/* Sac with its fluid, fat, walls and blood, in the order they are painted. */
void heart_add(const struct heart *heart, struct scene *scene);
/* Scars (late enhancement) over the muscle. */
void heart_add_scars(const struct heart *heart, struct scene *scene);

/* Volumes of now, counted on a grid of 3 mm. */
double heart_lv_ml(const struct heart *heart);
double heart_rv_ml(const struct heart *heart);
double heart_wall_ml(const struct heart *heart);
/* Box round everything within the pericardium, LPS mm: low then high; and its
 * volume. */
void heart_box(const struct heart *heart, struct vec *low, struct vec *high, double *ret_ml);

#endif
