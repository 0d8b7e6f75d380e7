#include "study/study_words.h"

#include <ctype.h>
#include <string.h>

enum { TOKENS_MAX = 128, TEXT_MAX = 65 * 4 };

struct tokens {
    char text[TEXT_MAX + 1];
    const char *start[TOKENS_MAX];
    int length[TOKENS_MAX], count;
};

static int kind_of(char c)
{
    return isdigit((unsigned char)c) ? 1 : isalpha((unsigned char)c) ? 2 : 0;
}

/* Runs of digits, and of letters; a capital after a small letter begins a new one ("cineSAX"). */
static void split_words(const char *text, struct tokens *ret)
{
    size_t size = strnlen(text, TEXT_MAX);
    ret->count = 0;
    ret->text[size] = '\0';
    for (size_t i = 0; i < size; i++) {
        bool joins = i > 0 && kind_of(text[i]) == kind_of(text[i - 1]) &&
                     !(islower((unsigned char)text[i - 1]) && isupper((unsigned char)text[i]));
        ret->text[i] = (char)tolower((unsigned char)text[i]);
        if (!kind_of(text[i]))
            continue;
        if (joins) {
            ret->length[ret->count - 1]++;
        } else if (ret->count < TOKENS_MAX) {
            ret->start[ret->count] = ret->text + i;
            ret->length[ret->count++] = 1;
        } else {
            return;
        }
    }
}

/* Do the tokens from `at` on read as `pattern`, whose words are separated by a space? "cham*": begins so. */
static bool reads_as(const struct tokens *tokens, int at, const char *pattern)
{
    while (*pattern) {
        int size = (int)strcspn(pattern, " *");
        bool open = pattern[size] == '*';
        if (at >= tokens->count || strncmp(tokens->start[at], pattern, (size_t)size) != 0 ||
            (open ? tokens->length[at] < size : tokens->length[at] != size))
            return false;
        pattern += size + open;
        pattern += *pattern == ' ';
        at++;
    }
    return true;
}

static bool has_word(const struct tokens *tokens, const char *pattern)
{
    for (int i = 0; i < tokens->count; i++) {
        if (reads_as(tokens, i, pattern))
            return true;
    }
    return false;
}

/* English, German, French; accents are no letters here. */
static const struct {
    enum study_plane plane;
    const char *const patterns[16]; /* ends with NULL */
} plane_words[] = {
    {STUDY_PLANE_SA,
     {"sa", "sax", "short ax*", "shortax*", "kurzachs*", "kurze achs*", "kurz achs*", "petit axe"}},
    {STUDY_PLANE_LAX, {"lax", "long ax*", "longax*", "langachs*", "lange achs*", "grand axe"}},
    {STUDY_PLANE_2CH,
     {"2 c", "2 ch", "2 chb", "2 cham*", "two cham*", "2 kam*", "2 kb", "zweikam*", "2 cav*", "deux cav*",
      "vla"}},
    {STUDY_PLANE_3CH,
     {"3 c", "3 ch", "3 chb", "3 cham*", "three cham*", "3 kam*", "3 kb", "dreikam*", "3 cav*", "trois cav*",
      "lvot"}},
    {STUDY_PLANE_4CH,
     {"4 c", "4 ch", "4 chb", "4 cham*", "four cham*", "4 kam*", "4 kb", "vierkam*", "4 cav*", "quatre cav*",
      "hla"}},
    {STUDY_PLANE_NONE,
     {"rvot", "axial", "tra", "transversal", "transverse", "cor", "coronal", "sag", "sagittal", "aorta",
      "aortic"}}};

unsigned study_words_planes(const char *text)
{
    struct tokens tokens;
    unsigned said = 0;
    split_words(text, &tokens);
    for (size_t i = 0; i < sizeof plane_words / sizeof *plane_words; i++) {
        for (int w = 0; plane_words[i].patterns[w]; w++)
            said |= has_word(&tokens, plane_words[i].patterns[w]) ? 1u << plane_words[i].plane : 0;
    }
    /* The chambers and axes of the right ventricle alone are none of our views. */
    if (has_word(&tokens, "rv") && !has_word(&tokens, "lv") &&
        said & (STUDY_WORDS_CHAMBERS | STUDY_WORDS_LAX))
        return STUDY_WORDS_NONE;
    return said;
}

static bool has_any(const char *text, const char *const *patterns)
{
    struct tokens tokens;
    split_words(text, &tokens);
    for (; *patterns; patterns++) {
        if (has_word(&tokens, *patterns))
            return true;
    }
    return false;
}

/* Image Type: Siemens P, Philips PS, R_IR, CR_IR, enhanced REAL. */
int study_words_phase_sensitive(const struct dicom_head *head)
{
    static const char *const types[] = {"p", "ps", "psir", "r", "real", "cr", NULL};
    static const char *const words[] = {"psir", "psmde", "phase sensitive", "phasesensitive", NULL};
    static const char *const magnitude[] = {"mag*", NULL};
    if (has_any(head->image_type, types))
        return 2;
    return !has_any(head->id.series_description, magnitude) &&
           (has_any(head->id.series_description, words) || has_any(head->id.protocol_name, words));
}
