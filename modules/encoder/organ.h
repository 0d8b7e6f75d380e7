/* Organs of an organ-grounded model: the table of config.json's section "organ", where an organ's voxels or
 * tokens lie, and what turns them into one unit vector an organ.
 *
 *   pool "mean":    mean of the features inside the organ's mask, optional linear, unit length (CT-GLIP
 * style) pool "queries": multi-head attention from the organ's learned query over the tokens its mask
 * touches, linear an organ, unit length (fVLM, RADAR)
 *
 * source: CT-GLIP arXiv 2404.15272; github.com/alibaba-damo-academy/fvlm and damo-radar; torch
 * MultiheadAttention; docs/model-folder.md. */
#ifndef ENCODER_ORGAN_H
#define ENCODER_ORGAN_H

#include "encoder/weights.h"

#include <jansson.h>
#include <stdint.h>

enum { ORGANS_MAX = 255, ORGAN_LABELS = 256 };
enum organ_pool { ORGAN_POOL_MEAN, ORGAN_POOL_QUERIES };

struct organ {
    const char *id, *text;
};

struct organ_config {
    int pool; /* enum organ_pool */
    int query_heads;
    int crop_zyx[3]; /* least size of a crop round an organ; all 0: not given */
    int count;
    struct organ *organs;           /* [count] */
    uint8_t of_label[ORGAN_LABELS]; /* mask label -> organ's number from 1; 0: none */
};

/* owns: texts in the arena. errors: ERR_INPUT, ERR_UNSUPPORTED (key named), ERR_NOMEM. */
bool organ_config_read(const json_t *section, struct arena *arena, struct organ_config *ret, struct err *err);

/* W = width of a feature, D = proj_dim, O = organs. */
struct organ_weights {
    int width, proj_dim;                /* W, D */
    const float *query;                 /* [O, W]; NULL with pool mean */
    const float *qkv_weight, *qkv_bias; /* [3W, W], [3W] */
    struct linear out;                  /* W to W */
    struct linear *proj;                /* [O], W to D; pool mean: all one, or NULL (D = W) */
    float *state;                       /* room for organ_attend */
};

/* Canonical names: organ.query, organ.attn.{qkv,out}.*, organ.proj.{o}.*; with pool mean vision.proj.*,
 * optional. errors: those of weights_take. */
bool organ_bind(struct weights *weights, const struct organ_config *config, int width, int proj_dim,
                struct organ_weights *ret, struct err *err);

/* flags[cell] = 1 where any voxel of the cell belongs to the organ: max pooling with kernel = stride =
 * cell_zyx. in: mask [z][y][x] of organ numbers (of_label already applied), zyx a multiple of cell_zyx;
 * organ: a number from 1. */
void organ_cells(const uint8_t *mask, const int zyx[3], const int cell_zyx[3], int organ, uint8_t *flags);

/* A part of a volume. Zeros lie from end_zyx on, whatever the volume holds there. */
struct organ_box {
    int start_zyx[3], end_zyx[3], size_zyx[3];
};

/* The crop round one organ (from 0): as large as `least`, or as the organ's own box where that is larger,
 * centred on it, moved into the volume, and padded at the end to whole multiples. False: the organ has no
 * voxel. in: labels [z][y][x] of mask labels. source: fvlm eval.py, center_crop and DivisiblePadd. */
bool organ_crop(const struct organ_config *config, int organ, const uint8_t *labels, const int zyx[3],
                const int least_zyx[3], const int multiple_zyx[3], struct organ_box *ret);

/* What an organ's crop is cut into. W = width of a token. */
struct organ_room {
    size_t voxels;   /* of the largest crop there is room for */
    float *values;   /* [channels][z][y][x] */
    uint8_t *labels; /* [z][y][x]: organ numbers */
    uint8_t *flags;  /* [cells] */
    float *tokens;   /* [rows][W] */
    float *scores;   /* [query_heads][rows] */
};

/* Room for a crop of that size and smaller ones. in: cells of the finest map; rows: tokens of one organ at
 * most. owns: organ_room_free frees, also after a failure. errors: ERR_NOMEM. */
bool organ_room_reserve(struct organ_room *room, const struct organ_config *config, int channels,
                        const int zyx[3], size_t cells, size_t rows, size_t width, struct err *err);
void organ_room_free(struct organ_room *room); /* accepts a zeroed one */

/* unit[D] of one organ (from 0) from its tokens [count][W], count >= 1. Allocates nothing but the caller's
 * scores [heads][count]. errors: ERR_INPUT (not finite). */
bool organ_attend(const struct organ_config *config, const struct organ_weights *weights, int organ,
                  const float *tokens, int count, float *scores, float *unit, struct err *err);

/* unit[D] of one organ from its mean feature [W]. errors: ERR_INPUT (zero or not finite). */
bool organ_project(const struct organ_weights *weights, int organ, const float *mean, float *unit,
                   struct err *err);

#endif
