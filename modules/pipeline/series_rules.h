/* The rules that tell series apart, read from a file that a site may change. The file that is built in is
 * conf/series.json; docs/volumes.md, section 2, says what its keys mean.
 *
 *   {"rules":  [{"role": "localizer", "when": {"image_type": "LOCALIZER"}, "take": false,
 *                "why": "Image Type says localizer"},
 *               {"role": "cta", "modality": "CT", "when": {"words": "cta|angio"}, "rank": 3000, "why":
 * "..."}], "prefer": [{"modality": "CT", "when": {"max_field_mm": 300}, "add": 200}]} */
#ifndef PIPELINE_SERIES_RULES_H
#define PIPELINE_SERIES_RULES_H

#include "base/arena.h"
#include "base/err.h"
#include "study/study_rules.h"

enum { SERIES_RULES_MAX_BYTES = 1 << 20 };

/* in: path of such a file; NULL: what is built in. out: *ret and all it names live in arena.
 * errors: ERR_IO, ERR_NOMEM, ERR_INPUT and ERR_UNSUPPORTED (file and key named: "rules[3].when.max_kv"). */
bool series_rules_read(const char *path, struct arena *arena, const struct study_rules **ret,
                       struct err *err);

/* The same of such a file's text. in: name: what messages call it. errors: as above but ERR_IO. */
bool series_rules_parse(const char *text, size_t size, const char *name, struct arena *arena,
                        const struct study_rules **ret, struct err *err);

#endif
