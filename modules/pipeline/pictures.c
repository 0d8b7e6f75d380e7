#include "pipeline/pictures.h"

#include "volume/resize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASPECT_MAX = 16 };

static bool no_memory(struct err *err)
{
    return err_fail(err, ERR_NOMEM, "no memory for pictures");
}

bool pictures_choose(const struct volume_plan *plan, int phase, int most, struct arena *arena,
                     struct volume_plan **ret, struct err *err)
{
    int depth = plan->geometry.zyx[0], count = depth < most ? depth : most;
    const struct volume_slice *from = plan->slices + (size_t)phase * (size_t)depth;
    struct volume_plan *chosen = ARENA_NEW(arena, struct volume_plan);
    struct volume_slice *slices = ARENA_ARRAY(arena, struct volume_slice, (size_t)count);
    char text[DIGEST_HEX_SIZE + 64];
    if (!chosen || !slices)
        return no_memory(err);
    for (int i = 0; i < count; i++)
        slices[i] = from[(2 * (int64_t)i + 1) * depth / (2 * count)];
    *chosen = *plan;
    chosen->slices = slices;
    chosen->geometry.zyx[0] = count;
    chosen->geometry.phases = 1;
    int length = snprintf(text, sizeof text, "%s phase %d, %d of %d slices", plan->manifest_sha256, phase,
                          count, depth);
    digest_bytes(text, (size_t)length, chosen->manifest_sha256);
    *ret = chosen;
    return true;
}

/* ---- grey values ---- */

static int by_value(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

/* Of a regular sample of the voxels: a million tell a percentile to a tenth of a percent. The step is odd, so
 * that it does not fall on the same columns again and again. */
static bool percentiles(const float *voxels, size_t count, const double percent[2], double low_high[2],
                        struct arena *arena, struct err *err)
{
    size_t step = (count / 1000000) | 1, taken = (count + step - 1) / step;
    float *sorted = ARENA_ARRAY(arena, float, taken);
    if (!sorted)
        return no_memory(err);
    for (size_t i = 0; i < taken; i++)
        sorted[i] = voxels[i * step];
    qsort(sorted, taken, sizeof *sorted, by_value);
    for (int i = 0; i < 2; i++)
        low_high[i] = (double)sorted[(size_t)(percent[i] / 100 * (double)(taken - 1) + 0.5)];
    return true;
}

static bool grey_range(const struct preprocess *preprocess, const float *voxels, size_t count,
                       double low_high[2], struct arena *arena, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(voxels[i]))
            return err_decline(err, "not_finite", "the volume holds values that are no numbers");
    if (preprocess->has_hu_clip) {
        memcpy(low_high, preprocess->hu_clip, 2 * sizeof *low_high);
        return true;
    }
    return percentiles(voxels, count, preprocess->percentile, low_high, arena, err) &&
           (low_high[1] > low_high[0] ||
            err_decline(err, "constant_volume", "nearly every voxel has the same value"));
}

static void to_grey(const float *values, size_t count, const double low_high[2], uint8_t *grey)
{
    double factor = 255 / (low_high[1] - low_high[0]);
    for (size_t i = 0; i < count; i++)
        grey[i] = (uint8_t)(fmin(fmax(((double)values[i] - low_high[0]) * factor, 0), 255) + 0.5);
}

/* ---- one picture ---- */

struct frame {
    int in_yx[2], resized_yx[2], out_yx[2];
    uint8_t *grey, *resized;
};

static bool frame_init(struct frame *frame, const struct vision_config *vision, const int zyx[3],
                       struct arena *arena, struct err *err)
{
    const int *in = zyx + 1, *out = vision->input_zyx + 1;
    int shorter = in[0] < in[1] ? 0 : 1, longer = 1 - shorter;
    if (in[longer] / in[shorter] >= ASPECT_MAX)
        return err_decline(err, "absurd_geometry", "pictures of %d x %d are no pictures", in[0], in[1]);
    memcpy(frame->in_yx, in, sizeof frame->in_yx);
    memcpy(frame->out_yx, out, sizeof frame->out_yx);
    frame->resized_yx[shorter] = out[shorter];
    frame->resized_yx[longer] = (int)((int64_t)out[shorter] * in[longer] / in[shorter]);
    if (frame->resized_yx[longer] < out[longer])
        frame->resized_yx[longer] = out[longer];
    frame->grey = ARENA_ARRAY(arena, uint8_t, (size_t)in[0] * (size_t)in[1]);
    frame->resized = ARENA_ARRAY(arena, uint8_t, (size_t)frame->resized_yx[0] * (size_t)frame->resized_yx[1]);
    return (frame->grey && frame->resized) || no_memory(err);
}

static void cut_and_scale(const struct frame *frame, const struct preprocess *preprocess, int channel,
                          float *out)
{
    int top = (frame->resized_yx[0] - frame->out_yx[0]) / 2,
        left = (frame->resized_yx[1] - frame->out_yx[1]) / 2;
    float mean = (float)preprocess->mean[channel], std = (float)preprocess->std[channel];
    for (int y = 0; y < frame->out_yx[0]; y++) {
        const uint8_t *line = frame->resized + (size_t)(top + y) * (size_t)frame->resized_yx[1] + left;
        for (int x = 0; x < frame->out_yx[1]; x++)
            *out++ = ((float)line[x] / 255 - mean) / std;
    }
}

bool pictures_prepare(const struct preprocess *preprocess, const struct vision_config *vision,
                      const int zyx[3], const float *voxels, struct arena *arena, float **ret,
                      struct err *err)
{
    size_t plane_in = (size_t)zyx[1] * (size_t)zyx[2];
    size_t plane_out = (size_t)vision->input_zyx[1] * (size_t)vision->input_zyx[2];
    size_t channels = (size_t)vision->channels;
    double low_high[2] = {0, 1};
    struct frame frame;
    float *out = ARENA_ARRAY(arena, float, (size_t)zyx[0] * channels * plane_out);
    if (!out)
        return no_memory(err);
    if (!grey_range(preprocess, voxels, (size_t)zyx[0] * plane_in, low_high, arena, err) ||
        !frame_init(&frame, vision, zyx, arena, err))
        return false;
    for (size_t z = 0; z < (size_t)zyx[0]; z++) {
        to_grey(voxels + z * plane_in, plane_in, low_high, frame.grey);
        if (!resize_bicubic_u8(frame.grey, frame.in_yx, frame.resized, frame.resized_yx, err))
            return false;
        for (size_t c = 0; c < channels; c++)
            cut_and_scale(&frame, preprocess, (int)c, out + (z * channels + c) * plane_out);
    }
    *ret = out;
    return true;
}
