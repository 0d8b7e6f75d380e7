/* DICOM files for tests, byte by byte, explicit VR little endian. */
#ifndef TESTS_MADE_FILE_H
#define TESTS_MADE_FILE_H

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct made_file {
    uint8_t *bytes;
    size_t size, room;
    char path[64];
};

static inline void made_put(struct made_file *file, const void *bytes, size_t size)
{
    if (file->size + size > file->room) {
        file->room = 2 * (file->size + size);
        file->bytes = realloc(file->bytes, file->room);
        assert(file->bytes);
    }
    memcpy(file->bytes + file->size, bytes, size);
    file->size += size;
}

static inline void made_number(struct made_file *file, uint32_t value, int size)
{
    for (int i = 0; i < size; i++)
        made_put(file, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

/* A tag; then a VR with its length, short or long as the VR has it. */
static inline void made_tag(struct made_file *file, uint32_t tag, const char *vr, uint32_t length)
{
    made_number(file, tag >> 16, 2);
    made_number(file, tag & 0xFFFF, 2);
    if (!vr) {
        made_number(file, length, 4);
        return;
    }
    made_put(file, vr, 2);
    if (strstr("OB OW OF SQ UN UT", vr)) {
        made_number(file, 0, 2);
        made_number(file, length, 4);
    } else {
        made_number(file, length, 2);
    }
}

static inline void made_text(struct made_file *file, uint32_t tag, const char *vr, const char *text)
{
    size_t size = strlen(text), padded = size + (size & 1);
    made_tag(file, tag, vr, (uint32_t)padded);
    made_put(file, text, size);
    if (padded > size)
        made_put(file, strcmp(vr, "UI") ? " " : "\0", 1);
}

static inline void made_short(struct made_file *file, uint32_t tag, uint32_t value)
{
    made_tag(file, tag, "US", 2);
    made_number(file, value, 2);
}

static inline void made_begin(struct made_file *file, const char *transfer_syntax)
{
    static const uint8_t preamble[128];
    free(file->bytes);
    file->bytes = NULL;
    file->size = file->room = 0;
    made_put(file, preamble, sizeof preamble);
    made_put(file, "DICM", 4);
    uint32_t padded = (uint32_t)(strlen(transfer_syntax) + 1) & ~1u;
    made_tag(file, 0x00020000, "UL", 4);
    made_number(file, 8 + padded, 4);
    made_text(file, 0x00020010, "UI", transfer_syntax);
}

/* Everything of a CT or MR image but position, size and pixels, in order of tags up to (0020,xxxx). */
static inline void made_identity(struct made_file *file, const char *sop_class, const char *charset,
                                 const char *description)
{
    made_text(file, 0x00080005, "CS", charset);
    made_text(file, 0x00080016, "UI", sop_class);
    made_text(file, 0x00080018, "UI", "1.2.3.4");
    made_text(file, 0x00080060, "CS", "CT");
    made_text(file, 0x0008103E, "LO", description);
    made_text(file, 0x00100020, "LO", " ID 7 ");
    made_text(file, 0x0020000D, "UI", "1.2.3");
    made_text(file, 0x0020000E, "UI", "1.2.3.1");
}

struct made_format {
    int rows, columns, allocated, stored, high_bit, is_signed, samples;
    const char *photometric;
};

static inline void made_pixel_format(struct made_file *file, struct made_format format)
{
    made_short(file, 0x00280002, (uint32_t)format.samples);
    made_text(file, 0x00280004, "CS", format.photometric);
    made_short(file, 0x00280010, (uint32_t)format.rows);
    made_short(file, 0x00280011, (uint32_t)format.columns);
    made_short(file, 0x00280100, (uint32_t)format.allocated);
    made_short(file, 0x00280101, (uint32_t)format.stored);
    made_short(file, 0x00280102, (uint32_t)format.high_bit);
    made_short(file, 0x00280103, (uint32_t)format.is_signed);
}

static inline const char *made_save(struct made_file *file)
{
    strcpy(file->path, "/tmp/cardioscribe-test-XXXXXX");
    int fd = mkstemp(file->path);
    assert(fd >= 0);
    assert(write(fd, file->bytes, file->size) == (ssize_t)file->size);
    close(fd);
    return file->path;
}

static inline void made_done(struct made_file *file)
{
    if (*file->path)
        unlink(file->path);
    free(file->bytes);
    *file = (struct made_file){0};
}

#endif
