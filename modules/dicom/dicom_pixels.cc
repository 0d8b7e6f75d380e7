extern "C" {
#include "dicom/dicom_pixels.h"

#include "dicom/dicom_j2k.h"
#include "dicom/dicom_rle.h"
}
#include "dicom/dicom_load.hh"
#include "dicom/dicom_lut.hh"
#include "dicom/dicom_value.hh"

#include <dcmtk/dcmdata/dcfcache.h>
#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

namespace
{

const int64_t max_pixels = int64_t(1) << 26; // of one frame

enum coding { native, by_dcmtk, jpeg_2000, rle };

} // namespace

struct dicom_pixels {
    DcmFileFormat file;
    DcmElement *element = nullptr;
    coding how = native;
    struct dicom_pixels_shape shape = {};
    int high_bit = 0;
    int sample_bytes = 0; // as decoded, before unpacking
    struct dicom_lut lut = {};
    std::vector<uint16_t> lut_entries;
    std::vector<uint8_t> frame; // one frame, native or decoded
    DcmFileCache cache;
    // all but native: the fragments without the offset table, and each frame's first fragment
    std::vector<DcmPixelItem *> fragments;
    std::vector<size_t> first_fragment;
};

namespace
{

size_t pixel_count(const dicom_pixels *pixels)
{
    return size_t(pixels->shape.rows) * pixels->shape.columns;
}

bool read_format(dicom_pixels *pixels, struct err *err)
{
    DcmDataset *dataset = pixels->file.getDataset();
    OFString photometric = dicom_value_text(dataset, DCM_PhotometricInterpretation);
    if (dicom_value_int(dataset, DCM_SamplesPerPixel, 1) != 1 ||
        (!photometric.empty() && photometric.compare(0, 10, "MONOCHROME")))
        return err_decline(err, "colour_image", "not a grey image");
    pixels->shape.rows = dicom_value_int(dataset, DCM_Rows, 0);
    pixels->shape.columns = dicom_value_int(dataset, DCM_Columns, 0);
    if (pixels->shape.rows <= 0 || pixels->shape.columns <= 0 || pixels->shape.rows > 65535 ||
        pixels->shape.columns > 65535 || int64_t(pixels->shape.rows) * pixels->shape.columns > max_pixels)
        return err_fail(err, ERR_INPUT, "%d rows, %d columns", pixels->shape.rows, pixels->shape.columns);
    pixels->shape.frames = dicom_value_int(dataset, DCM_NumberOfFrames, 1);
    if (pixels->shape.frames < 1)
        pixels->shape.frames = 1;
    pixels->shape.bits_allocated = dicom_value_int(dataset, DCM_BitsAllocated, 0);
    int bits = pixels->shape.bits_allocated;
    if (bits != 1 && bits != 8 && bits != 16 && bits != 32)
        return err_fail(err, ERR_UNSUPPORTED, "%d bits allocated", bits);
    pixels->shape.bits_stored = dicom_value_int(dataset, DCM_BitsStored, 0);
    if (pixels->shape.bits_stored < 1 || pixels->shape.bits_stored > pixels->shape.bits_allocated)
        pixels->shape.bits_stored = pixels->shape.bits_allocated;
    pixels->high_bit = dicom_value_int(dataset, DCM_HighBit, -1);
    if (pixels->high_bit < pixels->shape.bits_stored - 1 || pixels->high_bit >= pixels->shape.bits_allocated)
        pixels->high_bit = pixels->shape.bits_stored - 1;
    pixels->shape.is_signed = dicom_value_int(dataset, DCM_PixelRepresentation, 0) == 1;
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

// A JPEG or JPEG-LS image, a JPEG 2000 codestream or JP2 box, or an RLE header (PS3.5 G.5): number of
// segments, first offset 64.
bool starts_frame(DcmPixelItem *item, coding how)
{
    uint8_t head[8];
    if (item->getLengthField() < sizeof head || item->getPartialValue(head, 0, sizeof head).bad())
        return false;
    if (how == rle)
        return head[0] >= 1 && head[0] <= 4 && !std::memcmp(head + 1, "\0\0\0\100\0\0\0", 7);
    if (how == by_dcmtk)
        return !std::memcmp(head, "\xFF\xD8\xFF", 3);
    return !std::memcmp(head, "\xFF\x4F\xFF\x51", 4) || !std::memcmp(head, "\0\0\0\14jP  ", 8);
}

// First fragment of each frame from the Basic Offset Table (PS3.5 A.4): byte offsets of fragments' item tags.
bool frames_by_table(dicom_pixels *pixels, DcmPixelItem *table)
{
    Uint32 bytes = table->getLengthField();
    if (bytes != 4 * Uint32(pixels->shape.frames))
        return false;
    std::vector<uint8_t> offsets(bytes);
    if (table->getPartialValue(offsets.data(), 0, bytes, nullptr, EBO_LittleEndian).bad())
        return false;
    uint64_t start = 0;
    size_t fragment = 0;
    for (int i = 0; i < pixels->shape.frames; i++) {
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

bool frames_by_header(dicom_pixels *pixels)
{
    for (size_t i = 0; i < pixels->fragments.size(); i++)
        if (starts_frame(pixels->fragments[i], pixels->how))
            pixels->first_fragment.push_back(i);
    return pixels->first_fragment.size() == size_t(pixels->shape.frames);
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
    if (!table || !count || count < size_t(pixels->shape.frames))
        return err_fail(err, ERR_INPUT, "%zu fragments for %d frames", count, pixels->shape.frames);
    if (pixels->shape.frames == 1) {
        pixels->first_fragment.push_back(0);
    } else if (!frames_by_table(pixels, table)) {
        pixels->first_fragment.clear();
        if (count == size_t(pixels->shape.frames))
            for (size_t i = 0; i < count; i++)
                pixels->first_fragment.push_back(i);
        else if (!frames_by_header(pixels))
            return err_fail(err, ERR_INPUT, "%zu fragments cannot be told apart into %d frames", count,
                            pixels->shape.frames);
    }
    pixels->first_fragment.push_back(count);
    return true;
}

// Sample precision in the frame header (SOF) of a JPEG stream, 0 when there is none. source: ISO 10918-1
// B.2.2.
int jpeg_precision(const uint8_t *bytes, size_t size)
{
    for (size_t i = 2; i + 5 <= size && bytes[i] == 0xFF;) {
        uint8_t marker = bytes[i + 1];
        if (marker == 0xFF) {
            i++;
            continue;
        }
        if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC)
            return bytes[i + 4];
        i += 2 + (size_t(bytes[i + 2]) << 8 | bytes[i + 3]);
    }
    return 0;
}

/* Bytes of one sample as DCMTK's codecs leave it: a JPEG of at most 8 bits comes out as bytes whatever Bits
 * Allocated says. */
int decoded_bytes(dicom_pixels *pixels, DcmPixelSequence *sequence)
{
    DcmPixelItem *first = nullptr;
    E_TransferSyntax syntax = pixels->file.getDataset()->getOriginalXfer();
    bool is_jpeg = syntax >= EXS_JPEGProcess1 && syntax <= EXS_JPEGProcess14SV1;
    if (!is_jpeg || sequence->getItem(first, 1).bad() || !first)
        return pixels->shape.bits_allocated / 8;
    std::vector<uint8_t> head(first->getLengthField() < 65536 ? first->getLengthField() : 65536);
    if (head.empty() || first->getPartialValue(head.data(), 0, Uint32(head.size())).bad())
        return pixels->shape.bits_allocated / 8;
    int precision = jpeg_precision(head.data(), head.size());
    return precision >= 1 && precision <= 8 ? 1 : pixels->shape.bits_allocated / 8;
}

bool find_pixels(dicom_pixels *pixels, struct err *err)
{
    DcmDataset *dataset = pixels->file.getDataset();
    if (dataset->findAndGetElement(DCM_PixelData, pixels->element).bad() || !pixels->element)
        return dataset->tagExists(DCM_FloatPixelData) || dataset->tagExists(DCM_DoubleFloatPixelData)
                   ? err_decline(err, "float_pixels", "pixels are floating point numbers")
                   : err_decline(err, "no_pixels", "no pixel data");
    DcmPixelSequence *sequence = nullptr;
    if (pixels->element->ident() == EVR_PixelData)
        OFstatic_cast(DcmPixelData *, pixels->element)
            ->getEncapsulatedRepresentation(dataset->getOriginalXfer(), nullptr, sequence);
    E_TransferSyntax syntax = dataset->getOriginalXfer();
    pixels->sample_bytes = (pixels->shape.bits_allocated + 7) / 8;
    if (sequence && pixels->shape.bits_allocated == 1)
        return err_fail(err, ERR_UNSUPPORTED, "single bits in a compressed transfer syntax");
    pixels->how = !sequence                    ? native
                  : is_jpeg_2000(pixels->file) ? jpeg_2000
                  : syntax == EXS_RLELossless  ? rle
                                               : by_dcmtk;
    if (pixels->how == by_dcmtk)
        pixels->sample_bytes = decoded_bytes(pixels, sequence);
    if (sequence)
        return find_frames(pixels, sequence, err);
    double needed =
        std::ceil(double(pixel_count(pixels)) * pixels->shape.bits_allocated / 8 * pixels->shape.frames);
    if (pixels->element->getLengthField() < needed)
        return err_fail(err, ERR_INPUT, "pixel data has %u bytes of %.0f", pixels->element->getLengthField(),
                        needed);
    return true;
}

// Single bits as bytes; a frame begins in the middle of a byte (PS3.5 8.1.1).
bool fetch_bits(dicom_pixels *pixels, int number, struct err *err)
{
    size_t count = pixel_count(pixels);
    uint64_t first = uint64_t(number) * count;
    std::vector<uint8_t> packed(size_t((first + count + 7) / 8 - first / 8));
    OFCondition condition = pixels->element->getPartialValue(
        packed.data(), Uint32(first / 8), Uint32(packed.size()), &pixels->cache, EBO_LittleEndian);
    if (condition.bad())
        return err_fail(err, ERR_INPUT, "pixel data cannot be read: %s", condition.text());
    for (size_t i = 0; i < count; i++)
        pixels->frame[i] = packed[(first % 8 + i) / 8] >> (first + i) % 8 & 1;
    return true;
}

bool fetch_native(dicom_pixels *pixels, int number, struct err *err)
{
    size_t size = pixels->frame.size();
    uint64_t offset = uint64_t(number) * size;
    if (pixels->shape.bits_allocated == 1)
        return fetch_bits(pixels, number, err);
    OFCondition condition = pixels->element->getPartialValue(pixels->frame.data(), Uint32(offset),
                                                             Uint32(size), &pixels->cache, EBO_LittleEndian);
    return condition.good() || err_fail(err, ERR_INPUT, "pixel data cannot be read: %s", condition.text());
}

bool fetch_by_dcmtk(dicom_pixels *pixels, int number, struct err *err)
{
    Uint32 fragment = Uint32(pixels->first_fragment[size_t(number)] + 1); // 0 is the offset table
    OFString colour_model;
    OFCondition condition =
        OFstatic_cast(DcmPixelData *, pixels->element)
            ->getUncompressedFrame(pixels->file.getDataset(), Uint32(number), fragment, pixels->frame.data(),
                                   Uint32(pixels->frame.size()), colour_model, &pixels->cache);
    if (condition.good())
        return true;
    if (condition == EC_CannotChangeRepresentation || condition == EC_UnsupportedEncoding)
        return err_fail(err, ERR_UNSUPPORTED, "no decoder: %s", condition.text());
    return err_fail(err, ERR_INPUT, "frame %d cannot be decoded: %s", number + 1, condition.text());
}

void unpack(const dicom_pixels *pixels, int32_t *values)
{
    int bytes = pixels->sample_bytes;
    int low = pixels->how != by_dcmtk ? pixels->high_bit + 1 - pixels->shape.bits_stored : 0;
    uint64_t mask = (uint64_t(1) << pixels->shape.bits_stored) - 1, sign = uint64_t(1)
                                                                           << (pixels->shape.bits_stored - 1);
    size_t count = pixel_count(pixels);
    const uint8_t *from = pixels->frame.data();
    for (size_t i = 0; i < count; i++, from += bytes) {
        uint64_t bits = from[0];
        if (bytes > 1)
            bits |= uint64_t(from[1]) << 8;
        if (bytes > 2)
            bits |= uint64_t(from[2]) << 16 | uint64_t(from[3]) << 24;
        bits = bits >> low & mask;
        int64_t value = pixels->shape.is_signed && (bits & sign) ? int64_t(bits | ~mask) : int64_t(bits);
        values[i] = int32_t(uint32_t(value));
    }
}

// The fragments of one frame as one piece.
bool join_fragments(dicom_pixels *pixels, int number, std::vector<uint8_t> &joined, struct err *err)
{
    for (size_t i = pixels->first_fragment[number]; i < pixels->first_fragment[number + 1]; i++) {
        DcmPixelItem *item = pixels->fragments[i];
        size_t start = joined.size(), length = item->getLengthField();
        if (!length)
            continue;
        joined.resize(start + length);
        if (item->getPartialValue(&joined[start], 0, Uint32(length), &pixels->cache).bad())
            return err_fail(err, ERR_INPUT, "frame %d cannot be read", number + 1);
    }
    return true;
}

bool decode_j2k(dicom_pixels *pixels, int number, int32_t *values, struct err *err)
{
    std::vector<uint8_t> codestream;
    return join_fragments(pixels, number, codestream, err) &&
           dicom_j2k_decode(codestream.data(), codestream.size(), &pixels->shape, values, err);
}

bool fetch_rle(dicom_pixels *pixels, int number, struct err *err)
{
    std::vector<uint8_t> coded;
    return join_fragments(pixels, number, coded, err) &&
           dicom_rle_decode(coded.data(), coded.size(), pixel_count(pixels), pixels->shape.bits_allocated / 8,
                            pixels->frame.data(), err);
}

bool decode(dicom_pixels *pixels, int number, int32_t *values, struct err *err)
{
    if (number < 0 || number >= pixels->shape.frames)
        return err_fail(err, ERR_INPUT, "frame %d of %d", number + 1, pixels->shape.frames);
    if (pixels->how == jpeg_2000)
        return decode_j2k(pixels, number, values, err) || err_prefix(err, "frame %d", number + 1);
    size_t size = pixel_count(pixels) * pixels->sample_bytes;
    pixels->frame.resize(pixels->how == by_dcmtk ? size + (size & 1) : size); // the codecs want an even size
    bool fetched = pixels->how == native ? fetch_native(pixels, number, err)
                   : pixels->how == rle  ? fetch_rle(pixels, number, err)
                                         : fetch_by_dcmtk(pixels, number, err);
    if (fetched)
        unpack(pixels, values);
    return fetched;
}

} // namespace

extern "C" struct dicom_pixels *dicom_pixels_open(const char *path, struct err *err)
{
    try {
        std::unique_ptr<dicom_pixels> pixels(new dicom_pixels);
        if (!dicom_load(path, dicom_load_for::pixels, pixels->file, err) || !read_format(pixels.get(), err) ||
            !find_pixels(pixels.get(), err) ||
            !dicom_lut_read(pixels->file.getDataset(), pixels->shape.is_signed, &pixels->lut,
                            pixels->lut_entries, err))
            return nullptr;
        return pixels.release();
    } catch (const std::bad_alloc &) {
        err_fail(err, ERR_NOMEM, "out of memory opening pixel data");
    } catch (...) {
        err_fail(err, ERR_INPUT, "pixel data damaged: the parser gave up");
    }
    return nullptr;
}

extern "C" const struct dicom_pixels_shape *dicom_pixels_shape(const struct dicom_pixels *pixels)
{
    return &pixels->shape;
}

extern "C" const struct dicom_lut *dicom_pixels_lut(const struct dicom_pixels *pixels)
{
    return pixels->lut.count ? &pixels->lut : nullptr;
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
        return err_fail(err, ERR_NOMEM, "out of memory decoding frame %d", frame + 1);
    } catch (...) {
        return err_fail(err, ERR_INPUT, "frame %d: the decoder gave up", frame + 1);
    }
}
