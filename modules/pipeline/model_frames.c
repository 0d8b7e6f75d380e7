#include "pipeline/model_frames.h"

#include "study/study_views.h"
#include "tensor/section.h"

#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const char *const froms[] = {"phases", "slices", "repeat", NULL};

static int view_named(const char *name)
{
    int view = 0;
    while (study_view_names[view] && strcmp(study_view_names[view], name) != 0)
        view++;
    return view;
}

static enum frames_from usual_from(int view)
{
    if (study_view_is_cine(view))
        return FRAMES_PHASES;
    return view == view_named("lge_sa") ? FRAMES_SLICES : FRAMES_REPEAT;
}

static bool read_view(const json_t *item, const char *name, struct frames_view *ret, struct err *err)
{
    int view = 0, from = -1;
    // clang-format off
    const struct section_key keys[] = {
        {"name", SECTION_WORD, &view, true,  .words = study_view_names},
        {"from", SECTION_WORD, &from, false, .words = froms},
    };
    // clang-format on
    if (!section_read(item, name, keys, COUNT(keys), err))
        return false;
    *ret = (struct frames_view){view, from < 0 ? usual_from(view) : (enum frames_from)from};
    if (ret->from == FRAMES_PHASES && !study_view_is_cine(view))
        return err_fail(err, ERR_INPUT, "%s.from: only a cine has phases", name);
    return true;
}

static bool read_views(const json_t *list, struct frames *ret, struct err *err)
{
    size_t count = json_array_size(list);
    if (count < 1 || count > FRAMES_VIEWS_MAX)
        return err_fail(err, ERR_INPUT, "preprocess.frames.views: 1 to %d of them", FRAMES_VIEWS_MAX);
    for (size_t i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "preprocess.frames.views[%zu]", i);
        if (!read_view(json_array_get(list, i), name, &ret->views[i], err))
            return false;
        for (size_t j = 0; j < i; j++)
            if (ret->views[j].view == ret->views[i].view)
                return err_fail(err, ERR_INPUT, "%s.name: there is another %s", name,
                                study_view_names[ret->views[i].view]);
    }
    ret->view_count = (int)count;
    return true;
}

static void set_views(struct frames *ret)
{
    static const char *const published[] = {"cine_lax", "cine_sa", "lge_sa", "lge_lax", "lge_2ch", "lge_3ch"};
    ret->view_count = COUNT(published);
    for (size_t i = 0; i < COUNT(published); i++) {
        int view = view_named(published[i]);
        ret->views[i] = (struct frames_view){view, usual_from(view)};
    }
}

static bool check(const struct frames *frames, const int input[3], struct err *err)
{
    if (frames->n > input[0])
        return err_fail(err, ERR_INPUT, "preprocess.frames.n: %d, but vision.input has %d", frames->n,
                        input[0]);
    if (frames->slices[0] > frames->slices[1] || frames->slices[0] < 1)
        return err_fail(err, ERR_INPUT, "preprocess.frames.slices: fewest and most, at least 1");
    if (frames->double_resize[1] != input[1] || input[1] != input[2])
        return err_fail(err, ERR_INPUT,
                        "preprocess.frames.double_resize: ends at %d, vision.input is %d x %d",
                        frames->double_resize[1], input[1], input[2]);
    return true;
}

bool model_frames_read(const json_t *section, const int input[3], struct frames *ret, struct err *err)
{
    static const char *const policies[] = {"exact", "resample", NULL};
    static const char *const missings[] = {"reject", "blank", "skip", NULL};
    static const char *const samplings[] = {"uniform", NULL};
    static const char *const orientations[] = {"acquired", "anatomical", NULL};
    static const char *const reconstructions[] = {"phase_sensitive", "magnitude", NULL};
    const json_t *views = NULL;
    int phases_policy = 1, slices_policy = 1, missing = FRAMES_REJECT, ignored = 0, lge = 0, orientation = 0;
    int slices_count = 2, sides_count = 2;
    *ret = (struct frames){.n = input[0],
                           .phases = 30,
                           .slices = {10, 15},
                           .double_resize = {(input[1] * 256 + 112) / 224, input[1]}};
    // clang-format off
    const struct section_key keys[] = {
        {"n",             SECTION_INT,  &ret->n,            false, 1, 1024},
        {"views",         SECTION_LIST, &views,             false},
        {"phases",        SECTION_INT,  &ret->phases,       false, 1, FRAMES_PHASES_MAX},
        {"phases_policy", SECTION_WORD, &phases_policy,     false, .words = policies},
        {"slices",        SECTION_INTS, ret->slices,        false, 1, FRAMES_SLICES_MAX, .count = &slices_count, .most = 2},
        {"slices_policy", SECTION_WORD, &slices_policy,     false, .words = policies},
        {"repeat",        SECTION_INT,  &ret->repeat,       false, 0, FRAMES_SLICES_MAX},
        {"missing",       SECTION_WORD, &missing,           false, .words = missings},
        {"lge",           SECTION_WORD, &lge,               false, .words = reconstructions},
        {"orientation",   SECTION_WORD, &orientation,       false, .words = orientations},
        {"sampling",      SECTION_WORD, &ignored,           false, .words = samplings},
        {"field_mm",      SECTION_NUMBER, &ret->field_mm,    false, 0, 1000},
        {"double_resize", SECTION_INTS, ret->double_resize, false, 1, 2048, .count = &sides_count, .most = 2},
    };
    // clang-format on
    if (!section && input[1] != input[2]) {
        ret->n = 0;
        return true;
    }
    if (section && !section_read(section, "preprocess.frames", keys, COUNT(keys), err))
        return false;
    if (slices_count != 2 || sides_count != 2)
        return err_fail(err, ERR_INPUT, "preprocess.frames.%s: two numbers",
                        slices_count != 2 ? "slices" : "double_resize");
    ret->phases_exact = phases_policy == 0;
    ret->slices_exact = slices_policy == 0;
    ret->missing = (enum frames_missing)missing;
    ret->anatomical = orientation == 1;
    ret->phase_sensitive = lge == 0;
    set_views(ret);
    return (!views || read_views(views, ret, err)) && check(ret, input, err);
}
