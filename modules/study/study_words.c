#include "study/study_words.h"

#include "study/study_text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- planes ---- */

/* English, German, French. */
static const struct {
    enum study_plane plane;
    const char *words;
} plane_words[] = {
    {STUDY_PLANE_SA, " sa | sax | short ax| kurzachs| kurze achs| kurz achs| petit axe "},
    {STUDY_PLANE_LAX, " lax | long ax| langachs| lange achs| grand axe "},
    {STUDY_PLANE_2CH, " 2 c | 2 ch | 2 chb | 2 cham| two cham| 2 kam| 2 kb | zweikam| 2 cav| deux cav| vla "},
    {STUDY_PLANE_3CH,
     " 3 c | 3 ch | 3 chb | 3 cham| three cham| 3 kam| 3 kb | dreikam| 3 cav| trois cav| lvot "},
    {STUDY_PLANE_4CH,
     " 4 c | 4 ch | 4 chb | 4 cham| four cham| 4 kam| 4 kb | vierkam| 4 cav| quatre cav| hla "},
    {STUDY_PLANE_NONE,
     " rvot | axial | tra | transversal | transverse | cor | coronal | sag | sagittal | aorta | aortic "}};

unsigned study_words_planes(const char *text)
{
    unsigned said = 0;
    for (size_t i = 0; i < sizeof plane_words / sizeof *plane_words; i++)
        said |= study_text_mentions(text, plane_words[i].words) ? 1u << plane_words[i].plane : 0;
    /* The chambers and axes of the right ventricle alone are none of our views. */
    if (study_text_mentions(text, " rv ") && !study_text_mentions(text, " lv ") &&
        said & (STUDY_WORDS_CHAMBERS | STUDY_WORDS_LAX))
        return STUDY_WORDS_NONE;
    return said;
}

/* ---- reconstruction ---- */

/* Image Type: Siemens P, Philips PS, R_IR, CR_IR, enhanced REAL. */
int study_words_phase_sensitive(const struct dicom_head *head, const char *image_type)
{
    static const char words[] = " psir | psmde | phase sensitive ";
    if (study_text_mentions(image_type, " p | ps | psir | r | real | cr "))
        return 2;
    return !study_text_mentions(head->id.series_description, " mag") &&
           (study_text_mentions(head->id.series_description, words) ||
            study_text_mentions(head->id.protocol_name, words));
}

/* ---- gating, contrast, kernel ---- */

bool study_words_gated(const char *description)
{
    static const char not_so[] =
        "non gated|not gated|ungated|no gating|non gating|w o gat|without gat|non ecg|"
        " no ecg|w o ecg|without ecg|non ekg|ohne ekg|ohne ecg|sans ecg";
    return study_text_mentions(description, " gated|ecg|ekg") && !study_text_mentions(description, not_so);
}

/* As technologists enter it. */
bool study_words_agent(const char *agent)
{
    return *agent &&
           !study_text_has(agent, 0,
                           "no|none|n|n a|nein|non|nativ|native|w o|without|0|no contrast|"
                           "non contrast|without contrast|w o contrast|no iv contrast|kein km|ohne km|"
                           "ohne|ohne kontrastmittel|sans|sans contraste|sans injection");
}

double study_words_kernel_number(const char *kernel)
{
    static const char digits[] = "0123456789";
    const char *number = kernel + strcspn(kernel, digits);
    bool known = *kernel && strchr("BbHQIJDSTU", *kernel) && number - kernel <= 2;
    return known && strspn(number, digits) == 2 ? (double)strtol(number, NULL, 10) : NAN;
}
