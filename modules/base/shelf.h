/* Memory of many processes that one of them fills: pieces in a fixed order, laid once and then only read.
 *
 * The owner makes a file in memory (shelf_make) and hands it to one process it trusts. That one lays piece
 * after piece (shelf_fill, shelf_next) and says when it is done (shelf_finish). Only when it has ended, for
 * it can still write, does the owner seal the file (shelf_seal): from then on nobody can change, cut or grow
 * it. The descriptor that this gives is good for reading only; any process may have it, and takes the pieces
 * in the same order (shelf_take, shelf_next). What was not finished, whoever died over it, is no shelf to a
 * reader.
 *
 * The key is the caller's: whatever the pieces depend on, as a digest. A shelf of another key is not taken.
 * source: memfd_create(2), fcntl(2) on file seals. */
#ifndef BASE_SHELF_H
#define BASE_SHELF_H

#include "base/digest.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct shelf;

/* Room for pieces: only what is written to takes memory, and no machine has more. */
#define SHELF_MOST_BYTES ((uint64_t)1 << 38)

/* ---- the owner; any thread ---- */

/* A new file, close-on-exec. owns: the caller closes, or gives it to shelf_seal. -1 with err set: ERR_IO,
 * ERR_NOMEM. */
int shelf_make(struct err *err);

/* End the writing. in: fd of shelf_make, always closed; nobody has it mapped any more (waits a second for a
 * process that is just going). out: a descriptor for reading, close-on-exec, which the caller closes;
 * *ret_bytes: of memory it holds. -1 with err set: ERR_INPUT (it was not finished), ERR_IO. */
int shelf_seal(int fd, uint64_t *ret_bytes, struct err *err);

/* ---- who fills it, and who takes from it; one thread at a time ---- */

/* fd is not kept. owns: the caller closes with shelf_close. NULL: it is not what shelf_make made, or cannot
 * be mapped. */
struct shelf *shelf_fill(int fd, const char key[DIGEST_HEX_SIZE]);
/* NULL: it is not a whole shelf of that key, or cannot be mapped. */
struct shelf *shelf_take(int fd, const char key[DIGEST_HEX_SIZE]);

/* Whether pieces are there to be read; else they are to be laid. NULL: false. */
bool shelf_is_full(const struct shelf *shelf);

/* The next piece, aligned to 64 bytes, borrowed until shelf_close; of a full one for reading only. NULL:
 * there is no room for so much, or it does not have so much. */
void *shelf_next(struct shelf *shelf, size_t bytes);

/* That was all of it. errors: ERR_BUG when a full one holds more. */
bool shelf_finish(struct shelf *shelf, struct err *err);

/* Of memory, all pieces together with what says so; 0 before it is finished. NULL: 0. */
uint64_t shelf_bytes(const struct shelf *shelf);

void shelf_close(struct shelf *shelf); /* accepts NULL */

#endif
