/* Pictures turned by quarters and mirrored, so that one plane is seen the same way however its rows and
 * columns were written. threads: any. */
#ifndef VOLUME_VOLUME_TURN_H
#define VOLUME_VOLUME_TURN_H

#include "volume/volume.h"

/* All zero: as acquired. */
struct volume_turn {
    bool swap;       /* rows become columns, before */
    bool flip_yx[2]; /* the last row, the last column comes first */
};

/* Of the eight ways to write a plane, the one whose x points most to the patient's left and back and whose y
 * most to the feet and back: axial x left, y back; coronal x left, y feet; sagittal x back, y feet. The
 * largest x . (1, 1/2, 0) + y . (0, 1/2, -1) in LPS, of equals the first of: not swapped, not flipped. */
struct volume_turn volume_turn_anatomical(const struct volume_geometry *geometry);

/* The geometry of what is turned: same places in the patient. */
struct volume_geometry volume_turned(const struct volume_geometry *geometry, const struct volume_turn *turn);

/* in: [y][x] of size_yx, rows `stride` values apart. out: the same many values, of the turned size, without
 * gaps; not the same room. */
void volume_turn_values(const struct volume_turn *turn, const float *in, size_t stride, const int size_yx[2],
                        float *out);

#endif
