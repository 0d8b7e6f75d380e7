#include "daemon/outcome.h"

const struct outcome *outcome_of(enum err_code code)
{
    static const struct outcome outcomes[] = {
        [ERR_NONE] = {0x0000, "", "", LOG_INFO},
        [ERR_INPUT] = {0xC000, "Cannot parse", "unreadable", LOG_WARNING},
        [ERR_UNSUPPORTED] = {0xC000, "Cannot understand", "unreadable", LOG_WARNING},
        [ERR_FULL] = {0xA700, "Out of storage", "storage_full", LOG_ERROR},
        [ERR_BUSY] = {0xA700, "Busy", "database_busy", LOG_WARNING},
        [ERR_IO] = {0xA700, "Storage failure", "storage_failure", LOG_ERROR},
        [ERR_PEER] = {0x0110, "Association failure", "broken", LOG_WARNING},
        [ERR_CORRUPT] = {0xA700, "Database failure", "database_damaged", LOG_ERROR},
        [ERR_NOMEM] = {0xA700, "Busy", "no_memory", LOG_ERROR},
        [ERR_CANCELLED] = {0xA700, "Shutting down", "stopping", LOG_INFO},
        [ERR_BUG] = {0x0110, "Internal error", "other", LOG_ERROR},
    };
    return &outcomes[code];
}

enum outcome_delivery outcome_of_status(uint16_t status)
{
    switch (status) {
    case 0x0000:
    case 0x0111: /* duplicate SOP instance: it arrived in an earlier attempt */
    case 0xB000:
    case 0xB006:
    case 0xB007:
        return OUTCOME_STORED;
    case 0x0122:
        return OUTCOME_OTHER_CLASS;
    case 0x0117:
    case 0x0124:
        return OUTCOME_REFUSED;
    default:
        return (status & 0xFF00) == 0xA900 || (status & 0xF000) == 0xC000 ? OUTCOME_REFUSED
                                                                          : OUTCOME_TRY_LATER;
    }
}

int64_t outcome_backoff_ms(int attempt, int first_s, int max_s, double random)
{
    int64_t wait_ms = (int64_t)first_s * 1000;
    int64_t most_ms = (int64_t)max_s * 1000;
    for (; attempt > 0 && wait_ms < most_ms; attempt--)
        wait_ms *= 2;
    wait_ms = wait_ms < most_ms ? wait_ms : most_ms;
    return wait_ms / 2 + (int64_t)((double)wait_ms / 2 * random);
}
