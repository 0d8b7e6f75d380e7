#include "canvas.h"
#include "ct_maker.h"
#include "noise.h"
#include "thorax.h"
#include "vessels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CT_IMAGE_STORAGE "1.2.840.10008.5.1.4.1.1.2"

enum { CTA_SIZE = 320, SIZE = 256, SCOUT_SIZE = 192, BOLUS_IMAGES = 10 };

/* One examination: what is drawn of scanner and contrast, and the scenes. */
struct examination {
    struct study *study;
    const struct ct_maker *maker;
    struct canvas canvas;
    struct scene scene;
    double kv, mas, blur_mm, noise_hu, grain;
    double left_hu, right_hu, pulmonary_hu, superior_hu; /* blood with contrast */
    double field_mm;                                     /* of the angiography */
    struct vec middle;                                   /* of the heart */
    double top_mm, bottom_mm;                            /* of the gated scans */
    bool wide;                                           /* a lung reconstruction too */
    uint64_t noise_seed;
};

/* What a series of axial pictures needs beyond its header. */
struct scan {
    enum ct_role role;
    int size, images;
    double field_mm, thickness_mm, spacing_mm, noise_hu, grain, blur_mm;
    double seconds, each_s;
    bool contrast, moves; /* moves: one position a picture */
    struct vec first;     /* middle of the first picture */
    double window[2];
};

/* source: textbook ranges; README.md, table of grey values */
static void plain_palette(float palette[TISSUE_COUNT])
{
    static const float hounsfield[TISSUE_COUNT] = {
        [TISSUE_AIR] = -1000,         [TISSUE_TABLE] = -350,
        [TISSUE_SKIN] = 10,           [TISSUE_FAT] = -105,
        [TISSUE_MUSCLE] = 52,         [TISSUE_LUNG] = -860,
        [TISSUE_LUNG_VESSEL] = 38,    [TISSUE_AIRWAY] = -995,
        [TISSUE_CORTEX] = 580,        [TISSUE_MARROW] = 190,
        [TISSUE_DISC] = 85,           [TISSUE_CARTILAGE] = 110,
        [TISSUE_NERVE] = 30,          [TISSUE_LIVER] = 58,
        [TISSUE_LIVER_VESSEL] = 44,   [TISSUE_SPLEEN] = 50,
        [TISSUE_STOMACH] = 22,        [TISSUE_OESOPHAGUS] = 42,
        [TISSUE_PERICARDIUM] = 30,    [TISSUE_FLUID] = 10,
        [TISSUE_HEART_FAT] = -95,     [TISSUE_MYOCARDIUM] = 48,
        [TISSUE_VALVE] = 48,          [TISSUE_LEFT_BLOOD] = 42,
        [TISSUE_RIGHT_BLOOD] = 42,    [TISSUE_PULMONARY_BLOOD] = 42,
        [TISSUE_AORTIC_BLOOD] = 42,   [TISSUE_SUPERIOR_BLOOD] = 42,
        [TISSUE_INFERIOR_BLOOD] = 42, [TISSUE_VESSEL_WALL] = 45,
        [TISSUE_CORONARY_BLOOD] = 42, [TISSUE_PLAQUE] = 45,
        [TISSUE_CALCIUM] = 950,       [TISSUE_SCAR] = 48};
    memcpy(palette, hounsfield, sizeof hounsfield);
}

static void contrast_palette(const struct examination *exam, float palette[TISSUE_COUNT])
{
    plain_palette(palette);
    double left = exam->left_hu;
    palette[TISSUE_LEFT_BLOOD] = (float)left;
    palette[TISSUE_AORTIC_BLOOD] = (float)(0.98 * left);
    palette[TISSUE_CORONARY_BLOOD] = (float)(0.96 * left);
    palette[TISSUE_RIGHT_BLOOD] = (float)exam->right_hu;
    palette[TISSUE_PULMONARY_BLOOD] = (float)exam->pulmonary_hu;
    palette[TISSUE_SUPERIOR_BLOOD] = (float)exam->superior_hu;
    palette[TISSUE_INFERIOR_BLOOD] = 75;
    palette[TISSUE_MYOCARDIUM] = (float)(70 + 0.1 * left);
    palette[TISSUE_VALVE] = palette[TISSUE_MYOCARDIUM];
    palette[TISSUE_VESSEL_WALL] = 65;
    palette[TISSUE_LUNG_VESSEL] = (float)(0.5 * (left + exam->pulmonary_hu));
    palette[TISSUE_LIVER] = 75;
    palette[TISSUE_LIVER_VESSEL] = 85;
    palette[TISSUE_SPLEEN] = 130;
    palette[TISSUE_CALCIUM] = (float)(650 + left);
}

void ct_study_plan(struct study *study)
{
    struct dice dice = dice_named(study->patient->seed, "scanner");
    const struct ct_maker *maker = &ct_makers[dice_below(&dice, ct_maker_count)];
    study->maker = &maker->maker;
    study->description = maker->study_description;
    study->at =
        (struct vec){10 * dice_normal(&dice), dice_between(&dice, -190, 60), dice_between(&dice, -1600, 200)};
}

static void draw_contrast(struct examination *exam, struct dice *dice)
{
    exam->kv = 10 * (8 + 2 * dice_below(dice, 3));
    exam->left_hu = dice_between(dice, 300, 480) * (exam->kv < 90 ? 1.15 : 1);
    double timing = dice_unit(dice); /* 0: the right heart is washed out */
    exam->right_hu = 70 + timing * 0.75 * exam->left_hu;
    exam->pulmonary_hu = 110 + timing * 0.7 * exam->left_hu;
    exam->superior_hu = 120 + timing * dice_between(dice, 0.5, 1.8) * exam->left_hu;
}

static void draw_examination(struct examination *exam, const struct heart *heart)
{
    const struct patient *patient = exam->study->patient;
    struct dice dice = dice_named(patient->seed, "technique");
    struct vec low, high;
    double ml;
    heart_box(heart, &low, &high, &ml);
    exam->middle = vec_mix(low, high, 0.5);
    draw_contrast(exam, &dice);
    exam->mas = dice_between(&dice, 80, 260);
    exam->blur_mm = dice_between(&dice, 0.9, 1.5);
    exam->noise_hu = dice_between(&dice, 16, 34) * (0.85 + 0.006 * patient->fat_mm);
    exam->grain = dice_between(&dice, 0.1, 0.75);
    exam->field_mm = dice_chance(&dice, 0.22) ? dice_between(&dice, 280, 370) : dice_between(&dice, 178, 230);
    double valve = patient->heart.origin.z + 66 * patient->scale;
    exam->top_mm = fmax(high.z, valve) + dice_between(&dice, 4, 18);
    exam->bottom_mm = low.z - dice_between(&dice, 5, 16);
    exam->middle.x += 6 * dice_normal(&dice);
    exam->middle.y += 5 + 6 * dice_normal(&dice);
    exam->wide = dice_chance(&dice, 0.4);
    exam->noise_seed = dice_word(&dice);
}

static void add_technique(const struct examination *exam, const struct scan *scan, struct part10 *file)
{
    const char *kernel = exam->maker->scans[scan->role].kernel;
    part10_text(file, 0x00180015, "CS", scan->role == CT_WIDE ? "CHEST" : "HEART");
    if (exam->maker->scans[scan->role].scan_options[0])
        part10_text(file, 0x00180022, "CS", exam->maker->scans[scan->role].scan_options);
    if (scan->contrast) {
        part10_text(file, 0x00180010, "LO", "Iohexol 350");
        part10_text(file, 0x00181040, "LO", "IV");
    }
    double kv = scan->role == CT_CALCIUM || scan->role == CT_LOCALIZER ? 120 : exam->kv;
    part10_format(file, 0x00180060, "DS", "%.0f", kv);
    part10_format(file, 0x00180090, "DS", "%.6g", 500.0);
    part10_format(file, 0x00181100, "DS", "%.6g", scan->field_mm);
    part10_format(file, 0x00181151, "IS", "%ld", lround(exam->mas));
    if (kernel[0])
        part10_text(file, 0x00181210, "SH", kernel);
    if (scan->role == CT_CALCIUM || scan->role == CT_CTA)
        part10_format(file, 0x00181088, "IS", "%ld", lround(exam->study->patient->heart_rate));
    part10_format(file, 0x00281052, "DS", "%d", exam->maker->intercept);
    part10_text(file, 0x00281053, "DS", "1");
    part10_text(file, 0x00281054, "LO", "HU");
    part10_text(file, 0x00200012, "IS", "1");
}

/* Hounsfield units to stored values; some makers leave a circle. */
static void store(const struct examination *exam, const struct plane *plane, const float *image,
                  uint16_t *words)
{
    const struct ct_maker *maker = exam->maker;
    int least = maker->is_signed ? -32768 : 0, most = maker->is_signed ? 32767 : 4095;
    double radius = plane->columns / 2.0;
    for (int row = 0; row < plane->rows; row++) {
        double y = row + 0.5 - plane->rows / 2.0;
        double reach = radius * radius - y * y;
        int skip = reach > 0 ? (int)(radius - sqrt(reach)) : plane->columns / 2;
        for (int column = 0; column < plane->columns; column++) {
            size_t at = (size_t)row * (size_t)plane->columns + (size_t)column;
            int value = (int)floorf(image[at] + 0.5f) - maker->intercept;
            value = value < least ? least : value > most ? most : value;
            if (maker->padded && (column < skip || column >= plane->columns - skip))
                value = maker->padding;
            words[at] = (uint16_t)value;
        }
    }
}

static bool write_picture(struct examination *exam, const struct study_header *header,
                          struct study_series *series, const struct scan *scan, const struct plane *plane,
                          int instance, struct err *err)
{
    char sop_uid[UID_SIZE];
    const struct ct_maker *maker = exam->maker;
    struct part10 *file = study_object(exam->study, header, series, instance,
                                       scan->seconds + (instance - 1) * scan->each_s, sop_uid);
    if (!file)
        return err_fail(err, ERR_NOMEM, "no memory for a picture");
    store(exam, plane, exam->canvas.image, exam->canvas.words);
    add_technique(exam, scan, file);
    study_add_plane(exam->study, file, plane);
    struct study_pixels pixels = {.words = exam->canvas.words,
                                  .rows = plane->rows,
                                  .columns = plane->columns,
                                  .is_signed = maker->is_signed,
                                  .bits = maker->bits,
                                  .padded = maker->padded && scan->role != CT_LOCALIZER,
                                  .padding = maker->padding,
                                  .window_centre = scan->window[0],
                                  .window_width = scan->window[1]};
    study_add_pixels(file, &pixels);
    return study_take(exam->study, header, series, file, sop_uid, err);
}

/* One axial picture in Hounsfield units: thick slices are the mean of thinner
 * layers. */
static bool paint_picture(struct examination *exam, const struct scan *scan, const struct plane *plane,
                          const float palette[TISSUE_COUNT], int instance)
{
    struct canvas *canvas = &exam->canvas;
    size_t pixels = (size_t)plane->rows * (size_t)plane->columns;
    struct dice dice = {exam->noise_seed ^ (uint64_t)(scan->role * 100000 + instance) * 0x9E3779B97F4A7C15U};
    int layers = scan->thickness_mm > 4 ? 2 : 1;
    for (int i = 0; i < layers; i++) {
        for (size_t at = 0; at < pixels; at++)
            canvas->layer[at] = palette[TISSUE_AIR];
        double off = layers == 1 ? 0 : (i - 0.5) * scan->thickness_mm / 2;
        if (!scene_paint(&exam->scene, plane, off, palette, scan->blur_mm, canvas->layer))
            return false;
        for (size_t at = 0; at < pixels; at++)
            canvas->image[at] = (i ? canvas->image[at] : 0) + canvas->layer[at] / (float)layers;
    }
    noise_fill(&dice, scan->grain, canvas->field, canvas->room, plane->rows, plane->columns);
    for (size_t at = 0; at < pixels; at++)
        canvas->image[at] += (float)scan->noise_hu * canvas->field[at];
    return true;
}

static bool write_scan(struct examination *exam, const struct scan *scan, int number, struct err *err)
{
    const struct ct_maker *maker = exam->maker;
    static const char *const roles[CT_ROLES] = {"localizer", "calcium_score", "bolus_tracking", "cta",
                                                "lung"};
    struct study_header header = {"CT",
                                  CT_IMAGE_STORAGE,
                                  maker->scans[scan->role].image_type,
                                  maker->scans[scan->role].description,
                                  maker->scans[scan->role].protocol,
                                  roles[scan->role],
                                  number};
    struct study_series *series = study_begin(exam->study, &header);
    float palette[TISSUE_COUNT];
    if (scan->contrast)
        contrast_palette(exam, palette);
    else
        plain_palette(palette);
    bool ok = series || err_fail(err, ERR_BUG, "too many series");
    for (int i = 0; ok && i < scan->images; i++) {
        struct vec middle = scan->first;
        middle.z -= scan->moves ? i * scan->spacing_mm : 0;
        struct plane plane = plane_at(middle, (struct vec){1, 0, 0}, (struct vec){0, 1, 0}, scan->size,
                                      scan->size, scan->field_mm / scan->size);
        plane.thickness_mm = scan->thickness_mm;
        if (scan->role == CT_BOLUS) { /* contrast arrives */
            double arrived = fmax(0, i - 3) / (BOLUS_IMAGES - 4);
            palette[TISSUE_AORTIC_BLOOD] = (float)(42 + 160 * arrived * arrived);
            palette[TISSUE_PULMONARY_BLOOD] = (float)(42 + 330 * fmin(1, i / 5.0));
            palette[TISSUE_SUPERIOR_BLOOD] = (float)(60 + 600 * fmin(1, i / 3.0));
        }
        if (!paint_picture(exam, scan, &plane, palette, i + 1))
            return err_fail(err, ERR_NOMEM, "no memory for the scene");
        ok = write_picture(exam, &header, series, scan, &plane, i + 1, err);
    }
    return ok;
}

/* A scan of the heart from top to bottom, or of one place. */
static struct scan scan_of(const struct examination *exam, enum ct_role role)
{
    struct scan scan = {
        .role = role, .size = SIZE, .contrast = role != CT_CALCIUM, .moves = role != CT_BOLUS};
    scan.thickness_mm = exam->maker->scans[role].thickness_mm;
    scan.spacing_mm = exam->maker->scans[role].spacing_mm;
    scan.images = (int)((exam->top_mm - exam->bottom_mm) / scan.spacing_mm) + 1;
    scan.first = exam->middle;
    scan.first.z = exam->top_mm;
    scan.field_mm = 220;
    scan.noise_hu = 0.7 * exam->noise_hu;
    scan.grain = 0.6;
    scan.blur_mm = exam->blur_mm + 0.2 * scan.thickness_mm;
    scan.seconds = 120.0 * role;
    scan.each_s = 0.05;
    scan.window[0] = 50;
    scan.window[1] = 400;
    return scan;
}

static bool write_bolus(struct examination *exam, struct err *err)
{
    struct scan scan = scan_of(exam, CT_BOLUS);
    scan.images = BOLUS_IMAGES;
    scan.field_mm = 300;
    scan.first.z = exam->study->patient->heart.origin.z + 60 * exam->study->patient->scale;
    scan.each_s = 1.2;
    return write_scan(exam, &scan, 3, err);
}

static bool write_cta(struct examination *exam, struct err *err)
{
    struct scan scan = scan_of(exam, CT_CTA);
    scan.size = CTA_SIZE;
    scan.field_mm = exam->field_mm;
    scan.noise_hu = exam->noise_hu;
    scan.grain = exam->grain;
    scan.blur_mm = fmax(exam->blur_mm, 1.3 * scan.field_mm / scan.size);
    scan.window[0] = 200;
    scan.window[1] = 800;
    return write_scan(exam, &scan, 4, err);
}

static bool write_wide(struct examination *exam, struct err *err)
{
    struct scan scan = scan_of(exam, CT_WIDE);
    scan.field_mm = 2 * (exam->study->patient->chest_half_width_mm + exam->study->patient->fat_mm) + 40;
    scan.first.x = 0;
    scan.first.y = 10;
    scan.noise_hu = 2.2 * exam->noise_hu;
    scan.grain = -0.3;
    scan.blur_mm = 1.1 * scan.field_mm / scan.size;
    scan.window[0] = -600;
    scan.window[1] = 1600;
    return write_scan(exam, &scan, 5, err);
}

/* A picture of the whole chest as a shadow: attenuation summed over planes
 * through it. */
static bool paint_scout(struct examination *exam, const struct plane *plane, struct vec through)
{
    enum { PLANES = 22, STEP = 14 };
    struct canvas *canvas = &exam->canvas;
    size_t pixels = (size_t)plane->rows * (size_t)plane->columns;
    float palette[TISSUE_COUNT];
    plain_palette(palette);
    memset(canvas->image, 0, pixels * sizeof canvas->image[0]);
    for (int i = 0; i < PLANES; i++) {
        struct plane at = *plane;
        at.origin = vec_sum(plane->origin, vec_scaled(through, (i - (PLANES - 1) / 2.0) * STEP));
        for (size_t j = 0; j < pixels; j++)
            canvas->layer[j] = -1000;
        if (!scene_paint(&exam->scene, &at, 0, palette, 7, canvas->layer))
            return false;
        for (size_t j = 0; j < pixels; j++)
            canvas->image[j] += (canvas->layer[j] + 1000) * STEP / 1000;
    }
    struct dice dice = {exam->noise_seed ^ (uint64_t)(through.x > 0)};
    noise_fill(&dice, 0.2, canvas->field, canvas->room, plane->rows, plane->columns);
    for (size_t j = 0; j < pixels; j++) /* in mm of water; made to look like Hounsfield units */
        canvas->image[j] = canvas->image[j] * 4 - 900 + 8 * canvas->field[j];
    return true;
}

static bool write_scouts(struct examination *exam, struct err *err)
{
    const struct ct_maker *maker = exam->maker;
    struct study_header header = {"CT",
                                  CT_IMAGE_STORAGE,
                                  maker->scans[CT_LOCALIZER].image_type,
                                  maker->scans[CT_LOCALIZER].description,
                                  maker->scans[CT_LOCALIZER].protocol,
                                  "localizer",
                                  1};
    struct study_series *series = study_begin(exam->study, &header);
    struct scan scan = scan_of(exam, CT_LOCALIZER);
    scan.contrast = false;
    scan.field_mm = 420;
    scan.window[0] = 100;
    scan.window[1] = 1600;
    if (!series)
        return err_fail(err, ERR_BUG, "too many series");
    for (int i = 0; i < 2; i++) {
        struct vec right = i ? (struct vec){0, 1, 0} : (struct vec){1, 0, 0};
        struct vec through = i ? (struct vec){1, 0, 0} : (struct vec){0, 1, 0};
        struct plane plane = plane_at((struct vec){0, 0, 0}, right, (struct vec){0, 0, -1}, SCOUT_SIZE,
                                      SCOUT_SIZE, 420.0 / SCOUT_SIZE);
        plane.thickness_mm = scan.thickness_mm;
        if (!paint_scout(exam, &plane, through))
            return err_fail(err, ERR_NOMEM, "no memory for the scene");
        if (!write_picture(exam, &header, series, &scan, &plane, i + 1, err))
            return false;
    }
    return true;
}

static bool write_all(struct examination *exam, struct err *err)
{
    struct scan calcium = scan_of(exam, CT_CALCIUM);
    if (!canvas_init(&exam->canvas, (size_t)CTA_SIZE * CTA_SIZE, err))
        return false;
    if (exam->study->lean)
        return write_cta(exam, err);
    return write_scouts(exam, err) && write_scan(exam, &calcium, 2, err) && write_bolus(exam, err) &&
           write_cta(exam, err) && (!exam->wide || write_wide(exam, err));
}

bool ct_study_write(struct study *study, struct err *err)
{
    struct examination exam = {.study = study};
    for (int i = 0; i < ct_maker_count; i++)
        if (&ct_makers[i].maker == study->maker)
            exam.maker = &ct_makers[i];
    struct heart heart;
    heart_at(study->patient, STUDY_CT_CONTRACTION, &heart);
    draw_examination(&exam, &heart);
    thorax_add(study->patient, true, &exam.scene);
    heart_add(&heart, &exam.scene);
    coronary_add(&heart, &exam.scene);
    vessels_add(&heart, &exam.scene);
    bool ok = write_all(&exam, err);
    canvas_done(&exam.canvas);
    scene_done(&exam.scene);
    return ok;
}
