/* One model folder's image side, kept open over the rounds of bench/encoder.
 *
 *   encoder_run MODEL INPUT.f32 ITEMS THREADS [ISA [PRECISION [MEANS.json]]]
 *
 * INPUT.f32 is [items][channels][z][y][x] of the configured size. ISA: no wider vectors than these.
 * PRECISION: of a transformer's blocks. MEANS.json: what layers in fewer bits are corrected by
 * (encoder/input_means.h); in fp32 it is written, of this input, and that is all. Of config.json only family
 * and the encoder's sections are read. "ready {...}" comes first, after one pass; then a line for each line
 * on standard input:
 *
 *   go SECONDS   the seconds of each of as many passes as fill SECONDS, at least one
 *   out FILE     writes what the last pass gave: the unit vector; of a U-Net, in order of its projections and
 *                then the scores of its classes, every n-th value of a map, so that SAMPLE of them are enough
 *   stages       one pass with taps, {"STAGE.LAYER": seconds since the tap before}; slower than without */
#include "base/file.h"
#include "encoder/encoder.h"
#include "encoder/unet.h"
#include "tensor/gemm.h"
#include "tensor/section.h"
#include "tensor/tile.h"
#include "threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLE = 4096 };

/* Either an encoder, or a U-Net by itself: the flow of organs behind it runs as often as it finds any. */
struct subject {
    json_t *config, *means;
    struct safetensors *file;
    struct arena *arena;
    struct encoder *encoder;
    struct unet unet;
    struct encoder_input input;
    struct encoder_output output;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int fail(const struct err *err)
{
    fprintf(stderr, "%s %s: %s\n", err_code_name(err->code), err->reason, err->text);
    return 1;
}

/* ---- open ---- */

static bool open_unet(struct subject *s, const struct encoder_sections *sections, struct err *err)
{
    struct weights weights = {0};
    struct encoder_config config;
    bool ok = (s->arena = arena_new()) && encoder_config_read(sections, &config, err) &&
              weights_init(&weights, sections, s->file, NULL, s->arena, err) &&
              unet_open(&s->unet, sections->unet, config.vision.channels, &weights, err) &&
              unet_reserve(&s->unet, config.vision.input_zyx, err);
    weights_done(&weights);
    return ok;
}

/* in: means: a file or NULL. */
static bool open_model(struct subject *s, const char *folder, enum precision precision, const char *means,
                       const struct crew *crew, struct err *err)
{
    char path[4096];
    bool corrected = means && precision != PRECISION_FP32;
    if (corrected && !(s->means = json_load_file(means, 0, NULL)))
        return err_fail(err, ERR_INPUT, "cannot read %s", means);
    snprintf(path, sizeof path, "%s/config.json", folder);
    s->config = section_file(path, NULL, NULL, err);
    s->file = s->config ? safetensors_open_folder(folder, err) : NULL;
    if (!s->file)
        return false;
    const struct encoder_sections sections = {.family =
                                                  json_string_value(json_object_get(s->config, "family")),
                                              .vision = json_object_get(s->config, "vision"),
                                              .text = json_object_get(s->config, "text"),
                                              .slice_pool = json_object_get(s->config, "slice_pool"),
                                              .unet = json_object_get(s->config, "unet"),
                                              .precision = precision,
                                              .input_means = s->means,
                                              .watch_inputs = means && !corrected};
    if (sections.unet)
        return open_unet(s, &sections, err);
    s->encoder = encoder_open(&sections, s->file, crew, err);
    return s->encoder;
}

static bool read_input(struct subject *s, const char *path, int items, struct err *err)
{
    const json_t *vision = json_object_get(s->config, "vision");
    size_t size, count = (size_t)items;
    s->input.items = items;
    if (s->encoder) {
        const struct vision_config *c = &encoder_config(s->encoder)->vision;
        memcpy(s->input.zyx, c->input_zyx, sizeof s->input.zyx);
        if (c->arch == ENCODER_SPACETIME_VIT)
            s->input.zyx[0] = 1;
    } else {
        memcpy(s->input.zyx, s->unet.zyx, sizeof s->input.zyx);
    }
    const json_t *channels = json_object_get(vision, "channels");
    count *= channels ? (size_t)json_integer_value(channels) : 1;
    for (int i = 0; i < 3; i++)
        count *= (size_t)s->input.zyx[i];
    s->input.values = (float *)(void *)file_read(path, (size_t)1 << 32, &size, err);
    return s->input.values &&
           (size == count * sizeof(float) ||
            err_fail(err, ERR_INPUT, "%s has %zu bytes, not %zu floats", path, size, count));
}

static void close_subject(struct subject *s)
{
    free((void *)s->input.values);
    encoder_close(s->encoder);
    unet_close(&s->unet);
    arena_free(s->arena);
    safetensors_close(s->file);
    json_decref(s->config);
    json_decref(s->means);
}

/* ---- the words ---- */

static bool pass(struct subject *s, const struct encoder_tap *tap, struct err *err)
{
    if (s->encoder)
        return encoder_image(s->encoder, &s->input, &s->output, tap, err);
    unet_run(&s->unet, s->input.values, tap);
    return true;
}

static bool go(struct subject *s, double fill_s, struct err *err)
{
    for (double spent_s = 0, one_s; spent_s <= fill_s; spent_s += one_s) {
        double start_s = now_s();
        if (!pass(s, NULL, err))
            return false;
        one_s = now_s() - start_s;
        printf("%.6f ", one_s);
    }
    printf("\n");
    return true;
}

static void write_sample(const struct unet_map *map, FILE *file)
{
    size_t count = (size_t)map->channels, step;
    for (int i = 0; i < 3; i++)
        count *= (size_t)map->zyx[i];
    step = (count + SAMPLE - 1) / SAMPLE;
    for (size_t i = 0; map->values && i < count; i += step)
        fwrite(map->values + i, sizeof(float), 1, file);
}

static bool out(const struct subject *s, const char *path, struct err *err)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return err_errno(err, "open %s", path);
    if (s->encoder)
        fwrite(s->output.vector, sizeof(float), (size_t)encoder_config(s->encoder)->vision.proj_dim, file);
    for (int i = 0; !s->encoder && i < UNET_SKIPS; i++)
        write_sample(&s->unet.skips[i], file);
    if (!s->encoder)
        write_sample(&s->unet.logits, file);
    if (fclose(file) != 0)
        return err_errno(err, "write %s", path);
    printf("{}\n");
    return true;
}

static double tapped_s;

static void see(void *seer, const char *stage, int layer, const float *values, int rows, int columns)
{
    double s = now_s();
    printf("%s\"%s.%d\": %.6f", *(int *)seer ? ", " : "", stage, layer, s - tapped_s);
    ++*(int *)seer;
    tapped_s = now_s();
}

static bool stages(struct subject *s, struct err *err)
{
    int seen = 0;
    const struct encoder_tap tap = {see, &seen};
    printf("{");
    tapped_s = now_s();
    if (!pass(s, &tap, err))
        return false;
    printf("}\n");
    return true;
}

static bool write_means(const struct subject *s, const char *path, struct err *err)
{
    json_t *means = encoder_input_means(s->encoder, err);
    bool ok = means && (json_dump_file(means, path, JSON_COMPACT) == 0 ||
                        err_fail(err, ERR_IO, "cannot write %s", path));
    json_decref(means);
    return ok;
}

static bool answer(struct subject *s, char *line, struct err *err)
{
    char *word = strtok_r(line, " \n", &line), *rest = strtok_r(NULL, "\n", &line);
    if (word && strcmp(word, "go") == 0)
        return go(s, rest ? strtod(rest, NULL) : 0, err);
    if (word && rest && strcmp(word, "out") == 0)
        return out(s, rest, err);
    if (word && strcmp(word, "stages") == 0)
        return stages(s, err);
    return err_fail(err, ERR_INPUT, "no such word");
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct subject subject = {0};
    char line[4096];
    enum precision precision = PRECISION_FP32;
    if (argc < 5 || argc > 8 || (argc > 5 && !tile_limit(argv[5])) ||
        (argc > 6 && !precision_read(argv[6], &precision))) {
        fprintf(stderr, "usage: see the top of encoder_run.c\n");
        return 2;
    }
    double start_s = now_s();
    int threads = atoi(argv[4]) > 1 ? atoi(argv[4]) : 1;
    gemm_init(threads);
    struct threads *pool = threads_start(threads, &err);
    const char *means = argc > 7 ? argv[7] : NULL;
    bool ok = pool && open_model(&subject, argv[1], precision, means, threads_crew(pool), &err) &&
              read_input(&subject, argv[2], atoi(argv[3]), &err);
    double loaded_s = now_s();
    ok = ok && pass(&subject, NULL, &err);
    if (ok)
        printf("ready {\"load_s\": %.3f, \"first_s\": %.3f, \"runtime\": \"%s\", \"threads\": %d}\n",
               loaded_s - start_s, now_s() - loaded_s, gemm_runtime(), gemm_threads());
    bool only_means = means && precision == PRECISION_FP32 && subject.encoder;
    ok = ok && (!only_means || write_means(&subject, means, &err));
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    while (ok && !only_means && fflush(stdout) == 0 && fgets(line, sizeof line, stdin))
        ok = answer(&subject, line, &err);
    close_subject(&subject);
    threads_stop(pool);
    return ok ? 0 : fail(&err);
}
