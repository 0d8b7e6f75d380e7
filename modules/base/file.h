/* Files as a whole: read bounded, write durably, folders. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/err.h"

#include <sys/stat.h>

#include <stddef.h>

/* The whole file, with a NUL behind it. owns: caller frees. errors: ERR_IO, ERR_INPUT when larger than
 * max_bytes or no regular file, ERR_NOMEM. ret_size may be NULL. */
char *file_read(const char *path, size_t max_bytes, size_t *ret_size, struct err *err);

/* Create the folder and its parents (mode 0750); one that is there stays as it is. errors: ERR_IO, ERR_FULL,
 * ERR_INPUT when the path is too long. */
bool file_make_folder(const char *path, struct err *err);

/* All of it to an open descriptor, from where it stands. errors: ERR_IO, ERR_FULL. */
bool file_write(int fd, const void *bytes, size_t size, struct err *err);

/* fsync an existing file, or a folder so that a rename in it is durable. errors: as above. */
bool file_sync(const char *path, struct err *err);
bool file_sync_folder_of(const char *path, struct err *err);

/* fsync `from`, rename it to `to`, fsync the folder of `to`: afterwards `to` survives a power cut. */
bool file_commit(const char *from, const char *to, struct err *err);

/* Do two looks see the same file, unwritten between them? By device, inode, size and both times. */
bool file_same(const struct stat *one, const struct stat *other);

#endif
