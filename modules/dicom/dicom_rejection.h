/* Read a rejection note: a Key Object Selection document that says which objects must not be used any more.
 * source: DICOM PS3.16 CID 7011 (titles), PS3.3 C.17.6.2 (evidence); IHE RAD TF-2 4.66 (Imaging Object Change
 * Management). */
#ifndef DICOM_REJECTION_H
#define DICOM_REJECTION_H

#include "base/arena.h"
#include "base/err.h"
#include "base/uid.h"

/* Key Object Selection Document Storage. */
bool dicom_is_key_objects(const char *sop_class);

/* The objects of one study that a note names. */
struct dicom_rejected_study {
    char study_uid[UID_SIZE];
    char (*sop_uids)[UID_SIZE];
    int count; /* at least 1 */
};

struct dicom_rejection {
    const char *code, *meaning;           /* of the title; static */
    struct dicom_rejected_study *studies; /* in the order named; a study may stand there twice */
    int study_count;                      /* at least 1 */
};

/* in:     a Key Object Selection document's file.
 * out:    *ret lives in the arena; NULL for a document with another title than those that reject: quality
 *         (113001), patient safety (113037), incorrect worklist entry (113038). A retention policy that
 * expired elsewhere (113039) says nothing against the objects and rejects nothing here. errors: ERR_INPUT
 * (damaged; a rejecting title and no object named, or an illegal UID), ERR_IO, ERR_NOMEM. threads: any. */
bool dicom_rejection_read(const char *path, struct arena *arena, const struct dicom_rejection **ret,
                          struct err *err);

#endif
