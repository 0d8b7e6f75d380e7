#include "daemon/courier_summary.h"

#include "base/clock.h"
#include "dicom/dicom_capture.h"
#include "pipeline/summary.h"

#include <limits.h>

/* Into `incoming`. */
static bool draw_page(const char *report, const char *sop_uid, const char *series_uid, const char *incoming,
                      struct arena *arena, struct err *err)
{
    struct dicom_sr_document *document;
    struct summary_text *text = ARENA_NEW(arena, struct summary_text);
    struct dicom_capture capture = {
        .width = SUMMARY_WIDTH, .height = SUMMARY_HEIGHT, .sop_uid = sop_uid, .series_uid = series_uid};
    if (!text)
        return err_fail(err, ERR_NOMEM, "no memory for a summary page");
    if (!dicom_sr_read(report, arena, &document, err))
        return false;
    summary_write(document, text);
    return summary_draw(text, arena, &capture.pixels, err) &&
           dicom_capture_write(&capture, report, incoming, err);
}

static bool make_page(struct service *service, int64_t result, const struct store_report *base,
                      struct arena *arena, struct store_report **ret, struct err *err)
{
    char from[PATH_MAX], incoming[PATH_MAX];
    struct store_report *page = ARENA_NEW(arena, struct store_report);
    char *uid = arena_alloc(arena, UID_SIZE, 1);
    char *series_uid = arena_alloc(arena, UID_SIZE, 1);
    char *relative = arena_alloc(arena, SPOOL_RELATIVE_SIZE, 1);
    char *sha256 = arena_alloc(arena, DIGEST_HEX_SIZE, 1);
    if (!page || !uid || !series_uid || !relative || !sha256)
        return err_fail(err, ERR_NOMEM, "no memory for a summary page");
    report_class_uid(base->sop_uid, DICOM_SECONDARY_CAPTURE, uid);
    report_class_uid(base->series_uid, DICOM_SECONDARY_CAPTURE, series_uid);
    *page = (struct store_report){DICOM_SECONDARY_CAPTURE, uid, series_uid, relative, sha256};
    spool_path(service->spool, base->path, from);
    spool_incoming(service->spool, incoming);
    spool_report_path(uid, relative);
    bool ok = draw_page(from, uid, series_uid, incoming, arena, err) &&
              digest_file(incoming, 0, sha256, err) &&
              spool_commit(service->spool, incoming, relative, err) &&
              store_add_report(service->store, result, page, clock_unix_ms(), err);
    spool_discard(incoming);
    *ret = page;
    return ok;
}

bool courier_summary_page(struct service *service, int64_t result, struct arena *arena,
                          struct store_report **ret, struct err *err)
{
    struct store_report *base;
    if (!store_find_report(service->store, result, DICOM_SECONDARY_CAPTURE, arena, ret, err))
        return false;
    if (*ret)
        return true;
    if (!store_find_report(service->store, result, "", arena, &base, err))
        return false;
    if (!base)
        return err_fail(err, ERR_CORRUPT, "the result has no report");
    return make_page(service, result, base, arena, ret, err);
}
