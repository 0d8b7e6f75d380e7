#include "pipeline/cube.h"

#include "pipeline/heart.h"
#include "pipeline/prepare.h"

#include <string.h>

static bool find_box(const struct preprocess *preprocess, struct source *source,
                     const struct volume_plan *plan, int phase, const int zyx[3], struct arena *arena,
                     struct result_box *ret, struct grounded *ret_segmentations, struct err *err)
{
    bool is_cut = memcmp(plan->geometry.zyx, zyx, sizeof plan->geometry.zyx) == 0; /* by somebody, already */
    *ret = (struct result_box){0};
    return preprocess->crop != PREPROCESS_CROP_HEART || is_cut ||
           (heart_find(source, plan, phase, arena, ret, ret_segmentations, err) &&
            heart_widen(plan, preprocess->crop_margin_mm, ret, err));
}

static bool find_grid(const struct preprocess *preprocess, const struct volume_plan *plan, const int zyx[3],
                      const struct result_box *box, struct volume_geometry *ret, struct err *err)
{
    const double *spacing = preprocess->spacing_zyx_mm;
    if (!box->source || (box->confidence == 0 && !(spacing[0] > 0)))
        return volume_cover(&plan->geometry, zyx, ret, err);
    double size[3];
    for (int i = 0; i < 3; i++)
        size[i] = spacing[0] > 0 ? spacing[i] * zyx[i] : box->size_zyx_mm[i];
    return volume_box(&plan->geometry, box->centre_lps, size, zyx, ret, err);
}

/* The first [count] are read; the other channels are the same in their windows. */
static bool prepare_channels(const struct preprocess *preprocess, float *values, size_t count,
                             struct err *err)
{
    struct preprocess one = *preprocess;
    for (int c = preprocess->window_count - 1; c > 0; c--) {
        float *channel = values + (size_t)c * count;
        memcpy(channel, values, count * sizeof *values);
        memcpy(one.hu_clip, preprocess->windows[c], sizeof one.hu_clip);
        if (!prepare_values(&one, channel, count, err))
            return false;
    }
    return prepare_values(preprocess, values, count, err);
}

bool cube_prepare(const struct model *model, struct source *source, const struct volume_plan *plan, int phase,
                  struct arena *arena, struct encoder_input *ret, struct result_box *ret_box,
                  struct grounded *ret_segmentations, struct err *err)
{
    const struct preprocess *preprocess = model_preprocess(model);
    struct volume_geometry grid;
    int zyx[3];
    model_input_zyx(model, zyx);
    size_t count = tensor_voxels(zyx), channels = (size_t)model_vision(model)->channels;
    float *values = ARENA_ARRAY(arena, float, channels *count);
    if (!values)
        return err_fail(err, ERR_NOMEM, "no memory for a volume");
    *ret = (struct encoder_input){.values = values, .items = 1, .zyx = {zyx[0], zyx[1], zyx[2]}};
    return find_box(preprocess, source, plan, phase, zyx, arena, ret_box, ret_segmentations, err) &&
           find_grid(preprocess, plan, zyx, ret_box, &grid, err) &&
           prepare_sample(plan, phase, source, &grid, values, err) &&
           prepare_channels(preprocess, values, count, err);
}
