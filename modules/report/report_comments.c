#include "report/report_comments.h"

#include "dicom/dicom_seg.h"
#include "report/plain_text.h"
#include "report/report_tree.h"

#include <string.h>

enum { MAX_COMMENT = 8192, MAX_TAKEN = 32, MAX_SKIPPED = 32, MAX_WARNINGS = 64 };

struct build {
    const struct result *result;
    const struct report_facts *facts;
    struct dicom_sr_tree *tree;
    struct arena *arena;
};

static void add_comment(const struct build *b, struct dicom_sr_item *container, const char *text)
{
    char *plain = text ? plain_text(b->tree->arena, text, MAX_COMMENT) : NULL;
    b->tree->out_of_memory |= plain == NULL;
    dicom_sr_add(b->tree, container, DICOM_SR_CONTAINS, DICOM_SR_TEXT,
                 report_code("121106", "DCM", "Comment"))
        ->text = plain;
}

static const char *name_of(const char *text, const char *id)
{
    return text ? text : id;
}

/* The organ a label waited for, as words in front of the reason. */
static const char *organ_words(const struct build *b, const struct finding *finding)
{
    const struct result_organ *organ = result_organ(b->result, finding->organ);
    return organ ? arena_printf(b->arena, "organ %s (%s): ", name_of(organ->text, organ->id), organ->id) : "";
}

/* Why a label has no answer, unless the report says so once for all of them. */
static void add_label_reason(const struct build *b, struct dicom_sr_item *container,
                             const struct finding *finding)
{
    enum finding_state state = report_state(b->result, finding);
    const char *reason = finding->reason ? finding->reason : "no reason stated";
    if (state != FINDING_UNDETERMINED && state != FINDING_NOT_ASSESSED)
        return;
    if (state == FINDING_UNDETERMINED && (!b->result->model.trained || report_is_one_question(b->result)))
        return;
    if (!b->result->analysed && b->result->reason && strcmp(reason, b->result->reason) == 0)
        return;
    if (result_outside(b->result) && strcmp(reason, RESULT_OUTSIDE) == 0)
        return;
    add_comment(b, container,
                arena_printf(b->arena, "%s (%s): %s: %s%s", name_of(finding->text, finding->id), finding->id,
                             state == FINDING_NOT_ASSESSED ? "not assessed" : "undetermined",
                             state == FINDING_NOT_ASSESSED ? organ_words(b, finding) : "", reason));
}

static bool any_score(const struct result *result)
{
    for (int i = 0; i < result->finding_count; i++)
        if (result->findings[i].has_score)
            return true;
    return false;
}

/* The question of many classes, answered or not, in a sentence: the class that lies closest and the next. */
static void add_classes(const struct build *b, struct dicom_sr_item *container)
{
    const struct result *result = b->result;
    const struct finding *best = NULL, *next = NULL;
    for (int i = 0; i < result->finding_count; i++) {
        const struct finding *one = &result->findings[i];
        if (!best || one->score > best->score) {
            next = best;
            best = one;
        } else if (!next || one->score > next->score) {
            next = one;
        }
    }
    if (!best || !next)
        return;
    bool chosen = report_state(result, best) == FINDING_PRESENT;
    add_comment(b, container,
                arena_printf(b->arena,
                             "One question of %d classes, %s%s. Closest: %s, score=%.6g; next: %s, "
                             "score=%.6g. A class that was not chosen is not a negative finding.",
                             result->finding_count, chosen ? "answered" : "not answered: ",
                             chosen ? "" : name_of(best->reason, "no reason stated"),
                             name_of(best->text, best->id), best->score, name_of(next->text, next->id),
                             next->score));
}

/* Every label's, also of one that is absent and has no group. */
static void add_label_probability(const struct build *b, struct dicom_sr_item *container,
                                  const struct finding *finding)
{
    if (finding->has_probability && finding->has_calibration)
        add_comment(b, container,
                    arena_printf(b->arena, "Probability: %s (%s): %.3g %%; at the threshold %.3g %%",
                                 name_of(finding->text, finding->id), finding->id, 100 * finding->probability,
                                 100 * finding->probability_at_threshold));
}

static void add_probabilities(const struct build *b, struct dicom_sr_item *container)
{
    const struct result *result = b->result;
    const struct model_identity *model = &result->model;
    bool cosine = strncmp(model->score, "cosine_mean", 11) == 0, any = false;
    for (int i = 0; i < result->finding_count; i++)
        any |= result->findings[i].has_probability;
    if (!any)
        return;
    add_comment(
        b, container,
        arena_printf(b->arena,
                     "Probability (Certainty of Finding): calibrated from the score by %s, Platt scaling "
                     "1 / (1 + exp(-(a m + b))) of m, %s, with a and b of each label; fitted on: %s. "
                     "Whether a label is present is decided by its score and threshold.",
                     model->calibration,
                     cosine ? "the mean cosine similarity" : "the logarithm of the odds of the score",
                     name_of(model->calibration_on, "not stated")));
    for (int i = 0; i < result->finding_count; i++)
        add_label_probability(b, container, &result->findings[i]);
}

static void add_score_comments(const struct build *b, struct dicom_sr_item *container)
{
    const struct result *result = b->result;
    if (!result->has_model || !result->model.trained || !any_score(result))
        return;
    add_comment(
        b, container,
        arena_printf(b->arena, "Score: %s. It is not a probability.", report_score(result)->sentence));
    add_probabilities(b, container);
    if (report_is_one_question(result))
        add_classes(b, container);
}

static void add_not_analysed(const struct build *b, struct dicom_sr_item *container)
{
    const char *text = b->result->reason_text ? b->result->reason_text : "no explanation";
    size_t length = strlen(text);
    length -= length && text[length - 1] == '.';
    add_comment(b, container,
                arena_printf(b->arena, "Not analysed (%s): %.*s. This is not a negative result.",
                             b->result->reason ? b->result->reason : "no reason stated", (int)length, text));
}

static void add_outside(const struct build *b, struct dicom_sr_item *container)
{
    const struct result_domain *domain = &b->result->domain;
    add_comment(
        b, container,
        arena_printf(b->arena,
                     "Not assessed (" RESULT_OUTSIDE "): the study lies outside the domain of the model "
                     "(%s): its distance from the studies the model was made from is %.4g, the limit %.4g. "
                     "No label was assessed. This is not a negative result.",
                     domain->id, domain->distance, domain->limit));
}

static void add_inside(const struct build *b, struct dicom_sr_item *container)
{
    const struct result_domain *domain = &b->result->domain;
    add_comment(b, container,
                arena_printf(b->arena, "Within the domain of the model (%s): distance %.4g, limit %.4g",
                             domain->id, domain->distance, domain->limit));
}

/* A study that fell quiet need not be whole: what was expected stands there, and where nothing was, that. */
static void add_completeness(const struct build *b, struct dicom_sr_item *container)
{
    const char *expected = b->facts->expected;
    if (!expected)
        return;
    if (!*expected)
        add_comment(b, container, "Completeness: nothing was stated of what the study would have");
    else
        add_comment(
            b, container,
            arena_printf(b->arena, "Completeness: %s had come when the analysis began: %s",
                         b->facts->expected_missing ? "not all that was expected" : "all that was expected",
                         expected));
}

/* A model that goes on without a view has not seen what that view shows. */
static void add_missing_views(const struct build *b, struct dicom_sr_item *container)
{
    for (int i = 0; i < b->result->view_count; i++) {
        const struct result_view *view = &b->result->views[i];
        if (view->reason)
            add_comment(b, container,
                        arena_printf(b->arena, "Not analysed: view %s (%s)", view->name, view->reason));
    }
}

static void add_verdict_comments(const struct build *b, struct dicom_sr_item *container)
{
    const struct result *result = b->result;
    add_comment(b, container,
                b->facts->clinical ? "Output of an automated algorithm. Not reviewed by a physician."
                                   : "Research output of an automated algorithm. Not for clinical use. Not "
                                     "reviewed by a physician.");
    if (!result->analysed)
        add_not_analysed(b, container);
    if (result_outside(result))
        add_outside(b, container);
    add_missing_views(b, container);
    if (b->facts->expected_missing)
        add_completeness(b, container);
    if (result->has_model && !result->model.trained)
        add_comment(
            b, container,
            "The model is untrained: its scores mean nothing and every label is undetermined. This is not "
            "a negative result.");
    add_score_comments(b, container);
    for (int i = 0; i < result->finding_count; i++)
        add_label_reason(b, container, &result->findings[i]);
}

/* Which organs were looked at, and every one that was not, by name. */
static void add_organ_comments(const struct build *b, struct dicom_sr_item *container)
{
    const struct result *result = b->result;
    int assessed = 0;
    for (int i = 0; i < result->organ_count; i++)
        assessed += result->organs[i].embedding != NULL;
    if (result->organ_count > 0)
        add_comment(b, container,
                    arena_printf(b->arena, "Organs: %d of %d assessed%s", assessed, result->organ_count,
                                 assessed < result->organ_count ? "; those not assessed follow" : ""));
    for (int i = 0; i < result->organ_count; i++) {
        const struct result_organ *organ = &result->organs[i];
        const char *text = name_of(organ->text, organ->id);
        const struct result_organ *other = result_organ(result, organ->recognised);
        if (!organ->embedding)
            add_comment(b, container,
                        arena_printf(b->arena, "Organ not assessed: %s (%s): %s", text, organ->id,
                                     name_of(organ->reason, "no reason stated")));
        else if (other && other != organ)
            add_comment(b, container,
                        arena_printf(b->arena,
                                     "Organ recognition: what was segmented as %s (%s) lies closer to the "
                                     "text of %s (%s), score=%.6g",
                                     text, organ->id, name_of(other->text, other->id), other->id,
                                     organ->recognised_score));
    }
}

/* Of what fed the encoder, a segmentation is no image, and its series is not skipped. */
static int image_count(const struct result *result)
{
    int count = 0;
    for (int i = 0; i < result->instance_count; i++)
        count += !dicom_is_seg(result->instances[i].sop_class);
    return count;
}

static const char *skipped_text(const struct build *b)
{
    const char *text = "";
    int skipped = 0;
    for (int i = 0; i < b->result->series_count && text; i++) {
        const struct result_series *series = &b->result->series[i];
        const char *reason = series->reason ? series->reason : "no reason stated";
        if (series->taken)
            continue;
        if (skipped++ < MAX_SKIPPED)
            text = arena_printf(b->arena, "%s; series %d%s: %s", text, series->series_number,
                                strcmp(reason, "organ_masks") == 0 ? "" : " skipped", reason);
    }
    if (text && skipped > MAX_SKIPPED)
        text = arena_printf(b->arena, "%s; and %d more series skipped", text, skipped - MAX_SKIPPED);
    return text;
}

static void add_taken_series(const struct build *b, struct dicom_sr_item *container)
{
    int taken = 0;
    for (int i = 0; i < b->result->series_count; i++) {
        const struct result_series *series = &b->result->series[i];
        bool by_rule = series->why && *series->why;
        if (!series->taken || taken++ >= MAX_TAKEN)
            continue;
        add_comment(b, container,
                    arena_printf(b->arena, "Series %d taken: %s%s%s", series->series_number,
                                 series->role && *series->role ? series->role : "role unknown",
                                 by_rule ? "; " : "", by_rule ? series->why : ""));
    }
    if (taken > MAX_TAKEN)
        add_comment(b, container, arena_printf(b->arena, "%d more series taken", taken - MAX_TAKEN));
}

/* "series 5", or its UID when it has no number here. */
static const char *series_words(const struct build *b, const char *series_uid)
{
    for (int i = 0; i < b->result->series_count; i++)
        if (strcmp(b->result->series[i].series_uid, series_uid) == 0)
            return arena_printf(b->arena, "series %d", b->result->series[i].series_number);
    return arena_printf(b->arena, "series %s", series_uid);
}

/* "2-chamber, phase-sensitive, slice 6 of 10 alone, 30 phases": "" for what is not stated. */
static const char *view_words(const struct build *b, const struct result_view *view)
{
    static const char *const planes[][2] = {{"sa", "short axis, "},
                                            {"lax", "long axis, undecided which, "},
                                            {"2ch", "2-chamber, "},
                                            {"3ch", "3-chamber, "},
                                            {"4ch", "4-chamber, "}};
    const char *plane = "", *reconstruction = "";
    for (size_t i = 0; view->plane && i < sizeof planes / sizeof *planes; i++)
        if (strcmp(view->plane, planes[i][0]) == 0)
            plane = planes[i][1];
    if (view->reconstruction)
        reconstruction = strcmp(view->reconstruction, "phase_sensitive") == 0 ? "phase-sensitive, "
                                                                              : "magnitude or not stated, ";
    if (view->slice > 0 && view->slices > 1)
        return arena_printf(b->arena, "%s%sslice %d of %d", plane, reconstruction, view->slice, view->slices);
    return arena_printf(b->arena, "%s%s%d slices", plane, reconstruction, view->slices);
}

static void add_views(const struct build *b, struct dicom_sr_item *container)
{
    for (int i = 0; i < b->result->view_count; i++) {
        const struct result_view *view = &b->result->views[i];
        const char *series = view->reason ? NULL : series_words(b, view->series_uid);
        const char *words = series ? view_words(b, view) : NULL;
        const char *seen = "";
        if (words && view->sampled >= 0)
            seen = arena_printf(b->arena, ", %d of them seen", view->sampled);
        if (!view->reason)
            add_comment(b, container,
                        words && seen
                            ? arena_printf(b->arena,
                                           "View %s: %s: %s, recognised by %s; %s, %d phases, %d frames%s",
                                           b->result->analysed ? "analysed" : "found", view->name, series,
                                           view->how ? view->how : "nothing stated", words, view->phases,
                                           view->frames, seen)
                            : NULL);
    }
}

static void add_box(const struct build *b, struct dicom_sr_item *container)
{
    const struct result_box *box = &b->result->box;
    const char *what = box->source;
    if (!what)
        return;
    if (strcmp(what, "estimate") == 0)
        what = arena_printf(b->arena, "heart, estimated (confidence %.2f)", box->confidence);
    else if (strcmp(what, "segmentation") == 0)
        what = "heart, from a segmentation of the study";
    else if (strcmp(what, "field_of_view") == 0)
        what = "whole field of view, the heart was not found";
    add_comment(b, container,
                what ? arena_printf(b->arena,
                                    "Field %s: %s; centre %.1f, %.1f, %.1f mm (L, P, S); "
                                    "%.1f x %.1f x %.1f mm (z, y, x)",
                                    b->result->analysed ? "analysed" : "found", what, box->centre_lps[0],
                                    box->centre_lps[1], box->centre_lps[2], box->size_zyx_mm[0],
                                    box->size_zyx_mm[1], box->size_zyx_mm[2])
                     : NULL);
}

static void add_input_comments(const struct build *b, struct dicom_sr_item *container)
{
    const struct result *result = b->result;
    const char *skipped = skipped_text(b);
    int taken = 0;
    for (int i = 0; i < result->series_count; i++)
        taken += result->series[i].taken;
    add_comment(b, container,
                skipped ? arena_printf(b->arena, "Input: %d of %d series, %d images%s%s%s", taken,
                                       result->series_count, image_count(result), skipped,
                                       b->facts->start ? "; started: " : "",
                                       b->facts->start ? b->facts->start : "")
                        : NULL);
    if (!b->facts->expected_missing)
        add_completeness(b, container);
    add_taken_series(b, container);
    add_views(b, container);
    add_box(b, container);
    if (result->domain.of && result->domain.inside)
        add_inside(b, container);
    if (*result->manifest_sha256)
        add_comment(b, container,
                    arena_printf(b->arena,
                                 "Input manifest sha256=%s; source voxels %dx%dx%d; encoder input %dx%dx%d",
                                 result->manifest_sha256, result->source_zyx[0], result->source_zyx[1],
                                 result->source_zyx[2], result->input_zyx[0], result->input_zyx[1],
                                 result->input_zyx[2]));
    if (*result->series_rules_sha256)
        add_comment(b, container,
                    arena_printf(b->arena, "Series rules sha256=%s", result->series_rules_sha256));
    add_organ_comments(b, container);
    for (int i = 0; i < result->warning_count && i < MAX_WARNINGS; i++)
        add_comment(b, container, arena_printf(b->arena, "Input warning: %s", result->warnings[i]));
    if (result->warning_count > MAX_WARNINGS)
        add_comment(b, container,
                    arena_printf(b->arena, "%d more input warnings", result->warning_count - MAX_WARNINGS));
    if (*dicom_sr_source_notes(b->facts->source))
        add_comment(
            b, container,
            arena_printf(b->arena, "Copied from the study: %s", dicom_sr_source_notes(b->facts->source)));
    if (b->facts->predecessor)
        add_comment(b, container,
                    arena_printf(b->arena, "Revision %d: replaces report %s", b->facts->revision,
                                 b->facts->predecessor->sop_uid));
}

void report_comments(const struct result *result, const struct report_facts *facts,
                     struct dicom_sr_tree *tree, struct dicom_sr_item *container)
{
    const struct build b = {result, facts, tree, tree->arena};
    add_verdict_comments(&b, container);
    add_input_comments(&b, container);
}
