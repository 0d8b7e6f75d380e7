#include "pipeline/job_stats.h"

#include "tensor/gemm.h"

json_t *job_stats_json(const struct model *model, double open_s, double total_s)
{
    return json_pack("{s:I,s:f,s:f,s:i,s:s}", "weights_bytes",
                     (json_int_t)(model ? model_weights_bytes(model) : 0), "open_s", open_s, "total_s",
                     total_s, "threads", gemm_threads(), "gemm", gemm_runtime());
}
