/* Words in DICOM text, as ASCII whatever their case and whatever lies between. Private to modules/study.
 *
 * A blank within a word stands for anything that is no letter or digit, or for nothing: "ca score" is in
 * "Ca_Score", "CaScore" and "ca-score". A blank before or after it: a word of the text begins or ends there,
 * so that " scar " is none in "Oscar", " loc" is in "LOC_SAX" and "psmde " in "PSMDE-2". Words of the text
 * are runs of letters or of digits; a capital after a small letter begins a new one (" pc " is in
 * "FastPC_V150"). A letter that is not ASCII is a letter next to which none begins, and a blank within stands
 * for it too. */
#ifndef STUDY_TEXT_H
#define STUDY_TEXT_H

#include <stdbool.h>

/* in: alternatives joined by "|", in lower case, none of them blank. Does `text` contain one? */
bool study_text_mentions(const char *text, const char *alternatives);

/* Is value number `index` (from 1; 0: any) of a backslash-joined list one of them, whole? */
bool study_text_has(const char *list, int index, const char *alternatives);

#endif
