extern "C" {
#include "dicom/dicom_sr.h"
}

#include "dicom/dicom_charset.hh"
#include "dicom/dicom_load.hh"
#include "dicom/dicom_sr_source.hh"

#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcfilefo.h>
#include <dcmtk/dcmdata/dcsequen.h>

#include <algorithm>
#include <memory>
#include <new>
#include <sstream>

namespace
{

enum rule {
    KEEP, // an identifier: stays as it is, however long; empty when absent
    MUST, // type 2: empty when absent or illegal
    MAY   // type 3: left out when absent, empty or illegal
};

struct attribute {
    DcmTagKey tag;
    rule what;
};

// PS3.3 C.7.1.1 Patient and C.7.2.1 General Study. Study Instance UID is handled apart.
const attribute copied[] = {
    {DCM_PatientName, KEEP},
    {DCM_PatientID, KEEP},
    {DCM_IssuerOfPatientID, MAY},
    {DCM_PatientBirthDate, MUST},
    {DCM_PatientSex, MUST},
    {DCM_PatientIdentityRemoved, MAY},
    {DCM_DeidentificationMethod, MAY},
    {DCM_StudyDate, MUST},
    {DCM_StudyTime, MUST},
    {DCM_ReferringPhysicianName, MUST},
    {DCM_StudyID, KEEP},
    {DCM_AccessionNumber, KEEP},
    {DCM_StudyDescription, MAY},
};

const DcmTagKey code_tags[] = {DCM_CodeValue, DCM_CodingSchemeDesignator, DCM_CodeMeaning};
const DcmTagKey issuer_tags[] = {DCM_LocalNamespaceEntityID, DCM_UniversalEntityID,
                                 DCM_UniversalEntityIDType};

// PS3.3 C.17.2 Referenced Request Sequence, out of C.7.3.1 Request Attributes Sequence.
const attribute request_copied[] = {
    {DCM_AccessionNumber, MUST},
    {DCM_PlacerOrderNumberImagingServiceRequest, MUST},
    {DCM_FillerOrderNumberImagingServiceRequest, MUST},
    {DCM_RequestedProcedureID, MUST},
    {DCM_RequestedProcedureDescription, MUST},
};

void note(dicom_sr_source *source, const DcmTagKey &tag, const char *what)
{
    if (!source->notes.empty())
        source->notes += "; ";
    source->notes += DcmTag(tag).getTagName();
    source->notes += what;
}

bool leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool legal_date(const std::string &value)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (value.size() != 8 || value.find_first_not_of("0123456789") != std::string::npos)
        return false;
    int year = std::stoi(value.substr(0, 4)), month = std::stoi(value.substr(4, 2));
    int day = std::stoi(value.substr(6, 2));
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    return day <= days[month - 1] + (month == 2 && leap(year) ? 1 : 0);
}

// HH, HHMM, HHMMSS or HHMMSS.F to HHMMSS.FFFFFF (PS3.5 6.2).
bool legal_time(const std::string &value)
{
    size_t point = value.find('.');
    std::string whole = value.substr(0, point);
    if (whole.find_first_not_of("0123456789") != std::string::npos ||
        (whole.size() != 2 && whole.size() != 4 && whole.size() != 6))
        return false;
    if (point != std::string::npos) {
        std::string fraction = value.substr(point + 1);
        if (whole.size() != 6 || fraction.empty() || fraction.size() > 6 ||
            fraction.find_first_not_of("0123456789") != std::string::npos)
            return false;
    }
    static const int limits[] = {23, 59, 60};
    for (size_t i = 0; i < whole.size(); i += 2) {
        if (std::stoi(whole.substr(i, 2)) > limits[i / 2])
            return false;
    }
    return true;
}

// Characters, not bytes: the text is UTF-8 by now. DCMTK's own checker knows no ISO_IR 192.
bool legal_text(const std::string &value, size_t most, bool many)
{
    size_t characters = 0;
    for (char c : value) {
        unsigned char byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F || (c == '\\' && !many))
            return false;
        if (c == '\\')
            characters = 0;
        else if ((byte & 0xC0) != 0x80 && ++characters > most)
            return false;
    }
    return true;
}

// Up to three groups (alphabetic, ideographic, phonetic) of 64 characters and five components each.
bool legal_name(const std::string &value)
{
    std::istringstream groups(value);
    std::string group;
    int count = 0;
    while (std::getline(groups, group, '=')) {
        if (++count > 3 || !legal_text(group, 64, false) || std::count(group.begin(), group.end(), '^') > 4)
            return false;
    }
    return true;
}

bool legal(const DcmTagKey &tag, const std::string &value)
{
    if (tag == DCM_PatientSex)
        return value == "M" || value == "F" || value == "O";
    if (tag == DCM_PatientIdentityRemoved)
        return value == "YES" || value == "NO";
    switch (DcmTag(tag).getEVR()) {
    case EVR_DA:
        return legal_date(value);
    case EVR_TM:
        return legal_time(value);
    case EVR_PN:
        return legal_name(value);
    case EVR_SH:
    case EVR_CS:
        return legal_text(value, 16, false);
    case EVR_LO:
        return legal_text(value, 64, tag == DCM_DeidentificationMethod);
    default:
        return legal_text(value, 1024, false);
    }
}

// The value as sent without padding; "" when absent. False when it is there in a shape that is no text.
bool get_text(DcmItem &from, const DcmTagKey &tag, std::string &value)
{
    value.clear();
    DcmElement *element = nullptr;
    if (from.findAndGetElement(tag, element).bad() || !element || element->getLength() == 0)
        return true;
    char *text = nullptr;
    if (element->ident() == EVR_SQ || element->getString(text).bad())
        return false;
    value = text ? text : "";
    while (!value.empty() && (value.back() == ' ' || value.back() == '\0'))
        value.pop_back();
    return true;
}

void put(DcmItem &to, const DcmTagKey &tag, const std::string &value)
{
    if (to.putAndInsertString(DcmTag(tag), value.c_str()).bad())
        throw std::bad_alloc();
}

void copy(dicom_sr_source *source, DcmItem &from, DcmItem &to, const attribute &attribute)
{
    std::string value;
    bool readable = get_text(from, attribute.tag, value);
    bool fits = readable && (value.empty() || legal(attribute.tag, value));
    if (!readable || (!fits && attribute.what != KEEP)) {
        note(source, attribute.tag, " is not legal: left empty");
        value.clear();
    } else if (!fits) {
        note(source, attribute.tag, " is not legal: kept as it is");
    }
    if (!value.empty() || attribute.what != MAY)
        put(to, attribute.tag, value);
}

DcmItem *first_item(DcmItem &from, const DcmTagKey &tag)
{
    DcmItem *item = nullptr;
    return from.findAndGetSequenceItem(tag, item, 0).good() ? item : nullptr;
}

// Copy the first item of a small sequence when each of its texts is legal; `need` of the tags must be there.
template <size_t N>
bool copy_item(DcmItem &from, const DcmTagKey &sequence, DcmItem &to, const DcmTagKey &to_sequence,
               const DcmTagKey (&tags)[N], size_t need)
{
    DcmItem *item = first_item(from, sequence);
    std::string values[N];
    size_t found = 0;
    for (size_t i = 0; item && i < N; i++) {
        if (!get_text(*item, tags[i], values[i]) || (!values[i].empty() && !legal(tags[i], values[i])))
            return false;
        found += values[i].empty() ? 0 : 1;
    }
    DcmItem *made = nullptr;
    if (!item || found < need || to.findOrCreateSequenceItem(DcmTag(to_sequence), made, 0).bad())
        return false;
    for (size_t i = 0; i < N; i++) {
        if (!values[i].empty())
            put(*made, tags[i], values[i]);
    }
    return true;
}

void empty_sequence(DcmItem &to, const DcmTagKey &tag)
{
    if (to.insertEmptyElement(DcmTag(tag)).bad())
        throw std::bad_alloc();
}

void copy_issuer(DcmItem &from, DcmItem &to)
{
    DcmItem *item = first_item(from, DCM_IssuerOfAccessionNumberSequence);
    std::string id, type, local;
    if (!item || !get_text(*item, DCM_UniversalEntityID, id) ||
        !get_text(*item, DCM_UniversalEntityIDType, type) ||
        !get_text(*item, DCM_LocalNamespaceEntityID, local))
        return;
    if (id.empty() == type.empty() && !(id.empty() && local.empty())) // each asks for the other
        copy_item(from, DCM_IssuerOfAccessionNumberSequence, to, DCM_IssuerOfAccessionNumberSequence,
                  issuer_tags, 1);
}

// Patient Identity Removed asks for a method, in words or in codes (PS3.3 C.7.1.1).
void copy_deidentification(dicom_sr_source *source, DcmItem &from)
{
    std::string removed, method;
    get_text(source->attributes, DCM_PatientIdentityRemoved, removed);
    get_text(source->attributes, DCM_DeidentificationMethod, method);
    bool coded = copy_item(from, DCM_DeidentificationMethodCodeSequence, source->attributes,
                           DCM_DeidentificationMethodCodeSequence, code_tags, 3);
    if (removed != "YES" || !method.empty() || coded)
        return;
    source->attributes.findAndDeleteElement(DCM_PatientIdentityRemoved);
    note(source, DCM_PatientIdentityRemoved, " names no method: left out");
}

// A known request: the images carry it, so the report answers it.
void copy_request(dicom_sr_source *source, DcmItem &from)
{
    DcmItem *request = first_item(from, DCM_RequestAttributesSequence);
    std::string id, accession;
    if (!request || !get_text(*request, DCM_RequestedProcedureID, id) ||
        !get_text(*request, DCM_AccessionNumber, accession) || (id.empty() && accession.empty()))
        return;
    DcmItem *to = nullptr;
    if (source->attributes.findOrCreateSequenceItem(DcmTag(DCM_ReferencedRequestSequence), to, 0).bad())
        throw std::bad_alloc();
    for (const attribute &attribute : request_copied)
        copy(source, *request, *to, attribute);
    get_text(from, DCM_AccessionNumber, accession);
    std::string own;
    get_text(*to, DCM_AccessionNumber, own);
    if (own.empty() && legal(DCM_AccessionNumber, accession))
        put(*to, DCM_AccessionNumber, accession);
    put(*to, DCM_StudyInstanceUID, source->study_uid);
    empty_sequence(*to, DCM_ReferencedStudySequence);
    if (!copy_item(*request, DCM_RequestedProcedureCodeSequence, *to, DCM_RequestedProcedureCodeSequence,
                   code_tags, 3))
        empty_sequence(*to, DCM_RequestedProcedureCodeSequence);
}

// "+HHMM" or "-HHMM", from -1200 to +1400 (PS3.3 C.12.1.1.8: no "-0000").
void copy_offset(dicom_sr_source *source, DcmItem &from)
{
    std::string value;
    if (!get_text(from, DCM_TimezoneOffsetFromUTC, value) || value.size() != 5 ||
        (value[0] != '+' && value[0] != '-') || value.find_first_not_of("0123456789", 1) != std::string::npos)
        return;
    int minutes = std::stoi(value.substr(1, 2)) * 60 + std::stoi(value.substr(3, 2));
    minutes = value[0] == '-' ? -minutes : minutes;
    if (minutes < -720 || minutes > 840 || value == "-0000" || std::stoi(value.substr(3, 2)) > 59)
        return;
    source->has_offset = true;
    source->offset_minutes = minutes;
}

bool decode(DcmElement &element, const std::string &charset)
{
    char *text = nullptr;
    std::string utf8;
    if (element.getString(text).bad() || !text || dicom_charset_plain(text))
        return true;
    bool known = dicom_charset_decode(text, charset, element.ident() == EVR_PN, utf8);
    if (element.putString((known ? utf8 : dicom_charset_marked(text)).c_str()).bad())
        throw std::bad_alloc();
    return known;
}

// Every text of the item, those in sequences too; an item may name a character set of its own (PS3.3
// C.12.1.1.2). False when there was one that could not be decoded.
bool decode_all(DcmItem &item, std::string charset)
{
    bool known = true;
    DcmObject *object = nullptr;
    if (item.tagExists(DCM_SpecificCharacterSet))
        get_text(item, DCM_SpecificCharacterSet, charset);
    while ((object = item.nextInContainer(object)) != nullptr) {
        if (object->ident() != EVR_SQ) {
            known = decode(*static_cast<DcmElement *>(object), charset) && known;
            continue;
        }
        auto *sequence = static_cast<DcmSequenceOfItems *>(object);
        for (unsigned long i = 0; i < sequence->card(); i++)
            known = decode_all(*sequence->getItem(i), charset) && known;
    }
    return known;
}

// What is read at all, taken out of the data set so that no other attribute can spoil the conversion.
void take(DcmItem &from, DcmItem &to, const DcmTagKey &tag)
{
    DcmElement *element = nullptr;
    if (from.findAndGetElement(tag, element, OFFalse, OFTrue).good() && element && to.insert(element).bad())
        delete element;
}

void take_all(DcmItem &from, DcmItem &to)
{
    take(from, to, DCM_SpecificCharacterSet);
    for (const attribute &attribute : copied)
        take(from, to, attribute.tag);
    take(from, to, DCM_StudyInstanceUID);
    take(from, to, DCM_TimezoneOffsetFromUTC);
    take(from, to, DCM_ProcedureCodeSequence);
    take(from, to, DCM_DeidentificationMethodCodeSequence);
    take(from, to, DCM_IssuerOfAccessionNumberSequence);
    take(from, to, DCM_RequestAttributesSequence);
}

bool read_source(dicom_sr_source *source, DcmItem &all, const char *path, struct err *err)
{
    DcmDataset taken;
    take_all(all, taken);
    if (!decode_all(taken, ""))
        note(source, DCM_SpecificCharacterSet,
             " does not fit the text: characters that are not ASCII became question marks");
    if (!get_text(taken, DCM_StudyInstanceUID, source->study_uid) || source->study_uid.empty() ||
        source->study_uid.size() > 64)
        return err_decline(err, "no_study_uid", "%s has no Study Instance UID", path);
    put(source->attributes, DCM_StudyInstanceUID, source->study_uid);
    for (const attribute &attribute : copied)
        copy(source, taken, source->attributes, attribute);
    copy_issuer(taken, source->attributes);
    copy_deidentification(source, taken);
    copy_item(taken, DCM_ProcedureCodeSequence, source->attributes, DCM_ProcedureCodeSequence, code_tags, 3);
    if (!copy_item(taken, DCM_ProcedureCodeSequence, source->attributes, DCM_PerformedProcedureCodeSequence,
                   code_tags, 3))
        empty_sequence(source->attributes, DCM_PerformedProcedureCodeSequence);
    copy_request(source, taken);
    copy_offset(source, taken);
    return true;
}

} // namespace

extern "C" struct dicom_sr_source *dicom_sr_source_open(const char *path, struct err *err)
{
    try {
        auto source = std::make_unique<dicom_sr_source>();
        DcmFileFormat file;
        if (!dicom_load(path, dicom_load_for::head, file, err))
            return nullptr;
        return read_source(source.get(), *file.getDataset(), path, err) ? source.release() : nullptr;
    } catch (...) {
        err_fail(err, ERR_NOMEM, "out of memory reading %s", path);
        return nullptr;
    }
}

extern "C" void dicom_sr_source_close(struct dicom_sr_source *source)
{
    delete source;
}

extern "C" const char *dicom_sr_source_study_uid(const struct dicom_sr_source *source)
{
    return source->study_uid.c_str();
}

extern "C" const char *dicom_sr_source_notes(const struct dicom_sr_source *source)
{
    return source->notes.c_str();
}
