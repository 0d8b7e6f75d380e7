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

/* One question of many classes, of which at most one is present? */
bool report_is_one_question(const struct result *result);

/* What the scores of a result with a model are. None is a probability, and two kinds never share a name. */
struct report_score {
    const char *name; /* model_identity.score */
    struct dicom_code concept;
    const char *sentence;
};
const struct report_score *report_score(const struct result *result);

#endif
