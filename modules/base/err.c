#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static void set_text(struct err *err, enum err_code code,
                                                           const char *fmt, va_list ap)
{
    err->code = code;
    err->reason[0] = '\0';
    vsnprintf(err->text, sizeof err->text, fmt, ap);
}

bool err_fail(struct err *err, enum err_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_text(err, code, fmt, ap);
    va_end(ap);
    return false;
}

bool err_decline(struct err *err, const char *reason, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_text(err, ERR_INPUT, fmt, ap);
    va_end(ap);
    snprintf(err->reason, sizeof err->reason, "%s", reason);
    return false;
}

static enum err_code code_of_errno(int number)
{
    if (number == ENOSPC || number == EDQUOT)
        return ERR_FULL;
    return number == ENOMEM ? ERR_NOMEM : ERR_IO;
}

bool err_errno(struct err *err, const char *fmt, ...)
{
    int number = errno;
    va_list ap;
    va_start(ap, fmt);
    set_text(err, code_of_errno(number), fmt, ap);
    va_end(ap);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(number));
    return false;
}

bool err_prefix(struct err *err, const char *fmt, ...)
{
    char tail[sizeof err->text];
    memcpy(tail, err->text, sizeof tail);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", tail);
    return false;
}

const char *err_code_name(enum err_code code)
{
    static const char *const names[] = {"none", "input",   "unsupported", "full",      "busy", "io",
                                        "peer", "corrupt", "no_memory",   "cancelled", "bug"};
    return (unsigned)code < sizeof names / sizeof *names ? names[code] : "unknown";
}
