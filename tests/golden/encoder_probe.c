/* Shows what a model folder's encoder computes, stage by stage, for the golden tests.
 *   encoder_probe image MODEL INPUT.f32 OUT_FOLDER [Z Y X]
 *       input: raw float32 [items][channels][z][y][x] of that size, or of the configured one
 *   encoder_probe tokens MODEL INPUT.f32 OUT_FOLDER [Z Y X]
 *       a ViT with pool "tokens" by itself: its tokens after each tap, "kept.0" and on, the last the final
 * ones encoder_probe ids MODEL OUT_FOLDER ID...         the text tower on given ids encoder_probe score MODEL
 * INPUT.f32              state, score and cosines of every label encoder_probe time MODEL INPUT.f32 [THREADS]
 * seconds of one forward pass, peak memory in kB encoder_probe tokenize VOCAB LOWER MAX_LEN       texts from
 * stdin, each ended by NUL; ids on stdout Stages go to OUT_FOLDER/NAME.f32 and as lines "NAME rows columns"
 * to stdout. */
#include "base/clock.h"
#include "base/file.h"
#include "encoder/encoder.h"
#include "encoder/vit.h"
#include "pipeline/model.h"
#include "pipeline/model_config.h"
#include "tensor/gemm.h"
#include "text/wordpiece.h"
#include "threads.h"

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

static bool open_files(const char *folder, struct opened *ret, struct err *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/config.json", folder);
    if (!model_config_read(path, &ret->config, err))
        return false;
    ret->weights = safetensors_open_folder(folder, err);
    return ret->weights;
}

static bool open_encoder(const char *folder, const struct crew *crew, struct opened *ret, struct err *err)
{
    ret->encoder =
        open_files(folder, ret, err) ? encoder_open(&ret->config.sections, ret->weights, crew, err) : NULL;
    return ret->encoder;
}

static void close_encoder(struct opened *opened)
{
    encoder_close(opened->encoder);
    safetensors_close(opened->weights);
    model_config_done(&opened->config);
}

/* zyx NULL: the configured size. values NULL with err set on failure. */
static struct encoder_input read_input(const struct vision_config *vision, const int *zyx, const char *path,
                                       struct err *err)
{
    struct encoder_input input = {0};
    size_t size, one = (size_t)vision->channels;
    memcpy(input.zyx, zyx ? zyx : vision->input_zyx, sizeof input.zyx);
    if (vision->arch == ENCODER_SPACETIME_VIT)
        input.zyx[0] = 1;
    for (int i = 0; i < 3; i++)
        one *= (size_t)input.zyx[i];
    input.values = (float *)(void *)file_read(path, (size_t)1 << 32, &size, err);
    input.items = (int)(size / sizeof(float) / one);
    return input;
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

static bool run_image(const struct opened *opened, const char *input_path, const int *zyx, char *out_folder,
                      struct err *err)
{
    const struct vision_config *vision = &encoder_config(opened->encoder)->vision;
    const struct encoder_tap tap = {write_stage, out_folder};
    struct encoder_output output;
    struct encoder_input input = read_input(vision, zyx, input_path, err);
    int64_t start_ms = clock_monotonic_ms();
    bool ok = input.values && encoder_image(opened->encoder, &input, &output, out_folder ? &tap : NULL, err);
    if (ok && !out_folder)
        printf("%.3f %ld\n", (double)(clock_monotonic_ms() - start_ms) / 1000, peak_kb());
    free((void *)input.values);
    return ok;
}

static int image(const char *model, const char *input_path, char *out_folder, const int *zyx)
{
    struct err err = ERR_INIT;
    struct opened opened = {0};
    bool ok =
        open_encoder(model, NULL, &opened, &err) && run_image(&opened, input_path, zyx, out_folder, &err);
    close_encoder(&opened);
    return ok ? 0 : fail(&err);
}

/* As image, without stages. */
static int timed(const char *model, const char *input_path, int threads)
{
    struct err err = ERR_INIT;
    struct opened opened = {0};
    struct threads *pool = threads_start(threads, &err);
    bool ok = pool && open_encoder(model, threads_crew(pool), &opened, &err) &&
              run_image(&opened, input_path, NULL, NULL, &err);
    close_encoder(&opened);
    threads_stop(pool);
    return ok ? 0 : fail(&err);
}

static bool run_tokens(const struct opened *opened, const char *input_path, const int *zyx, char *out_folder,
                       struct err *err)
{
    struct encoder_config config;
    struct weights weights;
    struct vit vit = {0};
    struct arena *arena = arena_new();
    const struct encoder_tap tap = {write_stage, out_folder};
    struct encoder_input input = {0};
    bool ok = encoder_config_read(&opened->config.sections, &config, err) &&
              weights_init(&weights, &opened->config.sections, opened->weights, NULL, arena, err) &&
              vit_open(&vit, &config.vision, &weights, err);
    if (ok)
        input = read_input(&config.vision, zyx, input_path, err);
    ok = ok && input.values && vit_reserve(&vit, 1, input.zyx, err);
    if (ok)
        vit_tokens(&vit, input.values, 1, &tap);
    for (int i = 0; ok && i <= config.vision.tap_count; i++)
        write_stage(out_folder, "kept", i, vit.kept[i], vit.tokens, config.vision.blocks.width);
    free((void *)input.values);
    vit_close(&vit);
    arena_free(arena);
    return ok;
}

static int tokens(const char *model, const char *input_path, char *out_folder, const int *zyx)
{
    struct err err = ERR_INIT;
    struct opened opened = {0};
    bool ok = open_files(model, &opened, &err) && run_tokens(&opened, input_path, zyx, out_folder, &err);
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
    bool ok = open_encoder(model, NULL, &opened, &err) &&
              encoder_text(opened.encoder, ids, count, embedding, &tap, &err);
    close_encoder(&opened);
    return ok ? 0 : fail(&err);
}

static bool print_scores(struct model *model, const char *input_path, struct arena *arena, struct err *err)
{
    struct result result = {0};
    struct encoder_output output;
    struct encoder_input input = read_input(model_vision(model), NULL, input_path, err);
    bool ok = input.values && model_encode(model, &input, &output, err) &&
              model_score(model, &output, arena, &result, err);
    const struct finding *findings = result.findings;
    for (int i = 0; ok && i < result.finding_count; i++)
        printf("%s %s %s %.9g %.9g %.9g\n", findings[i].id, finding_state_name(findings[i].state),
               findings[i].reason ? findings[i].reason : "-", findings[i].score, findings[i].cosine_positive,
               findings[i].cosine_negative);
    free((void *)input.values);
    return ok;
}

static int score(const char *folder, const char *input_path)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    struct model *model = model_open(folder, NULL, &err);
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
    int zyx[3];
    for (int i = 0; argc == 8 && i < 3; i++)
        zyx[i] = atoi(argv[5 + i]);
    if (strcmp(what, "image") == 0 && (argc == 5 || argc == 8))
        return image(argv[2], argv[3], argv[4], argc == 8 ? zyx : NULL);
    if (strcmp(what, "tokens") == 0 && (argc == 5 || argc == 8))
        return tokens(argv[2], argv[3], argv[4], argc == 8 ? zyx : NULL);
    if (strcmp(what, "ids") == 0 && argc > 4)
        return text(argv[2], argv[3], argv + 4, argc - 4);
    if (strcmp(what, "score") == 0 && argc == 4)
        return score(argv[2], argv[3]);
    if (strcmp(what, "time") == 0 && argc >= 4) {
        int threads = argc > 4 ? atoi(argv[4]) : 1;
        gemm_init(threads);
        fprintf(stderr, "%s\n", gemm_runtime());
        return timed(argv[2], argv[3], threads);
    }
    if (strcmp(what, "tokenize") == 0 && argc == 5)
        return tokenize(argv[2], atoi(argv[3]) != 0, atoi(argv[4]));
    fprintf(stderr, "usage: see the top of encoder_probe.c\n");
    return 2;
}
