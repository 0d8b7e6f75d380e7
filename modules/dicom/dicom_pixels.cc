extern "C" {
#include "dicom/dicom_pixels.h"

#include "dicom/dicom_j2k.h"
}
#include "dicom/dicom_load.hh"
#include "dicom/dicom_value.hh"

#include <dcmtk/dcmdata/dcfcache.h>
#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>

#include <cstring>
#include <memory>
#include <new>
#include <vector>

namespace
{

const int64_t max_pixels = int64_t(1) << 26; // of one frame

enum coding { native, by_dcmtk, jpeg_2000 };

} // namespace

struct dicom_pixels {
    DcmFileFormat file;
    DcmElement *element = nullptr;
    coding how = native;
    int rows = 0, columns = 0, frames = 0;
    int bits_allocated = 0, bits_stored = 0, high_bit = 0;
    bool is_signed = false;
    std::vector<uint8_t> frame; // one frame, native or decoded
    DcmFileCache cache;
    // by_dcmtk: where the next frame starts, when frames are asked for in order
    int next_frame = 0;
    Uint32 next_fragment = 0;
    // jpeg_2000: the fragments without the offset table, and each frame's first fragment
    std::vector<DcmPixelItem *> fragments;
    std::vector<size_t> first_fragment;
};

namespace
{

size_t pixel_count(const dicom_pixels *pixels)
{
    return size_t(pixels->rows) * pixels->columns;
}

bool read_format(dicom_pixels *pixels, struct err *err)
{
    DcmDataset *dataset = pixels->file.getDataset();
    OFString photometric = dicom_value_text(dataset, DCM_PhotometricInterpretation);
    if (dicom_value_int(dataset, DCM_SamplesPerPixel, 1) != 1 ||
        (!photometric.empty() && photometric.compare(0, 10, "MONOCHROME")))
        return err_decline(err, "colour_image", "not a grey image");
    pixels->rows = dicom_value_int(dataset, DCM_Rows, 0);
    pixels->columns = dicom_value_int(dataset, DCM_Columns, 0);
    if (pixels->rows <= 0 || pixels->columns <= 0 || pixels->rows > 65535 || pixels->columns > 65535 ||
        int64_t(pixels->rows) * pixels->columns > max_pixels)
        return err_fail(err, ERR_INPUT, "%d rows, %d columns", pixels->rows, pixels->columns);
    pixels->frames = dicom_value_int(dataset, DCM_NumberOfFrames, 1);
    if (pixels->frames < 1)
        pixels->frames = 1;
    pixels->bits_allocated = dicom_value_int(dataset, DCM_BitsAllocated, 0);
    if (pixels->bits_allocated != 8 && pixels->bits_allocated != 16 && pixels->bits_allocated != 32)
        return err_fail(err, ERR_UNSUPPORTED, "%d bits allocated", pixels->bits_allocated);
    pixels->bits_stored = dicom_value_int(dataset, DCM_BitsStored, 0);
    if (pixels->bits_stored < 1 || pixels->bits_stored > pixels->bits_allocated)
        pixels->bits_stored = pixels->bits_allocated;
    pixels->high_bit = dicom_value_int(dataset, DCM_HighBit, -1);
    if (pixels->high_bit < pixels->bits_stored - 1 || pixels->high_bit >= pixels->bits_allocated)
        pixels->high_bit = pixels->bits_stored - 1;
    pixels->is_signed = dicom_value_int(dataset, DCM_PixelRepresentation, 0) == 1;
    return true;
}

bool is_jpeg_2000(DcmFileFormat &file)
{
    // HTJ2K by name: DCMTK 3.6.7 does not know it.
    static const char *const uids[] = {"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91",
                                       "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202",
                                       "1.2.840.10008.1.2.4.203"};
    OFString uid = dicom_value_text(file.getMetaInfo(), DCM_TransferSyntaxUID);
    for (const char *known : uids)
        if (uid == known)
            return true;
    return false;
}

bool starts_codestream(DcmPixelItem *item)
{
    static const uint8_t soc_siz[] = {0xFF, 0x4F, 0xFF, 0x51}, jp2_box[] = {0, 0, 0, 12};
    uint8_t head[4];
    if (item->getLengthField() < sizeof head || item->getPartialValue(head, 0, sizeof head).bad())
        return false;
    return !std::memcmp(head, soc_siz, sizeof head) || !std::memcmp(head, jp2_box, sizeof head);
}

// First fragment of each frame from the Basic Offset Table (PS3.5 A.4): byte offsets of fragments' item tags.
bool frames_by_table(dicom_pixels *pixels, DcmPixelItem *table)
{
    Uint32 bytes = table->getLengthField();
    if (bytes != 4 * Uint32(pixels->frames))
        return false;
    std::vector<uint8_t> offsets(bytes);
    if (table->getPartialValue(offsets.data(), 0, bytes, nullptr, EBO_LittleEndian).bad())
        return false;
    uint64_t start = 0;
    size_t fragment = 0;
    for (int i = 0; i < pixels->frames; i++) {
        uint32_t wanted = offsets[4 * i] | offsets[4 * i + 1] << 8 | offsets[4 * i + 2] << 16 |
                          uint32_t(offsets[4 * i + 3]) << 24;
        while (fragment < pixels->fragments.size() && start < wanted)
            start += 8 + uint64_t(pixels->fragments[fragment++]->getLengthField());
        if (fragment == pixels->fragments.size() || start != wanted)
            return false;
        pixels->first_fragment.push_back(fragment);
    }
    return true;
}

bool frames_by_start_code(dicom_pixels *pixels)
{
    for (size_t i = 0; i < pixels->fragments.size(); i++)
        if (starts_codestream(pixels->fragments[i]))
            pixels->first_fragment.push_back(i);
    return pixels->first_fragment.size() == size_t(pixels->frames);
}

bool find_frames(dicom_pixels *pixels, DcmPixelSequence *sequence, struct err *err)
{
    DcmPixelItem *table = nullptr;
    for (DcmObject *item = sequence->nextInContainer(nullptr); item; item = sequence->nextInContainer(item)) {
        if (!table)
            table = OFstatic_cast(DcmPixelItem *, item);
        else
            pixels->fragments.push_back(OFstatic_cast(DcmPixelItem *, item));
    }
    size_t count = pixels->fragments.size();
    if (!table || !count || count < size_t(pixels->frames))
        return err_fail(err, ERR_INPUT, "%zu fragments for %d frames", count, pixels->frames);
    if (pixels->frames == 1) {
        pixels->first_fragment.push_back(0);
    } else if (!frames_by_table(pixels, table)) {
        pixels->first_fragment.clear();
        if (count == size_t(pixels->frames))
            for (size_t i = 0; i < count; i++)
                pixels->first_fragment.push_back(i);
        else if (!frames_by_start_code(pixels))
            return err_fail(err, ERR_INPUT, "%zu fragments cannot be told apart into %d frames", count,
                            pixels->frames);
    }
    pixels->first_fragment.push_back(count);
    return true;
}

bool find_pixels(dicom_pixels *pixels, struct err *err)
{
    DcmDataset *dataset = pixels->file.getDataset();
    if (dataset->findAndGetElement(DCM_PixelData, pixels->element).bad() || !pixels->element)
        return err_decline(err, "no_pixels", "no pixel data");
    DcmPixelSequence *sequence = nullptr;
    if (pixels->element->ident() == EVR_PixelData)
        OFstatic_cast(DcmPixelData *, pixels->element)
            ->getEncapsulatedRepresentation(dataset->getOriginalXfer(), nullptr, sequence);
    if (sequence && is_jpeg_2000(pixels->file)) {
        pixels->how = jpeg_2000;
        return find_frames(pixels, sequence, err);
    }
    pixels->how = sequence ? by_dcmtk : native;
    double needed = double(pixel_count(pixels)) * (pixels->bits_allocated / 8) * pixels->frames;
    if (!sequence && pixels->element->getLengthField() < needed)
        return err_fail(err, ERR_INPUT, "pixel data has %u bytes of %.0f", pixels->element->getLengthField(),
                        needed);
    return true;
}

/* Bytes of one sample as DCMTK's codecs leave it: a JPEG of at most 8 bits comes out as bytes whatever Bits
 * Allocated says. */
int decoded_bytes(dicom_pixels *pixels)
{
    E_TransferSyntax syntax = pixels->file.getDataset()->getOriginalXfer();
    bool is_jpeg = syntax >= EXS_JPEGProcess1 && syntax <= EXS_JPEGProcess14SV1;
    Uint32 precision = 0;
    if (is_jpeg && pixels->bits_allocated == 16 && pixels->bits_stored <= 8)
        precision = 8;
    return precision ? 1 : pixels->bits_allocated / 8;
}

bool fetch_native(dicom_pixels *pixels, int number, struct err *err)
{
    size_t size = pixels->frame.size();
    uint64_t offset = uint64_t(number) * size;
    OFCondition condition = pixels->element->getPartialValue(pixels->frame.data(), Uint32(offset),
                                                             Uint32(size), &pixels->cache, EBO_LittleEndian);
    return condition.good() || err_fail(err, ERR_INPUT, "pixel data cannot be read: %s", condition.text());
}

bool fetch_by_dcmtk(dicom_pixels *pixels, int number, struct err *err)
{
    if (number != pixels->next_frame)
        pixels->next_fragment = 0; // DCMTK then looks for it
    OFString colour_model;
    OFCondition condition =
        OFstatic_cast(DcmPixelData *, pixels->element)
            ->getUncompressedFrame(pixels->file.getDataset(), Uint32(number), pixels->next_fragment,
                                   pixels->frame.data(), Uint32(pixels->frame.size()), colour_model,
                                   &pixels->cache);
    pixels->next_frame = condition.good() ? number + 1 : 0;
    if (condition.good())
        return true;
    pixels->next_fragment = 0;
    if (condition == EC_CannotChangeRepresentation || condition == EC_UnsupportedEncoding)
        return err_fail(err, ERR_UNSUPPORTED, "no decoder: %s", condition.text());
    return err_fail(err, ERR_INPUT, "frame %d cannot be decoded: %s", number, condition.text());
}

void unpack(const dicom_pixels *pixels, int bytes, int32_t *values)
{
    int low = pixels->how == native ? pixels->high_bit + 1 - pixels->bits_stored : 0;
    uint64_t mask = (uint64_t(1) << pixels->bits_stored) - 1, sign = uint64_t(1) << (pixels->bits_stored - 1);
    size_t count = pixel_count(pixels);
    const uint8_t *from = pixels->frame.data();
    for (size_t i = 0; i < count; i++, from += bytes) {
        uint64_t bits = from[0];
        if (bytes > 1)
            bits |= uint64_t(from[1]) << 8;
        if (bytes > 2)
            bits |= uint64_t(from[2]) << 16 | uint64_t(from[3]) << 24;
        bits = bits >> low & mask;
        int64_t value = pixels->is_signed && (bits & sign) ? int64_t(bits | ~mask) : int64_t(bits);
        values[i] = value > INT32_MAX ? INT32_MAX : int32_t(value);
    }
}

bool decode_j2k(dicom_pixels *pixels, int number, int32_t *values, struct err *err)
{
    std::vector<uint8_t> codestream;
    for (size_t i = pixels->first_fragment[number]; i < pixels->first_fragment[number + 1]; i++) {
        DcmPixelItem *item = pixels->fragments[i];
        size_t start = codestream.size(), length = item->getLengthField();
        if (!length)
            continue;
        codestream.resize(start + length);
        if (item->getPartialValue(&codestream[start], 0, Uint32(length), &pixels->cache).bad())
            return err_fail(err, ERR_INPUT, "frame %d cannot be read", number);
    }
    return dicom_j2k_decode(codestream.data(), codestream.size(), pixels->rows, pixels->columns,
                            pixels->is_signed, values, err) ||
           err_prefix(err, "frame %d", number);
}

bool decode(dicom_pixels *pixels, int number, int32_t *values, struct err *err)
{
    if (number < 0 || number >= pixels->frames)
        return err_fail(err, ERR_INPUT, "frame %d of %d", number, pixels->frames);
    if (pixels->how == jpeg_2000)
        return decode_j2k(pixels, number, values, err);
    int bytes = pixels->how == by_dcmtk ? decoded_bytes(pixels) : pixels->bits_allocated / 8;
    size_t size = pixel_count(pixels) * bytes;
    pixels->frame.resize(pixels->how == by_dcmtk ? size + (size & 1) : size); // the codecs want an even size
    if (!(pixels->how == native ? fetch_native(pixels, number, err) : fetch_by_dcmtk(pixels, number, err)))
        return false;
    unpack(pixels, bytes, values);
    return true;
}

} // namespace

extern "C" struct dicom_pixels *dicom_pixels_open(const char *path, struct err *err)
{
    try {
        std::unique_ptr<dicom_pixels> pixels(new dicom_pixels);
        if (!dicom_load(path, dicom_load_for::pixels, pixels->file, err) || !read_format(pixels.get(), err) ||
            !find_pixels(pixels.get(), err))
            return nullptr;
        return pixels.release();
    } catch (const std::bad_alloc &) {
        err_fail(err, ERR_NOMEM, "out of memory opening pixel data");
    } catch (...) {
        err_fail(err, ERR_INPUT, "pixel data damaged: the parser gave up");
    }
    return nullptr;
}

extern "C" void dicom_pixels_close(struct dicom_pixels *pixels)
{
    delete pixels;
}

extern "C" bool dicom_pixels_frame(struct dicom_pixels *pixels, int frame, int32_t *values, struct err *err)
{
    try {
        return decode(pixels, frame, values, err);
    } catch (const std::bad_alloc &) {
        return err_fail(err, ERR_NOMEM, "out of memory decoding frame %d", frame);
    } catch (...) {
        return err_fail(err, ERR_INPUT, "frame %d: the decoder gave up", frame);
    }
}
