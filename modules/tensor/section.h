/* Read one section of a model folder's JSON against a table of its keys: unknown keys, wrong types and values
 * out of bounds are errors that name section and key. It lives here, below encoder, text and findings,
 * because all of them read a part of the same file. */
#ifndef TENSOR_SECTION_H
#define TENSOR_SECTION_H

#include "base/err.h"

#include <jansson.h>

enum section_kind {
    SECTION_INT,     /* int *, within min..max */
    SECTION_INT3,    /* int[3], each within min..max */
    SECTION_AXES,    /* int[3] of z, y, x, each within min..max; two numbers are y and x, z is 1 */
    SECTION_INTS,    /* int[most], each within min..max; *count of them */
    SECTION_NUMBER,  /* double *, within min..max */
    SECTION_NUMBER2, /* double[2], each within min..max, first below second */
    SECTION_NUMBERS, /* double[most], each within min..max; a number alone stands for all of them */
    SECTION_PAIRS,   /* double[most][2], each as NUMBER2; *count of them */
    SECTION_BOOL,    /* bool *; true, false, 1 or 0 */
    SECTION_WORD,    /* int *: index of the word in `words` */
    SECTION_TEXT,    /* const char **, 1..max bytes, borrowed from the JSON value */
    SECTION_OBJECT,  /* const json_t **, borrowed */
    SECTION_LIST     /* const json_t **: an array, borrowed */
};

struct section_key {
    const char *name;
    enum section_kind kind;
    void *into; /* keeps what it holds when the key is absent or null */
    bool required;
    double min, max;
    const char *const *words; /* ends with NULL */
    bool *present;            /* set when the key is there and not null; may be NULL */
    int *count, most;         /* of SECTION_INTS and SECTION_PAIRS; most of SECTION_NUMBERS */
};

/* in: `name` of the section for messages, "" for the top level. errors: ERR_INPUT. */
bool section_read(const json_t *section, const char *name, const struct section_key *keys, size_t count,
                  struct err *err);

/* Parse a file's bytes, which messages call `name`; duplicate keys are refused. owns: caller decrefs.
 * errors: ERR_INPUT with line and column. */
json_t *section_parse(const char *bytes, size_t size, const char *name, struct err *err);

/* Parse a whole file of at most 1 MiB, as section_parse does. owns: caller decrefs.
 * *ret_bytes and *ret_size, when not NULL, give the file's bytes, which the caller frees.
 * errors: ERR_IO, ERR_NOMEM, those of section_parse. */
json_t *section_file(const char *path, char **ret_bytes, size_t *ret_size, struct err *err);

#endif
