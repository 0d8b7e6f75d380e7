#include "part10.h"

#include "base/uid.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 4, TEXT_MAX = 1024, ELEMENTS_MAX = 160, PREAMBLE = 144 };

#define TAG_ITEM           0xFFFEE000U
#define TAG_ITEM_END       0xFFFEE00DU
#define TAG_SEQUENCE_END   0xFFFEE0DDU
#define LENGTH_UNDEFINED   0xFFFFFFFFU
#define EXPLICIT_LITTLE    "1.2.840.10008.1.2.1"
#define IMPLEMENTATION_TAG "PHANTOM_2"

struct part10 {
    unsigned char *bytes;
    size_t used, size;
    struct element {
        uint32_t tag;
        size_t from, to;      /* its bytes */
    } elements[ELEMENTS_MAX]; /* of the data set itself, in the order they came */
    int element_count;
    uint32_t last_tag[DEPTH_MAX + 1]; /* by depth: tags ascend within an item */
    int depth;
    bool out_of_memory;
};

struct part10 *part10_new(void)
{
    return calloc(1, sizeof(struct part10));
}

void part10_free(struct part10 *file)
{
    if (!file)
        return;
    free(file->bytes);
    free(file);
}

static void append(struct part10 *file, const void *bytes, size_t size)
{
    if (file->used + size > file->size) {
        size_t grown = (file->used + size) * 2 + 4096;
        unsigned char *moved = realloc(file->bytes, grown);
        file->out_of_memory = file->out_of_memory || !moved;
        if (!moved)
            return;
        file->bytes = moved;
        file->size = grown;
    }
    memcpy(file->bytes + file->used, bytes, size);
    file->used += size;
}

static void append_u16(struct part10 *file, uint16_t value)
{
    append(file, (unsigned char[]){(unsigned char)value, (unsigned char)(value >> 8)}, 2);
}

static void append_u32(struct part10 *file, uint32_t value)
{
    append_u16(file, (uint16_t)value);
    append_u16(file, (uint16_t)(value >> 16));
}

static void append_tag(struct part10 *file, uint32_t tag)
{
    append_u16(file, (uint16_t)(tag >> 16));
    append_u16(file, (uint16_t)tag);
}

static void begin(struct part10 *file, uint32_t tag, const char *vr)
{
    assert(file->depth == 0 || tag > file->last_tag[file->depth]);
    file->last_tag[file->depth] = tag;
    if (file->depth == 0) {
        assert(file->element_count < ELEMENTS_MAX);
        file->elements[file->element_count++] = (struct element){.tag = tag, .from = file->used};
    }
    append_tag(file, tag);
    append(file, vr, 2);
}

static void append_short(struct part10 *file, uint32_t tag, const char *vr, const void *bytes, size_t size)
{
    assert(size < 0xFFFF);
    begin(file, tag, vr);
    append_u16(file, (uint16_t)(size + size % 2));
    append(file, bytes, size);
    if (size % 2)
        append(file, strcmp(vr, "UI") == 0 ? "\0" : " ", 1);
}

static void append_long(struct part10 *file, uint32_t tag, const char *vr, uint32_t length)
{
    begin(file, tag, vr);
    append_u16(file, 0);
    append_u32(file, length);
}

void part10_text(struct part10 *file, uint32_t tag, const char *vr, const char *text)
{
    append_short(file, tag, vr, text, strlen(text));
}

void part10_format(struct part10 *file, uint32_t tag, const char *vr, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    int length = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    assert(length >= 0 && length < TEXT_MAX);
    part10_text(file, tag, vr, text);
}

void part10_us(struct part10 *file, uint32_t tag, uint16_t value)
{
    unsigned char bytes[2] = {(unsigned char)value, (unsigned char)(value >> 8)};
    append_short(file, tag, "US", bytes, 2);
}

void part10_ss(struct part10 *file, uint32_t tag, int16_t value)
{
    uint16_t word = (uint16_t)value;
    unsigned char bytes[2] = {(unsigned char)word, (unsigned char)(word >> 8)};
    append_short(file, tag, "SS", bytes, 2);
}

void part10_words(struct part10 *file, uint32_t tag, const uint16_t *words, size_t count)
{
    append_long(file, tag, "OW", (uint32_t)(count * 2));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    append(file, words, count * 2);
#else
    for (size_t i = 0; i < count; i++)
        append_u16(file, words[i]);
#endif
}

void part10_item_begin(struct part10 *file, uint32_t tag)
{
    assert(file->depth < DEPTH_MAX);
    append_long(file, tag, "SQ", LENGTH_UNDEFINED);
    append_tag(file, TAG_ITEM);
    append_u32(file, LENGTH_UNDEFINED);
    file->last_tag[++file->depth] = 0;
}

void part10_item_end(struct part10 *file)
{
    assert(file->depth > 0);
    file->depth--;
    append_tag(file, TAG_ITEM_END);
    append_u32(file, 0);
    append_tag(file, TAG_SEQUENCE_END);
    append_u32(file, 0);
}

static struct part10 *build_meta(const char *sop_class, const char *sop_uid)
{
    struct part10 *meta = part10_new();
    if (!meta)
        return NULL;
    char implementation[UID_SIZE];
    uid_named("cardioscribe-phantom/implementation", implementation);
    append_long(meta, 0x00020001, "OB", 2);
    append(meta, "\0\1", 2);
    part10_text(meta, 0x00020002, "UI", sop_class);
    part10_text(meta, 0x00020003, "UI", sop_uid);
    part10_text(meta, 0x00020010, "UI", EXPLICIT_LITTLE);
    part10_text(meta, 0x00020012, "UI", implementation);
    part10_text(meta, 0x00020013, "SH", IMPLEMENTATION_TAG);
    return meta;
}

static int by_tag(const void *one, const void *other)
{
    const struct element *a = one, *b = other;
    return (a->tag > b->tag) - (a->tag < b->tag);
}

/* Each element ends where the next begins; then they are written in the order
 * of their tags. */
static bool write_elements(FILE *out, const struct part10 *file)
{
    struct element sorted[ELEMENTS_MAX];
    size_t count = (size_t)file->element_count;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = file->elements[i];
        sorted[i].to = i + 1 < count ? file->elements[i + 1].from : file->used;
    }
    qsort(sorted, count, sizeof sorted[0], by_tag);
    for (size_t i = 0; i < count; i++) {
        assert(i == 0 || sorted[i - 1].tag != sorted[i].tag);
        size_t length = sorted[i].to - sorted[i].from;
        if (fwrite(file->bytes + sorted[i].from, 1, length, out) != length)
            return false;
    }
    return true;
}

static bool write_all(FILE *out, const struct part10 *meta, const struct part10 *file)
{
    unsigned char head[PREAMBLE] = {0};
    memcpy(head + 128, "DICM\x02\x00\x00\x00UL\x04\x00", 12);
    for (int i = 0; i < 4; i++)
        head[140 + i] = (unsigned char)(meta->used >> (8 * i));
    return fwrite(head, 1, sizeof head, out) == sizeof head &&
           fwrite(meta->bytes, 1, meta->used, out) == meta->used && write_elements(out, file) &&
           fflush(out) == 0;
}

bool part10_save(const struct part10 *file, const char *path, const char *sop_class, const char *sop_uid,
                 size_t *ret_size, struct err *err)
{
    assert(file->depth == 0);
    struct part10 *meta = build_meta(sop_class, sop_uid);
    if (!meta || meta->out_of_memory || file->out_of_memory) {
        part10_free(meta);
        return err_fail(err, ERR_NOMEM, "no memory for %s", path);
    }
    FILE *out = fopen(path, "wb");
    bool ok = out ? true : err_errno(err, "create %s", path);
    if (ok && !write_all(out, meta, file))
        ok = err_errno(err, "write %s", path);
    if (out && fclose(out) != 0 && ok)
        ok = err_errno(err, "close %s", path);
    *ret_size = meta->used + file->used + PREAMBLE;
    part10_free(meta);
    return ok;
}
