#include "report/hl7.h"

#include "base/digest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PATH_TEXT = 80, SIGNIFICANT = 10 };

void hl7_control_id(const char *sop_uid, char id[HL7_CONTROL_ID_SIZE])
{
    char digest[DIGEST_HEX_SIZE];
    digest_bytes(sop_uid, strlen(sop_uid), digest);
    snprintf(id, HL7_CONTROL_ID_SIZE, "%.20s", digest);
}

void hl7_number(double number, char text[HL7_NUMBER_SIZE])
{
    int magnitude = number == 0 ? 0 : (int)floor(log10(fabs(number)));
    int decimals = SIGNIFICANT - 1 - magnitude;
    decimals = decimals < 0 ? 0 : decimals > 60 ? 60 : decimals;
    int length = snprintf(text, HL7_NUMBER_SIZE, "%.*f", decimals, number);
    while (decimals > 0 && text[length - 1] == '0')
        text[--length] = '\0';
    if (decimals > 0 && text[length - 1] == '.')
        text[--length] = '\0';
}

/* One message under construction. */
struct message {
    FILE *out;
    const struct dicom_sr_document *document;
    const struct hl7_options *options;
    char time[40]; /* of the analysis */
    const char *status;
    int obx;
};

/* A value with the delimiters escaped. source: HL7 v2.5.1 2.7. */
static void put_text(const struct message *m, const char *text)
{
    static const char delimiters[] = "|^&~\\", letters[] = "FSTRE";
    for (const char *c = text; *c; c++) {
        const char *found = strchr(delimiters, *c);
        if (found)
            fprintf(m->out, "\\%c\\", letters[found - delimiters]);
        else if (*c == '\n')
            fputs("\\.br\\", m->out);
        else
            fputc((unsigned char)*c < ' ' ? ' ' : *c, m->out);
    }
}

static void put_code(const struct message *m, const struct dicom_code *code)
{
    put_text(m, code->value);
    fputc('^', m->out);
    put_text(m, code->meaning);
    fputc('^', m->out);
    put_text(m, code->scheme);
}

/* YYYYMMDD[HHMM[SS]][+ZZZZ]: what does not have that form is left out. */
static void date_time(const char *date, const char *time, const char *offset, char out[40])
{
    size_t digits = strspn(time, "0123456789");
    bool has_time = digits == 4 || digits == 6;
    bool has_offset = strlen(offset) == 5 && has_time;
    out[0] = '\0';
    if (strspn(date, "0123456789") == 8 && !date[8])
        snprintf(out, 40, "%s%.*s%s", date, has_time ? (int)digits : 0, time, has_offset ? offset : "");
}

static void put_head(const struct message *m)
{
    const struct hl7_options *options = m->options;
    char id[HL7_CONTROL_ID_SIZE];
    hl7_control_id(m->document->sop_uid, id);
    fputs("MSH|^~\\&|", m->out);
    put_text(m, options->sending_application);
    fputc('|', m->out);
    put_text(m, options->sending_facility);
    fputc('|', m->out);
    put_text(m, options->receiving_application);
    fputc('|', m->out);
    put_text(m, options->receiving_facility);
    fprintf(m->out, "|%s||ORU^R01^ORU_R01|%s|", m->time, id);
    put_text(m, options->processing_id);
    fprintf(m->out, "|2.5.1|||%s||UNICODE UTF-8\r", options->enhanced ? "AL|NE" : "|");
}

/* DICOM: family^given^middle^prefix^suffix; HL7 has the suffix before the prefix. Of the groups the first
 * that says something. */
static void put_name(const struct message *m, const char *name)
{
    static const int order[] = {0, 1, 2, 4, 3};
    char parts[5][260] = {{0}};
    const char *at = name + strspn(name, "=");
    for (int i = 0; i < 5 && *at && *at != '='; i++) {
        size_t run = strcspn(at, "^=");
        snprintf(parts[i], sizeof parts[i], "%.*s", (int)run, at);
        at += run + (at[run] == '^');
    }
    int last = 4;
    while (last > 0 && !*parts[order[last]])
        last--;
    for (int i = 0; i <= last; i++) {
        if (i > 0)
            fputc('^', m->out);
        put_text(m, parts[order[i]]);
    }
}

static void put_patient(const struct message *m)
{
    const struct dicom_sr_document *document = m->document;
    fputs("PID|1||", m->out);
    put_text(m, document->patient_id);
    if (*document->issuer) {
        fputs("^^^", m->out);
        put_text(m, document->issuer);
    }
    fputs("||", m->out);
    put_name(m, document->patient_name);
    fputs("||", m->out);
    put_text(m, document->birth_date);
    fputc('|', m->out);
    put_text(m, document->sex);
    fputc('\r', m->out);
}

/* What was asked for, in codes: the study's procedure, else what the report says was done. */
static struct dicom_code procedure(const struct dicom_sr_document *document)
{
    struct dicom_code none = {"", "", document->study_description};
    if (*document->procedure.value)
        return document->procedure;
    for (const struct dicom_sr_item *item = document->root->first_child; item; item = item->next)
        if (item->value == DICOM_SR_CODE && strcmp(item->name.value, "121058") == 0)
            return item->code;
    return none;
}

static void put_order(const struct message *m)
{
    const struct dicom_sr_document *document = m->document;
    enum hl7_accession where = m->options->accession;
    const char *filler = where == HL7_ACCESSION_OBR18 ? document->filler_order : document->accession;
    struct dicom_code what = procedure(document);
    char study_time[40];
    date_time(document->study_date, document->study_time, document->utc_offset, study_time);
    for (int segment = 0; segment < 2; segment++) {
        fputs(segment == 0 ? "ORC|RE|" : "OBR|1|", m->out);
        put_text(m, document->placer_order);
        fputc('|', m->out);
        put_text(m, filler);
        fputc(segment == 0 ? '\r' : '|', m->out);
    }
    put_code(m, &what);
    fprintf(m->out, "|||%s|||||||||||", study_time);
    if (where != HL7_ACCESSION_OBR3)
        put_text(m, document->accession);
    fprintf(m->out, "||||%s||", m->time);
    put_text(m, m->options->modality);
    fprintf(m->out, "|%s\r", m->status);
}

/* ---- OBX ---- */

static const struct dicom_sr_item *child_named(const struct dicom_sr_item *item, const char *name)
{
    const struct dicom_sr_item *child = item->first_child;
    while (child && strcmp(child->name.value, name) != 0)
        child = child->next;
    return child;
}

static const char *site_of(const struct dicom_sr_item *item)
{
    const struct dicom_sr_item *site = child_named(item, "363698007");
    return site ? site->code.value : "";
}

static bool is_present(const struct dicom_sr_item *item)
{
    return item && item->value == DICOM_SR_CODE && strcmp(item->code.value, "52101004") == 0;
}

/* Is there a measurement group that says of this label that it is present, and with which probability? */
static bool calibrated(const struct message *m, const struct dicom_sr_item *answer)
{
    const struct dicom_sr_item *groups = child_named(m->document->root, "126010");
    for (const struct dicom_sr_item *group = groups ? groups->first_child : NULL; group;
         group = group->next) {
        const struct dicom_sr_item *finding = child_named(group, "121071");
        if (finding && strcmp(finding->code.value, answer->name.value) == 0 &&
            strcmp(finding->code.scheme, answer->name.scheme) == 0 &&
            strcmp(site_of(group), site_of(answer)) == 0 && child_named(group, "111012") &&
            is_present(child_named(group, "121052")))
            return true;
    }
    return false;
}

/* Label answers stand in Qualitative Evaluations, under their own names. */
static const char *flag_of(const struct message *m, const struct dicom_sr_item *parent,
                           const struct dicom_sr_item *item)
{
    bool answer = strcmp(parent->name.value, "C0034375") == 0 && is_present(item);
    return answer && calibrated(m, item) ? "A" : "";
}

static void put_image(const struct message *m, const struct dicom_sr_item *item)
{
    put_text(m, item->sop_uid);
    if (item->frame > 0)
        fprintf(m->out, "/frames/%d", item->frame);
    fputs("^&", m->out);
    put_text(m, item->sop_class);
    fputs("&ISO^IM^DICOM", m->out);
}

static const char *type_of(enum dicom_sr_value value)
{
    switch (value) {
    case DICOM_SR_CODE:
        return "CWE";
    case DICOM_SR_NUM:
        return "NM";
    case DICOM_SR_UIDREF:
        return "ST";
    case DICOM_SR_IMAGE:
        return "RP";
    case DICOM_SR_TEXT:
    case DICOM_SR_CONTAINER:
        break;
    }
    return "TX";
}

static void put_value(const struct message *m, const struct dicom_sr_item *item)
{
    char number[HL7_NUMBER_SIZE];
    switch (item->value) {
    case DICOM_SR_CODE:
        put_code(m, &item->code);
        break;
    case DICOM_SR_NUM:
        hl7_number(item->number, number);
        fputs(number, m->out);
        break;
    case DICOM_SR_IMAGE:
        put_image(m, item);
        break;
    case DICOM_SR_TEXT:
    case DICOM_SR_UIDREF:
        put_text(m, item->text);
        break;
    case DICOM_SR_CONTAINER:
        break;
    }
}

static void put_item(struct message *m, const struct dicom_sr_item *parent, const struct dicom_sr_item *item,
                     const char *path)
{
    struct dicom_code name = item->name;
    if (!*name.value)
        name = (struct dicom_code){"IMAGE", "99CARDIOSCRIBE", "Image reference"};
    fprintf(m->out, "OBX|%d|%s|", ++m->obx, type_of(item->value));
    put_code(m, &name);
    fprintf(m->out, "|%s|", path);
    put_value(m, item);
    fputc('|', m->out);
    if (item->value == DICOM_SR_NUM)
        put_code(m, &item->unit);
    fprintf(m->out, "||%s|||%s|||%s\r", flag_of(m, parent, item), m->status, m->time);
}

static void put_items(struct message *m, const struct dicom_sr_item *parent, const char *path)
{
    int place = 0;
    for (const struct dicom_sr_item *item = parent->first_child; item; item = item->next) {
        char here[MAX_PATH_TEXT];
        snprintf(here, sizeof here, "%.60s%s%d", path, *path ? "." : "", ++place);
        if (item->value != DICOM_SR_CONTAINER)
            put_item(m, parent, item, here);
        put_items(m, item, here);
    }
}

/* By which the receiver finds study and report. source: IHE RAD TF-2 4.28 for the first. */
static void put_references(struct message *m)
{
    const struct dicom_sr_document *document = m->document;
    fprintf(m->out, "OBX|%d|HD|113014^DICOM Study^DCM||%s||||||O\r", ++m->obx, document->study_uid);
    fprintf(m->out, "OBX|%d|HD|SR_INSTANCE^Report SOP Instance UID^99CARDIOSCRIBE||%s||||||O\r", ++m->obx,
            document->sop_uid);
    if (*document->predecessor_uid)
        fprintf(m->out, "OBX|%d|HD|SR_REPLACES^Replaced report SOP Instance UID^99CARDIOSCRIBE||%s||||||O\r",
                ++m->obx, document->predecessor_uid);
    fprintf(m->out, "OBX|%d|ST|SR_COMPLETION^Completion flag of the report^99CARDIOSCRIBE||%s", ++m->obx,
            document->complete ? "COMPLETE" : "PARTIAL");
    if (*document->completion_description)
        fputs(": ", m->out);
    put_text(m, document->completion_description);
    fprintf(m->out, "||||||%s|||%s\r", m->status, m->time);
}

char *hl7_oru_r01(const struct dicom_sr_document *document, const struct hl7_options *options)
{
    char *text = NULL;
    size_t size = 0;
    struct message m = {.out = open_memstream(&text, &size), .document = document, .options = options};
    if (!m.out)
        return NULL;
    m.status = *document->predecessor_uid ? "C" : "P";
    date_time(document->content_date, document->content_time, document->utc_offset, m.time);
    put_head(&m);
    put_patient(&m);
    put_order(&m);
    put_references(&m);
    put_items(&m, document->root, "");
    bool ok = !ferror(m.out);
    if (fclose(m.out) == 0 && ok)
        return text;
    free(text);
    return NULL;
}
