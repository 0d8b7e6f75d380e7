/* Files named on a command line, folders walked. */
#ifndef CLI_PATHS_H
#define CLI_PATHS_H

#include "base/err.h"

/* All zero at the start; paths_done frees. */
struct paths {
    char **list;
    int count, capacity;
};

/* Add a file, or every regular file below a folder (symbolic links followed, cycles cut) but *.json.
 * errors: ERR_IO (no such file, cannot be read), ERR_NOMEM. */
bool paths_add(struct paths *paths, const char *path, struct err *err);

/* Sort, and drop what was named twice. */
void paths_settle(struct paths *paths);

void paths_done(struct paths *paths);

#endif
