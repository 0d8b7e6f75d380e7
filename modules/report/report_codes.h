/* What a label is called in a report: coded finding and finding site, from a data file.
 * file:   {"labels": [{"id", "text", "state": "D"|"C"|"V", "code": {value, scheme, meaning} or null,
 *         "site": the same or null}], "organs": [{"id", "code", "side": "left"|"right" or
 *         none}]}; conf/codes.json is the one shipped,
 * docs/report.md says where each code was confirmed. source: PS3.16, context groups named in the file. */
#ifndef REPORT_REPORT_CODES_H
#define REPORT_REPORT_CODES_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/dicom_sr.h"

#define REPORT_PRIVATE_SCHEME "99CARDIOSCRIBE"

struct report_codes;

struct report_label {
    struct dicom_code finding;
    struct dicom_code site; /* value NULL: none */
    struct dicom_code side; /* of the site; value NULL: none */
};

/* owns: arena. errors: ERR_INPUT (names label and key), ERR_IO, ERR_NOMEM. */
bool report_codes_load(const char *path, struct arena *arena, struct report_codes **ret, struct err *err);

/* The codes of a label. One in state V, or not in the table, is (ID in capitals, 99CARDIOSCRIBE, text): at
 * most 16 characters, a longer id ends in four digits of its digest so that two never meet. in: codes may be
 * NULL (every label is private); text may be NULL. owns: arena. errors: ERR_NOMEM. */
bool report_codes_label(const struct report_codes *codes, const char *id, const char *text,
                        struct arena *arena, struct report_label *ret, struct err *err);

/* Make an organ the label's site, with its side; one that is not in the table is private as a label is. */
bool report_codes_organ(const struct report_codes *codes, const char *id, const char *text,
                        struct arena *arena, struct report_label *label, struct err *err);

#endif
