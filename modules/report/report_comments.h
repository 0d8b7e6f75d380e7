/* What the report says in sentences: whether it is an answer, what its scores are, why a label has none, what
 * was looked at and what was not. source: PS3.16 TID 1500, row 14; docs/report.md. */
#ifndef REPORT_REPORT_COMMENTS_H
#define REPORT_REPORT_COMMENTS_H

#include "report/report.h"

/* Add them to the container Qualitative Evaluations. What goes wrong shows in tree->out_of_memory. */
void report_comments(const struct result *result, const struct report_facts *facts,
                     struct dicom_sr_tree *tree, struct dicom_sr_item *container);

#endif
