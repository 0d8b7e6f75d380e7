/* Words in descriptions: blanks within, whole words, values of a list. */
#include "study/study_text.h"
#include "study/study_words.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct pair {
    const char *text, *words;
};

static void check(const struct pair *pairs, size_t count, bool mentions)
{
    for (size_t i = 0; i < count; i++) {
        if (study_text_mentions(pairs[i].text, pairs[i].words) != mentions)
            fail_msg("\"%s\" in \"%s\"", pairs[i].words, pairs[i].text);
    }
}

static void words_are_found(void **state)
{
    (void)state;
    static const struct pair pairs[] = {{"Oscar", "scar"},
                                        {"Ca_Score", "ca score"},
                                        {"CaScore", "ca score"},
                                        {"ca-score 3.0", "ca score"},
                                        {"CA  SCORE", "ca score"},
                                        {"CA. / SCORE", "ca score"},
                                        {"late scar", " scar "},
                                        {"SCAR", " scar "},
                                        {"sa_scar+lge", " scar "},
                                        {"FastPC_V150", " pc "},
                                        {"PC2", " pc "},
                                        {"2PC", " pc "},
                                        {"LOC_SAX", " loc"},
                                        {"localized", " loc"},
                                        {"2D PSMDE", "mde "},
                                        {"T2* map", "t2* map"},
                                        {"T2*map", "t2* map"},
                                        {"0 - 90 %", "0 - 90"},
                                        {"0-90", "0 - 90"},
                                        {"w/o ECG", "w o ecg"},
                                        {"Sp\xc3\xa4t-Enh", "sp t enh"},
                                        {"a b", "x|a b|y"},
                                        {"y", "x|y"}};
    check(pairs, sizeof pairs / sizeof *pairs, true);
}

static void words_are_not_found(void **state)
{
    (void)state;
    static const struct pair pairs[] = {{"Oscar", " scar "},
                                        {"scarred", " scar "},
                                        {"scarred", "scar "},
                                        {"Oscar", " scar"},
                                        {"calscore", "ca score"},
                                        {"PCA", " pc "},
                                        {"Bloc", " loc"},
                                        {"MDEX", "mde "},
                                        {"12CH", " 2 ch "},
                                        {"2 channel", " 2 ch "},
                                        {"", "a"},
                                        {"", " a "},
                                        {"a", "ab"},
                                        {"ca", "ca score"},
                                        {"ca ", "ca score"},
                                        {"ca s", "ca score"},
                                        {"\xc3\xa4loc", " loc"},
                                        {"a", ""}};
    check(pairs, sizeof pairs / sizeof *pairs, false);
}

static void a_value_of_a_list_is_compared_whole(void **state)
{
    (void)state;
    assert_true(study_text_has("ORIGINAL\\PRIMARY\\T1_MAP", 0, "t1 map"));
    assert_true(study_text_has("ORIGINAL\\PRIMARY\\T1MAP", 3, "x|t1 map"));
    assert_false(study_text_has("ORIGINAL\\PRIMARY\\T1 MAPS", 0, "t1 map"));
    assert_false(study_text_has("ORIGINAL\\PRIMARY", 1, "primary"));
    assert_false(study_text_has("T1\\MAP", 0, "t1 map"));
    assert_false(study_text_has("", 0, "a"));
}

static void gating_is_said_and_denied(void **state)
{
    (void)state;
    static const char *const said[] = {"SmartScore - Gated 0.5 sec", "ECG triggered", "EKG-Trigger",
                                       "AX_GATED_SURVEY"};
    static const char *const denied[] = {"Chest Non-Gated 2.5",
                                         "NONGATED",
                                         "Heart w/o ECG 3.0",
                                         "CaSc ungated",
                                         "AX_FIESTA_non_gated",
                                         "not gated",
                                         "no gating ECG",
                                         "elongated",
                                         ""};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        assert_true(study_words_gated(said[i]));
    for (size_t i = 0; i < sizeof denied / sizeof *denied; i++)
        assert_false(study_words_gated(denied[i]));
}

static void agents_are_told_from_none(void **state)
{
    (void)state;
    static const char *const none[] = {"",    "NO",    "None", "NO CONTRAST", "Non-Contrast", "W/O",
                                       "n/a", "nativ", "0"};
    static const char *const agents[] = {"IOMERON", "APPLIED", "Omnipaque 350", "CE", "Nonionic 370"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(study_words_agent(none[i]));
    for (size_t i = 0; i < sizeof agents / sizeof *agents; i++)
        assert_true(study_words_agent(agents[i]));
}

static void kernels_of_one_vendor_have_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *kernel;
        double number;
    } cases[] = {{"Br36d\\3", 36}, {"B70f", 70}, {"I70f\\3", 70}, {"D26f", 26},
                 {"S90s", 90},     {"T20f", 20}, {"Hr60", 60}};
    static const char *const others[] = {"", "FC51", "STANDARD", "B", "YA", "36", "B1", "B123f", "BONE50"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(study_words_kernel_number(cases[i].kernel) == cases[i].number);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(isnan(study_words_kernel_number(others[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_found),
        cmocka_unit_test(words_are_not_found),
        cmocka_unit_test(a_value_of_a_list_is_compared_whole),
        cmocka_unit_test(gating_is_said_and_denied),
        cmocka_unit_test(agents_are_told_from_none),
        cmocka_unit_test(kernels_of_one_vendor_have_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
