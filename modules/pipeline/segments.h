/* Which segment of a segmentation object is which organ of the model: segments.json of the model folder. It
 * lies there because it shapes the answers as the configuration does, and is digested with it; a site changes
 * it to what its segmentation software writes.
 *
 *   {"codes": {"SCT:80891009": "heart", "SRT:T-32000": "heart"}, "labels": {"Heart": "heart"}}
 *
 * A segment is the organ that its Segmented Property Type Code names; when the table does not know the code,
 * the one its Segment Label names, in capitals or not, "_" as a blank.
 * source: docs/model-folder.md; DICOM PS3.3 C.8.20.4, PS3.16 CID 7150 and those it includes. */
#ifndef PIPELINE_SEGMENTS_H
#define PIPELINE_SEGMENTS_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/dicom_records.h"
#include "encoder/organ.h"

#define SEGMENTS_FILE "segments.json"

struct segments_entry {
    const char *key; /* "SCT:80891009", or a label */
    int organ;       /* number from 1; 0: none of this model */
};
struct segments {
    struct segments_entry *codes, *labels;
    int code_count, label_count;
};

/* in: path of a segments.json. out: texts live in the arena. errors: ERR_IO, ERR_NOMEM, ERR_INPUT (key
 * named). */
bool segments_read(const char *path, const struct organ_config *organs, struct arena *arena,
                   struct segments *ret, struct err *err);

/* Number of the organ from 1; 0 when the table does not know it. */
int segments_organ(const struct segments *segments, const struct dicom_segment *segment);

#endif
