/* From the vectors of a volume's slices to one: config.json's section "slice_pool".
 *
 *   mean, max  of the slices' unit vectors, element by element (no section: mean)
 *   mhsa       V = MHSA(I + PE), I the slices' vectors as they were projected, not brought to unit length;
 * then the mean of V, its first row, or the sum of its rows weighted by softmax(query V^T / sqrt(d))
 *
 * PE sincos: column 2i is sin(s / 10000^(2i/d)), column 2i+1 the cosine, s the slice from 0. One slice alone
 * is not pooled. The adapter's weights were never published and its equation only in part: every switch is a
 * key.
 * source: RadCLIP, arXiv 2403.09948; torch MultiheadAttention; Vaswani et al. 2017 for PE. */
#ifndef ENCODER_SLICE_POOL_H
#define ENCODER_SLICE_POOL_H

#include "encoder/block.h"

enum slice_pool_mode { SLICE_POOL_MEAN, SLICE_POOL_MAX, SLICE_POOL_MHSA };
enum slice_pool_pe { SLICE_POOL_PE_NONE, SLICE_POOL_PE_SINCOS, SLICE_POOL_PE_LEARNED };
enum slice_pool_reduce { SLICE_POOL_REDUCE_MEAN, SLICE_POOL_REDUCE_QUERY, SLICE_POOL_REDUCE_FIRST };

/* d = length of a vector, S = slices, P = max_slices. */
struct slice_pool {
    int mode, pe, reduce;        /* the enums above */
    bool before_projection;      /* pool the tower's vectors, then project the one */
    bool residual;               /* V = I + PE + MHSA(I + PE) */
    int max_slices;              /* of a learned PE: rows of slice_pool.pos */
    struct encoder_blocks heads; /* width d */
    struct block_heads attn;
    const float *pos;         /* [P, d] or NULL */
    const float *query;       /* [d] or NULL */
    const struct crew *crew;  /* may be NULL */
    struct block_state state; /* for `state.tokens` slices */
    float *share;             /* [state.tokens] */
    struct arena *room;
};

/* in:  section NULL: mean. width, proj_dim: of the image tower. owns: slice_pool_close frees, also after a
 * failure. errors: ERR_INPUT, ERR_UNSUPPORTED (key or tensor named), ERR_NOMEM. */
bool slice_pool_open(struct slice_pool *pool, const json_t *section, int width, int proj_dim,
                     struct weights *weights, struct err *err);
void slice_pool_close(struct slice_pool *pool); /* accepts a zeroed one */

/* Make room for that many slices. errors: ERR_INPUT "input_shape" (more than a learned PE has rows),
 * ERR_NOMEM.
 */
bool slice_pool_reserve(struct slice_pool *pool, int slices, struct err *err);

/* in: vectors [slices][d] as mode and before_projection want them; at least 2, as reserved. out: pooled[d],
 * not of unit length. Allocates nothing. */
void slice_pool_run(struct slice_pool *pool, const float *vectors, int slices, float *pooled);

#endif
