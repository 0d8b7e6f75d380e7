#include "pipeline/cube.h"

#include "pipeline/prepare.h"

bool cube_prepare(const struct model *model, struct source *source, const struct volume_plan *plan, int phase,
                  struct arena *arena, struct encoder_input *ret, struct err *err)
{
    int zyx[3];
    model_input_zyx(model, zyx);
    size_t count = tensor_voxels(zyx);
    float *values = ARENA_ARRAY(arena, float, count);
    float *voxels = ARENA_ARRAY(arena, float, tensor_voxels(plan->geometry.zyx));
    if (!values || !voxels)
        return err_fail(err, ERR_NOMEM, "no memory for a volume");
    *ret = (struct encoder_input){.values = values, .items = 1, .zyx = {zyx[0], zyx[1], zyx[2]}};
    return prepare_voxels(plan, phase, source, voxels, err) &&
           volume_resample(&plan->geometry, voxels, zyx, values, err) &&
           prepare_values(model_preprocess(model), values, count, err);
}
