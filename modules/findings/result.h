/* The result record: what one model says of one study, or why it says nothing. It is what the worker answers,
 * what SQLite keeps, what REST shows and what the report is written from. All pointers live in one arena. */
#ifndef FINDINGS_RESULT_H
#define FINDINGS_RESULT_H

#include "base/digest.h"
#include "base/uid.h"

#include <stdbool.h>
#include <stdint.h>

enum finding_state { FINDING_PRESENT, FINDING_ABSENT, FINDING_UNDETERMINED, FINDING_NOT_ASSESSED };

/* One label that was asked. */
struct finding {
    const char *id;    /* as in prompts.json, "pericardial_effusion" */
    const char *text;  /* display text */
    const char *organ; /* id of the organ it was asked of; NULL: of the whole study */
    enum finding_state state;
    const char
        *reason; /* why undetermined or not assessed (then the organ's, if it has one); NULL otherwise */
    bool has_score;
    double score;     /* uncalibrated zero-shot score; what it is, model_identity.score says */
    double threshold; /* score above which the label counts as present */
    bool untrained;   /* nothing may be decided from this label's score, whatever the model's others */
    bool has_calibration;
    double calibration_a, calibration_b; /* Platt's, of this label (score.h) */
    bool has_probability;                /* with a score, a calibration, and trained */
    double probability;                  /* 0..1 */
    double probability_at_threshold; /* of a score that is the threshold: what `probability` is held against
                                        by whoever reads it; the state is by score and threshold */
    double cosine_positive; /* meaningful with has_score; the mean over the prompts in "cosine_mean" */
    bool has_negative;      /* a pair was asked */
    double cosine_negative;
};

/* One organ of an organ-grounded model. */
struct result_organ {
    const char *id, *text;   /* as in config.json */
    const float *embedding;  /* unit [embedding_dim]; NULL: not assessed */
    const char *reason;      /* stable word when not assessed, else NULL */
    const char *recognised;  /* id of the organ whose text lies closest; NULL: not asked, or untrained */
    double recognised_score; /* of it, 0..1: softmax over the organs' texts */
};

/* Which model, to the digest. */
struct model_identity {
    const char *name, *version, *manufacturer, *family; /* family: "cardiac-clip" */
    const char *score; /* what a score is: "pair_softmax", "class_softmax" (0..1), "cosine_mean" (-1..1) or
                          "cosine_mean_half" (0..1). None is a probability */
    const char *calibration; /* "none" or its identifier */
    bool trained;
    const char *precision; /* the image tower's arithmetic: "fp32", "bf16", "int8" */
    char weights_sha256[DIGEST_HEX_SIZE], prompts_sha256[DIGEST_HEX_SIZE];
    char config_sha256[DIGEST_HEX_SIZE]; /* config.json, vocabulary, domain, of fewer bits precision.json:
                                          * thresholds, preprocessing, tokens
                                          */
    const char *calibration_on;          /* what the calibration was fitted on; NULL: not stated */
};

/* One series of the study, taken or left, and why. */
struct result_series {
    char series_uid[UID_SIZE];
    const char *modality, *description;
    int series_number;
    int instance_count;
    bool taken;
    const char *reason; /* stable word: "chosen", "localizer", "too_few_slices", ... */
    const char *role;   /* what it shows, a word of the series rules: "cta", "cine", ...; "" unknown */
    const char *why;    /* by which rule, one English sentence; "" when no rule spoke */
};

/* What the model saw as its view `name`, of a model that takes an examination in views. */
struct result_view {
    const char *name;   /* "cine_sa", as in config.json */
    const char *reason; /* stable word when it is missing, else NULL */
    const char *how;    /* "description" or "geometry": by what it was recognised; NULL when missing */
    char series_uid[UID_SIZE];
    int slices, phases, frames; /* as acquired; frames of the view before sampling */
    int sampled;                /* of these frames, those that the encoder got; -1: not stated */
    int slice; /* the slice that was taken, from 1, of a short axis from the base; 0: all, or missing */
    const char *plane; /* what it shows: "sa", "lax" (which long axis is undecided), "2ch", "3ch", "4ch"; NULL
                          when missing */
    const char *reconstruction; /* of late enhancement: "phase_sensitive", or "magnitude" when nothing says
                                   that it is; else NULL */
};

/* The part of the volume that the encoder saw. */
struct result_box {
    const char *source;    /* "segmentation", "estimate", "field_of_view"; NULL: no such thing was asked */
    double confidence;     /* 0..1 of an estimate; 1 of a segmentation; 0 of the field of view */
    double centre_lps[3];  /* mm */
    double size_zyx_mm[3]; /* along the volume's axes, in canonical orientation */
};

/* How far the study lies from those the model was made from. */
struct result_domain {
    const char *of; /* what was measured: "tower", "embedding"; NULL: the model has no domain, or nothing was
                       encoded */
    const char *id; /* of the statistics, as in config.json */
    double distance, limit;
    bool inside; /* distance <= limit; false: every label is not assessed, RESULT_OUTSIDE */
};

/* An object that fed the encoder. */
struct result_instance {
    char sop_class[UID_SIZE], sop_uid[UID_SIZE], series_uid[UID_SIZE];
    int frame_count; /* frames in the object */
};

struct result {
    bool analysed;
    const char *reason;      /* stable word when not analysed, else NULL */
    const char *reason_text; /* one English sentence for a person, else NULL */
    bool has_model;
    struct model_identity model; /* meaningful when has_model */
    float *embedding;            /* unit length, or NULL: not analysed, or by organ */
    int embedding_dim;           /* of it, or of every organ's */
    struct result_organ *organs; /* every organ of an organ-grounded model that analysed the study */
    int organ_count;
    struct result_domain domain;
    struct finding *findings;
    int finding_count;
    const char *modality; /* CT or MR of what was analysed, or of the study */
    struct result_series *series;
    int series_count;
    struct result_view *views; /* in the model's order */
    int view_count;
    struct result_box box;
    struct result_instance *instances; /* used, in order of position; empty when not analysed. Of views: those
                                          whose frames made the video, sampled or only scaled by */
    int instance_count;
    int key_instance;  /* index of the representative slice in instances; -1 when none */
    int key_frame;     /* from 1; 0 when the key instance is single-frame */
    int source_zyx[3]; /* voxels of the volume as acquired */
    double source_spacing_zyx_mm[3];
    int input_zyx[3];      /* what the encoder got */
    const char **warnings; /* stable words with detail: "interpolated: 1 of 120 slices" */
    int warning_count;
    char manifest_sha256[DIGEST_HEX_SIZE];     /* of sources, geometry and transforms; "" when not analysed */
    char series_rules_sha256[DIGEST_HEX_SIZE]; /* of the rules that told the series apart; "" when none did */
    int64_t started_unix_ms;
    double load_s, volume_s, encode_s;
};

/* The reason of its labels. */
#define RESULT_OUTSIDE "outside_domain"
/* Encoded, but of another kind than the model was made from: nothing is said of any label. */
bool result_outside(const struct result *result);
/* Why nothing is said of the study: its reason, RESULT_OUTSIDE, or "" when labels were asked. Borrowed. */
const char *result_outcome(const struct result *result);

/* The organ of that id; NULL when there is none. */
const struct result_organ *result_organ(const struct result *result, const char *id);

/* "present", "absent", "undetermined", "not_assessed": borrowed, static. */
const char *finding_state_name(enum finding_state state);
/* False when the word is none of them. */
bool finding_state_parse(const char *word, enum finding_state *ret);

#endif
