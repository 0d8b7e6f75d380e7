#include "report/report_tree.h"

#include "report/plain_text.h"
#include "report/report_comments.h"

#include <string.h>

enum { MAX_TEXT = 8192 };

static const struct dicom_code present = {"52101004", "SCT", "Present"};
static const struct dicom_code absent = {"272519000", "SCT", "Absent"};
static const struct dicom_code undetermined = {"373068000", "SCT", "Undetermined"};
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
    if (!result->analysed || !result->has_model || result_outside(result))
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
    char *plain = text ? plain_text(b->arena, *text ? text : "unknown", MAX_TEXT) : NULL;
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
                          "family=%s; score=%s; calibration=%s; trained=%s; precision=%s; weights sha256=%s; "
                          "prompts sha256=%s; config sha256=%s",
                          model->family, model->score, model->calibration, model->trained ? "yes" : "no",
                          model->precision, model->weights_sha256, model->prompts_sha256,
                          model->config_sha256));
}

static void add_threshold(const struct build *b, struct dicom_sr_item *parent,
                          enum dicom_sr_relation relation, const struct finding *finding)
{
    const char *text = arena_printf(b->arena, "%s: threshold=%.10g", finding->id, finding->threshold);
    if (text && finding->has_probability && finding->has_calibration)
        text =
            arena_printf(b->arena, "%s; score=%.10g; calibration=%s; a=%.10g; b=%.10g", text, finding->score,
                         b->result->model.calibration, finding->calibration_a, finding->calibration_b);
    add_text(b, parent, relation, dcm("111002", "Algorithm Parameters"), text);
}

/* ---- TID 1501: one group for each label that is present, or undetermined with a score ---- */

bool report_is_one_question(const struct result *result)
{
    return result->has_model && strcmp(result->model.score, "class_softmax") == 0;
}

static bool has_group(const struct result *result, const struct finding *finding)
{
    enum finding_state state = report_state(result, finding);
    if (!result->has_model || !result->model.trained)
        return false;
    if (report_is_one_question(result))
        return state == FINDING_PRESENT;
    return state == FINDING_PRESENT || (state == FINDING_UNDETERMINED && finding->has_score);
}

const struct report_score *report_score(const struct result *result)
{
    static const struct report_score kinds[] = {
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
            dicom_sr_add(b->tree, group, DICOM_SR_CONTAINS, DICOM_SR_NUM, report_score(b->result)->concept);
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
            report_codes_organ(b->codes, finding->organ, organ ? organ->text : NULL, b->arena, ret, err));
}

static void add_site(const struct build *b, struct dicom_sr_item *parent, const struct report_label *label)
{
    if (!label->site.value)
        return;
    struct dicom_sr_item *site = add_code(b, parent, DICOM_SR_HAS_CONCEPT_MOD, finding_site, label->site);
    if (label->side.value)
        add_code(b, site, DICOM_SR_HAS_CONCEPT_MOD, report_code("272741003", "SCT", "Laterality"),
                 label->side);
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
    add_site(b, group, &label);
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
    if (report_is_one_question(result) && positive > 0)
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
    add_site(b, answer, &label);
    return true;
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
    report_comments(result, b->facts, b->tree, container);
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
