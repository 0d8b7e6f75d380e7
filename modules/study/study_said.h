/* How many images there should be, by what they say. Private to modules/study. */
#ifndef STUDY_SAID_H
#define STUDY_SAID_H

#include "base/arena.h"
#include "study/study.h"

/* Of a CT series: Images in Acquisition, summed over its acquisitions; where nearly every image is one of its
 * own, the number is that of all. Sets images_said and images_there of its stack when there are fewer. False:
 * out of memory. */
bool study_said_of_series(const struct study_series *series, struct study_stack *stack, struct arena *arena);

/* Of a measured MR stack with several images a position: Cardiac Number of Images at each of its positions.
 */
void study_said_of_cine(struct study_stack *stack);

#endif
