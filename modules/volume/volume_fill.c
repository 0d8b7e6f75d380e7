#include "volume/volume_slice.h"

#include <math.h>

struct fill {
    struct slice_room room;
    const struct volume_slice *slices; /* of the phase */
    float padding_value;
    float *voxels;
};

static bool fill_slice(void *work, int seat, int z, struct err *err)
{
    const struct fill *fill = work;
    size_t count = (size_t)fill->room.slice_yx[0] * (size_t)fill->room.slice_yx[1];
    float *values = fill->voxels + (size_t)z * count;
    if (!slice_read(&fill->room, seat, &fill->slices[z], values, err))
        return false;
    for (size_t i = 0; i < count; i++)
        values[i] = isnan(values[i]) ? fill->padding_value : values[i];
    return true;
}

static bool fill_phase(const struct volume_plan *plan, int phase, const struct volume_reader *reader,
                       struct fill *fill, bool mark_padding, struct err *err)
{
    int depth = plan->geometry.zyx[0];
    if (phase < 0 || phase >= plan->geometry.phases)
        return err_fail(err, ERR_BUG, "phase %d of %d", phase, plan->geometry.phases);
    fill->slices = plan->slices + (size_t)phase * (size_t)depth;
    bool ok = slice_room_init(&fill->room, plan, reader, mark_padding, err) &&
              crew_run(reader->crew, depth, fill_slice, fill, err);
    slice_room_done(&fill->room);
    return ok;
}

bool volume_fill(const struct volume_plan *plan, int phase, const struct volume_reader *reader, float *voxels,
                 struct err *err)
{
    bool is_ct = plan->slices[0].at.head->kind == DICOM_KIND_CT;
    struct fill fill = {.voxels = voxels, .padding_value = is_ct ? VOLUME_AIR_HU : 0};
    return fill_phase(plan, phase, reader, &fill, false, err);
}

bool volume_fill_padded(const struct volume_plan *plan, int phase, const struct volume_reader *reader,
                        float padding_value, float *voxels, struct err *err)
{
    struct fill fill = {.voxels = voxels, .padding_value = padding_value};
    return fill_phase(plan, phase, reader, &fill, true, err);
}

struct volume_plan volume_part(const struct volume_plan *plan, int phase, int first, int depth)
{
    struct volume_plan part = *plan;
    part.slices += (size_t)phase * (size_t)plan->geometry.zyx[0] + (size_t)first;
    part.geometry.phases = 1;
    part.geometry.zyx[0] = depth;
    for (int i = 0; i < 3; i++)
        part.geometry.origin_lps[i] += first * plan->geometry.step_z_lps[i];
    return part;
}
