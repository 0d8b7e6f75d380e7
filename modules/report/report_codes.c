#include "report/report_codes.h"

#include "base/digest.h"
#include "base/file.h"
#include "report/plain_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { MAX_FILE_BYTES = 1 << 20, MAX_LABELS = 4096, MAX_VALUE = 16, MAX_MEANING = 64 };

struct row {
    const char *id;
    bool settled; /* state D or C */
    struct report_label label;
};

struct site {
    const char *id;
    struct dicom_code code, side;
};

struct report_codes {
    struct row *rows;
    size_t count;
    struct site *sites;
    size_t site_count;
};

/* NULL when absent, too long, or with a character that has a meaning of its own in DICOM. */
static const char *text_of(const json_t *object, const char *key, size_t most, struct arena *arena)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text || !*text || strlen(text) > most || strchr(text, '\\'))
        return NULL;
    return arena_strdup(arena, text);
}

static bool read_code(const json_t *row, const char *key, struct arena *arena, struct dicom_code *ret)
{
    const json_t *code = json_object_get(row, key);
    if (!code || json_is_null(code))
        return true;
    ret->value = text_of(code, "value", MAX_VALUE, arena);
    ret->scheme = text_of(code, "scheme", MAX_VALUE, arena);
    ret->meaning = text_of(code, "meaning", MAX_MEANING, arena);
    return ret->value && ret->scheme && ret->meaning;
}

static bool read_row(const json_t *json, struct arena *arena, struct row *row, struct err *err)
{
    const char *state = json_string_value(json_object_get(json, "state"));
    row->id = text_of(json, "id", 256, arena);
    if (!row->id || !text_of(json, "text", 256, arena))
        return err_decline(err, "bad_codes", "a label has no id or no text");
    if (!state || strlen(state) != 1 || !strchr("DCV", *state))
        return err_decline(err, "bad_codes", "label %s: state is none of D, C, V", row->id);
    if (!read_code(json, "code", arena, &row->label.finding) ||
        !read_code(json, "site", arena, &row->label.site))
        return err_decline(err, "bad_codes", "label %s: a code has no value, scheme or meaning that fits",
                           row->id);
    row->settled = *state != 'V' && row->label.finding.value;
    if (*state != 'V' && !row->settled)
        return err_decline(err, "bad_codes", "label %s: state %s but no code", row->id, state);
    return true;
}

static bool read_rows(const json_t *json, struct arena *arena, struct report_codes *codes, struct err *err)
{
    const json_t *labels = json_object_get(json, "labels");
    codes->count = json_array_size(labels);
    if (!json_is_array(labels) || codes->count > MAX_LABELS)
        return err_decline(err, "bad_codes", "\"labels\" is not a list, or is too long");
    codes->rows = ARENA_ARRAY(arena, struct row, codes->count);
    if (!codes->rows)
        return err_fail(err, ERR_NOMEM, "out of memory reading codes");
    for (size_t i = 0; i < codes->count; i++) {
        if (!read_row(json_array_get(labels, i), arena, &codes->rows[i], err))
            return false;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(codes->rows[i].id, codes->rows[j].id) == 0)
                return err_decline(err, "bad_codes", "label %s is there twice", codes->rows[i].id);
        }
    }
    return true;
}

/* source: CID 244 */
static bool read_side(const json_t *row, struct dicom_code *ret)
{
    const json_t *side = json_object_get(row, "side");
    const char *word = json_string_value(side);
    if (!side)
        return true;
    if (word && strcmp(word, "left") == 0)
        *ret = (struct dicom_code){"7771000", "SCT", "Left"};
    else if (word && strcmp(word, "right") == 0)
        *ret = (struct dicom_code){"24028007", "SCT", "Right"};
    return ret->value != NULL;
}

/* Optional: only organ-grounded models have organs. */
static bool read_sites(const json_t *json, struct arena *arena, struct report_codes *codes, struct err *err)
{
    const json_t *organs = json_object_get(json, "organs");
    size_t count = json_array_size(organs);
    if (!organs)
        return true;
    if (!json_is_array(organs) || count > MAX_LABELS)
        return err_decline(err, "bad_codes", "\"organs\" is not a list, or is too long");
    codes->sites = ARENA_ARRAY(arena, struct site, count);
    if (!codes->sites)
        return err_fail(err, ERR_NOMEM, "out of memory reading codes");
    for (; codes->site_count < count; codes->site_count++) {
        const json_t *row = json_array_get(organs, codes->site_count);
        struct site *site = &codes->sites[codes->site_count];
        site->id = text_of(row, "id", 256, arena);
        if (!site->id)
            return err_decline(err, "bad_codes", "an organ has no id");
        if (!read_code(row, "code", arena, &site->code) || !site->code.value)
            return err_decline(err, "bad_codes", "organ %s: no code with value, scheme and meaning that fit",
                               site->id);
        if (!read_side(row, &site->side))
            return err_decline(err, "bad_codes", "organ %s: side is neither left nor right", site->id);
    }
    return true;
}

bool report_codes_load(const char *path, struct arena *arena, struct report_codes **ret, struct err *err)
{
    struct report_codes *codes = ARENA_NEW(arena, struct report_codes);
    if (!codes)
        return err_fail(err, ERR_NOMEM, "out of memory reading codes");
    size_t size = 0;
    char *text = file_read(path, MAX_FILE_BYTES, &size, err);
    if (!text)
        return false;
    json_error_t where;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    free(text);
    bool good = json ? read_rows(json, arena, codes, err) && read_sites(json, arena, codes, err)
                     : err_decline(err, "bad_codes", "line %d: %s", where.line, where.text);
    json_decref(json);
    if (!good)
        return err_prefix(err, "%s", path);
    *ret = codes;
    return true;
}

static char *private_value(const char *id, struct arena *arena)
{
    char *value = arena_strdup(arena, id);
    char hex[DIGEST_HEX_SIZE];
    if (!value)
        return NULL;
    for (char *c = value; *c; c++)
        *c = isalnum((unsigned char)*c) && (unsigned char)*c < 0x80 ? (char)toupper((unsigned char)*c) : '_';
    if (strlen(id) <= MAX_VALUE)
        return value;
    digest_bytes(id, strlen(id), hex);
    for (int i = 0; i < 4; i++)
        hex[i] = (char)toupper((unsigned char)hex[i]);
    return arena_printf(arena, "%.11s_%.4s", value, hex);
}

static char *private_meaning(const char *id, const char *text, struct arena *arena)
{
    char *meaning = plain_text(arena, text && *text ? text : id, MAX_MEANING);
    for (char *c = meaning; c && *c; c++)
        *c = *c == '\\' || *c == '\n' ? ' ' : *c;
    return meaning;
}

static const struct row *row_of(const struct report_codes *codes, const char *id)
{
    for (size_t i = 0; codes && i < codes->count; i++) {
        if (strcmp(codes->rows[i].id, id) == 0)
            return &codes->rows[i];
    }
    return NULL;
}

static bool private_code(const char *id, const char *text, struct arena *arena, struct dicom_code *ret,
                         struct err *err)
{
    ret->value = private_value(id, arena);
    ret->scheme = REPORT_PRIVATE_SCHEME;
    ret->meaning = private_meaning(id, text, arena);
    return (ret->value && ret->meaning) || err_fail(err, ERR_NOMEM, "out of memory coding a label");
}

bool report_codes_organ(const struct report_codes *codes, const char *id, const char *text,
                        struct arena *arena, struct report_label *label, struct err *err)
{
    for (size_t i = 0; codes && i < codes->site_count; i++) {
        if (strcmp(codes->sites[i].id, id) != 0)
            continue;
        label->site = codes->sites[i].code;
        label->side = codes->sites[i].side;
        return true;
    }
    return private_code(id, text, arena, &label->site, err);
}

bool report_codes_label(const struct report_codes *codes, const char *id, const char *text,
                        struct arena *arena, struct report_label *ret, struct err *err)
{
    const struct row *row = row_of(codes, id);
    struct report_label label = {0};
    if (row)
        label = row->label;
    if ((!row || !row->settled) && !private_code(id, text, arena, &label.finding, err))
        return false;
    *ret = label;
    return true;
}
