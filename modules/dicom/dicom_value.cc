#include "dicom/dicom_value.hh"

#include "dicom/dicom_charset.hh"

#include <climits>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace
{

const Uint32 max_text_bytes = 1024;

bool is_padding(char c)
{
    return c == ' ' || c == '\0' || c == '\n' || c == '\r' || c == '\t';
}

OFString trimmed(const char *bytes, size_t size)
{
    while (size && is_padding(bytes[size - 1]))
        size--;
    while (size && is_padding(*bytes)) {
        bytes++;
        size--;
    }
    return OFString(bytes, size);
}

DcmElement *element_of(DcmItem *item, const DcmTagKey &tag)
{
    DcmElement *element = nullptr;
    if (!item || item->findAndGetElement(tag, element).bad() || !element)
        return nullptr;
    return element->getLengthField() <= max_text_bytes ? element : nullptr;
}

// "1,024": a decimal comma or thousands? "0,625" can only be the former.
bool is_ambiguous(const char *digits)
{
    const char *comma = std::strchr(digits, ',');
    return comma && std::strlen(comma) == 4 && std::strtol(digits, nullptr, 10) != 0;
}

bool parse_number(const OFString &text, size_t *start, double *number)
{
    size_t stop = text.find('\\', *start);
    if (stop == OFString_npos)
        stop = text.size();
    OFString value = trimmed(text.c_str() + *start, stop - *start);
    *start = stop + 1;
    char digits[65]; // a DS or IS value is short
    if (value.size() >= sizeof digits)
        return false;
    std::snprintf(digits, sizeof digits, "%s", value.c_str());
    if (is_ambiguous(digits))
        return false;
    for (char *c = digits; *c; c++) {
        if (*c == ',')
            *c = '.';
        if (std::strchr("xXnNpP", *c)) // no hexadecimal, nan, inf
            return false;
    }
    char *end;
    *number = std::strtod(digits, &end);
    return end != digits && !*end && std::isfinite(*number);
}

// A binary number has been made text by us.
bool is_text_element(DcmItem *item, const DcmTagKey &tag)
{
    DcmEVR vr = element_of(item, tag)->ident();
    return vr == EVR_DS || vr == EVR_IS || vr == EVR_UN || vr == EVR_LO || vr == EVR_SH;
}

bool is_odd(const OFString &text, int count)
{
    const size_t most = 16;
    int values = 1;
    size_t start = 0;
    for (size_t i = 0; i <= text.size(); i++) {
        if (i < text.size() && text[i] != '\\') {
            if (text[i] == ',' || (text[i] != ' ' && is_padding(text[i])))
                return true;
            continue;
        }
        if (i - start > most)
            return true;
        start = i + 1;
        values += i < text.size();
    }
    return values > count;
}

} // namespace

OFString dicom_value_text(DcmItem *item, const DcmTagKey &tag)
{
    DcmElement *element = element_of(item, tag);
    if (!element || !element->isLeaf())
        return "";
    Uint8 *bytes = nullptr;
    if (element->ident() == EVR_UN || element->ident() == EVR_OB) {
        if (element->getUint8Array(bytes).bad() || !bytes)
            return "";
        return trimmed(reinterpret_cast<const char *>(bytes), element->getLengthField());
    }
    OFString text;
    if (element->getOFStringArray(text, OFFalse).bad())
        return "";
    return trimmed(text.c_str(), text.size());
}

int dicom_value_numbers(DcmItem *item, const DcmTagKey &tag, double *numbers, int count, bool *odd)
{
    OFString text = dicom_value_text(item, tag);
    size_t start = 0;
    int found = 0;
    while (found < count && start < text.size() && parse_number(text, &start, &numbers[found]))
        found++;
    if (odd && found == count && is_text_element(item, tag))
        *odd |= is_odd(text, count);
    return found;
}

bool dicom_value_number(DcmItem *item, const DcmTagKey &tag, double *number, bool *odd)
{
    double found;
    if (dicom_value_numbers(item, tag, &found, 1, odd) != 1)
        return false;
    *number = found;
    return true;
}

int dicom_value_int(DcmItem *item, const DcmTagKey &tag, int absent)
{
    double number;
    if (!dicom_value_number(item, tag, &number))
        return absent;
    return static_cast<int>(number < INT_MIN ? INT_MIN : number > INT_MAX ? INT_MAX : number);
}

bool dicom_value_time(DcmItem *item, const DcmTagKey &tag, double *seconds)
{
    OFString text = dicom_value_text(item, tag);
    OFString digits; // without colons and time zone
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '+' || text[i] == '-' || text[i] == '\\')
            break;
        if (text[i] != ':')
            digits += text[i];
    }
    size_t whole = digits.find('.');
    if (whole == OFString_npos)
        whole = digits.size();
    const char *time = digits.c_str() + (whole > 6 ? 8 : 0); // a DT starts with the date
    if (whole > 14 || (whole > 6 && whole < 10))
        return false;
    int hours, minutes = 0, read = std::sscanf(time, "%2d%2d", &hours, &minutes);
    if (read < 1 || hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    double rest = std::strlen(time) > 4 ? std::strtod(time + 4, nullptr) : 0;
    if (!(rest >= 0 && rest < 62))
        return false;
    *seconds = hours * 3600 + minutes * 60 + rest;
    return true;
}

DcmItem *dicom_value_item(DcmItem *item, const DcmTagKey &sequence, unsigned long index)
{
    DcmElement *element = nullptr;
    if (!item || item->findAndGetElement(sequence, element).bad() || !element || element->ident() != EVR_SQ)
        return nullptr;
    DcmSequenceOfItems *items = OFstatic_cast(DcmSequenceOfItems *, element);
    return index < items->card() ? items->getItem(index) : nullptr;
}

void dicom_value_copy(char *field, size_t size, const OFString &text)
{
    size_t length = text.size() < size ? text.size() : size - 1;
    if (length < text.size())
        while (length && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
            length--;
    for (size_t i = 0; i < length; i++)
        field[i] = static_cast<unsigned char>(text[i]) < 0x20 || text[i] == 0x7F ? ' ' : text[i];
    field[length] = '\0';
}

dicom_charset::dicom_charset(DcmItem *dataset)
    : dataset_(dataset), charset_(dicom_value_text(dataset, DCM_SpecificCharacterSet).c_str())
{
}

void dicom_charset::copy(char *field, size_t size, const DcmTagKey &tag, DcmItem *item)
{
    OFString value = dicom_value_text(item ? item : dataset_, tag);
    std::string text(value.c_str(), value.size()), utf8;
    if (!dicom_charset_decode(text, charset_, false, utf8))
        utf8 = dicom_charset_marked(text);
    dicom_value_copy(field, size, OFString(utf8.c_str(), utf8.size()));
}
