/* Errors as small values the caller owns: no allocation while failing.
 *
 * Functions that can fail return bool or a pointer and take `struct err *` as their last parameter. It is
 * written on failure only and is never NULL. The code says what the caller should do; the text says what
 * happened; the reason, when set, is a stable word that is stored, shown and counted ("too_few_slices"). */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

enum err_code {
    ERR_NONE,
    ERR_INPUT,       /* bytes or values from outside are wrong; the same input will fail again */
    ERR_UNSUPPORTED, /* well formed, but not something we handle */
    ERR_FULL,        /* disk, quota or table is full; may pass */
    ERR_BUSY,        /* try again later */
    ERR_IO,          /* the operating system said no */
    ERR_PEER,        /* the other end of a connection failed or refused */
    ERR_CORRUPT,     /* our own stored data is damaged */
    ERR_NOMEM,
    ERR_CANCELLED,
    ERR_BUG
};

struct err {
    enum err_code code;
    char reason[40];
    char text[280];
};

#define ERR_INIT                                                                                             \
    {                                                                                                        \
        ERR_NONE, "", ""                                                                                     \
    }

/* Record a failure. Always returns false, so that `return err_fail(...)` reads as a sentence. */
bool err_fail(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Record ERR_INPUT with a stable reason word ([a-z0-9_], at most 39 characters). Always returns false. */
bool err_decline(struct err *err, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Record a failed system call: appends strerror(errno). ENOSPC and EDQUOT become ERR_FULL, ENOMEM ERR_NOMEM,
 * everything else ERR_IO. Always returns false. */
bool err_errno(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "what: " in front of the text, keeping code and reason. Always returns false. */
bool err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "input", "unsupported", ...: borrowed, static. */
const char *err_code_name(enum err_code code);

#endif
