#include "encoder/input_means.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 160, DIGITS = 8 };

struct input_mean {
    struct input_mean *before;
    char name[NAME_SIZE];
    int k;
    struct linear_seen seen;
};

static void name_of(const char *weight, char name[NAME_SIZE])
{
    size_t length = strlen(weight), end = strlen(".weight");
    bool ends = length > end && strcmp(weight + length - end, ".weight") == 0;
    snprintf(name, NAME_SIZE, "%.*s", (int)(ends ? length - end : length), weight);
}

bool input_means_watch(struct input_means *means, const char *weight, struct linear *linear,
                       struct arena *arena, struct err *err)
{
    struct input_mean *mean = ARENA_NEW(arena, struct input_mean);
    double *sums = mean ? ARENA_ARRAY(arena, double, (size_t)linear->k) : NULL;
    if (!sums)
        return err_fail(err, ERR_NOMEM, "no memory for what a layer sees");
    *mean = (struct input_mean){.before = means->last, .k = linear->k, .seen = {0, sums}};
    name_of(weight, mean->name);
    means->last = mean;
    linear->seen = &mean->seen;
    return true;
}

static json_t *one_json(const struct input_mean *mean)
{
    char *text = malloc((size_t)mean->k * DIGITS + 1);
    bool finite = text && mean->seen.rows > 0;
    for (int i = 0; finite && i < mean->k; i++) {
        float value = (float)(mean->seen.sums[i] / (double)mean->seen.rows);
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        snprintf(text + (size_t)i * DIGITS, DIGITS + 1, "%08x", (unsigned)bits);
        finite = isfinite(value);
    }
    json_t *json = finite ? json_string(text) : NULL;
    free(text);
    return json;
}

json_t *input_means_json(const struct input_means *means)
{
    json_t *all = json_object();
    for (const struct input_mean *mean = means->last; all && mean; mean = mean->before) {
        if (json_object_set_new(all, mean->name, one_json(mean)) == 0)
            continue;
        json_decref(all);
        all = NULL;
    }
    return all;
}

/* Eight digits, nothing else. */
static bool read_number(const char *text, float *ret)
{
    char digits[DIGITS + 1] = "";
    memcpy(digits, text, DIGITS);
    uint32_t bits = (uint32_t)strtoul(digits, NULL, 16);
    memcpy(ret, &bits, sizeof *ret);
    return strspn(digits, "0123456789abcdef") == DIGITS && isfinite(*ret);
}

bool input_means_read(const json_t *means, const char *weight, int k, float *mean, struct err *err)
{
    char name[NAME_SIZE];
    name_of(weight, name);
    const json_t *text = json_object_get(means, name);
    bool whole = json_is_string(text) && json_string_length(text) == (size_t)k * DIGITS;
    for (int i = 0; whole && i < k; i++)
        whole = read_number(json_string_value(text) + (size_t)i * DIGITS, mean + i);
    return whole ||
           err_decline(err, "precision_means", "input_means has no %d finite numbers for %s", k, name);
}
