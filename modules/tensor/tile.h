/* The one inner loop of linear layers and attention: a block of a product whose right side lies in panels.
 *
 * A panel holds TILE_PANEL columns, the missing ones of the last panel zero. In float32 every element is one
 * sum over k in rising order, in parts of TILE_SUM that are added up: the same bits however a product is cut
 * into rows and 32 columns at a time, and whoever computes them. Which vectors are used is found out once:
 * 256 bits with fused multiply-add, 512 bits, or what the compiler makes of plain C.
 *
 * In fewer bits x and panels lie as the processor takes them, made by tile_row and tile_pack; sums, bias,
 * activation and y stay float32:
 *   bf16  both rounded to the nearest; products are exact, sums as in float32. Where the processor has them,
 *         AVX512-BF16's dot products, which flush denormals.
 *   int8  a weight is its column's scale times -127 to 127, x its row's; sums are exact in 32 bits, so that
 *         the bits are the same everywhere but for the last steps in float32. AVX512-VNNI, or AVX2's products
 *         of 16 bits.
 * threads: any. */
#ifndef TENSOR_TILE_H
#define TENSOR_TILE_H

#include <stdbool.h>
#include <stddef.h>

enum { TILE_PANEL = 16, TILE_SUM = 256 };

enum precision { PRECISION_FP32, PRECISION_BF16, PRECISION_INT8, PRECISION_COUNT };
const char *precision_name(enum precision precision); /* "fp32", "bf16", "int8" */
bool precision_read(const char *name, enum precision *ret);

enum tile_act { TILE_PLAIN, TILE_GELU, TILE_QUICK_GELU, TILE_RELU };

/* y[rows][columns] = act(scale * (x panels) + bias), added to y with `add`. */
struct tile {
    enum precision precision; /* of x and panels */
    int rows, columns, k;     /* at least 1 each */
    const void *x;            /* fp32: floats; else rows made by tile_row */
    size_t x_step;            /* bytes from one row to the next */
    const void *panels;
    size_t panel_step; /* bytes from one panel to the next */
    const float *bias; /* [columns] or NULL */
    float scale;
    enum tile_act act;
    bool add;
    float *y;
    size_t y_step; /* floats from one row to the next */
};

void tile_run(const struct tile *tile);

/* Some of a row's scores become weights exp(score - largest). in: *largest and *sum of those that came
 * before, -INFINITY and 0 at first. out: both with these; by what the weights that came before shrink. */
float tile_weigh(int count, float *scores, float *largest, float *sum);

/* The first TILE_PANEL columns of w, given as w[column][k] with step floats between columns, as a panel of
 * tile_panel_bytes; columns from `columns` on are zeros. fp32: [k][TILE_PANEL]. */
void tile_pack(enum precision precision, const float *w, size_t step, int columns, int k, void *panel);
size_t tile_panel_bytes(enum precision precision, int k);

/* How much more a packed column w[k] gives for x[k] than w would, were x itself not rounded. */
double tile_excess(enum precision precision, int k, const float *w, const float *x);

/* x[k] as tile_run takes it, in tile_row_bytes. Not fp32. What is not finite stays so in every product. */
void tile_row(enum precision precision, int k, const float *x, void *row);
size_t tile_row_bytes(enum precision precision, int k);

/* A tile uses the processor best when its rows are a multiple of it. */
int tile_rows(enum precision precision);

/* What the products of that precision are made of: "avx512", "avx2" or "baseline"; of fewer bits perhaps
 * "avx512bf16" or "avx512vnni". Borrowed, static. */
const char *tile_products(enum precision precision);

/* Use no more than that of these, for tests and comparisons; before the first panel. False: not known. */
bool tile_limit(const char *isa);

#endif
