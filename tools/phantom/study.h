/* A study on its way to disk: who the patient is to DICOM, series after series,
 * file after file.
 *
 * Every UID, number and time follows from what was asked for, so that the same
 * request gives the same bytes. source: DICOM PS3.3 C.7 (patient, study,
 * series, equipment, frame of reference, image plane, image pixel).
 */
#ifndef PHANTOM_STUDY_H
#define PHANTOM_STUDY_H

#include "part10.h"
#include "patient.h"
#include "scene.h"

#include "base/uid.h"

enum { STUDY_SERIES_MAX = 48, STUDY_ROLE_SIZE = 24 };

/* How far the beat has gone in the CT pictures: three quarters through it. */
#define STUDY_CT_CONTRACTION 0.12
/* Late enhancement is taken at rest, late in diastole. */
#define STUDY_LATE_CONTRACTION 0.26

/* Who built the scanner. */
struct study_maker {
    const char *manufacturer, *model, *software, *station;
};

struct study {
    const struct patient *patient;
    const struct study_maker *maker;
    const char *folder, *patient_id, *accession;
    const char *description;
    char date[9];
    char root[512]; /* every UID is derived from it */
    char study_uid[UID_SIZE], frame_uid[UID_SIZE];
    struct vec at; /* added to every position: where the scanner's origin lies */
    bool lean;     /* of the same images only those that the demonstration models' input is made of */
    int files;
    long long bytes;
    struct study_series {
        char uid[UID_SIZE], role[STUDY_ROLE_SIZE]; /* role: as in conf/series.json, or a CMR view */
        int number, files;
    } series[STUDY_SERIES_MAX];
    int series_count;
};

/* What the files of a series have in common. */
struct study_header {
    const char *modality, *sop_class, *image_type, *description, *protocol;
    const char *role;
    int number;
};

/* Start a series; it lives as long as the study. NULL: more than
 * STUDY_SERIES_MAX. */
struct study_series *study_begin(struct study *study, const struct study_header *header);

/* A data set with patient, study, series, equipment and SOP common filled in;
 * `seconds`: since the study began. NULL when memory is out. sop_uid is
 * written. */
struct part10 *study_object(const struct study *study, const struct study_header *header,
                            const struct study_series *series, int instance, double seconds,
                            char sop_uid[UID_SIZE]);

struct study_pixels {
    const uint16_t *words; /* [rows][columns] */
    int rows, columns;
    bool is_signed;
    int bits;    /* stored, 12 or 16 */
    bool padded; /* padding says what is no measurement */
    int padding; /* as a number, also when is_signed */
    double window_centre, window_width;
};

/* Image Plane: position with study->at, orientation, spacing, thickness. */
void study_add_plane(const struct study *study, struct part10 *file, const struct plane *plane);
void study_add_pixels(struct part10 *file, const struct study_pixels *pixels);

/* Save as one more file of the series and free. errors: ERR_IO, ERR_FULL,
 * ERR_NOMEM. */
bool study_take(struct study *study, const struct study_header *header, struct study_series *series,
                struct part10 *file, const char *sop_uid, struct err *err);

/* Write the study's series into study->folder. errors: as study_take. */
bool ct_study_write(struct study *study, struct err *err);
bool mr_study_write(struct study *study, struct err *err);
/* The scanner that takes this patient; the study's description is set too. */
void ct_study_plan(struct study *study);
void mr_study_plan(struct study *study);

#endif
