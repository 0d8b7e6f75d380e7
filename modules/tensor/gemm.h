/* Matrix products that are no linear layer (tensor/linear.h). OpenBLAS stays behind this header.
 * All matrices are row-major float; ld is the distance between rows in floats.
 * threads: OpenBLAS runs its own threads inside a call; one caller at a time. */
#ifndef TENSOR_GEMM_H
#define TENSOR_GEMM_H

#include <stdbool.h>

/* How many threads a product may use; 0 leaves the library's choice. Call before the first product. */
void gemm_init(int threads);

/* How many it may use now. */
int gemm_threads(void);

/* Whose vectors compute here: "avx2 tiles, OpenBLAS 0.3.21 Zen". Borrowed, static. */
const char *gemm_runtime(void);

/* y[m,n] = x[m,k] w[n,k]^T + bias[n]; bias may be NULL. Dense. */
void gemm_linear(int m, int n, int k, const float *x, const float *w, const float *bias, float *y);

/* y[m,n] = alpha * x[m,k] w[n,k]^T */
void gemm_nt(int m, int n, int k, float alpha, const float *x, int ldx, const float *w, int ldw, float *y,
             int ldy);
/* y[m,n] = x[m,k] w[k,n]; with add, added to what y holds */
void gemm_nn_add(bool add, int m, int n, int k, const float *x, int ldx, const float *w, int ldw, float *y,
                 int ldy);
/* y[m,n] = x[k,m]^T w[k,n] */
void gemm_tn(int m, int n, int k, const float *x, int ldx, const float *w, int ldw, float *y, int ldy);
/* y[m,n] = x[m,k] w[k,n] */
void gemm_nn(int m, int n, int k, const float *x, int ldx, const float *w, int ldw, float *y, int ldy);

#endif
