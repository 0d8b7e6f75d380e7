#include "tensor/linear.h"

/* A block of x that stays in the second level of cache while the panels pass by: 256 KiB. */
enum { BLOCK_FLOATS = 65536, BLOCK_ROWS_MIN = 24, BLOCK_ROWS_MAX = 240, PIECES_A_SEAT = 4 };

static int divided(int a, int b)
{
    return (a + b - 1) / b;
}

/* ---- packing ---- */

struct packing {
    int n, k;
    const float *weight;
    float *panels;
};

static bool pack_piece(void *work, int seat, int number, struct err *err)
{
    const struct packing *p = work;
    int first = number * TILE_PANEL;
    size_t k = (size_t)p->k;
    tile_pack(p->weight + (size_t)first * k, k, p->n - first, p->k, p->panels + (size_t)first * k);
    return true;
}

bool linear_pack(struct linear *linear, int n, int k, const float *weight, const float *bias,
                 const struct crew *crew, struct arena *arena)
{
    int panels = divided(n, TILE_PANEL);
    struct err none = ERR_INIT;
    struct packing packing = {n, k, weight, NULL};
    packing.panels = ARENA_ARRAY(arena, float, (size_t)panels *(size_t)k *TILE_PANEL);
    if (!packing.panels)
        return false;
    *linear = (struct linear){n, k, packing.panels, bias};
    return crew_run(crew, panels, pack_piece, &packing, &none);
}

/* ---- running ---- */

struct running {
    struct tile tile; /* of all rows and columns */
    int block_rows, block_columns, column_blocks;
};

static bool run_piece(void *work, int seat, int number, struct err *err)
{
    const struct running *r = work;
    int row = number / r->column_blocks * r->block_rows;
    int column = number % r->column_blocks * r->block_columns;
    struct tile tile = r->tile;
    tile.rows = tile.rows - row < r->block_rows ? tile.rows - row : r->block_rows;
    tile.columns = tile.columns - column < r->block_columns ? tile.columns - column : r->block_columns;
    tile.x += (size_t)row * tile.x_step;
    tile.panels += (size_t)(column / TILE_PANEL) * tile.panel_step;
    tile.bias = tile.bias ? tile.bias + column : NULL;
    tile.y += (size_t)row * tile.y_step + column;
    tile_run(&tile);
    return true;
}

/* Blocks of about the same size, and enough of them for every seat. */
static void cut(struct running *r, int seats)
{
    int unit = tile_rows(), most = BLOCK_FLOATS / r->tile.k;
    most = most < BLOCK_ROWS_MIN ? BLOCK_ROWS_MIN : most > BLOCK_ROWS_MAX ? BLOCK_ROWS_MAX : most;
    int row_blocks = divided(r->tile.rows, most);
    r->block_rows = divided(divided(r->tile.rows, row_blocks), unit) * unit;
    row_blocks = divided(r->tile.rows, r->block_rows);
    int panels = divided(r->tile.columns, 2 * TILE_PANEL);
    int wanted = seats > 1 ? divided(PIECES_A_SEAT * seats, row_blocks) : 1;
    int panels_a_block = divided(panels, wanted < panels ? wanted : panels);
    r->block_columns = panels_a_block * 2 * TILE_PANEL;
    r->column_blocks = divided(r->tile.columns, r->block_columns);
}

void linear_run(const struct linear *linear, const struct crew *crew, int rows, const float *x,
                enum tile_act act, bool add, float *y)
{
    size_t k = (size_t)linear->k;
    struct err none = ERR_INIT;
    struct running running = {.tile = {.rows = rows,
                                       .columns = linear->n,
                                       .k = linear->k,
                                       .x = x,
                                       .x_step = k,
                                       .panels = linear->panels,
                                       .panel_step = k * TILE_PANEL,
                                       .bias = linear->bias,
                                       .scale = 1,
                                       .act = act,
                                       .add = add,
                                       .y = y,
                                       .y_step = (size_t)linear->n}};
    cut(&running, crew_seats(crew));
    crew_run(crew, divided(rows, running.block_rows) * running.column_blocks, run_piece, &running, &none);
}
