#include "warm.h"

#include "base/digest.h"
#include "dicom/dicom_head.h"
#include "tensor/gemm.h"

#include <jansson.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

bool warm_libraries(struct err *err)
{
    char hex[DIGEST_HEX_SIZE];
    tzset();
    json_object_seed(0);
    digest_bytes("", 0, hex);
    return dicom_library_init(err);
}

/* OpenBLAS maps a buffer for each thread, and when it gets none it asks again for ever. source: 128 MiB as
 * seen in Debian's 0.3.21 on x86-64, and a stack of 8 MiB.
 * One that decodes has a stack of 4 MiB and shares the heap. */
static const uint64_t thread_bytes = 140 << 20;

static uint64_t threads_that_fit(uint64_t share)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_DATA, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur / share / thread_bytes;
}

static int own_cores(void)
{
    cpu_set_t cores;
    int count = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
    uint64_t fit = threads_that_fit(2);
    return fit >= (uint64_t)count ? count : fit > 1 ? (int)fit : 1;
}

int warm_count(int asked, struct err *err)
{
    int count = asked > 0 ? asked : own_cores();
    if (threads_that_fit(1) >= (uint64_t)count)
        return count;
    err_fail(err, ERR_INPUT, "the memory limit leaves no room for %d threads of %d MB each", count,
             (int)(thread_bytes >> 20));
    return 0;
}

void warm_threads(int count)
{
    enum { N = 192 }; /* large enough to be shared out */
    static float x[N * N], y[N * N];
    gemm_init(count);
    gemm_linear(N, N, N, x, x, NULL, y);
}
