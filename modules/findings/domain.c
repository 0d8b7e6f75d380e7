#include "findings/domain.h"

#include "tensor/ops.h"
#include "tensor/section.h"

#include <math.h>
#include <string.h>

static const char *const ofs[] = {"tower", "embedding", NULL};

const char *domain_of(const struct domain *domain)
{
    return ofs[domain->of_tower ? 0 : 1];
}

bool domain_of_known(const char *word)
{
    return strcmp(word, ofs[0]) == 0 || strcmp(word, ofs[1]) == 0;
}

bool domain_config_read(const json_t *section, struct domain *ret, struct err *err)
{
    int of = 0;
    *ret = (struct domain){0};
    // clang-format off
    const struct section_key keys[] = {
        {"of",    SECTION_WORD,   &of,         true, .words = ofs},
        {"limit", SECTION_NUMBER, &ret->limit, true, 1e-6, 1e6},
        {"id",    SECTION_TEXT,   &ret->id,    true, .max = 64},
    };
    // clang-format on
    if (!section_read(section, "domain", keys, sizeof keys / sizeof *keys, err))
        return false;
    ret->of_tower = of == 0;
    return true;
}

/* ---- the statistics ---- */

static bool wrong_shape(const struct tensor *tensor, const char *wanted, int width, struct err *err)
{
    char shape[TENSOR_SHAPE_TEXT];
    tensor_shape_text(tensor->shape, tensor->rank, shape);
    return err_decline(err, "domain_shape", "tensor %.40s is %s %.60s; the model needs F32 [%s%d]",
                       tensor->name, tensor_dtype_name(tensor->dtype), shape, wanted, width);
}

static bool fits(const struct tensor *tensor, int rank, int width)
{
    if (tensor->dtype != TENSOR_F32 || tensor->rank != rank || tensor->shape[rank - 1] != width)
        return false;
    return rank == 1 || (tensor->shape[0] >= 1 && tensor->shape[0] <= DOMAIN_DIRECTIONS_MAX);
}

/* rank 1: [W]; 2: [K, W]. */
static bool take(const struct safetensors *file, const char *name, int rank, int width, struct arena *arena,
                 const float **ret, struct err *err)
{
    const struct tensor *tensor = safetensors_find(file, name);
    if (!tensor)
        return err_decline(err, "domain_missing", "tensor %s is missing", name);
    if (!fits(tensor, rank, width))
        return wrong_shape(tensor, rank == 1 ? "" : "K,", width, err);
    size_t count = (size_t)tensor_count(tensor);
    float *values = ARENA_ARRAY(arena, float, count);
    if (!values)
        return err_fail(err, ERR_NOMEM, "no memory for the domain");
    if (!tensor_to_f32(tensor, values, err))
        return false;
    if (!ops_finite(count, values))
        return err_decline(err, "domain_not_finite", "tensor %s holds a value that is not finite", name);
    *ret = values;
    return true;
}

/* Nothing would ever lie outside. */
static bool check_whiten(const struct domain *domain, struct err *err)
{
    size_t count = (size_t)domain->directions * (size_t)domain->width;
    for (size_t i = 0; i < count; i++)
        if (domain->whiten[i] != 0)
            return true;
    return err_decline(err, "domain_zero", "tensor whiten is all zeros");
}

static bool take_whiten(struct domain *domain, const struct safetensors *file, int width, struct arena *arena,
                        struct err *err)
{
    if (!take(file, "whiten", 2, width, arena, &domain->whiten, err))
        return false;
    domain->directions = (int)safetensors_find(file, "whiten")->shape[0];
    return check_whiten(domain, err);
}

/* Told with the file's name, as what stops is by the caller. */
static bool told(struct faults *faults, struct err *err)
{
    if (!faults)
        return false;
    err_prefix(err, DOMAIN_FILE);
    return faults_pass(faults, err);
}

bool domain_bind(struct domain *domain, const struct safetensors *file, int width, struct arena *arena,
                 struct faults *faults, struct err *err)
{
    domain->width = width;
    if (!take(file, "mean", 1, width, arena, &domain->mean, err) && !told(faults, err))
        return false;
    if (!take_whiten(domain, file, width, arena, err) && !told(faults, err))
        return false;
    for (int i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_at(file, i)->name;
        if (strcmp(name, "mean") == 0 || strcmp(name, "whiten") == 0)
            continue;
        err_decline(err, "domain_unknown", "tensor %.90s has no place", name);
        if (!told(faults, err))
            return false;
    }
    return true;
}

double domain_distance(const struct domain *domain, const float *vector)
{
    double sum = 0;
    for (int k = 0; k < domain->directions; k++) {
        const float *row = domain->whiten + (size_t)k * (size_t)domain->width;
        double along = 0;
        for (int j = 0; j < domain->width; j++)
            along += (double)row[j] * ((double)vector[j] - (double)domain->mean[j]);
        sum += along * along;
    }
    return sqrt(sum / domain->directions);
}
