/* Take weights from a file by canonical name, each shape checked.
 * source: docs/model-folder.md, canonical names; weights_alias_*.c, published names that are taken as they
 * are.
 */
#ifndef ENCODER_WEIGHTS_H
#define ENCODER_WEIGHTS_H

#include "base/arena.h"
#include "base/crew.h"
#include "encoder/encoder_config.h"
#include "encoder/input_means.h"
#include "tensor/linear.h"
#include "tensor/safetensors.h"

struct weights_alias;

/* Which tensors of a file have been taken. What is not float32, not aligned or split over several tensors is
 * converted into the arena, what a linear layer needs is packed into it or onto the shelf, and their pages of
 * the file are given back; everything else stays where it is mapped. So there is never more than one copy of
 * the weights in memory, and one tensor. Of what lies on a full shelf only name and shape are looked at: who
 * filled it has read the values of the same file. */
struct weights {
    const struct safetensors *file;
    const struct weights_alias *alias; /* of the family */
    struct arena *arena;
    bool *taken;                 /* [safetensors_count] */
    uint64_t values;             /* of all that were taken */
    struct faults *faults;       /* NULL: the first failure stops */
    int faults_before;           /* of other parts of the folder */
    const struct crew *crew;     /* who packs, and computes later; may be NULL */
    enum precision precision;    /* of a block's linear layers */
    const json_t *input_means;   /* what they are corrected by; NULL: they are not */
    struct input_means *watched; /* who watches them; NULL: nobody */
    struct shelf *shelf;         /* may be NULL */
    /* Of the tensor that is being packed: */
    bool packing;
    bool packed;                 /* it lies on the shelf, its values are not needed */
    const struct tensor *mapped; /* where it lies in the file as it is needed, or NULL */
    float *scratch;              /* [scratch_count] */
    size_t scratch_count;
    struct weights_blank *blanks;
};

/* in: family, faults and shelf of sections. With faults, a tensor that does not fit is told there and zeros
 * stand in for it until weights_done: what is bound is then good for nothing but more checks. errors:
 * ERR_NOMEM. */
bool weights_init(struct weights *weights, const struct encoder_sections *sections,
                  const struct safetensors *file, const struct crew *crew, struct arena *arena,
                  struct err *err);
void weights_done(struct weights *weights); /* accepts a zeroed one */

/* A tensor of exactly the given shape (axes of length 1 may be there or not).
 * in:  name may hold "{i}", which stands for `layer`; axes ends with 0.
 * out: *ret borrowed from file or arena.
 * errors: ERR_INPUT (missing; another shape, both named; a value not finite), ERR_UNSUPPORTED (type),
 * ERR_NOMEM. */
bool weights_take(struct weights *weights, const char *name, int layer, const int *axes, const float **ret,
                  struct err *err);
/* The same with two numbers, for "{i}" and "{j}". */
bool weights_take_at(struct weights *weights, const char *name, int i, int j, const int *axes,
                     const float **ret, struct err *err);
/* A linear layer: its matrix packed into the arena or on the shelf, its bias as weights_take takes it. in:
 * axes [n, ...] of the matrix, whose other axes make up k; bias_name NULL: there is none. errors: also
 * ERR_BUG (the shelf holds other layers). */
bool weights_take_linear(struct weights *weights, const char *name, const char *bias_name, int layer,
                         const int *axes, struct linear *ret, struct err *err);
/* The same of a transformer block, in weights->precision and corrected, its bias then packed beside it; all
 * others are fp32. errors: also those of input_means_read. */
bool weights_take_block_linear(struct weights *weights, const char *name, const char *bias_name, int layer,
                               const int *axes, struct linear *ret, struct err *err);
/* Is there a tensor of that name, canonical or published? What is optional asks first. */
bool weights_have(const struct weights *weights, const char *name, int i, int j);

#define WEIGHTS_AXES(...) ((const int[]){__VA_ARGS__, 0})

/* Every tensor was taken, or is one the published checkpoints carry and nobody needs. errors: ERR_INPUT. */
bool weights_check_all_taken(const struct weights *weights, struct err *err);

#endif
