/* When a study that is being received counts as complete: what the peers that sent it are configured to wait
 * for, and whether that is over. Pure. threads: any. See docs/completeness.md. */
#ifndef DAEMON_COMPLETENESS_H
#define DAEMON_COMPLETENESS_H

#include "daemon/config.h"
#include "store/store.h"
#include "study/study_expected.h"

/* What a study waits for: of several peers the longest of their times, the largest of their numbers and the
 * series of all. A peer that is not configured any more counts as one without keys of its own. */
struct completeness {
    int64_t series_quiet_ms, study_quiet_ms, force_ms;
    struct study_expected expected;
};

/* The names of the peers that sent a study, and what its objects say of its size; that counts when one of the
 * peers is trusted with it. */
struct completeness_source {
    const char *const *peers;
    int peer_count, stated_series, stated_objects;
};

/* What is expected lives in the arena. errors: ERR_NOMEM. */
bool completeness_of(const struct config *config, const struct completeness_source *source,
                     struct arena *arena, struct completeness *ret, struct err *err);

/* Whether a study begins whatever has come: it was forced, or waited the longest time. */
bool completeness_overdue(const struct completeness *completeness, const struct store_receiving *study,
                          int64_t now_ms);

/* Whether a study may begin, if all that is expected of it has come. A time that lies in the future (the
 * clock was set back) counts as run out. */
bool completeness_ripe(const struct completeness *completeness, const struct store_receiving *study,
                       int64_t now_ms);

/* Why a ripe study begins, static: "forced", "rules_met" (everything expected has come), "quiet" (nothing was
 * expected), "force_timer"; NULL: it waits for what has not come. */
const char *completeness_cause(const struct completeness *completeness, const struct store_receiving *study,
                               bool all_came, int64_t now_ms);

#endif
