#include "tensor/section.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1024 * 1024 };

struct place {
    const char *section, *dot, *key;
};

static bool wrong(const struct place *at, struct err *err, const char *what)
{
    return err_fail(err, ERR_INPUT, "%s%s%s: %s", at->section, at->dot, at->key, what);
}

static bool out_of_bounds(const struct place *at, const struct section_key *key, struct err *err)
{
    return err_fail(err, ERR_INPUT, "%s%s%s: not within %g and %g", at->section, at->dot, at->key, key->min,
                    key->max);
}

static bool read_int(const struct place *at, const struct section_key *key, const json_t *value, int *into,
                     struct err *err)
{
    if (!json_is_integer(value))
        return wrong(at, err, "not a whole number");
    json_int_t number = json_integer_value(value);
    if ((double)number < key->min || (double)number > key->max)
        return out_of_bounds(at, key, err);
    *into = (int)number;
    return true;
}

static bool read_number(const struct place *at, const struct section_key *key, const json_t *value,
                        double *into, struct err *err)
{
    if (!json_is_number(value))
        return wrong(at, err, "not a number");
    double number = json_number_value(value);
    if (!(number >= key->min && number <= key->max))
        return out_of_bounds(at, key, err);
    *into = number;
    return true;
}

static bool read_int3(const struct place *at, const struct section_key *key, const json_t *value, int *into,
                      struct err *err)
{
    if (!json_is_array(value) || json_array_size(value) != 3)
        return wrong(at, err, "not a list of three whole numbers");
    for (size_t i = 0; i < 3; i++)
        if (!read_int(at, key, json_array_get(value, i), into + i, err))
            return false;
    return true;
}

static bool read_axes(const struct place *at, const struct section_key *key, const json_t *value, int *into,
                      struct err *err)
{
    if (json_array_size(value) != 2)
        return json_array_size(value) == 3 ? read_int3(at, key, value, into, err)
                                           : wrong(at, err, "not a list of two or three whole numbers");
    into[0] = 1;
    return read_int(at, key, json_array_get(value, 0), into + 1, err) &&
           read_int(at, key, json_array_get(value, 1), into + 2, err);
}

static bool read_ints(const struct place *at, const struct section_key *key, const json_t *value, int *into,
                      struct err *err)
{
    if (!json_is_array(value) || json_array_size(value) > (size_t)key->most)
        return wrong(at, err, "not a list of whole numbers, or too long");
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!read_int(at, key, json_array_get(value, i), into + i, err))
            return false;
    *key->count = (int)json_array_size(value);
    return true;
}

static bool read_number2(const struct place *at, const struct section_key *key, const json_t *value,
                         double *into, struct err *err)
{
    if (!json_is_array(value) || json_array_size(value) != 2)
        return wrong(at, err, "not a list of two numbers");
    for (size_t i = 0; i < 2; i++)
        if (!read_number(at, key, json_array_get(value, i), into + i, err))
            return false;
    return into[0] < into[1] || wrong(at, err, "the first number is not below the second");
}

static bool read_pairs(const struct place *at, const struct section_key *key, const json_t *value,
                       double (*into)[2], struct err *err)
{
    if (!json_is_array(value) || json_array_size(value) > (size_t)key->most)
        return wrong(at, err, "not a list of pairs of numbers, or too long");
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!read_number2(at, key, json_array_get(value, i), into[i], err))
            return false;
    *key->count = (int)json_array_size(value);
    return true;
}

static bool read_numbers(const struct place *at, const struct section_key *key, const json_t *value,
                         double *into, struct err *err)
{
    if (json_is_array(value) && json_array_size(value) != (size_t)key->most)
        return err_fail(err, ERR_INPUT, "%s%s%s: not a list of %d numbers", at->section, at->dot, at->key,
                        key->most);
    for (int i = 0; i < key->most; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, (size_t)i) : value;
        if (!read_number(at, key, one, into + i, err))
            return false;
    }
    return true;
}

static bool read_bool(const struct place *at, const json_t *value, bool *into, struct err *err)
{
    bool digit = json_is_integer(value) && (json_integer_value(value) | 1) == 1;
    if (!json_is_boolean(value) && !digit)
        return wrong(at, err, "not true or false");
    *into = digit ? json_integer_value(value) == 1 : json_is_true(value);
    return true;
}

static bool read_word(const struct place *at, const struct section_key *key, const json_t *value,
                      struct err *err)
{
    const char *word = json_string_value(value);
    if (!word)
        return wrong(at, err, "not text");
    for (int i = 0; key->words[i]; i++) {
        if (strcmp(word, key->words[i]) != 0)
            continue;
        *(int *)key->into = i;
        return true;
    }
    return err_fail(err, ERR_UNSUPPORTED, "%s%s%s: \"%.40s\" is not supported", at->section, at->dot, at->key,
                    word);
}

static bool read_text(const struct place *at, const struct section_key *key, const json_t *value,
                      struct err *err)
{
    if (!json_is_string(value))
        return wrong(at, err, "not text");
    if (json_string_length(value) == 0 || (double)json_string_length(value) > key->max)
        return wrong(at, err, "empty or too long");
    const char *text = json_string_value(value);
    if (text[strspn(text, " \t\r\n")] == '\0')
        return wrong(at, err, "blank");
    *(const char **)key->into = json_string_value(value);
    return true;
}

static bool read_value(const struct place *at, const struct section_key *key, const json_t *value,
                       struct err *err)
{
    switch (key->kind) {
    case SECTION_INT:
        return read_int(at, key, value, key->into, err);
    case SECTION_INT3:
        return read_int3(at, key, value, key->into, err);
    case SECTION_AXES:
        return read_axes(at, key, value, key->into, err);
    case SECTION_INTS:
        return read_ints(at, key, value, key->into, err);
    case SECTION_NUMBER:
        return read_number(at, key, value, key->into, err);
    case SECTION_NUMBER2:
        return read_number2(at, key, value, key->into, err);
    case SECTION_PAIRS:
        return read_pairs(at, key, value, key->into, err);
    case SECTION_NUMBERS:
        return read_numbers(at, key, value, key->into, err);
    case SECTION_BOOL:
        return read_bool(at, value, key->into, err);
    case SECTION_WORD:
        return read_word(at, key, value, err);
    case SECTION_TEXT:
        return read_text(at, key, value, err);
    case SECTION_OBJECT:
        *(const json_t **)key->into = value;
        return json_is_object(value) || wrong(at, err, "not an object");
    case SECTION_LIST:
        *(const json_t **)key->into = value;
        return json_is_array(value) || wrong(at, err, "not a list");
    }
    return wrong(at, err, "unknown kind of key");
}

static bool known(const char *name, const struct section_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, keys[i].name) == 0)
            return true;
    return false;
}

static bool read_key(const json_t *section, struct place *at, const struct section_key *key, struct err *err)
{
    const json_t *value = json_object_get(section, key->name);
    bool present = value && !json_is_null(value);
    at->key = key->name;
    if (key->present)
        *key->present = present;
    if (!present)
        return !key->required || wrong(at, err, "required, but missing");
    return read_value(at, key, value, err);
}

bool section_read(const json_t *section, const char *name, const struct section_key *keys, size_t count,
                  struct err *err)
{
    struct place at = {name, *name ? "." : "", ""};
    if (!json_is_object(section))
        return err_fail(err, ERR_INPUT, "%s: missing, or not an object", *name ? name : "top level");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)section, key, value)
    {
        if (!known(key, keys, count))
            return err_fail(err, ERR_INPUT, "%s%s%.60s: unknown key", at.section, at.dot, key);
    }
    for (size_t i = 0; i < count; i++)
        if (!read_key(section, &at, &keys[i], err))
            return false;
    return true;
}

json_t *section_parse(const char *bytes, size_t size, const char *name, struct err *err)
{
    json_error_t error;
    json_t *root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        err_fail(err, ERR_INPUT, "%s: line %d, column %d: %.120s", name, error.line, error.column,
                 error.text);
    return root;
}

json_t *section_file(const char *path, char **ret_bytes, size_t *ret_size, struct err *err)
{
    size_t size;
    char *bytes = file_read(path, FILE_MAX, &size, err);
    if (!bytes)
        return NULL;
    json_t *root = section_parse(bytes, size, path, err);
    if (root && ret_bytes) {
        *ret_bytes = bytes;
        *ret_size = size;
        return root;
    }
    free(bytes);
    return root;
}
