/* One line an event, key=value, on stderr: "2026-11-21T10:15:30.123Z info event=study_quiet study=184".
 * The room that decides logs, once. No patient name, identifier, accession number or UID above debug: our row
 * numbers are the handle. threads: any. */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

void log_set_level(const char *name);

/* fmt gives further pairs: "study=%lld objects=%d". Text values are quoted with log_text. */
void log_event(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A value in double quotes on one line, other bytes than printable ASCII replaced. Valid until the thread's
 * fourth call from here. */
const char *log_text(const char *text);

#endif
