#include "pipeline/job_stats.h"

#include "tensor/gemm.h"

#include <sys/resource.h>

/* The worker's sandbox has no /proc; this is the same number as its VmHWM. */
static json_int_t peak_rss_bytes(void)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (json_int_t)usage.ru_maxrss * 1024;
}

json_t *job_stats_json(const struct model *model, double open_s, double total_s)
{
    return json_pack("{s:I,s:I,s:f,s:f,s:i,s:s}", "peak_rss_bytes", peak_rss_bytes(), "weights_bytes",
                     (json_int_t)(model ? model_weights_bytes(model) : 0), "open_s", open_s, "total_s",
                     total_s, "threads", gemm_threads(), "gemm", gemm_runtime());
}
