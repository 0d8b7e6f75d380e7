extern "C" {
#include "dicom/dicom_sr.h"
}

#include "dicom/dicom_sr_source.hh"

#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcfilefo.h>
#include <dcmtk/dcmsr/dsrcitem.h>
#include <dcmtk/dcmsr/dsrcsidl.h>
#include <dcmtk/dcmsr/dsrdoc.h>
#include <dcmtk/dcmsr/dsrdoctr.h>
#include <dcmtk/dcmsr/dsrimgvl.h>
#include <dcmtk/dcmsr/dsrnumvl.h>
#include <dcmtk/dcmsr/dsrsoprf.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>
#include <sstream>

namespace
{

// A step that failed, as DCMTK words it; caught at the fence.
struct failure {
    std::string what;
};

void must(const OFCondition &condition, const char *what)
{
    if (condition.bad())
        throw failure{std::string(what) + ": " + condition.text()};
}

const char *or_empty(const char *text)
{
    return text ? text : "";
}

bool given(const char *text)
{
    return text && *text;
}

// ---- content tree ----

DSRTypes::E_RelationshipType relation_type(enum dicom_sr_relation relation)
{
    switch (relation) {
    case DICOM_SR_ROOT:
        return DSRTypes::RT_isRoot;
    case DICOM_SR_CONTAINS:
        return DSRTypes::RT_contains;
    case DICOM_SR_HAS_OBS_CONTEXT:
        return DSRTypes::RT_hasObsContext;
    case DICOM_SR_HAS_ACQ_CONTEXT:
        return DSRTypes::RT_hasAcqContext;
    case DICOM_SR_HAS_CONCEPT_MOD:
        return DSRTypes::RT_hasConceptMod;
    case DICOM_SR_HAS_PROPERTIES:
        return DSRTypes::RT_hasProperties;
    case DICOM_SR_INFERRED_FROM:
        return DSRTypes::RT_inferredFrom;
    }
    return DSRTypes::RT_invalid;
}

DSRTypes::E_ValueType value_type(enum dicom_sr_value value)
{
    switch (value) {
    case DICOM_SR_CONTAINER:
        return DSRTypes::VT_Container;
    case DICOM_SR_CODE:
        return DSRTypes::VT_Code;
    case DICOM_SR_TEXT:
        return DSRTypes::VT_Text;
    case DICOM_SR_NUM:
        return DSRTypes::VT_Num;
    case DICOM_SR_UIDREF:
        return DSRTypes::VT_UIDRef;
    case DICOM_SR_IMAGE:
        return DSRTypes::VT_Image;
    }
    return DSRTypes::VT_invalid;
}

DSRCodedEntryValue entry(const struct dicom_code &code)
{
    DSRCodedEntryValue value;
    must(value.setCode(or_empty(code.value), or_empty(code.scheme), or_empty(code.meaning)),
         or_empty(code.meaning));
    return value;
}

void set_number(DSRContentItem &content, const struct dicom_sr_item *item)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%.10g", item->number);
    if (strlen(digits) > 16) // DS
        snprintf(digits, sizeof digits, "%.8g", item->number);
    DSRNumericMeasurementValue number;
    must(number.setValue(digits, entry(item->unit)), "number");
    must(number.setFloatingPointRepresentation(item->number), "number");
    must(content.setNumericValue(number), "number");
}

// DCMTK checks UIDs strictly; a modality's own UID must be repeated as it came.
void set_image(DSRContentItem &content, const struct dicom_sr_item *item)
{
    DSRImageReferenceValue image;
    must(image.setReference(or_empty(item->sop_class), or_empty(item->sop_uid), OFFalse), "image reference");
    if (item->frame > 0)
        image.getFrameList().addItem(item->frame);
    must(content.setImageReference(image, OFFalse), "image reference");
}

void set_value(DSRContentItem &content, const struct dicom_sr_item *item)
{
    switch (item->value) {
    case DICOM_SR_CONTAINER:
        must(content.setContinuityOfContent(DSRTypes::COC_Separate), "continuity");
        if (item->template_id)
            must(content.setTemplateIdentification(item->template_id, "DCMR"), "template");
        break;
    case DICOM_SR_CODE:
        must(content.setCodeValue(entry(item->code)), "code");
        break;
    case DICOM_SR_TEXT:
        must(content.setStringValue(or_empty(item->text)), "text");
        break;
    case DICOM_SR_UIDREF:
        must(content.setStringValue(or_empty(item->text), OFFalse), "unique identifier");
        break;
    case DICOM_SR_NUM:
        set_number(content, item);
        break;
    case DICOM_SR_IMAGE:
        set_image(content, item);
        break;
    }
}

void add_item(DSRDocumentTree &tree, const struct dicom_sr_item *item, DSRTypes::E_AddMode mode)
{
    if (tree.addContentItem(relation_type(item->relation), value_type(item->value), mode) == 0)
        throw failure{std::string("relation not allowed here for \"") + or_empty(item->name.meaning) + "\""};
    DSRContentItem &content = tree.getCurrentContentItem();
    if (item->name.value)
        must(content.setConceptName(entry(item->name)), "concept name");
    set_value(content, item);
    mode = DSRTypes::AM_belowCurrent;
    for (const struct dicom_sr_item *child = item->first_child; child; child = child->next) {
        add_item(tree, child, mode);
        mode = DSRTypes::AM_afterCurrent;
    }
    if (item->first_child)
        tree.goUp();
}

// ---- header ----

void put(DcmItem &to, const DcmTagKey &tag, const char *value)
{
    must(to.putAndInsertString(DcmTag(tag), or_empty(value)), DcmTag(tag).getTagName());
}

void put_optional(DcmItem &to, const DcmTagKey &tag, const char *value)
{
    if (given(value))
        put(to, tag, value);
}

void put_number(DcmItem &to, const DcmTagKey &tag, int value)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%d", value);
    put(to, tag, digits);
}

DcmItem &first_item(DcmItem &in, const DcmTagKey &sequence)
{
    DcmItem *item = nullptr;
    must(in.findOrCreateSequenceItem(DcmTag(sequence), item, 0), DcmTag(sequence).getTagName());
    return *item;
}

void put_code(DcmItem &in, const DcmTagKey &sequence, const struct dicom_code &code)
{
    DcmItem &item = first_item(in, sequence);
    put(item, DCM_CodeValue, code.value);
    put(item, DCM_CodingSchemeDesignator, code.scheme);
    put(item, DCM_CodeMeaning, code.meaning);
}

void put_source(DcmItem &to, const struct dicom_sr_source *source)
{
    DcmItem copy(source->attributes);
    while (copy.card() > 0) {
        DcmElement *element = copy.remove(0ul);
        if (to.insert(element, OFTrue).bad()) {
            delete element;
            throw failure{"patient and study attributes"};
        }
    }
}

// Every time of one data set is in one offset: the source's when it states one, else the service's.
void put_times(DcmItem &to, const struct dicom_sr_header *header)
{
    int minutes = header->source->has_offset ? header->source->offset_minutes : header->timezone_minutes;
    int64_t local_ms = header->content_unix_ms + static_cast<int64_t>(minutes) * 60000;
    time_t seconds = static_cast<time_t>(local_ms / 1000);
    struct tm tm;
    char text[32];
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y%m%d", &tm);
    put(to, DCM_ContentDate, text);
    size_t used = strftime(text, sizeof text, "%H%M%S", &tm);
    snprintf(text + used, sizeof text - used, ".%03d", static_cast<int>(local_ms % 1000));
    put(to, DCM_ContentTime, text);
    int size = abs(minutes);
    snprintf(text, sizeof text, "%c%02d%02d", minutes < 0 ? '-' : '+', size / 60, size % 60);
    put(to, DCM_TimezoneOffsetFromUTC, text);
}

void put_evidence(DcmItem &to, const DcmTagKey &tag, const struct dicom_sr_reference *list, int count)
{
    DSRSOPInstanceReferenceList references(tag);
    for (int i = 0; i < count; i++) {
        if (!*list[i].study_uid || !*list[i].series_uid || !*list[i].sop_class || !*list[i].sop_uid)
            continue; // an object without a place cannot be found again
        must(references.addItem(list[i].study_uid, list[i].series_uid, list[i].sop_class, list[i].sop_uid,
                                OFFalse),
             DcmTag(tag).getTagName());
    }
    must(references.write(to), DcmTag(tag).getTagName());
}

void put_equipment(DcmItem &to, const struct dicom_sr_header *header)
{
    put(to, DCM_Manufacturer, header->manufacturer);
    put_optional(to, DCM_ManufacturerModelName, header->model_name);
    put_optional(to, DCM_DeviceSerialNumber, header->serial_number);
    put_optional(to, DCM_SoftwareVersions, header->software_version);
    put_optional(to, DCM_StationName, header->station_name);
}

// PS3.3 C.12.1.1.5: one item for the algorithm; its Device UID changes with the model.
void put_algorithm(DcmItem &to, const struct dicom_sr_header *header)
{
    if (!given(header->algorithm.purpose.value))
        return;
    DcmItem &item = first_item(to, DCM_ContributingEquipmentSequence);
    put_code(item, DCM_PurposeOfReferenceCodeSequence, header->algorithm.purpose);
    put(item, DCM_Manufacturer, header->algorithm.manufacturer);
    put_optional(item, DCM_ManufacturerModelName, header->algorithm.model_name);
    put_optional(item, DCM_SoftwareVersions, header->algorithm.version);
    put(item, DCM_DeviceUID, header->device_uid);
    put_optional(item, DCM_ContributionDescription, header->algorithm.description);
}

// PS3.3 table 10-1 and C.17.2: the device that wrote the report.
void put_author(DcmItem &to, const struct dicom_sr_header *header)
{
    DcmItem &item = first_item(to, DCM_AuthorObserverSequence);
    put(item, DCM_ObserverType, "DEV");
    put(item, DCM_InstitutionName, "");
    must(item.insertEmptyElement(DcmTag(DCM_InstitutionCodeSequence)), "Institution Code Sequence");
    put(item, DCM_Manufacturer, header->manufacturer);
    put(item, DCM_ManufacturerModelName, header->model_name);
    put_optional(item, DCM_StationName, header->station_name);
    put(item, DCM_DeviceUID, header->device_uid);
}

void put_private_scheme(DcmItem &to, const struct dicom_sr_header *header)
{
    if (!given(header->private_scheme.designator))
        return;
    DSRCodingSchemeIdentificationList list;
    must(list.addItem(header->private_scheme.designator, or_empty(header->private_scheme.uid),
                      or_empty(header->private_scheme.name), or_empty(header->private_scheme.organization)),
         "coding scheme");
    must(list.write(to), "coding scheme");
}

void put_series(DcmItem &to, const struct dicom_sr_header *header)
{
    put(to, DCM_Modality, "SR");
    put(to, DCM_SeriesInstanceUID, header->series_uid);
    put_number(to, DCM_SeriesNumber, header->series_number);
    put_optional(to, DCM_SeriesDescription, header->series_description);
    must(to.insertEmptyElement(DcmTag(DCM_ReferencedPerformedProcedureStepSequence)),
         "Referenced Performed Procedure Step Sequence");
}

void put_document(DcmItem &to, const struct dicom_sr_header *header)
{
    put(to, DCM_SpecificCharacterSet, "ISO_IR 192");
    put(to, DCM_SOPClassUID, header->sop_class);
    put(to, DCM_SOPInstanceUID, header->sop_uid);
    put_number(to, DCM_InstanceNumber, header->instance_number);
    put(to, DCM_PreliminaryFlag, "PRELIMINARY");
    put(to, DCM_CompletionFlag, header->complete ? "COMPLETE" : "PARTIAL");
    put_optional(to, DCM_CompletionFlagDescription, header->completion_description);
    put(to, DCM_VerificationFlag, "UNVERIFIED");
    put_times(to, header);
    put_evidence(to, DCM_CurrentRequestedProcedureEvidenceSequence, header->current_evidence,
                 header->current_count);
    put_evidence(to, DCM_PertinentOtherEvidenceSequence, header->other_evidence, header->other_count);
    put_evidence(to, DCM_PredecessorDocumentsSequence, header->predecessor, header->predecessor ? 1 : 0);
}

void fill(DcmDataset &dataset, const struct dicom_sr_header *header, const struct dicom_sr_tree *tree)
{
    DSRTypes::E_DocumentType type = DSRTypes::sopClassUIDToDocumentType(or_empty(header->sop_class));
    if (type != DSRTypes::DT_Comprehensive3DSR && type != DSRTypes::DT_ComprehensiveSR &&
        type != DSRTypes::DT_EnhancedSR)
        throw failure{"this is no class of report we write"};
    DSRDocumentTree content(type);
    add_item(content, tree->root, DSRTypes::AM_afterCurrent);
    put_source(dataset, header->source);
    put_series(dataset, header);
    put_document(dataset, header);
    put_equipment(dataset, header);
    put_algorithm(dataset, header);
    put_author(dataset, header);
    put_private_scheme(dataset, header);
    must(content.write(dataset), "content tree");
    DSRDocument check; // a modality's UID that breaks PS3.5 is repeated as it came: not our fault to find
    must(check.read(dataset, DSRTypes::RF_acceptInvalidContentItemValue), "the report does not read back");
}

// DCMTK says "cannot create" without errno's reason; the disk being full is worth knowing apart.
bool save(DcmFileFormat &file, const char *path, struct err *err)
{
    errno = 0;
    OFCondition saved =
        file.saveFile(path, EXS_LittleEndianExplicit, EET_ExplicitLength, EGL_recalcGL, EPD_withoutPadding);
    if (saved.good())
        return true;
    remove(path);
    if (errno != 0)
        return err_errno(err, "writing %s", path);
    return err_fail(err, ERR_IO, "writing %s: %s", path, saved.text());
}

} // namespace

extern "C" bool dicom_sr_write(const struct dicom_sr_header *header, const struct dicom_sr_tree *tree,
                               const char *path, struct err *err)
{
    if (tree->out_of_memory)
        return err_fail(err, ERR_NOMEM, "out of memory building the report");
    try {
        DcmFileFormat file;
        fill(*file.getDataset(), header, tree);
        return save(file, path, err);
    } catch (const failure &failed) {
        return err_fail(err, ERR_BUG, "report: %s", failed.what.c_str());
    } catch (...) {
        return err_fail(err, ERR_NOMEM, "out of memory writing the report");
    }
}

extern "C" char *dicom_sr_text(const char *path, struct err *err)
{
    try {
        DcmFileFormat file;
        OFCondition read = file.loadFile(path);
        DSRDocument document;
        if (read.good())
            read = document.read(*file.getDataset());
        std::ostringstream text;
        if (read.good())
            read = document.print(text, DSRTypes::PF_printConceptNameCodes |
                                            DSRTypes::PF_printTemplateIdentification);
        if (read.bad()) {
            err_decline(err, "not_a_report", "%s cannot be read as a report: %s", path, read.text());
            return nullptr;
        }
        char *copy = strdup(text.str().c_str());
        if (!copy)
            err_fail(err, ERR_NOMEM, "out of memory reading %s", path);
        return copy;
    } catch (...) {
        err_fail(err, ERR_NOMEM, "out of memory reading %s", path);
        return nullptr;
    }
}
