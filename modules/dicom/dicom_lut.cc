#include "dicom/dicom_lut.hh"

#include "dicom/dicom_value.hh"

namespace
{

// The first value mapped is signed as the stored values are, whatever its VR says.
int as_stored(double number, bool is_signed)
{
    int bits = int(number) & 0xFFFF;
    return is_signed && bits & 0x8000 ? bits - 0x10000 : bits;
}

bool read_descriptor(DcmItem *item, bool is_signed, struct dicom_lut *lut)
{
    double numbers[3];
    if (dicom_value_numbers(item, DCM_LUTDescriptor, numbers, 3) != 3)
        return false;
    for (double number : numbers) // of a hostile VR
        if (number < -32768 || number > 65535)
            return false;
    lut->count = int(numbers[0]) & 0xFFFF;
    if (!lut->count)
        lut->count = 1 << 16;
    lut->first = as_stored(numbers[1], is_signed);
    lut->bits = int(numbers[2]);
    return lut->bits >= 8 && lut->bits <= 16;
}

// OW, or the US and SS of old objects; entries of 8 bits may be packed in pairs.
bool read_data(DcmItem *item, const struct dicom_lut *lut, std::vector<uint16_t> &entries)
{
    DcmElement *element = nullptr;
    if (item->findAndGetElement(DCM_LUTData, element).bad() || !element)
        return false;
    size_t count = size_t(lut->count), bytes = element->getLengthField();
    bool packed = lut->bits == 8 && bytes < 2 * count;
    if (bytes < (packed ? count : 2 * count))
        return false;
    std::vector<uint8_t> raw(packed ? count + (count & 1) : 2 * count);
    if (bytes < raw.size() ||
        element->getPartialValue(raw.data(), 0, Uint32(raw.size()), nullptr, EBO_LittleEndian).bad())
        return false;
    entries.resize(count);
    for (size_t i = 0; i < count; i++)
        entries[i] = packed ? raw[i] : uint16_t(raw[2 * i] | raw[2 * i + 1] << 8);
    for (uint16_t &entry : entries)
        entry = uint16_t(entry & ((1u << lut->bits) - 1));
    return true;
}

} // namespace

bool dicom_lut_read(DcmItem *dataset, bool is_signed, struct dicom_lut *ret, std::vector<uint16_t> &entries,
                    struct err *err)
{
    DcmItem *item = dicom_value_item(dataset, DCM_ModalityLUTSequence);
    *ret = {};
    if (!item)
        return true;
    if (!read_descriptor(item, is_signed, ret) || !read_data(item, ret, entries))
        return err_decline(err, "modality_lut", "the Modality LUT is damaged");
    ret->entries = entries.data();
    return true;
}
