/* replay FOLDER... - run every file of the folders through the target. Fails when there is none, when one
 * crashes, breaks a promise, or takes longer than a minute. */
#include "base/file.h"
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_LIMIT_S = 60, FILE_MAX = 16 << 20 };

static bool run_file(const char *path)
{
    struct err err = ERR_INIT;
    size_t size;
    char *bytes = file_read(path, FILE_MAX, &size, &err);
    uint8_t *exact = bytes ? malloc(size ? size : 1) : NULL;
    if (!exact) {
        fprintf(stderr, "%s\n", bytes ? "no memory" : err.text);
        free(bytes);
        return false;
    }
    memcpy(exact, bytes, size);
    free(bytes);
    fprintf(stderr, "replay %s (%zu bytes)\n", path, size);
    alarm(FILE_LIMIT_S);
    LLVMFuzzerTestOneInput(exact, size);
    alarm(0);
    free(exact);
    return true;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* How many files were run; -1 on failure. */
static int run_folder(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, visible, alphasort), ran = 0;
    if (count < 0) {
        perror(folder);
        return -1;
    }
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        free(entries[i]);
        if (ran >= 0)
            ran = run_file(path) ? ran + 1 : -1;
    }
    free(entries);
    return ran;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int ran = run_folder(argv[i]);
        if (ran < 0)
            return 1;
        total += ran;
    }
    printf("%d files replayed\n", total);
    return total > 0 ? 0 : 1;
}
