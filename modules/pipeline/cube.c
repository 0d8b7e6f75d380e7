#include "pipeline/cube.h"

#include "pipeline/prepare.h"

bool cube_prepare(const struct model *model, struct source *source, const struct volume_plan *plan, int phase,
                  struct arena *arena, struct encoder_input *ret, struct err *err)
{
    int zyx[3];
    model_input_zyx(model, zyx);
    struct volume_geometry grid;
    size_t count = tensor_voxels(zyx);
    float *values = ARENA_ARRAY(arena, float, count);
    if (!values)
        return err_fail(err, ERR_NOMEM, "no memory for a volume");
    *ret = (struct encoder_input){.values = values, .items = 1, .zyx = {zyx[0], zyx[1], zyx[2]}};
    return volume_cover(&plan->geometry, zyx, &grid, err) &&
           prepare_sample(plan, phase, source, &grid, values, err) &&
           prepare_values(model_preprocess(model), values, count, err);
}
