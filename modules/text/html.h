/* Character references of HTML ("&gt;", "&#62;", "&#x3e") put back to what they stand for.
 * source: Python's html.unescape, which CLIP's reference tokenizer calls; HTML 5, section 13.5 (names). */
#ifndef TEXT_HTML_H
#define TEXT_HTML_H

#include <stddef.h>
#include <stdint.h>

/* in:  UTF-8. out: room for 2 * size bytes (no reference stands for more). returns what was written.
 * A name without semicolon counts as in HTML 5 (the longest one that fits); what is no reference stays. */
size_t html_unescape(const char *text, size_t size, char *out);

/* The names, in order of strcmp; those that need a semicolon have it. */
struct html_name {
    const char *name;
    int32_t points[2]; /* the second is 0 when there is one */
};
extern const struct html_name html_names[];
extern const size_t html_name_count;

#endif
