extern "C" {
#include "dicom/dicom_seg.h"
#include "dicom/dicom_pixels.h"
}
#include "dicom/dicom_load.hh"
#include "dicom/dicom_value.hh"

#include <dcmtk/dcmdata/dcfcache.h>
#include <dcmtk/dcmdata/dcuid.h>

#include <cstring>
#include <memory>
#include <new>
#include <vector>

struct dicom_seg {
    DcmFileFormat file;
    DcmElement *bits = nullptr; // of a binary object
    DcmFileCache cache;
    std::vector<uint8_t> packed;
    struct dicom_pixels *fractions = nullptr;
    std::vector<int32_t> values;
    const struct dicom_head *head = nullptr;
    int half = 1; // of fraction_max

    ~dicom_seg()
    {
        dicom_pixels_close(fractions);
    }
};

namespace
{

const int max_segments = 65535; // the number is 16 bits

DcmSequenceOfItems *sequence(DcmItem *item, const DcmTagKey &tag)
{
    DcmElement *element = nullptr;
    if (item && item->findAndGetElement(tag, element).good() && element && element->ident() == EVR_SQ)
        return OFstatic_cast(DcmSequenceOfItems *, element);
    return nullptr;
}

void read_code(DcmItem *item, const DcmTagKey &tag, struct dicom_coded *code)
{
    DcmItem *from = dicom_value_item(item, tag);
    dicom_value_copy(code->scheme, sizeof code->scheme, dicom_value_text(from, DCM_CodingSchemeDesignator));
    dicom_value_copy(code->value, sizeof code->value, dicom_value_text(from, DCM_CodeValue));
}

// index[number] is that segment's place from 1.
bool read_segments(DcmItem *dataset, struct arena *arena, struct dicom_segmentation *ret,
                   std::vector<int> &index, struct err *err)
{
    DcmSequenceOfItems *items = sequence(dataset, DCM_SegmentSequence);
    unsigned long count = items ? items->card() : 0;
    if (count < 1 || count > max_segments)
        return err_fail(err, ERR_INPUT, "a segmentation of %lu segments", count);
    ret->segments = ARENA_ARRAY(arena, struct dicom_segment, count);
    if (!ret->segments)
        return err_fail(err, ERR_NOMEM, "out of memory for %lu segments", count);
    dicom_charset charset(dataset);
    for (DcmObject *at = nullptr; (at = items->nextInContainer(at));) {
        DcmItem *item = OFstatic_cast(DcmItem *, at);
        struct dicom_segment *segment = &ret->segments[ret->segment_count++];
        segment->number = dicom_value_int(item, DCM_SegmentNumber, 0);
        if (segment->number < 1 || segment->number > max_segments || index[segment->number])
            return err_fail(err, ERR_INPUT, "segment number %d is twice there or none", segment->number);
        index[segment->number] = ret->segment_count;
        charset.copy(segment->label, sizeof segment->label, DCM_SegmentLabel, item);
        read_code(item, DCM_SegmentedPropertyTypeCodeSequence, &segment->type);
    }
    return true;
}

int segment_number(DcmItem *groups)
{
    return dicom_value_int(dicom_value_item(groups, DCM_SegmentIdentificationSequence),
                           DCM_ReferencedSegmentNumber, 0);
}

bool read_frames(DcmItem *dataset, int count, const std::vector<int> &index, struct arena *arena,
                 struct dicom_segmentation *ret, struct err *err)
{
    DcmItem *shared = dicom_value_item(dataset, DCM_SharedFunctionalGroupsSequence);
    DcmSequenceOfItems *frames = sequence(dataset, DCM_PerFrameFunctionalGroupsSequence);
    int for_all = shared ? segment_number(shared) : 0;
    ret->frame_segment = ARENA_ARRAY(arena, int, size_t(count));
    if (!ret->frame_segment)
        return err_fail(err, ERR_NOMEM, "out of memory for %d frames", count);
    DcmObject *at = nullptr;
    for (int i = 0; i < count; i++) {
        if (frames)
            at = frames->nextInContainer(at);
        if (!at)
            frames = nullptr;
        int number = at ? segment_number(OFstatic_cast(DcmItem *, at)) : 0;
        number = number ? number : for_all;
        if (number < 1 || number > max_segments || !index[number])
            return err_fail(err, ERR_INPUT, "frame %d is of segment %d, which is not there", i + 1, number);
        ret->frame_segment[i] = index[number] - 1;
    }
    return true;
}

// Per-frame measures are allowed, but then spacing is what the positions say.
void read_spacing(DcmItem *dataset, struct dicom_segmentation *ret)
{
    DcmItem *shared = dicom_value_item(dataset, DCM_SharedFunctionalGroupsSequence);
    DcmItem *measures = shared ? dicom_value_item(shared, DCM_PixelMeasuresSequence) : nullptr;
    double spacing;
    if (measures && dicom_value_number(measures, DCM_SpacingBetweenSlices, &spacing) && spacing > 0)
        ret->spacing_z_mm = spacing;
}

bool read_type(DcmItem *dataset, struct dicom_segmentation *ret, struct err *err)
{
    OFString type = dicom_value_text(dataset, DCM_SegmentationType);
    ret->fractional = type == "FRACTIONAL";
    if (!ret->fractional && type != "BINARY")
        return err_fail(err, ERR_INPUT, "a segmentation neither BINARY nor FRACTIONAL");
    ret->fraction_max = ret->fractional ? dicom_value_int(dataset, DCM_MaximumFractionalValue, 0) : 1;
    return (ret->fraction_max >= 1 && ret->fraction_max <= 255) ||
           err_fail(err, ERR_INPUT, "Maximum Fractional Value is %d", ret->fraction_max);
}

bool read_record(dicom_seg *seg, struct arena *arena, struct dicom_segmentation *ret, struct err *err)
{
    DcmDataset *dataset = seg->file.getDataset();
    std::vector<int> index(size_t(max_segments) + 1);
    OFString created =
        dicom_value_text(dataset, DCM_ContentDate) + dicom_value_text(dataset, DCM_ContentTime);
    dicom_value_copy(ret->created, sizeof ret->created, created);
    read_spacing(dataset, ret);
    return read_type(dataset, ret, err) && read_segments(dataset, arena, ret, index, err) &&
           read_frames(dataset, seg->head->frame_count, index, arena, ret, err);
}

bool open_bits(dicom_seg *seg, struct err *err)
{
    const struct dicom_head *head = seg->head;
    DcmDataset *dataset = seg->file.getDataset();
    if (head->bits_allocated != 1 || head->samples_per_pixel != 1)
        return err_fail(err, ERR_INPUT, "a binary segmentation of %d bits", head->bits_allocated);
    if (DcmXfer(dataset->getOriginalXfer()).isEncapsulated())
        return err_fail(err, ERR_UNSUPPORTED, "a binary segmentation in a compressed transfer syntax");
    if (dataset->findAndGetElement(DCM_PixelData, seg->bits).bad() || !seg->bits)
        return err_fail(err, ERR_INPUT, "no pixel data");
    uint64_t bits = uint64_t(head->rows) * uint64_t(head->columns) * uint64_t(head->frame_count);
    uint64_t have = seg->bits->getLengthField();
    return have >= (bits + 7) / 8 || err_fail(err, ERR_INPUT, "pixel data has %llu bytes of %llu",
                                              (unsigned long long)have, (unsigned long long)((bits + 7) / 8));
}

bool open_pixels(dicom_seg *seg, const char *path, const struct dicom_segmentation *record, struct err *err)
{
    if (!record->fractional)
        return open_bits(seg, err);
    if (seg->head->bits_allocated != 8)
        return err_fail(err, ERR_INPUT, "a fractional segmentation of %d bits", seg->head->bits_allocated);
    seg->half = (record->fraction_max + 1) / 2;
    seg->fractions = dicom_pixels_open(path, err);
    return seg->fractions != nullptr;
}

bool unpack_bits(dicom_seg *seg, int frame, size_t count, uint8_t *inside, struct err *err)
{
    uint64_t first = uint64_t(frame) * count, last = first + count - 1;
    seg->packed.resize(size_t(last / 8 - first / 8 + 1));
    OFCondition condition = seg->bits->getPartialValue(
        seg->packed.data(), Uint32(first / 8), Uint32(seg->packed.size()), &seg->cache, EBO_LittleEndian);
    if (condition.bad())
        return err_fail(err, ERR_INPUT, "pixel data cannot be read: %s", condition.text());
    for (size_t i = 0; i < count; i++) {
        uint64_t bit = first % 8 + i;
        inside[i] = seg->packed[size_t(bit / 8)] >> (bit % 8) & 1;
    }
    return true;
}

bool read_frame(dicom_seg *seg, int frame, uint8_t *inside, struct err *err)
{
    size_t count = size_t(seg->head->rows) * size_t(seg->head->columns);
    if (frame < 0 || frame >= seg->head->frame_count)
        return err_fail(err, ERR_INPUT, "frame %d of %d", frame, seg->head->frame_count);
    if (seg->bits)
        return unpack_bits(seg, frame, count, inside, err);
    seg->values.resize(count);
    if (!dicom_pixels_frame(seg->fractions, frame, seg->values.data(), err))
        return false;
    for (size_t i = 0; i < count; i++)
        inside[i] = seg->values[i] >= seg->half;
    return true;
}

} // namespace

extern "C" bool dicom_is_seg(const char *sop_class)
{
    return !std::strcmp(sop_class, UID_SegmentationStorage);
}

extern "C" struct dicom_seg *dicom_seg_open(const char *path, const struct dicom_head *head,
                                            struct arena *arena, const struct dicom_segmentation **ret,
                                            struct err *err)
{
    try {
        std::unique_ptr<dicom_seg> seg(new dicom_seg);
        struct dicom_segmentation *record = ARENA_NEW(arena, struct dicom_segmentation);
        seg->head = head;
        if (!record) {
            err_fail(err, ERR_NOMEM, "out of memory for a segmentation");
            return nullptr;
        }
        if (!head->frame_count) {
            err_fail(err, ERR_INPUT, "a segmentation without pixels, or in a transfer syntax not known");
            return nullptr;
        }
        if (!dicom_load(path, dicom_load_for::pixels, seg->file, err) ||
            !read_record(seg.get(), arena, record, err) || !open_pixels(seg.get(), path, record, err))
            return nullptr;
        *ret = record;
        return seg.release();
    } catch (const std::bad_alloc &) {
        err_fail(err, ERR_NOMEM, "out of memory opening a segmentation");
    } catch (...) {
        err_fail(err, ERR_INPUT, "segmentation damaged: the parser gave up");
    }
    return nullptr;
}

extern "C" void dicom_seg_close(struct dicom_seg *seg)
{
    delete seg;
}

extern "C" bool dicom_seg_frame(struct dicom_seg *seg, int frame, uint8_t *inside, struct err *err)
{
    try {
        return read_frame(seg, frame, inside, err);
    } catch (const std::bad_alloc &) {
        return err_fail(err, ERR_NOMEM, "out of memory decoding frame %d", frame);
    } catch (...) {
        return err_fail(err, ERR_INPUT, "frame %d: the decoder gave up", frame);
    }
}
