/* softmax(q k^T / sqrt(d)) v without a matrix of scores: tiles of keys pass by, and each query keeps the
 * largest score seen and the sum so far.
 * source: Milakov and Gimelshein 2018 (online softmax); Dao et al. 2022 (FlashAttention). */
#ifndef TENSOR_ATTENTION_H
#define TENSOR_ATTENTION_H

#include "base/crew.h"

#include <stdbool.h>
#include <stddef.h>

/* One head over one group of tokens. Rows are head_dim floats; steps are floats from one row to the next. */
struct attention {
    int queries, keys, head_dim;
    const float *q;
    size_t q_step;
    const float *k, *v;
    size_t kv_step;
    const float *first_k, *first_v; /* one more key, before all others; NULL: none */
    bool causal;                    /* query i sees keys 0 to i; not with first_k */
    float *out;                     /* [queries] rows */
    size_t out_step;
};

/* Floats of room for groups of that size, or smaller ones, for all seats of the crew. */
size_t attention_room(const struct crew *crew, int queries, int head_dim);

/* What group `number` is. Called from any seat. */
typedef void (*attention_group)(const void *work, int number, struct attention *ret);

/* All groups, which are of one size; they write to different places. A query's bits depend on its own keys
 * alone, where all are finite, and on whether it is alone in its group. threads: one run of the crew at a
 * time. */
void attention_run(const struct crew *crew, int groups, attention_group group, const void *work, float *room);

#endif
