/* What is kept for how long: which finished study gives up its objects next, and the files that were given
 * up. Nothing that waits to be analysed or delivered is ever given up here. Each step is a short transaction.
 * threads, errors: as store.h. */
#ifndef STORE_STORE_KEEP_H
#define STORE_STORE_KEEP_H

#include "store/store.h"

/* Unix milliseconds; INT64_MIN for none. */
struct store_keep_rule {
    int64_t finished_before_ms;  /* any finished study that no object came of since */
    int64_t delivered_before_ms; /* one that was delivered, and of which nothing left since either */
};

struct store_keep {
    int64_t study; /* 0: none is due */
    int64_t last_object_ms;
};

/* The finished study (delivered, declined, withdrawn, or analysed and sent nowhere; no job, no delivery
 * waiting or parked) that has files and has been quiet longest. held: see store.h. */
bool store_keep_next(struct store *store, const struct store_keep_rule *rule, store_study_held held,
                     void *context, struct store_keep *ret, struct err *err);

/* Give up at most `max` of its objects, if it still is as it was found. *ret_more: there are more. The rows
 * stay, so that an object that comes again is known. why: for the event of the last step. */
bool store_keep_drop(struct store *store, const struct store_keep *keep, const char *why, int max,
                     int64_t now_ms, bool *ret_more, int *ret_count, struct err *err);

/* Called under the store's lock with a file that was given up; it is to be out of the way afterwards, or
 * never was there. False leaves it for another time. May not call the store. */
typedef bool (*store_remove)(void *context, const char *path);
/* *ret_count: files done with, at most max; 0 when none is left or none could be removed. */
bool store_keep_remove(struct store *store, store_remove take, void *context, int max, int *ret_count,
                       struct err *err);

/* A file of this path is about to be put in place again: it is not removed any more. */
bool store_keep_spare(struct store *store, const char *path, struct err *err);

/* What the objects that are here take. */
bool store_keep_used(struct store *store, int64_t *ret_bytes, struct err *err);

#endif
