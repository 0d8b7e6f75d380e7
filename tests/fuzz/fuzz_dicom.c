/* A file as a peer or a folder gives it: its head, then pixels into room for what the head says. */
#include "dicom/dicom_head.h"
#include "dicom/dicom_pixels.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { PIXELS_MAX = 1 << 20, FRAMES_MAX = 3 };

static void start(void)
{
    static bool started;
    struct err err = ERR_INIT;
    if (!started)
        fuzz_must(dicom_library_init(&err), "DCMTK starts");
    started = true;
}

static void check_identity(const struct dicom_identity *id)
{
    fuzz_touch_text(id->sop_class, sizeof id->sop_class);
    fuzz_touch_text(id->sop_uid, sizeof id->sop_uid);
    fuzz_touch_text(id->series_uid, sizeof id->series_uid);
    fuzz_touch_text(id->study_uid, sizeof id->study_uid);
    fuzz_touch_text(id->transfer_syntax, sizeof id->transfer_syntax);
    fuzz_touch_text(id->frame_of_reference, sizeof id->frame_of_reference);
    fuzz_touch_text(id->patient_id, sizeof id->patient_id);
    fuzz_touch_text(id->issuer, sizeof id->issuer);
    fuzz_touch_text(id->accession, sizeof id->accession);
    fuzz_touch_text(id->modality, sizeof id->modality);
    fuzz_touch_text(id->study_date, sizeof id->study_date);
    fuzz_touch_text(id->study_description, sizeof id->study_description);
    fuzz_touch_text(id->series_description, sizeof id->series_description);
    fuzz_touch_text(id->protocol_name, sizeof id->protocol_name);
}

static void check_head(const struct dicom_head *head)
{
    check_identity(&head->id);
    fuzz_must(head->kind >= DICOM_KIND_CT && head->kind <= DICOM_KIND_UNKNOWN, "the kind is one of four");
    fuzz_touch_text(head->image_type, sizeof head->image_type);
    fuzz_touch_text(head->kernel, sizeof head->kernel);
    fuzz_touch_text(head->scan_options, sizeof head->scan_options);
    fuzz_touch_text(head->sequence_variant, sizeof head->sequence_variant);
    fuzz_touch_text(head->scanning_sequence, sizeof head->scanning_sequence);
    fuzz_touch_text(head->contrast_agent, sizeof head->contrast_agent);
    fuzz_touch_text(head->lossy, sizeof head->lossy);
    fuzz_touch_text(head->photometric, sizeof head->photometric);
    fuzz_must(head->rows >= 0 && head->columns >= 0 && head->frame_count >= 0, "sizes are not negative");
    fuzz_must((head->frames != NULL) == (head->frame_count > 0), "frames are there when they are counted");
    fuzz_touch(head->frames, (size_t)head->frame_count * sizeof *head->frames);
    for (int i = 0; i < head->frame_count; i++)
        fuzz_must(!head->frames[i].type || strlen(head->frames[i].type) < sizeof head->image_type,
                  "a frame's type is as long as an object's");
}

static void try_frame(struct dicom_pixels *pixels, int frame, int32_t *values, size_t count)
{
    struct err err = ERR_INIT;
    if (dicom_pixels_frame(pixels, frame, values, &err))
        fuzz_touch(values, count * sizeof *values);
    else
        fuzz_must_refuse(&err);
}

static void decode(struct dicom_pixels *pixels, const struct dicom_head *head)
{
    struct err err = ERR_INIT;
    size_t count = (size_t)head->rows * (size_t)head->columns;
    int32_t *values = malloc(count * sizeof *values);
    fuzz_must(values, "the machine has memory");
    for (int frame = 0; frame < head->frame_count && frame < FRAMES_MAX; frame++)
        try_frame(pixels, frame, values, count);
    try_frame(pixels, 0, values, count); /* out of order */
    fuzz_must(!dicom_pixels_frame(pixels, -1, values, &err), "there is no frame before the first");
    fuzz_must(!dicom_pixels_frame(pixels, head->frame_count, values, &err), "there is none after the last");
    free(values);
}

static void read_pixels(const char *path, const struct dicom_head *head)
{
    struct err err = ERR_INIT;
    struct dicom_pixels *pixels = dicom_pixels_open(path, &err);
    if (!pixels)
        fuzz_must_refuse(&err);
    else if (head->rows > 0 && head->columns > 0 && head->columns <= PIXELS_MAX / head->rows)
        decode(pixels, head);
    dicom_pixels_close(pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    start();
    struct err err = ERR_INIT;
    struct dicom_head *head;
    struct arena *arena = arena_new();
    const char *path = fuzz_file(bytes, size);
    if (!dicom_head_read(path, arena, &head, &err)) {
        fuzz_must_refuse(&err);
    } else {
        check_head(head);
        read_pixels(path, head);
    }
    arena_free(arena);
    return 0;
}
