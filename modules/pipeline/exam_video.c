#include "pipeline/exam.h"
#include "pipeline/grey.h"
#include "tensor/tensor.h"
#include "volume/resize.h"

#include <math.h>
#include <string.h>

static bool no_memory(struct err *err)
{
    return err_fail(err, ERR_NOMEM, "no memory for the frames of an examination");
}

/* ---- a view's frames: [different frames][side][side], grey ---- */

/* The middle square of a picture, in mm; field_mm: no larger than that, 0: as large as it goes. */
struct square {
    int top, left, size_yx[2];
};

static struct square middle_square(const struct volume_geometry *geometry, double field_mm)
{
    struct square square = {0};
    const int *yx = geometry->zyx + 1;
    const double *spacing = geometry->spacing_zyx_mm + 1;
    double side_mm = fmin(yx[0] * spacing[0], yx[1] * spacing[1]);
    side_mm = field_mm > 0 ? fmin(side_mm, field_mm) : side_mm;
    for (int axis = 0; axis < 2; axis++) {
        int size = (int)(side_mm / spacing[axis] + 0.5);
        square.size_yx[axis] = size < 1 ? 1 : size > yx[axis] ? yx[axis] : size;
    }
    square.top = (yx[0] - square.size_yx[0]) / 2;
    square.left = (yx[1] - square.size_yx[1]) / 2;
    return square;
}

/* A view on its way: frames are read a few at a time, so that a large one is never held whole. */
struct cutter {
    const struct volume_plan *plan;
    struct volume_reader reader;
    struct volume_turn turn;
    struct square square; /* as acquired */
    int side, seats;
    float *voxels;  /* [seats][y][x] */
    float *cut;     /* the square of one, as the encoder sees it */
    float *squares; /* [frames][side][side] */
    bool *padded;   /* [frames] */
    float low;      /* the least value there is */
};

static bool make_cutter(struct cutter *cutter, const struct exam_view *view, const struct frames *frames,
                        struct source *source, struct arena *arena, struct err *err)
{
    const struct volume_plan *plan = view->picked;
    const int *zyx = plan->geometry.zyx, side = frames->double_resize[1];
    *cutter = (struct cutter){.plan = plan,
                              .reader = source_reader(source),
                              .turn = view->turn,
                              .square = middle_square(&plan->geometry, frames->field_mm),
                              .side = side,
                              .low = INFINITY};
    cutter->seats = crew_seats(source->crew) < zyx[0] ? crew_seats(source->crew) : zyx[0];
    const int *size = cutter->square.size_yx;
    cutter->voxels = ARENA_ARRAY(arena, float, (size_t)cutter->seats *(size_t)zyx[1] * (size_t)zyx[2]);
    cutter->cut = ARENA_ARRAY(arena, float, (size_t)size[0] * (size_t)size[1]);
    cutter->squares = ARENA_ARRAY(arena, float, (size_t)zyx[0] * (size_t)side * (size_t)side);
    cutter->padded = ARENA_ARRAY(arena, bool, (size_t)zyx[0]);
    return (cutter->voxels && cutter->cut && cutter->squares && cutter->padded) || no_memory(err);
}

static bool read_frames(const struct cutter *cutter, int first, int count, struct err *err)
{
    const struct volume_plan part = volume_part(cutter->plan, 0, first, count);
    return volume_fill_padded(&part, 0, &cutter->reader, NAN, cutter->voxels, err);
}

static bool cut_frame(const struct cutter *cutter, const float *voxels, int frame, struct err *err)
{
    const struct square *square = &cutter->square;
    const int *size = square->size_yx, out[2] = {cutter->side, cutter->side};
    const int seen[2] = {size[cutter->turn.swap], size[!cutter->turn.swap]};
    size_t columns = (size_t)cutter->plan->geometry.zyx[2];
    const float *from = voxels + (size_t)square->top * columns + (size_t)square->left;
    volume_turn_values(&cutter->turn, from, columns, size, cutter->cut);
    float *to = cutter->squares + (size_t)frame * (size_t)cutter->side * (size_t)cutter->side;
    return resize_bilinear_f32(cutter->cut, seen, to, out, err);
}

/* What padding becomes is known when all is read, so frames that have some come again. */
static bool cut_whole_frames(struct cutter *cutter, struct err *err)
{
    const int *zyx = cutter->plan->geometry.zyx;
    size_t plane = (size_t)zyx[1] * (size_t)zyx[2];
    for (int i = 0; i < zyx[0]; i++) {
        int seat = i % cutter->seats, left = zyx[0] - i;
        const float *voxels = cutter->voxels + (size_t)seat * plane;
        if (seat == 0 && !read_frames(cutter, i, left < cutter->seats ? left : cutter->seats, err))
            return false;
        for (size_t k = 0; k < plane; k++) {
            cutter->padded[i] |= isnan(voxels[k]);
            cutter->low = voxels[k] < cutter->low ? voxels[k] : cutter->low;
        }
        if (!cutter->padded[i] && !cut_frame(cutter, voxels, i, err))
            return false;
    }
    return !isinf(cutter->low) || cutter->low < 0 ||
           err_decline(err, "constant_volume", "every voxel is padding");
}

static bool cut_padded_frames(const struct cutter *cutter, struct err *err)
{
    const int *zyx = cutter->plan->geometry.zyx;
    bool ct = cutter->plan->slices[0].at.head->kind == DICOM_KIND_CT;
    for (int i = 0; i < zyx[0]; i++) {
        if (!cutter->padded[i])
            continue;
        if (!read_frames(cutter, i, 1, err))
            return false;
        for (size_t k = 0; k < (size_t)zyx[1] * (size_t)zyx[2]; k++)
            if (isnan(cutter->voxels[k]))
                cutter->voxels[k] = ct ? VOLUME_AIR_HU : cutter->low;
        if (!cut_frame(cutter, cutter->voxels, i, err))
            return false;
    }
    return true;
}

static bool make_grey(const struct exam_view *view, const struct preprocess *preprocess,
                      struct source *source, struct arena *arena, uint8_t *grey, struct err *err)
{
    int side = preprocess->frames.double_resize[1];
    size_t count = (size_t)view->picked->geometry.zyx[0] * (size_t)side * (size_t)side;
    double low_high[2];
    struct cutter cutter;
    if (!make_cutter(&cutter, view, &preprocess->frames, source, arena, err) ||
        !cut_whole_frames(&cutter, err) || !cut_padded_frames(&cutter, err) ||
        !grey_range(cutter.squares, count, preprocess->percentile, low_high, arena, err))
        return false;
    grey_of(cutter.squares, count, low_high, grey);
    return true;
}

/* What a view was acquired with is let go before the next is read. */
static bool view_grey(struct exam_view *view, const struct preprocess *preprocess, struct source *source,
                      struct arena *arena, struct err *err)
{
    size_t side = (size_t)preprocess->frames.double_resize[1];
    uint8_t *grey = ARENA_ARRAY(arena, uint8_t, (size_t)view->picked->geometry.zyx[0] * side * side);
    struct arena *ours = arena_new();
    bool ok = (grey && ours) || no_memory(err);
    ok = ok && make_grey(view, preprocess, source, ours, grey, err);
    arena_free(ours);
    view->grey = ok ? grey : NULL;
    return ok;
}

/* NULL: the fault is not the study's. */
static const char *reason_of(const struct err *err, struct arena *arena)
{
    if (err->code != ERR_INPUT && err->code != ERR_UNSUPPORTED)
        return NULL;
    const char *word = err->code == ERR_INPUT ? "unreadable_pixels" : err_code_name(err->code);
    return *err->reason ? arena_strdup(arena, err->reason) : word;
}

static bool all_greys(struct exam *exam, const struct preprocess *preprocess, struct source *source,
                      struct arena *arena, struct err *err)
{
    for (int i = 0; i < exam->view_count;) {
        struct exam_view *view = &exam->views[i];
        struct err why = ERR_INIT;
        if (view->reason || view->grey || view_grey(view, preprocess, source, arena, &why)) {
            i++;
            continue;
        }
        const char *reason = reason_of(&why, arena);
        if (!reason) {
            *err = why;
            return false;
        }
        if (!exam_replace(exam, view, reason, preprocess, arena, err))
            return false;
        i = 0; /* the video may have become another, and a view be sampled that was not */
    }
    return true;
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

const struct exam_view *exam_at(const struct exam *exam, int place, int *ret_frame)
{
    const struct exam_view *view = exam->views;
    for (; place >= view->frames; view++)
        place -= view->frames;
    *ret_frame = view->wish->from == FRAMES_REPEAT ? 0 : place;
    return view;
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
static bool fill_video(const struct exam *exam, const struct resizer *resizer, float *values,
                       struct arena *arena, struct err *err)
{
    const struct frames *frames = &resizer->preprocess->frames;
    size_t plane = (size_t)frames->double_resize[1] * (size_t)frames->double_resize[1];
    int *places = ARENA_ARRAY(arena, int, (size_t)frames->n);
    if (!places)
        return no_memory(err);
    int count = exam_sample(exam->frames, frames->n, places);
    for (int k = 0; k < count; k++) {
        int frame;
        const struct exam_view *view = exam_at(exam, places[k], &frame);
        float *out = values + (size_t)k * (size_t)resizer->channels * plane;
        if (!view->reason && !put_frame(resizer, view->grey + (size_t)frame * plane, out, err))
            return false;
    }
    return true;
}

bool exam_prepare(struct exam *exam, const struct model *model, struct source *source, struct arena *arena,
                  struct encoder_input *ret, struct err *err)
{
    const struct preprocess *preprocess = model_preprocess(model);
    const struct vision_config *vision = model_vision(model);
    const int *yx = vision->input_zyx + 1;
    int n = preprocess->frames.n;
    struct resizer resizer;
    if (!all_greys(exam, preprocess, source, arena, err))
        return false;
    float *values =
        ARENA_ARRAY(arena, float, (size_t)n *(size_t)vision->channels *(size_t)yx[0] * (size_t)yx[1]);
    if (!values || !make_resizer(&resizer, preprocess, vision->channels, arena, err))
        return no_memory(err);
    *ret = (struct encoder_input){.values = values, .items = n, .zyx = {1, yx[0], yx[1]}};
    return fill_video(exam, &resizer, values, arena, err);
}
