/* cardioscribe-phantom-labels: what the phantom's heart is made of, pixel by pixel, where a kept input lies.
 *
 * Reads requests from standard input, numbers and words between blanks:
 *   KIND SEED  MITRAL x y z  PLANES n ROWS r COLUMNS c, then for each plane
 *   CONTRACTION (late enhancement: -1)  FIRST x y z  RIGHT x y z  DOWN x y z
 * MITRAL: "places_lps.mitral_valve" of truth.json, which says where the scanner's origin lies. All in LPS mm.
 * Writes n * r * c bytes for each, enum part. The chest is left out. */
#include "findings.h"
#include "heart.h"
#include "patient.h"
#include "scene.h"
#include "study.h"
#include "vessels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum part {
    NOTHING,
    FAT,
    FLUID,
    LV_WALL,
    OTHER_WALL,
    LV_BLOOD,
    LEFT_BLOOD,
    RIGHT_BLOOD,
    PULMONARY,
    AORTA,
    CAVA,
    CORONARY,
    SOFT_PLAQUE,
    CORONARY_CALCIUM,
    AORTIC_CALCIUM,
    SCAR_DIFFUSE,
    SCAR_ISCHEMIC,
    SCAR_PATCHY,
    PART_COUNT
};

/* Tissues of the chest, which is not painted here, stand for what has no tissue of its own. */
#define TISSUE_OF_LV_WALL          TISSUE_SKIN
#define TISSUE_OF_LV_BLOOD         TISSUE_TABLE
#define TISSUE_OF_CORONARY_CALCIUM TISSUE_AIRWAY
#define TISSUE_OF_ISCHEMIC_SCAR    TISSUE_MARROW
#define TISSUE_OF_PATCHY_SCAR      TISSUE_CORTEX

static const float palette[TISSUE_COUNT] = {
    [TISSUE_FAT] = FAT,
    [TISSUE_HEART_FAT] = FAT,
    [TISSUE_PERICARDIUM] = FAT,
    [TISSUE_FLUID] = FLUID,
    [TISSUE_OF_LV_WALL] = LV_WALL,
    [TISSUE_MYOCARDIUM] = OTHER_WALL,
    [TISSUE_VALVE] = OTHER_WALL,
    [TISSUE_VESSEL_WALL] = OTHER_WALL,
    [TISSUE_OF_LV_BLOOD] = LV_BLOOD,
    [TISSUE_LEFT_BLOOD] = LEFT_BLOOD,
    [TISSUE_RIGHT_BLOOD] = RIGHT_BLOOD,
    [TISSUE_PULMONARY_BLOOD] = PULMONARY,
    [TISSUE_AORTIC_BLOOD] = AORTA,
    [TISSUE_SUPERIOR_BLOOD] = CAVA,
    [TISSUE_INFERIOR_BLOOD] = CAVA,
    [TISSUE_CORONARY_BLOOD] = CORONARY,
    [TISSUE_PLAQUE] = SOFT_PLAQUE,
    [TISSUE_OF_CORONARY_CALCIUM] = CORONARY_CALCIUM,
    [TISSUE_CALCIUM] = AORTIC_CALCIUM,
    [TISSUE_SCAR] = SCAR_DIFFUSE,
    [TISSUE_OF_ISCHEMIC_SCAR] = SCAR_ISCHEMIC,
    [TISSUE_OF_PATCHY_SCAR] = SCAR_PATCHY,
};

static void name_left_ventricle(const struct heart *heart, struct scene *scene)
{
    for (int i = 0; i + 1 < scene->count; i++)
        if (scene->shapes[i].distance == heart->lv_wall.distance) {
            scene->shapes[i].tissue = TISSUE_OF_LV_WALL;
            scene->shapes[i + 1].tissue = TISSUE_OF_LV_BLOOD;
            return;
        }
}

/* source: heart_add_scars, diffuse in two shapes, then the one ischaemic, then the patches */
static void name_scars(const double *severity, struct shape *scars, int count)
{
    int first = severity[LGE_DIFFUSE] > 0 ? 2 : 0;
    for (int i = first; i < count; i++)
        scars[i].tissue =
            i == first && severity[LGE_ISCHEMIC] > 0 ? TISSUE_OF_ISCHEMIC_SCAR : TISSUE_OF_PATCHY_SCAR;
}

static void build(const struct patient *patient, double contraction, struct scene *scene)
{
    struct heart heart;
    heart_at(patient, contraction < 0 ? STUDY_LATE_CONTRACTION : contraction, &heart);
    heart_add(&heart, scene);
    name_left_ventricle(&heart, scene);
    if (patient->kind == KIND_CT) {
        coronary_add(&heart, scene);
        for (int i = 0; i < scene->count; i++)
            if (scene->shapes[i].tissue == TISSUE_CALCIUM)
                scene->shapes[i].tissue = TISSUE_OF_CORONARY_CALCIUM;
    }
    vessels_add(&heart, scene);
    if (contraction < 0) {
        int before = scene->count;
        heart_add_scars(&heart, scene);
        name_scars(patient->findings.severity, scene->shapes + before, scene->count - before);
    }
    for (int i = 0; i < scene->count; i++)
        scene->shapes[i].strength = 1;
}

static bool read_vec(struct vec *ret)
{
    return scanf("%lf %lf %lf", &ret->x, &ret->y, &ret->z) == 3;
}

static struct vec origin_of_scanner(const struct patient *patient, struct vec mitral)
{
    struct heart heart;
    heart_at(patient, patient->kind == KIND_CT ? STUDY_CT_CONTRACTION : 0, &heart);
    return vec_from(frame_point(&patient->heart, 0, 0, heart.base_mm), mitral);
}

static bool paint(const struct patient *patient, struct vec at, int planes, int rows, int columns)
{
    size_t pixels = (size_t)rows * (size_t)columns;
    float *image = malloc(pixels * sizeof *image);
    uint8_t *bytes = malloc(pixels);
    struct scene scene = {0};
    double built = -2;
    bool ok = image && bytes;
    for (int i = 0; ok && i < planes; i++) {
        struct plane plane = {.rows = rows, .columns = columns, .layers = 1};
        double contraction;
        if (scanf("%lf", &contraction) != 1 || !read_vec(&plane.origin) || !read_vec(&plane.right) ||
            !read_vec(&plane.down)) {
            ok = false;
            break;
        }
        plane.origin = vec_from(at, plane.origin);
        if (contraction < built || contraction > built) {
            scene_done(&scene);
            build(patient, contraction, &scene);
            built = contraction;
        }
        memset(image, 0, pixels * sizeof *image);
        ok = scene_paint(&scene, &plane, 0, palette, 0.01, image);
        for (size_t k = 0; k < pixels; k++)
            bytes[k] = (uint8_t)lroundf(image[k]);
        ok = ok && fwrite(bytes, 1, pixels, stdout) == pixels;
    }
    scene_done(&scene);
    free(bytes);
    free(image);
    return ok;
}

int main(void)
{
    char word[8];
    unsigned long long seed;
    struct vec mitral;
    int planes, rows, columns;
    while (scanf("%7s %llu", word, &seed) == 2) {
        enum kind kind = strcmp(word, "ct") == 0 ? KIND_CT : KIND_CMR;
        if (!read_vec(&mitral) || scanf("%d %d %d", &planes, &rows, &columns) != 3 || planes < 1 ||
            rows < 1 || columns < 1 || planes > 1024 || rows > 1024 || columns > 1024)
            return 1;
        struct findings findings = findings_drawn(kind, seed);
        struct patient patient = patient_drawn(kind, seed, &findings);
        heart_solve(&patient);
        if (!paint(&patient, origin_of_scanner(&patient, mitral), planes, rows, columns) || fflush(stdout))
            return 1;
    }
    return 0;
}
