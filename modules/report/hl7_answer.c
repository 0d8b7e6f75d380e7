#include "report/hl7.h"

#include <stdio.h>
#include <string.h>

struct field {
    const char *at;
    size_t length;
};

/* Field `number` of the first segment of this name; empty when it has none. Segments end with CR; a receiver
 * that ends them with LF is understood. Of MSH, field 1 is the separator itself, so numbers are one less. */
static struct field field_of(const char *bytes, size_t size, const char *segment, int number)
{
    struct field none = {"", 0};
    for (const char *at = bytes, *end = bytes + size; at < end;) {
        const char *stop = at;
        while (stop < end && *stop != '\r' && *stop != '\n')
            stop++;
        if (stop - at >= 4 && memcmp(at, segment, 3) == 0) {
            char separator = at[3];
            for (at += 4; number > 1; number--) {
                const char *next = memchr(at, separator, (size_t)(stop - at));
                if (!next)
                    return none;
                at = next + 1;
            }
            const char *next = memchr(at, separator, (size_t)(stop - at));
            return (struct field){at, (size_t)((next ? next : stop) - at)};
        }
        at = stop + 1;
    }
    return none;
}

static bool equals(struct field field, const char *text)
{
    return field.length == strlen(text) && memcmp(field.at, text, field.length) == 0;
}

enum hl7_answer hl7_read_answer(const char *bytes, size_t size, const char *control_id,
                                char words[HL7_WORDS_SIZE])
{
    static const struct {
        const char *code;
        enum hl7_answer answer;
    } codes[] = {{"AA", HL7_ANSWER_ACCEPTED}, {"CA", HL7_ANSWER_ACCEPTED}, {"AE", HL7_ANSWER_ERROR},
                 {"CE", HL7_ANSWER_ERROR},    {"AR", HL7_ANSWER_REJECTED}, {"CR", HL7_ANSWER_REJECTED}};
    struct field code = field_of(bytes, size, "MSA", 1), said = field_of(bytes, size, "MSA", 3);
    if (said.length == 0)
        said = field_of(bytes, size, "ERR", 8);
    snprintf(words, HL7_WORDS_SIZE, "%.*s%s%.*s", code.length < 8 ? (int)code.length : 8, code.at,
             said.length ? ": " : "", said.length < 150 ? (int)said.length : 150, said.at);
    for (char *c = words; *c; c++)
        *c = (unsigned char)*c < ' ' || *c == 127 ? ' ' : *c;
    if (!equals(field_of(bytes, size, "MSA", 2), control_id))
        return HL7_ANSWER_STRANGE;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (equals(code, codes[i].code))
            return codes[i].answer;
    return HL7_ANSWER_STRANGE;
}
