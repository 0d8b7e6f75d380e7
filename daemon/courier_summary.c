#include "daemon/courier_summary.h"

#include "dicom/dicom_capture.h"
#include "pipeline/summary.h"

static bool draw_page(const char *from, const struct store_report *to, const char *incoming,
                      struct arena *arena, struct err *err)
{
    struct dicom_sr_document *document;
    struct summary_text *text = ARENA_NEW(arena, struct summary_text);
    struct dicom_capture capture = {.width = SUMMARY_WIDTH,
                                    .height = SUMMARY_HEIGHT,
                                    .sop_uid = to->sop_uid,
                                    .series_uid = to->series_uid};
    if (!text)
        return err_fail(err, ERR_NOMEM, "no memory for a summary page");
    if (!dicom_sr_read(from, arena, &document, err))
        return false;
    summary_write(document, text);
    return summary_draw(text, arena, &capture.pixels, err) &&
           dicom_capture_write(&capture, from, incoming, err);
}

const struct courier_copy courier_summary = {
    .sop_class = DICOM_SECONDARY_CAPTURE, .own_series = true, .write = draw_page};
