/* What a source says its studies have, held against what has come of one. */
#ifndef STUDY_STUDY_EXPECTED_H
#define STUDY_STUDY_EXPECTED_H

#include "base/arena.h"

#include <stdbool.h>

/* A number is a least one; 0: nothing is said. */
struct study_expected {
    const char *required; /* "coronary|cta, calcium": for each part between commas a series of images whose
                             description has one of its words, any case; "": nothing is said */
    int series, images;   /* of CT or MR images */
    int all_series, all_objects; /* of any kind: (0020,1206), (0020,1208) */
};

struct study_came {
    const char *const *descriptions; /* of the series of images, `series` of them */
    int series, images;
    int all_series, all_objects;
};

/* Every part between commas has a word. */
bool study_expected_valid(const char *required);

bool study_expects_anything(const struct study_expected *expected);

/* Has everything come? Nothing expected has. */
bool study_expected_came(const struct study_expected *expected, const struct study_came *came);

/* "a series with coronary|cta (came); 3 series of images (2 came)", "" when nothing is expected; NULL when
 * memory is out. */
const char *study_expected_words(const struct study_expected *expected, const struct study_came *came,
                                 struct arena *arena);

/* Has the text one of the words, separated by |, any case? */
bool study_has_word(const char *text, const char *words);

#endif
