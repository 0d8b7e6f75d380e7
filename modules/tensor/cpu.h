/* Compile a function again for each kind of CPU and choose at load time. */
#ifndef TENSOR_CPU_H
#define TENSOR_CPU_H

/* Only what is inlined for certain is compiled again for each CPU. */
#define INLINE static inline __attribute__((always_inline))

/* Not with clang: before version 18 it names the function so that no other file finds it. */
#if defined(__x86_64__) && defined(__linux__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&    \
    !defined(__SANITIZE_THREAD__)
#define FOR_EACH_CPU __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_CPU
#endif

#endif
