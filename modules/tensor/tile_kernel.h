/* Part of tile.c, which includes it once for each kind of vector: KERNEL_ROWS rows times two KERNEL_VECTOR
 * stay in registers. Missing rows are computed from the last one there is and thrown away; so is the second
 * vector of a last panel that stands alone. */
KERNEL_CPU static void KERNEL_NAME(const struct tile *t)
{
    enum { LANES = sizeof(KERNEL_VECTOR) / sizeof(float), WIDE = 2 * LANES };
    float sums[KERNEL_ROWS * WIDE] __attribute__((aligned(64)));
    bool bare = !t->bias && t->act == TILE_PLAIN;
    for (int column = 0; column < t->columns; column += WIDE) {
        int columns = t->columns - column < WIDE ? t->columns - column : WIDE;
        const float *panel = t->panels + (size_t)(column / TILE_PANEL) * t->panel_step + column % TILE_PANEL;
        size_t second = LANES < (int)TILE_PANEL ? LANES : columns > TILE_PANEL ? t->panel_step : 0;
        for (int row = 0; row < t->rows; row += KERNEL_ROWS) {
            int rows = t->rows - row < KERNEL_ROWS ? t->rows - row : KERNEL_ROWS;
            const float *x[KERNEL_ROWS];
            for (int i = 0; i < KERNEL_ROWS; i++)
                x[i] = t->x + (size_t)(row + (i < rows ? i : rows - 1)) * t->x_step;
            for (int from = 0; from < t->k || from == 0; from += TILE_SUM) {
                int to = t->k - from < TILE_SUM ? t->k : from + TILE_SUM;
                const float *b = panel + (size_t)from * TILE_PANEL;
                KERNEL_VECTOR left[KERNEL_ROWS] = {0}, right[KERNEL_ROWS] = {0};
                for (int k = from; k < to; k++, b += TILE_PANEL) {
                    KERNEL_VECTOR one = *(const KERNEL_VECTOR *)b;
                    KERNEL_VECTOR two = *(const KERNEL_VECTOR *)(b + second);
#pragma GCC unroll 16
                    for (int i = 0; i < KERNEL_ROWS; i++) {
                        left[i] += x[i][k] * one;
                        right[i] += x[i][k] * two;
                    }
                }
#pragma GCC unroll 16
                for (int i = 0; i < KERNEL_ROWS; i++) {
                    KERNEL_VECTOR *sum = (KERNEL_VECTOR *)(sums + i * WIDE);
                    if (from) {
                        left[i] += sum[0];
                        right[i] += sum[1];
                    }
                    sum[0] = left[i];
                    sum[1] = right[i];
                }
            }
            if (!bare || columns < WIDE) {
                finish(t, row, rows, column, columns, sums, WIDE);
                continue;
            }
            for (int i = 0; i < rows; i++) {
                const KERNEL_VECTOR *sum = (const KERNEL_VECTOR *)(sums + i * WIDE);
                KERNEL_VECTOR *y = (KERNEL_VECTOR *)(t->y + (size_t)(row + i) * t->y_step + column);
                y[0] = t->add ? sum[0] * t->scale + y[0] : sum[0] * t->scale;
                y[1] = t->add ? sum[1] * t->scale + y[1] : sum[1] * t->scale;
            }
        }
    }
}

KERNEL_CPU static float KERNEL_WEIGH(int count, float *scores, float *largest, float *sum)
{
    float before = *largest, now = lane_max(count, scores);
    now = now > before ? now : before;
    for (int i = 0; i < count; i++)
        scores[i] = lane_exp_low(scores[i] - now);
    float shrink = before > -INFINITY ? lane_exp_low(before - now) : 0;
    *largest = now;
    *sum = *sum * shrink + lane_sum(count, scores);
    return shrink;
}
#undef KERNEL_NAME
#undef KERNEL_WEIGH
#undef KERNEL_CPU
#undef KERNEL_VECTOR
#undef KERNEL_ROWS
