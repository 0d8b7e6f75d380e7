#include "noise.h"

#include <math.h>

enum { REACH = 2 };

/* Taps of a separable filter that leaves the deviation at 1. */
static void taps_of(double grain, float taps[2 * REACH + 1])
{
    double weights[REACH + 1] = {1, 0.6 * grain, grain > 0 ? 0.25 * grain * grain : 0};
    double power = 0;
    for (int i = -REACH; i <= REACH; i++)
        power += weights[i < 0 ? -i : i] * weights[i < 0 ? -i : i];
    for (int i = -REACH; i <= REACH; i++)
        taps[i + REACH] = (float)(weights[i < 0 ? -i : i] / sqrt(power));
}

static void white(struct dice *dice, float *field, size_t count)
{
    const float scale = 1.7320508f / 65536; /* four uniform numbers of 16 bit have variance 1/3 */
    for (size_t i = 0; i < count; i++) {
        uint64_t word = dice_word(dice);
        int sum = (int)((word & 0xFFFF) + (word >> 16 & 0xFFFF) + (word >> 32 & 0xFFFF) + (word >> 48));
        field[i] = (float)(sum - 131070) * scale;
    }
}

static int turned_round(int at, int count) /* the noise goes on from the other edge */
{
    return at < 0 ? at + count : at >= count ? at - count : at;
}

void noise_fill(struct dice *dice, double grain, float *field, float *room, int rows, int columns)
{
    float taps[2 * REACH + 1];
    taps_of(grain, taps);
    white(dice, room, (size_t)rows * (size_t)columns);
    for (int row = 0; row < rows; row++) {
        const float *from = room + (size_t)row * (size_t)columns;
        float *to = field + (size_t)row * (size_t)columns;
        for (int column = 0; column < columns; column++) {
            float sum = 0;
            if (column >= REACH && column < columns - REACH)
                for (int i = -REACH; i <= REACH; i++)
                    sum += taps[i + REACH] * from[column + i];
            else
                for (int i = -REACH; i <= REACH; i++)
                    sum += taps[i + REACH] * from[turned_round(column + i, columns)];
            to[column] = sum;
        }
    }
    for (int row = 0; row < rows; row++) {
        const float *lines[2 * REACH + 1];
        for (int i = -REACH; i <= REACH; i++)
            lines[i + REACH] = field + (size_t)turned_round(row + i, rows) * (size_t)columns;
        float *to = room + (size_t)row * (size_t)columns;
        for (int column = 0; column < columns; column++) {
            float sum = 0;
            for (int i = 0; i <= 2 * REACH; i++)
                sum += taps[i] * lines[i][column];
            to[column] = sum;
        }
    }
    for (size_t i = 0; i < (size_t)rows * (size_t)columns; i++)
        field[i] = room[i];
}
