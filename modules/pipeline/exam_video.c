#include "pipeline/exam.h"
#include "pipeline/grey.h"
#include "pipeline/prepare.h"
#include "tensor/tensor.h"
#include "volume/resize.h"

#include <math.h>
#include <string.h>

static bool no_memory(struct err *err)
{
    return err_fail(err, ERR_NOMEM, "no memory for the frames of an examination");
}

/* ---- a view's frames: [different frames][side][side], grey ---- */

/* The middle square of a picture, in mm. */
struct square {
    int top, left, size_yx[2];
};

static struct square middle_square(const struct volume_geometry *geometry)
{
    struct square square = {0};
    const int *yx = geometry->zyx + 1;
    const double *spacing = geometry->spacing_zyx_mm + 1;
    double side_mm = fmin(yx[0] * spacing[0], yx[1] * spacing[1]);
    for (int axis = 0; axis < 2; axis++) {
        int size = (int)(side_mm / spacing[axis] + 0.5);
        square.size_yx[axis] = size < 1 ? 1 : size > yx[axis] ? yx[axis] : size;
    }
    square.top = (yx[0] - square.size_yx[0]) / 2;
    square.left = (yx[1] - square.size_yx[1]) / 2;
    return square;
}

/* voxels [frames][y][x] become squares [frames][side][side]. */
static bool cut_frames(const struct volume_geometry *geometry, const float *voxels, int side, float *squares,
                       struct arena *arena, struct err *err)
{
    const struct square square = middle_square(geometry);
    const int *size = square.size_yx, out[2] = {side, side};
    size_t columns = (size_t)geometry->zyx[2], plane = (size_t)geometry->zyx[1] * columns;
    float *cut = ARENA_ARRAY(arena, float, (size_t)size[0] * (size_t)size[1]);
    if (!cut)
        return no_memory(err);
    for (size_t i = 0; i < (size_t)geometry->zyx[0]; i++) {
        const float *from = voxels + i * plane + (size_t)square.top * columns + (size_t)square.left;
        for (size_t y = 0; y < (size_t)size[0]; y++)
            memcpy(cut + y * (size_t)size[1], from + y * columns, (size_t)size[1] * sizeof *cut);
        if (!resize_bilinear_f32(cut, size, squares + i * (size_t)side * (size_t)side, out, err))
            return false;
    }
    return true;
}

static bool make_grey(const struct exam_view *view, const struct preprocess *preprocess,
                      struct source *source, struct arena *arena, uint8_t *grey, struct err *err)
{
    const struct volume_plan *plan = view->picked;
    int side = preprocess->frames.double_resize[1];
    size_t count = (size_t)plan->geometry.zyx[0] * (size_t)side * (size_t)side;
    float *squares = ARENA_ARRAY(arena, float, count);
    double low_high[2];
    if (!squares)
        return no_memory(err);
    float *voxels = prepare_voxels(plan, 0, source, arena, err);
    if (!voxels || !cut_frames(&plan->geometry, voxels, side, squares, arena, err) ||
        !grey_range(squares, count, preprocess->percentile, low_high, arena, err))
        return err_prefix(err, "view %s", study_view_names[view->wish->view]);
    grey_of(squares, count, low_high, grey);
    return true;
}

/* What a view was acquired with is let go before the next is read. */
static bool view_grey(const struct exam_view *view, const struct preprocess *preprocess,
                      struct source *source, struct arena *arena, uint8_t **ret, struct err *err)
{
    size_t side = (size_t)preprocess->frames.double_resize[1];
    uint8_t *grey = ARENA_ARRAY(arena, uint8_t, (size_t)view->picked->geometry.zyx[0] * side * side);
    struct arena *ours = arena_new();
    bool ok = (grey && ours) || no_memory(err);
    ok = ok && make_grey(view, preprocess, source, ours, grey, err);
    arena_free(ours);
    *ret = grey;
    return ok;
}

/* ---- the video ---- */

int exam_sample(int frames, int n, int *places)
{
    int count = n < frames ? n : frames, from = 0;
    for (int k = 0; k < count; k++) {
        int next = k + 1 < count ? (int)((k + 1) * ((double)frames / count)) : frames;
        places[k] = (from + next - 1) / 2;
        from = next;
    }
    return count;
}

/* Which view frame `place` of the video belongs to, and which of that view's different frames it is. */
static const struct exam_view *view_at(const struct exam *exam, int place, int *ret_view, int *ret_frame)
{
    int i = 0;
    for (; place >= exam->views[i].frames; i++)
        place -= exam->views[i].frames;
    *ret_view = i;
    *ret_frame = exam->views[i].wish->from == FRAMES_REPEAT ? 0 : place;
    return &exam->views[i];
}

struct resizer {
    const struct preprocess *preprocess;
    int channels;
    float *first, *between, *last;
};

/* Grey [side][side] becomes [channels][side][side]. */
static bool put_frame(const struct resizer *resizer, const uint8_t *grey, float *out, struct err *err)
{
    const struct preprocess *preprocess = resizer->preprocess;
    const int *sides = preprocess->frames.double_resize;
    const int wide[2] = {sides[0], sides[0]}, end[2] = {sides[1], sides[1]};
    size_t count = (size_t)sides[1] * (size_t)sides[1];
    for (size_t i = 0; i < count; i++)
        resizer->first[i] = (float)grey[i] / 255;
    if (!resize_bilinear_f32(resizer->first, end, resizer->between, wide, err) ||
        !resize_bilinear_f32(resizer->between, wide, resizer->last, end, err))
        return false;
    for (int c = 0; c < resizer->channels; c++) {
        float mean = (float)preprocess->mean[c], std = (float)preprocess->std[c];
        for (size_t i = 0; i < count; i++)
            *out++ = (resizer->last[i] - mean) / std;
    }
    return true;
}

static bool make_resizer(struct resizer *resizer, const struct preprocess *preprocess, int channels,
                         struct arena *arena, struct err *err)
{
    const int *sides = preprocess->frames.double_resize;
    size_t count = (size_t)sides[1] * (size_t)sides[1];
    *resizer = (struct resizer){preprocess, channels, ARENA_ARRAY(arena, float, count),
                                ARENA_ARRAY(arena, float, (size_t)sides[0] * (size_t)sides[0]),
                                ARENA_ARRAY(arena, float, count)};
    return (resizer->first && resizer->between && resizer->last) || no_memory(err);
}

/* values [n][channels][side][side], zero. */
static bool fill_video(const struct exam *exam, uint8_t *const *greys, const struct resizer *resizer,
                       float *values, struct arena *arena, struct err *err)
{
    const struct frames *frames = &resizer->preprocess->frames;
    size_t plane = (size_t)frames->double_resize[1] * (size_t)frames->double_resize[1];
    int *places = ARENA_ARRAY(arena, int, (size_t)frames->n);
    if (!places)
        return no_memory(err);
    int count = exam_sample(exam->frames, frames->n, places);
    for (int k = 0; k < count; k++) {
        int view, frame;
        float *out = values + (size_t)k * (size_t)resizer->channels * plane;
        if (!view_at(exam, places[k], &view, &frame)->reason &&
            !put_frame(resizer, greys[view] + (size_t)frame * plane, out, err))
            return false;
    }
    return true;
}

bool exam_prepare(const struct exam *exam, const struct model *model, struct source *source,
                  struct arena *arena, struct encoder_input *ret, struct err *err)
{
    const struct preprocess *preprocess = model_preprocess(model);
    const struct vision_config *vision = model_vision(model);
    const int *yx = vision->input_zyx + 1;
    int n = preprocess->frames.n;
    struct resizer resizer;
    uint8_t **greys = ARENA_ARRAY(arena, uint8_t *, (size_t)exam->view_count);
    float *values =
        ARENA_ARRAY(arena, float, (size_t)n *(size_t)vision->channels *(size_t)yx[0] * (size_t)yx[1]);
    if (!greys || !values || !make_resizer(&resizer, preprocess, vision->channels, arena, err))
        return no_memory(err);
    for (int i = 0; i < exam->view_count; i++) {
        if (!exam->views[i].reason && !view_grey(&exam->views[i], preprocess, source, arena, &greys[i], err))
            return false;
    }
    *ret = (struct encoder_input){.values = values, .items = n, .zyx = {1, yx[0], yx[1]}};
    return fill_video(exam, greys, &resizer, values, arena, err);
}
