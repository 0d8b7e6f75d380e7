/* Write a structured report: a content tree and a header become a Part 10 file. DCMTK stays behind this
 * header. source: PS3.3 A.35 (SR IODs), C.17 (SR modules), C.7.6.16 is not used; PS3.16 for the templates
 * named above each call in modules/report. */
#ifndef DICOM_SR_H
#define DICOM_SR_H

#include "base/arena.h"
#include "base/err.h"
#include "base/uid.h"

#include <stdbool.h>
#include <stdint.h>

/* The classes we write, the most wanted first. source: PS3.6 A-1. */
#define DICOM_SR_COMPREHENSIVE_3D "1.2.840.10008.5.1.4.1.1.88.34"
#define DICOM_SR_COMPREHENSIVE    "1.2.840.10008.5.1.4.1.1.88.33"
#define DICOM_SR_ENHANCED         "1.2.840.10008.5.1.4.1.1.88.22"

/* A coded entry: value at most 16 characters, scheme 16, meaning 64. Borrowed. */
struct dicom_code {
    const char *value, *scheme, *meaning;
};

/* How an item hangs on its parent. source: PS3.3 C.17.3.2.4. */
enum dicom_sr_relation {
    DICOM_SR_ROOT,
    DICOM_SR_CONTAINS,
    DICOM_SR_HAS_OBS_CONTEXT,
    DICOM_SR_HAS_ACQ_CONTEXT,
    DICOM_SR_HAS_CONCEPT_MOD,
    DICOM_SR_HAS_PROPERTIES,
    DICOM_SR_INFERRED_FROM
};

enum dicom_sr_value {
    DICOM_SR_CONTAINER, /* template_id, or NULL; continuity SEPARATE */
    DICOM_SR_CODE,      /* code */
    DICOM_SR_TEXT,      /* text */
    DICOM_SR_NUM,       /* number, unit */
    DICOM_SR_UIDREF,    /* text */
    DICOM_SR_IMAGE      /* sop_class, sop_uid, frame */
};

/* One content item. Which members count depends on `value`. Everything is borrowed until the write. */
struct dicom_sr_item {
    enum dicom_sr_relation relation;
    enum dicom_sr_value value;
    struct dicom_code name; /* concept name; an IMAGE may have none: value NULL */
    struct dicom_code code;
    const char *text;
    double number; /* written as decimal string of 10 digits and as 64-bit floating point value */
    struct dicom_code unit;
    const char *sop_class, *sop_uid;
    int frame;               /* from 1; 0 for the whole object */
    const char *template_id; /* of mapping resource DCMR */
    struct dicom_sr_item *first_child, *last_child, *next;
};

/* A tree under construction. Items come from the arena; when memory runs out the tree remembers it and the
 * write refuses, so that a builder need not check every line. */
struct dicom_sr_tree {
    struct arena *arena;
    struct dicom_sr_item *root;
    bool out_of_memory;
    struct dicom_sr_item spare; /* takes what has no memory */
};

/* Start a tree with its root container. */
void dicom_sr_tree_init(struct dicom_sr_tree *tree, struct arena *arena, struct dicom_code title,
                        const char *template_id);

/* Append a child to `parent`. Never NULL. */
struct dicom_sr_item *dicom_sr_add(struct dicom_sr_tree *tree, struct dicom_sr_item *parent,
                                   enum dicom_sr_relation relation, enum dicom_sr_value value,
                                   struct dicom_code name);

/* An object and where it lives. */
struct dicom_sr_reference {
    char study_uid[UID_SIZE], series_uid[UID_SIZE], sop_class[UID_SIZE], sop_uid[UID_SIZE];
};

/* The patient, study and request of an object, in UTF-8, ready to be put into a report of the same study. */
struct dicom_sr_source;

/* Read them from one object of the study.
 *   Text is converted to UTF-8 from whatever character set the object states; where that fails every byte
 * that is not ASCII becomes '?'. Values that are illegal where a report must be legal (a date that is none, a
 * sex that is none of M, F, O) are left empty, optional ones left out; identifiers (patient, accession,
 * study) stay as they are. What was changed is in the notes. owns:   caller closes. errors: ERR_INPUT (not
 * DICOM, no Study Instance UID), ERR_IO, ERR_NOMEM. threads: any. */
struct dicom_sr_source *dicom_sr_source_open(const char *path, struct err *err);
void dicom_sr_source_close(struct dicom_sr_source *source); /* accepts NULL */

/* Borrowed until close. Notes: "" or "Study Date is not a date: left empty; ..."; never a patient's value. */
const char *dicom_sr_source_study_uid(const struct dicom_sr_source *source);
const char *dicom_sr_source_notes(const struct dicom_sr_source *source);

/* What a report says of itself. Text is UTF-8, borrowed; NULL or "" means absent where marked optional. */
struct dicom_sr_header {
    const struct dicom_sr_source *source;
    const char *sop_class, *sop_uid, *series_uid;
    int series_number, instance_number;
    const char *series_description;     /* at most 64 characters */
    bool complete;                      /* COMPLETE, else PARTIAL */
    const char *completion_description; /* optional; at most 64 characters */
    int64_t content_unix_ms;            /* Content Date and Time: when the analysis started */
    int timezone_minutes; /* of the times we write, unless the source states an offset of its own */
    const struct dicom_sr_reference *current_evidence; /* every object analysed or referenced */
    int current_count;
    const struct dicom_sr_reference *other_evidence; /* objects of other requests */
    int other_count;
    const struct dicom_sr_reference *predecessor;             /* optional */
    const char *manufacturer, *model_name, *software_version; /* the service */
    const char *serial_number, *station_name;                 /* optional */
    const char *device_uid; /* of what observed: service and algorithm as one */
    struct {
        const char *manufacturer, *model_name, *version, *description; /* optional each */
        struct dicom_code purpose; /* value NULL: no contributing equipment */
    } algorithm;
    struct {
        const char *designator, *uid, *name, *organization;
    } private_scheme; /* designator NULL: none */
};

/* Write the report to `path`: Explicit VR Little Endian, ISO_IR 192, Preliminary, Unverified. The bytes
 * depend on the arguments and the source's bytes only: no clock, no fresh UID. in:     header.sop_class is
 * one of the three above; each relation in the tree is checked against that class's table (PS3.3 A.35) by
 * DCMTK, and the finished data set is read back by DCMTK before it is written. errors: ERR_BUG (a relation
 * the class forbids, a value that does not fit its item), ERR_IO, ERR_FULL, ERR_NOMEM. The file is not made
 * durable: commit it with base/file.h. threads: any. */
bool dicom_sr_write(const struct dicom_sr_header *header, const struct dicom_sr_tree *tree, const char *path,
                    struct err *err);

/* The SOP Instance UID that a document has in another class, for ever the same. */
typedef void (*dicom_sr_class_uid)(const char *sop_uid, const char *sop_class, char uid[UID_SIZE]);

/* The same document in another class, under that class's SOP Instance UID; its predecessors are named as they
 * are in that class, and nothing else changes. The three classes above share every relation our tree uses.
 * in: from and to are different paths. errors: ERR_IO. */
bool dicom_sr_reclass(const char *from, const char *sop_class, dicom_sr_class_uid class_uid, const char *to,
                      struct err *err);

/* A report as text for a person, one item a line. owns: the caller frees. NULL on failure.
 * errors: ERR_INPUT (not a report DCMTK can read), ERR_IO, ERR_NOMEM. */
char *dicom_sr_text(const char *path, struct err *err);

#endif
