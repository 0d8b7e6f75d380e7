/* Taking objects or a whole study back: what follows from them here goes, what was done stays told.
 * threads, errors: as store.h. */
#ifndef STORE_STORE_WITHDRAW_H
#define STORE_STORE_WITHDRAW_H

#include "store/store.h"

/* Who takes what back. */
struct store_withdrawal {
    const char *study_uid;
    const char *patient_id; /* the study must have it; NULL: any will do */
    const char *via;        /* "rejection_note", "purged": the study's reason too */
    const char *code, *reason;
    const char *who, *address, *said_by; /* AE title or digest of a token; as they call themselves */
    const char *note_uid;
    char (*sop_uids)[UID_SIZE]; /* with count 0: every object of the study that is here */
    int count;
};

enum store_withdrawn {
    STORE_WITHDREW_STUDY,   /* whole: no image to analyse is left of it */
    STORE_WITHDREW_OBJECTS, /* some; when they were images a new revision answers without them */
    STORE_WITHDREW_AHEAD,   /* none of them is here yet: remembered for when they come */
    STORE_WITHDREW_BEFORE,  /* nothing new: all had been withdrawn */
    STORE_WITHDREW_NOTHING, /* there is no such study, and no object is named */
    STORE_WITHDREW_CONFLICT /* the study is there with another Patient ID: nothing done */
};

struct store_withdraw {
    enum store_withdrawn outcome;
    int64_t study; /* 0 when it never came */
    int objects;   /* that were here */
    int delivered; /* deliveries that had left before, and cannot be taken back */
    bool reopened;
};

/* Of a whole study: its objects' files and reports are given up (store_keep.h), results, embeddings and
 * findings are wiped, jobs end, nothing more is delivered; the state is `withdrawn`. Rows of study, objects,
 * deliveries and events stay, and one of the withdrawal. A named object that comes (again) is
 * STORE_WITHDRAWN; any other one opens a new revision. */
bool store_withdraw(struct store *store, const struct store_withdrawal *withdrawal, int64_t now_ms,
                    struct store_withdraw *ret, struct err *err);

#endif
