/* Three-dimensional convolutions as matrix products, norms by channel.
 * Images are dense float [channels][z][y][x]. Nothing allocates: the caller gives scratch, in floats.
 *
 * A convolution copies a few rows of its input once, zeros where it is padded, into a slab; every tap of the
 * kernel is then one product of [out, in] with the slab seen from another place, so that no voxel is copied
 * a tap (im2col copies each 9 or 27 times). A stride parts the slab into its phases. Inputs of few channels,
 * where such products would be thin, go through columns after all.
 * threads: OpenBLAS's own inside the products; one caller at a time.
 * source: torch.nn.Conv3d, ConvTranspose3d, InstanceNorm3d, BatchNorm3d (eval). */
#ifndef TENSOR_CONV_H
#define TENSOR_CONV_H

#include <stddef.h>

/* y = act((weight * x) scale + shift), padding (kernel - 1) / 2 at both ends. */
struct conv {
    int in_channels[2]; /* of the inputs, whose channels count as one after the other; second 0: one input */
    int out_channels;
    int kernel_zyx[3]; /* odd */
    int stride_zyx[3];
    const float *weight;        /* [out][in][kz][ky][kx] */
    const float *scale, *shift; /* [out]: bias and folded batch norm; NULL: 1 and 0 */
    float slope;                /* below zero: 1 none, 0 ReLU, else leaky ReLU */
};

void conv_out_zyx(const struct conv *conv, const int in_zyx[3], int ret_zyx[3]);
size_t conv_scratch(const struct conv *conv, const int in_zyx[3]);

/* in: in[0], in[1] [channels][z][y][x], both of in_zyx. sums, when not NULL: [out][2], sum and sum of squares
 * of what was written. out must not be an input. */
void conv_run(const struct conv *conv, const float *const in[2], const int in_zyx[3], float *out,
              double *sums, float *scratch);

/* Transposed convolution whose kernel is its stride: every voxel becomes a block. */
struct conv_up {
    int in_channels, out_channels;
    int stride_zyx[3];
    const float *weight; /* [in][out][sz][sy][sx] */
    const float *bias;   /* [out] or NULL */
};

size_t conv_up_scratch(const struct conv_up *up, const int in_zyx[3]);
void conv_up_run(const struct conv_up *up, const float *in, const int in_zyx[3], float *out, float *scratch);

/* (x - mean) / sqrt(variance + eps) * weight + bias as x scale + shift, per channel.
 * in: weight, bias NULL: 1 and 0. */
void conv_batch_norm(int channels, const float *mean, const float *variance, const float *weight,
                     const float *bias, double eps, float *scale, float *shift);
/* The same with mean and variance over `count` voxels, from conv_run's sums. */
void conv_instance_norm(int channels, const double *sums, size_t count, const float *weight,
                        const float *bias, double eps, float *scale, float *shift);

/* x = act(x scale + shift) in place; x [channels][count], slope as in struct conv. */
void conv_affine(int channels, size_t count, const float *scale, const float *shift, float slope, float *x);

#endif
