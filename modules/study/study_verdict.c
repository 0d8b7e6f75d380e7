#include "study/study_verdict.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_IMAGES = 3 }; /* a scout has so many, and is not always labelled */

/* Is value number `index` (from 1) of a backslash-joined list `word`? 0: any value. */
static bool has_value(const char *list, int index, const char *word)
{
    size_t length = strlen(word);
    for (int i = 1; *list; i++) {
        size_t size = strcspn(list, "\\");
        bool here = index == 0 || index == i;
        if (here && size == length && strncmp(list, word, length) == 0)
            return true;
        list += size + (list[size] == '\\');
    }
    return false;
}

/* Does `text` contain `word` (given in lower case), as ASCII, whatever its case? */
static bool mentions(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (; *text; text++) {
        size_t i = 0;
        while (i < length && tolower((unsigned char)text[i]) == word[i])
            i++;
        if (i == length)
            return true;
    }
    return false;
}

static bool described(const struct dicom_head *head, const char *word)
{
    return mentions(head->id.series_description, word) || mentions(head->id.protocol_name, word);
}

static bool is_localizer(const struct dicom_head *head)
{
    return has_value(head->image_type, 0, "LOCALIZER") || described(head, "localizer") ||
           described(head, "scout") || described(head, "topogram") || described(head, "survey");
}

static bool is_derived(const struct dicom_head *head)
{
    return has_value(head->image_type, 1, "DERIVED") || has_value(head->image_type, 2, "SECONDARY") ||
           has_value(head->image_type, 0, "PROJECTION IMAGE");
}

static bool is_grey(const struct dicom_head *head)
{
    return head->samples_per_pixel == 1 && strncmp(head->photometric, "MONOCHROME", 10) == 0;
}

static bool is_placed(const struct dicom_head *head)
{
    return head->frame_count > 0 && head->frames[0].has_position && head->frames[0].has_orientation;
}

/* Most of a series' objects are so: a stray object does not name it. */
static bool mostly(const struct study_series *series, bool (*is)(const struct dicom_head *head))
{
    int count = 0;
    for (int i = 0; i < series->head_count; i++)
        count += is(series->heads[i]);
    return 2 * count > series->head_count;
}

/* The first object with an image; refusal() has seen that there is one. */
static const struct dicom_head *lead(const struct study_series *series)
{
    int i = 0;
    while (i + 1 < series->head_count && series->heads[i]->frame_count == 0)
        i++;
    return series->heads[i];
}

/* ---- rank ---- */

struct shape {
    int frames, positions;
    double spacing_mm, field_mm;
};

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double along_normal(const struct dicom_frame *at)
{
    const double *r = at->row_lps, *c = at->column_lps, *p = at->position_lps;
    return p[0] * (r[1] * c[2] - r[2] * c[1]) + p[1] * (r[2] * c[0] - r[0] * c[2]) +
           p[2] * (r[0] * c[1] - r[1] * c[0]);
}

static void measure(const struct study_series *series, struct shape *shape)
{
    const struct dicom_head *first = lead(series);
    *shape = (struct shape){0};
    for (int i = 0; i < series->head_count; i++)
        shape->frames += series->heads[i]->frame_count;
    shape->field_mm = first->frame_count ? first->columns * first->frames[0].spacing_x_mm : 0;
    double *places = malloc((size_t)shape->frames * sizeof *places);
    if (!places)
        return; /* ranks last; nothing else depends on it */
    int count = 0;
    for (int i = 0; i < series->head_count; i++) {
        for (int f = 0; f < series->heads[i]->frame_count; f++)
            places[count++] = along_normal(&series->heads[i]->frames[f]);
    }
    qsort(places, (size_t)count, sizeof *places, by_value);
    shape->positions = count > 0;
    for (int i = 1; i < count; i++)
        shape->positions += places[i] - places[i - 1] > 0.01;
    if (shape->positions > 1)
        shape->spacing_mm = (places[count - 1] - places[0]) / (shape->positions - 1);
    free(places);
}

/* Sharp kernels: Siemens B60 and up or Br/Bl/Bv60 up, GE LUNG, BONE, EDGE, Philips YA, YC, Canon FC5x and up.
 */
static bool is_sharp(const char *kernel)
{
    static const char *const names[] = {"lung", "bone", "edge", "ya", "yc", "yd", "fc5", "fc8", "sharp"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (mentions(kernel, names[i]))
            return true;
    }
    const char *digits = kernel + strcspn(kernel, "0123456789");
    return (*kernel == 'B' || *kernel == 'b' || *kernel == 'H' || *kernel == 'Q') &&
           strtol(digits, NULL, 10) >= 55;
}

static bool is_calcium_score(const struct dicom_head *head)
{
    return described(head, "casc") || described(head, "ca score") || described(head, "calcium") ||
           described(head, "smartscore") || described(head, "cascore");
}

static bool is_angiography(const struct study_series *series, const struct shape *shape)
{
    const struct dicom_head *head = lead(series);
    bool named = described(head, "cta") || described(head, "angio") || described(head, "coronar") ||
                 described(head, "bestdiast") || described(head, "bestsyst");
    bool shaped = *head->contrast_agent && shape->spacing_mm > 0 && shape->spacing_mm <= 1.01;
    return (named || shaped) && !is_calcium_score(head);
}

/* Roles a thousand apart, then field of view, kernel and number of slices within. */
static double rank_ct(const struct study_series *series)
{
    struct shape shape;
    const struct dicom_head *head = lead(series);
    measure(series, &shape);
    double rank = is_angiography(series, &shape) ? 3000 : is_calcium_score(head) ? 2000 : 1000;
    if (*head->contrast_agent)
        rank += 300;
    if (shape.field_mm > 0 && shape.field_mm < 300)
        rank += 200;
    if (!is_sharp(head->kernel))
        rank += 100;
    return rank + fmin(shape.positions, 4000) / 50; /* at most 80 */
}

static bool is_cine(const struct dicom_head *head, const struct shape *shape)
{
    if (head->frame_count == 0)
        return false;
    bool timed = head->frames[0].has_trigger || head->frames[0].has_temporal_index || described(head, "cine");
    return timed && shape->positions > 0 && shape->frames >= 8 * shape->positions;
}

static double rank_mr(const struct study_series *series)
{
    struct shape shape;
    measure(series, &shape);
    double rank = is_cine(lead(series), &shape) ? 2000 : 1000;
    if (shape.positions >= 3)
        rank += 500;
    return rank + fmin(shape.frames, 40000) / 100; /* at most 400 */
}

/* ---- verdict ---- */

/* Why a series is no input, in the order of the table in docs/volumes.md; NULL when it is. */
static const char *refusal(const struct study_series *series, enum dicom_kind wanted)
{
    const struct dicom_head *head = series->heads[0];
    int frames = 0;
    bool grey = true, placed = true, named = true;
    for (int i = 0; i < series->head_count; i++) {
        frames += series->heads[i]->frame_count;
        if (series->heads[i]->has_pixels) {
            grey &= is_grey(series->heads[i]);
            placed &= is_placed(series->heads[i]);
            named &= uid_valid(series->heads[i]->id.sop_uid) && uid_valid(series->heads[i]->id.series_uid);
        }
    }
    if (head->kind != DICOM_KIND_CT && head->kind != DICOM_KIND_MR)
        return "other_object";
    if (head->kind != wanted && wanted != DICOM_KIND_UNKNOWN)
        return "other_modality";
    if (!frames)
        return "no_pixels";
    if (mostly(series, is_localizer))
        return "localizer";
    if (wanted != DICOM_KIND_UNKNOWN && mostly(series, is_derived))
        return "derived";
    if (!grey)
        return "colour_image";
    if (frames == 1)
        return "single_image";
    if (!placed)
        return "no_geometry";
    if (!named)
        return "no_uid";
    return NULL;
}

bool study_verdict(struct study_series *series, enum dicom_kind wanted, double *ret_rank)
{
    series->reason = refusal(series, wanted);
    if (series->reason)
        return false;
    series->reason = "not_chosen";
    *ret_rank = series->heads[0]->kind == DICOM_KIND_CT ? rank_ct(series) : rank_mr(series);
    if (mostly(series, is_derived))
        *ret_rank -= 10000;
    return true;
}
