#include "pipeline/job_read.h"

#include "base/turn.h"
#include "pipeline/series_rules.h"

#include <string.h>

enum { MAX_FILES = 1 << 20 };

const char *job_text(const json_t *job, const char *key, struct err *err)
{
    const json_t *value = json_object_get(job, key);
    const char *text = json_string_value(value);
    if (text && strlen(text) == json_string_length(value))
        return text;
    err_fail(err, ERR_INPUT, "the job has no text \"%s\"", key);
    return NULL;
}

const char **job_texts(const json_t *job, const char *key, size_t most, struct arena *arena, int *ret_count,
                       struct err *err)
{
    const json_t *array = json_object_get(job, key);
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count > most) {
        err_fail(err, ERR_INPUT, "the job has no list \"%s\" of at most %zu texts", key, most);
        return NULL;
    }
    const char **texts = ARENA_ARRAY(arena, const char *, count + 1);
    if (!texts)
        err_fail(err, ERR_NOMEM, "no memory for a list of %zu texts", count);
    for (size_t i = 0; texts && i < count; i++) {
        const json_t *item = json_array_get(array, i);
        texts[i] = json_string_value(item);
        if (texts[i] && strlen(texts[i]) == json_string_length(item))
            continue;
        err_fail(err, ERR_INPUT, "\"%s\" holds something that is no text", key);
        return NULL;
    }
    *ret_count = (int)count;
    return texts;
}

bool job_number(const json_t *job, const char *key, int least, int most, int *ret, struct err *err)
{
    const json_t *value = json_object_get(job, key);
    if (!json_is_integer(value) || json_integer_value(value) < least || json_integer_value(value) > most)
        return err_fail(err, ERR_INPUT, "the job has no number \"%s\" from %d to %d", key, least, most);
    *ret = (int)json_integer_value(value);
    return true;
}

bool job_study(const json_t *job, struct arena *arena, struct pipeline_study *ret, struct err *err)
{
    const char *rules = NULL;
    ret->paths = job_texts(job, "files", MAX_FILES, arena, &ret->count, err);
    if (!ret->paths || (json_object_get(job, "series") && !(ret->series = job_text(job, "series", err))) ||
        (json_object_get(job, "rules") && !(rules = job_text(job, "rules", err))) ||
        (json_object_get(job, "turn_fd") &&
         (!job_number(job, "turn_fd", 3, 1023, &ret->turn, err) ||
          !job_number(job, "turn_wait_s", 0, TURN_MOST_S, &ret->turn_wait_s, err))))
        return false;
    return rules ? series_rules_parse(rules, strlen(rules), "series rules", arena, &ret->rules, err)
                 : series_rules_read(NULL, arena, &ret->rules, err);
}

static bool job_shelf(const json_t *job, struct model_options *options, struct err *err)
{
    return (!json_object_get(job, "packed_fd") ||
            job_number(job, "packed_fd", 3, 1023, &options->packed_fd, err)) &&
           (!json_object_get(job, "pack_fd") || job_number(job, "pack_fd", 3, 1023, &options->pack_fd, err));
}

bool job_options(const json_t *job, const struct crew *crew, struct model_options *ret, struct err *err)
{
    const json_t *precision = json_object_get(job, "precision");
    const char *name = json_string_value(precision);
    *ret = (struct model_options){.text_folder = json_string_value(json_object_get(job, "text_cache")),
                                  .crew = crew,
                                  .unvouched = json_is_true(json_object_get(job, "unvouched")),
                                  .input_means = json_object_get(job, "input_means"),
                                  .watch_inputs = json_is_true(json_object_get(job, "watch_inputs"))};
    if (precision && !(name && precision_read(name, &ret->precision)))
        return err_fail(err, ERR_INPUT, "the job's \"precision\" is none of fp32, bf16, int8");
    return job_shelf(job, ret, err);
}
