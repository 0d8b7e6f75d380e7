/* How the makers of MR scanners name and split what is the same examination.
 * source: descriptions as listed in docs/volumes.md and conf/series.json;
 * public conformance statements. */
#ifndef PHANTOM_MR_MAKER_H
#define PHANTOM_MR_MAKER_H

#include "study.h"

enum mr_view { MR_SAX, MR_2CH, MR_3CH, MR_4CH, MR_VIEWS };

struct mr_maker {
    struct study_maker maker;
    const char *study_description;
    const char *localizer;
    const char *cine[MR_VIEWS], *lge[MR_VIEWS]; /* descriptions */
    const char *cine_type, *lge_type, *phase_type, *localizer_type;
    const char *cine_sequence, *lge_sequence, *cine_variant, *lge_variant, *cine_options, *lge_options;
    const char *cine_name, *lge_name; /* Sequence Name; NULL: not written */
    bool series_a_slice;              /* the short-axis cine comes as one series a slice */
    bool time_first;                  /* in one series: all slices of a phase, then the next phase
                                       */
    bool phase_pairs;                 /* phase-sensitive images as a series of their own */
    double field_t, rescale;          /* rescale: slope, 0: none written */
};

extern const struct mr_maker mr_makers[];
extern const int mr_maker_count;

#endif
