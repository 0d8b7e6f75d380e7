/* What a worker may read for one command: the paths named, and where links below them lead. */
#ifndef CLI_ROOTS_H
#define CLI_ROOTS_H

#include "base/err.h"

/* All zero at the start; roots_done frees. The texts are borrowed. */
struct roots {
    const char **list;
    int count, capacity;
};

/* NULL is no path. errors: ERR_NOMEM. */
bool roots_add(struct roots *roots, const char *path, struct err *err);

/* Of `files`, resolved, those that lie in none of the roots so far: links led to them. errors: ERR_NOMEM. */
bool roots_add_outside(struct roots *roots, const char *const *files, int count, struct err *err);

void roots_done(struct roots *roots);

#endif
