/* The worker's protocol: one JSON object a line in, one a line out, and the model kept between jobs.
 *
 *   {"job":"model","model":DIR}                 identity and sizes, without a study
 *       -> model {name, ...}, modality, products (tensor/tile.h), needs_mask, crops_to_heart, input_zyx, dim,
 * domain (null, or of, id, limit), text_digest (text_cache.h), blank: a result with every label not assessed
 *   {"job":"study","model":DIR,"files":[...]}   -> result (report/result_json.h)
 *   {"job":"tensor","model":DIR,"file":PATH}    a .safetensors with "input", already preprocessed, and
 *                                               perhaps "mask" (shapes: job_tensor.h)
 *       -> result
 *   {"job":"text","model":DIR,"texts":[...]}    -> model, embeddings [{text, embedding}]
 *   {"job":"tokenize","model":DIR,"text":TEXT}  -> ids
 *   {"job":"check","path":PATH}                 a model folder or one .safetensors
 *       -> kind "model" with model, modality, input_zyx, dim, domain;
 *          or kind "safetensors" with tensors, bytes, sha256
 *   {"job":"volume","files":[...],"fd":N}       writes NIfTI to the inherited descriptor N
 *       -> series (as in a result), zyx, phases, spacing_zyx_mm, warnings, files, skipped
 *   {"job":"pixels","file":PATH,"frame":N,"fd":N}  writes stored values (pixels.h) to the inherited
 *                                               descriptor; frame from 1, all without it
 *       -> frames, rows, columns, bits_allocated, bits_stored, signed, decode_s
 *
 * "study" may hold "input_fd":N: the encoder's input is written to the inherited descriptor N as a
 * .safetensors (job_tensor.h); or "picture_fd":N: a PNG of what the encoder saw is (preview.h). A study that
 * is not analysed is an error with its reason then.
 * "study" and "volume" may hold "rules": the text of a file of series rules (series_rules.h; without it, what
 * is built in), and "series": the number or UID of the only series whose images are looked at.
 * "study" may hold "turn_fd":N, the inherited descriptor of a turn (base/turn.h) that it is encoded in,
 * and "turn_wait_s", how long it may wait for it.
 * A job with a model may hold "text_cache": DIR, a folder where text embeddings are kept between workers. The
 * answer to "model" has "text_vectors" when some had to be computed, for the daemon to keep (text_cache.h).
 * It may also hold "precision": "fp32" (without it), "bf16" or "int8", for which the model folder must vouch
 * (model_precision.h) unless "unvouched" is true.
 * Then "watch_inputs": true gathers what layers in fewer bits are corrected by, for the job
 *   {"job":"input_means"}   to  "input_means" {...} (encoder/input_means.h), of the model that is open
 * and "input_means": {...} corrects them by it.
 * It may hold "packed_fd":N, a sealed shelf (base/shelf.h) of its packed weights on the inherited descriptor
 * N, or "pack_fd":N, one that they are to be packed onto. Its answer then has "packed_bytes", how many lie
 * there: 0 when the sealed one is of other files than the folder has now, so that they were packed anew, or
 * when the other one could not be finished.
 * Any job may hold "stats": true; its answer then has "stats" (job_stats.h).
 *
 * An answer has "ok": true and the members above, or "ok": false and "error" {code, reason, text} in the
 * words of base/err.h. A job names files by path; the worker opens them itself. */
#ifndef PIPELINE_JOB_H
#define PIPELINE_JOB_H

#include "base/crew.h"
#include "base/err.h"

#include <jansson.h>

struct job_bench;

/* The place jobs are done at: it holds the model of the last job. owns: caller closes. NULL: no memory.
 * in: crew decodes frames, packs weights and encodes; borrowed as long as the bench; NULL: the caller alone.
 * threads: one at a time. */
struct job_bench *job_bench_open(const struct crew *crew);
void job_bench_close(struct job_bench *bench); /* accepts NULL */

/* Do one job. in: one line, not trusted. owns: the caller drops the reference. NULL only when there is not
 * even memory for the answer. A folder is opened once and kept until another is named, or the same to be
 * opened otherwise, or one of its files changes; one that changes while a study is analysed fails that job
 * ("model_changed"). */
json_t *job_answer(struct job_bench *bench, const char *line);

/* What a job asks for ("study"), to tell before doing it; "" when the line is no job. word: 16 bytes. */
void job_kind(const char *line, char word[16]);

#endif
