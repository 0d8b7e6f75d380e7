/* The files of a study, opened as far as needed: heads now, pixels when a slice asks. Part of the pipeline.
 */
#ifndef PIPELINE_SOURCE_H
#define PIPELINE_SOURCE_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/dicom_pixels.h"
#include "dicom/dicom_records.h"
#include "volume/volume.h"

struct source_file {
    const struct dicom_head *head;
    const char *path; /* borrowed from the caller of source_read */
};

/* All zero at the start; source_done closes what is open. Lists live in the arena. */
struct source {
    struct source_file *files;       /* in order of the heads' addresses */
    const struct dicom_head **heads; /* in the order of the paths */
    int count, skipped, given;
    struct dicom_pixels *pixels; /* of the object read last */
    const struct dicom_head *pixels_of;
};

/* Read every head; files that are not DICOM or are damaged are skipped and counted.
 * errors: ERR_IO (a file cannot be opened), ERR_NOMEM. */
bool source_read(struct source *source, const char *const *paths, int count, struct arena *arena,
                 struct err *err);

/* A volume_read_frame whose reader is a struct source. errors: those of dicom_pixels.h. */
bool source_frame(void *source, const struct volume_slice *slice, int32_t *stored, struct err *err);

void source_done(struct source *source);

#endif
