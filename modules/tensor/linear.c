#include "tensor/linear.h"

/* A block of x of which a part of k (tile.h) stays in the second level of cache while the panels pass by,
 * once. In fewer bits its rows are made on the stack. */
enum {
    BLOCK_BYTES = 1 << 20,
    NARROW_BYTES = 256 << 10,
    BLOCK_ROWS_MIN = 12,
    BLOCK_ROWS_MAX = 240,
    PIECES_A_SEAT = 4
};
enum { ROW_BYTES_MOST = 4 * LINEAR_K_MOST + 64, ROOM_BYTES = BLOCK_ROWS_MIN * ROW_BYTES_MOST };
_Static_assert((int)ROOM_BYTES >= (int)NARROW_BYTES, "a block has room");

static int divided(int a, int b)
{
    return (a + b - 1) / b;
}

static int at_most(int value, int most)
{
    return value < most ? value : most;
}

/* ---- packing ---- */

static enum precision precision_of(enum precision wanted, int k)
{
    return k > LINEAR_K_MOST ? PRECISION_FP32 : wanted;
}

size_t linear_bytes(enum precision precision, int n, int k)
{
    return (size_t)divided(n, TILE_PANEL) * tile_panel_bytes(precision_of(precision, k), k);
}

struct packing {
    const struct linear *linear;
    const float *weight;
    char *panels;
};

static bool pack_piece(void *work, int seat, int number, struct err *err)
{
    const struct packing *p = work;
    const struct linear *l = p->linear;
    int first = number * TILE_PANEL;
    size_t k = (size_t)l->k, bytes = tile_panel_bytes(l->precision, l->k);
    tile_pack(l->precision, p->weight + (size_t)first * k, k, l->n - first, l->k,
              p->panels + (size_t)number * bytes);
    return true;
}

void linear_take(struct linear *linear, enum precision precision, int n, int k, const float *bias,
                 const void *panels)
{
    *linear = (struct linear){n, k, precision_of(precision, k), panels, bias, NULL};
}

void linear_pack(struct linear *linear, enum precision precision, int n, int k, const float *weight,
                 const float *bias, const struct crew *crew, void *panels)
{
    struct packing packing = {linear, weight, panels};
    struct err none = ERR_INIT;
    linear_take(linear, precision, n, k, bias, panels);
    crew_run(crew, divided(n, TILE_PANEL), pack_piece, &packing, &none);
}

struct correcting {
    const struct linear *linear;
    const float *weight, *mean;
    float *corrected;
};

static bool correct_piece(void *work, int seat, int number, struct err *err)
{
    const struct correcting *c = work;
    const struct linear *l = c->linear;
    int end = at_most((number + 1) * TILE_PANEL, l->n);
    for (int i = number * TILE_PANEL; i < end; i++)
        c->corrected[i] =
            (float)((l->bias ? (double)l->bias[i] : 0) -
                    tile_excess(l->precision, l->k, c->weight + (size_t)i * (size_t)l->k, c->mean));
    return true;
}

void linear_correct(struct linear *linear, const float *weight, const float *mean, const struct crew *crew,
                    float *corrected)
{
    struct correcting correcting = {linear, weight, mean, corrected};
    struct err none = ERR_INIT;
    crew_run(crew, divided(linear->n, TILE_PANEL), correct_piece, &correcting, &none);
    linear->bias = corrected;
}

/* ---- running ---- */

struct running {
    struct tile tile; /* of all rows and columns, x as float32 */
    int block_rows, block_columns, column_blocks;
};

static void run_block(const struct running *r, int row, int column, struct tile tile)
{
    tile.rows = at_most(tile.rows - row, r->block_rows);
    tile.columns = at_most(tile.columns - column, r->block_columns);
    tile.panels = (const char *)tile.panels + (size_t)(column / TILE_PANEL) * tile.panel_step;
    tile.bias = tile.bias ? tile.bias + column : NULL;
    tile.y += (size_t)row * tile.y_step + column;
    tile_run(&tile);
}

static bool run_piece(void *work, int seat, int number, struct err *err)
{
    const struct running *r = work;
    struct tile tile = r->tile;
    int row = number / r->column_blocks * r->block_rows;
    tile.x = (const char *)tile.x + (size_t)row * tile.x_step;
    run_block(r, row, number % r->column_blocks * r->block_columns, tile);
    return true;
}

/* The same in fewer bits. */
static bool run_narrow(void *work, int seat, int number, struct err *err)
{
    const struct running *r = work;
    struct tile tile = r->tile;
    char room[ROOM_BYTES] __attribute__((aligned(64)));
    int row = number / r->column_blocks * r->block_rows, rows = at_most(tile.rows - row, r->block_rows);
    size_t bytes = tile_row_bytes(tile.precision, tile.k);
    for (int i = 0; i < rows; i++)
        tile_row(tile.precision, tile.k,
                 (const float *)(const void *)((const char *)tile.x + (size_t)(row + i) * tile.x_step),
                 room + (size_t)i * bytes);
    tile.x = room;
    tile.x_step = bytes;
    run_block(r, row, number % r->column_blocks * r->block_columns, tile);
    return true;
}

/* Blocks of about the same size, enough of them for every seat, and as many for each. */
static void cut(struct running *r, int seats)
{
    enum precision precision = r->tile.precision;
    size_t row_bytes = precision == PRECISION_FP32 ? r->tile.x_step : tile_row_bytes(precision, r->tile.k);
    int unit = tile_rows(precision),
        most = (int)((precision == PRECISION_FP32 ? BLOCK_BYTES : NARROW_BYTES) / row_bytes);
    most = at_most(most < BLOCK_ROWS_MIN ? BLOCK_ROWS_MIN : most, BLOCK_ROWS_MAX) / unit * unit;
    int row_blocks = divided(r->tile.rows, most);
    r->block_rows = divided(divided(r->tile.rows, row_blocks), unit) * unit;
    row_blocks = divided(r->tile.rows, r->block_rows);
    int panels = divided(r->tile.columns, 2 * TILE_PANEL);
    int wanted = seats > 1 ? divided(PIECES_A_SEAT * seats, row_blocks) : 1;
    while (row_blocks * wanted % seats != 0)
        wanted++;
    r->block_columns = divided(panels, at_most(wanted, panels)) * 2 * TILE_PANEL;
    r->column_blocks = divided(r->tile.columns, r->block_columns);
}

static void see(struct linear_seen *seen, int rows, int k, const float *x)
{
    for (int i = 0; i < rows; i++, x += k)
        for (int j = 0; j < k; j++)
            seen->sums[j] += (double)x[j];
    seen->rows += rows;
}

void linear_run(const struct linear *linear, const struct crew *crew, int rows, const float *x,
                enum tile_act act, bool add, float *y)
{
    if (linear->seen)
        see(linear->seen, rows, linear->k, x);
    struct err none = ERR_INIT;
    struct running running = {.tile = {.precision = linear->precision,
                                       .rows = rows,
                                       .columns = linear->n,
                                       .k = linear->k,
                                       .x = x,
                                       .x_step = (size_t)linear->k * sizeof *x,
                                       .panels = linear->panels,
                                       .panel_step = tile_panel_bytes(linear->precision, linear->k),
                                       .bias = linear->bias,
                                       .scale = 1,
                                       .act = act,
                                       .add = add,
                                       .y = y,
                                       .y_step = (size_t)linear->n}};
    cut(&running, crew_seats(crew));
    crew_run(crew, divided(rows, running.block_rows) * running.column_blocks,
             linear->precision == PRECISION_FP32 ? run_piece : run_narrow, &running, &none);
}
