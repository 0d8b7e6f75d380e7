#include "tensor/gemm.h"

#include "tensor/tile.h"

#include <cblas.h>

#include <stdio.h>
#include <string.h>

void gemm_init(int threads)
{
    if (threads > 0)
        openblas_set_num_threads(threads);
}

int gemm_threads(void)
{
    return openblas_get_num_threads();
}

const char *gemm_runtime(void)
{
    static char text[160];
    const char *config = openblas_get_config();
    const char *space = strchr(config, ' ');
    const char *end = space ? strchr(space + 1, ' ') : NULL;
    snprintf(text, sizeof text, "%s tiles, %.*s %s", tile_products(PRECISION_FP32),
             end ? (int)(end - config) : (int)strlen(config), config, openblas_get_corename());
    return text;
}

static void add_bias(int m, int n, const float *bias, float *y)
{
    for (int i = 0; i < m; i++) {
        float *row = y + (size_t)i * (size_t)n;
        for (int j = 0; j < n; j++)
            row[j] += bias[j];
    }
}

void gemm_linear(int m, int n, int k, const float *x, const float *w, const float *bias, float *y)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1.0f, x, k, w, k, 0.0f, y, n);
    if (bias)
        add_bias(m, n, bias, y);
}

void gemm_nt(int m, int n, int k, float alpha, const float *x, int ldx, const float *w, int ldw, float *y,
             int ldy)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, alpha, x, ldx, w, ldw, 0.0f, y, ldy);
}

void gemm_nn(int m, int n, int k, const float *x, int ldx, const float *w, int ldw, float *y, int ldy)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, x, ldx, w, ldw, 0.0f, y, ldy);
}

void gemm_nn_add(bool add, int m, int n, int k, const float *x, int ldx, const float *w, int ldw, float *y,
                 int ldy)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, x, ldx, w, ldw, add ? 1.0f : 0.0f,
                y, ldy);
}

void gemm_tn(int m, int n, int k, const float *x, int ldx, const float *w, int ldw, float *y, int ldy)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1.0f, x, ldx, w, ldw, 0.0f, y, ldy);
}
