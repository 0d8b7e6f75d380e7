/* Chance that is the same for the same seed for ever, in streams of their own:
 * what one part of a patient draws never moves what another part draws. */
#ifndef PHANTOM_DICE_H
#define PHANTOM_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

/* A stream of the seed by name ("findings", "pose"). source: SplitMix64
 * (Steele, Lea, Flood 2014) over an FNV-1a hash of the name. */
struct dice dice_named(uint64_t seed, const char *name);

uint64_t dice_word(struct dice *dice);
double dice_unit(struct dice *dice); /* from 0, below 1 */
double dice_between(struct dice *dice, double low, double high);
bool dice_chance(struct dice *dice, double probability);
int dice_below(struct dice *dice, int count); /* 0 to count-1 */
/* About normal with mean 0 and deviation 1, never beyond 3.5: four uniform
 * numbers of one word. */
double dice_normal(struct dice *dice);

#endif
