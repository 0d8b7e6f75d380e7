/* The content tree of a report: TID 1500 and what hangs on it. Inside the report module only. */
#ifndef REPORT_REPORT_TREE_H
#define REPORT_REPORT_TREE_H

#include "report/report.h"

#define REPORT_PRODUCT "cardioscribe"

/* Codes used in more than one place. */
struct dicom_code report_code(const char *value, const char *scheme, const char *meaning);

/* What is shown of a label: never a decision of an untrained model or of a study that was not analysed. */
enum finding_state report_state(const struct result *result, const struct finding *finding);

/* errors: ERR_NOMEM. */
bool report_tree_build(const struct result *result, const struct report_facts *facts,
                       const struct report_codes *codes, const char *device_uid, struct dicom_sr_tree *tree,
                       struct err *err);

#endif
