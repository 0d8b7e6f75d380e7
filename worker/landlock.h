/* Which files this process may open: Landlock, where the kernel has it.
 * source: https://docs.kernel.org/userspace-api/landlock.html; the versions are those of its ABI. */
#ifndef WORKER_LANDLOCK_H
#define WORKER_LANDLOCK_H

#include "base/err.h"

/* From here on this thread, and those it starts, may open for reading what lies in `roots` (files, or folders
 * with all they hold, each also through symbolic links that lie directly in a root) and nothing else; they
 * may write, create, rename or remove nothing, and reach no process outside by signal or TCP where the kernel
 * knows how to say so. Descriptors already open stay usable. A root that does not exist is skipped: there is
 * nothing to open. out:     *ret_abi, the kernel's Landlock version; 0 when it has none, and then nothing is
 * restricted. threads: call while there is but one. errors:  ERR_IO when the kernel has Landlock and will not
 * do it. */
bool landlock_enter(const char *const *roots, int count, int *ret_abi, struct err *err);

#endif
