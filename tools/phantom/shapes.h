/* A chest made of ellipsoids: what lies at a point of the patient, in Hounsfield units.
 *
 * Coordinates are DICOM's patient coordinates in millimetres (x to the left, y to the back, z to the head)
 * with the origin in the middle of the chest. Sizes are round figures of an adult, not measurements. */
#ifndef PHANTOM_SHAPES_H
#define PHANTOM_SHAPES_H

#include <stdint.h>

struct shapes;

/* A patient: the heart's place and size vary a little with the seed. owns: free with shapes_free. NULL when
 * memory is out. threads: after shapes_new only read. */
struct shapes *shapes_new(uint64_t seed);
void shapes_free(struct shapes *shapes); /* accepts NULL */

/* Hounsfield units at the point, without noise; -1000 (air) outside the body. */
int shapes_hounsfield(const struct shapes *shapes, const double xyz_lps_mm[3]);

/* Noise of voxel number `voxel`, about normal with deviation 1, the same for the same seed for ever. */
double shapes_noise(uint64_t seed, uint64_t voxel);

#endif
