#include "tensor/conv.h"

#include "tensor/cpu.h"
#include "tensor/gemm.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
    TILE_VOXELS =
        1536, /* columns of a product; measured, 768 to 4096 differ little (AVX2, 32 to 320 channels) */
    FEW_CHANNELS = 8 /* below, taps are columns */
};

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

static int volume(const int zyx[3])
{
    return zyx[0] * zyx[1] * zyx[2];
}

/* How one convolution is cut up: `rows` output rows of one plane at a time. */
struct plan {
    int in, taps; /* channels, kernel volume */
    bool columns; /* every tap is copied */
    int out_zyx[3];
    int rows, pitch; /* of the products' result; pitch >= out_zyx[2] */
    int phases_yx[2];
    int phase_rows;   /* input rows of one phase that `rows` output rows need */
    size_t tap_plane; /* of one tap in z: all phases of one input plane */
    size_t channel;   /* floats between channels of the slab */
};

static struct plan make_plan(const struct conv *c, const int in_zyx[3])
{
    struct plan p = {.in = c->in_channels[0] + c->in_channels[1], .taps = volume(c->kernel_zyx)};
    const int *k = c->kernel_zyx, *s = c->stride_zyx;
    conv_out_zyx(c, in_zyx, p.out_zyx);
    p.columns = p.in < FEW_CHANNELS;
    p.pitch = p.out_zyx[2] + (p.columns ? 0 : (k[2] - 1) / s[2]);
    p.rows = max_int(1, min_int(p.out_zyx[1], TILE_VOXELS / p.pitch));
    p.phases_yx[0] = min_int(s[1], k[1]);
    p.phases_yx[1] = min_int(s[2], k[2]);
    p.phase_rows = p.rows + (k[1] - 1) / s[1];
    p.tap_plane = (size_t)p.phases_yx[0] * (size_t)p.phases_yx[1] * (size_t)p.phase_rows * (size_t)p.pitch;
    p.channel = p.columns ? (size_t)p.taps * (size_t)p.rows * (size_t)p.pitch : (size_t)k[0] * p.tap_plane;
    return p;
}

void conv_out_zyx(const struct conv *conv, const int in_zyx[3], int ret_zyx[3])
{
    for (int i = 0; i < 3; i++)
        ret_zyx[i] = (in_zyx[i] - 1) / conv->stride_zyx[i] + 1;
}

static size_t slab_size(const struct plan *p)
{
    return (size_t)p->in * p->channel;
}

static size_t result_size(const struct conv *c, const struct plan *p)
{
    return (size_t)c->out_channels * (size_t)p->rows * (size_t)p->pitch;
}

size_t conv_scratch(const struct conv *conv, const int in_zyx[3])
{
    struct plan p = make_plan(conv, in_zyx);
    size_t weights = (size_t)conv->out_channels * (size_t)p.in * (size_t)p.taps;
    return slab_size(&p) + result_size(conv, &p) + (p.columns ? 0 : weights);
}

/* [out][in][tap] to [tap][out][in]: each tap a matrix. */
static void pack_weights(const struct conv *c, const struct plan *p, float *packed)
{
    for (int tap = 0; tap < p->taps; tap++) {
        const float *from = c->weight + tap;
        for (int i = 0; i < c->out_channels * p->in; i++, from += p->taps)
            *packed++ = *from;
    }
}

/* to[i] = row[i * stride + first], zero outside 0..length-1; row NULL: zeros. */
static void gather_row(const float *row, int length, int first, int stride, int count, float *to)
{
    int from = first < 0 ? min_int(count, (-first + stride - 1) / stride) : 0;
    int end = row && first < length ? min_int(count, (length - 1 - first) / stride + 1) : 0;
    end = max_int(end, from);
    if (!row)
        end = from = 0;
    memset(to, 0, (size_t)from * sizeof *to);
    if (stride == 1 && end > from)
        memcpy(to + from, row + first + from, (size_t)(end - from) * sizeof *to);
    else
        for (int i = from; i < end; i++)
            to[i] = row[i * stride + first];
    memset(to + end, 0, (size_t)(count - end) * sizeof *to);
}

static const float *row_at(const float *channel, const int zyx[3], int z, int y)
{
    if (z < 0 || z >= zyx[0] || y < 0 || y >= zyx[1])
        return NULL;
    return channel + ((size_t)z * (size_t)zyx[1] + (size_t)y) * (size_t)zyx[2];
}

/* Where a tile lies: output plane z, first output row y, number of rows. */
struct tile {
    int z, y, rows;
};

/* One channel of the input as [kz][phase y][phase x][rows][pitch]. */
static void gather_slab(const struct conv *c, const struct plan *p, const float *channel, const int in_zyx[3],
                        const struct tile *t, float *to)
{
    const int *k = c->kernel_zyx, *s = c->stride_zyx;
    int first_y = t->y * s[1] - k[1] / 2, first_z = t->z * s[0] - k[0] / 2;
    for (int kz = 0; kz < k[0]; kz++, to += p->tap_plane) {
        if (first_z + kz < 0 || first_z + kz >= in_zyx[0])
            continue;
        float *row = to;
        for (int py = 0; py < p->phases_yx[0]; py++)
            for (int px = 0; px < p->phases_yx[1]; px++)
                for (int y = 0; y < p->phase_rows; y++, row += p->pitch)
                    gather_row(row_at(channel, in_zyx, first_z + kz, first_y + y * s[1] + py), in_zyx[2],
                               px - k[2] / 2, s[2], p->pitch, row);
    }
}

/* One channel of the input as [kz][ky][kx][rows][pitch]. */
static void gather_columns(const struct conv *c, const struct plan *p, const float *channel,
                           const int in_zyx[3], const struct tile *t, float *to)
{
    const int *k = c->kernel_zyx, *s = c->stride_zyx;
    for (int kz = 0; kz < k[0]; kz++)
        for (int ky = 0; ky < k[1]; ky++)
            for (int kx = 0; kx < k[2]; kx++)
                for (int y = 0; y < p->rows; y++, to += p->pitch)
                    gather_row(row_at(channel, in_zyx, t->z * s[0] + kz - k[0] / 2,
                                      (t->y + y) * s[1] + ky - k[1] / 2),
                               in_zyx[2], kx - k[2] / 2, s[2], p->pitch, to);
}

static void gather(const struct conv *c, const struct plan *p, const float *const in[2], const int in_zyx[3],
                   const struct tile *t, float *slab)
{
    size_t voxels = (size_t)volume(in_zyx);
    for (int i = 0; i < 2; i++)
        for (int channel = 0; channel < c->in_channels[i]; channel++, slab += p->channel) {
            const float *from = in[i] + (size_t)channel * voxels;
            if (p->columns)
                gather_columns(c, p, from, in_zyx, t, slab);
            else
                gather_slab(c, p, from, in_zyx, t, slab);
        }
}

/* Sum over the taps that lie within the image in z. */
static void multiply(const struct conv *c, const struct plan *p, int in_z, const struct tile *t,
                     const float *packed, const float *slab, float *result)
{
    const int *k = c->kernel_zyx, *s = c->stride_zyx;
    int ld = p->rows * p->pitch, count = (t->rows - 1) * p->pitch + p->out_zyx[2];
    size_t phase = (size_t)p->phase_rows * (size_t)p->pitch;
    bool add = false;
    for (int tap = 0; tap < p->taps; tap++) {
        int kz = tap / (k[1] * k[2]), ky = tap / k[2] % k[1], kx = tap % k[2];
        int z = t->z * s[0] + kz - k[0] / 2;
        if (z < 0 || z >= in_z)
            continue;
        const float *from = slab + (size_t)kz * p->tap_plane +
                            (size_t)(ky % s[1] * p->phases_yx[1] + kx % s[2]) * phase +
                            (size_t)(ky / s[1] * p->pitch + kx / s[2]);
        gemm_nn_add(add, c->out_channels, count, p->in,
                    packed + (size_t)tap * (size_t)c->out_channels * (size_t)p->in, p->in, from,
                    (int)p->channel, result, ld);
        add = true;
    }
}

/* Eight sums side by side, so that the compiler may use vectors without reordering one sum. */
enum { LANES = 8 };

INLINE void add_sums(int count, const float *x, double sums[2])
{
    double sum[LANES] = {0}, square[LANES] = {0};
    int i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int j = 0; j < LANES; j++) {
            double v = (double)x[i + j];
            sum[j] += v;
            square[j] += v * v;
        }
    for (int j = 0; i + j < count; j++) {
        sum[j] += (double)x[i + j];
        square[j] += (double)x[i + j] * (double)x[i + j];
    }
    for (int j = 0; j < LANES; j++) {
        sums[0] += sum[j];
        sums[1] += square[j];
    }
}

FOR_EACH_CPU static void store_rows(int rows, int columns, const float *from, int pitch, float scale,
                                    float shift, float slope, float *to, double *sums)
{
    for (int y = 0; y < rows; y++, from += pitch, to += columns) {
        for (int x = 0; x < columns; x++) {
            float v = from[x] * scale + shift;
            to[x] = v > 0 ? v : v * slope;
        }
        if (sums)
            add_sums(columns, to, sums);
    }
}

static void store(const struct conv *c, const struct plan *p, const struct tile *t, const float *result,
                  float *out, double *sums)
{
    size_t voxels = (size_t)volume(p->out_zyx);
    size_t row = (size_t)t->z * (size_t)p->out_zyx[1] + (size_t)t->y;
    out += row * (size_t)p->out_zyx[2];
    for (int i = 0; i < c->out_channels; i++, out += voxels, result += p->rows * p->pitch)
        store_rows(t->rows, p->out_zyx[2], result, p->pitch, c->scale ? c->scale[i] : 1.0f,
                   c->shift ? c->shift[i] : 0.0f, c->slope, out, sums ? sums + 2 * i : NULL);
}

void conv_run(const struct conv *conv, const float *const in[2], const int in_zyx[3], float *out,
              double *sums, float *scratch)
{
    struct plan p = make_plan(conv, in_zyx);
    float *slab = scratch, *result = slab + slab_size(&p), *packed = result + result_size(conv, &p);
    if (!p.columns)
        pack_weights(conv, &p, packed);
    if (sums)
        memset(sums, 0, 2 * (size_t)conv->out_channels * sizeof *sums);
    struct tile t = {0};
    for (t.z = 0; t.z < p.out_zyx[0]; t.z++)
        for (t.y = 0; t.y < p.out_zyx[1]; t.y += p.rows) {
            t.rows = min_int(p.rows, p.out_zyx[1] - t.y);
            gather(conv, &p, in, in_zyx, &t, slab);
            if (p.columns)
                gemm_nn(conv->out_channels, t.rows * p.pitch, p.in * p.taps, conv->weight, p.in * p.taps,
                        slab, p.rows * p.pitch, result, p.rows * p.pitch);
            else
                multiply(conv, &p, in_zyx[0], &t, packed, slab, result);
            store(conv, &p, &t, result, out, sums);
        }
}

static int up_rows(const int in_zyx[3])
{
    return max_int(1, min_int(in_zyx[0] * in_zyx[1], TILE_VOXELS / in_zyx[2]));
}

size_t conv_up_scratch(const struct conv_up *up, const int in_zyx[3])
{
    return (size_t)up->out_channels * (size_t)volume(up->stride_zyx) * (size_t)up_rows(in_zyx) *
           (size_t)in_zyx[2];
}

/* One row of blocks: taps [sz][sy][sx] of `columns` voxels each, ld apart, to sz * sy rows of sx * columns.
 */
static void scatter_row(const struct conv_up *up, const float *from, int ld, int columns, float bias,
                        const int out_zyx[3], float *to)
{
    const int *s = up->stride_zyx;
    for (int z = 0; z < s[0]; z++)
        for (int y = 0; y < s[1]; y++) {
            float *row = to + ((size_t)z * (size_t)out_zyx[1] + (size_t)y) * (size_t)out_zyx[2];
            for (int x = 0; x < s[2]; x++, from += ld)
                for (int i = 0; i < columns; i++)
                    row[i * s[2] + x] = from[i] + bias;
        }
}

void conv_up_run(const struct conv_up *up, const float *in, const int in_zyx[3], float *out, float *scratch)
{
    const int *s = up->stride_zyx;
    int lines = in_zyx[0] * in_zyx[1], columns = in_zyx[2], rows = up_rows(in_zyx), taps = volume(s);
    int out_zyx[3] = {in_zyx[0] * s[0], in_zyx[1] * s[1], in_zyx[2] * s[2]};
    for (int line = 0; line < lines; line += rows) {
        int part = min_int(rows, lines - line), ld = part * columns;
        gemm_tn(up->out_channels * taps, ld, up->in_channels, up->weight, up->out_channels * taps,
                in + (size_t)line * (size_t)columns, volume(in_zyx), scratch, ld);
        for (int channel = 0; channel < up->out_channels; channel++)
            for (int i = 0; i < part; i++) {
                int z = (line + i) / in_zyx[1] * s[0], y = (line + i) % in_zyx[1] * s[1];
                size_t plane = (size_t)channel * (size_t)out_zyx[0] + (size_t)z;
                scatter_row(up, scratch + (size_t)channel * (size_t)taps * (size_t)ld + i * columns, ld,
                            columns, up->bias ? up->bias[channel] : 0.0f, out_zyx,
                            out + (plane * (size_t)out_zyx[1] + (size_t)y) * (size_t)out_zyx[2]);
            }
    }
}

static void fold(double mean, double variance, const float *weight, const float *bias, int channel,
                 double eps, float *scale, float *shift)
{
    double factor = (weight ? (double)weight[channel] : 1.0) / sqrt(variance + eps);
    scale[channel] = (float)factor;
    shift[channel] = (float)((bias ? (double)bias[channel] : 0.0) - mean * factor);
}

void conv_batch_norm(int channels, const float *mean, const float *variance, const float *weight,
                     const float *bias, double eps, float *scale, float *shift)
{
    for (int i = 0; i < channels; i++)
        fold((double)mean[i], (double)variance[i], weight, bias, i, eps, scale, shift);
}

void conv_instance_norm(int channels, const double *sums, size_t count, const float *weight,
                        const float *bias, double eps, float *scale, float *shift)
{
    for (int i = 0; i < channels; i++) {
        double mean = sums[2 * i] / (double)count;
        double variance = sums[2 * i + 1] / (double)count - mean * mean;
        fold(mean, variance > 0 || !isfinite(variance) ? variance : 0, weight, bias, i, eps, scale, shift);
    }
}

FOR_EACH_CPU static void affine(size_t count, float scale, float shift, float slope, float *x)
{
    for (size_t i = 0; i < count; i++) {
        float v = x[i] * scale + shift;
        x[i] = v > 0 ? v : v * slope;
    }
}

void conv_affine(int channels, size_t count, const float *scale, const float *shift, float slope, float *x)
{
    for (int i = 0; i < channels; i++)
        affine(count, scale[i], shift[i], slope, x + (size_t)i * count);
}
