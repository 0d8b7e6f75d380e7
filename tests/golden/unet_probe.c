/* Shows what convolutions and a U-Net compute, for the golden tests.
 *   unet_probe conv CI0 CI1 CO KZ KY KX SZ SY SX Z Y X SLOPE IN.f32 WEIGHT.f32 SHIFT.f32 OUT.f32
 *   unet_probe up CI CO SZ SY SX Z Y X IN.f32 WEIGHT.f32 BIAS.f32 OUT.f32
 *   unet_probe maps MODEL INPUT.f32 Z Y X OUT_FOLDER     every stage to OUT_FOLDER/NAME.f32 and "NAME rows
 * columns" unet_probe time MODEL INPUT.f32 Z Y X THREADS        seconds, CPU seconds, peak memory in kB, room
 * in bytes
 *   unet_probe organs MODEL INPUT.f32 MASK.u8 Z Y X OUT_FOLDER    an organ flow of any tower (MASK "-":
 * none): "ID -" and OUT_FOLDER/ID.f32, or "ID REASON" unet_probe organ_stages ... every stage instead
 *   unet_probe organ_time MODEL INPUT.f32 MASK.u8 Z Y X           seconds, peak memory in kB
 * MODEL holds config.json (family, vision, unet, organ) and model.safetensors. */
#include "base/clock.h"
#include "base/file.h"
#include "encoder/encoder.h"
#include "encoder/unet.h"
#include "tensor/conv.h"
#include "tensor/gemm.h"
#include "tensor/section.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void stop(const struct err *err)
{
    fprintf(stderr, "%s %s: %s\n", err_code_name(err->code), err->reason, err->text);
    exit(1);
}

static float *read_floats(const char *path, size_t count)
{
    struct err err = ERR_INIT;
    size_t size;
    char *bytes = file_read(path, (size_t)1 << 34, &size, &err);
    if (!bytes)
        stop(&err);
    if (size != count * sizeof(float)) {
        fprintf(stderr, "%s has %zu bytes, not %zu floats\n", path, size, count);
        exit(1);
    }
    return (float *)(void *)bytes;
}

static void write_floats(const char *path, const float *values, size_t count)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(values, sizeof *values, count, file) != count || fclose(file) != 0)
        exit(3);
}

static size_t volume(const int zyx[3])
{
    return (size_t)zyx[0] * (size_t)zyx[1] * (size_t)zyx[2];
}

static int run_conv(char **words)
{
    int n[12], *zyx = n + 9, out_zyx[3];
    for (int i = 0; i < 12; i++)
        n[i] = atoi(words[i]);
    struct conv conv = {.in_channels = {n[0], n[1]},
                        .out_channels = n[2],
                        .kernel_zyx = {n[3], n[4], n[5]},
                        .stride_zyx = {n[6], n[7], n[8]},
                        .slope = (float)atof(words[12])};
    size_t channels = (size_t)(n[0] + n[1]), outs = (size_t)n[2];
    float *in = read_floats(words[13], channels * volume(zyx));
    float *weight = read_floats(words[14], outs * channels * volume(conv.kernel_zyx));
    float *shift = read_floats(words[15], outs),
          *scratch = malloc(conv_scratch(&conv, zyx) * sizeof *scratch);
    conv.weight = weight;
    conv.shift = shift;
    conv_out_zyx(&conv, zyx, out_zyx);
    float *out = malloc(outs * volume(out_zyx) * sizeof *out);
    conv_run(&conv, (const float *const[]){in, in + (size_t)n[0] * volume(zyx)}, zyx, out, NULL, scratch);
    write_floats(words[16], out, outs * volume(out_zyx));
    free(in);
    free(weight);
    free(shift);
    free(scratch);
    free(out);
    return 0;
}

static int run_up(char **words)
{
    int n[8], *zyx = n + 5;
    for (int i = 0; i < 8; i++)
        n[i] = atoi(words[i]);
    struct conv_up up = {.in_channels = n[0], .out_channels = n[1], .stride_zyx = {n[2], n[3], n[4]}};
    size_t taps = volume(up.stride_zyx), count = (size_t)n[1] * taps * volume(zyx);
    float *in = read_floats(words[8], (size_t)n[0] * volume(zyx));
    float *weight = read_floats(words[9], (size_t)n[0] * (size_t)n[1] * taps);
    float *bias = read_floats(words[10], (size_t)n[1]), *out = malloc(count * sizeof *out);
    float *scratch = malloc(conv_up_scratch(&up, zyx) * sizeof *scratch);
    up.weight = weight;
    up.bias = bias;
    conv_up_run(&up, in, zyx, out, scratch);
    write_floats(words[11], out, count);
    free(in);
    free(weight);
    free(bias);
    free(scratch);
    free(out);
    return 0;
}

static const char *wanted_stages; /* NULL: all */

static void write_stage(void *seer, const char *stage, int layer, const float *values, int rows, int columns)
{
    char name[64], path[4096];
    if (wanted_stages && !strstr(wanted_stages, stage))
        return;
    snprintf(name, sizeof name, layer < 0 ? "%s" : "%s.%d", stage, layer);
    snprintf(path, sizeof path, "%s/%s.f32", (const char *)seer, name);
    write_floats(path, values, (size_t)rows * (size_t)columns);
    printf("%s %d %d\n", name, rows, columns);
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

struct opened {
    json_t *config;
    struct safetensors *file;
    struct arena *arena;
    struct unet unet;
};

static void open_unet(const char *folder, struct opened *o)
{
    struct err err = ERR_INIT;
    struct weights weights;
    char path[4096];
    snprintf(path, sizeof path, "%s/config.json", folder);
    if (!(o->config = section_file(path, NULL, NULL, &err)))
        stop(&err);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    o->arena = arena_new();
    json_t *channels = json_object_get(json_object_get(o->config, "vision"), "channels");
    if (!(o->file = safetensors_open(path, &err)) ||
        !weights_init(
            &weights,
            &(struct encoder_sections){.family = json_string_value(json_object_get(o->config, "family"))},
            o->file, NULL, o->arena, &err) ||
        !unet_open(&o->unet, json_object_get(o->config, "unet"),
                   channels ? (int)json_integer_value(channels) : 1, &weights, &err) ||
        !weights_check_all_taken(&weights, &err))
        stop(&err);
}

static void close_unet(struct opened *o)
{
    unet_close(&o->unet);
    arena_free(o->arena);
    safetensors_close(o->file);
    json_decref(o->config);
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int run_unet(char **words, char *out_folder)
{
    struct err err = ERR_INIT;
    struct opened opened = {0};
    const struct encoder_tap tap = {write_stage, out_folder};
    int zyx[3] = {atoi(words[2]), atoi(words[3]), atoi(words[4])};
    open_unet(words[0], &opened);
    if (!unet_reserve(&opened.unet, zyx, &err))
        stop(&err);
    float *input = read_floats(words[1], (size_t)opened.unet.config.channels * volume(zyx));
    int64_t start_ms = clock_monotonic_ms();
    double start_cpu = cpu_seconds();
    unet_run(&opened.unet, input, out_folder ? &tap : NULL);
    if (!out_folder || wanted_stages)
        printf("%.3f %.3f %ld %zu\n", (double)(clock_monotonic_ms() - start_ms) / 1000,
               cpu_seconds() - start_cpu, peak_kb(), unet_room_bytes(&opened.unet));
    free(input);
    close_unet(&opened);
    return 0;
}

static int show_room(char **words)
{
    struct err err = ERR_INIT;
    struct opened opened = {0};
    int zyx[3] = {atoi(words[1]), atoi(words[2]), atoi(words[3])};
    open_unet(words[0], &opened);
    if (!unet_reserve(&opened.unet, zyx, &err))
        stop(&err);
    printf("%zu\n", unet_room_bytes(&opened.unet));
    close_unet(&opened);
    return 0;
}

static uint8_t *read_mask(const char *path, size_t count)
{
    struct err err = ERR_INIT;
    size_t size;
    if (strcmp(path, "-") == 0)
        return NULL;
    char *bytes = file_read(path, (size_t)1 << 34, &size, &err);
    if (!bytes || size != count)
        stop(&err);
    return (uint8_t *)bytes;
}

static void write_organs(const struct encoder_output *output, int dim, const char *folder)
{
    for (int i = 0; i < output->organ_count; i++) {
        const struct encoder_organ *organ = &output->organs[i];
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.f32", folder, organ->id);
        if (organ->vector)
            write_floats(path, organ->vector, (size_t)dim);
        printf("%s %s\n", organ->id, organ->vector ? "-" : organ->reason);
    }
}

/* how: "organs", their vectors; "organ_stages", every stage; "organ_time", seconds and peak memory. */
static int run_organs(const char *how, char **words)
{
    const struct encoder_tap tap = {write_stage, words[6]};
    bool stages = strcmp(how, "organ_stages") == 0;
    struct err err = ERR_INIT;
    struct encoder_output output;
    char path[4096];
    struct encoder_input input = {.items = 1, .zyx = {atoi(words[3]), atoi(words[4]), atoi(words[5])}};
    snprintf(path, sizeof path, "%s/config.json", words[0]);
    json_t *config = section_file(path, NULL, NULL, &err);
    snprintf(path, sizeof path, "%s/model.safetensors", words[0]);
    struct safetensors *file = config ? safetensors_open(path, &err) : NULL;
    const struct encoder_sections sections = {.family = json_string_value(json_object_get(config, "family")),
                                              .vision = json_object_get(config, "vision"),
                                              .unet = json_object_get(config, "unet"),
                                              .organ = json_object_get(config, "organ")};
    struct encoder *encoder = file ? encoder_open(&sections, file, NULL, &err) : NULL;
    if (!encoder)
        stop(&err);
    const struct vision_config *vision = &encoder_config(encoder)->vision;
    float *values = read_floats(words[1], (size_t)vision->channels * volume(input.zyx));
    uint8_t *mask = read_mask(words[2], volume(input.zyx));
    input.values = values;
    input.mask = mask;
    int64_t start_ms = clock_monotonic_ms();
    if (!encoder_image(encoder, &input, &output, stages ? &tap : NULL, &err))
        stop(&err);
    if (strcmp(how, "organ_time") == 0)
        printf("%.3f %ld\n", (double)(clock_monotonic_ms() - start_ms) / 1000, peak_kb());
    else if (!stages)
        write_organs(&output, vision->proj_dim, words[6]);
    free(values);
    free(mask);
    encoder_close(encoder);
    safetensors_close(file);
    json_decref(config);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "conv") == 0 && argc == 19)
        return run_conv(argv + 2);
    if (strcmp(what, "up") == 0 && argc == 14)
        return run_up(argv + 2);
    if (strcmp(what, "maps") == 0 && (argc == 8 || argc == 9)) {
        wanted_stages = argv[8];
        return run_unet(argv + 2, argv[7]);
    }
    if (strcmp(what, "room") == 0 && argc == 6)
        return show_room(argv + 2);
    if ((strcmp(what, "organs") == 0 || strcmp(what, "organ_stages") == 0) && argc == 9)
        return run_organs(what, argv + 2);
    if (strcmp(what, "organ_time") == 0 && argc == 8)
        return run_organs(what, argv + 2);
    if (strcmp(what, "time") == 0 && argc == 8) {
        gemm_init(atoi(argv[7]));
        fprintf(stderr, "%s\n", gemm_runtime());
        return run_unet(argv + 2, NULL);
    }
    fprintf(stderr, "usage: see the top of unet_probe.c\n");
    return 2;
}
