#include "pipeline/heart.h"

#include "dicom/dicom_seg.h"
#include "pipeline/grounded_mask.h"
#include "pipeline/prepare.h"
#include "pipeline/segments.h"
#include "volume/heart_box.h"

#include <math.h>
#include <string.h>

static const double mask_grid_mm = 2;
static const double least_mm = 50; /* of a segmented heart; less is a part of one */

/* Everything here is organ 1. source: SNOMED CT and its former codes as DICOM PS3.16 CID 7150 and 3640 give
 * them; TotalSegmentator's labels. */
static struct segments_entry codes[] = {
    {"SCT:80891009", 1}, {"SRT:T-32000", 1}, /* heart */
    {"SCT:74281007", 1},                     /* myocardium */
    {"SCT:73829009", 1}, {"SRT:T-32200", 1}, /* right atrium */
    {"SCT:82471001", 1}, {"SRT:T-32300", 1}, /* left atrium */
    {"SCT:53085002", 1}, {"SRT:T-32500", 1}, /* right ventricle */
    {"SCT:87878005", 1}, {"SRT:T-32600", 1}, /* left ventricle */
};
static struct segments_entry labels[] = {
    {"heart", 1},
    {"heart_myocardium", 1},
    {"heart_atrium_left", 1},
    {"heart_atrium_right", 1},
    {"heart_ventricle_left", 1},
    {"heart_ventricle_right", 1},
};

static const struct segments segments = {codes, labels, sizeof codes / sizeof *codes,
                                         sizeof labels / sizeof *labels};

bool heart_is_named(const struct dicom_segmentation *record)
{
    for (int i = 0; i < record->segment_count; i++) {
        if (segments_organ(&segments, &record->segments[i]))
            return true;
    }
    return false;
}

static void set_box(struct result_box *ret, const char *source, const struct heart_box *box)
{
    *ret = (struct result_box){.source = source, .confidence = box->confidence};
    memcpy(ret->centre_lps, box->centre_lps, sizeof ret->centre_lps);
    memcpy(ret->size_zyx_mm, box->size_zyx_mm, sizeof ret->size_zyx_mm);
}

/* *ret_box is set when a segmentation gives a heart. */
static bool from_segmentation(const struct source *source, const struct volume_plan *plan,
                              struct arena *arena, struct result_box *ret_box, struct grounded *ret,
                              struct err *err)
{
    static struct organ heart = {"heart", "heart"};
    static const struct organ_config organs = {.count = 1, .organs = &heart};
    const double spacing[3] = {mask_grid_mm, mask_grid_mm, mask_grid_mm};
    struct volume_geometry grid;
    struct heart_box box;
    bool any = false;
    for (int i = 0; i < source->count; i++)
        any |= dicom_is_seg(source->heads[i]->id.sop_class);
    if (!any)
        return true;
    if (!volume_regrid(&plan->geometry, spacing, &grid, err))
        return false;
    uint8_t *mask = ARENA_ARRAY(arena, uint8_t, tensor_voxels(grid.zyx));
    if (!mask)
        return err_fail(err, ERR_NOMEM, "no memory for the heart's mask");
    if (!grounded_mask(&organs, &segments, source, plan, &grid, arena, mask, ret, err))
        return false;
    if (!heart_box_of_mask(&grid, mask, &box) || box.size_zyx_mm[0] < least_mm ||
        box.size_zyx_mm[1] < least_mm || box.size_zyx_mm[2] < least_mm) {
        ret->object_count = 0;
        return true;
    }
    ret->reasons = NULL;
    set_box(ret_box, "segmentation", &box);
    return true;
}

static bool from_estimate(struct source *source, const struct volume_plan *plan, int phase,
                          struct arena *arena, struct result_box *ret_box, struct err *err)
{
    struct volume_geometry grid;
    struct heart_box box;
    if (!heart_box_grid(&plan->geometry, &grid, err))
        return false;
    float *hu = ARENA_ARRAY(arena, float, tensor_voxels(grid.zyx));
    if (!hu)
        return err_fail(err, ERR_NOMEM, "no memory to look for the heart");
    if (!prepare_sample(plan, phase, source, &grid, hu, err) || !heart_box_estimate(&grid, hu, &box, err))
        return false;
    if (box.confidence >= HEART_BOX_CONFIDENT)
        set_box(ret_box, "estimate", &box);
    return true;
}

/* As one voxel. */
static bool cover(const struct volume_plan *plan, struct volume_geometry *ret, struct err *err)
{
    static const int one[3] = {1, 1, 1};
    return volume_cover(&plan->geometry, one, ret, err);
}

bool heart_widen(const struct volume_plan *plan, double margin_mm, struct result_box *box, struct err *err)
{
    struct volume_geometry whole;
    if (!cover(plan, &whole, err))
        return false;
    const double *steps[3] = {whole.step_z_lps, whole.step_y_lps, whole.step_x_lps};
    double from[3];
    for (int lps = 0; lps < 3; lps++) {
        from[lps] = box->centre_lps[lps] - whole.origin_lps[lps];
        box->centre_lps[lps] = whole.origin_lps[lps];
    }
    for (int axis = 0; axis < 3; axis++) {
        const double *step = steps[axis], length = whole.spacing_zyx_mm[axis];
        double at = (from[0] * step[0] + from[1] * step[1] + from[2] * step[2]) / length;
        double half = box->size_zyx_mm[axis] / 2 + margin_mm;
        double low = fmax(at - half, -length / 2), high = fmin(at + half, length / 2);
        box->size_zyx_mm[axis] = high - low;
        for (int lps = 0; lps < 3; lps++)
            box->centre_lps[lps] += (low + high) / 2 / length * step[lps];
    }
    return true;
}

static bool whole_field(const struct volume_plan *plan, struct result_box *ret, struct err *err)
{
    struct volume_geometry whole;
    if (!cover(plan, &whole, err))
        return false;
    *ret = (struct result_box){.source = "field_of_view"};
    memcpy(ret->centre_lps, whole.origin_lps, sizeof ret->centre_lps);
    memcpy(ret->size_zyx_mm, whole.spacing_zyx_mm, sizeof ret->size_zyx_mm);
    return true;
}

bool heart_find(struct source *source, const struct volume_plan *plan, int phase, struct arena *arena,
                struct result_box *ret_box, struct grounded *ret_segmentations, struct err *err)
{
    *ret_box = (struct result_box){0};
    if (!from_segmentation(source, plan, arena, ret_box, ret_segmentations, err))
        return false;
    if (!ret_box->source && !from_estimate(source, plan, phase, arena, ret_box, err))
        return false;
    return ret_box->source || whole_field(plan, ret_box, err);
}
