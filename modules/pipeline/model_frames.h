/* The section preprocess.frames of config.json: how an MR examination becomes the frames of a space-time
 * tower's video. Part of the model. source: docs/model-folder.md; defaults are published CMR-CLIP's, but
 * where a rule of its data would leave out most of what hospitals acquire: then what comes nearest. */
#ifndef PIPELINE_MODEL_FRAMES_H
#define PIPELINE_MODEL_FRAMES_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

enum { FRAMES_VIEWS_MAX = 10, FRAMES_PHASES_MAX = 256, FRAMES_SLICES_MAX = 256 };

/* What of a view becomes frames. */
enum frames_from {
    FRAMES_PHASES, /* the middle slice, all its phases */
    FRAMES_SLICES, /* the first phase, all its slices from base to apex */
    FRAMES_REPEAT  /* the first phase's middle slice, over again */
};

enum frames_missing {
    FRAMES_REJECT, /* the study is not analysed */
    FRAMES_BLANK,  /* frames of zeros, after normalisation */
    FRAMES_SKIP    /* no frames: the others are sampled more densely */
};

struct frames_view {
    int view; /* of study_view_names */
    enum frames_from from;
};

struct frames {
    int n; /* frames the encoder gets; 0: the model takes no examination */
    struct frames_view views[FRAMES_VIEWS_MAX];
    int view_count;
    int phases;    /* of a cine */
    int slices[2]; /* of a view of FRAMES_SLICES, fewest and most */
    int repeat;    /* of a view of FRAMES_REPEAT; 0: as often as the first view of FRAMES_SLICES has slices */
    bool phases_exact; /* other numbers make the view missing; else the nearest phases are taken */
    bool slices_exact; /* the same for slices, and for FRAMES_REPEAT exactly one */
    enum frames_missing missing;
    bool anatomical;      /* turned as volume_turn_anatomical does; else as acquired */
    bool phase_sensitive; /* of late enhancement, which reconstruction comes first */
    double field_mm;      /* at most so much of a picture, its middle; 0: all of it */
    int double_resize[2]; /* square sides: to the first, then to the second, which is the encoder's */
};

/* in: section NULL: all defaults; none (n 0) when the encoder's pictures are not square. input: [frames, y,
 * x] of the encoder. errors: ERR_INPUT (the key is named), ERR_UNSUPPORTED. */
bool model_frames_read(const json_t *section, const int input[3], struct frames *ret, struct err *err);

#endif
