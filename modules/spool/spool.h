/* The state folder: incoming/ for what is being received, objects/ for what was acknowledged, reports/ for
 * what we made. A file moves by rename after fsync, so it is whole or not there. Paths inside are relative to
 * the folder ("objects/ab/....dcm") and that is what the index keeps. threads: any. */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include "base/err.h"

#include <limits.h>
#include <stdint.h>

struct spool;

enum { SPOOL_RELATIVE_SIZE = 128 };

/* Open the folder, create what is missing, and take its lock: one process at a time.
 * owns: caller closes. errors: ERR_IO, ERR_FULL, ERR_BUSY (another process has it). */
struct spool *spool_open(const char *folder, struct err *err);
void spool_close(struct spool *spool); /* accepts NULL */

/* Delete what a former process left half received. *ret_count: files. errors: ERR_IO. */
bool spool_sweep(struct spool *spool, int *ret_count, struct err *err);

/* Absolute path of a relative one. */
void spool_path(const struct spool *spool, const char *relative, char path[PATH_MAX]);

/* A new name in incoming/, absolute. */
void spool_incoming(struct spool *spool, char path[PATH_MAX]);

/* Where an object lives, from its key (a digest in hexadecimal, at least 2 characters). */
void spool_object_path(const char *key, char relative[SPOOL_RELATIVE_SIZE]);
/* Named by the UID's digest: a path may end up in a log line, a UID may not. */
void spool_report_path(const char *sop_uid, char relative[SPOOL_RELATIVE_SIZE]);

/* Make a finished incoming file durable at its place. errors: ERR_FULL, ERR_IO. The incoming file is left. */
bool spool_commit(struct spool *spool, const char *incoming, const char *relative, struct err *err);

/* Take a file out of its place at once, to a name in incoming/ that is given back, absolute, or "" when it
 * was not there. What is large is then removed without anybody waiting. errors: ERR_IO. */
bool spool_set_aside(struct spool *spool, const char *relative, char aside[PATH_MAX], struct err *err);

/* Remove a file; absence is no error. */
void spool_discard(const char *path);

/* Can files be made in each room? A probe for readiness; leaves nothing. errors: ERR_FULL, ERR_IO. */
bool spool_probe(const struct spool *spool, struct err *err);

/* Bytes free for us on the file system. errors: ERR_IO. */
bool spool_free_bytes(const struct spool *spool, uint64_t *ret, struct err *err);

/* Calls back with the relative path of every file in objects/, then reports/. Stops when it returns false.
 * errors: ERR_IO, or what the callback set. */
typedef bool (*spool_visit)(void *context, const char *relative, struct err *err);
bool spool_walk(struct spool *spool, spool_visit visit, void *context, struct err *err);

#endif
