#include "encoder/organ.h"

#include "encoder/block.h"
#include "tensor/gemm.h"
#include "tensor/ops.h"
#include "tensor/section.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEADS_MAX = 128, TEXT_MAX = 200, CROP_MAX = 2048 };

/* ---- the table ---- */

static bool take_labels(const int *labels, int count, const char *id, int number, struct organ_config *config,
                        struct err *err)
{
    if (count == 0)
        return err_fail(err, ERR_INPUT, "organ.organs: \"%s\" has no labels", id);
    for (int i = 0; i < count; i++) {
        uint8_t *of = &config->of_label[labels[i]];
        if (*of)
            return err_fail(err, ERR_INPUT, "organ.organs: label %d of \"%s\" is \"%s\" already", labels[i],
                            id, config->organs[*of - 1].id);
        *of = (uint8_t)number;
    }
    return true;
}

static bool read_organ(const json_t *item, int index, struct arena *arena, struct organ_config *config,
                       struct err *err)
{
    const char *id = NULL, *text = NULL;
    int labels[ORGAN_LABELS], count = 0;
    // clang-format off
    const struct section_key keys[] = {
        {"id",     SECTION_TEXT, &id,    true,  1, TEXT_MAX},
        {"text",   SECTION_TEXT, &text,  false, 1, TEXT_MAX},
        {"labels", SECTION_INTS, labels, true,  1, ORGAN_LABELS - 1, .count = &count, .most = ORGAN_LABELS - 1},
    };
    // clang-format on
    if (!section_read(item, "organ.organs", keys, sizeof keys / sizeof *keys, err))
        return false;
    for (int i = 0; i < index; i++)
        if (strcmp(config->organs[i].id, id) == 0)
            return err_fail(err, ERR_INPUT, "organ.organs: \"%s\" is there twice", id);
    struct organ *organ = &config->organs[index];
    organ->id = arena_strdup(arena, id);
    organ->text = arena_strdup(arena, text ? text : id);
    if (!organ->id || !organ->text)
        return err_fail(err, ERR_NOMEM, "no memory for organs");
    return take_labels(labels, count, organ->id, index + 1, config, err);
}

static bool check_config(const struct organ_config *config, size_t organs, bool heads, struct err *err)
{
    bool queries = config->pool == ORGAN_POOL_QUERIES;
    if (organs < 1 || organs > ORGANS_MAX)
        return err_fail(err, ERR_INPUT, "organ.organs: %zu organs, not 1 to %d", organs, ORGANS_MAX);
    if (heads != queries)
        return err_fail(err, ERR_INPUT, "organ.query_heads: %s with pool %s",
                        queries ? "required" : "meaningless", queries ? "queries" : "mean");
    return true;
}

bool organ_config_read(const json_t *section, struct arena *arena, struct organ_config *ret, struct err *err)
{
    static const char *const pools[] = {"mean", "queries", NULL};
    const json_t *list = NULL;
    bool heads = false;
    *ret = (struct organ_config){0};
    // clang-format off
    const struct section_key keys[] = {
        {"pool",        SECTION_WORD, &ret->pool,        true,  .words = pools},
        {"query_heads", SECTION_INT,  &ret->query_heads, false, 1, HEADS_MAX, .present = &heads},
        {"crop",        SECTION_INT3, ret->crop_zyx,     false, 1, CROP_MAX},
        {"organs",      SECTION_LIST, &list,             true},
    };
    // clang-format on
    if (!section)
        return err_fail(err, ERR_INPUT, "organ: the section is missing");
    if (!section_read(section, "organ", keys, sizeof keys / sizeof *keys, err) ||
        !check_config(ret, json_array_size(list), heads, err))
        return false;
    int count = (int)json_array_size(list);
    ret->organs = ARENA_ARRAY(arena, struct organ, (size_t)count);
    if (!ret->organs)
        return err_fail(err, ERR_NOMEM, "no memory for organs");
    for (int i = 0; i < count; i++)
        if (!read_organ(json_array_get(list, (size_t)i), i, arena, ret, err))
            return false;
    ret->count = count;
    return true;
}

/* ---- weights ---- */

static bool bind_queries(struct weights *weights, const struct organ_config *config,
                         struct organ_weights *ret, struct err *err)
{
    int w = ret->width;
    if (!weights_take(weights, "organ.query", 0, WEIGHTS_AXES(config->count, w), &ret->query, err) ||
        !weights_take(weights, "organ.attn.qkv.weight", 0, WEIGHTS_AXES(3 * w, w), &ret->qkv_weight, err) ||
        !weights_take(weights, "organ.attn.qkv.bias", 0, WEIGHTS_AXES(3 * w), &ret->qkv_bias, err) ||
        !weights_take_linear(weights, "organ.attn.out.weight", "organ.attn.out.bias", 0, WEIGHTS_AXES(w, w),
                             &ret->out, err))
        return false;
    for (int i = 0; i < config->count; i++)
        if (!weights_take_linear(weights, "organ.proj.{i}.weight", "organ.proj.{i}.bias", i,
                                 WEIGHTS_AXES(ret->proj_dim, w), &ret->proj[i], err))
            return false;
    return true;
}

static bool bind_mean(struct weights *weights, const struct organ_config *config, struct organ_weights *ret,
                      struct err *err)
{
    const char *weight = "vision.proj.weight", *bias = "vision.proj.bias";
    if (!weights_have(weights, weight, 0, 0)) {
        ret->proj = NULL;
        return ret->width == ret->proj_dim ||
               err_fail(err, ERR_INPUT, "%s is missing, and features of %d are not vision.proj_dim %d",
                        weight, ret->width, ret->proj_dim);
    }
    if (!weights_take_linear(weights, weight, weights_have(weights, bias, 0, 0) ? bias : NULL, 0,
                             WEIGHTS_AXES(ret->proj_dim, ret->width), &ret->proj[0], err))
        return false;
    for (int i = 1; i < config->count; i++)
        ret->proj[i] = ret->proj[0];
    return true;
}

bool organ_bind(struct weights *weights, const struct organ_config *config, int width, int proj_dim,
                struct organ_weights *ret, struct err *err)
{
    *ret = (struct organ_weights){.width = width, .proj_dim = proj_dim};
    size_t count = (size_t)config->count, rows = 2 * (size_t)config->query_heads + 3;
    if (config->pool == ORGAN_POOL_QUERIES && width % config->query_heads != 0)
        return err_fail(err, ERR_INPUT, "organ.query_heads: %d heads do not divide width %d",
                        config->query_heads, width);
    ret->proj = ARENA_ARRAY(weights->arena, struct linear, count);
    ret->state = ARENA_ARRAY(weights->arena, float, rows *(size_t)width);
    if (!ret->proj || !ret->state)
        return err_fail(err, ERR_NOMEM, "no memory for organs");
    if (config->pool == ORGAN_POOL_QUERIES)
        return bind_queries(weights, config, ret, err);
    return bind_mean(weights, config, ret, err);
}

/* ---- where organs lie ---- */

void organ_cells(const uint8_t *mask, const int zyx[3], const int cell_zyx[3], int organ, uint8_t *flags)
{
    size_t rows = (size_t)(zyx[1] / cell_zyx[1]), columns = (size_t)(zyx[2] / cell_zyx[2]);
    memset(flags, 0, (size_t)(zyx[0] / cell_zyx[0]) * rows * columns);
    for (int z = 0; z < zyx[0]; z++)
        for (int y = 0; y < zyx[1]; y++, mask += zyx[2]) {
            size_t row = (size_t)(z / cell_zyx[0]) * rows + (size_t)(y / cell_zyx[1]);
            uint8_t *to = flags + row * columns;
            for (int x = 0; x < zyx[2]; x++)
                if (mask[x] == organ)
                    to[x / cell_zyx[2]] = 1;
        }
}

/* First and last voxel of an organ. False: it is nowhere. */
static bool find_bounds(const struct organ_config *config, int organ, const uint8_t *labels, const int zyx[3],
                        int low[3], int high[3])
{
    bool found = false;
    for (int z = 0; z < zyx[0]; z++)
        for (int y = 0; y < zyx[1]; y++)
            for (int x = 0; x < zyx[2]; x++) {
                if (config->of_label[*labels++] != organ + 1)
                    continue;
                const int at[3] = {z, y, x};
                for (int i = 0; i < 3; i++) {
                    low[i] = !found || at[i] < low[i] ? at[i] : low[i];
                    high[i] = !found || at[i] > high[i] ? at[i] : high[i];
                }
                found = true;
            }
    return found;
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

bool organ_crop(const struct organ_config *config, int organ, const uint8_t *labels, const int zyx[3],
                const int least_zyx[3], const int multiple_zyx[3], struct organ_box *ret)
{
    int low[3], high[3];
    if (!find_bounds(config, organ, labels, zyx, low, high))
        return false;
    for (int i = 0; i < 3; i++) {
        /* One less than the voxels of the organ, as published. */
        int size = max_int(high[i] - low[i], least_zyx[i]);
        int start = max_int(0, (low[i] + high[i]) / 2 - size / 2);
        int end = start + size < zyx[i] ? start + size : zyx[i];
        ret->start_zyx[i] = start = max_int(0, end - start < size ? end - size : start);
        ret->end_zyx[i] = end;
        ret->size_zyx[i] = (end - start + multiple_zyx[i] - 1) / multiple_zyx[i] * multiple_zyx[i];
    }
    return true;
}

/* ---- from features to vectors ---- */

/* Keys and values are never made. A score is q . (Wk t + bk): Wk goes to the query's side once a head, and
 * q . bk, the same for every token, does not change a softmax. The sum of p (Wv t + bv) is Wv (sum of p t) +
 * bv, for the p add up to one. */
bool organ_attend(const struct organ_config *config, const struct organ_weights *weights, int organ,
                  const float *tokens, int count, float *scores, float *unit, struct err *err)
{
    int w = weights->width, heads = config->query_heads, d = w / heads;
    size_t width = (size_t)w, square = width * width;
    float *query = weights->state, *joined = query + width, *out = joined + width;
    float *keys = out + width, *mixed = keys + (size_t)heads * width;
    float scale = (float)(1.0 / sqrt((double)d));
    gemm_linear(1, w, w, weights->query + (size_t)organ * width, weights->qkv_weight, weights->qkv_bias,
                query);
    for (int h = 0; h < heads; h++) {
        size_t row = (size_t)(h * d);
        gemm_nn(1, w, d, query + row, d, weights->qkv_weight + square + row * width, w,
                keys + (size_t)h * width, w);
    }
    gemm_nt(heads, count, w, scale, keys, w, tokens, w, scores, count);
    ops_softmax(heads, count, count, scores);
    gemm_nn(heads, w, count, scores, count, tokens, w, mixed, w);
    for (int h = 0; h < heads; h++) {
        size_t row = (size_t)(h * d);
        gemm_linear(1, d, w, mixed + (size_t)h * width, weights->qkv_weight + 2 * square + row * width,
                    weights->qkv_bias + 2 * width + row, joined + row);
    }
    linear_run(&weights->out, NULL, 1, joined, TILE_PLAIN, false, out);
    return block_project(&weights->proj[organ], out, unit, err);
}

bool organ_project(const struct organ_weights *weights, int organ, const float *mean, float *unit,
                   struct err *err)
{
    if (weights->proj)
        return block_project(&weights->proj[organ], mean, unit, err);
    memcpy(unit, mean, (size_t)weights->width * sizeof *unit);
    return ops_unit((size_t)weights->width, unit) ||
           err_decline(err, "embedding_not_finite", "an organ's mean is zero or not finite");
}

bool organ_room_reserve(struct organ_room *r, const struct organ_config *config, int channels,
                        const int zyx[3], size_t cells, size_t rows, size_t width, struct err *err)
{
    size_t voxels = tensor_voxels(zyx);
    if (voxels <= r->voxels)
        return true;
    organ_room_free(r);
    r->values = malloc((size_t)channels * voxels * sizeof *r->values);
    r->labels = malloc(voxels);
    r->flags = malloc(cells);
    r->tokens = malloc(rows * width * sizeof *r->tokens);
    r->scores = malloc((size_t)config->query_heads * rows * sizeof *r->scores);
    if (!r->values || !r->labels || !r->flags || !r->tokens || !r->scores)
        return err_fail(err, ERR_NOMEM, "no memory for a crop of %d x %d x %d voxels", zyx[0], zyx[1],
                        zyx[2]);
    r->voxels = voxels;
    return true;
}

void organ_room_free(struct organ_room *room)
{
    free(room->values);
    free(room->labels);
    free(room->flags);
    free(room->tokens);
    free(room->scores);
    *room = (struct organ_room){0};
}
