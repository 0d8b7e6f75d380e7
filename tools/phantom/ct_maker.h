/* How the makers of CT scanners name and write what is the same scan.
 * source: descriptions and kernels as listed in docs/volumes.md and
 * conf/series.json; public conformance statements for image types, signedness
 * and padding. */
#ifndef PHANTOM_CT_MAKER_H
#define PHANTOM_CT_MAKER_H

#include "study.h"

enum ct_role { CT_LOCALIZER, CT_CALCIUM, CT_BOLUS, CT_CTA, CT_WIDE, CT_ROLES };

struct ct_maker {
    struct study_maker maker;
    const char *study_description;
    struct {
        const char *description, *protocol, *image_type, *kernel, *scan_options;
        double thickness_mm, spacing_mm;
    } scans[CT_ROLES];
    bool is_signed, padded;
    int bits, padding; /* padding: a stored value */
    int intercept;
};

extern const struct ct_maker ct_makers[];
extern const int ct_maker_count;

#endif
