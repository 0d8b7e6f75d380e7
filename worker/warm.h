/* What libraries would fetch from disk or ask of the kernel at first use, fetched while they can. */
#ifndef WORKER_WARM_H
#define WORKER_WARM_H

#include "base/err.h"

/* Data dictionary, codecs, every character set DICOM names, digests, time zone, seed of hash tables.
 * errors: those of dicom_library_init. */
bool warm_libraries(struct err *err);

/* How many threads there will be; asked 0: one per core this process may use, and no more than fit into half
 * of RLIMIT_DATA. errors: 0, with ERR_INPUT when the limit leaves no room for as many as asked for. */
int warm_count(int asked, struct err *err);

/* Start the matrix library's threads. */
void warm_threads(int count);

#endif
