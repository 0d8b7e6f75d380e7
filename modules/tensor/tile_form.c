#include "tensor/tile_form.h"

#include "tensor/lane.h"

#include <math.h>
#include <string.h>

static const char *const names[PRECISION_COUNT] = {"fp32", "bf16", "int8"};

const char *precision_name(enum precision precision)
{
    return names[precision];
}

bool precision_read(const char *name, enum precision *ret)
{
    for (int i = 0; i < PRECISION_COUNT; i++)
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum precision)i;
            return true;
        }
    return false;
}

static const struct {
    size_t group, panel_head, column_bytes, row_head, row_bytes;
} forms[] = {
    [FORM_FP32] = {1, 0, 4, 0, 4},
    [FORM_BF16_FLOATS] = {2, 0, 4, 0, 8},
    [FORM_BF16_PAIRS] = {2, 0, 4, 0, 4},
    [FORM_INT8_PAIRS] = {2, sizeof(struct tile_panel_head), 2, sizeof(struct tile_row_head), 4},
    [FORM_INT8_FOURS] = {4, sizeof(struct tile_panel_head), 4, sizeof(struct tile_row_head), 4},
};

static size_t groups(enum tile_form form, int k)
{
    return ((size_t)k + forms[form].group - 1) / forms[form].group;
}

size_t tile_panel_bytes(enum precision precision, int k)
{
    enum tile_form form = tile_form(precision);
    return forms[form].panel_head + groups(form, k) * forms[form].column_bytes * TILE_PANEL;
}

size_t tile_row_bytes(enum precision precision, int k)
{
    enum tile_form form = tile_form(precision);
    return forms[form].row_head + groups(form, k) * forms[form].row_bytes;
}

/* ---- bfloat16 ---- */

/* The 16 bits of the nearest, even ones of two that are as near; what is no number stays none. */
INLINE uint32_t bf16_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : nearest;
}

static void pack_bf16(const float *w, size_t step, int columns, int k, uint16_t *panel)
{
    for (int at = 0; at < k; at++)
        for (int j = 0; j < columns; j++)
            panel[(at / 2 * TILE_PANEL + j) * 2 + at % 2] =
                (uint16_t)bf16_bits(w[(size_t)j * step + (size_t)at]);
}

FOR_EACH_CPU static void row_floats(int k, const float *x, float *row)
{
    for (int i = 0; i < k; i++) {
        uint32_t bits = bf16_bits(x[i]) << 16;
        memcpy(row + i, &bits, sizeof bits);
    }
}

FOR_EACH_CPU static void row_bf16(int k, const float *x, uint16_t *row)
{
    for (int i = 0; i < k; i++)
        row[i] = (uint16_t)bf16_bits(x[i]);
}

/* ---- int8 ---- */

/* Sizes are in the order of their bits. Not a number when one of them is none, or not finite. */
FOR_EACH_CPU static float largest(int k, const float *x)
{
    uint32_t most = 0;
    for (int i = 0; i < k; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    float size;
    memcpy(&size, &most, sizeof size);
    return most < 0x7f800000 ? size : NAN;
}

/* To the nearest, of at most 127. */
INLINE int32_t whole(float x)
{
    float shifted = x + 12582912.0f; /* 1.5 * 2^23 */
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return bits - 0x4b400000;
}

/* What a value is multiplied by to become -127 to 127. */
static float per_unit(float largest)
{
    return largest > 1e-30f ? 127 / largest : 0;
}

static void pack_int8(enum tile_form form, const float *w, size_t step, int columns, int k, void *panel)
{
    struct tile_panel_head *head = panel;
    int8_t *data = (int8_t *)(head + 1);
    int group = (int)forms[form].group;
    for (int j = 0; j < columns; j++, w += step) {
        float most = largest(k, w), factor = per_unit(most);
        int32_t sum = 0;
        for (int at = 0; at < k; at++) {
            int32_t value = isnan(most) ? 0 : whole(w[at] * factor);
            data[(at / group * TILE_PANEL + j) * group + at % group] = (int8_t)value;
            sum += value;
        }
        head->scale[j] = most / 127;
        head->excess[j] = form == FORM_INT8_FOURS ? 128 * sum : 0;
    }
}

FOR_EACH_CPU static void row_shorts(int k, const float *x, float factor, int16_t *row)
{
    for (int i = 0; i < k; i++)
        row[i] = (int16_t)whole(x[i] * factor);
}

FOR_EACH_CPU static void row_bytes(int k, const float *x, float factor, uint8_t *row)
{
    for (int i = 0; i < k; i++)
        row[i] = (uint8_t)(whole(x[i] * factor) + 128);
}

static void row_int8(enum tile_form form, int k, const float *x, void *row)
{
    struct tile_row_head *head = row;
    float most = largest(k, x), factor = isnan(most) ? 0 : per_unit(most);
    *head = (struct tile_row_head){.scale = most / 127};
    if (isnan(most))
        memset(head + 1, 0, groups(form, k) * forms[form].row_bytes);
    else if (form == FORM_INT8_FOURS)
        row_bytes(k, x, factor, (uint8_t *)(head + 1));
    else
        row_shorts(k, x, factor, (int16_t *)(head + 1));
}

/* ---- all ---- */

static void pack_fp32(const float *w, size_t step, int columns, int k, float *panel)
{
    for (int at = 0; at < k; at++, panel += TILE_PANEL)
        for (int j = 0; j < TILE_PANEL; j++)
            panel[j] = j < columns ? w[(size_t)j * step + (size_t)at] : 0;
}

void tile_pack(enum precision precision, const float *w, size_t step, int columns, int k, void *panel)
{
    enum tile_form form = tile_form(precision);
    int count = columns < TILE_PANEL ? columns : TILE_PANEL;
    if (form == FORM_FP32) {
        pack_fp32(w, step, count, k, panel);
        return;
    }
    memset(panel, 0, tile_panel_bytes(precision, k));
    if (precision == PRECISION_BF16)
        pack_bf16(w, step, count, k, panel);
    else
        pack_int8(form, w, step, count, k, panel);
}

FOR_EACH_CPU static double excess_bf16(int k, const float *w, const float *x)
{
    double sum = 0;
    for (int i = 0; i < k; i++) {
        uint32_t bits = bf16_bits(w[i]) << 16;
        float packed;
        memcpy(&packed, &bits, sizeof packed);
        sum += (double)(packed - w[i]) * (double)x[i];
    }
    return sum;
}

FOR_EACH_CPU static double excess_int8(int k, const float *w, const float *x)
{
    float most = largest(k, w), factor = per_unit(most), unit = most / 127;
    double sum = 0;
    for (int i = 0; i < k; i++)
        sum += (double)((float)whole(w[i] * factor) * unit - w[i]) * (double)x[i];
    return sum;
}

double tile_excess(enum precision precision, int k, const float *w, const float *x)
{
    if (precision == PRECISION_BF16)
        return excess_bf16(k, w, x);
    return precision == PRECISION_INT8 ? excess_int8(k, w, x) : 0;
}

void tile_row(enum precision precision, int k, const float *x, void *row)
{
    enum tile_form form = tile_form(precision);
    size_t bytes = tile_row_bytes(precision, k), last = forms[form].row_bytes;
    memset((char *)row + bytes - last, 0, last); /* what fills the last group up */
    if (form == FORM_BF16_FLOATS)
        row_floats(k, x, row);
    else if (form == FORM_BF16_PAIRS)
        row_bf16(k, x, row);
    else if (precision == PRECISION_INT8)
        row_int8(form, k, x, row);
}
