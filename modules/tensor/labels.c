#include "tensor/labels.h"

#include "tensor/cpu.h"
#include "tensor/ops.h"

#include <math.h>
#include <string.h>

/* Between which two points position `at` of the fine axis lies, and how far from the first. */
struct between {
    int low, high;
    float part;
};

INLINE struct between between(int at, int coarse, int fine)
{
    float place = ((float)at + 0.5f) * ((float)coarse / (float)fine) - 0.5f;
    place = place > 0 ? place : 0;
    int low = (int)place < coarse - 1 ? (int)place : coarse - 1;
    return (struct between){low, low < coarse - 1 ? low + 1 : low, place - (float)low};
}

/* One fine row of a plane. mixed: room for a coarse row. */
FOR_EACH_CPU static void fine_row(const float *plane, const int coarse_yx[2], const int fine_yx[2], int y,
                                  float *mixed, float *row)
{
    int columns = coarse_yx[1];
    struct between rows = between(y, coarse_yx[0], fine_yx[0]);
    const float *a = plane + (size_t)rows.low * (size_t)columns,
                *b = plane + (size_t)rows.high * (size_t)columns;
    for (int x = 0; x < columns; x++)
        mixed[x] = (1 - rows.part) * a[x] + rows.part * b[x];
    if (fine_yx[1] == 2 * columns) {
        row[0] = mixed[0];
        for (int x = 0; x + 1 < columns; x++) {
            row[2 * x + 1] = 0.75f * mixed[x] + 0.25f * mixed[x + 1];
            row[2 * x + 2] = 0.25f * mixed[x] + 0.75f * mixed[x + 1];
        }
        row[2 * columns - 1] = mixed[columns - 1];
        return;
    }
    for (int x = 0; x < fine_yx[1]; x++) {
        struct between at = between(x, columns, fine_yx[1]);
        row[x] = (1 - at.part) * mixed[at.low] + at.part * mixed[at.high];
    }
}

size_t labels_scratch(const int fine_zyx[3])
{
    return 3 * (size_t)fine_zyx[2];
}

FOR_EACH_CPU static void take_higher(int count, int c, const float *row, float *best, uint8_t *labels)
{
    for (int x = 0; x < count; x++) {
        labels[x] = row[x] > best[x] ? (uint8_t)c : labels[x];
        best[x] = row[x] > best[x] ? row[x] : best[x];
    }
}

void labels_argmax(int classes, const float *scores, const int coarse_zyx[3], const int fine_zyx[3],
                   uint8_t *labels, float *scratch)
{
    size_t plane = (size_t)coarse_zyx[1] * (size_t)coarse_zyx[2], columns = (size_t)fine_zyx[2];
    float *mixed = scratch, *row = mixed + columns, *best = row + columns;
    for (int z = 0; z < fine_zyx[0]; z++)
        for (int y = 0; y < fine_zyx[1]; y++, labels += columns) {
            for (int c = 0; c < classes; c++) {
                size_t at = ((size_t)c * (size_t)coarse_zyx[0] + (size_t)z) * plane;
                fine_row(scores + at, coarse_zyx + 1, fine_zyx + 1, y, mixed, c ? row : best);
                if (c)
                    take_higher((int)columns, c, row, best, labels);
                else
                    memset(labels, 0, columns);
            }
        }
}

void labels_softmax_plane(int classes, const float *scores, const int coarse_zyx[3], int z, float *out)
{
    enum { BLOCK = 64, CLASSES_MAX = 256 };
    float block[BLOCK * CLASSES_MAX];
    size_t plane = (size_t)coarse_zyx[1] * (size_t)coarse_zyx[2], step = plane * (size_t)coarse_zyx[0];
    scores += (size_t)z * plane;
    for (size_t from = 0; from < plane; from += BLOCK) {
        int count = plane - from < BLOCK ? (int)(plane - from) : BLOCK;
        for (int c = 0; c < classes; c++)
            for (int i = 0; i < count; i++)
                block[i * classes + c] = scores[(size_t)c * step + from + (size_t)i];
        ops_softmax(count, classes, classes, block);
        for (int c = 0; c < classes; c++)
            for (int i = 0; i < count; i++)
                out[(size_t)c * plane + from + (size_t)i] = block[i * classes + c];
    }
}

void labels_add_plane(const float *plane, const int coarse_yx[2], const int fine_yx[2], float *to, size_t ld,
                      float *scratch)
{
    float *mixed = scratch, *row = mixed + fine_yx[1];
    for (int y = 0; y < fine_yx[0]; y++, to += ld) {
        fine_row(plane, coarse_yx, fine_yx, y, mixed, row);
        ops_add((size_t)fine_yx[1], row, to);
    }
}
