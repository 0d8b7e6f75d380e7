extern "C" {
#include "dicom/dicom_rle.h"
}

#include <cstring>

namespace
{

const size_t header_bytes = 64;

uint32_t word(const uint8_t *bytes, int index)
{
    const uint8_t *at = bytes + 4 * index;
    return uint32_t(at[0]) | uint32_t(at[1]) << 8 | uint32_t(at[2]) << 16 | uint32_t(at[3]) << 24;
}

// One segment: byte `stride` apart in `to`. Returns how many samples it filled.
size_t decode_segment(const uint8_t *from, const uint8_t *end, uint8_t *to, size_t count, int stride)
{
    size_t done = 0;
    while (from < end && done < count) {
        int control = int8_t(*from++);
        if (control == -128)
            continue;
        size_t run = control < 0 ? size_t(1 - control) : size_t(control) + 1;
        if (run > count - done)
            run = count - done; // padding to even length may overhang
        if (control >= 0 && run > size_t(end - from))
            run = size_t(end - from);
        if (control < 0 && from == end)
            break;
        for (size_t i = 0; i < run; i++)
            to[(done + i) * stride] = control < 0 ? *from : from[i];
        from += control < 0 ? 1 : size_t(control) + 1 < size_t(end - from) ? size_t(control) + 1 : end - from;
        done += run;
    }
    return done;
}

} // namespace

extern "C" bool dicom_rle_decode(const uint8_t *bytes, size_t size, size_t sample_count, int sample_bytes,
                                 uint8_t *samples, struct err *err)
{
    if (size < header_bytes || word(bytes, 0) != uint32_t(sample_bytes))
        return err_fail(err, ERR_INPUT, "RLE: %u segments for %d bytes a sample",
                        size < header_bytes ? 0 : word(bytes, 0), sample_bytes);
    for (int i = 0; i < sample_bytes; i++) {
        size_t start = word(bytes, 1 + i), end = i + 1 < sample_bytes ? word(bytes, 2 + i) : size;
        if (start < header_bytes || start > end || end > size)
            return err_fail(err, ERR_INPUT, "RLE: segment %d lies outside the frame", i);
        // The first segment has the most significant bytes.
        size_t done = decode_segment(bytes + start, bytes + end, samples + (sample_bytes - 1 - i),
                                     sample_count, sample_bytes);
        if (done < sample_count)
            return err_fail(err, ERR_INPUT, "RLE: segment %d ends after %zu of %zu samples", i, done,
                            sample_count);
    }
    return true;
}
