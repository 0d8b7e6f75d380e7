#include "volume/volume.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct fill {
    volume_read_frame read_frame;
    void *reader;
    size_t count; /* pixels of a slice */
    int32_t *stored;
    float *next; /* the other frame of an interpolated slice */
    bool mark_padding;
    float padding_value;
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

static bool fill_frame(const struct fill *fill, const struct volume_slice *slice, float *values,
                       struct err *err)
{
    if (!fill->read_frame(fill->reader, slice, fill->stored, err))
        return false;
    const struct dicom_head *head = slice->head;
    double slope = head->frames[slice->frame].slope, intercept = head->frames[slice->frame].intercept;
    int64_t sum;
    bool turned = is_turned(head, &sum);
    for (size_t i = 0; i < fill->count; i++) {
        int64_t stored = turned ? sum - fill->stored[i] : fill->stored[i];
        values[i] = (float)((double)stored * slope + intercept);
    }
    if (fill->mark_padding && head->has_padding) {
        for (size_t i = 0; i < fill->count; i++) {
            if (is_padding(head, fill->stored[i]))
                values[i] = NAN;
        }
    }
    return true;
}

static bool fill_slice(const struct fill *fill, const struct volume_slice *slice, float *values,
                       struct err *err)
{
    if (!fill_frame(fill, slice, values, err))
        return false;
    if (slice->next_weight > 0) {
        struct volume_slice next = {.head = slice->next_head, .frame = slice->next_frame};
        if (!fill_frame(fill, &next, fill->next, err))
            return false;
        float weight = (float)slice->next_weight;
        for (size_t i = 0; i < fill->count; i++)
            values[i] += weight * (fill->next[i] - values[i]);
    }
    for (size_t i = 0; fill->mark_padding && i < fill->count; i++)
        values[i] = isnan(values[i]) ? fill->padding_value : values[i];
    return true;
}

static bool fill_phase(const struct volume_plan *plan, int phase, struct fill *fill, float *voxels,
                       struct err *err)
{
    const int *zyx = plan->geometry.zyx;
    if (phase < 0 || phase >= plan->geometry.phases)
        return err_fail(err, ERR_BUG, "phase %d of %d", phase, plan->geometry.phases);
    fill->count = (size_t)zyx[1] * (size_t)zyx[2];
    fill->stored = malloc(fill->count * sizeof *fill->stored);
    fill->next = malloc(fill->count * sizeof *fill->next);
    bool ok = fill->stored && fill->next;
    if (!ok)
        err_fail(err, ERR_NOMEM, "out of memory for a slice of %zu pixels", fill->count);
    for (int z = 0; ok && z < zyx[0]; z++) {
        const struct volume_slice *slice = &plan->slices[(size_t)phase * (size_t)zyx[0] + (size_t)z];
        ok = fill_slice(fill, slice, voxels + (size_t)z * fill->count, err);
    }
    free(fill->stored);
    free(fill->next);
    return ok;
}

bool volume_fill(const struct volume_plan *plan, int phase, volume_read_frame read_frame, void *reader,
                 float *voxels, struct err *err)
{
    struct fill fill = {.read_frame = read_frame, .reader = reader};
    return fill_phase(plan, phase, &fill, voxels, err);
}

bool volume_fill_padded(const struct volume_plan *plan, int phase, volume_read_frame read_frame, void *reader,
                        float padding_value, float *voxels, struct err *err)
{
    struct fill fill = {
        .read_frame = read_frame, .reader = reader, .mark_padding = true, .padding_value = padding_value};
    return fill_phase(plan, phase, &fill, voxels, err);
}
