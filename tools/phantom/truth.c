#include "truth.h"

#include "vessels.h"

#include <stdio.h>

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
static void write_heart(const struct study *study, FILE *out)
{
    struct heart heart;
    struct vec low, high, aorta, trunk;
    double ml;
    heart_at(study->patient, study->patient->kind == KIND_CT ? STUDY_CT_CONTRACTION : 0, &heart);
    heart_box(&heart, &low, &high, &ml);
    vessels_places(&heart, &aorta, &trunk);
    low = vec_sum(low, study->at);
    high = vec_sum(high, study->at);
    fprintf(out,
            "  \"heart_box_lps\": [%.1f, %.1f, %.1f, %.1f, %.1f, %.1f],\n  "
            "\"heart_ml\": %.0f,\n",
            low.x, low.y, low.z, high.x, high.y, high.z, ml);
    const struct frame *frame = &study->patient->heart;
    fputs("  \"places_lps\": {", out);
    write_place(study, "mitral_valve", frame_point(frame, 0, 0, heart.base_mm), ", ", out);
    write_place(study, "apex", frame_point(frame, 0, 0, heart.length_mm), ", ", out);
    write_place(study, "ascending_aorta", aorta, ", ", out);
    write_place(study, "pulmonary_trunk", trunk, "},\n", out);
}

static void write_measures(const struct patient *patient, FILE *out)
{
    fprintf(out,
            "  \"measures\": {\"lv_edv_ml\": %.1f, \"lv_ef\": %.3f, "
            "\"rv_edv_ml\": %.1f, \"rv_ef\": %.3f, "
            "\"lv_wall_mm\": %.1f, \"septum_mm\": %.1f, \"effusion_mm\": %.1f, "
            "\"ascending_aorta_mm\": %.1f, "
            "\"pulmonary_trunk_mm\": %.1f, \"stenosis_percent\": %.0f},\n",
            patient->lv_edv_ml, patient->lv_ef, patient->rv_edv_ml, patient->rv_ef, patient->wall_mm,
            patient->wall_mm + patient->septum_mm, patient->effusion_mm, patient->aorta_mm,
            patient->pulmonary_mm, 100 * patient->stenosis);
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
    write_heart(study, out);
    write_measures(study->patient, out);
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
