#include "tensor/attention.h"

#include "tensor/lane.h"
#include "tensor/tile.h"

#include <math.h>
#include <string.h>

/* Queries and keys of a tile: its scores are 24 KiB. */
enum { ROWS = 48, KEYS = 128, PARTS_A_SEAT = 2 };

/* Of one seat. m: largest score so far; l: sum of exp(score - m). */
struct seat_room {
    float *keys;   /* [KEYS / PANEL][head_dim][PANEL] */
    float *values; /* [head_dim / PANEL, rounded up][KEYS][PANEL] */
    float *scores; /* [ROWS][KEYS] */
    float *m, *l;  /* [queries] */
};

static size_t padded(int head_dim)
{
    return (size_t)(head_dim + TILE_PANEL - 1) / TILE_PANEL * TILE_PANEL;
}

static size_t seat_floats(int queries, int head_dim)
{
    size_t all = KEYS * ((size_t)head_dim + padded(head_dim)) + ROWS * KEYS + 2 * (size_t)queries;
    return (all + 15) / 16 * 16;
}

size_t attention_room(const struct crew *crew, int queries, int head_dim)
{
    return (size_t)crew_seats(crew) * seat_floats(queries, head_dim);
}

static struct seat_room seat_room(float *room, int seat, int queries, int head_dim)
{
    float *at = room + (size_t)seat * seat_floats(queries, head_dim);
    struct seat_room r = {.keys = at};
    r.values = r.keys + KEYS * (size_t)head_dim;
    r.scores = r.values + KEYS * padded(head_dim);
    r.m = r.scores + ROWS * KEYS;
    r.l = r.m + queries;
    return r;
}

/* ---- a tile of keys ---- */

INLINE const float *key_row(const struct attention *a, const float *first, const float *rows, int key)
{
    if (first)
        return key == 0 ? first : rows + (size_t)(key - 1) * a->kv_step;
    return rows + (size_t)key * a->kv_step;
}

/* Keys from .. from + count - 1: their components as panels of keys, their values as panels of components. */
static void pack(const struct attention *a, int from, int count, const struct seat_room *r)
{
    int d = a->head_dim, panels = (int)(padded(d) / TILE_PANEL);
    for (int key = 0; key < (count + TILE_PANEL - 1) / TILE_PANEL * TILE_PANEL; key++) {
        const float *row = key < count ? key_row(a, a->first_k, a->k, from + key) : NULL;
        float *to = r->keys + (size_t)(key / TILE_PANEL * d) * TILE_PANEL + key % TILE_PANEL;
        for (int i = 0; i < d; i++, to += TILE_PANEL)
            *to = row ? row[i] : 0;
    }
    for (int key = 0; key < count; key++) {
        const float *row = key_row(a, a->first_v, a->v, from + key);
        for (int panel = 0; panel < panels; panel++) {
            float *to = r->values + ((size_t)panel * KEYS + (size_t)key) * TILE_PANEL;
            for (int i = 0; i < TILE_PANEL; i++)
                to[i] = panel * TILE_PANEL + i < d ? row[panel * TILE_PANEL + i] : 0;
        }
    }
}

FOR_EACH_CPU static void scale_row(int count, float factor, float *x)
{
    for (int i = 0; i < count; i++)
        x[i] *= factor;
}

static int seen_keys(const struct attention *a, int query, int from, int count)
{
    int seen = a->causal ? query + 1 - from : count;
    return seen < 0 ? 0 : seen < count ? seen : count;
}

/* Queries row .. row + rows - 1 and the `count` keys from `from` that are packed. */
static void attend_tile(const struct attention *a, int row, int rows, int from, int count,
                        const struct seat_room *r)
{
    size_t d = (size_t)a->head_dim;
    float *out = a->out + (size_t)row * a->out_step;
    struct tile score = {.rows = rows,
                         .columns = count,
                         .k = a->head_dim,
                         .x = a->q + (size_t)row * a->q_step,
                         .x_step = a->q_step * sizeof(float),
                         .panels = r->keys,
                         .panel_step = d * TILE_PANEL * sizeof(float),
                         .scale = (float)(1.0 / sqrt((double)d)),
                         .y = r->scores,
                         .y_step = KEYS};
    struct tile mix = {.rows = rows,
                       .columns = a->head_dim,
                       .k = count,
                       .x = r->scores,
                       .x_step = KEYS * sizeof(float),
                       .panels = r->values,
                       .panel_step = KEYS * TILE_PANEL * sizeof(float),
                       .scale = 1,
                       .add = from > 0,
                       .y = out,
                       .y_step = a->out_step};
    tile_run(&score);
    for (int i = 0; i < rows; i++) {
        float *scores = r->scores + (size_t)i * KEYS;
        int seen = seen_keys(a, row + i, from, count);
        float shrink = seen ? tile_weigh(seen, scores, &r->m[row + i], &r->l[row + i]) : 1;
        memset(scores + seen, 0, (size_t)(count - seen) * sizeof *scores);
        if (from > 0 && !(shrink >= 1))
            scale_row(a->head_dim, shrink, out + (size_t)i * a->out_step);
    }
    tile_run(&mix);
}

/* ---- one query ---- */

FOR_EACH_CPU static void score_keys(const struct attention *a, int from, int count, float *scores)
{
    float scale = (float)(1.0 / sqrt((double)a->head_dim));
    for (int i = 0; i < count; i++)
        scores[i] = scale * lane_dot(a->head_dim, a->q, key_row(a, a->first_k, a->k, from + i));
}

FOR_EACH_CPU static void mix_values(const struct attention *a, int from, int count, const float *scores)
{
    for (int i = 0; i < count; i++) {
        const float *value = key_row(a, a->first_v, a->v, from + i);
        for (int j = 0; j < a->head_dim; j++)
            a->out[j] += scores[i] * value[j];
    }
}

/* Nothing is packed for a single row. */
static void attend_alone(const struct attention *a, float *scores)
{
    int keys = a->causal ? 1 : a->keys + (a->first_k ? 1 : 0);
    float largest = -INFINITY, sum = 0;
    memset(a->out, 0, (size_t)a->head_dim * sizeof *a->out);
    for (int from = 0; from < keys; from += KEYS) {
        int count = keys - from < KEYS ? keys - from : KEYS;
        score_keys(a, from, count, scores);
        scale_row(a->head_dim, tile_weigh(count, scores, &largest, &sum), a->out);
        mix_values(a, from, count, scores);
    }
    scale_row(a->head_dim, 1 / sum, a->out);
}

/* ---- a group ---- */

/* Queries first .. end - 1. */
static void attend(const struct attention *a, int first, int end, const struct seat_room *r)
{
    int keys = first < end ? a->keys + (a->first_k ? 1 : 0) : 0;
    for (int i = first; i < end; i++) {
        r->m[i] = -INFINITY;
        r->l[i] = 0;
    }
    for (int from = 0; from < keys; from += KEYS) {
        int count = keys - from < KEYS ? keys - from : KEYS;
        pack(a, from, count, r);
        for (int row = first; row < end; row += ROWS) {
            int rows = end - row < ROWS ? end - row : ROWS;
            if (seen_keys(a, row + rows - 1, from, count) > 0)
                attend_tile(a, row, rows, from, count, r);
        }
    }
    for (int i = first; i < end; i++)
        scale_row(a->head_dim, 1 / r->l[i], a->out + (size_t)i * a->out_step);
}

struct running {
    attention_group group;
    const void *work;
    float *room;
    int parts; /* of the queries of a group */
};

static bool piece(void *work, int seat, int number, struct err *err)
{
    const struct running *running = work;
    struct attention a = {0};
    running->group(running->work, number / running->parts, &a);
    struct seat_room r = seat_room(running->room, seat, a.queries, a.head_dim);
    int part = number % running->parts, blocks = (a.queries + ROWS - 1) / ROWS;
    int first = part * blocks / running->parts * ROWS, end = (part + 1) * blocks / running->parts * ROWS;
    if (a.queries == 1 && end > first)
        attend_alone(&a, r.scores);
    else
        attend(&a, first, end < a.queries ? end : a.queries, &r);
    return true;
}

void attention_run(const struct crew *crew, int groups, attention_group group, const void *work, float *room)
{
    struct err none = ERR_INIT;
    struct running running = {group, work, room, 1};
    int wanted = crew_seats(crew) > 1 ? PARTS_A_SEAT * crew_seats(crew) : 1;
    if (groups < wanted)
        running.parts = (wanted + groups - 1) / groups;
    crew_run(crew, groups * running.parts, piece, &running, &none);
}
