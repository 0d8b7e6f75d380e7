#include "study/study_parts.h"

#include <stdlib.h>
#include <string.h>

static int by_part(const void *left, const void *right)
{
    const struct dicom_head *a = *(const struct dicom_head *const *)left;
    const struct dicom_head *b = *(const struct dicom_head *const *)right;
    int order = strcmp(a->concatenation_uid, b->concatenation_uid);
    return order ? order
                 : (a->concatenation_part > b->concatenation_part) -
                       (a->concatenation_part < b->concatenation_part);
}

/* Parts of one concatenation in order. Returns the first number that is missing, 0 when none is. */
static int first_missing(const struct dicom_head *const *parts, int count)
{
    int next = 1, total = 0;
    for (int i = 0; i < count; i++) {
        if (parts[i]->concatenation_part > next)
            return next;
        if (parts[i]->concatenation_part == next)
            next++;
        if (parts[i]->concatenation_parts > total)
            total = parts[i]->concatenation_parts;
    }
    return next <= total ? next : 0;
}

bool study_parts_check(const struct dicom_head *const *heads, int count, struct arena *arena, struct err *err)
{
    const struct dicom_head **parts = ARENA_ARRAY(arena, const struct dicom_head *, (size_t)count + 1);
    int part_count = 0;
    if (!parts)
        return err_fail(err, ERR_NOMEM, "out of memory for %d objects", count);
    for (int i = 0; i < count; i++) {
        if (*heads[i]->concatenation_uid)
            parts[part_count++] = heads[i];
    }
    qsort(parts, (size_t)part_count, sizeof *parts, by_part);
    for (int i = 0, run; i < part_count; i += run) {
        for (run = 1; i + run < part_count; run++) {
            if (strcmp(parts[i]->concatenation_uid, parts[i + run]->concatenation_uid) != 0)
                break;
        }
        int missing = first_missing(parts + i, run);
        if (missing)
            return err_decline(err, "incomplete_concatenation", "part %d of a concatenation is missing",
                               missing);
    }
    return true;
}
