/* Which view of the heart a stack shows: words with their boundaries, planes round the short axis, and which
 * of several stacks serves. */
#include "study/study_views.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 20, P2 = 1 << STUDY_PLANE_2CH, P3 = 1 << STUDY_PLANE_3CH, P4 = 1 << STUDY_PLANE_4CH };

/* ---- words ---- */

static void words_name_planes(void **state)
{
    static const struct {
        const char *text;
        unsigned planes;
    } cases[] = {
        {"", 0},
        {"SAX", STUDY_WORDS_SA},
        {"cine_SA_12", STUDY_WORDS_SA},
        {"SSFP-CINE SAx", STUDY_WORDS_SA},
        {"cineSAX", STUDY_WORDS_SA},
        {"Short Axis stack", STUDY_WORDS_SA},
        {"short_axis", STUDY_WORDS_SA},
        {"Kurzachse", STUDY_WORDS_SA},
        {"cine kurze Achse", STUDY_WORDS_SA},
        {"cine petit axe", STUDY_WORDS_SA},
        {"SAG", STUDY_WORDS_NONE},
        {"t1_SAGITTAL", STUDY_WORDS_NONE},
        {"SALE", 0},
        {"SATURATION", 0},
        {"2CH", P2},
        {"cine_2ch_12", P2},
        {"tf2d12_retro_iPAT_4CH", P4},
        {"12CH coil", 0},
        {"2 channel", 0},
        {"2-Chamber", P2},
        {"two chamber", P2},
        {"2-Kammerblick", P2},
        {"Vierkammerblick", P4},
        {"2 cavit\xc3\xa9s", P2},
        {"SC 2DDel Enh 250 4 C", P4},
        {"VLA", P2},
        {"HLA", P4},
        {"LVOT", P3},
        {"3CH LVOT", P3},
        {"LAX 2CH", P2 | STUDY_WORDS_LAX},
        {"long axis", STUDY_WORDS_LAX},
        {"grand axe", STUDY_WORDS_LAX},
        {"RELAX", 0},
        {"2CH 3CH 4CH", P2 | P3 | P4},
        {"RVOT", STUDY_WORDS_NONE},
        {"RV 2CH", STUDY_WORDS_NONE},
        {"LV RV 4CH", P4},
        {"SAX RV", STUDY_WORDS_SA},
        {"HASTE axial", STUDY_WORDS_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (study_words_planes(cases[i].text) != cases[i].planes)
            fail_msg("\"%s\": %x instead of %x", cases[i].text, study_words_planes(cases[i].text),
                     cases[i].planes);
    }
}

static void a_text_of_any_bytes_is_read_within_its_bounds(void **state)
{
    char text[65 * 4];
    for (int round = 0; round < 2000; round++) {
        size_t size = (size_t)(rand() % (int)sizeof text);
        for (size_t i = 0; i < size; i++)
            text[i] = (char)(round % 2 ? rand() % 255 + 1 : "2Ch sA4_"[rand() % 8]);
        text[size] = '\0';
        study_words_planes(text);
    }
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(study_words_planes(text), 0);
}

static int phase_sensitive(const char *image_type, const char *description, const char *protocol)
{
    static struct dicom_head head;
    head = (struct dicom_head){0};
    strcpy(head.image_type, image_type);
    strcpy(head.id.series_description, description);
    strcpy(head.id.protocol_name, protocol);
    return study_words_phase_sensitive(&head, image_type);
}

static void a_reconstruction_is_told_by_image_type_then_by_words(void **state)
{
    assert_int_equal(phase_sensitive("ORIGINAL\\PRIMARY\\P\\ND", "LGE SA", ""), 2);
    assert_int_equal(phase_sensitive("ORIGINAL\\PRIMARY\\R_IR\\R", "LGE SA", ""), 2);
    assert_int_equal(phase_sensitive("ORIGINAL\\PRIMARY\\M\\ND", "LGE_SA_PSIR", ""), 1);
    assert_int_equal(phase_sensitive("ORIGINAL\\PRIMARY\\M\\ND", "LGE_SA", "psir_sax"), 1);
    assert_int_equal(phase_sensitive("ORIGINAL\\PRIMARY\\M\\ND", "LGE_SA_PSIR_MAG", ""), 0);
    assert_int_equal(phase_sensitive("ORIGINAL\\PRIMARY\\M\\PROJECTION", "LGE SA", ""), 0);
    assert_int_equal(phase_sensitive("", "", ""), 0);
}

/* ---- planes ---- */

struct made {
    struct arena *arena;
    struct dicom_head heads[MOST];
    struct dicom_frame at[MOST];
    struct dicom_frame_ref frames[MOST];
    struct study_stack stacks[MOST];
    int series[MOST];
    struct study_choice choice;
    struct study_look *looks;
};

static const double apex[3] = {0.634, -0.645, -0.426};

static void normalise(double v[3])
{
    double length = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    for (int i = 0; i < 3; i++)
        v[i] /= length;
}

static void cross(const double a[3], const double b[3], double ret[3])
{
    ret[0] = a[1] * b[2] - a[2] * b[1];
    ret[1] = a[2] * b[0] - a[0] * b[2];
    ret[2] = a[0] * b[1] - a[1] * b[0];
}

/* Normal of the plane that holds `axis` and cuts across it `degrees` from the horizontal towards the head. */
static void long_axis_normal(const double axis[3], double degrees, double ret[3])
{
    static const double head[3] = {0, 0, 1};
    double right[3], up[3], line[3], angle = degrees * M_PI / 180;
    cross(axis, head, right);
    cross(right, axis, up);
    normalise(right);
    normalise(up);
    for (int i = 0; i < 3; i++)
        line[i] = cos(angle) * right[i] + sin(angle) * up[i];
    cross(axis, line, ret);
    normalise(ret);
}

static int add(struct made *made, const char *role, const char *description, const double normal[3],
               int positions, int images)
{
    int i = made->choice.stack_count++;
    struct study_stack *stack = &made->stacks[i];
    strcpy(made->heads[i].id.series_description, description);
    made->heads[i].frames = &made->at[i];
    made->frames[i] = (struct dicom_frame_ref){&made->heads[i], 0};
    made->series[i] = i;
    *stack = (struct study_stack){.frames = &made->frames[i],
                                  .frame_count = positions * images,
                                  .series = &made->series[i],
                                  .series_count = 1,
                                  .role = role};
    stack->shape.positions = positions;
    memcpy(stack->shape.normal_lps, normal, sizeof stack->shape.normal_lps);
    made->choice.stacks = made->stacks;
    return i;
}

static int add_long(struct made *made, const char *role, const char *description, double degrees)
{
    double normal[3];
    long_axis_normal(apex, degrees, normal);
    return add(made, role, description, normal, 1, 25);
}

static void look(struct made *made)
{
    struct err err = ERR_INIT;
    assert_true(study_views_look(&made->choice, made->arena, &made->looks, &err));
}

static void assert_look(const struct made *made, int stack, enum study_plane plane, const char *how)
{
    assert_int_equal(made->looks[stack].plane, plane);
    if (how)
        assert_string_equal(made->looks[stack].how, how);
    else
        assert_null(made->looks[stack].how);
}

static void long_axes_are_told_by_their_angle(void **state)
{
    static const struct {
        double degrees;
        enum study_plane plane;
    } cases[] = {{-20, STUDY_PLANE_4CH}, {-45, STUDY_PLANE_4CH}, {-4, STUDY_PLANE_4CH},
                 {27, STUDY_PLANE_3CH},  {12, STUDY_PLANE_3CH},  {50, STUDY_PLANE_3CH},
                 {87, STUDY_PLANE_2CH},  {65, STUDY_PLANE_2CH},  {110, STUDY_PLANE_2CH},
                 {-75, STUDY_PLANE_2CH}, {160, STUDY_PLANE_4CH}, {3, STUDY_PLANE_LAX},
                 {57, STUDY_PLANE_LAX},  {123, STUDY_PLANE_LAX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct made *made = *state;
        *made = (struct made){.arena = made->arena};
        add(made, "cine", "", apex, 10, 25);
        int turned = add_long(made, "lge", "", cases[i].degrees);
        for (int c = 0; c < 3 && i % 2; c++)
            made->stacks[turned].shape.normal_lps[c] *= -1; /* a plane has two normals */
        look(made);
        assert_look(made, 0, STUDY_PLANE_SA, "geometry");
        assert_look(made, turned, cases[i].plane, "geometry");
    }
}

static void words_go_before_geometry(void **state)
{
    struct made *made = *state;
    add(made, "cine", "", apex, 10, 25);
    int said = add_long(made, "cine", "2CH", -20), several = add_long(made, "cine", "2CH or 4CH", -20);
    int lax = add_long(made, "cine", "LAX", 3), coronal = add_long(made, "cine", "cor", -20);
    strcpy(made->heads[add_long(made, "cine", "heart 5", 87)].id.protocol_name, "SAX");
    look(made);
    assert_look(made, said, STUDY_PLANE_2CH, "description");
    assert_look(made, several, STUDY_PLANE_4CH, "geometry");
    assert_look(made, lax, STUDY_PLANE_LAX, "description");
    assert_look(made, coronal, STUDY_PLANE_NONE, NULL);
    assert_look(made, 5, STUDY_PLANE_SA, "description");
}

static void the_short_axis_is_that_of_the_stack_with_most_positions(void **state)
{
    struct made *made = *state;
    const double tilted[3] = {0.45, -0.72, -0.53}; /* 13 degrees off */
    const double axial[3] = {0, 0, 1}, between[3] = {0.94, 0.05, -0.33};
    add(made, "lge", "", tilted, 8, 1);
    add(made, "cine", "", apex, 12, 25);
    int body = add(made, "cine", "", axial, 30, 25), oblique = add(made, "cine", "", between, 1, 25);
    int other = add(made, "perfusion", "", apex, 3, 60);
    look(made);
    assert_look(made, 0, STUDY_PLANE_SA, "geometry");
    assert_look(made, 1, STUDY_PLANE_SA, "geometry");
    assert_look(made, body, STUDY_PLANE_NONE, NULL); /* more positions, but no heart lies so */
    assert_look(made, oblique, STUDY_PLANE_NONE, NULL);
    assert_look(made, other, STUDY_PLANE_SA, "geometry");
}

static void a_heart_that_lies_otherwise_has_a_described_short_axis_only(void **state)
{
    struct made *made = *state;
    const double mirrored[3] = {-0.634, -0.645, 0.426}; /* as in situs inversus */
    double normal[3];
    int sa = add(made, "cine", "", mirrored, 10, 25);
    look(made);
    assert_look(made, sa, STUDY_PLANE_NONE, NULL);
    strcpy(made->heads[sa].id.series_description, "SAX");
    long_axis_normal(mirrored, -20, normal);
    int lax = add(made, "cine", "", normal, 1, 25);
    look(made);
    assert_look(made, sa, STUDY_PLANE_SA, "description");
    assert_look(made, lax, STUDY_PLANE_LAX, "geometry");
}

static void what_is_described_as_none_of_ours_is_not_the_short_axis(void **state)
{
    static const char *const others[] = {"CINE RVOT", "aorta", "RV 4CH", "CINE LAX", "2CH 4CH"};
    const double turned[3] = {0.206, -0.875, -0.437}; /* 28 degrees off: short axis is another way then */
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct made *made = *state;
        *made = (struct made){.arena = made->arena};
        int other = add(made, "cine", others[i], turned, 12, 25), sa = add(made, "cine", "", apex, 3, 25);
        int several = add(made, "lge", "SAX 4CH", apex, 4, 1);
        look(made);
        assert_look(made, sa, STUDY_PLANE_SA, "geometry");
        assert_look(made, several, STUDY_PLANE_SA, "geometry");
        assert_int_not_equal(made->looks[other].plane, STUDY_PLANE_SA);
    }
}

static void several_planes_with_the_short_axis_may_be_the_short_axis(void **state)
{
    struct made *made = *state;
    int several = add(made, "cine", "SAX 2CH 4CH", apex, 10, 25);
    look(made);
    assert_look(made, several, STUDY_PLANE_SA, "geometry");
}

static void without_a_short_axis_nothing_is_told_by_geometry(void **state)
{
    struct made *made = *state;
    add(made, "cine", "", apex, 2, 25); /* too few positions to be sure */
    int lax = add_long(made, "cine", "", -20);
    double nowhere[3] = {NAN, NAN, NAN};
    int lost = add(made, "cine", "", nowhere, 0, 1);
    look(made);
    assert_look(made, 0, STUDY_PLANE_NONE, NULL);
    assert_look(made, lax, STUDY_PLANE_NONE, NULL);
    assert_look(made, lost, STUDY_PLANE_NONE, NULL);
}

/* ---- candidates ---- */

static int view_named(const char *name)
{
    int view = 0;
    while (strcmp(study_view_names[view], name) != 0)
        view++;
    return view;
}

static int candidates(struct made *made, const char *view, bool phase_sensitive, int **order)
{
    static const bool none[MOST];
    return study_views_candidates(&made->choice, made->looks, view_named(view), phase_sensitive, none,
                                  made->arena, order);
}

static void a_cine_of_the_long_axis_is_the_four_chamber_view_if_there_is_one(void **state)
{
    struct made *made = *state;
    int *order;
    add(made, "cine", "SAX", apex, 10, 25);
    int two = add_long(made, "cine", "2CH", 87), four = add_long(made, "cine", "4CH", -20);
    add_long(made, "lge", "4CH", -20);
    look(made);
    assert_int_equal(candidates(made, "cine_lax", true, &order), 2);
    assert_int_equal(order[0], four);
    assert_int_equal(order[1], two);
}

static void late_enhancement_of_the_long_axis_is_never_a_view_that_has_its_own(void **state)
{
    struct made *made = *state;
    int *order;
    add(made, "cine", "SAX", apex, 10, 25);
    add_long(made, "lge", "2CH", 87);
    add_long(made, "lge", "3CH", 27);
    look(made);
    assert_int_equal(candidates(made, "lge_lax", true, &order), 0);
    int lax = add_long(made, "lge", "LAX", 3);
    look(made);
    assert_int_equal(candidates(made, "lge_lax", true, &order), 1);
    assert_int_equal(order[0], lax);
}

static void more_positions_then_more_images_then_the_lower_series(void **state)
{
    struct made *made = *state;
    int *order;
    int few = add(made, "cine", "SAX", apex, 10, 12);
    int plain = add(made, "cine", "SAX", apex, 10, 20), more = add(made, "cine", "SAX", apex, 12, 20);
    int interpolated = add(made, "cine", "SAX", apex, 10, 30); /* 20 phases are enough */
    look(made);
    assert_int_equal(candidates(made, "cine_sa", true, &order), 4);
    assert_int_equal(order[0], more);
    assert_int_equal(order[1], plain);
    assert_int_equal(order[2], interpolated);
    assert_int_equal(order[3], few);
}

static void what_the_rules_prefer_goes_before_positions(void **state)
{
    struct made *made = *state;
    int *order;
    int phase = add(made, "cine", "SAX", apex, 12, 20), magnitude = add(made, "cine", "SAX", apex, 10, 20);
    int stray = add(made, "cine", "SAX", apex, 10, 20);
    made->stacks[phase].standing = 2400;
    made->stacks[magnitude].standing = made->stacks[stray].standing = 2500;
    made->stacks[magnitude].rank = 1; /* more images are none of it */
    made->stacks[stray].series_largest = 1000;
    look(made);
    assert_int_equal(candidates(made, "cine_sa", true, &order), 3);
    assert_int_equal(order[0], magnitude);
    assert_int_equal(order[1], phase);
    assert_int_equal(order[2], stray);
}

static void the_role_tells_a_described_pair_apart(void **state)
{
    struct made *made = *state;
    int *order;
    int magnitude = add(made, "lge", "PSIR SA", apex, 10, 1);
    int signed_one = add(made, "lge_phase", "PSIR SA", apex, 10, 1);
    made->stacks[magnitude].standing = 1100;
    made->stacks[signed_one].standing = 1050;
    look(made);
    candidates(made, "lge_sa", true, &order);
    assert_int_equal(order[0], signed_one);
    candidates(made, "lge_sa", false, &order);
    assert_int_equal(order[0], magnitude);
}

static void only_two_roles_are_late_enhancement(void **state)
{
    struct made *made = *state;
    int *order;
    add(made, "lge_scout", "LGE SA", apex, 10, 1);
    look(made);
    assert_int_equal(candidates(made, "lge_sa", true, &order), 0);
    add(made, "lge_phase", "LGE SA", apex, 10, 1);
    add(made, "lge", "LGE SA", apex, 10, 1);
    look(made);
    assert_int_equal(candidates(made, "lge_sa", true, &order), 2);
}

static void of_a_pair_the_wanted_reconstruction_comes_first(void **state)
{
    struct made *made = *state;
    int *order;
    int magnitude = add(made, "lge", "LGE SA", apex, 10, 1);
    int signed_one = add(made, "lge_phase", "LGE SA", apex, 9, 1);
    look(made);
    assert_int_equal(candidates(made, "lge_sa", true, &order), 2);
    assert_int_equal(order[0], signed_one);
    candidates(made, "lge_sa", false, &order);
    assert_int_equal(order[0], magnitude);
}

static void an_enhanced_frame_says_its_reconstruction_itself(void **state)
{
    struct made *made = *state;
    int *order;
    int magnitude = add(made, "lge", "LGE SA", apex, 10, 1), real = add(made, "lge", "LGE SA", apex, 10, 1);
    strcpy(made->heads[magnitude].image_type, "ORIGINAL\\PRIMARY\\REAL\\MIXED"); /* of the whole object */
    made->at[magnitude].type = "ORIGINAL\\PRIMARY\\LATE\\NONE\\MAGNITUDE";
    made->at[real].type = "ORIGINAL\\PRIMARY\\LATE\\NONE\\REAL";
    look(made);
    assert_int_equal(made->looks[magnitude].phase_sensitive, 0);
    assert_int_equal(made->looks[real].phase_sensitive, 2);
    candidates(made, "lge_sa", true, &order);
    assert_int_equal(order[0], real);
}

static int set_up(void **state)
{
    struct made *made = calloc(1, sizeof *made);
    made->arena = arena_new();
    *state = made;
    return 0;
}

static int tear_down(void **state)
{
    struct made *made = *state;
    arena_free(made->arena);
    free(made);
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_name_planes),
        cmocka_unit_test(a_text_of_any_bytes_is_read_within_its_bounds),
        cmocka_unit_test(a_reconstruction_is_told_by_image_type_then_by_words),
        T(long_axes_are_told_by_their_angle),
        T(words_go_before_geometry),
        T(the_short_axis_is_that_of_the_stack_with_most_positions),
        T(a_heart_that_lies_otherwise_has_a_described_short_axis_only),
        T(what_is_described_as_none_of_ours_is_not_the_short_axis),
        T(several_planes_with_the_short_axis_may_be_the_short_axis),
        T(without_a_short_axis_nothing_is_told_by_geometry),
        T(a_cine_of_the_long_axis_is_the_four_chamber_view_if_there_is_one),
        T(late_enhancement_of_the_long_axis_is_never_a_view_that_has_its_own),
        T(more_positions_then_more_images_then_the_lower_series),
        T(what_the_rules_prefer_goes_before_positions),
        T(the_role_tells_a_described_pair_apart),
        T(only_two_roles_are_late_enhancement),
        T(an_enhanced_frame_says_its_reconstruction_itself),
        T(of_a_pair_the_wanted_reconstruction_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
