#include "pipeline/model_precision.h"

#include "base/file.h"
#include "tensor/section.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double bounds[] = {[PRECISION_FP32] = 1, [PRECISION_BF16] = 0.9999, [PRECISION_INT8] = 0.999};

double model_precision_bound(enum precision precision)
{
    return bounds[precision];
}

json_t *model_precision_read(const char *path, struct err *err)
{
    if (access(path, F_OK) < 0 && errno == ENOENT) {
        json_t *none = json_object();
        if (!none)
            err_fail(err, ERR_NOMEM, "no memory for " MODEL_PRECISION_FILE);
        return none;
    }
    size_t size;
    char *bytes = file_read(path, MODEL_PRECISION_MAX_BYTES, &size, err);
    json_t *file = bytes ? section_parse(bytes, size, MODEL_PRECISION_FILE, err) : NULL;
    free(bytes);
    return file;
}

struct measured {
    const char *weights_sha256, *products, *version;
    double cosine_least, cosine_bound, probability_most;
    int studies, corrected_by, findings, states_changed;
    const json_t *input_means;
};

static bool read_measured(const json_t *section, const char *name, struct measured *ret, struct err *err)
{
    // clang-format off
    const struct section_key keys[] = {
        {"weights_sha256",   SECTION_TEXT,   &ret->weights_sha256,   true,  .max = 64},
        {"version",          SECTION_TEXT,   &ret->version,          false, .max = 64},
        {"products",         SECTION_TEXT,   &ret->products,         false, .max = 64},
        {"studies",          SECTION_INT,    &ret->studies,          true,  1, 1e9},
        {"corrected_by",     SECTION_INT,    &ret->corrected_by,     false, 1, 1e9},
        {"input_means",      SECTION_OBJECT, &ret->input_means,      false},
        {"cosine_least",     SECTION_NUMBER, &ret->cosine_least,     true,  -1.001, 1.001},
        {"cosine_bound",     SECTION_NUMBER, &ret->cosine_bound,     true,  0, 1},
        {"findings",         SECTION_INT,    &ret->findings,         true,  0, 1e9},
        {"states_changed",   SECTION_INT,    &ret->states_changed,   true,  0, 1e9},
        {"probability_most", SECTION_NUMBER, &ret->probability_most, false, 0, 1}, /* null: there was none */
    };
    // clang-format on
    return section_read(section, name, keys, sizeof keys / sizeof *keys, err);
}

static bool check(const json_t *file, enum precision precision, const char *weights_sha256,
                  json_t **ret_means, struct err *err)
{
    const char *name = precision_name(precision);
    const json_t *section = json_object_get(file, name);
    struct measured measured = {0};
    if (section && !read_measured(section, name, &measured, err))
        return false;
    if (!section || strcmp(measured.weights_sha256, weights_sha256) != 0)
        return err_decline(err, "precision_not_measured",
                           "precision %s was never measured on these weights (cardioscribe model measure)",
                           name);
    double bound = fmax(measured.cosine_bound, bounds[precision]);
    if (measured.cosine_least < bound)
        return err_decline(err, "precision_out_of_bound",
                           "precision %s: an embedding's cosine to fp32 was %.6f, at least %.6f is wanted",
                           name, measured.cosine_least, bound);
    if (measured.corrected_by > 0 && !measured.input_means)
        return err_decline(err, "precision_means", "precision %s: input_means is missing", name);
    *ret_means = json_incref((json_t *)measured.input_means);
    return true;
}

bool model_precision_check(const char *path, enum precision precision, const char *weights_sha256,
                           json_t **ret_means, struct err *err)
{
    *ret_means = NULL;
    json_t *file = model_precision_read(path, err);
    bool ok = file && check(file, precision, weights_sha256, ret_means, err);
    json_decref(file);
    return ok || err_prefix(err, MODEL_PRECISION_FILE);
}
