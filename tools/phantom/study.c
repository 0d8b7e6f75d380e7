#include "study.h"

#include "dice.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

struct study_series *study_begin(struct study *study, const struct study_header *header)
{
    if (study->series_count == STUDY_SERIES_MAX)
        return NULL;
    struct study_series *series = &study->series[study->series_count++];
    char name[640];
    snprintf(name, sizeof name, "%s/series/%d", study->root, header->number);
    uid_named(name, series->uid);
    snprintf(series->role, sizeof series->role, "%s", header->role);
    series->number = header->number;
    return series;
}

static void add_time(struct part10 *file, uint32_t tag, double seconds)
{
    long hundredths = lround(seconds * 100);
    part10_format(file, tag, "TM", "%02ld%02ld%02ld.%02ld", hundredths / 360000, hundredths / 6000 % 60,
                  hundredths / 100 % 60, hundredths % 100);
}

static void add_code(struct part10 *file, uint32_t tag, const char *value, const char *meaning)
{
    part10_item_begin(file, tag);
    part10_text(file, 0x00080100, "SH", value);
    part10_text(file, 0x00080102, "SH", "SCT");
    part10_text(file, 0x00080104, "LO", meaning);
    part10_item_end(file);
}

static void add_patient(const struct study *study, struct part10 *file)
{
    const struct patient *patient = study->patient;
    part10_format(file, 0x00100010, "PN", "Phantom^%s", patient->female ? "Ada" : "Alan");
    part10_text(file, 0x00100020, "LO", study->patient_id);
    int year = 0;
    sscanf(study->date, "%4d", &year);
    part10_format(file, 0x00100030, "DA", "%04d0101", year - patient->age_years);
    part10_text(file, 0x00100040, "CS", patient->female ? "F" : "M");
    part10_format(file, 0x00101010, "AS", "%03dY", patient->age_years);
    part10_format(file, 0x00101020, "DS", "%.2f", patient->height_m);
    part10_format(file, 0x00101030, "DS", "%.1f", patient->weight_kg);
}

static void add_study(const struct study *study, struct part10 *file, double began, double seconds)
{
    bool ct = study->patient->kind == KIND_CT;
    part10_text(file, 0x00080020, "DA", study->date);
    part10_text(file, 0x00080021, "DA", study->date);
    part10_text(file, 0x00080022, "DA", study->date);
    part10_text(file, 0x00080023, "DA", study->date);
    add_time(file, 0x00080030, began);
    add_time(file, 0x00080032, began + seconds);
    add_time(file, 0x00080033, began + seconds + 2);
    part10_text(file, 0x00080050, "SH", study->accession);
    part10_text(file, 0x00080090, "PN", "");
    part10_text(file, 0x00081030, "LO", study->description);
    add_code(file, 0x00081032, ct ? "241547009" : "241620005", ct ? "Cardiac CT" : "MRI of heart");
    part10_text(file, 0x0020000D, "UI", study->study_uid);
    part10_text(file, 0x00200010, "SH", "1");
    part10_item_begin(file, 0x00400275); /* Request Attributes: what the order asked for */
    part10_text(file, 0x00400007, "LO", ct ? "Coronary CT angiography" : "Cardiac MRI with contrast");
    part10_text(file, 0x00400009, "SH", "SPS1");
    part10_text(file, 0x00401001, "SH", "RP1");
    part10_item_end(file);
}

struct part10 *study_object(const struct study *study, const struct study_header *header,
                            const struct study_series *series, int instance, double seconds,
                            char sop_uid[UID_SIZE])
{
    struct part10 *file = part10_new();
    if (!file)
        return NULL;
    struct dice dice = dice_named(study->patient->seed, "clock");
    double began = dice_between(&dice, 7 * 3600, 18 * 3600);
    char name[640];
    snprintf(name, sizeof name, "%s/%d/%d", study->root, series->number, instance);
    uid_named(name, sop_uid);
    part10_text(file, 0x00080005, "CS", "ISO_IR 192");
    part10_text(file, 0x00080008, "CS", header->image_type);
    part10_text(file, 0x00080016, "UI", header->sop_class);
    part10_text(file, 0x00080018, "UI", sop_uid);
    add_study(study, file, began, seconds);
    add_time(file, 0x00080031, began + header->number * 0.01 + floor(seconds / 60) * 60);
    part10_text(file, 0x00080060, "CS", header->modality);
    part10_text(file, 0x00080070, "LO", study->maker->manufacturer);
    part10_text(file, 0x00080080, "LO", "Phantom Hospital");
    part10_text(file, 0x00081010, "SH", study->maker->station);
    part10_text(file, 0x0008103E, "LO", header->description);
    part10_text(file, 0x00081090, "LO", study->maker->model);
    add_patient(study, file);
    part10_text(file, 0x00181020, "LO", study->maker->software);
    part10_text(file, 0x00181030, "LO", header->protocol);
    part10_text(file, 0x00185100, "CS", "HFS");
    part10_text(file, 0x0020000E, "UI", series->uid);
    part10_format(file, 0x00200011, "IS", "%d", header->number);
    part10_format(file, 0x00200013, "IS", "%d", instance);
    part10_text(file, 0x00200052, "UI", study->frame_uid);
    part10_text(file, 0x00201040, "LO", "");
    return file;
}

void study_add_plane(const struct study *study, struct part10 *file, const struct plane *plane)
{
    double spacing = vec_length(plane->right);
    struct vec at = vec_sum(plane->origin, study->at), normal = plane_normal(plane);
    struct vec right = vec_unit(plane->right), down = vec_unit(plane->down);
    part10_format(file, 0x00180050, "DS", "%.6g", plane->thickness_mm);
    part10_format(file, 0x00200032, "DS", "%.8g\\%.8g\\%.8g", at.x, at.y, at.z);
    part10_format(file, 0x00200037, "DS", "%.8f\\%.8f\\%.8f\\%.8f\\%.8f\\%.8f", right.x, right.y, right.z,
                  down.x, down.y, down.z);
    part10_format(file, 0x00201041, "DS", "%.6g", vec_dot(at, normal));
    part10_format(file, 0x00280030, "DS", "%.8g\\%.8g", vec_length(plane->down), spacing);
}

void study_add_pixels(struct part10 *file, const struct study_pixels *pixels)
{
    part10_us(file, 0x00280002, 1);
    part10_text(file, 0x00280004, "CS", "MONOCHROME2");
    part10_us(file, 0x00280010, (uint16_t)pixels->rows);
    part10_us(file, 0x00280011, (uint16_t)pixels->columns);
    part10_us(file, 0x00280100, 16);
    part10_us(file, 0x00280101, (uint16_t)pixels->bits);
    part10_us(file, 0x00280102, (uint16_t)(pixels->bits - 1));
    part10_us(file, 0x00280103, pixels->is_signed);
    if (pixels->padded && pixels->is_signed)
        part10_ss(file, 0x00280120, (int16_t)pixels->padding);
    else if (pixels->padded)
        part10_us(file, 0x00280120, (uint16_t)pixels->padding);
    part10_format(file, 0x00281050, "DS", "%.6g", pixels->window_centre);
    part10_format(file, 0x00281051, "DS", "%.6g", pixels->window_width);
    part10_words(file, 0x7FE00010, pixels->words, (size_t)pixels->rows * (size_t)pixels->columns);
}

bool study_take(struct study *study, const struct study_header *header, struct study_series *series,
                struct part10 *file, const char *sop_uid, struct err *err)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s%03d_%04d.dcm", study->folder, header->modality,
                          header->number, series->files + 1);
    bool ok = length < (int)sizeof path || err_fail(err, ERR_INPUT, "path too long");
    size_t size = 0;
    ok = ok && part10_save(file, path, header->sop_class, sop_uid, &size, err);
    part10_free(file);
    series->files += ok;
    study->files += ok;
    study->bytes += (long long)size;
    return ok;
}
