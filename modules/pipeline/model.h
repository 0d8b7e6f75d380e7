/* A model folder, opened: configuration, weights, tokenizer, prompts. source: Hugging Face folder habits;
 * docs/model-folder.md states every key. */
#ifndef PIPELINE_MODEL_H
#define PIPELINE_MODEL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/faults.h"
#include "encoder/encoder.h"
#include "encoder/organ.h"
#include "findings/result.h"
#include "pipeline/model_frames.h"

#include <jansson.h>

struct model;

/* All zero: the caller alone computes, in fp32. */
struct model_options {
    const char *text_folder; /* where text embeddings are kept between runs (text_cache.h); NULL: nowhere */
    const struct crew *crew; /* packs weights and computes; borrowed until model_close */
    enum precision
        precision;  /* of the image tower's blocks; the folder must vouch for it (model_precision.h) */
    bool unvouched; /* it need not: to measure what it may vouch for */
    const json_t *input_means; /* with unvouched: what it is corrected by, borrowed while it opens, or NULL;
                                  not with a shelf */
    bool watch_inputs;         /* gather that, for model_input_means */

    /* Descriptors of a shelf (base/shelf.h), each 0 for none. Of a sealed one packed weights are taken, if
     * they are those of the folder as it is now; else they are packed into memory of their own. Onto an
     * empty one they are packed; it is finished when the whole model is open and no file of the folder
     * changed meanwhile. */
    int packed_fd, pack_fd;
};

/* Open and check a model folder: config.json, model.safetensors, vocab.txt or vocab.json and merges.txt,
 * prompts.json, domain.safetensors where config.json has a domain; or a stock Hugging Face CLIP folder, which
 * has no prompts and asks none. Weights are mapped read-only; every tensor's shape is checked against the
 * configuration; text embeddings of all prompts are there afterwards: what the folder ships
 * (text_cache.safetensors) comes first, what is kept second, the rest is computed, in fp32. in: options NULL:
 * all zero. owns: caller closes. threads: one job at a time per handle. errors: ERR_INPUT (what is wrong, by
 * file, key or tensor name with both shapes), ERR_UNSUPPORTED (a value or a tensor type we do not handle),
 * ERR_IO, ERR_NOMEM, ERR_BUG (a shelf of the right key holds other pieces). */
struct model *model_open(const char *folder, const struct model_options *options, struct err *err);

/* Open it as model_open does without options, but tell everything that is wrong with it: every tensor that is
 * missing, has another shape or type, is not finite or has no place, every label that lacks something; of a
 * file's own form only the first. NULL when there are faults, or err says what kept it from looking. */
struct model *model_check(const char *folder, struct faults *faults, struct err *err);

/* What must be kept of it: text_cache_told. owns: the caller drops the reference. */
json_t *model_text_told(const struct model *model);
/* The digest that its text embeddings are kept under; "" when it has none to keep. */
const char *model_text_digest(const struct model *model);
void model_close(struct model *model); /* accepts NULL */

/* Has a file of the folder been replaced or written to since model_open began? Then what the model says is
 * not what its digests name: open it anew. */
bool model_changed(const struct model *model);

/* Borrowed until model_close. */
const struct model_identity *model_identity(const struct model *model);
const char *model_modality(const struct model *model); /* "CT" or "MR": what preprocess.modality takes */
void model_input_zyx(const struct model *model, int zyx[3]);
int model_dim(const struct model *model); /* length of every embedding */

enum { PREPROCESS_CHANNELS_MAX = 3, PREPROCESS_ROLES_MAX = 16 };

/* How a volume becomes the encoder's input. Borrowed. */
struct preprocess {
    char modality[3];
    int min_slices;          /* fewer positions: declined "too_few_slices" */
    double max_spacing_z_mm; /* coarser: declined "spacing_too_coarse"; 0 = no limit */
    double min_field_mm;     /* smaller side of an image below it: declined "field_too_small"; 0 = no limit */
    double min_length_mm;    /* slices over less: declined "stack_too_short"; 0 = no limit */
    bool gated;              /* others: declined "not_gated" */
    bool complete;           /* images are missing by what the others say: declined "incomplete_series" */
    bool refuse_lossy;       /* compressed with loss: declined "lossy_images" */
    const char *roles[PREPROCESS_ROLES_MAX]; /* others: declined "other_role"; see docs/volumes.md */
    int role_count;                          /* 0: all */
    bool has_hu_clip;
    double hu_clip[2];
    /* Of a volume: every channel is the same voxels, clipped to its window; hu_clip is that of the first.
     * 0: one channel. */
    int window_count;
    double windows[PREPROCESS_CHANNELS_MAX][2];
    enum { PREPROCESS_MINMAX, PREPROCESS_RANGE01, PREPROCESS_MEANSTD } norm;
    double mean[PREPROCESS_CHANNELS_MAX], std[PREPROCESS_CHANNELS_MAX]; /* of each channel */
    /* Of a 2D tower's slices: */
    int max_slices;
    double percentile[2]; /* what becomes black and white when there is no hu_clip */
    /* Of a volume: */
    double spacing_zyx_mm[3]; /* it is resampled to; 0: not given */
    enum {
        PREPROCESS_CROP_NONE,
        PREPROCESS_CROP_MASK,    /* organ-grounded: the box of the organs' masks */
        PREPROCESS_CROP_NONZERO, /* organ-grounded: of what is not 0 */
        PREPROCESS_CROP_HEART    /* a cube: the heart's box, heart.h */
    } crop;
    double crop_margin_mm; /* round the heart */
    /* Of an organ-grounded tower's volume: */
    int crop_margin_zyx[3];
    int pad_size_zyx[3];  /* at least; 0: none */
    bool pad_both;        /* on both sides; else at the end */
    double pad_value;     /* of normalised values */
    struct frames frames; /* of a space-time tower's examination */
};
const struct preprocess *model_preprocess(const struct model *model);

/* Bytes of its weights that lie on a shelf; 0: it has none, or was not finished. */
uint64_t model_packed_bytes(const struct model *model);
/* encoder_input_means */
json_t *model_input_means(const struct model *model, struct err *err);
uint64_t model_weights_bytes(const struct model *model); /* as they are held: float32 */
/* What the encoder takes. Borrowed. */
const struct vision_config *model_vision(const struct model *model);

/* The table of organs, without any for other families; whether a study must bring their masks; which of its
 * segments they are. Borrowed. */
const struct organ_config *model_organs(const struct model *model);
bool model_needs_mask(const struct model *model);
struct segments;
const struct segments *model_segments(const struct model *model);

/* Encode an input, already preprocessed: encoder_image without a tap. out: borrowed until the next call.
 * errors: those of encoder_image. */
bool model_encode(struct model *model, const struct encoder_input *input, struct encoder_output *ret,
                  struct err *err);

/* Embed one text to a unit vector. errors: ERR_INPUT (not UTF-8), ERR_NOMEM. */
bool model_embed_text(struct model *model, const char *text, float *embedding, struct err *err);

/* Token ids of a text as the text tower gets them, special tokens included. *ret_ids lives in arena. */
bool model_tokenize(struct model *model, const char *text, struct arena *arena, int **ret_ids, int *ret_count,
                    struct err *err);

/* Id NULL: the model has no domain. Borrowed. */
struct domain;
const struct domain *model_domain(const struct model *model);

/* Fill the result's embedding or organs, its domain and its findings, from what the encoder said. Outside the
 * model's domain every label is not assessed, reason RESULT_OUTSIDE. An untrained model
 * yields only FINDING_UNDETERMINED with reason "model_untrained". All lives in arena.
 * errors: ERR_INPUT "embedding_not_finite" (the domain's vector), ERR_NOMEM, ERR_BUG (it is no output of this
 * model's encoder). */
bool model_score(struct model *model, const struct encoder_output *output, struct arena *arena,
                 struct result *result, struct err *err);

/* The labels as not assessed, with the given reason: what a study gets that could not be encoded. */
bool model_not_assessed(struct model *model, const char *reason, struct arena *arena, struct finding **ret,
                        int *ret_count, struct err *err);

#endif
