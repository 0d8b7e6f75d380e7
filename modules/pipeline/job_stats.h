/* What a job cost. Part of the job. */
#ifndef PIPELINE_JOB_STATS_H
#define PIPELINE_JOB_STATS_H

#include "pipeline/model.h"

#include <jansson.h>

/* {"weights_bytes", "open_s", "total_s", "threads", "gemm"}: the weights of the model as they are held
 * (float32); seconds to open the model (0: it was open) and of the whole job; threads and kernels of the
 * matrix products. What the process held is asked by its owner (worker_process_peak_bytes). model may be
 * NULL. owns: caller decrefs. NULL: no memory. */
json_t *job_stats_json(const struct model *model, double open_s, double total_s);

#endif
