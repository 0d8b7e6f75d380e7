/* How fast this processor multiplies and adds when everything stays in registers: what no kernel can exceed.
 *
 *   register_peak THREADS
 *
 * "ready {}" comes first; then for each line on standard input, whatever it says, one JSON object: 10^9
 * operations a second of all threads together, by instruction, for each instruction the processor has. A
 * multiply-add is two operations. Threads are bound to processors, begin together, and each runs for the same
 * number of turns; the time is from the first's begin to the last's end. */
#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SUMS = 12, THREADS_MAX = 256 };
static const double TURN_S = 0.05;

/* Twelve sums that do not wait for each other hide a latency of six cycles at two instructions a cycle. By
 * name, not in an array: they must live in registers. */
#define EACH(one) one(0) one(1) one(2) one(3) one(4) one(5) one(6) one(7) one(8) one(9) one(10) one(11)

/* Values stay finite and normal: x is halved and grown by one. */
#define KERNEL(name, needs, vector, begin, step, store)                                                      \
    __attribute__((target(needs))) static void name(long turns, void *keep)                                  \
    {                                                                                                        \
        EACH(begin)                                                                                          \
        for (long turn = 0; turn < turns; turn++) {                                                          \
            EACH(step)                                                                                       \
        }                                                                                                    \
        vector *out = keep;                                                                                  \
        EACH(store)                                                                                          \
    }

#define STORE(i) out[i] = s##i;

#define BEGIN_256(i) __m256 s##i = _mm256_set1_ps(1.0f + (float)i);
#define STEP_256(i)  s##i = _mm256_fmadd_ps(s##i, _mm256_set1_ps(0.5f), _mm256_set1_ps(1.0f));
KERNEL(fma_256, "avx2,fma", __m256, BEGIN_256, STEP_256, STORE)

#define BEGIN_512(i) __m512 s##i = _mm512_set1_ps(1.0f + (float)i);
#define STEP_512(i)  s##i = _mm512_fmadd_ps(s##i, _mm512_set1_ps(0.5f), _mm512_set1_ps(1.0f));
KERNEL(fma_512, "avx512f", __m512, BEGIN_512, STEP_512, STORE)

#define HALVES       ((__m512bh)_mm512_set1_epi16(0x3f00)) /* 0.5 in bfloat16 */
#define STEP_BF16(i) s##i = _mm512_dpbf16_ps(s##i, HALVES, HALVES);
KERNEL(bf16_512, "avx512f,avx512bw,avx512bf16", __m512, BEGIN_512, STEP_BF16, STORE)

#define BEGIN_INT8(i) __m512i s##i = _mm512_set1_epi32(i);
#define STEP_INT8(i)  s##i = _mm512_dpbusd_epi32(s##i, _mm512_set1_epi8(3), _mm512_set1_epi8(5));
KERNEL(int8_512, "avx512f,avx512bw,avx512vnni", __m512i, BEGIN_INT8, STEP_INT8, STORE)

struct kernel {
    const char *name;
    void (*run)(long turns, void *keep);
    double operations; /* of one instruction */
    bool here;
    long turns; /* that last about TURN_S */
};

struct seat {
    pthread_t thread;
    pthread_barrier_t *begin;
    const struct kernel *kernel;
    int processor;
    double start_s, end_s;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *sit(void *opaque)
{
    struct seat *seat = opaque;
    _Alignas(64) char keep[SUMS * 64];
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(seat->processor, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    seat->kernel->run(seat->kernel->turns / 10 + 1, keep);
    pthread_barrier_wait(seat->begin);
    seat->start_s = now_s();
    seat->kernel->run(seat->kernel->turns, keep);
    seat->end_s = now_s();
    return NULL;
}

/* The n-th processor this program may use, round and round. */
static int processor(int n)
{
    cpu_set_t allowed;
    sched_getaffinity(0, sizeof allowed, &allowed);
    n %= CPU_COUNT(&allowed);
    int at = 0;
    while (!CPU_ISSET(at, &allowed) || n-- > 0)
        at++;
    return at;
}

/* 10^9 operations a second; 0 when a thread does not start. */
static double measure(const struct kernel *kernel, int threads)
{
    struct seat seats[THREADS_MAX];
    pthread_barrier_t begin;
    double start_s = 0, end_s = 0;
    pthread_barrier_init(&begin, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        seats[i] = (struct seat){.begin = &begin, .kernel = kernel, .processor = processor(i)};
        if (pthread_create(&seats[i].thread, NULL, sit, &seats[i]) != 0)
            exit(1);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(seats[i].thread, NULL);
        start_s = i && start_s < seats[i].start_s ? start_s : seats[i].start_s;
        end_s = end_s > seats[i].end_s ? end_s : seats[i].end_s;
    }
    pthread_barrier_destroy(&begin);
    return kernel->operations * SUMS * (double)kernel->turns * threads / (end_s - start_s) / 1e9;
}

static long count_turns(const struct kernel *kernel)
{
    _Alignas(64) char keep[SUMS * 64];
    for (long turns = 1 << 16;; turns *= 2) {
        double start_s = now_s();
        kernel->run(turns, keep);
        double taken_s = now_s() - start_s;
        if (taken_s > TURN_S / 4)
            return (long)((double)turns * TURN_S / taken_s);
    }
}

int main(int argc, char **argv)
{
    int threads = argc == 2 ? atoi(argv[1]) : 0;
    char line[4096];
    struct kernel kernels[] = {
        {"fma_256", fma_256, 16, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), 0},
        {"fma_512", fma_512, 32, __builtin_cpu_supports("avx512f"), 0},
        {"bf16_512", bf16_512, 64, __builtin_cpu_supports("avx512bf16"), 0},
        {"int8_512", int8_512, 128, __builtin_cpu_supports("avx512vnni"), 0},
    };
    int count = sizeof kernels / sizeof *kernels;
    if (threads < 1 || threads > THREADS_MAX) {
        fprintf(stderr, "usage: see the top of register_peak.c\n");
        return 2;
    }
    for (int i = 0; i < count; i++)
        if (kernels[i].here)
            kernels[i].turns = count_turns(&kernels[i]);
    printf("ready {}\n");
    while (fflush(stdout) == 0 && fgets(line, sizeof line, stdin)) {
        const char *between = "{";
        for (int i = 0; i < count; i++)
            if (kernels[i].here) {
                printf("%s\"%s\": %.2f", between, kernels[i].name, measure(&kernels[i], threads));
                between = ", ";
            }
        printf("%s}\n", *between == '{' ? between : "");
    }
    return 0;
}
