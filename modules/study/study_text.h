/* Words in DICOM text, as ASCII whatever their case and whatever lies between. Private to modules/study. */
#ifndef STUDY_TEXT_H
#define STUDY_TEXT_H

#include <stdbool.h>

/* in: alternatives joined by "|", in lower case. Does `text` contain one? */
bool study_text_mentions(const char *text, const char *alternatives);

/* Is value number `index` (from 1; 0: any) of a backslash-joined list one of them? */
bool study_text_has(const char *list, int index, const char *alternatives);

#endif
