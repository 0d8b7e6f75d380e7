/* The rules that are built in: what each makes of the series it is for, and that none is there for nothing.
 */
#include "made_study.h"

#include <math.h>

struct shot {
    const char *role, *why; /* what is expected; of why the beginning */
    bool left;              /* never analysed */
    enum dicom_kind kind;
    int positions, each; /* images at each position */
    double step_mm, pixel_mm, thickness_mm, kv, inversion_ms, inversion_step_ms, velocity_cm_s, percent,
        trigger_step_ms;
    const char *type, *description, *protocol, *kernel, *contrast, *sequence, *body_part, *sync;
    bool burnt_in, timed, same_trigger;
    int directions; /* 3: the images lie in three ways */
};

#define CT DICOM_KIND_CT
#define MR DICOM_KIND_MR

// clang-format off
static const struct shot shots[] = {
    {"localizer", "Image Type", true, CT, 2, 1, .type = "ORIGINAL\\PRIMARY\\LOCALIZER"},
    {"localizer", "the description", true, MR, 9, 1, .description = "3-plane SCOUT"},
    {"localizer", "the description", true, CT, 2, 1, .protocol = "Topogram 0.6 T20f"},
    {"localizer", "the description", true, MR, 5, 8, .timed = true, .description = "LOC_SAX_FIESTA_BH"},
    {"burnt_in", "text", true, CT, 20, 1, .burnt_in = true},
    {"derived", "Image Type says secondary", true, CT, 20, 1, .type = "ORIGINAL\\SECONDARY\\AXIAL"},
    {"ct", "a CT", false, CT, 20, 1, .type = "ORIGINAL\\PRIMARY\\SECONDARY"},
    {"derived", "Image Type says projection", true, CT, 20, 1, .type = "ORIGINAL\\PRIMARY\\PROJECTION IMAGE"},
    {"derived", "Image Type says projection", true, CT, 20, 1, .type = "ORIGINAL\\PRIMARY\\AXIAL\\MIP"},
    {"other_body_part", "Body Part", true, CT, 20, 1, .body_part = "HEAD"},
    {"ct", "a CT", false, CT, 20, 1, .body_part = "NECKCHESTABDPELV"},
    {"other_body_part", "Body Part Examined is not the chest, nor", true, CT, 20, 1, .body_part = "ABDOMEN"},
    {"cta", "the description", false, CT, 20, 1, .body_part = "ABDOMEN", .description = "TAVI angio"},
    {"other_body_part", "the description", true, MR, 20, 1, .protocol = "t1sagknee"},
    {"other_body_part", "Protocol Name", true, MR, 20, 1, .description = "ext loc ref", .protocol = "t1sagknee"},
    {"cine", "at least", false, MR, 10, 20, .step_mm = 8, .timed = true, .description = "SAX", .protocol = "liver"},
    {"cta", "the description", false, CT, 90, 1, .description = "CTA carotid to aorta"},
    {"derived", "Image Type says derived", true, CT, 20, 1, .type = "DERIVED\\PRIMARY\\AXIAL"},
    {"derived", "the description", true, CT, 20, 1, .description = "FFRct model"},
    {"bolus_tracking", "images follow", true, CT, 1, 12, .timed = true},
    {"bolus_tracking", "the description", true, CT, 2, 1, .description = "PreMonitoring 5.0"},
    {"localizer", "few images in two", true, CT, 1, 1, .directions = 2},
    {"ct", "a CT", false, CT, 20, 1, .directions = 2},
    {"calcium_score", "the description", false, CT, 40, 1, .step_mm = 3, .description = "DS_CaSc 3.0 B35f"},
    {"calcium_score", "the description", false, CT, 40, 1, .description = "SmartScore - Gated 0.5 sec"},
    {"calcium_score", "the description says calcium score, and", false, CT, 40, 1, .step_mm = 3,
     .description = "CALCIUM SCORE + CTA"},
    {"cta", "the description", false, CT, 90, 1, .description = "CALCIUM SCORE + CTA", .contrast = "ULTRAVIST"},
    {"calcium_score", "a native", false, CT, 40, 1, .step_mm = 3, .thickness_mm = 3, .kv = 120,
     .description = "Herz nativ 3.0"},
    {"calcium_score", "gated", false, CT, 40, 1, .step_mm = 3, .thickness_mm = 3, .kv = 120, .sync = "PROSPECTIVE"},
    {"ct", "a CT", false, CT, 40, 1, .step_mm = 3, .thickness_mm = 3, .kv = 120, .sync = "NONE"},
    {"ct", "a CT", false, CT, 40, 1, .step_mm = 3, .thickness_mm = 3, .kv = 100, .sync = "PROSPECTIVE"},
    {"ct", "a CT", false, CT, 40, 1, .step_mm = 3, .thickness_mm = 3, .kv = 120, .sync = "PROSPECTIVE",
     .contrast = "ULTRAVIST"},
    {"cta_multiphase", "the description", false, CT, 30, 10, .timed = true, .description = "Function 0-90% B26f"},
    {"cta", "the description", false, CT, 90, 1, .description = "CorCTA 0.75 BestDiast 74 %"},
    {"cta_multiphase", "contrast", false, CT, 30, 10, .step_mm = 1, .timed = true, .contrast = "ULTRAVIST"},
    {"cta", "contrast", false, CT, 90, 1, .step_mm = 0.5, .contrast = "ULTRAVIST"},
    {"cta", "gated", false, CT, 90, 1, .step_mm = 0.5, .sync = "PROSPECTIVE"},
    {"cta", "one phase", false, CT, 90, 1, .step_mm = 0.5, .percent = 75},
    {"ct", "a CT", false, CT, 90, 1, .step_mm = 0.5, .sync = "PROSPECTIVE", .description = "nativ 0.6"},
    {"lung", "the description says lung, and", false, CT, 90, 1, .step_mm = 0.5, .contrast = "ULTRAVIST",
     .description = "CorCTA LUNG"},
    {"ct", "a CT", false, CT, 90, 1, .step_mm = 2, .contrast = "ULTRAVIST"},
    {"ct", "a CT", false, CT, 90, 1, .step_mm = 0.5, .contrast = "None"},
    {"lung", "a sharp kernel", false, CT, 90, 1, .step_mm = 2, .kernel = "LUNG"},
    {"lung", "a sharp kernel", false, CT, 90, 1, .step_mm = 2, .kernel = "Br64d\\3"},
    {"ct", "a CT", false, CT, 90, 1, .step_mm = 2, .kernel = "Br36d\\3"},
    {"ct", "a CT", false, CT, 90, 1, .step_mm = 2, .kernel = "Br64d\\3", .pixel_mm = 0.4},
    {"ct", "a CT", false, CT, 90, 1, .step_mm = 2, .kernel = "FC64"},
    {"lung", "the description says lung or", false, CT, 90, 1, .step_mm = 2, .description = "Thorax 2.0"},
    {"ct", "a CT", false, CT, 90, 1, .step_mm = 2},

    {"map", "Image Type", true, MR, 3, 1, .type = "DERIVED\\PRIMARY\\M\\T1 MAP"},
    {"map", "the description", true, MR, 3, 8, .description = "T1Map_LongT1_SAX"},
    {"map", "the description says images of many", true, MR, 1, 20, .timed = true, .description = "CINE_IR"},
    {"map", "three inversion", true, MR, 1, 20, .sequence = "GR\\IR", .inversion_ms = 100, .inversion_step_ms = 25},
    {"lge", "inversion", false, MR, 10, 2, .sequence = "GR\\IR", .inversion_ms = 280, .inversion_step_ms = 40},
    {"flow", "velocity", false, MR, 1, 30, .timed = true, .velocity_cm_s = 150, .type = "ORIGINAL\\PRIMARY\\M\\RETRO"},
    {"flow_phase", "velocity", false, MR, 1, 30, .timed = true, .velocity_cm_s = 150, .type = "ORIGINAL\\PRIMARY\\P\\RETRO"},
    {"flow", "the description", false, MR, 1, 30, .timed = true, .description = "Flow AO", .type = "ORIGINAL\\PRIMARY\\M"},
    {"flow_phase", "the description", false, MR, 1, 30, .timed = true, .description = "Qflow Venc 200",
     .type = "ORIGINAL\\PRIMARY\\VELOCITY MAP"},
    {"lge_phase", "the description says late", false, MR, 10, 1, .description = "LGE SAX PSIR",
     .type = "ORIGINAL\\PRIMARY\\P\\IR"},
    {"lge", "the description says late enhancement, and", false, MR, 10, 1, .description = "LGE SAX PSIR",
     .type = "ORIGINAL\\PRIMARY\\M\\IR"},
    {"lge_phase", "the description says phase", false, MR, 10, 1, .description = "de_PSIR_SAX",
     .type = "DERIVED\\PRIMARY\\OTHER"},
    {"lge", "the description says late enhancement", false, MR, 10, 1, .description = "Delayed SAX"},
    {"derived", "Image Type says derived", true, MR, 10, 1, .type = "DERIVED\\PRIMARY\\OTHER"},
    {"derived", "the description", true, MR, 10, 1, .description = "MIP LGE"},
    {"cine", "at least", false, MR, 10, 25, .timed = true, .description = "cine_SA post LGE"},
    {"perfusion", "the description", false, MR, 3, 50, .timed = true, .description = "Stress Perf SAX"},
    {"perfusion", "many images", false, MR, 3, 50, .timed = true, .same_trigger = true},
    {"cine", "at least", false, MR, 3, 50, .timed = true},
    {"perfusion", "times at few", false, MR, 3, 50, .timed = true, .trigger_step_ms = 900},
    {"mra_3d", "the description", false, MR, 60, 1, .description = "WholeHeart nav"},
    {"mra_3d", "a stack", false, MR, 60, 1, .step_mm = 1.5},
    {"mr", "an MR", false, MR, 30, 1, .step_mm = 1.5},
    {"cine", "at least", false, MR, 10, 20, .step_mm = 8, .timed = true},
    {"cine", "the description", false, MR, 1, 20, .description = "Cine 4CH"},
    {"mr", "an MR", false, MR, 10, 5, .step_mm = 8, .timed = true},
    {"lge", "inversion recovery", false, MR, 10, 1, .step_mm = 8, .sequence = "GR\\IR", .inversion_ms = 300},
    {"lge", "the inversion", false, MR, 10, 1, .step_mm = 8, .sequence = "GR", .inversion_ms = 300},
    {"mr", "an MR", false, MR, 10, 1, .step_mm = 8, .sequence = "SE", .inversion_ms = 300},
    {"mr", "an MR", false, MR, 10, 1, .step_mm = 8, .sequence = "SE\\IR", .inversion_ms = 2500},
    {"mr", "an MR", false, MR, 10, 1, .step_mm = 8, .sequence = "SE\\IR", .inversion_ms = 170, .description = "STIR SAX"},
    {"tagging", "the description", false, MR, 3, 20, .step_mm = 8, .timed = true, .description = "SPAMM SAX"},
    {"localizer", "few images", true, MR, 3, 1, .directions = 3},
    {"cine", "the description", false, MR, 1, 10, .directions = 3, .description = "cine LAX"},
};
// clang-format on

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

static void turn(struct dicom_frame *frame, int direction)
{
    if (direction > 0) { /* coronal, sagittal */
        frame->row_lps[0] = direction == 1;
        frame->row_lps[1] = direction == 2;
        frame->column_lps[1] = 0;
        frame->column_lps[2] = -1;
        frame->position_lps[direction == 1 ? 1 : 0] = frame->position_lps[2];
    }
}

static void set_image(struct dicom_head *head, const struct shot *shot, int phase)
{
    copy(head->image_type, sizeof head->image_type, shot->type ? shot->type : "ORIGINAL\\PRIMARY\\OTHER");
    copy(head->id.series_description, sizeof head->id.series_description, shot->description);
    copy(head->id.protocol_name, sizeof head->id.protocol_name, shot->protocol);
    copy(head->kernel, sizeof head->kernel, shot->kernel);
    copy(head->contrast_agent, sizeof head->contrast_agent, shot->contrast);
    copy(head->scanning_sequence, sizeof head->scanning_sequence, shot->sequence);
    copy(head->body_part, sizeof head->body_part, shot->body_part);
    copy(head->cardiac_sync, sizeof head->cardiac_sync, shot->sync);
    head->slice_thickness_mm = shot->thickness_mm;
    head->tube_kv = shot->kv;
    head->frames->inversion_ms = shot->inversion_ms + phase * shot->inversion_step_ms;
    head->velocity_cm_s = shot->velocity_cm_s;
    head->burnt_in = shot->burnt_in;
    head->frames->has_phase_percent = shot->percent > 0;
    head->frames->phase_percent = shot->percent;
    head->frames->has_trigger = shot->timed;
    head->frames->trigger_ms =
        shot->same_trigger ? 500 : phase * (shot->trigger_step_ms > 0 ? shot->trigger_step_ms : 20);
    if (shot->pixel_mm > 0)
        head->frames->spacing_x_mm = head->frames->spacing_y_mm = shot->pixel_mm;
}

static void take(struct made *made, const struct shot *shot)
{
    double step_mm = shot->step_mm > 0 ? shot->step_mm : 5;
    made->count = 0;
    for (int direction = 0; direction < (shot->directions ? shot->directions : 1); direction++)
        for (int z = 0; z < shot->positions; z++)
            for (int phase = 0; phase < shot->each; phase++) {
                struct dicom_head *head = add(made, shot->kind, 1, z * step_mm);
                set_image(head, shot, phase);
                turn(head->frames, direction);
            }
    assert_true(made->count <= MOST);
    choose(made, shot->kind == DICOM_KIND_CT ? "CT" : "MR");
}

static void each_series_gets_its_role(void **state)
{
    struct made *made = *state;
    for (size_t i = 0; i < sizeof shots / sizeof *shots; i++) {
        const struct shot *shot = &shots[i];
        take(made, shot);
        const struct study_series *series = &made->choice->series[0];
        if (strcmp(series->role, shot->role) != 0 || strncmp(series->why, shot->why, strlen(shot->why)) != 0)
            fail_msg("shots[%zu], to be %s: %s, because %s", i, shot->role, series->role, series->why);
        assert_string_equal(series->reason, shot->left ? shot->role : "chosen");
        assert_int_equal(series->taken, !shot->left);
    }
}

static void no_rule_is_there_for_nothing(void **state)
{
    struct made *made = *state;
    bool fits[100] = {false};
    assert_true(made->rules->rule_count <= 100);
    for (size_t i = 0; i < sizeof shots / sizeof *shots; i++) {
        take(made, &shots[i]);
        const struct study_series *series = &made->choice->series[0];
        for (int r = 0; r < made->rules->rule_count; r++)
            fits[r] |= made->rules->rules[r].why == series->why;
    }
    for (int r = 0; r < made->rules->rule_count; r++) {
        if (!fits[r])
            fail_msg("rules[%d] (%s, %s) fits no series here", r, made->rules->rules[r].role,
                     made->rules->rules[r].why);
    }
}

/* ---- which of several ---- */

static void name(struct made *made, int number, const char *description, double percent)
{
    struct dicom_head *first = add_stack(made, DICOM_KIND_CT, number, 40, 0.5);
    for (int i = 0; i < 40; i++) {
        strcpy(first[i].contrast_agent, "IOMERON");
        snprintf(first[i].id.series_description, sizeof first[i].id.series_description, "%s", description);
        first[i].frames->has_phase_percent = percent >= 0;
        first[i].frames->phase_percent = percent;
    }
}

static void chosen_is(struct made *made, int number)
{
    choose(made, "CT");
    assert_string_equal(reason_of(made, number), "chosen");
}

static void the_phase_nearest_mid_diastole_wins(void **state)
{
    struct made *made = *state;
    name(made, 1, "CTA", 30);
    chosen_is(made, 1);
    name(made, 2, "CTA", 40);
    chosen_is(made, 2);
    name(made, 3, "CTA", 65);
    chosen_is(made, 2); /* end-systole at rest before a phase that moves */
    name(made, 4, "CTA", 70);
    chosen_is(made, 4);
    name(made, 5, "CTA", 78);
    chosen_is(made, 5);
    name(made, 6, "CTA BestDiast 71 %", 71);
    chosen_is(made, 6);
}

static void the_best_systole_is_better_than_none(void **state)
{
    struct made *made = *state;
    name(made, 1, "CTA 0.6", -1);
    name(made, 2, "CTA BestSyst 290 ms", -1);
    chosen_is(made, 2);
    name(made, 3, "CTA BestDiast 700 ms", -1);
    chosen_is(made, 3);
}

static void a_field_about_the_heart_is_better_than_all_of_the_chest_or_a_detail(void **state)
{
    struct made *made = *state;
    static const double pixel_mm[] = {0.7, 0.4, 0.15};
    for (int i = 0; i < 3; i++) {
        struct dicom_head *first = add_stack(made, DICOM_KIND_CT, 1 + i, 40, 2);
        for (int z = 0; z < 40; z++)
            first[z].frames->spacing_x_mm = first[z].frames->spacing_y_mm = pixel_mm[i];
    }
    chosen_is(made, 2);
}

static void magnitude_is_better_than_phase(void **state)
{
    struct made *made = *state;
    add_stack(made, DICOM_KIND_MR, 1, 12, 8);
    add_stack(made, DICOM_KIND_MR, 1, 14, 8);
    for (int i = 0; i < 26; i++)
        strcpy(made->heads[i].image_type, i < 12 ? "ORIGINAL\\PRIMARY\\M\\FFE" : "ORIGINAL\\PRIMARY\\P\\FFE");
    choose(made, "MR");
    assert_int_equal(made->choice->stacks[0].frame_count, 12);
}

static void a_preference_has_its_most(void **state)
{
    struct made *made = *state;
    static const char *const texts[] = {"{\"rules\":[{\"role\":\"a\",\"why\":\"b\",\"rank\":7}],\"prefer\":[{"
                                        "\"add\":2,\"each\":\"images\",\"most\":30}]}",
                                        "{\"rules\":[{\"role\":\"a\",\"why\":\"b\",\"rank\":7}],\"prefer\":[{"
                                        "\"add\":2,\"each\":\"images\"}]}"};
    for (int i = 0; i < 2; i++) {
        struct err err = ERR_INIT;
        made->count = 0;
        assert_true(series_rules_parse(texts[i], strlen(texts[i]), "", made->arena, &made->rules, &err));
        add_stack(made, DICOM_KIND_CT, 1, 10, 2);
        add_stack(made, DICOM_KIND_CT, 2, 20, 2);
        choose(made, "CT");
        assert_true(rank_of(made, 1) == 27 && rank_of(made, 2) == (i ? 47 : 37));
        assert_true(stack(made, 0)->standing == 7);
    }
}

static void without_a_rule_nothing_is_analysed(void **state)
{
    struct made *made = *state;
    const struct study_rules none = {0};
    made->rules = &none;
    add_stack(made, DICOM_KIND_CT, 1, 20, 2);
    choose(made, "CT");
    assert_int_equal(made->choice->stack_count, 0);
    assert_string_equal(made->choice->reason, "no_rule");
    assert_string_equal(made->choice->series[0].role, "");
    choose(made, NULL); /* but looked at */
    assert_int_equal(made->choice->stack_count, 1);
}

static void most_images_name_a_stack(void **state)
{
    struct made *made = *state;
    struct dicom_head *first = add_stack(made, DICOM_KIND_CT, 1, 9, 2);
    for (int i = 0; i < 4; i++)
        strcpy(first[2 * i].id.series_description, "Scout");
    choose(made, "CT");
    assert_string_equal(made->choice->series[0].role, "ct");
    strcpy(first[1].id.series_description, "Scout");
    choose(made, "CT");
    assert_string_equal(made->choice->series[0].role, "localizer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_series_gets_its_role),
        T(no_rule_is_there_for_nothing),
        T(the_phase_nearest_mid_diastole_wins),
        T(the_best_systole_is_better_than_none),
        T(a_field_about_the_heart_is_better_than_all_of_the_chest_or_a_detail),
        T(magnitude_is_better_than_phase),
        T(a_preference_has_its_most),
        T(without_a_rule_nothing_is_analysed),
        T(most_images_name_a_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
