/* What the commands without a daemon share: options, one job in a fresh worker, one way to end. */
#ifndef CLI_LOCAL_H
#define CLI_LOCAL_H

#include "base/err.h"
#include "cli.h"

#include <jansson.h>
#include <stdbool.h>

/* All zero at the start. The texts are the command line's. */
struct local_settings {
    const char *model, *tensor, *nifti, *raw;
    const char *series, *series_rules; /* number or UID; a file */
    const char *input, *picture;       /* where the encoder's input goes, or a picture of it */
    const char *precision;             /* of the image tower (tensor/tile.h); NULL: fp32 */
    const char *isa; /* no wider vectors than these in products (tensor/tile.h); NULL: all there are */
    bool json, stats;
    int threads, timeout_s, frame; /* frame from 1; 0: all */
    char *const *rest;             /* what is no option */
    int rest_count;
    char *const *paths; /* what of it the worker may read; set by the command */
    int path_count;
};

/* Options may stand anywhere before "--". in: allowed: letters of those the command takes (the table in
 * local.c). False: one of them is wrong. */
bool local_options(int count, char **arguments, const char *allowed, struct local_settings *ret);

/* Texts as a JSON list. NULL: one is not UTF-8, or no memory. */
json_t *local_list(char *const *texts, int count);

/* The job `name` on every file that settings->paths name, with --series and --series-rules, whose file is
 * read and checked here. NULL with err set on failure. */
json_t *local_study_job(const struct local_settings *settings, const char *name, struct err *err);

/* A worker that may read what the settings and the job name. in: pass_fd 0: none; job NULL: what the settings
 * name alone. owns: the caller stops it. */
struct worker_process;
struct worker_process *local_worker(const struct local_settings *settings, const json_t *job, int pass_fd,
                                    struct err *err);

/* One job in a fresh worker; takes `job`. NULL with err set on failure. */
json_t *local_job(const struct local_settings *settings, json_t *job, struct err *err);

/* The same for a job that writes to its descriptor WORKER_PASSED_FD. Only what is whole gets its name: it is
 * written beside and renamed. */
json_t *local_job_into(const struct local_settings *settings, json_t *job, const char *path, struct err *err);

/* Show the answer, as JSON or by `show`, and drop it. in: answer NULL: err says why there is none. */
enum cli_exit local_end(const struct local_settings *settings, json_t *answer,
                        void (*show)(const struct local_settings *settings, const json_t *answer),
                        const struct err *err);

/* "model measure", whose arguments are in settings->rest: how far the model in fewer bits is from fp32. */
enum cli_exit local_measure(struct local_settings *settings);

#endif
