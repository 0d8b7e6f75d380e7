/* Shows what a model folder's encoder computes, stage by stage, for the golden tests.
 *   encoder_probe image MODEL INPUT.f32 OUT_FOLDER   input: raw float32 [z][y][x]
 *   encoder_probe ids MODEL OUT_FOLDER ID...         the text tower on given ids
 *   encoder_probe score MODEL INPUT.f32              state, score and cosines of every label
 *   encoder_probe time MODEL INPUT.f32 [THREADS]     seconds of one forward pass, peak memory in kB
 *   encoder_probe tokenize VOCAB LOWER MAX_LEN       texts from stdin, each ended by NUL; ids on stdout
 * Stages go to OUT_FOLDER/NAME.f32 and as lines "NAME rows columns" to stdout. */
#include "base/clock.h"
#include "base/file.h"
#include "encoder/encoder.h"
#include "pipeline/model.h"
#include "pipeline/model_config.h"
#include "tensor/gemm.h"
#include "text/wordpiece.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const struct err *err)
{
    fprintf(stderr, "%s %s: %s\n", err_code_name(err->code), err->reason, err->text);
    return 1;
}

static void write_stage(void *seer, const char *stage, int layer, const float *values, int rows, int columns)
{
    char name[64], path[4096];
    snprintf(name, sizeof name, layer < 0 ? "%s" : "%s.%d", stage, layer);
    snprintf(path, sizeof path, "%s/%s.f32", (const char *)seer, name);
    FILE *file = fopen(path, "wb");
    size_t count = (size_t)rows * (size_t)columns;
    if (!file || fwrite(values, sizeof *values, count, file) != count || fclose(file) != 0)
        exit(3);
    printf("%s %d %d\n", name, rows, columns);
}

struct opened {
    struct model_config config;
    struct safetensors *weights;
    struct encoder *encoder;
};

static bool open_encoder(const char *folder, struct opened *ret, struct err *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/config.json", folder);
    if (!model_config_read(path, &ret->config, err))
        return false;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    ret->weights = safetensors_open(path, err);
    ret->encoder = ret->weights ? encoder_open(&ret->config.sections, ret->weights, err) : NULL;
    return ret->encoder;
}

static void close_encoder(struct opened *opened)
{
    encoder_close(opened->encoder);
    safetensors_close(opened->weights);
    model_config_done(&opened->config);
}

static float *read_floats(const char *path, size_t count, struct err *err)
{
    size_t size;
    char *bytes = file_read(path, (size_t)1 << 32, &size, err);
    if (bytes && size != count * sizeof(float)) {
        err_fail(err, ERR_INPUT, "%s has %zu bytes, not %zu floats", path, size, count);
        free(bytes);
        return NULL;
    }
    return (float *)(void *)bytes;
}

static struct encoder_input input_of(const struct vision_config *vision, const float *values)
{
    struct encoder_input input = {.values = values, .items = 1};
    memcpy(input.zyx, vision->input_zyx, sizeof input.zyx);
    return input;
}

static size_t input_count(const struct vision_config *vision)
{
    const int *zyx = vision->input_zyx;
    return (size_t)vision->channels * (size_t)zyx[0] * (size_t)zyx[1] * (size_t)zyx[2];
}

/* Peak memory of this process in kB: of its own address space, not of what forked it. */
static long peak_kb(void)
{
    char line[256];
    long kb = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %ld", &kb) == 1)
            break;
    if (file)
        fclose(file);
    return kb;
}

static bool run_image(const struct opened *opened, const char *input_path, char *out_folder, struct err *err)
{
    const struct vision_config *vision = &encoder_config(opened->encoder)->vision;
    const struct encoder_tap tap = {write_stage, out_folder};
    struct encoder_output output;
    float *values = read_floats(input_path, input_count(vision), err);
    struct encoder_input input = input_of(vision, values);
    int64_t start_ms = clock_monotonic_ms();
    bool ok = values && encoder_image(opened->encoder, &input, &output, out_folder ? &tap : NULL, err);
    if (ok && !out_folder)
        printf("%.3f %ld\n", (double)(clock_monotonic_ms() - start_ms) / 1000, peak_kb());
    free(values);
    return ok;
}

static int image(const char *model, const char *input_path, char *out_folder)
{
    struct err err = ERR_INIT;
    struct opened opened = {0};
    bool ok = open_encoder(model, &opened, &err) && run_image(&opened, input_path, out_folder, &err);
    close_encoder(&opened);
    return ok ? 0 : fail(&err);
}

static int text(const char *model, char *out_folder, char **words, int count)
{
    struct err err = ERR_INIT;
    struct opened opened = {0};
    struct encoder_tap tap = {write_stage, out_folder};
    float embedding[8192];
    int ids[8192];
    for (int i = 0; i < count && i < 8192; i++)
        ids[i] = atoi(words[i]);
    bool ok =
        open_encoder(model, &opened, &err) && encoder_text(opened.encoder, ids, count, embedding, &tap, &err);
    close_encoder(&opened);
    return ok ? 0 : fail(&err);
}

static bool print_scores(struct model *model, const char *input_path, struct arena *arena, struct err *err)
{
    int count;
    struct finding *findings;
    struct encoder_output output;
    float *values = read_floats(input_path, input_count(model_vision(model)), err);
    struct encoder_input input = input_of(model_vision(model), values);
    bool ok = values && model_encode(model, &input, &output, err) &&
              model_score(model, output.vector, arena, &findings, &count, err);
    for (int i = 0; ok && i < count; i++)
        printf("%s %s %s %.9g %.9g %.9g\n", findings[i].id, finding_state_name(findings[i].state),
               findings[i].reason ? findings[i].reason : "-", findings[i].score, findings[i].cosine_positive,
               findings[i].cosine_negative);
    free(values);
    return ok;
}

static int score(const char *folder, const char *input_path)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    struct model *model = model_open(folder, &err);
    bool ok = model && print_scores(model, input_path, arena, &err);
    model_close(model);
    arena_free(arena);
    return ok ? 0 : fail(&err);
}

static bool print_ids(const struct wordpiece *wordpiece, const char *line, int max_len, struct err *err)
{
    int *ids, count;
    struct arena *arena = arena_new();
    bool ok = wordpiece_encode(wordpiece, line, max_len, arena, &ids, &count, err);
    for (int i = 0; ok && i < count; i++)
        printf("%d%c", ids[i], i + 1 < count ? ' ' : '\n');
    if (!ok)
        printf("%s %s\n", err_code_name(err->code), err->reason);
    arena_free(arena);
    return true;
}

static int tokenize(const char *vocab_path, bool lower, int max_len)
{
    struct err err = ERR_INIT;
    struct wordpiece *wordpiece = wordpiece_open(vocab_path, lower, 1000000, &err);
    char *line = NULL;
    size_t room = 0;
    if (!wordpiece)
        return fail(&err);
    while (getdelim(&line, &room, '\0', stdin) > 0)
        print_ids(wordpiece, line, max_len, &err);
    free(line);
    wordpiece_close(wordpiece);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "image") == 0 && argc == 5)
        return image(argv[2], argv[3], argv[4]);
    if (strcmp(what, "ids") == 0 && argc > 4)
        return text(argv[2], argv[3], argv + 4, argc - 4);
    if (strcmp(what, "score") == 0 && argc == 4)
        return score(argv[2], argv[3]);
    if (strcmp(what, "time") == 0 && argc >= 4) {
        gemm_init(argc > 4 ? atoi(argv[4]) : 0);
        fprintf(stderr, "%s\n", gemm_runtime());
        return image(argv[2], argv[3], NULL);
    }
    if (strcmp(what, "tokenize") == 0 && argc == 5)
        return tokenize(argv[2], atoi(argv[3]) != 0, atoi(argv[4]));
    fprintf(stderr, "usage: see the top of encoder_probe.c\n");
    return 2;
}
