#include "canvas.h"
#include "mr_maker.h"
#include "noise.h"
#include "thorax.h"
#include "vessels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MR_IMAGE_STORAGE "1.2.840.10008.5.1.4.1.1.4"

static const double pi = 3.14159265358979323846;

enum { PHASES_MAX = 30, LAYERS = 3, SLICES_MAX = 16, LEAN_PHASES = 10 };

/* One examination: what is drawn of scanner and technique, and the scenes. */
struct examination {
    struct study *study;
    const struct mr_maker *maker;
    struct canvas canvas;
    float *still[LAYERS]; /* the part that does not beat, of the slice in work */
    struct scene chest, beats[PHASES_MAX], late;
    int phases, rows, columns;
    double pixel_mm, slice_mm, gap_mm, rr_ms, blur_mm, noise, brightness, inversion_ms;
    struct vec coil; /* where the coil's sensitivity is largest */
    double coil_reach_mm;
    float cine[TISSUE_COUNT], enhanced[TISSUE_COUNT];
    double length_mm; /* mitral plane to apex, with the wall */
    double tilt[MR_VIEWS];
    uint64_t noise_seed;
    int number; /* of the series to come */
    double seconds;
};

/* One slice of a series: where it lies and what is taken of it. */
struct slice {
    struct plane plane;
    struct vec breath; /* how far the heart lay from its place during this breath hold */
    bool late, phase_image;
};

/* Parts of blood's brightness. source: README.md, table of grey values */
static void draw_palettes(struct examination *exam, struct dice *dice)
{
    static const float cine[TISSUE_COUNT] = {
        [TISSUE_AIR] = 0.005f,          [TISSUE_TABLE] = 0.005f,         [TISSUE_SKIN] = 0.4f,
        [TISSUE_FAT] = 0.82f,           [TISSUE_MUSCLE] = 0.22f,         [TISSUE_LUNG] = 0.05f,
        [TISSUE_LUNG_VESSEL] = 0.45f,   [TISSUE_AIRWAY] = 0.01f,         [TISSUE_CORTEX] = 0.06f,
        [TISSUE_MARROW] = 0.45f,        [TISSUE_DISC] = 0.35f,           [TISSUE_CARTILAGE] = 0.3f,
        [TISSUE_NERVE] = 0.85f,         [TISSUE_LIVER] = 0.34f,          [TISSUE_LIVER_VESSEL] = 0.7f,
        [TISSUE_SPLEEN] = 0.5f,         [TISSUE_STOMACH] = 0.6f,         [TISSUE_OESOPHAGUS] = 0.3f,
        [TISSUE_PERICARDIUM] = 0.1f,    [TISSUE_FLUID] = 1.1f,           [TISSUE_HEART_FAT] = 0.75f,
        [TISSUE_MYOCARDIUM] = 0.3f,     [TISSUE_VALVE] = 0.25f,          [TISSUE_LEFT_BLOOD] = 1,
        [TISSUE_RIGHT_BLOOD] = 0.95f,   [TISSUE_PULMONARY_BLOOD] = 0.9f, [TISSUE_AORTIC_BLOOD] = 0.95f,
        [TISSUE_SUPERIOR_BLOOD] = 0.9f, [TISSUE_INFERIOR_BLOOD] = 0.9f,  [TISSUE_VESSEL_WALL] = 0.3f,
        [TISSUE_CORONARY_BLOOD] = 0.8f, [TISSUE_PLAQUE] = 0.3f,          [TISSUE_CALCIUM] = 0.05f,
        [TISSUE_SCAR] = 0.32f};
    memcpy(exam->cine, cine, sizeof cine);
    exam->cine[TISSUE_MYOCARDIUM] = (float)dice_between(dice, 0.26, 0.36);
    exam->cine[TISSUE_FAT] = (float)dice_between(dice, 0.6, 0.95);
    exam->cine[TISSUE_HEART_FAT] = 0.92f * exam->cine[TISSUE_FAT];
    memcpy(exam->enhanced, exam->cine, sizeof cine);
    float *late = exam->enhanced;
    double amyloid = exam->study->patient->findings.severity[LGE_DIFFUSE];
    float blood = (float)(dice_between(dice, 0.46, 0.62) * (1 - 0.35 * amyloid));
    for (enum tissue tissue = TISSUE_LEFT_BLOOD; tissue <= TISSUE_INFERIOR_BLOOD; tissue++)
        late[tissue] = blood;
    late[TISSUE_MYOCARDIUM] = (float)dice_between(dice, 0.05, 0.12);
    late[TISSUE_VALVE] = 0.15f;
    late[TISSUE_SCAR] = (float)dice_between(dice, 0.8, 1);
    late[TISSUE_FAT] = (float)dice_between(dice, 0.4, 0.65);
    late[TISSUE_HEART_FAT] = 0.9f * late[TISSUE_FAT];
    late[TISSUE_MUSCLE] = 0.14f;
    late[TISSUE_FLUID] = 0.06f;
    late[TISSUE_LIVER] = 0.26f;
    late[TISSUE_LIVER_VESSEL] = 0.4f;
    late[TISSUE_SPLEEN] = 0.3f;
    late[TISSUE_NERVE] = 0.2f;
    late[TISSUE_STOMACH] = 0.15f;
    late[TISSUE_LUNG_VESSEL] = 0.3f;
}

void mr_study_plan(struct study *study)
{
    struct dice dice = dice_named(study->patient->seed, "scanner");
    const struct mr_maker *maker = &mr_makers[dice_below(&dice, mr_maker_count)];
    study->maker = &maker->maker;
    study->description = maker->study_description;
    study->at = (struct vec){-0.6 * study->patient->heart.origin.x + 8 * dice_normal(&dice),
                             12 * dice_normal(&dice), 15 * dice_normal(&dice)};
}

static void draw_examination(struct examination *exam)
{
    const struct patient *patient = exam->study->patient;
    struct dice dice = dice_named(patient->seed, "technique");
    draw_palettes(exam, &dice);
    exam->phases = 20 + dice_below(&dice, PHASES_MAX - 19);
    exam->pixel_mm = dice_between(&dice, 1.4, 1.9);
    exam->columns = 16 * (int)lround(dice_between(&dice, 310, 370) / exam->pixel_mm / 16);
    exam->rows = dice_chance(&dice, 0.5) ? exam->columns : 16 * (int)lround(0.82 * exam->columns / 16);
    exam->slice_mm = dice_chance(&dice, 0.5) ? 8 : 6;
    exam->gap_mm = exam->slice_mm < 7 ? 4 : dice_chance(&dice, 0.5) ? 2 : 0;
    exam->rr_ms = 60000 / patient->heart_rate;
    exam->blur_mm = exam->pixel_mm * dice_between(&dice, 1.2, 1.7);
    exam->noise = 1 / dice_between(&dice, 14, 40);
    exam->brightness = dice_between(&dice, 260, 900);
    exam->inversion_ms = round(dice_between(&dice, 240, 340));
    exam->coil = (struct vec){patient->heart.origin.x + 40 * dice_normal(&dice),
                              -patient->chest_half_depth_mm - 10, 30 * dice_normal(&dice)};
    exam->coil_reach_mm = dice_between(&dice, 150, 330);
    for (int view = 0; view < MR_VIEWS; view++)
        exam->tilt[view] = 4 * dice_normal(&dice) * pi / 180;
    exam->noise_seed = dice_word(&dice);
}

/* ---- the beat ---- */

/* How far the beat has gone, from 0 to 1, at a part of the RR interval:
 * contraction to 35 %, fast filling, rest, the atrium's kick. */
static double contraction_at(double part)
{
    if (part < 0.35)
        return 0.5 - 0.5 * cos(pi * part / 0.35);
    if (part < 0.58)
        return 0.28 + 0.72 * (0.5 + 0.5 * cos(pi * (part - 0.35) / 0.23));
    if (part < 0.82)
        return 0.28 - 0.04 * (part - 0.58) / 0.24;
    return 0.24 * (0.5 + 0.5 * cos(pi * (part - 0.82) / 0.18));
}

/* A lean study has what the demonstration model's input is made of: of the 4-chamber cine and of the middle
 * short-axis slice the middle phase of each of ten parts of the beat. source: docs/model-folder.md, frames */
static bool slice_is_wanted(const struct examination *exam, enum mr_view view, int at, int count)
{
    return !exam->study->lean || view == MR_4CH || (view == MR_SAX && at == count / 2);
}

static bool phase_is_wanted(const struct examination *exam, int phase)
{
    bool wanted = !exam->study->lean;
    for (int i = 0; i < LEAN_PHASES; i++)
        wanted = wanted || phase == (2 * i + 1) * exam->phases / (2 * LEAN_PHASES);
    return wanted;
}

static void build_scenes(struct examination *exam)
{
    const struct patient *patient = exam->study->patient;
    thorax_add(patient, false, &exam->chest);
    struct heart heart;
    for (int phase = 0; phase < exam->phases; phase++) {
        if (!phase_is_wanted(exam, phase))
            continue;
        heart_at(patient, contraction_at((double)phase / exam->phases), &heart);
        heart_add(&heart, &exam->beats[phase]);
        vessels_add(&heart, &exam->beats[phase]);
    }
    heart_at(patient, STUDY_LATE_CONTRACTION, &heart);
    heart_add(&heart, &exam->late);
    vessels_add(&heart, &exam->late);
    heart_add_scars(&heart, &exam->late);
    exam->length_mm = heart.length_mm + heart.wall_mm;
}

/* ---- planes ---- */

static struct plane plane_of(const struct examination *exam, struct vec middle, struct vec right,
                             struct vec down)
{
    struct plane plane = plane_at(middle, right, down, exam->rows, exam->columns, exam->pixel_mm);
    plane.thickness_mm = exam->slice_mm;
    return plane;
}

/* Short axis: septum to the left of the picture, inferior wall below. */
static struct plane short_axis(const struct examination *exam, double z)
{
    const struct frame *heart = &exam->study->patient->heart;
    struct vec right = vec_scaled(heart->axis[0], -1), down = heart->axis[1];
    double c = cos(exam->tilt[MR_SAX]), s = sin(exam->tilt[MR_SAX]);
    struct vec turned = vec_sum(vec_scaled(right, c), vec_scaled(down, s));
    struct vec below = vec_sum(vec_scaled(right, -s), vec_scaled(down, c));
    return plane_of(exam, frame_point(heart, 10, 0, z), turned, below);
}

/* Long axis: through the apex and, at the base, at an angle (0: septum, pi/2:
 * inferior wall). The picture keeps the patient's back (4-chamber) or feet (the
 * others) below. */
static struct plane long_axis(const struct examination *exam, enum mr_view view)
{
    static const double angles[MR_VIEWS] = {0, 1.5, -0.86, 0.33};
    const struct frame *heart = &exam->study->patient->heart;
    double angle = angles[view] + exam->tilt[view];
    struct vec across =
        vec_sum(vec_scaled(heart->axis[0], cos(angle)), vec_scaled(heart->axis[1], sin(angle)));
    struct vec normal = vec_cross(across, heart->axis[2]);
    struct vec below = view == MR_4CH ? (struct vec){0, 1, 0} : (struct vec){0, 0, -1};
    struct vec aside = view == MR_2CH ? (struct vec){0, 1, 0} : (struct vec){1, 0, 0};
    struct vec down = vec_unit(vec_sum(below, vec_scaled(normal, -vec_dot(below, normal))));
    struct vec right = vec_cross(down, normal);
    if (vec_dot(right, aside) < 0)
        right = vec_scaled(right, -1);
    return plane_of(exam, frame_point(heart, 6, 0, 0.32 * exam->length_mm), right, down);
}

/* ---- pictures ---- */

static bool paint_still(struct examination *exam, const struct slice *slice)
{
    const struct plane *plane = &slice->plane;
    size_t pixels = (size_t)plane->rows * (size_t)plane->columns;
    const float *palette = slice->late ? exam->enhanced : exam->cine;
    for (int layer = 0; layer < LAYERS; layer++) {
        double off = (layer - (LAYERS - 1) / 2.0) * plane->thickness_mm / LAYERS;
        for (size_t i = 0; i < pixels; i++)
            exam->still[layer][i] = palette[TISSUE_AIR];
        if (!scene_paint(&exam->chest, plane, off, palette, exam->blur_mm, exam->still[layer]))
            return false;
    }
    return true;
}

static bool paint_beat(struct examination *exam, const struct slice *slice, const struct scene *scene)
{
    const float *palette = slice->late ? exam->enhanced : exam->cine;
    struct plane plane = slice->plane;
    plane.origin = vec_sum(plane.origin, slice->breath);
    size_t pixels = (size_t)plane.rows * (size_t)plane.columns;
    memset(exam->canvas.image, 0, pixels * sizeof exam->canvas.image[0]);
    for (int layer = 0; layer < LAYERS; layer++) {
        double off = (layer - (LAYERS - 1) / 2.0) * plane.thickness_mm / LAYERS;
        memcpy(exam->canvas.layer, exam->still[layer], pixels * sizeof exam->canvas.layer[0]);
        if (!scene_paint(scene, &plane, off, palette, exam->blur_mm, exam->canvas.layer))
            return false;
        for (size_t i = 0; i < pixels; i++)
            exam->canvas.image[i] += exam->canvas.layer[i] / LAYERS;
    }
    return true;
}

/* Sensitivity of the coil, noise of two channels (the magnitude of both), grey
 * values. */
static void finish(struct examination *exam, const struct slice *slice, uint64_t number)
{
    const struct plane *plane = &slice->plane;
    struct canvas *canvas = &exam->canvas;
    struct dice dice = {exam->noise_seed ^ number * 0x9E3779B97F4A7C15U};
    noise_fill(&dice, 0.15, canvas->layer, canvas->room, plane->rows, plane->columns);
    noise_fill(&dice, 0.15, canvas->field, canvas->room, plane->rows, plane->columns);
    float noise = (float)(exam->noise * (slice->late ? 1.2 : 1));
    float scale = (float)(exam->brightness * (slice->late ? 0.6 : 1));
    float reach = (float)(1 / (exam->coil_reach_mm * exam->coil_reach_mm));
    for (int row = 0; row < plane->rows; row++) {
        struct vec from = vec_from(exam->coil, vec_sum(plane->origin, vec_scaled(plane->down, row)));
        float at[3] = {(float)from.x, (float)from.y, (float)from.z};
        float on[3] = {(float)plane->right.x, (float)plane->right.y, (float)plane->right.z};
        for (int column = 0; column < plane->columns; column++) {
            size_t i = (size_t)row * (size_t)plane->columns + (size_t)column;
            float far = at[0] * at[0] + at[1] * at[1] + at[2] * at[2];
            float signal = canvas->image[i] * 1.6f / (1 + far * reach);
            float real = signal + noise * canvas->layer[i], other = noise * canvas->field[i];
            float value =
                slice->phase_image ? 2048 / scale + 0.8f * (real - 0.1f) : sqrtf(real * real + other * other);
            value = value * scale + 0.5f;
            canvas->words[i] = (uint16_t)(value < 0 ? 0 : value > 4095 ? 4095 : value);
            for (int axis = 0; axis < 3; axis++)
                at[axis] += on[axis];
        }
    }
}

static void add_technique(const struct examination *exam, const struct slice *slice, int phase, int phases,
                          struct part10 *file)
{
    const struct mr_maker *maker = exam->maker;
    bool late = slice->late;
    part10_text(file, 0x00180015, "CS", "HEART");
    part10_text(file, 0x00180020, "CS", late ? maker->lge_sequence : maker->cine_sequence);
    part10_text(file, 0x00180021, "CS", late ? maker->lge_variant : maker->cine_variant);
    part10_text(file, 0x00180022, "CS", late ? maker->lge_options : maker->cine_options);
    part10_text(file, 0x00180023, "CS", "2D");
    if (late ? maker->lge_name : maker->cine_name)
        part10_text(file, 0x00180024, "SH", late ? maker->lge_name : maker->cine_name);
    part10_text(file, 0x00180080, "DS", late ? "700" : "3.2");
    part10_text(file, 0x00180081, "DS", late ? "1.3" : "1.4");
    if (late) {
        part10_format(file, 0x00180082, "DS", "%.0f", exam->inversion_ms);
        part10_text(file, 0x00180010, "LO", "Gadobutrol");
    }
    part10_text(file, 0x00180083, "DS", "1");
    part10_format(file, 0x00180084, "DS", "%.3f", 42.577 * maker->field_t);
    part10_text(file, 0x00180085, "SH", "1H");
    part10_text(file, 0x00180086, "IS", "1");
    part10_format(file, 0x00180087, "DS", "%.4g", maker->field_t);
    part10_format(file, 0x00180088, "DS", "%.6g", exam->slice_mm + exam->gap_mm);
    part10_text(file, 0x00180091, "IS", late ? "25" : "14");
    part10_format(file, 0x00181060, "DS", "%.2f", late ? 0.7 * exam->rr_ms : exam->rr_ms * phase / phases);
    part10_format(file, 0x00181062, "IS", "%ld", lround(exam->rr_ms));
    part10_format(file, 0x00181088, "IS", "%ld", lround(exam->study->patient->heart_rate));
    if (phases > 1)
        part10_format(file, 0x00181090, "IS", "%d", phases);
    part10_text(file, 0x00181314, "DS", late ? "25" : "55");
    part10_text(file, 0x00200012, "IS", "1");
    if (maker->rescale > 0) {
        part10_text(file, 0x00281052, "DS", "0");
        part10_format(file, 0x00281053, "DS", "%.6g", maker->rescale);
        part10_text(file, 0x00281054, "LO", "normalized");
    }
}

static bool write_picture(struct examination *exam, const struct study_header *header,
                          struct study_series *series, const struct slice *slice, int instance, int phase,
                          int phases, struct err *err)
{
    char sop_uid[UID_SIZE];
    finish(exam, slice, (uint64_t)series->number * 10000 + (uint64_t)instance);
    struct part10 *file =
        study_object(exam->study, header, series, instance, exam->seconds + 0.01 * instance, sop_uid);
    if (!file)
        return err_fail(err, ERR_NOMEM, "no memory for a picture");
    add_technique(exam, slice, phase, phases, file);
    study_add_plane(exam->study, file, &slice->plane);
    struct study_pixels pixels = {.words = exam->canvas.words,
                                  .rows = slice->plane.rows,
                                  .columns = slice->plane.columns,
                                  .bits = 12,
                                  .window_centre = exam->brightness * 0.5,
                                  .window_width = exam->brightness};
    study_add_pixels(file, &pixels);
    return study_take(exam->study, header, series, file, sop_uid, err);
}

static struct study_header header_of(struct examination *exam, const char *description, const char *type,
                                     const char *role)
{
    return (struct study_header){"MR", MR_IMAGE_STORAGE, type, description, description,
                                 role, ++exam->number};
}

static bool no_room(struct err *err)
{
    return err_fail(err, ERR_NOMEM, "no memory for the scene, or too many series");
}

/* The phases of the slices given, as the maker numbers and splits them. */
static bool write_cine(struct examination *exam, enum mr_view view, const struct slice *slices, int count,
                       struct err *err)
{
    static const char *const roles[MR_VIEWS] = {"cine_sax", "cine_2ch", "cine_3ch", "cine_4ch"};
    const struct mr_maker *maker = exam->maker;
    struct study_header header = {0};
    struct study_series *series = NULL;
    for (int at = 0; at < count; at++) {
        if (at == 0 || maker->series_a_slice) {
            header = header_of(exam, maker->cine[view], maker->cine_type, roles[view]);
            series = NULL;
        }
        exam->seconds += 14;
        if (!slice_is_wanted(exam, view, at, count))
            continue;
        series = series ? series : study_begin(exam->study, &header);
        if (!series || !paint_still(exam, &slices[at]))
            return no_room(err);
        for (int phase = 0; phase < exam->phases; phase++) {
            if (!phase_is_wanted(exam, phase))
                continue;
            int number = maker->series_a_slice ? phase
                         : maker->time_first   ? phase * count + at
                                               : at * exam->phases + phase;
            if (!paint_beat(exam, &slices[at], &exam->beats[phase]))
                return no_room(err);
            if (!write_picture(exam, &header, series, &slices[at], number + 1, phase, exam->phases, err))
                return false;
        }
    }
    return true;
}

static bool write_late(struct examination *exam, enum mr_view view, struct slice *slices, int count,
                       struct err *err)
{
    static const char *const roles[MR_VIEWS] = {"lge_sax", "lge_2ch", "lge_3ch", "lge_4ch"};
    const struct mr_maker *maker = exam->maker;
    char names[2][80];
    struct study_header headers[2];
    struct study_series *series[2] = {NULL, NULL};
    int kinds = maker->phase_pairs ? 2 : 1;
    for (int kind = 0; kind < kinds; kind++) {
        snprintf(names[kind], sizeof names[kind], "%s%s", maker->lge[view],
                 kinds == 1 ? ""
                 : kind     ? "_PSIR"
                            : "_MAG");
        headers[kind] = header_of(exam, names[kind], kind ? maker->phase_type : maker->lge_type,
                                  kind ? "lge_phase" : roles[view]);
        if (!(series[kind] = study_begin(exam->study, &headers[kind])))
            return no_room(err);
    }
    for (int at = 0; at < count; at++) {
        exam->seconds += 10;
        slices[at].late = true;
        if (!paint_still(exam, &slices[at]) || !paint_beat(exam, &slices[at], &exam->late))
            return no_room(err);
        for (int kind = 0; kind < kinds; kind++) {
            slices[at].phase_image = kind == 1;
            if (!write_picture(exam, &headers[kind], series[kind], &slices[at], at + 1, 0, 1, err))
                return false;
        }
    }
    return true;
}

static bool write_localizers(struct examination *exam, struct err *err)
{
    static const struct vec rights[3] = {{1, 0, 0}, {1, 0, 0}, {0, 1, 0}};
    static const struct vec downs[3] = {{0, 1, 0}, {0, 0, -1}, {0, 0, -1}};
    struct study_header header =
        header_of(exam, exam->maker->localizer, exam->maker->localizer_type, "localizer");
    if (exam->study->lean)
        return true;
    struct study_series *series = study_begin(exam->study, &header);
    if (!series)
        return no_room(err);
    for (int i = 0; i < 9; i++) {
        struct vec middle = exam->study->patient->heart.origin,
                   across = vec_cross(rights[i / 3], downs[i / 3]);
        middle = vec_sum(middle, vec_scaled(across, (i % 3 - 1) * 25.0));
        struct slice slice = {.plane = plane_at(middle, rights[i / 3], downs[i / 3], 160, 160, 2.5)};
        slice.plane.thickness_mm = 10;
        if (!paint_still(exam, &slice) || !paint_beat(exam, &slice, &exam->beats[exam->phases - 2]))
            return no_room(err);
        if (!write_picture(exam, &header, series, &slice, i + 1, 0, 1, err))
            return false;
    }
    return true;
}

/* The stack from just above the mitral plane to just past the apex. */
static int lay_stack(const struct examination *exam, struct slice slices[SLICES_MAX], int most)
{
    struct dice dice = dice_named(exam->study->patient->seed, "breath holds");
    double step = exam->slice_mm + exam->gap_mm, first = dice_between(&dice, -9, -4);
    int count = (int)ceil((exam->length_mm + 3 - first) / step) + 1;
    count = count < most ? count : most;
    for (int i = 0; i < count; i++) {
        slices[i] = (struct slice){.plane = short_axis(exam, first + i * step)};
        slices[i].breath =
            (struct vec){0.4 * dice_normal(&dice), 0.6 * dice_normal(&dice), 1.1 * dice_normal(&dice)};
    }
    return count;
}

static bool write_all(struct examination *exam, struct err *err)
{
    struct slice stack[SLICES_MAX], one;
    bool ok = write_localizers(exam, err);
    for (int view = MR_2CH; ok && view < MR_VIEWS; view++) {
        one = (struct slice){.plane = long_axis(exam, (enum mr_view)view)};
        ok = write_cine(exam, (enum mr_view)view, &one, 1, err);
    }
    int count = lay_stack(exam, stack, SLICES_MAX);
    ok = ok && write_cine(exam, MR_SAX, stack, count, err);
    exam->seconds += 600; /* contrast needs its time */
    ok = ok && write_late(exam, MR_SAX, stack, count, err);
    for (int view = MR_2CH; ok && view < MR_VIEWS; view++) {
        one = (struct slice){.plane = long_axis(exam, (enum mr_view)view)};
        ok = write_late(exam, (enum mr_view)view, &one, 1, err);
    }
    return ok;
}

static bool take_room(struct examination *exam, struct err *err)
{
    size_t pixels = (size_t)exam->rows * (size_t)exam->columns;
    pixels = pixels < 160 * 160 ? 160 * 160 : pixels;
    for (int layer = 0; layer < LAYERS; layer++)
        if (!(exam->still[layer] = calloc(pixels, sizeof(float))))
            return err_fail(err, ERR_NOMEM, "no memory for a picture");
    return canvas_init(&exam->canvas, pixels, err);
}

static void give_room(struct examination *exam)
{
    for (int layer = 0; layer < LAYERS; layer++)
        free(exam->still[layer]);
    canvas_done(&exam->canvas);
    scene_done(&exam->chest);
    scene_done(&exam->late);
    for (int phase = 0; phase < PHASES_MAX; phase++)
        scene_done(&exam->beats[phase]);
}

bool mr_study_write(struct study *study, struct err *err)
{
    struct examination exam = {.study = study};
    for (int i = 0; i < mr_maker_count; i++)
        if (&mr_makers[i].maker == study->maker)
            exam.maker = &mr_makers[i];
    draw_examination(&exam);
    build_scenes(&exam);
    bool ok = take_room(&exam, err) && write_all(&exam, err);
    give_room(&exam);
    return ok;
}
