/* Great vessels, and the coronary tree on the heart's surface. */
#ifndef PHANTOM_VESSELS_H
#define PHANTOM_VESSELS_H

#include "heart.h"

/* Veins, pulmonary artery, aorta with its wall's calcium; to be painted after
 * the heart and the coronary tree. */
void vessels_add(const struct heart *heart, struct scene *scene);

/* Where the ascending aorta and the pulmonary trunk are measured: middle of the
 * lumen. */
void vessels_places(const struct heart *heart, struct vec *ret_aorta, struct vec *ret_trunk);

/* Three main arteries and their branches, with plaque, calcium and the narrowed
 * place. */
void coronary_add(const struct heart *heart, struct scene *scene);

#endif
