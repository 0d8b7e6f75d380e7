#include "pipeline/summary.h"

#include "pipeline/canvas.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SCALE = 2, MARGIN = 20, LINE_HEIGHT = 24, LONGEST = 4096, INDENT = 4 };

/* source: PS3.16 annex D */
static const char comment_code[] = "121106", summary_code[] = "111017", evaluations_code[] = "C0034375",
                  measurements_code[] = "126010", family_code[] = "111000";

static bool named(const struct dicom_sr_item *item, const char *code)
{
    return item->name.value && strcmp(item->name.value, code) == 0;
}

static void put_line(struct summary_text *text, const char *from, int size, int indent)
{
    if (text->count == SUMMARY_LINES - 1) { /* the last one tells what is missing */
        text->left_out++;
        return;
    }
    snprintf(text->lines[text->count++], sizeof *text->lines, "%*s%.*s", indent, "", size, from);
}

/* Bytes of at most `columns` characters, cut where a blank is if there is one. */
static int fitting(const char *from, int columns)
{
    int bytes = 0, blank = 0;
    for (int column = 0; from[bytes] && column < columns; column++) {
        if (from[bytes] == ' ')
            blank = bytes;
        do
            bytes++;
        while (((unsigned char)from[bytes] & 0xc0) == 0x80);
    }
    return from[bytes] == '\0' || from[bytes] == ' ' || blank == 0 ? bytes : blank;
}

/* Wrapped. */
static void put(struct summary_text *text, int indent, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void put(struct summary_text *text, int indent, const char *fmt, ...)
{
    char whole[LONGEST];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(whole, sizeof whole, fmt, ap);
    va_end(ap);
    const char *at = whole;
    do {
        int size = fitting(at, SUMMARY_COLUMNS - indent);
        put_line(text, at, size, indent);
        at += size + strspn(at + size, " ");
    } while (*at);
}

static void value_of(const struct dicom_sr_item *item, char value[LONGEST / 2])
{
    const char *unit = item->unit.meaning ? item->unit.meaning : "";
    switch (item->value) {
    case DICOM_SR_CODE:
        snprintf(value, LONGEST / 2, "%s", item->code.meaning);
        break;
    case DICOM_SR_TEXT:
        snprintf(value, LONGEST / 2, "%s", item->text);
        break;
    case DICOM_SR_NUM:
        snprintf(value, LONGEST / 2, "%.4g %s", item->number, unit);
        break;
    default:
        value[0] = '\0';
    }
}

/* "Cardiomegaly (Heart): Undetermined": what qualifies an item stands behind its name. */
static void describe(const struct dicom_sr_item *item, char *words, size_t room)
{
    char value[LONGEST / 2];
    value_of(item, value);
    size_t used = (size_t)snprintf(words, room, "%s", item->name.meaning ? item->name.meaning : "");
    for (const struct dicom_sr_item *child = item->first_child; child; child = child->next)
        if (child->value == DICOM_SR_CODE && used < room)
            used += (size_t)snprintf(words + used, room - used, " (%s)", child->code.meaning);
    if (used < room)
        snprintf(words + used, room - used, ": %s", value);
}

static void put_comments(struct summary_text *text, const struct dicom_sr_item *item)
{
    for (; item; item = item->next) {
        bool digest = item->text && strstr(item->text, "sha256=");
        if (named(item, summary_code))
            put(text, 0, "%s", item->code.meaning);
        else if (named(item, comment_code) && item->value == DICOM_SR_TEXT && !digest)
            put(text, 0, "%s", item->text);
        put_comments(text, item->first_child);
    }
}

/* A finding with its site, its number and whether it is present, in one sentence. */
static void put_group(struct summary_text *text, const struct dicom_sr_item *group)
{
    char sentence[LONGEST] = "";
    for (const struct dicom_sr_item *item = group->first_child; item; item = item->next) {
        size_t used = strlen(sentence);
        bool says = item->value == DICOM_SR_CODE || item->value == DICOM_SR_NUM;
        if (!says || named(item, family_code))
            continue;
        if (used > 0)
            used += (size_t)snprintf(sentence + used, sizeof sentence - used, "; ");
        if (used < sizeof sentence)
            describe(item, sentence + used, sizeof sentence - used);
    }
    put(text, INDENT, "%s", sentence);
}

static void put_evaluations(struct summary_text *text, const struct dicom_sr_item *evaluations)
{
    char words[LONGEST / 2];
    for (const struct dicom_sr_item *item = evaluations ? evaluations->first_child : NULL; item;
         item = item->next) {
        if (item->value != DICOM_SR_CODE || named(item, summary_code))
            continue;
        describe(item, words, sizeof words);
        put(text, INDENT, "%s", words);
    }
}

/* The first of this name, in the report's order. */
static const struct dicom_sr_item *find(const struct dicom_sr_item *item, const char *code)
{
    const struct dicom_sr_item *found = NULL;
    for (; item && !found; item = item->next)
        found = named(item, code) ? item : find(item->first_child, code);
    return found;
}

static void put_algorithm(struct summary_text *text, const struct dicom_sr_item *root)
{
    const struct dicom_sr_item *name = find(root, "111001"), *version = find(root, "111003");
    if (name && name->value == DICOM_SR_TEXT)
        put(text, 0, "Algorithm: %s %s", name->text,
            version && version->value == DICOM_SR_TEXT ? version->text : "");
}

void summary_write(const struct dicom_sr_document *document, struct summary_text *ret)
{
    *ret = (struct summary_text){0};
    put(ret, 0, "%s", document->series_description);
    put(ret, 0, "Preliminary, unverified, %s%s%s", document->complete ? "complete" : "PARTIAL",
        *document->completion_description ? ": " : "", document->completion_description);
    put(ret, 0, "Study of %s; revision %d, analysed %s %.6s %s%s", document->study_date, document->revision,
        document->content_date, document->content_time, document->utc_offset,
        *document->predecessor_uid ? "; replaces an earlier report" : "");
    put_algorithm(ret, document->root);
    put(ret, 0, " ");
    put_comments(ret, document->root);
    const struct dicom_sr_item *measurements = find(document->root, measurements_code);
    if (measurements)
        put(ret, 0, " ");
    for (const struct dicom_sr_item *group = measurements ? measurements->first_child : NULL; group;
         group = group->next)
        put_group(ret, group);
    put(ret, 0, " ");
    put_evaluations(ret, find(document->root, evaluations_code));
    if (ret->left_out)
        snprintf(ret->lines[ret->count++], sizeof *ret->lines, "%d more lines: see the structured report",
                 ret->left_out);
}

bool summary_draw(const struct summary_text *text, struct arena *arena, const uint8_t **ret, struct err *err)
{
    const struct canvas_colour white = {255, 255, 255};
    struct canvas canvas;
    uint8_t *grey = arena_alloc(arena, SUMMARY_WIDTH, SUMMARY_HEIGHT);
    if (!grey)
        return err_fail(err, ERR_NOMEM, "no memory for a summary page");
    if (!canvas_init(&canvas, SUMMARY_WIDTH, SUMMARY_HEIGHT, arena, err))
        return false;
    for (int i = 0; i < text->count; i++)
        canvas_text(&canvas, MARGIN, MARGIN + i * LINE_HEIGHT, SCALE, white, text->lines[i]);
    for (int i = 0; i < SUMMARY_WIDTH * SUMMARY_HEIGHT; i++)
        grey[i] = canvas.pixels[(size_t)i * 3];
    *ret = grey;
    return true;
}
