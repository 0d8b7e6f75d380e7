#include "pipeline/pictures.h"

#include "pipeline/grey.h"
#include "volume/resize.h"

#include <math.h>
#include <stdio.h>
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

static bool black_and_white(const struct preprocess *preprocess, const float *voxels, size_t count,
                            double low_high[2], struct arena *arena, struct err *err)
{
    if (!preprocess->has_hu_clip)
        return grey_range(voxels, count, preprocess->percentile, low_high, arena, err);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(voxels[i]))
            return err_decline(err, "not_finite", "the volume holds values that are no numbers");
    memcpy(low_high, preprocess->hu_clip, 2 * sizeof *low_high);
    return true;
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
    if (!black_and_white(preprocess, voxels, (size_t)zyx[0] * plane_in, low_high, arena, err) ||
        !frame_init(&frame, vision, zyx, arena, err))
        return false;
    for (size_t z = 0; z < (size_t)zyx[0]; z++) {
        grey_of(voxels + z * plane_in, plane_in, low_high, frame.grey);
        if (!resize_bicubic_u8(frame.grey, frame.in_yx, frame.resized, frame.resized_yx, err))
            return false;
        for (size_t c = 0; c < channels; c++)
            cut_and_scale(&frame, preprocess, (int)c, out + (z * channels + c) * plane_out);
    }
    *ret = out;
    return true;
}
