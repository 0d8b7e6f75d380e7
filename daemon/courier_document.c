#include "daemon/courier_document.h"

#include <limits.h>

bool courier_document_read(struct service *service, int64_t result, struct arena *arena,
                           struct courier_document *ret, struct err *err)
{
    struct store_report *row;
    struct dicom_sr_document *report;
    const char *text;
    char path[PATH_MAX];
    *ret = (struct courier_document){0};
    if (!store_find_report(service->store, result, "", arena, &row, err) ||
        !store_result_json(service->store, result, arena, &text, err))
        return false;
    if (!row || !text)
        return err_fail(err, ERR_CORRUPT, "the result has no report");
    spool_path(service->spool, row->path, path);
    if (!dicom_sr_read(path, arena, &report, err))
        return false;
    ret->report = report;
    ret->result = json_loads(text, 0, NULL);
    return ret->result != NULL || err_fail(err, ERR_CORRUPT, "the stored result is no JSON");
}

void courier_document_done(struct courier_document *document)
{
    json_decref(document->result);
}
