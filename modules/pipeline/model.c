#include "pipeline/model.h"

#include "pipeline/model_config.h"
#include "tensor/ops.h"
#include "tensor/section.h"
#include "text/prompts.h"
#include "text/tokenizer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Not every model has all. */
static const char *const file_names[] = {"config.json", "model.safetensors", "vocab.txt",
                                         "vocab.json",  "merges.txt",        "prompts.json"};
enum { FILE_COUNT = sizeof file_names / sizeof *file_names };

struct model {
    char folder[PATH_MAX];
    struct stat files[FILE_COUNT]; /* before any was read; zeroed: not there */
    struct arena *arena;           /* prompts and their embeddings */
    struct model_config config;
    struct safetensors *weights;
    struct encoder *encoder;
    struct tokenizer *tokenizer; /* NULL without a text tower */
    struct prompts prompts;
    float *text_vectors; /* [labels][2][dim]: positive, negative; unit length */
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

static bool same_file(const struct stat *one, const struct stat *other)
{
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino && one->st_size == other->st_size &&
           one->st_mtim.tv_sec == other->st_mtim.tv_sec && one->st_mtim.tv_nsec == other->st_mtim.tv_nsec &&
           one->st_ctim.tv_sec == other->st_ctim.tv_sec && one->st_ctim.tv_nsec == other->st_ctim.tv_nsec;
}

bool model_changed(const struct model *model)
{
    struct stat now[FILE_COUNT];
    struct err err = ERR_INIT;
    if (!stamp(model->folder, now, &err))
        return true;
    for (int i = 0; i < FILE_COUNT; i++)
        if (!same_file(&model->files[i], &now[i]))
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
    static const char *const names[] = {"config.json", "vocab.txt", "vocab.json", "merges.txt"};
    char path[PATH_MAX], parts[4 * DIGEST_HEX_SIZE] = "";
    size_t at = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!has_file(model, names[i]))
            continue;
        if (!path_in(model->folder, names[i], path, err) || !digest_file(path, 0, parts + at, err))
            return false;
        at += DIGEST_HEX_SIZE - 1;
    }
    digest_bytes(parts, at, hex);
    return true;
}

static bool load_config(struct model *model, const char *folder, struct err *err)
{
    char path[PATH_MAX];
    return path_in(folder, "config.json", path, err) && model_config_read(path, &model->config, err) &&
           digest_setup(model, model->config.identity.config_sha256, err);
}

static bool load_weights(struct model *model, const char *folder, struct err *err)
{
    char path[PATH_MAX];
    if (!path_in(folder, "model.safetensors", path, err))
        return false;
    model->weights = safetensors_open(path, err);
    if (!model->weights)
        return err_prefix(err, "model.safetensors");
    safetensors_digest(model->weights, model->config.identity.weights_sha256);
    model->encoder = encoder_open(&model->config.sections, model->weights, err);
    if (!model->encoder)
        return false;
    return score_resolve_scale(&model->config.score, encoder_has_logit_scale(model->encoder),
                               encoder_logit_scale(model->encoder), err);
}

static bool load_vocab(struct model *model, const char *folder, struct err *err)
{
    const struct encoder_config *config = encoder_config(model->encoder);
    if (!config->has_text)
        return true;
    model->tokenizer = tokenizer_open(folder, config->text.do_lower_case, config->text.vocab, err);
    return model->tokenizer != NULL;
}

static bool load_prompts(struct model *model, const char *folder, struct err *err)
{
    char path[PATH_MAX], *bytes;
    size_t size;
    if (!path_in(folder, "prompts.json", path, err))
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
    bool ok = prompts_read(root, model->arena, &model->prompts, err) || err_prefix(err, "prompts.json");
    json_decref(root);
    return ok;
}

/* Mean of the unit vectors of a side's prompts, at unit length again. */
static bool embed_side(struct model *model, const struct prompt_side *side, float *mean, float *one,
                       struct err *err)
{
    size_t dim = (size_t)model_dim(model);
    for (int i = 0; i < side->count; i++) {
        if (!model_embed_text(model, side->texts[i], one, err))
            return false;
        ops_add(dim, one, mean);
    }
    return ops_unit(dim, mean) || err_fail(err, ERR_INPUT, "the prompts of a side cancel out");
}

static bool embed_prompts(struct model *model, struct err *err)
{
    size_t dim = (size_t)model_dim(model);
    float *one = ARENA_ARRAY(model->arena, float, dim);
    model->text_vectors = ARENA_ARRAY(model->arena, float, 2 * dim * (size_t)model->prompts.count);
    if (!one || !model->text_vectors)
        return err_fail(err, ERR_NOMEM, "no memory for prompt embeddings");
    for (int i = 0; i < model->prompts.count; i++) {
        const struct prompt_label *label = &model->prompts.labels[i];
        float *vectors = model->text_vectors + 2 * dim * (size_t)i;
        if (!embed_side(model, &label->positive, vectors, one, err) ||
            !embed_side(model, &label->negative, vectors + dim, one, err))
            return err_prefix(err, "prompts.json: labels.%s", label->id);
    }
    return true;
}

static bool load(struct model *model, const char *folder, struct err *err)
{
    model->arena = arena_new();
    if (!model->arena)
        return err_fail(err, ERR_NOMEM, "no memory for a model");
    if (snprintf(model->folder, sizeof model->folder, "%s", folder) >= (int)sizeof model->folder)
        return err_fail(err, ERR_INPUT, "path of the model folder is too long");
    return stamp(folder, model->files, err) && load_config(model, folder, err) &&
           load_weights(model, folder, err) && load_vocab(model, folder, err) &&
           load_prompts(model, folder, err) && embed_prompts(model, err);
}

struct model *model_open(const char *folder, struct err *err)
{
    struct model *model = calloc(1, sizeof *model);
    if (!model) {
        err_fail(err, ERR_NOMEM, "no memory for a model");
        return NULL;
    }
    if (load(model, folder, err))
        return model;
    model_close(model);
    return NULL;
}

void model_close(struct model *model)
{
    if (!model)
        return;
    tokenizer_close(model->tokenizer);
    encoder_close(model->encoder);
    safetensors_close(model->weights);
    model_config_done(&model->config);
    arena_free(model->arena);
    free(model);
}

const struct model_identity *model_identity(const struct model *model)
{
    return &model->config.identity;
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
    return encoder_config(model->encoder)->vision.proj_dim;
}

const struct preprocess *model_preprocess(const struct model *model)
{
    return &model->config.preprocess;
}

const struct vision_config *model_vision(const struct model *model)
{
    return &encoder_config(model->encoder)->vision;
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

/* The labels, nothing said of them yet; texts are copied, so that a result outlives the model. */
static struct finding *new_findings(const struct model *model, struct arena *arena, struct err *err)
{
    int count = model->prompts.count;
    struct finding *findings = ARENA_ARRAY(arena, struct finding, (size_t)count);
    for (int i = 0; findings && i < count; i++) {
        findings[i].id = arena_strdup(arena, model->prompts.labels[i].id);
        findings[i].text = arena_strdup(arena, model->prompts.labels[i].text);
        if (!findings[i].id || !findings[i].text)
            findings = NULL;
    }
    if (!findings)
        err_fail(err, ERR_NOMEM, "no memory for findings");
    return findings;
}

bool model_score(struct model *model, const float *embedding, struct arena *arena, struct finding **ret,
                 int *ret_count, struct err *err)
{
    size_t dim = (size_t)model_dim(model);
    struct finding *findings = new_findings(model, arena, err);
    if (!findings)
        return false;
    for (int i = 0; i < model->prompts.count; i++) {
        const float *vectors = model->text_vectors + 2 * dim * (size_t)i;
        findings[i].cosine_positive = ops_dot(dim, embedding, vectors);
        findings[i].cosine_negative = ops_dot(dim, embedding, vectors + dim);
        score_finding(&model->config.score, model->config.identity.trained, &findings[i]);
    }
    *ret = findings;
    *ret_count = model->prompts.count;
    return true;
}

bool model_not_assessed(struct model *model, const char *reason, struct arena *arena, struct finding **ret,
                        int *ret_count, struct err *err)
{
    struct finding *findings = new_findings(model, arena, err);
    const char *copy = arena_strdup(arena, reason);
    if (!findings || !copy)
        return err_fail(err, ERR_NOMEM, "no memory for findings");
    for (int i = 0; i < model->prompts.count; i++) {
        findings[i].state = FINDING_NOT_ASSESSED;
        findings[i].reason = copy;
    }
    *ret = findings;
    *ret_count = model->prompts.count;
    return true;
}
