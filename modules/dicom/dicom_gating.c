#include "dicom/dicom_gating.h"

#include <stddef.h>
#include <string.h>

static const double longest_ms = 3000, beat_slack = 1.25; /* source: docs/volumes.md */

static bool has_gate_option(const char *options)
{
    static const char *const words[] = {"CG", "PPG", "ECG", "CARD"};
    for (const char *at = options; *at; at += strcspn(at, "\\") + (at[strcspn(at, "\\")] != 0)) {
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            if (!strncmp(at, words[i], strlen(words[i])))
                return true;
        }
    }
    return false;
}

bool dicom_gated(const struct dicom_head *head)
{
    if (!strcmp(head->cardiac_sync, "NONE"))
        return false;
    return *head->cardiac_sync || head->heart_rate > 0 || head->interval_ms > 0 || head->cardiac_images > 1 ||
           has_gate_option(head->scan_options);
}

double dicom_beat_ms(const struct dicom_head *head)
{
    if (head->interval_ms > 200 && head->interval_ms < longest_ms)
        return beat_slack * head->interval_ms;
    if (head->heart_rate > 20 && head->heart_rate < 300)
        return beat_slack * 60000 / head->heart_rate;
    return longest_ms;
}

bool dicom_trigger_counts(const struct dicom_head *head, const struct dicom_frame *at)
{
    return at->has_trigger && (at->is_delay || (dicom_gated(head) && at->trigger_ms >= 0 &&
                                                at->trigger_ms <= dicom_beat_ms(head)));
}
