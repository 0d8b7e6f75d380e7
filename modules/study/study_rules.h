/* The rules by which a stack of images gets its role: plain records; pipeline/series_rules.h reads them from
 * a file. source: docs/volumes.md, section 2. */
#ifndef STUDY_RULES_H
#define STUDY_RULES_H

#include "base/digest.h"
#include "dicom/dicom_records.h"

#include <stddef.h>

/* What a stack measures. What is unknown is NAN, and no condition on it holds. */
struct study_shape {
    double images;              /* frames */
    double positions;           /* slice positions along the normal; 0 when a frame has none */
    double images_per_position; /* at the middle one of all: 20 of a cine, or of any other repetition */
    double spacing_mm;          /* mean, between positions; NAN with one */
    double thickness_mm;
    double field_mm;      /* the smaller side of an image */
    double length_mm;     /* from the first position to the last */
    double percent;       /* of the R-R interval, of a single phase: one percentage within 5 points */
    double trigger_times; /* different trigger times at the first position; NAN without any */
    double echo_ms, inversion_ms, velocity_cm_s, kv;
    double kernel_number; /* 36 of Siemens' "Br36d\3", which has a letter before */
    double directions;    /* of the whole series: how many ways its images lie */
    double inversions;    /* of the series, where most positions have several inversion times: how many, on
                             average; 0: one */
    double contrast, gated, timed, burnt_in, lossy; /* 1 or 0 */
    double normal_lps[3];                           /* row x column; NAN without */
};

/* A number of struct study_shape by the name the rules give it. */
struct study_measure {
    const char *name;
    size_t offset;
    bool flag; /* true or false, not a number */
};
extern const struct study_measure study_measures[];
extern const int study_measure_count;

/* What words are looked for in. */
enum study_text {
    STUDY_WORDS,       /* Series Description, Protocol Name when it is empty, contains one */
    STUDY_DESCRIPTION, /* Series Description alone */
    STUDY_PROTOCOL,    /* Protocol Name alone */
    STUDY_COMMENTS,    /* Image Comments */
    STUDY_KERNEL,
    STUDY_BODY_PART,
    STUDY_IMAGE_TYPE, /* a value of Image Type is one */
    STUDY_IMAGE_TYPE_1,
    STUDY_IMAGE_TYPE_2,
    STUDY_IMAGE_TYPE_3,
    STUDY_IMAGE_TYPE_4,
    STUDY_SEQUENCE, /* a value of Scanning Sequence or Sequence Variant is one */
    STUDY_SCAN_OPTIONS,
    STUDY_TEXT_COUNT
};
extern const char *const study_text_names[STUDY_TEXT_COUNT];

/* One condition. Of texts more than half of the stack's objects must meet it. */
struct study_condition {
    const char *words; /* alternatives as in study_text.h, ASCII in lower case; NULL: a number is asked */
    enum study_text text;
    bool unwanted; /* none of the words may be there */
    const struct study_measure *measure;
    double min, max; /* both included */
};

struct study_rule {
    enum dicom_kind kind; /* DICOM_KIND_UNKNOWN: CT and MR */
    const struct study_condition *when;
    int when_count;   /* all must hold */
    const char *role; /* [a-z0-9_], at most 39 bytes; NULL of a preference */
    const char *why;  /* one English sentence without its full stop */
    bool take;        /* false: never analysed, and the role is the reason */
    double rank;      /* of a role's candidates; larger is better */
};

/* More or less of a rank for what fits. */
struct study_preference {
    struct study_rule rule; /* role NULL */
    double add;
    const struct study_measure *each; /* add this many times, at most `most` in all; NULL: once */
    double most;
    const struct study_measure
        *near; /* the less of `add`, the farther it is from `target`; none at `within` */
    double target, within;
};

/* The first rule that fits a stack names it; every preference that fits counts. */
struct study_rules {
    const struct study_rule *rules;
    int rule_count;
    const struct study_preference *prefer;
    int prefer_count;
    char sha256[DIGEST_HEX_SIZE]; /* of the file they come from */
};

#endif
