#include "encoder/windows.h"

#include "tensor/tensor.h"

#include <string.h>

bool windows_check_input(int items, const int image_zyx[3], struct err *err)
{
    if (items != 1)
        return err_decline(err, "input_shape", "%d images; the encoder takes one", items);
    for (int i = 0; i < 3; i++)
        if (image_zyx[i] < 1 || image_zyx[i] > WINDOWS_AXIS_MAX)
            return err_decline(err, "input_shape",
                               "%d x %d x %d (z, y, x); the encoder takes up to %d a side", image_zyx[0],
                               image_zyx[1], image_zyx[2], WINDOWS_AXIS_MAX);
    return true;
}

struct windows windows_plan(const int image_zyx[3], const int size_zyx[3], double overlap)
{
    struct windows w = {.count = 1};
    for (int i = 0; i < 3; i++) {
        w.size_zyx[i] = size_zyx[i];
        w.zyx[i] = image_zyx[i] > size_zyx[i] ? image_zyx[i] : size_zyx[i];
        w.step_zyx[i] = (int)((double)size_zyx[i] * (1 - overlap));
        if (w.step_zyx[i] < 1)
            w.step_zyx[i] = 1;
        w.counts_zyx[i] = 1 + (w.zyx[i] - size_zyx[i] + w.step_zyx[i] - 1) / w.step_zyx[i];
        w.count *= w.counts_zyx[i];
    }
    return w;
}

static int start_of(const struct windows *w, int axis, int number)
{
    int start = number * w->step_zyx[axis], last = w->zyx[axis] - w->size_zyx[axis];
    return start < last ? start : last;
}

void windows_start(const struct windows *windows, int index, int ret_start_zyx[3])
{
    const int *n = windows->counts_zyx;
    const int number[3] = {index / (n[1] * n[2]), index / n[2] % n[1], index % n[2]};
    for (int i = 0; i < 3; i++)
        ret_start_zyx[i] = start_of(windows, i, number[i]);
}

int windows_cover(const struct windows *windows, int axis, int at)
{
    int cover = 0;
    for (int i = 0; i < windows->counts_zyx[axis]; i++) {
        int start = start_of(windows, axis, i);
        cover += at >= start && at < start + windows->size_zyx[axis];
    }
    return cover;
}

/* Elements of `size` bytes. */
static void cut(const unsigned char *image, size_t size, const int image_zyx[3], const int start[3],
                const int end_zyx[3], const int size_zyx[3], unsigned char *to)
{
    int end[3];
    for (int i = 0; i < 3; i++)
        end[i] = end_zyx[i] < image_zyx[i] ? end_zyx[i] : image_zyx[i];
    int inside = end[2] - start[2] < size_zyx[2] ? end[2] - start[2] : size_zyx[2];
    size_t row = (size_t)size_zyx[2] * size, filled = inside > 0 ? (size_t)inside * size : 0;
    for (int z = start[0]; z < start[0] + size_zyx[0]; z++)
        for (int y = start[1]; y < start[1] + size_zyx[1]; y++, to += row) {
            size_t line = (size_t)z * (size_t)image_zyx[1] + (size_t)y;
            size_t have = z < end[0] && y < end[1] ? filled : 0;
            if (have)
                memcpy(to, image + (line * (size_t)image_zyx[2] + (size_t)start[2]) * size, have);
            memset(to + have, 0, row - have);
        }
}

void windows_cut(const float *image, int channels, const int image_zyx[3], const int start_zyx[3],
                 const int end_zyx[3], const int size_zyx[3], float *to)
{
    for (int i = 0; i < channels; i++)
        cut((const unsigned char *)(image + (size_t)i * tensor_voxels(image_zyx)), sizeof *image, image_zyx,
            start_zyx, end_zyx, size_zyx, (unsigned char *)(to + (size_t)i * tensor_voxels(size_zyx)));
}

void windows_cut_labels(const uint8_t *image, const int image_zyx[3], const int start_zyx[3],
                        const int size_zyx[3], uint8_t *to)
{
    cut(image, 1, image_zyx, start_zyx, image_zyx, size_zyx, to);
}

/* Neighbours in x of one organ and one weight. */
struct run {
    int from, count, organ;
    double weight;
};

size_t windows_add_room(const int map_zyx[3])
{
    return (size_t)map_zyx[1] * (size_t)map_zyx[2] * sizeof(struct run);
}

/* Where the window's cells lie in volume and labels. */
struct cells {
    const struct windows *windows;
    const uint8_t *labels;
    int start[3], factor[3];
    const int *map_zyx;
    double cover_x[WINDOWS_AXIS_MAX];
};

static void set_cells(struct cells *c, const struct windows *windows, int index, const int map_zyx[3],
                      const uint8_t *labels)
{
    c->windows = windows;
    c->labels = labels;
    c->map_zyx = map_zyx;
    windows_start(windows, index, c->start);
    for (int i = 0; i < 3; i++)
        c->factor[i] = windows->size_zyx[i] / map_zyx[i];
    for (int x = 0; x < map_zyx[2]; x++)
        c->cover_x[x] = windows_cover(windows, 2, c->start[2] + x * c->factor[2]);
}

static int find_runs_of_row(const struct cells *c, int z, int y, struct run *runs)
{
    const int *size = c->windows->size_zyx, *f = c->factor;
    double cover = (double)windows_cover(c->windows, 0, c->start[0] + z * f[0]) *
                   (double)windows_cover(c->windows, 1, c->start[1] + y * f[1]);
    const uint8_t *row =
        c->labels + ((size_t)(z * f[0]) * (size_t)size[1] + (size_t)(y * f[1])) * (size_t)size[2];
    int count = 0;
    for (int x = 0; x < c->map_zyx[2]; x++) {
        int organ = row[x * f[2]];
        double weight = 1 / (cover * c->cover_x[x]);
        struct run *last = count ? &runs[count - 1] : NULL;
        int at = y * c->map_zyx[2] + x;
        if (last && last->organ == organ && last->weight == weight && last->from + last->count == at)
            last->count++;
        else if (organ)
            runs[count++] = (struct run){at, 1, organ, weight};
    }
    return count;
}

/* Eight sums side by side, so that the compiler may use vectors without reordering one sum. */
static double sum(const float *x, int count)
{
    enum { LANES = 8 };
    double lanes[LANES] = {0}, total = 0;
    int i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += (double)x[i + j];
    for (; i < count; i++)
        total += (double)x[i];
    for (int j = 0; j < LANES; j++)
        total += lanes[j];
    return total;
}

static void add_plane(struct windows_means *means, const struct run *runs, int count, const float *map,
                      size_t step)
{
    for (int i = 0; i < count; i++)
        means->weights[runs[i].organ - 1] += runs[i].weight * runs[i].count;
    for (int channel = 0; channel < means->channels; channel++, map += step)
        for (int i = 0; i < count; i++)
            means->sums[(size_t)(runs[i].organ - 1) * (size_t)means->channels + (size_t)channel] +=
                runs[i].weight * sum(map + runs[i].from, runs[i].count);
}

void windows_add(struct windows_means *means, const struct windows *windows, int index, const float *map,
                 const int map_zyx[3], const uint8_t *labels, void *room)
{
    struct cells cells;
    struct run *runs = room;
    size_t plane = (size_t)map_zyx[1] * (size_t)map_zyx[2];
    set_cells(&cells, windows, index, map_zyx, labels);
    for (int z = 0; z < map_zyx[0]; z++) {
        int count = 0;
        for (int y = 0; y < map_zyx[1]; y++)
            count += find_runs_of_row(&cells, z, y, runs + count);
        add_plane(means, runs, count, map + (size_t)z * plane, tensor_voxels(map_zyx));
    }
}
