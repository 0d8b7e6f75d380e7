/* The one inner loop of linear layers and attention: a block of a product whose right side lies in panels.
 *
 * A panel holds PANEL columns: panel[k][PANEL], the missing columns of the last one zero. Every element is
 * one sum over k in rising order, in parts of TILE_SUM that are added up: the same bits however a product is
 * cut into rows and 32 columns at a time, and whoever computes them. Which vectors are used is found out
 * once; 256 bits with fused multiply-add, 512 bits, or what the compiler makes of plain C. threads: any. */
#ifndef TENSOR_TILE_H
#define TENSOR_TILE_H

#include <stdbool.h>
#include <stddef.h>

enum { TILE_PANEL = 16, TILE_SUM = 512 };

enum tile_act { TILE_PLAIN, TILE_GELU, TILE_QUICK_GELU, TILE_RELU };

/* y[rows][columns] = act(scale * (x panels) + bias), added to y with `add`. Steps are floats from one row (of
 * panels: from one panel) to the next. */
struct tile {
    int rows, columns, k;
    const float *x;
    size_t x_step;
    const float *panels;
    size_t panel_step;
    const float *bias; /* [columns] or NULL */
    float scale;
    enum tile_act act;
    bool add;
    float *y;
    size_t y_step;
};

void tile_run(const struct tile *tile);

/* Some of a row's scores become weights exp(score - largest). in: *largest and *sum of those that came
 * before, -INFINITY and 0 at first. out: both with these; by what the weights that came before shrink. */
float tile_weigh(int count, float *scores, float *largest, float *sum);

/* Columns first to first + PANEL - 1 of w, given as w[column][k] with step floats between columns, as a
 * panel; columns from `columns` on are zeros. out: panel[k][PANEL] */
void tile_pack(const float *w, size_t step, int columns, int k, float *panel);

/* A tile uses the processor best when its rows are a multiple of it. */
int tile_rows(void);

/* "avx512", "avx2" or "baseline". Borrowed, static. */
const char *tile_isa(void);

/* Use no more than that of these, for tests and comparisons; before the first product. False: not known. */
bool tile_limit(const char *isa);

#endif
