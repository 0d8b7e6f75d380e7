/* Sliding windows over a volume: where they lie, cut out of it, and exact means of features over organs from
 * windows that overlap. source: monai.data.utils.dense_patch_slices and the scan interval of monai.inferers
 * (as damo-radar uses them). */
#ifndef ENCODER_WINDOWS_H
#define ENCODER_WINDOWS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { WINDOWS_AXIS_MAX = 2048 };

/* A regular grid: positions along z times along y times along x. */
struct windows {
    int zyx[3];      /* of the volume, at least size_zyx: what lies beyond the image is zero */
    int size_zyx[3]; /* of one window */
    int step_zyx[3];
    int counts_zyx[3];
    int count;
};

/* One image, its sides within 1 and WINDOWS_AXIS_MAX. errors: ERR_INPUT "input_shape". */
bool windows_check_input(int items, const int image_zyx[3], struct err *err);

/* Windows of `size` over an image, neighbours sharing at least `overlap` of their length. overlap within [0,
 * 1). */
struct windows windows_plan(const int image_zyx[3], const int size_zyx[3], double overlap);

/* First voxel of window `index`; z is the slowest. The last along an axis is moved back to end with the
 * volume. */
void windows_start(const struct windows *windows, int index, int ret_start_zyx[3]);

/* How many windows hold position `at` of `axis`; a voxel is held by the product of its three. */
int windows_cover(const struct windows *windows, int axis, int at);

/* Copy a box out of [channels][z][y][x]; zero beyond the image, and from end_zyx on. */
void windows_cut(const float *image, int channels, const int image_zyx[3], const int start_zyx[3],
                 const int end_zyx[3], const int size_zyx[3], float *to);
void windows_cut_labels(const uint8_t *image, const int image_zyx[3], const int start_zyx[3],
                        const int size_zyx[3], uint8_t *to);

/* Sums of features and of weights, organ by organ. A voxel's feature is the mean over the windows that hold
 * it, an organ's the mean over its voxels: every window adds its features with weight 1 / cover. owns:
 * nothing; sums and weights are the caller's, zeroed by it before the first window. */
struct windows_means {
    int organs, channels;
    double *sums;    /* [organs][channels] */
    double *weights; /* [organs] */
};

/* Room for windows_add, in bytes, for maps of at most this size. */
size_t windows_add_room(const int map_zyx[3]);

/* in: map [channels][z][y][x] of window `index`; labels [z][y][x] of the window at its own size, organ
 * numbers from 1, 0 none. A map coarser than the window by whole factors takes the nearest label of each cell
 * (the first voxel's, as torch's mode "nearest"). */
void windows_add(struct windows_means *means, const struct windows *windows, int index, const float *map,
                 const int map_zyx[3], const uint8_t *labels, void *room);

#endif
