#include "dice.h"

#include <math.h>

uint64_t dice_word(struct dice *dice)
{
    uint64_t value = dice->state += 0x9E3779B97F4A7C15U;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9U;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBU;
    return value ^ (value >> 31);
}

struct dice dice_named(uint64_t seed, const char *name)
{
    uint64_t hash = 0xCBF29CE484222325U;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001B3U;
    struct dice dice = {seed};
    dice.state = dice_word(&dice) ^ hash;
    dice.state = dice_word(&dice);
    return dice;
}

double dice_unit(struct dice *dice)
{
    return (double)(dice_word(dice) >> 11) / 9007199254740992.0; /* 2^53 */
}

double dice_between(struct dice *dice, double low, double high)
{
    return low + (high - low) * dice_unit(dice);
}

bool dice_chance(struct dice *dice, double probability)
{
    return dice_unit(dice) < probability;
}

int dice_below(struct dice *dice, int count)
{
    return (int)(dice_unit(dice) * count);
}

double dice_normal(struct dice *dice)
{
    uint64_t word = dice_word(dice);
    uint64_t sum = (word & 0xFFFF) + (word >> 16 & 0xFFFF) + (word >> 32 & 0xFFFF) + (word >> 48);
    return ((double)sum - 131070.0) / 65536.0 * sqrt(3.0); /* the sum of four has variance 1/3 */
}
