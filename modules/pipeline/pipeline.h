/* The recipe: one study in, one result out.
 *
 * heads -> choice of series -> plan of the volume -> gate (slices, spacing) -> voxels in rescaled units ->
 * canonical orientation and the encoder's grid -> clip -> normalise -> encode -> score. docs/volumes.md and
 * docs/model-folder.md state each step. */
#ifndef PIPELINE_PIPELINE_H
#define PIPELINE_PIPELINE_H

#include "base/arena.h"
#include "base/err.h"
#include "findings/result.h"
#include "pipeline/chosen.h"
#include "pipeline/model.h"
#include "pipeline/preview.h"
#include "volume/volume.h"

/* Somebody who looks on; what they get is borrowed for the call, and false fails the run, err set. */
struct pipeline_watch {
    /* Before it is encoded; NULL: not wanted. */
    bool (*input)(void *to, const struct encoder_input *input, struct err *err);
    /* After everything, while the study's files are still open; NULL: not wanted. */
    bool (*seen)(void *to, const struct preview *seen, struct arena *arena, struct err *err);
    void *to;
};

/* What is looked at. Borrowed for the call. */
struct pipeline_study {
    const char *const *paths; /* of its files, in any order */
    int count;
    const struct study_rules *rules;    /* that tell its series apart */
    const char *series;                 /* of the images only this series', by number or UID; NULL: all */
    const struct pipeline_watch *watch; /* NULL: nobody */
    int turn, turn_wait_s; /* descriptor of the turn it is encoded in (base/turn.h), 0: at once; at most so
                              many seconds later */
};

/* Analyse one study.
 * in:      crew decodes frames, NULL: the caller alone. A file that is not DICOM or is damaged is skipped; a
 *          warning ("skipped: 2 of 120 files ...") counts them.
 * out:     *ret in arena, every field filled; a study that cannot be analysed is a result too: analysed
 *          false, reason and reason_text, every label not_assessed. Reasons made here: "no_dicom_files",
 *          "several_studies", "no_study_path"; the others come from source.h, chosen.h, exam.h, prepare.h,
 *          grey.h and grounded.h, or are "input" and "unsupported" (pixels that cannot be decoded).
 *          Several phases: the one nearest to 75 % of the RR interval when every frame says its percentage,
 *          else, and when percentages within a phase are more than 5 points apart, the first.
 * timing:  load_s reading heads, volume_s plan to input tensor, encode_s encode and score, without waiting
 *          for the turn.
 * errors:  ERR_IO (a file cannot be opened), ERR_NOMEM, ERR_BUG.
 * threads: one job at a time per model.
 * source:  75 %: mid-diastole, the phase with the least motion at resting heart rates, is what coronary CT
 *          is read at (SCCT guidelines for performance and acquisition, 2016). */
bool pipeline_run(struct model *model, const struct crew *crew, const struct pipeline_study *study,
                  struct arena *arena, struct result **ret, struct err *err);

/* Encode and score an input that is already preprocessed: the same record without series and instances.
 * errors: those of model_encode. */
bool pipeline_run_tensor(struct model *model, const struct encoder_input *input, struct arena *arena,
                         struct result **ret, struct err *err);

/* Some slices of one phase: voxels [depth][y][x], rescaled, padding untouched. */
struct pipeline_slab {
    int phase, first, depth;
    const float *voxels;
};

/* Gets a volume slab by slab, in order; borrowed for the call. False stops, err set. */
typedef bool (*pipeline_slabs)(void *to, const struct volume_geometry *geometry,
                               const struct pipeline_slab *slab, struct err *err);

/* The series study_choose takes for a look (no modality asked for) as it lies in space, before any
 * resampling to a grid of ours; PIPELINE_SLAB_BYTES of it are held, or a slice a seat if that is more.
 * out:    *ret, what was given and the plan of it, in arena; *ret_heads_read of the files were DICOM.
 * errors: ERR_INPUT with the reason when no series fits or the volume cannot be built; ERR_UNSUPPORTED,
 *         ERR_IO, ERR_NOMEM; those of `slabs`. */
enum { PIPELINE_SLAB_BYTES = 32 << 20 };
bool pipeline_volume(const struct crew *crew, const struct pipeline_study *study, struct arena *arena,
                     pipeline_slabs slabs, void *to, struct chosen *ret, int *ret_heads_read,
                     struct err *err);

#endif
