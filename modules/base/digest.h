/* SHA-256, as lower-case hexadecimal. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_HEX_SIZE = 65 };

struct digest;

/* A running digest: digest_new, digest_update..., digest_finish (which frees it). NULL when memory is out. */
struct digest *digest_new(void);
void digest_update(struct digest *digest, const void *bytes, size_t size);
void digest_finish(struct digest *digest, char hex[DIGEST_HEX_SIZE]);
void digest_free(struct digest *digest); /* drops an unfinished one; accepts NULL */

void digest_bytes(const void *bytes, size_t size, char hex[DIGEST_HEX_SIZE]);

/* HMAC-SHA256 of bytes under a key. source: RFC 2104. */
void digest_hmac(const void *key, size_t key_size, const void *bytes, size_t size, char hex[DIGEST_HEX_SIZE]);

/* Digest of a file from byte `offset` to its end. errors: ERR_IO. */
bool digest_file(const char *path, uint64_t offset, char hex[DIGEST_HEX_SIZE], struct err *err);

#endif
