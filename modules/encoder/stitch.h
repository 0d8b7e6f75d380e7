/* One label volume from the class scores of overlapping windows: softmax over the classes, interpolated to
 * the window's own grid, averaged where windows overlap, the highest class. A plane is decided, and its room
 * used again, as soon as the last window that holds it was added; so a volume of one window needs one plane.
 * source: damo-radar RADAR_inference/inference_demo.py (stitched_mask). */
#ifndef ENCODER_STITCH_H
#define ENCODER_STITCH_H

#include "encoder/windows.h"

struct stitch;

/* Room for volumes cut like this. in: coarse_zyx: the grid of the scores of one window.
 * owns: caller closes. errors: ERR_NOMEM. */
struct stitch *stitch_open(const struct windows *windows, int classes, const int coarse_zyx[3],
                           struct err *err);
void stitch_close(struct stitch *stitch); /* accepts NULL */

/* in: scores [classes][z][y][x] of window `index`; every window once, in order. */
void stitch_add(struct stitch *stitch, int index, const float *scores);

/* [z][y][x] of windows.zyx, complete after the last window; borrowed until stitch_close. */
const uint8_t *stitch_labels(const struct stitch *stitch);

#endif
