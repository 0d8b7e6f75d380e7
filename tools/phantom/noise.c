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

/* Two numbers of a word, each the sum of two uniform ones: the filter makes
 * them near to normal. */
static void white(struct dice *dice, float *field, size_t count)
{
    const float scale = 2.4494897f / 65536; /* the sum of two has variance 1/6 */
    for (size_t i = 0; i < count; i += 2) {
        uint64_t word = dice_word(dice);
        int one = (int)((word & 0xFFFF) + (word >> 16 & 0xFFFF));
        int other = (int)((word >> 32 & 0xFFFF) + (word >> 48));
        field[i] = (float)(one - 65535) * scale;
        if (i + 1 < count)
            field[i + 1] = (float)(other - 65535) * scale;
    }
}

static size_t turned_round(long at, long count) /* the noise goes on from the other edge */
{
    return (size_t)(at < 0 ? at + count : at >= count ? at - count : at);
}

/* field from room, room being taken as one long line, `apart` the distance of
 * neighbours. */
static void filter(const float taps[2 * REACH + 1], const float *restrict room, float *restrict field,
                   long count, long apart)
{
    long margin = REACH * apart;
    for (long i = margin; i < count - margin; i++)
        field[i] = taps[0] * (room[i - 2 * apart] + room[i + 2 * apart]) +
                   taps[1] * (room[i - apart] + room[i + apart]) + taps[2] * room[i];
    for (long edge = 0; edge < 2 * margin; edge++) {
        long i = edge < margin ? edge : count - 2 * margin + edge;
        float sum = 0;
        for (long tap = -REACH; tap <= REACH; tap++)
            sum += taps[tap + REACH] * room[turned_round(i + tap * apart, count)];
        field[i] = sum;
    }
}

void noise_fill(struct dice *dice, double grain, float *field, float *room, int rows, int columns)
{
    float taps[2 * REACH + 1];
    size_t count = (size_t)rows * (size_t)columns;
    taps_of(grain, taps);
    white(dice, field, count);
    filter(taps, field, room, (long)count, 1);
    filter(taps, room, field, (long)count, columns);
}
