#include "truth.h"

#include "vessels.h"

#include <assert.h>
#include <stdio.h>

static const double pi = 3.14159265358979323846;

enum { GRID_MM = 2, AREAS_MAX = 16 };

static void write_findings(const struct study *study, FILE *out)
{
    const char *comma = "";
    fputs("  \"findings\": {", out);
    for (enum finding finding = 0; finding < FINDING_COUNT; finding++) {
        if (!finding_of_kind(finding, study->patient->kind))
            continue;
        fprintf(out, "%s\n    \"%s\": %.2f", comma, finding_name(finding),
                study->patient->findings.severity[finding]);
        comma = ",";
    }
    fputs("\n  },\n", out);
}

static void write_place(const struct study *study, const char *name, struct vec at, const char *end,
                        FILE *out)
{
    at = vec_sum(at, study->at);
    fprintf(out, "\"%s\": [%.1f, %.1f, %.1f]%s", name, at.x, at.y, at.z, end);
}

/* At the moment the pictures show: mid-diastole in CT, end diastole in CMR. */
static void picture_heart(const struct study *study, struct heart *heart)
{
    heart_at(study->patient, study->patient->kind == KIND_CT ? STUDY_CT_CONTRACTION : 0, heart);
}

/* Returns the heart's width. */
static double write_heart(const struct study *study, const struct heart *heart, FILE *out)
{
    struct vec low, high, aorta, trunk;
    double ml;
    heart_box(heart, &low, &high, &ml);
    vessels_places(heart, &aorta, &trunk);
    low = vec_sum(low, study->at);
    high = vec_sum(high, study->at);
    fprintf(out,
            "  \"heart_box_lps\": [%.1f, %.1f, %.1f, %.1f, %.1f, %.1f],\n  "
            "\"heart_ml\": %.0f,\n",
            low.x, low.y, low.z, high.x, high.y, high.z, ml);
    static const char *const chambers[CHAMBERS] = {"left_ventricle", "right_ventricle", "left_atrium",
                                                   "right_atrium"};
    const struct frame *frame = &study->patient->heart;
    fputs("  \"places_lps\": {", out);
    write_place(study, "mitral_valve", frame_point(frame, 0, 0, heart->base_mm), ", ", out);
    write_place(study, "apex", frame_point(frame, 0, 0, heart->length_mm), ", ", out);
    for (enum chamber chamber = 0; chamber < CHAMBERS; chamber++)
        write_place(study, chambers[chamber], heart_chamber(heart, chamber), ", ", out);
    write_place(study, "ascending_aorta", aorta, ", ", out);
    write_place(study, "pulmonary_trunk", trunk, "},\n", out);
    return high.x - low.x;
}

/* ---- calcium and the narrowed place (CT) ---- */

/* A list of the scene's calcium, each an ellipsoid; returns its volume, as far as it covers. */
static double write_calcium(const struct study *study, const char *name, const struct scene *scene, FILE *out)
{
    double volume = 0;
    const char *comma = "";
    fprintf(out, "  \"%s\": [", name);
    for (int i = 0; i < scene->count; i++) {
        const struct shape *shape = &scene->shapes[i];
        const float *radius = shape->parts[0].radius;
        if (shape->tissue != TISSUE_CALCIUM)
            continue;
        fprintf(out, "%s\n    {", comma);
        write_place(study, "at_lps", shape->frame.origin, ", ", out);
        fprintf(out, "\"size_mm\": [%.1f, %.1f, %.1f], \"strength\": %.2f}", 2 * (double)radius[0],
                2 * (double)radius[1], 2 * (double)radius[2], (double)shape->strength);
        volume += 4 * pi / 3 * (double)(radius[0] * radius[1] * radius[2] * shape->strength);
        comma = ",";
    }
    fputs(*comma ? "\n  ],\n" : "],\n", out);
    return volume;
}

/* The soft plaque round the narrowed place is a run of short tubes, the narrowest in the middle. */
static void write_stenosis(const struct study *study, const struct scene *scene, FILE *out)
{
    int first = -1, count = 0;
    for (int i = 0; i < scene->count; i++)
        if (scene->shapes[i].tissue == TISSUE_PLAQUE) {
            first = first < 0 ? i : first;
            count++;
        }
    if (count == 0)
        return;
    struct vec from = scene->shapes[first].frame.origin, to = scene->shapes[first + count - 1].frame.origin;
    fputs("  \"stenosis\": {", out);
    write_place(study, "at_lps", scene->shapes[first + count / 2].frame.origin, ", ", out);
    fprintf(out, "\"length_mm\": %.1f, \"percent\": %.0f},\n", vec_length(vec_from(from, to)),
            100 * study->patient->stenosis);
}

/* ---- late enhancement (CMR) ---- */

/* Where a scar lies and how much of the wall it is, counted on a grid. */
struct area {
    struct vec sum;
    int count;
};

/* Points of the wall in each scar; returns the part of the wall that is scar, each as far as it covers. */
static double count_areas(const struct heart *heart, const struct scene *scars, struct area *areas)
{
    const struct shape *wall = &heart->lv_wall;
    double covered = 0;
    int points = 0;
    float xyz[3];
    for (xyz[2] = wall->low[2]; xyz[2] < wall->high[2]; xyz[2] += GRID_MM)
        for (xyz[1] = wall->low[1]; xyz[1] < wall->high[1]; xyz[1] += GRID_MM)
            for (xyz[0] = wall->low[0]; xyz[0] < wall->high[0]; xyz[0] += GRID_MM) {
                if (wall->distance(wall, xyz) >= 0 || heart->lv.distance(&heart->lv, xyz) < 0)
                    continue;
                double left = 1;
                for (int i = 0; i < scars->count; i++) {
                    if (scars->shapes[i].distance(&scars->shapes[i], xyz) >= 0)
                        continue;
                    left *= 1 - (double)scars->shapes[i].strength;
                    struct vec at = {(double)xyz[0], (double)xyz[1], (double)xyz[2]};
                    areas[i].sum = vec_sum(areas[i].sum, at);
                    areas[i].count++;
                }
                covered += 1 - left;
                points++;
            }
    return points ? covered / points : 0;
}

/* Scars that go all round have no place; returns the part of the wall. */
static double write_areas(const struct study *study, FILE *out)
{
    struct area areas[AREAS_MAX] = {0};
    struct scene scars = {0};
    struct heart heart;
    const char *comma = "";
    heart_at(study->patient, STUDY_LATE_CONTRACTION, &heart);
    heart_add_scars(&heart, &scars);
    assert(scars.count <= AREAS_MAX);
    double part = scars.count ? count_areas(&heart, &scars, areas) : 0;
    fputs("  \"lge_areas\": [", out);
    for (int i = 0; i < scars.count; i++) {
        const struct shape *scar = &scars.shapes[i];
        bool round = scar->parts[1].centre[2] < -0.99f;
        if (areas[i].count == 0 || round)
            continue;
        struct vec at = vec_scaled(areas[i].sum, 1.0 / areas[i].count);
        fprintf(out, "%s\n    {", comma);
        fprintf(out, "\"pattern\": \"%s\", ", scar->strength < 1 ? "patchy" : "ischemic");
        write_place(study, "at_lps", frame_point(&heart.patient->heart, at.x, at.y, at.z), ", ", out);
        fprintf(out, "\"ml\": %.2f, \"strength\": %.2f}",
                areas[i].count * GRID_MM * GRID_MM * GRID_MM / 1000.0, (double)scar->strength);
        comma = ",";
    }
    fputs(*comma ? "\n  ],\n" : "],\n", out);
    scene_done(&scars);
    return part;
}

/* ---- numbers ---- */

static void write_measures(const struct patient *patient, const struct heart *heart, double width_mm,
                           FILE *out)
{
    fprintf(out,
            "\"lv_edv_ml\": %.1f, \"lv_ef\": %.3f, \"rv_edv_ml\": %.1f, \"rv_ef\": %.3f, "
            "\"lv_wall_mm\": %.1f, \"septum_mm\": %.1f, \"effusion_mm\": %.1f, "
            "\"ascending_aorta_mm\": %.1f, \"pulmonary_trunk_mm\": %.1f, \"stenosis_percent\": %.0f, "
            "\"heart_width_mm\": %.1f, \"chest_width_mm\": %.1f, \"lv_wall_ml\": %.1f},\n",
            patient->lv_edv_ml, patient->lv_ef, patient->rv_edv_ml, patient->rv_ef, patient->wall_mm,
            patient->wall_mm + patient->septum_mm, patient->effusion_mm, patient->aorta_mm,
            patient->pulmonary_mm, 100 * patient->stenosis, width_mm, 2 * patient->chest_half_width_mm,
            heart_wall_ml(heart));
}

/* The lists of what lies where, then the numbers. */
static void write_disease(const struct study *study, FILE *out)
{
    struct heart heart;
    picture_heart(study, &heart);
    double width_mm = write_heart(study, &heart, out);
    if (study->patient->kind == KIND_CT) {
        struct scene coronaries = {0}, vessels = {0};
        coronary_add(&heart, &coronaries);
        vessels_add(&heart, &vessels);
        double plaques = write_calcium(study, "coronary_plaques", &coronaries, out);
        double plates = write_calcium(study, "aortic_plates", &vessels, out);
        write_stenosis(study, &coronaries, out);
        fprintf(out, "  \"measures\": {\"coronary_calcium_mm3\": %.1f, \"aortic_calcium_mm3\": %.1f, ",
                plaques, plates);
        scene_done(&coronaries);
        scene_done(&vessels);
    } else {
        double part = write_areas(study, out);
        fprintf(out, "  \"measures\": {\"lge_percent\": %.1f, ", 100 * part);
    }
    write_measures(study->patient, &heart, width_mm, out);
}

static void write_confounders(const struct study *study, FILE *out)
{
    const struct patient *patient = study->patient;
    struct vec axis = patient->heart.axis[2], at = patient->heart.origin;
    fprintf(out,
            "  \"confounders\": {\"female\": %s, \"age_years\": %d, "
            "\"height_m\": %.2f, \"weight_kg\": %.1f, "
            "\"fat_mm\": %.1f, \"heart_fat_mm\": %.1f, \"breath_mm\": %.1f, "
            "\"heart_rate\": %.0f, "
            "\"heart_in_chest_mm\": [%.1f, %.1f, %.1f], \"long_axis_lps\": "
            "[%.4f, %.4f, %.4f], "
            "\"manufacturer\": \"%s\", \"model\": \"%s\"},\n",
            patient->female ? "true" : "false", patient->age_years, patient->height_m, patient->weight_kg,
            patient->fat_mm, patient->heart_fat_mm, patient->breath_mm, patient->heart_rate, at.x, at.y, at.z,
            axis.x, axis.y, axis.z, study->maker->manufacturer, study->maker->model);
}

bool truth_write(const struct study *study, const char *path, struct err *err)
{
    FILE *out = fopen(path, "w");
    if (!out)
        return err_errno(err, "create %s", path);
    fprintf(out, "{\n  \"kind\": \"%s\",\n  \"seed\": %llu,\n", kind_name(study->patient->kind),
            (unsigned long long)study->patient->seed);
    write_findings(study, out);
    write_disease(study, out);
    write_confounders(study, out);
    fprintf(out, "  \"study_uid\": \"%s\",\n  \"series\": [", study->study_uid);
    for (int i = 0; i < study->series_count; i++)
        fprintf(out,
                "%s\n    {\"uid\": \"%s\", \"number\": %d, \"role\": \"%s\", "
                "\"files\": %d}",
                i ? "," : "", study->series[i].uid, study->series[i].number, study->series[i].role,
                study->series[i].files);
    fprintf(out, "\n  ]\n}\n");
    bool ok = !ferror(out) || err_fail(err, ERR_IO, "write %s", path);
    return (fclose(out) == 0 || err_errno(err, "close %s", path)) && ok;
}
