/* An encoder's input out of a .safetensors file, and into one. Part of the job. */
#ifndef PIPELINE_JOB_TENSOR_H
#define PIPELINE_JOB_TENSOR_H

#include "base/arena.h"
#include "base/err.h"
#include "pipeline/model.h"

/* in:  the file has an F32 tensor "input" without batch axis, already preprocessed:
 *        a tower of volumes      [C,z,y,x], and [z,y,x] when C is 1
 *        a tower of pictures     [C,y,x] or [S,C,y,x] (S slices)
 *        a space-time tower      [F,C,y,x]
 *      leading axes of length 1 may be added; and, for organ-grounded families, a U8 tensor "mask" [z,y,x].
 *      Sizes are only bounded here; whether the encoder takes them, encoder_image says.
 * out: values and mask live in arena.
 * errors: ERR_INPUT "bad_input_tensor" (absent, another type or shape, both named), those of
 * safetensors_open. */
bool job_tensor_read(const struct model *model, const char *path, struct arena *arena,
                     struct encoder_input *ret, struct err *err);

/* Such a file, of an input made from a study, to a descriptor. errors: ERR_IO, ERR_FULL. */
bool job_tensor_write(const struct model *model, const struct encoder_input *input, int fd, struct err *err);

#endif
