extern "C" {
#include "dicom/dicom_sr_read.h"
}

#include "dicom/dicom_load.hh"

#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcfilefo.h>
#include <dcmtk/dcmdata/dcsequen.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

namespace
{

// Of the depth we write, five; more is not a report of ours.
const int most_depth = 16;

const char *get_text(struct arena *arena, DcmItem *from, const DcmTagKey &tag)
{
    DcmElement *element = nullptr;
    char *text = nullptr;
    if (!from || from->findAndGetElement(tag, element).bad() || !element || element->ident() == EVR_SQ ||
        element->getLength() == 0 || element->getString(text).bad() || !text)
        return "";
    std::string value = text;
    while (!value.empty() && (value.back() == ' ' || value.back() == '\0'))
        value.pop_back();
    const char *copy = arena_strdup(arena, value.c_str());
    if (!copy)
        throw std::bad_alloc();
    return copy;
}

// 0 when it is no number.
int get_number(struct arena *arena, DcmItem *from, const DcmTagKey &tag)
{
    long number = std::strtol(get_text(arena, from, tag), nullptr, 10);
    return number > 0 && number <= INT_MAX ? static_cast<int>(number) : 0;
}

DcmItem *first_item(DcmItem *from, const DcmTagKey &tag)
{
    DcmItem *item = nullptr;
    return from && from->findAndGetSequenceItem(tag, item, 0).good() ? item : nullptr;
}

struct dicom_code get_code(struct arena *arena, DcmItem *from, const DcmTagKey &sequence)
{
    DcmItem *item = first_item(from, sequence);
    return {get_text(arena, item, DCM_CodeValue), get_text(arena, item, DCM_CodingSchemeDesignator),
            get_text(arena, item, DCM_CodeMeaning)};
}

bool value_type(const char *name, enum dicom_sr_value *ret)
{
    static const struct {
        const char *name;
        enum dicom_sr_value value;
    } types[] = {{"CONTAINER", DICOM_SR_CONTAINER}, {"CODE", DICOM_SR_CODE},
                 {"TEXT", DICOM_SR_TEXT},           {"NUM", DICOM_SR_NUM},
                 {"UIDREF", DICOM_SR_UIDREF},       {"IMAGE", DICOM_SR_IMAGE}};
    for (const auto &type : types) {
        if (strcmp(type.name, name) == 0) {
            *ret = type.value;
            return true;
        }
    }
    return false;
}

void read_number(struct arena *arena, DcmItem &from, struct dicom_sr_item *item)
{
    DcmItem *value = first_item(&from, DCM_MeasuredValueSequence);
    Float64 number = 0;
    if (value && value->findAndGetFloat64(DCM_FloatingPointValue, number).bad())
        number = std::strtod(get_text(arena, value, DCM_NumericValue), nullptr);
    item->number = number;
    item->unit = get_code(arena, value, DCM_MeasurementUnitsCodeSequence);
}

void read_image(struct arena *arena, DcmItem &from, struct dicom_sr_item *item)
{
    DcmItem *reference = first_item(&from, DCM_ReferencedSOPSequence);
    item->sop_class = get_text(arena, reference, DCM_ReferencedSOPClassUID);
    item->sop_uid = get_text(arena, reference, DCM_ReferencedSOPInstanceUID);
    item->frame = get_number(arena, reference, DCM_ReferencedFrameNumber);
}

void read_value(struct arena *arena, DcmItem &from, struct dicom_sr_item *item)
{
    item->name = get_code(arena, &from, DCM_ConceptNameCodeSequence);
    if (item->value == DICOM_SR_CODE)
        item->code = get_code(arena, &from, DCM_ConceptCodeSequence);
    else if (item->value == DICOM_SR_TEXT)
        item->text = get_text(arena, &from, DCM_TextValue);
    else if (item->value == DICOM_SR_UIDREF)
        item->text = get_text(arena, &from, DCM_UID);
    else if (item->value == DICOM_SR_NUM)
        read_number(arena, from, item);
    else if (item->value == DICOM_SR_IMAGE)
        read_image(arena, from, item);
}

// nullptr: not an item of ours.
struct dicom_sr_item *read_item(struct arena *arena, DcmItem &from, int depth)
{
    auto *item = ARENA_NEW(arena, struct dicom_sr_item);
    if (!item)
        throw std::bad_alloc();
    if (depth > most_depth || !value_type(get_text(arena, &from, DCM_ValueType), &item->value))
        return nullptr;
    read_value(arena, from, item);
    DcmSequenceOfItems *children = nullptr;
    if (from.findAndGetSequence(DCM_ContentSequence, children).bad() || !children)
        return item;
    for (unsigned long i = 0; i < children->card(); i++) {
        struct dicom_sr_item *child = read_item(arena, *children->getItem(i), depth + 1);
        if (!child)
            return nullptr;
        (item->last_child ? item->last_child->next : item->first_child) = child;
        item->last_child = child;
    }
    return item;
}

void read_study(struct arena *arena, DcmItem *from, struct dicom_sr_document *document)
{
    document->study_uid = get_text(arena, from, DCM_StudyInstanceUID);
    document->patient_id = get_text(arena, from, DCM_PatientID);
    document->issuer = get_text(arena, from, DCM_IssuerOfPatientID);
    document->patient_name = get_text(arena, from, DCM_PatientName);
    document->birth_date = get_text(arena, from, DCM_PatientBirthDate);
    document->sex = get_text(arena, from, DCM_PatientSex);
    document->accession = get_text(arena, from, DCM_AccessionNumber);
    document->study_date = get_text(arena, from, DCM_StudyDate);
    document->study_time = get_text(arena, from, DCM_StudyTime);
    document->study_id = get_text(arena, from, DCM_StudyID);
    document->study_description = get_text(arena, from, DCM_StudyDescription);
    document->referring_physician = get_text(arena, from, DCM_ReferringPhysicianName);
    document->procedure = get_code(arena, from, DCM_ProcedureCodeSequence);
    DcmItem *request = first_item(from, DCM_ReferencedRequestSequence);
    document->placer_order = get_text(arena, request, DCM_PlacerOrderNumberImagingServiceRequest);
    document->filler_order = get_text(arena, request, DCM_FillerOrderNumberImagingServiceRequest);
}

void read_document(struct arena *arena, DcmItem *from, struct dicom_sr_document *document)
{
    document->sop_class = get_text(arena, from, DCM_SOPClassUID);
    document->sop_uid = get_text(arena, from, DCM_SOPInstanceUID);
    document->series_uid = get_text(arena, from, DCM_SeriesInstanceUID);
    document->series_description = get_text(arena, from, DCM_SeriesDescription);
    document->content_date = get_text(arena, from, DCM_ContentDate);
    document->content_time = get_text(arena, from, DCM_ContentTime);
    document->utc_offset = get_text(arena, from, DCM_TimezoneOffsetFromUTC);
    document->revision = get_number(arena, from, DCM_InstanceNumber);
    document->complete = strcmp(get_text(arena, from, DCM_CompletionFlag), "COMPLETE") == 0;
    document->completion_description = get_text(arena, from, DCM_CompletionFlagDescription);
    DcmItem *study = first_item(from, DCM_PredecessorDocumentsSequence);
    DcmItem *reference =
        first_item(first_item(study, DCM_ReferencedSeriesSequence), DCM_ReferencedSOPSequence);
    document->predecessor_uid = get_text(arena, reference, DCM_ReferencedSOPInstanceUID);
}

bool read(const char *path, struct arena *arena, struct dicom_sr_document **ret, struct err *err)
{
    DcmFileFormat file;
    auto *document = ARENA_NEW(arena, struct dicom_sr_document);
    if (!document)
        throw std::bad_alloc();
    if (!dicom_load(path, dicom_load_for::pixels, file, err))
        return false;
    DcmDataset *all = file.getDataset();
    read_study(arena, all, document);
    read_document(arena, all, document);
    document->root = read_item(arena, *all, 0);
    if (!document->root || !*document->sop_uid || !*document->study_uid)
        return err_fail(err, ERR_INPUT, "%s is no report of ours", path);
    *ret = document;
    return true;
}

} // namespace

extern "C" bool dicom_sr_read(const char *path, struct arena *arena, struct dicom_sr_document **ret,
                              struct err *err)
{
    try {
        return read(path, arena, ret, err);
    } catch (...) {
        return err_fail(err, ERR_NOMEM, "out of memory reading %s", path);
    }
}
