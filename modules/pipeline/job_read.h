/* What a job says, not trusted. Part of the job. Texts borrow from it. errors of all: ERR_INPUT, the member
 * named; ERR_NOMEM. */
#ifndef PIPELINE_JOB_READ_H
#define PIPELINE_JOB_READ_H

#include "base/arena.h"
#include "pipeline/model.h"
#include "pipeline/pipeline.h"

const char *job_text(const json_t *job, const char *key, struct err *err);

/* At most `most`; the list lives in the arena. */
const char **job_texts(const json_t *job, const char *key, size_t most, struct arena *arena, int *ret_count,
                       struct err *err);

bool job_number(const json_t *job, const char *key, int least, int most, int *ret, struct err *err);

/* The study's files, and how to look at them. */
bool job_study(const json_t *job, struct arena *arena, struct pipeline_study *ret, struct err *err);

/* How a model is to be opened. */
bool job_options(const json_t *job, const struct crew *crew, struct model_options *ret, struct err *err);

#endif
