#include "volume/volume.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct fill {
    const struct volume_reader *reader;
    size_t count;    /* pixels of a slice */
    int32_t *stored; /* [seat][count] */
    float *next;     /* [seat][count]: the other frame of an interpolated slice */
    bool mark_padding;
    float padding_value;
    const struct volume_slice *slices; /* of the phase */
    float *voxels;
};

static bool is_padding(const struct dicom_head *head, int32_t stored)
{
    if (!head->has_padding_limit)
        return stored == head->padding;
    int low = head->padding < head->padding_limit ? head->padding : head->padding_limit;
    int high = head->padding < head->padding_limit ? head->padding_limit : head->padding;
    return stored >= low && stored <= high;
}

/* Stored values turned over: 0..2^n-1 when unsigned, -2^(n-1)..2^(n-1)-1 when signed. */
static bool is_turned(const struct dicom_head *head, int64_t *ret_sum)
{
    int bits = head->bits_stored > 0 && head->bits_stored <= 32 ? head->bits_stored : 16;
    *ret_sum = head->is_signed ? -1 : ((int64_t)1 << bits) - 1;
    return head->kind == DICOM_KIND_MR && strcmp(head->photometric, "MONOCHROME1") == 0;
}

/* 32 unsigned bits come as those of an int32_t. */
static int64_t whole(const struct dicom_head *head, int32_t stored)
{
    return head->is_signed ? stored : (int64_t)(uint32_t)stored;
}

static void rescale(const struct dicom_frame_ref *at, const int32_t *stored, size_t count, float *values)
{
    const struct dicom_head *head = at->head;
    double slope = head->frames[at->frame].slope, intercept = head->frames[at->frame].intercept;
    int64_t sum;
    bool turned = is_turned(head, &sum);
    for (size_t i = 0; i < count; i++) {
        int64_t value = whole(head, stored[i]);
        values[i] = (float)((double)(turned ? sum - value : value) * slope + intercept);
    }
}

static void look_up(const struct dicom_head *head, const struct dicom_lut *lut, const int32_t *stored,
                    size_t count, float *values)
{
    int64_t sum;
    bool turned = is_turned(head, &sum);
    int most = (1 << lut->bits) - 1;
    for (size_t i = 0; i < count; i++) {
        int64_t at = whole(head, stored[i]) - lut->first;
        int value = lut->entries[at < 0 ? 0 : at >= lut->count ? lut->count - 1 : at];
        values[i] = (float)(turned ? most - value : value);
    }
}

static bool fill_frame(const struct fill *fill, int seat, const struct dicom_frame_ref *at, float *values,
                       struct err *err)
{
    const struct dicom_head *head = at->head;
    struct volume_frame frame = {.stored = fill->stored + (size_t)seat * fill->count};
    if (!fill->reader->read(fill->reader->from, seat, at, &frame, err))
        return false;
    if (frame.lut)
        look_up(head, frame.lut, frame.stored, fill->count, values);
    else
        rescale(at, frame.stored, fill->count, values);
    if (fill->mark_padding && head->has_padding) {
        for (size_t i = 0; i < fill->count; i++) {
            if (is_padding(head, frame.stored[i]))
                values[i] = NAN;
        }
    }
    return true;
}

static bool fill_slice(void *work, int seat, int z, struct err *err)
{
    const struct fill *fill = work;
    const struct volume_slice *slice = &fill->slices[z];
    float *values = fill->voxels + (size_t)z * fill->count;
    if (!fill_frame(fill, seat, &slice->at, values, err))
        return false;
    if (slice->next_weight > 0) {
        float *others = fill->next + (size_t)seat * fill->count, weight = (float)slice->next_weight;
        if (!fill_frame(fill, seat, &slice->next, others, err))
            return false;
        for (size_t i = 0; i < fill->count; i++)
            values[i] += weight * (others[i] - values[i]);
    }
    for (size_t i = 0; fill->mark_padding && i < fill->count; i++)
        values[i] = isnan(values[i]) ? fill->padding_value : values[i];
    return true;
}

static bool fill_phase(const struct volume_plan *plan, int phase, struct fill *fill, struct err *err)
{
    const int *zyx = plan->geometry.zyx;
    const struct crew *crew = fill->reader->crew;
    size_t seats = (size_t)crew_seats(crew);
    if (phase < 0 || phase >= plan->geometry.phases)
        return err_fail(err, ERR_BUG, "phase %d of %d", phase, plan->geometry.phases);
    fill->slices = plan->slices + (size_t)phase * (size_t)zyx[0];
    fill->count = (size_t)zyx[1] * (size_t)zyx[2];
    fill->stored = malloc(seats * fill->count * sizeof *fill->stored);
    fill->next = malloc(seats * fill->count * sizeof *fill->next);
    bool ok = (fill->stored && fill->next) ||
              err_fail(err, ERR_NOMEM, "out of memory for %zu slices of %zu pixels", seats, fill->count);
    ok = ok && crew_run(crew, zyx[0], fill_slice, fill, err);
    free(fill->stored);
    free(fill->next);
    return ok;
}

bool volume_fill(const struct volume_plan *plan, int phase, const struct volume_reader *reader, float *voxels,
                 struct err *err)
{
    struct fill fill = {.reader = reader, .voxels = voxels};
    return fill_phase(plan, phase, &fill, err);
}

bool volume_fill_padded(const struct volume_plan *plan, int phase, const struct volume_reader *reader,
                        float padding_value, float *voxels, struct err *err)
{
    struct fill fill = {
        .reader = reader, .voxels = voxels, .mark_padding = true, .padding_value = padding_value};
    return fill_phase(plan, phase, &fill, err);
}
