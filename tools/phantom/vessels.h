/* Great vessels, and the coronary tree on the heart's surface. */
#ifndef PHANTOM_VESSELS_H
#define PHANTOM_VESSELS_H

#include "heart.h"

/* Veins, pulmonary artery, aorta with its wall's calcium; to be painted after the heart. */
void vessels_add(const struct heart *heart, struct scene *scene);

/* Three main arteries and their branches, with plaque, calcium and the narrowed place. */
void coronary_add(const struct heart *heart, struct scene *scene);

#endif
