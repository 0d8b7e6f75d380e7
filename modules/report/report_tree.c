#include "report/report_tree.h"

#include "report/plain_text.h"

#include <string.h>

enum { MAX_COMMENT = 8192, MAX_SKIPPED = 32 };

static const struct dicom_code present = {"52101004", "SCT", "Present"};
static const struct dicom_code absent = {"272519000", "SCT", "Absent"};
static const struct dicom_code undetermined = {"373068000", "SCT", "Undetermined"};
static const struct dicom_code comment = {"121106", "DCM", "Comment"};
static const struct dicom_code finding_site = {"363698007", "SCT", "Finding Site"};

struct dicom_code report_code(const char *value, const char *scheme, const char *meaning)
{
    struct dicom_code code = {value, scheme, meaning};
    return code;
}

static struct dicom_code dcm(const char *value, const char *meaning)
{
    return report_code(value, "DCM", meaning);
}

enum finding_state report_state(const struct result *result, const struct finding *finding)
{
    if (!result->analysed || !result->has_model)
        return FINDING_NOT_ASSESSED;
    if (!result->model.trained && finding->state != FINDING_NOT_ASSESSED)
        return FINDING_UNDETERMINED;
    return finding->state;
}

static struct dicom_code state_code(enum finding_state state)
{
    switch (state) {
    case FINDING_PRESENT:
        return present;
    case FINDING_ABSENT:
        return absent;
    case FINDING_UNDETERMINED:
    case FINDING_NOT_ASSESSED:
        break;
    }
    return undetermined;
}

/* ---- items ---- */

struct build {
    const struct result *result;
    const struct report_facts *facts;
    const struct report_codes *codes;
    const char *device_uid;
    struct dicom_sr_tree *tree;
    struct arena *arena;
};

static struct dicom_sr_item *add_container(const struct build *b, struct dicom_sr_item *parent,
                                           struct dicom_code name, const char *template_id)
{
    struct dicom_sr_item *item = dicom_sr_add(b->tree, parent, DICOM_SR_CONTAINS, DICOM_SR_CONTAINER, name);
    item->template_id = template_id;
    return item;
}

static struct dicom_sr_item *add_code(const struct build *b, struct dicom_sr_item *parent,
                                      enum dicom_sr_relation relation, struct dicom_code name,
                                      struct dicom_code code)
{
    struct dicom_sr_item *item = dicom_sr_add(b->tree, parent, relation, DICOM_SR_CODE, name);
    item->code = code;
    return item;
}

/* Text that is NULL is our own lack of memory; an empty one says "unknown", for an item must have a value. */
static void add_text(const struct build *b, struct dicom_sr_item *parent, enum dicom_sr_relation relation,
                     struct dicom_code name, const char *text)
{
    char *plain = text ? plain_text(b->arena, *text ? text : "unknown", MAX_COMMENT) : NULL;
    b->tree->out_of_memory |= plain == NULL;
    dicom_sr_add(b->tree, parent, relation, DICOM_SR_TEXT, name)->text = plain;
}

static void add_uid(const struct build *b, struct dicom_sr_item *parent, enum dicom_sr_relation relation,
                    struct dicom_code name, const char *uid)
{
    dicom_sr_add(b->tree, parent, relation, DICOM_SR_UIDREF, name)->text = uid;
}

static void add_image(const struct build *b, struct dicom_sr_item *parent, struct dicom_code purpose,
                      const struct result_instance *instance, int frame)
{
    struct dicom_sr_item *item = dicom_sr_add(b->tree, parent, DICOM_SR_CONTAINS, DICOM_SR_IMAGE, purpose);
    item->sop_class = instance->sop_class;
    item->sop_uid = instance->sop_uid;
    item->frame = frame;
}

/* ---- TID 1204, 1002, 1500 row 4 ---- */

static void add_language(const struct build *b)
{
    add_code(b, b->tree->root, DICOM_SR_HAS_CONCEPT_MOD,
             dcm("121049", "Language of Content Item and Descendants"),
             report_code("en-US", "RFC5646", "English (United States)"));
}

/* TID 1002 with TID 1004: a device and no person, for nobody looked. */
static void add_observer(const struct build *b)
{
    const enum dicom_sr_relation context = DICOM_SR_HAS_OBS_CONTEXT;
    struct dicom_sr_item *root = b->tree->root;
    const struct result *result = b->result;
    add_code(b, root, context, dcm("121005", "Observer Type"), dcm("121007", "Device"));
    add_uid(b, root, context, dcm("121012", "Device Observer UID"), b->device_uid);
    add_text(b, root, context, dcm("121013", "Device Observer Name"),
             b->facts->station ? b->facts->station : REPORT_PRODUCT);
    add_text(b, root, context, dcm("121014", "Device Observer Manufacturer"), REPORT_PRODUCT);
    add_text(b, root, context, dcm("121015", "Device Observer Model Name"),
             result->has_model ? result->model.name : REPORT_PRODUCT);
    if (b->facts->serial)
        add_text(b, root, context, dcm("121016", "Device Observer Serial Number"), b->facts->serial);
}

/* The imaging procedure, not the algorithm (IHE AIR). source: CID 100. */
static void add_procedure(const struct build *b)
{
    const char *modality = b->result->modality ? b->result->modality : "";
    struct dicom_code code = report_code("363679005", "SCT", "Imaging procedure");
    if (b->facts->procedure.value)
        code = b->facts->procedure;
    else if (strcmp(modality, "CT") == 0)
        code = report_code("25045-6", "LN", "CT unspecified body region");
    else if (strcmp(modality, "MR") == 0)
        code = report_code("25056-3", "LN", "MRI unspecified body region");
    add_code(b, b->tree->root, DICOM_SR_HAS_CONCEPT_MOD, dcm("121058", "Procedure reported"), code);
}

/* ---- TID 1600: the analysed series, each with one image to find it by ---- */

static const struct result_instance *library_image(const struct result *result, const char *series_uid,
                                                   int *ret_frame)
{
    const struct result_instance *first = NULL;
    *ret_frame = 0;
    for (int i = 0; i < result->instance_count; i++) {
        const struct result_instance *instance = &result->instances[i];
        if (strcmp(instance->series_uid, series_uid) != 0)
            continue;
        if (i == result->key_instance) {
            *ret_frame = result->key_frame;
            return instance;
        }
        first = first ? first : instance;
    }
    return first;
}

static void add_library_group(const struct build *b, struct dicom_sr_item *library,
                              const struct result_series *series)
{
    const struct dicom_code none = {NULL, NULL, NULL};
    const enum dicom_sr_relation context = DICOM_SR_HAS_ACQ_CONTEXT;
    const char *modality = series->modality ? series->modality : "";
    int frame;
    const struct result_instance *image = library_image(b->result, series->series_uid, &frame);
    if (!image)
        return;
    struct dicom_sr_item *group = add_container(b, library, dcm("126200", "Image Library Group"), NULL);
    if (strcmp(modality, "CT") == 0)
        add_code(b, group, context, dcm("121139", "Modality"), dcm("CT", "Computed Tomography"));
    else if (strcmp(modality, "MR") == 0)
        add_code(b, group, context, dcm("121139", "Modality"), dcm("MR", "Magnetic Resonance"));
    if (*series->series_uid)
        add_uid(b, group, context, dcm("112002", "Series Instance UID"), series->series_uid);
    add_image(b, group, none, image, frame);
}

static void add_library(const struct build *b)
{
    const struct result *result = b->result;
    struct dicom_sr_item *library = NULL;
    for (int i = 0; i < result->series_count && result->instance_count > 0; i++) {
        int frame;
        if (!result->series[i].taken || !library_image(result, result->series[i].series_uid, &frame))
            continue;
        if (!library)
            library = add_container(b, b->tree->root, dcm("111028", "Image Library"), "1600");
        add_library_group(b, library, &result->series[i]);
    }
}

/* ---- TID 4019 ---- */

static void add_algorithm(const struct build *b, struct dicom_sr_item *parent,
                          enum dicom_sr_relation relation)
{
    const struct model_identity *model = &b->result->model;
    add_text(b, parent, relation, dcm("111001", "Algorithm Name"), model->name);
    add_text(b, parent, relation, dcm("111003", "Algorithm Version"), model->version);
    add_text(b, parent, relation, dcm("122405", "Algorithm Manufacturer"), model->manufacturer);
    add_text(b, parent, relation, dcm("111002", "Algorithm Parameters"),
             arena_printf(b->arena,
                          "family=%s; score=%s; calibration=%s; trained=%s; weights sha256=%s; "
                          "prompts sha256=%s; config sha256=%s",
                          model->family, model->score, model->calibration, model->trained ? "yes" : "no",
                          model->weights_sha256, model->prompts_sha256, model->config_sha256));
}

static void add_threshold(const struct build *b, struct dicom_sr_item *parent,
                          enum dicom_sr_relation relation, const struct finding *finding)
{
    add_text(b, parent, relation, dcm("111002", "Algorithm Parameters"),
             arena_printf(b->arena, "%s: threshold=%.10g", finding->id, finding->threshold));
}

/* ---- TID 1501: one group for each label that is present, or undetermined with a score ---- */

/* One question of many classes, of which at most one is present. */
static bool is_one_question(const struct result *result)
{
    return result->has_model && strcmp(result->model.score, "class_softmax") == 0;
}

static bool has_group(const struct result *result, const struct finding *finding)
{
    enum finding_state state = report_state(result, finding);
    if (!result->has_model || !result->model.trained)
        return false;
    if (is_one_question(result))
        return state == FINDING_PRESENT;
    return state == FINDING_PRESENT || (state == FINDING_UNDETERMINED && finding->has_score);
}

/* No score is a probability, none is called one, and two kinds never share a name. */
struct score_kind {
    const char *name;
    struct dicom_code concept;
    const char *sentence;
};

static const struct score_kind *score_kind(const struct result *result)
{
    static const struct score_kind kinds[] = {
        {"pair_softmax",
         {"ZS_SCORE", REPORT_PRIVATE_SCHEME, "Zero-shot similarity score"},
         "softmax over a positive and a negative prompt, 0 to 1"},
        {"class_softmax",
         {"ZS_CLASS_SCORE", REPORT_PRIVATE_SCHEME, "Zero-shot score among classes"},
         "softmax over all classes of one question, 0 to 1"},
        {"cosine_mean",
         {"ZS_COSINE", REPORT_PRIVATE_SCHEME, "Mean cosine similarity"},
         "mean cosine similarity c of image and prompts, -1 to 1"},
        {"cosine_mean_half",
         {"ZS_COSINE_HALF", REPORT_PRIVATE_SCHEME, "Mapped mean cosine similarity"},
         "mean cosine similarity c of image and prompts, as (1 + c) / 2, 0 to 1"},
    };
    size_t kind = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, result->model.score) == 0)
            kind = i;
    return &kinds[kind];
}

static void add_number(const struct build *b, struct dicom_sr_item *group, const struct finding *finding)
{
    struct dicom_sr_item *number;
    if (finding->has_probability) {
        number = dicom_sr_add(b->tree, group, DICOM_SR_CONTAINS, DICOM_SR_NUM,
                              dcm("111012", "Certainty of Finding"));
        number->number = finding->probability * 100;
        number->unit = report_code("%", "UCUM", "Percent");
    } else if (finding->has_score) {
        number =
            dicom_sr_add(b->tree, group, DICOM_SR_CONTAINS, DICOM_SR_NUM, score_kind(b->result)->concept);
        number->number = finding->score;
        number->unit = report_code("1", "UCUM", "no units");
    }
}

/* What a label is called and where: its own site, else the organ it was asked of. */
static bool label_of(const struct build *b, const struct finding *finding, struct report_label *ret,
                     struct err *err)
{
    const struct result_organ *organ = result_organ(b->result, finding->organ);
    return report_codes_label(b->codes, finding->id, finding->text, b->arena, ret, err) &&
           (ret->site.value || !finding->organ ||
            report_codes_organ(b->codes, finding->organ, organ ? organ->text : NULL, b->arena, &ret->site,
                               err));
}

static bool add_group(const struct build *b, struct dicom_sr_item *measurements,
                      const struct finding *finding, struct err *err)
{
    struct report_label label;
    const struct result *result = b->result;
    char *tracking =
        arena_printf(b->arena, "%s|%s", dicom_sr_source_study_uid(b->facts->source), finding->id);
    char *uid = arena_alloc(b->arena, UID_SIZE, 1);
    if (!tracking || !uid)
        return err_fail(err, ERR_NOMEM, "out of memory building the report");
    uid_named(tracking, uid);
    if (!label_of(b, finding, &label, err))
        return false;
    struct dicom_sr_item *group = add_container(b, measurements, dcm("125007", "Measurement Group"), "1501");
    add_text(b, group, DICOM_SR_HAS_OBS_CONTEXT, dcm("112039", "Tracking Identifier"), finding->id);
    add_uid(b, group, DICOM_SR_HAS_OBS_CONTEXT, dcm("112040", "Tracking Unique Identifier"), uid);
    add_code(b, group, DICOM_SR_CONTAINS, dcm("121071", "Finding"), label.finding);
    if (label.site.value)
        add_code(b, group, DICOM_SR_HAS_CONCEPT_MOD, finding_site, label.site);
    add_algorithm(b, group, DICOM_SR_HAS_CONCEPT_MOD);
    add_threshold(b, group, DICOM_SR_HAS_CONCEPT_MOD, finding);
    if (result->key_instance >= 0 && result->key_instance < result->instance_count)
        add_image(b, group, report_code("260753009", "SCT", "Source"),
                  &result->instances[result->key_instance], result->key_frame);
    add_number(b, group, finding);
    add_code(b, group, DICOM_SR_CONTAINS, dcm("121052", "Presence of property"),
             state_code(report_state(result, finding)));
    return true;
}

static bool add_measurements(const struct build *b, struct err *err)
{
    struct dicom_sr_item *measurements = NULL;
    for (int i = 0; i < b->result->finding_count; i++) {
        if (!has_group(b->result, &b->result->findings[i]))
            continue;
        if (!measurements)
            measurements = add_container(b, b->tree->root, dcm("126010", "Imaging Measurements"), NULL);
        if (!add_group(b, measurements, &b->result->findings[i], err))
            return false;
    }
    return true;
}

/* ---- TID 1500 rows 12 to 14: every label asked; CODE and TEXT only ---- */

static struct dicom_code summary(const struct result *result)
{
    int decided = 0, positive = 0;
    for (int i = 0; i < result->finding_count; i++) {
        enum finding_state state = report_state(result, &result->findings[i]);
        decided += state == FINDING_PRESENT || state == FINDING_ABSENT;
        positive += state == FINDING_PRESENT;
    }
    if (is_one_question(result) && positive > 0)
        decided = result->finding_count;
    if (decided == 0)
        return dcm("111245", "No algorithms succeeded; without findings");
    if (decided < result->finding_count)
        return positive ? dcm("111244", "Not all algorithms succeeded; with findings")
                        : dcm("111243", "Not all algorithms succeeded; without findings");
    return positive ? dcm("111242", "All algorithms succeeded; with findings")
                    : dcm("111241", "All algorithms succeeded; without findings");
}

static bool add_answer(const struct build *b, struct dicom_sr_item *container, const struct finding *finding,
                       struct err *err)
{
    struct report_label label;
    if (!label_of(b, finding, &label, err))
        return false;
    struct dicom_sr_item *answer = add_code(b, container, DICOM_SR_CONTAINS, label.finding,
                                            state_code(report_state(b->result, finding)));
    if (label.site.value)
        add_code(b, answer, DICOM_SR_HAS_CONCEPT_MOD, finding_site, label.site);
    return true;
}

static void add_comment(const struct build *b, struct dicom_sr_item *container, const char *text)
{
    add_text(b, container, DICOM_SR_CONTAINS, comment, text);
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
    if (state == FINDING_UNDETERMINED && (!b->result->model.trained || is_one_question(b->result)))
        return;
    if (!b->result->analysed && b->result->reason && strcmp(reason, b->result->reason) == 0)
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

static void add_score_comments(const struct build *b, struct dicom_sr_item *container)
{
    const struct result *result = b->result;
    if (!result->has_model || !result->model.trained || !any_score(result))
        return;
    add_comment(b, container,
                arena_printf(b->arena, "Score: %s. It is not a probability.", score_kind(result)->sentence));
    if (is_one_question(result))
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

static void add_verdict_comments(const struct build *b, struct dicom_sr_item *container)
{
    const struct result *result = b->result;
    add_comment(b, container,
                b->facts->clinical ? "Output of an automated algorithm. Not reviewed by a physician."
                                   : "Research output of an automated algorithm. Not for clinical use. Not "
                                     "reviewed by a physician.");
    if (!result->analysed)
        add_not_analysed(b, container);
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

static const char *skipped_text(const struct build *b)
{
    const char *text = "";
    int skipped = 0;
    for (int i = 0; i < b->result->series_count && text; i++) {
        const struct result_series *series = &b->result->series[i];
        if (series->taken)
            continue;
        if (skipped++ < MAX_SKIPPED)
            text = arena_printf(b->arena, "%s; series %d skipped: %s", text, series->series_number,
                                series->reason ? series->reason : "no reason stated");
    }
    if (text && skipped > MAX_SKIPPED)
        text = arena_printf(b->arena, "%s; and %d more series skipped", text, skipped - MAX_SKIPPED);
    return text;
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
                                       result->series_count, result->instance_count, skipped,
                                       b->facts->start ? "; started: " : "",
                                       b->facts->start ? b->facts->start : "")
                        : NULL);
    if (*result->manifest_sha256)
        add_comment(b, container,
                    arena_printf(b->arena,
                                 "Input manifest sha256=%s; source voxels %dx%dx%d; encoder input %dx%dx%d",
                                 result->manifest_sha256, result->source_zyx[0], result->source_zyx[1],
                                 result->source_zyx[2], result->input_zyx[0], result->input_zyx[1],
                                 result->input_zyx[2]));
    add_organ_comments(b, container);
    for (int i = 0; i < result->warning_count; i++)
        add_comment(b, container, arena_printf(b->arena, "Input warning: %s", result->warnings[i]));
    if (*dicom_sr_source_notes(b->facts->source))
        add_comment(
            b, container,
            arena_printf(b->arena, "Copied from the study: %s", dicom_sr_source_notes(b->facts->source)));
    if (b->facts->predecessor)
        add_comment(b, container,
                    arena_printf(b->arena, "Revision %d: replaces report %s", b->facts->revision,
                                 b->facts->predecessor->sop_uid));
}

static bool add_evaluations(const struct build *b, struct err *err)
{
    const struct result *result = b->result;
    struct dicom_sr_item *container =
        add_container(b, b->tree->root, report_code("C0034375", "UMLS", "Qualitative Evaluations"), NULL);
    for (int i = 0; i < result->finding_count; i++) {
        if (!add_answer(b, container, &result->findings[i], err))
            return false;
    }
    add_code(b, container, DICOM_SR_CONTAINS, dcm("111017", "CAD Processing and Findings Summary"),
             summary(result));
    add_verdict_comments(b, container);
    add_input_comments(b, container);
    if (!result->has_model)
        return true;
    add_algorithm(b, container, DICOM_SR_CONTAINS);
    for (int i = 0; i < result->finding_count; i++) {
        if (result->findings[i].has_score)
            add_threshold(b, container, DICOM_SR_CONTAINS, &result->findings[i]);
    }
    return true;
}

bool report_tree_build(const struct result *result, const struct report_facts *facts,
                       const struct report_codes *codes, const char *device_uid, struct dicom_sr_tree *tree,
                       struct err *err)
{
    const struct build b = {result, facts, codes, device_uid, tree, tree->arena};
    add_language(&b);
    add_observer(&b);
    add_procedure(&b);
    add_library(&b);
    if (!add_measurements(&b, err) || !add_evaluations(&b, err))
        return false;
    return !tree->out_of_memory || err_fail(err, ERR_NOMEM, "out of memory building the report");
}
