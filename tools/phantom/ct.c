#include "ct.h"

#include "part10.h"
#include "shapes.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CT_IMAGE_STORAGE "1.2.840.10008.5.1.4.1.1.2"

enum { INTERCEPT = -1024, STORED_MAX = 4095, NOISE_HU = 12 };
static const double field_mm = 320, coverage_mm = 120;

/* One slice: where it lies and who it is. */
struct slice {
    const struct ct_request *request;
    int instance; /* from 1, head to feet */
    char sop_uid[UID_SIZE];
    double spacing_mm, thickness_mm;
    double first_xyz_lps_mm[3]; /* centre of the first pixel */
};

static struct slice slice_of(const struct ct_request *request, int instance)
{
    struct slice slice = {.request = request, .instance = instance};
    slice.spacing_mm = field_mm / request->size;
    slice.thickness_mm = coverage_mm / request->slices;
    slice.first_xyz_lps_mm[0] = slice.first_xyz_lps_mm[1] = (slice.spacing_mm - field_mm) / 2;
    slice.first_xyz_lps_mm[2] = (coverage_mm - slice.thickness_mm) / 2 - (instance - 1) * slice.thickness_mm;
    char name[160];
    snprintf(name, sizeof name, "%s/%d", request->series_uid, instance);
    uid_named(name, slice.sop_uid);
    return slice;
}

static void fill_pixels(const struct slice *slice, const struct shapes *shapes, uint16_t *words)
{
    int size = slice->request->size;
    for (int row = 0; row < size; row++)
        for (int column = 0; column < size; column++) {
            double xyz[3] = {slice->first_xyz_lps_mm[0] + column * slice->spacing_mm,
                             slice->first_xyz_lps_mm[1] + row * slice->spacing_mm,
                             slice->first_xyz_lps_mm[2]};
            uint64_t voxel = ((uint64_t)slice->instance * (uint64_t)size + (uint64_t)row) * (uint64_t)size;
            double noise = NOISE_HU * shapes_noise(slice->request->seed, voxel + (uint64_t)column);
            long stored = lround(shapes_hounsfield(shapes, xyz) + noise) - INTERCEPT;
            words[row * size + column] = (uint16_t)(stored < 0            ? 0
                                                    : stored > STORED_MAX ? STORED_MAX
                                                                          : stored);
        }
}

static void add_code(struct part10 *file, uint32_t tag, const char *value, const char *scheme,
                     const char *meaning)
{
    part10_item_begin(file, tag);
    part10_text(file, 0x00080100, "SH", value);
    part10_text(file, 0x00080102, "SH", scheme);
    part10_text(file, 0x00080104, "LO", meaning);
    part10_item_end(file);
}

/* Group 0008: SOP Common, General Study, General Series, General Equipment. */
static void add_identity(struct part10 *file, const struct slice *slice)
{
    const struct ct_request *request = slice->request;
    part10_text(file, 0x00080005, "CS", "ISO_IR 192");
    part10_text(file, 0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL");
    part10_text(file, 0x00080016, "UI", CT_IMAGE_STORAGE);
    part10_text(file, 0x00080018, "UI", slice->sop_uid);
    part10_text(file, 0x00080020, "DA", request->study_date);
    part10_text(file, 0x00080021, "DA", request->study_date);
    part10_text(file, 0x00080022, "DA", request->study_date);
    part10_text(file, 0x00080023, "DA", request->study_date);
    part10_text(file, 0x00080030, "TM", "101500");
    part10_text(file, 0x00080031, "TM", "101520");
    part10_text(file, 0x00080032, "TM", "101525");
    part10_text(file, 0x00080033, "TM", "101530");
    part10_text(file, 0x00080050, "SH", request->accession);
    part10_text(file, 0x00080060, "CS", "CT");
    part10_text(file, 0x00080070, "LO", "cardioscribe phantom");
    part10_text(file, 0x00080090, "PN", "");
    part10_text(file, 0x00081030, "LO", "Synthetic cardiac CT");
    add_code(file, 0x00081032, "241547009", "SCT", "Cardiac CT");
    part10_text(file, 0x0008103E, "LO", "Synthetic coronary CTA");
    part10_text(file, 0x00081090, "LO", "phantom");
}

/* Groups 0010 and 0018: Patient, Contrast/Bolus, CT Image. */
static void add_patient_and_scan(struct part10 *file, const struct slice *slice)
{
    part10_text(file, 0x00100010, "PN", "Phantom^Ada");
    part10_text(file, 0x00100020, "LO", slice->request->patient_id);
    part10_text(file, 0x00100030, "DA", "19700101");
    part10_text(file, 0x00100040, "CS", "F");
    part10_text(file, 0x00180010, "LO", "Iodine (synthetic)");
    part10_text(file, 0x00180015, "CS", "HEART");
    part10_format(file, 0x00180050, "DS", "%.6g", slice->thickness_mm);
    part10_text(file, 0x00180060, "DS", "120");
    part10_format(file, 0x00180088, "DS", "%.6g", slice->thickness_mm);
    part10_text(file, 0x00181020, "LO", CARDIOSCRIBE_VERSION);
    part10_text(file, 0x00181210, "SH", "SYNTHETIC");
    part10_text(file, 0x00185100, "CS", "HFS");
}

/* Group 0020: series, frame of reference and the plane. */
static void add_geometry(struct part10 *file, const struct slice *slice)
{
    const double *first = slice->first_xyz_lps_mm;
    part10_text(file, 0x0020000D, "UI", slice->request->study_uid);
    part10_text(file, 0x0020000E, "UI", slice->request->series_uid);
    part10_text(file, 0x00200010, "SH", "1");
    part10_text(file, 0x00200011, "IS", "2");
    part10_text(file, 0x00200012, "IS", "1");
    part10_format(file, 0x00200013, "IS", "%d", slice->instance);
    part10_format(file, 0x00200032, "DS", "%.6g\\%.6g\\%.6g", first[0], first[1], first[2]);
    part10_text(file, 0x00200037, "DS", "1\\0\\0\\0\\1\\0");
    part10_text(file, 0x00200052, "UI", slice->request->frame_uid);
    part10_text(file, 0x00201040, "LO", "");
    part10_format(file, 0x00201041, "DS", "%.6g", first[2]);
}

/* Group 0028 and the pixels: Image Pixel, rescale, window. */
static void add_image(struct part10 *file, const struct slice *slice, const uint16_t *words)
{
    size_t size = (size_t)slice->request->size;
    part10_us(file, 0x00280002, 1);
    part10_text(file, 0x00280004, "CS", "MONOCHROME2");
    part10_us(file, 0x00280010, (uint16_t)size);
    part10_us(file, 0x00280011, (uint16_t)size);
    part10_format(file, 0x00280030, "DS", "%.6g\\%.6g", slice->spacing_mm, slice->spacing_mm);
    part10_us(file, 0x00280100, 16);
    part10_us(file, 0x00280101, 12);
    part10_us(file, 0x00280102, 11);
    part10_us(file, 0x00280103, 0);
    part10_text(file, 0x00281050, "DS", "200");
    part10_text(file, 0x00281051, "DS", "800");
    part10_format(file, 0x00281052, "DS", "%d", INTERCEPT);
    part10_text(file, 0x00281053, "DS", "1");
    part10_text(file, 0x00281054, "LO", "HU");
    part10_item_begin(file, 0x00400275); /* Request Attributes: what the order asked for */
    part10_text(file, 0x00400007, "LO", "Coronary CT angiography");
    part10_text(file, 0x00400009, "SH", "SPS1");
    part10_text(file, 0x00401001, "SH", "RP1");
    part10_item_end(file);
    part10_words(file, 0x7FE00010, words, size * size);
}

static bool write_slice(const struct slice *slice, const struct shapes *shapes, uint16_t *words,
                        const char *folder, struct err *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/CT%04d.dcm", folder, slice->instance) >= (int)sizeof path)
        return err_fail(err, ERR_INPUT, "path too long");
    struct part10 *file = part10_new();
    if (!file)
        return err_fail(err, ERR_NOMEM, "no memory for a slice");
    fill_pixels(slice, shapes, words);
    add_identity(file, slice);
    add_patient_and_scan(file, slice);
    add_geometry(file, slice);
    add_image(file, slice, words);
    bool ok = part10_save(file, path, CT_IMAGE_STORAGE, slice->sop_uid, err);
    part10_free(file);
    return ok;
}

bool ct_write_series(const struct ct_request *request, const char *folder, struct err *err)
{
    size_t pixels = (size_t)request->size * (size_t)request->size;
    uint16_t *words = calloc(pixels, sizeof *words);
    struct shapes *shapes = shapes_new(request->seed);
    bool ok = words && shapes ? true : err_fail(err, ERR_NOMEM, "no memory for a slice");
    for (int instance = 1; ok && instance <= request->slices; instance++) {
        struct slice slice = slice_of(request, instance);
        ok = write_slice(&slice, shapes, words, folder, err);
    }
    shapes_free(shapes);
    free(words);
    return ok;
}
