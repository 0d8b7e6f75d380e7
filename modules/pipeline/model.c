#include "pipeline/model.h"

#include "base/file.h"
#include "base/shelf.h"
#include "findings/domain.h"
#include "pipeline/model_config.h"
#include "pipeline/model_precision.h"
#include "pipeline/questions.h"
#include "pipeline/segments.h"
#include "pipeline/text_cache.h"
#include "tensor/gemm.h"
#include "tensor/ops.h"
#include "tensor/section.h"
#include "tensor/tile.h"
#include "text/prompts.h"
#include "text/tokenizer.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Not every model has all. */
static const char *const file_names[] = {"config.json",  SAFETENSORS_NAME,    SAFETENSORS_INDEX_NAME,
                                         "vocab.txt",    "vocab.json",        "merges.txt",
                                         "prompts.json", TEXT_CACHE_SHIPPED,  SEGMENTS_FILE,
                                         DOMAIN_FILE,    MODEL_PRECISION_FILE};
enum { FILE_COUNT = sizeof file_names / sizeof *file_names };

struct model {
    char folder[PATH_MAX];
    const struct model_options *options; /* while it opens */
    struct stat files[FILE_COUNT];       /* before any was read; zeroed: not there */
    struct arena *arena;                 /* prompts and their embeddings */
    struct faults *faults;               /* of model_check; else NULL */
    struct model_config config;
    struct encoder_config setup; /* its sections vision and text */
    json_t *input_means;         /* that its folder vouches with */
    struct safetensors *weights;
    struct shelf *shelf; /* where the encoder's packed weights lie; NULL: in its own memory */
    struct encoder *encoder;
    struct tokenizer *tokenizer; /* NULL without a text tower */
    struct prompts prompts;
    struct text_cache *texts;
    char text_digest[DIGEST_HEX_SIZE]; /* "": nothing to keep */
    struct organ_config organs;        /* none: the model answers for the whole study */
    struct questions questions;
    struct segments segments; /* empty without a segments.json */
};

static bool path_in(const char *folder, const char *name, char path[PATH_MAX], struct err *err)
{
    return snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX ||
           err_fail(err, ERR_INPUT, "path of the model folder is too long");
}

static bool stamp(const char *folder, struct stat files[FILE_COUNT], struct err *err)
{
    char path[PATH_MAX];
    for (int i = 0; i < FILE_COUNT; i++) {
        if (!path_in(folder, file_names[i], path, err))
            return false;
        if (stat(path, &files[i]) == 0)
            continue;
        if (errno != ENOENT)
            return err_errno(err, "%s", file_names[i]);
        files[i] = (struct stat){0};
    }
    return true;
}

bool model_changed(const struct model *model)
{
    struct stat now[FILE_COUNT];
    struct err err = ERR_INIT;
    if (!stamp(model->folder, now, &err) || safetensors_changed(model->weights))
        return true;
    bool exact = strcmp(model->config.identity.precision, precision_name(PRECISION_FP32)) == 0;
    for (int i = 0; i < FILE_COUNT; i++)
        if (!file_same(&model->files[i], &now[i]) &&
            !(exact && strcmp(file_names[i], MODEL_PRECISION_FILE) == 0))
            return true;
    return false;
}

static bool has_file(const struct model *model, const char *name)
{
    for (int i = 0; i < FILE_COUNT; i++)
        if (strcmp(file_names[i], name) == 0)
            return model->files[i].st_nlink > 0;
    return false;
}

/* One digest over what shapes an answer beside weights and prompts. */
static bool digest_setup(const struct model *model, char hex[DIGEST_HEX_SIZE], struct err *err)
{
    static const char *const names[] = {"config.json", "vocab.txt",         "vocab.json",
                                        "merges.txt",  TEXT_CACHE_SHIPPED,  SEGMENTS_FILE,
                                        DOMAIN_FILE,   MODEL_PRECISION_FILE};
    char path[PATH_MAX], parts[8 * DIGEST_HEX_SIZE] = "";
    size_t at = 0;
    bool exact = model->options->precision == PRECISION_FP32;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!has_file(model, names[i]) || (exact && strcmp(names[i], MODEL_PRECISION_FILE) == 0))
            continue;
        if (!path_in(model->folder, names[i], path, err) || !digest_file(path, 0, parts + at, err))
            return false;
        at += DIGEST_HEX_SIZE - 1;
    }
    digest_bytes(parts, at, hex);
    return true;
}

static bool load_organs(struct model *model, struct err *err)
{
    const json_t *organs = model->config.sections.organ;
    return !organs || organ_config_read(organs, model->arena, &model->organs, err) ||
           err_prefix(err, "config.json");
}

static bool load_config(struct model *model, struct err *err)
{
    char path[PATH_MAX];
    if (!path_in(model->folder, "config.json", path, err) || !model_config_read(path, &model->config, err) ||
        !digest_setup(model, model->config.identity.config_sha256, err))
        return false;
    model->config.sections.faults = model->faults;
    model->config.sections.precision = model->options->precision;
    model->config.identity.precision = precision_name(model->options->precision);
    return encoder_config_read(&model->config.sections, &model->setup, err) && load_organs(model, err);
}

static bool vouched(struct model *model, struct err *err)
{
    char path[PATH_MAX];
    const struct model_options *options = model->options;
    return options->precision == PRECISION_FP32 || options->unvouched ||
           (path_in(model->folder, MODEL_PRECISION_FILE, path, err) &&
            model_precision_check(path, options->precision, model->config.identity.weights_sha256,
                                  &model->input_means, err));
}

/* Everything that packed weights and their order depend on. */
static void open_shelf(struct model *model)
{
    char parts[2 * DIGEST_HEX_SIZE + 160], key[DIGEST_HEX_SIZE];
    const struct model_identity *identity = &model->config.identity;
    const struct model_options *options = model->options;
    enum precision precision = model->config.sections.precision;
    snprintf(parts, sizeof parts, "%s %s %.40s %s %.40s %.40s", identity->weights_sha256,
             identity->config_sha256, CARDIOSCRIBE_VERSION, precision_name(precision),
             tile_products(PRECISION_FP32), tile_products(precision));
    digest_bytes(parts, strlen(parts), key);
    if (options->pack_fd > 0)
        model->shelf = shelf_fill(options->pack_fd, key);
    else if (options->packed_fd > 0)
        model->shelf = shelf_take(options->packed_fd, key);
    model->config.sections.shelf = model->shelf;
}

static bool load_weights(struct model *model, struct err *err)
{
    model->weights = safetensors_open_folder(model->folder, err);
    if (!model->weights)
        return false;
    safetensors_digest(model->weights, model->config.identity.weights_sha256);
    if (!vouched(model, err))
        return false;
    open_shelf(model);
    model->config.sections.input_means =
        model->options->unvouched ? model->options->input_means : model->input_means;
    model->config.sections.watch_inputs = model->options->watch_inputs;
    model->encoder = encoder_open(&model->config.sections, model->weights, model->options->crew, err);
    if (!model->encoder)
        return err->code == ERR_NONE; /* all is among the faults */
    struct score_config *score = &model->config.score;
    if (score->scale_mode == SCORE_INV_TEMP)
        return score_resolve_scale(score, encoder_has_temp(model->encoder), encoder_temp(model->encoder),
                                   err);
    return score_resolve_scale(score, encoder_has_logit_scale(model->encoder),
                               encoder_logit_scale(model->encoder), err);
}

static bool load_vocab(struct model *model, struct err *err)
{
    const struct text_config *text = &model->setup.text;
    if (!model->setup.has_text)
        return true;
    model->tokenizer = tokenizer_open(model->folder, text->do_lower_case, text->vocab, err);
    return model->tokenizer != NULL;
}

static bool load_prompts(struct model *model, struct err *err)
{
    char path[PATH_MAX], *bytes;
    size_t size;
    if (!path_in(model->folder, "prompts.json", path, err))
        return false;
    if (model->config.stock && !has_file(model, "prompts.json")) {
        digest_bytes("", 0, model->config.identity.prompts_sha256);
        return true; /* it embeds and asks nothing */
    }
    json_t *root = section_file(path, &bytes, &size, err);
    if (!root)
        return false;
    digest_bytes(bytes, size, model->config.identity.prompts_sha256);
    free(bytes);
    bool ok = prompts_read(root, model->arena, &model->prompts, model->faults, err) ||
              err_prefix(err, "prompts.json");
    json_decref(root);
    return ok;
}

/* Everything that a text's vector depends on, the machine's arithmetic included. */
static void digest_texts(struct model *model)
{
    char parts[4 * DIGEST_HEX_SIZE + 200];
    const struct model_identity *identity = &model->config.identity;
    snprintf(parts, sizeof parts, "%s %s %s %s %d %.160s", identity->prompts_sha256, identity->weights_sha256,
             identity->config_sha256, CARDIOSCRIBE_VERSION, gemm_threads(), gemm_runtime());
    digest_bytes(parts, strlen(parts), model->text_digest);
}

static bool open_texts(struct model *model, struct err *err)
{
    char path[PATH_MAX];
    model->texts = text_cache_new(model_dim(model));
    if (!model->texts)
        return err_fail(err, ERR_NOMEM, "no memory for text embeddings");
    if (has_file(model, TEXT_CACHE_SHIPPED) && (!path_in(model->folder, TEXT_CACHE_SHIPPED, path, err) ||
                                                !text_cache_open_shipped(model->texts, path, err)))
        return err_prefix(err, TEXT_CACHE_SHIPPED);
    if (!model->tokenizer || model->prompts.count == 0)
        return true;
    digest_texts(model);
    text_cache_open_kept(model->texts, model->options->text_folder, model->text_digest);
    return true;
}

/* The vector of a prompt, borrowed from the cache. */
static const float *text_vector(struct model *model, const char *text, struct err *err)
{
    const float *found = text_cache_find(model->texts, text);
    if (found)
        return found;
    float *made = malloc((size_t)model_dim(model) * sizeof *made);
    bool ok = made ? model_embed_text(model, text, made, err) && text_cache_add(model->texts, text, made, err)
                   : err_fail(err, ERR_NOMEM, "no memory for text embeddings");
    free(made);
    return ok ? text_cache_find(model->texts, text) : NULL;
}

static const float *shipped_of(void *of, const char *name)
{
    return text_cache_shipped(((struct model *)of)->texts, name);
}

static const float *text_of(void *of, const char *text, struct err *err)
{
    return text_vector(of, text, err);
}

static bool is_shipped(void *of, const char *name)
{
    return shipped_of(of, name) != NULL;
}

static bool check_questions(struct model *model, struct err *err)
{
    model->questions = (struct questions){.prompts = &model->prompts,
                                          .score = &model->config.score,
                                          .organs = &model->organs,
                                          .trained = model->config.identity.trained,
                                          .dim = model_dim(model)};
    return questions_check(&model->questions, is_shipped, model, model->faults, err) ||
           err_prefix(err, "prompts.json");
}

static bool embed_questions(struct model *model, struct err *err)
{
    const struct questions_source source = {model, shipped_of, text_of};
    if (model->faults && model->faults->count > 0)
        return true;
    return questions_embed(&model->questions, &source, model->arena, err);
}

static bool load_segments(struct model *model, struct err *err)
{
    char path[PATH_MAX];
    if (!has_file(model, SEGMENTS_FILE))
        return true;
    return (path_in(model->folder, SEGMENTS_FILE, path, err) &&
            segments_read(path, &model->organs, model->arena, &model->segments, err)) ||
           err_prefix(err, SEGMENTS_FILE);
}

/* Section and file go together. */
static bool load_domain(struct model *model, struct err *err)
{
    char path[PATH_MAX];
    struct domain *domain = &model->config.domain;
    bool there = has_file(model, DOMAIN_FILE);
    if (there && !domain->id)
        return err_fail(err, ERR_INPUT, DOMAIN_FILE ": config.json has no section \"domain\" for it");
    if (!domain->id)
        return true;
    if (!there)
        return err_fail(err, ERR_INPUT, DOMAIN_FILE ": missing; section \"domain\" of config.json needs it");
    const struct vision_config *vision = &model->setup.vision;
    int width = domain->of_tower ? vision->blocks.width : vision->proj_dim;
    struct safetensors *file =
        path_in(model->folder, DOMAIN_FILE, path, err) ? safetensors_open(path, err) : NULL;
    bool ok = file && domain_bind(domain, file, width, model->arena, model->faults, err);
    safetensors_close(file);
    return ok || err_prefix(err, DOMAIN_FILE);
}

/* What was packed while a file changed may not be what the key says, and others would read it for long. */
static bool finish_shelf(struct model *model, struct err *err)
{
    if (!model->shelf || (!shelf_is_full(model->shelf) && model_changed(model)))
        return true;
    return shelf_finish(model->shelf, err);
}

/* In order; with faults each goes on where the one before failed. */
static bool (*const steps[])(struct model *, struct err *) = {load_weights,    load_vocab,    load_prompts,
                                                              load_domain,     open_texts,    check_questions,
                                                              embed_questions, load_segments, finish_shelf};

static bool load(struct model *model, const char *folder, struct err *err)
{
    model->arena = arena_new();
    if (!model->arena)
        return err_fail(err, ERR_NOMEM, "no memory for a model");
    if (snprintf(model->folder, sizeof model->folder, "%s", folder) >= (int)sizeof model->folder)
        return err_fail(err, ERR_INPUT, "path of the model folder is too long");
    if (!stamp(folder, model->files, err) || !load_config(model, err))
        return false;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (!steps[i](model, err) && !faults_pass(model->faults, err))
            return false;
    return true;
}

static struct model *open_with(const char *folder, const struct model_options *options, struct faults *faults,
                               struct err *err)
{
    static const struct model_options none;
    struct model *model = calloc(1, sizeof *model);
    if (!model) {
        err_fail(err, ERR_NOMEM, "no memory for a model");
        return NULL;
    }
    model->options = options ? options : &none;
    model->faults = faults;
    bool ok = load(model, folder, err) || faults_pass(faults, err);
    model->options = NULL;
    if (ok && (!faults || faults->count == 0))
        return model;
    model_close(model);
    return NULL;
}

struct model *model_open(const char *folder, const struct model_options *options, struct err *err)
{
    return open_with(folder, options, NULL, err);
}

struct model *model_check(const char *folder, struct faults *faults, struct err *err)
{
    return open_with(folder, NULL, faults, err);
}

void model_close(struct model *model)
{
    if (!model)
        return;
    tokenizer_close(model->tokenizer);
    text_cache_close(model->texts);
    encoder_close(model->encoder);
    shelf_close(model->shelf);
    safetensors_close(model->weights);
    model_config_done(&model->config);
    json_decref(model->input_means);
    arena_free(model->arena);
    free(model);
}

const struct model_identity *model_identity(const struct model *model)
{
    return &model->config.identity;
}

json_t *model_text_told(const struct model *model)
{
    return text_cache_told(model->texts);
}

const char *model_text_digest(const struct model *model)
{
    return model->text_digest;
}

const char *model_modality(const struct model *model)
{
    return model->config.preprocess.modality;
}

void model_input_zyx(const struct model *model, int zyx[3])
{
    memcpy(zyx, encoder_config(model->encoder)->vision.input_zyx, 3 * sizeof *zyx);
}

int model_dim(const struct model *model)
{
    return model->setup.vision.proj_dim;
}

const struct domain *model_domain(const struct model *model)
{
    return &model->config.domain;
}

const struct preprocess *model_preprocess(const struct model *model)
{
    return &model->config.preprocess;
}

uint64_t model_packed_bytes(const struct model *model)
{
    return shelf_bytes(model->shelf);
}

json_t *model_input_means(const struct model *model, struct err *err)
{
    return encoder_input_means(model->encoder, err);
}

uint64_t model_weights_bytes(const struct model *model)
{
    return encoder_weights_bytes(model->encoder);
}

const struct vision_config *model_vision(const struct model *model)
{
    return &encoder_config(model->encoder)->vision;
}

const struct organ_config *model_organs(const struct model *model)
{
    return &model->organs;
}

bool model_needs_mask(const struct model *model)
{
    bool predicts = model_vision(model)->arch == ENCODER_UNET && model->organs.pool == ORGAN_POOL_QUERIES;
    return model->organs.count > 0 && !predicts;
}

const struct segments *model_segments(const struct model *model)
{
    return &model->segments;
}

bool model_encode(struct model *model, const struct encoder_input *input, struct encoder_output *ret,
                  struct err *err)
{
    return encoder_image(model->encoder, input, ret, NULL, err);
}

bool model_tokenize(struct model *model, const char *text, struct arena *arena, int **ret_ids, int *ret_count,
                    struct err *err)
{
    int max_len = encoder_config(model->encoder)->text.max_len;
    if (!model->tokenizer)
        return err_fail(err, ERR_UNSUPPORTED, "text: the model has no text tower");
    return tokenizer_encode(model->tokenizer, text, max_len, arena, ret_ids, ret_count, err);
}

bool model_embed_text(struct model *model, const char *text, float *embedding, struct err *err)
{
    int *ids, count;
    struct arena *arena = arena_new();
    if (!arena)
        return err_fail(err, ERR_NOMEM, "no memory for tokens");
    bool ok = model_tokenize(model, text, arena, &ids, &count, err) &&
              encoder_text(model->encoder, ids, count, embedding, NULL, err);
    arena_free(arena);
    return ok;
}

static bool measure(const struct domain *domain, const struct encoder_output *output, struct arena *arena,
                    struct result_domain *ret, struct err *err)
{
    const float *vector = domain->of_tower ? output->tower : output->vector;
    if (!vector)
        return err_fail(err, ERR_BUG, "the encoder has no vector for the domain");
    double distance = domain_distance(domain, vector);
    if (!isfinite(distance))
        return err_decline(err, "embedding_not_finite", "the tower's vector is not finite");
    const char *id = arena_strdup(arena, domain->id);
    *ret = (struct result_domain){domain_of(domain), id, distance, domain->limit, distance <= domain->limit};
    return id || err_fail(err, ERR_NOMEM, "no memory for a result");
}

/* What lies outside is not asked, whatever the scores. */
bool model_score(struct model *model, const struct encoder_output *output, struct arena *arena,
                 struct result *result, struct err *err)
{
    struct result_domain measured = {0};
    const struct domain *domain = &model->config.domain;
    if ((domain->id && !measure(domain, output, arena, &measured, err)) ||
        !questions_answer(&model->questions, output, arena, result, err))
        return false;
    result->domain = measured;
    return !result_outside(result) || questions_blank(&model->questions, RESULT_OUTSIDE, arena,
                                                      &result->findings, &result->finding_count, err);
}

bool model_not_assessed(struct model *model, const char *reason, struct arena *arena, struct finding **ret,
                        int *ret_count, struct err *err)
{
    return questions_blank(&model->questions, reason, arena, ret, ret_count, err);
}
