/* Noise as scanners make it: neighbours alike where the kernel is smooth,
 * unlike where it is sharp. */
#ifndef PHANTOM_NOISE_H
#define PHANTOM_NOISE_H

#include "dice.h"

#include <stddef.h>

/* Fill field [rows][columns] with noise of mean 0 and deviation 1. grain: from
 * -0.3 (a sharp kernel) over 0 (white) to 1 (smooth). room: as many floats as
 * field. */
void noise_fill(struct dice *dice, double grain, float *field, float *room, int rows, int columns);

#endif
