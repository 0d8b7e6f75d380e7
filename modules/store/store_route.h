/* What routing asks of the index: a study as its senders sent it, its originals, and what was given up.
 * threads and errors: as store.h. */
#ifndef STORE_STORE_ROUTE_H
#define STORE_STORE_ROUTE_H

#include "store/store.h"

/* A series as one calling AE sent it, our own reports apart; at most 1000 of them. */
struct store_sent_series {
    const char *modality, *description, *peer_ae; /* arena, as all here */
    const char *path;                             /* of its first object */
};
struct store_sent_study {
    const char *description;
    int revision;
    struct store_sent_series *series;
    int series_count;
};
/* *found false when there is no such study. */
bool store_sent_study(struct store *store, int64_t study, struct arena *arena, bool *found,
                      struct store_sent_study *ret, struct err *err);

/* An object of the study that is not ours, in its newest form. */
struct store_original {
    int64_t id;
    const char *path;
    char sop_class[UID_SIZE], transfer_syntax[UID_SIZE];
    int64_t size_bytes;
};
/* The next of them behind `after`, in the order in which they came, at most STORE_ORIGINALS. */
enum { STORE_ORIGINALS = 256 };
bool store_originals(struct store *store, int64_t study, int64_t after, struct arena *arena,
                     struct store_original **ret, int *ret_count, struct err *err);
/* Each pair of class and transfer syntax among all of them behind `after`, with id and path of one; at most
 * `max`, *ret_count may be more. */
bool store_original_kinds(struct store *store, int64_t study, int64_t after, struct arena *arena, int max,
                          struct store_original **ret, int *ret_count, struct err *err);

/* The last original of a study that a destination has, 0 for none: in whichever revision it was sent. */
bool store_sent_upto(struct store *store, int64_t study, const char *destination, int64_t *ret,
                     struct err *err);
bool store_set_sent_upto(struct store *store, int64_t delivery, int64_t upto, struct err *err);

/* The first parked delivery of a destination behind `after`; *ret 0 when there is none. */
bool store_next_parked(struct store *store, const char *destination, int64_t after, int64_t *ret,
                       struct err *err);

#endif
