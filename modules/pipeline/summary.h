/* A report as one page to look at: what it concludes, its comments, its findings, every label's answer. Made
 * from the report's file, so it can say nothing else. No patient is named on it.
 * source: docs/report.md for the tree it is read from. */
#ifndef PIPELINE_SUMMARY_H
#define PIPELINE_SUMMARY_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/dicom_sr_read.h"

#include <stdint.h>

/* Letters are 10 x 18 pixels. */
enum { SUMMARY_COLUMNS = 80, SUMMARY_LINES = 56, SUMMARY_WIDTH = 1000, SUMMARY_HEIGHT = 1408 };

struct summary_text {
    char lines[SUMMARY_LINES][SUMMARY_COLUMNS * 4 + 1]; /* UTF-8 */
    int count;
    int left_out; /* lines that had no place: the last line says so */
};

/* The words of the page, each line at most SUMMARY_COLUMNS characters. */
void summary_write(const struct dicom_sr_document *document, struct summary_text *ret);

/* out: *ret: [SUMMARY_HEIGHT][SUMMARY_WIDTH], 0 black, in the arena. errors: ERR_NOMEM. */
bool summary_draw(const struct summary_text *text, struct arena *arena, const uint8_t **ret, struct err *err);

#endif
