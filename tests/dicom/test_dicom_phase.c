/* dicom_phase_percent on what scanners write. */
#include "dicom/dicom_phase.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void texts_that_name_a_phase(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double percent;
    } cases[] = {{"BestDiast 75 %", 75},
                 {"CTA 0.6 Bv40 3 70%", 70},
                 {"70.5%", 70.5},
                 {"0%", 0},
                 {"TP30PC0965\\PULSTART_P0020PC", 30},
                 {"HEART\\TP0PC0965", 0},
                 {"ASiR 40% 75%", 75},
                 {"ASIR-V 40 % phase 35 %", 35},
                 {"CT-75%", 75},
                 {"37,5 %", 37.5},
                 {"BestSyst 37,5%", 37.5},
                 {"70, 75%", 75},
                 {"CTA 40% ASIR 75% RR", 75},
                 {"ASIR_40% 75%", 75},
                 {"SS40% CTA 75%", 75},
                 {"CTA 75%, ASIR 30%", 75},
                 {"Radar 40%", 40},
                 {"75% 0.6 75 %", 75},
                 {"Retro 75%, iDose (3)", 75},
                 {"Small FOV, systole 40%", 40}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double percent = -1;
        if (!dicom_phase_percent(cases[i].text, &percent) || percent != cases[i].percent)
            fail_msg("\"%s\" gave %g", cases[i].text, percent);
    }
}

static void texts_that_name_none(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "%",
                                        "75",
                                        "CorCTA 0 - 90 %  Matrix 256",
                                        "ASiR 40%",
                                        "120 %",
                                        "0%-95%",
                                        "30 % - 80 %",
                                        "asir-v40%",
                                        "STEP30PC09",
                                        "PULSEND_P80",
                                        "TP30MS",
                                        "..%",
                                        "TPPC",
                                        "mA 80 %, 5-%",
                                        "iDose 30%",
                                        "ASIR_40%",
                                        "ASIR:40%",
                                        "ASIR=40%",
                                        "30% ASIR",
                                        "AR40%",
                                        "SS40%",
                                        "2.5MM CHEST 30% ASIR-V",
                                        "75% ASIR 40%",
                                        "70% 75%",
                                        "30% AR",
                                        "1111111111111111111111111%"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double percent = -1;
        if (dicom_phase_percent(texts[i], &percent))
            fail_msg("\"%s\" gave %g", texts[i], percent);
        assert_true(percent == -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_that_name_a_phase),
        cmocka_unit_test(texts_that_name_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
