#include "daemon/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static const char *const level_names[] = {"debug", "info", "warning", "error"};
static atomic_int least = LOG_INFO;

void log_set_level(const char *name)
{
    for (int i = 0; i < 4; i++)
        if (strcmp(name, level_names[i]) == 0)
            least = i;
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
    if ((int)level < least)
        return;
    char when[CLOCK_ISO_SIZE], line[1024];
    clock_iso(clock_unix_ms(), when);
    int used = snprintf(line, sizeof line, "%s %s event=%s ", when, level_names[level], event);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line + used, sizeof line - (size_t)used, fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s\n", line);
}

const char *log_text(const char *text)
{
    static _Thread_local char buffers[4][400];
    static _Thread_local unsigned next;
    char *buffer = buffers[next++ % 4];
    size_t at = 0;
    buffer[at++] = '"';
    for (; *text && at < sizeof buffers[0] - 2; text++)
        buffer[at++] = *text < ' ' || *text > '~' || *text == '"' ? '?' : *text;
    buffer[at++] = '"';
    buffer[at] = '\0';
    return buffer;
}
