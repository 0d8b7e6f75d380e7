#include "encoder/stitch.h"

#include "tensor/labels.h"

#include <stdlib.h>
#include <string.h>

struct stitch {
    struct windows windows;
    int classes, coarse_zyx[3];
    uint8_t *labels; /* [z][y][x] */
    int *left;       /* [z]: windows that are still to be added */
    int *slot;       /* [z]: which of the open planes it has; -1: none */
    bool *used;      /* [slots] */
    int slots;
    float *planes; /* [slots][classes][y][x]: sums of probabilities */
    float *coarse; /* [classes][y][x] of the coarse grid */
    float *scratch;
};

static int windows_of_plane(const struct windows *w, int z)
{
    return windows_cover(w, 0, z) * w->counts_zyx[1] * w->counts_zyx[2];
}

static int first_free(const bool *used, int count)
{
    for (int i = 0; i < count; i++)
        if (!used[i])
            return i;
    return count;
}

/* Go through the windows as stitch_add will. out: the most planes open at a time. */
static int count_slots(const struct windows *w)
{
    int left[WINDOWS_AXIS_MAX] = {0}, open = 0, most = 0;
    for (int i = 0; i < w->count; i++) {
        int start[3];
        windows_start(w, i, start);
        for (int z = start[0]; z < start[0] + w->size_zyx[0]; z++) {
            if (left[z] == 0) {
                left[z] = windows_of_plane(w, z);
                open++;
                most = open > most ? open : most;
            }
            if (--left[z] == 0) {
                left[z] = -1;
                open--;
            }
        }
    }
    return most;
}

static size_t plane_size(const struct windows *w)
{
    return (size_t)w->zyx[1] * (size_t)w->zyx[2];
}

static bool make_room(struct stitch *s)
{
    const struct windows *w = &s->windows;
    size_t planes = (size_t)w->zyx[0], coarse = (size_t)s->coarse_zyx[1] * (size_t)s->coarse_zyx[2];
    s->slots = count_slots(w);
    s->labels = malloc(planes * plane_size(w));
    s->left = calloc(planes, sizeof *s->left);
    s->slot = calloc(planes, sizeof *s->slot);
    s->used = calloc((size_t)s->slots, sizeof *s->used);
    s->planes = malloc((size_t)s->slots * (size_t)s->classes * plane_size(w) * sizeof *s->planes);
    s->coarse = malloc((size_t)s->classes * coarse * sizeof *s->coarse);
    s->scratch = malloc((labels_scratch(w->size_zyx) + labels_scratch(w->zyx)) * sizeof *s->scratch);
    return s->labels && s->left && s->slot && s->used && s->planes && s->coarse && s->scratch;
}

struct stitch *stitch_open(const struct windows *windows, int classes, const int coarse_zyx[3],
                           struct err *err)
{
    struct stitch *s = calloc(1, sizeof *s);
    if (s) {
        s->windows = *windows;
        s->classes = classes;
        memcpy(s->coarse_zyx, coarse_zyx, sizeof s->coarse_zyx);
    }
    if (!s || !make_room(s)) {
        err_fail(err, ERR_NOMEM, "no memory to stitch %d x %d x %d voxels", windows->zyx[0], windows->zyx[1],
                 windows->zyx[2]);
        stitch_close(s);
        return NULL;
    }
    for (int z = 0; z < windows->zyx[0]; z++) {
        s->left[z] = windows_of_plane(windows, z);
        s->slot[z] = -1;
    }
    return s;
}

void stitch_close(struct stitch *stitch)
{
    if (!stitch)
        return;
    free(stitch->labels);
    free(stitch->left);
    free(stitch->slot);
    free(stitch->used);
    free(stitch->planes);
    free(stitch->coarse);
    free(stitch->scratch);
    free(stitch);
}

static float *open_plane(struct stitch *s, int z)
{
    size_t size = (size_t)s->classes * plane_size(&s->windows);
    bool fresh = s->slot[z] < 0;
    if (fresh) {
        s->slot[z] = first_free(s->used, s->slots);
        s->used[s->slot[z]] = true;
    }
    float *plane = s->planes + (size_t)s->slot[z] * size;
    if (fresh)
        memset(plane, 0, size * sizeof *plane);
    return plane;
}

/* Sums have the same order as means: every class was added as often. */
static void decide_plane(struct stitch *s, int z, const float *plane)
{
    const int one[3] = {1, s->windows.zyx[1], s->windows.zyx[2]};
    labels_argmax(s->classes, plane, one, one, s->labels + (size_t)z * plane_size(&s->windows), s->scratch);
    s->used[s->slot[z]] = false;
    s->slot[z] = -1;
}

void stitch_add(struct stitch *stitch, int index, const float *scores)
{
    const struct windows *w = &stitch->windows;
    size_t coarse = (size_t)stitch->coarse_zyx[1] * (size_t)stitch->coarse_zyx[2];
    int start[3];
    windows_start(w, index, start);
    for (int i = 0; i < w->size_zyx[0]; i++) {
        int z = start[0] + i;
        float *plane = open_plane(stitch, z);
        float *corner = plane + (size_t)start[1] * (size_t)w->zyx[2] + (size_t)start[2];
        labels_softmax_plane(stitch->classes, scores, stitch->coarse_zyx, i, stitch->coarse);
        for (int c = 0; c < stitch->classes; c++)
            labels_add_plane(stitch->coarse + (size_t)c * coarse, stitch->coarse_zyx + 1, w->size_zyx + 1,
                             corner + (size_t)c * plane_size(w), (size_t)w->zyx[2], stitch->scratch);
        if (--stitch->left[z] == 0)
            decide_plane(stitch, z, plane);
    }
}

const uint8_t *stitch_labels(const struct stitch *stitch)
{
    return stitch->labels;
}
