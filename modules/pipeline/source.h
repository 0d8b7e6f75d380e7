/* The files of a study, opened as far as needed: heads now, pixels when a slice asks. Part of the pipeline.
 */
#ifndef PIPELINE_SOURCE_H
#define PIPELINE_SOURCE_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/dicom_pixels.h"
#include "dicom/dicom_records.h"
#include "study/study_rules.h"
#include "volume/volume.h"

struct source_file {
    const struct dicom_head *head;
    const char *path; /* borrowed from the caller of source_read */
};

/* The object a seat read last. */
struct source_open {
    struct dicom_pixels *pixels;
    const struct dicom_head *of;
};

/* All zero but crew and rules at the start; source_done closes what is open. Lists live in the arena. */
struct source {
    struct source_file *files;       /* in order of the heads' addresses */
    const struct dicom_head **heads; /* in the order of the paths */
    int count, skipped, given;
    const struct crew *crew;         /* who decodes, set by the caller; NULL: its own thread */
    const struct study_rules *rules; /* that tell its series apart, set by the caller */
    struct source_open *opened;      /* one a seat */
};

/* Read every head; files that are not DICOM or are damaged are skipped and counted.
 * errors: ERR_IO (a file cannot be opened), ERR_NOMEM. */
bool source_read(struct source *source, const char *const *paths, int count, struct arena *arena,
                 struct err *err);

/* Keep of the images those of one series, by its number or UID; objects that are no images stay.
 * errors: ERR_INPUT "no_such_series". */
bool source_keep_series(struct source *source, const char *series, struct err *err);

/* Reads the frames of its objects; after source_read, until source_done. errors: those of dicom_pixels.h. */
struct volume_reader source_reader(struct source *source);

void source_done(struct source *source);

#endif
