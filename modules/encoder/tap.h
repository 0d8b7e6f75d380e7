/* A look into a forward pass: called at every named stage with the values as they are there. For tests and
 * for finding faults; a NULL tap costs nothing. */
#ifndef ENCODER_TAP_H
#define ENCODER_TAP_H

/* values: [rows][columns], borrowed for the call. stage: "embed", "layer", ...; layer: from 0, or -1. */
struct encoder_tap {
    void (*see)(void *seer, const char *stage, int layer, const float *values, int rows, int columns);
    void *seer;
};

static inline void encoder_tap(const struct encoder_tap *tap, const char *stage, int layer,
                               const float *values, int rows, int columns)
{
    if (tap)
        tap->see(tap->seer, stage, layer, values, rows, columns);
}

#endif
