/* What descriptions say: the plane and the reconstruction of cardiac MR; gating, contrast, kernel. */
#ifndef STUDY_STUDY_WORDS_H
#define STUDY_STUDY_WORDS_H

#include "dicom/dicom_records.h"

enum study_plane {
    STUDY_PLANE_NONE, /* another plane, or undecided */
    STUDY_PLANE_SA,
    STUDY_PLANE_LAX, /* through the long axis, which one is undecided */
    STUDY_PLANE_2CH,
    STUDY_PLANE_3CH,
    STUDY_PLANE_4CH
};

enum {
    STUDY_WORDS_NONE = 1 << STUDY_PLANE_NONE,
    STUDY_WORDS_SA = 1 << STUDY_PLANE_SA,
    STUDY_WORDS_LAX = 1 << STUDY_PLANE_LAX,
    STUDY_WORDS_CHAMBERS = 1 << STUDY_PLANE_2CH | 1 << STUDY_PLANE_3CH | 1 << STUDY_PLANE_4CH
};

/* The planes a text names, as bits 1 << plane; STUDY_WORDS_NONE: another one (axial, of the right ventricle).
 * Words as study_text.h has them: "SA" is none in "SAG", "2CH" is one in "cine_2ch_12". English, German and
 * French. source: docs/volumes.md, section "Views". */
unsigned study_words_planes(const char *text);

/* How sure it is that an inversion recovery was reconstructed with its sign: 2 the image type says so (of the
 * object, or of an enhanced frame), 1 only the description does, 0 it is the magnitude, or nothing is said.
 */
int study_words_phase_sensitive(const struct dicom_head *head, const char *image_type);

/* Does a description say gated or ECG, and not "non gated", "ungated", "w/o ECG"? */
bool study_words_gated(const char *description);

/* Is this the name of a contrast agent, rather than empty, "none", "NO CONTRAST", "nativ"? */
bool study_words_agent(const char *agent);

/* 36 of Siemens' "Br36d\3", "B35f", "I70f": a letter or two, the number, a letter; NAN of all others, whose
 * numbers mean something else (Canon's FC51). */
double study_words_kernel_number(const char *kernel);

#endif
