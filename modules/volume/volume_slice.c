#include "volume/volume_slice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Places this near to a voxel's centre are at it: steps and positions come out of a division. */
static const double same_place = 1e-8;

struct tap tap_at(double place, int count)
{
    if (!(place >= -0.5 - same_place && place <= count - 0.5 + same_place))
        return (struct tap){-1, -1, 0};
    place = fmin(fmax(place, 0), count - 1);
    double low = floor(place + same_place), share = place - low;
    if (share < same_place)
        return (struct tap){(int)low, (int)low, 0};
    return (struct tap){(int)low, (int)low + 1, (float)share};
}

/* ---- from stored values to rescaled ones ---- */

static bool is_padding(const struct dicom_head *head, int32_t stored)
{
    if (!head->has_padding_limit)
        return stored == head->padding;
    int low = head->padding < head->padding_limit ? head->padding : head->padding_limit;
    int high = head->padding < head->padding_limit ? head->padding_limit : head->padding;
    return stored >= low && stored <= high;
}

/* Stored values turned over: 0..2^n-1 when unsigned, -2^(n-1)..2^(n-1)-1 when signed. */
static bool is_turned(const struct dicom_head *head, int64_t *ret_sum)
{
    int bits = head->bits_stored > 0 && head->bits_stored <= 32 ? head->bits_stored : 16;
    *ret_sum = head->is_signed ? -1 : ((int64_t)1 << bits) - 1;
    return head->kind == DICOM_KIND_MR && strcmp(head->photometric, "MONOCHROME1") == 0;
}

/* 32 unsigned bits come as those of an int32_t. */
static int64_t whole(const struct dicom_head *head, int32_t stored)
{
    return head->is_signed ? stored : (int64_t)(uint32_t)stored;
}

static void rescale(const struct dicom_frame_ref *at, const int32_t *stored, size_t count, float *values)
{
    const struct dicom_head *head = at->head;
    double slope = head->frames[at->frame].slope, intercept = head->frames[at->frame].intercept;
    int64_t sum;
    bool turned = is_turned(head, &sum);
    if (!turned && (head->is_signed || head->bits_stored < 32)) { /* the same, at a third of the time */
        for (size_t i = 0; i < count; i++)
            values[i] = (float)(stored[i] * slope + intercept);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t value = whole(head, stored[i]);
        values[i] = (float)((double)(turned ? sum - value : value) * slope + intercept);
    }
}

static void look_up(const struct dicom_head *head, const struct dicom_lut *lut, const int32_t *stored,
                    size_t count, float *values)
{
    int64_t sum;
    bool turned = is_turned(head, &sum);
    int most = (1 << lut->bits) - 1;
    for (size_t i = 0; i < count; i++) {
        int64_t at = whole(head, stored[i]) - lut->first;
        int value = lut->entries[at < 0 ? 0 : at >= lut->count ? lut->count - 1 : at];
        values[i] = (float)(turned ? most - value : value);
    }
}

/* NAN is our mark for padding, so no other may come in. */
static bool all_finite(const float *values, size_t count)
{
    int bad = 0;
    for (size_t i = 0; i < count; i++)
        bad |= !isfinite(values[i]);
    return !bad;
}

static bool read_frame(const struct slice_room *room, int seat, const struct dicom_frame_ref *at,
                       float *values, struct err *err)
{
    const struct dicom_head *head = at->head;
    size_t count = (size_t)room->frame_yx[0] * (size_t)room->frame_yx[1];
    struct volume_frame frame = {.stored = room->stored + (size_t)seat * count};
    if (head->rows != room->frame_yx[0] || head->columns != room->frame_yx[1])
        return err_fail(err, ERR_BUG, "frames of %d x %d and %d x %d in one volume", room->frame_yx[0],
                        room->frame_yx[1], head->rows, head->columns);
    if (!room->reader->read(room->reader->from, seat, at, &frame, err))
        return false;
    if (frame.lut)
        look_up(head, frame.lut, frame.stored, count, values);
    else
        rescale(at, frame.stored, count, values);
    if (!all_finite(values, count))
        return err_decline(err, "not_finite", "rescaled values are too large to be numbers");
    for (size_t i = 0; room->mark_padding && head->has_padding && i < count; i++)
        values[i] = is_padding(head, frame.stored[i]) ? NAN : values[i];
    return true;
}

/* ---- from frames to the slice ---- */

static void shift_row(const float *low, const float *high, float share, const struct slice_room *room,
                      double shift_px, float *values)
{
    for (int x = 0; x < room->slice_yx[1]; x++) {
        struct tap tap = tap_at(x - shift_px, room->frame_yx[1]);
        values[x] = tap.low < 0 ? NAN
                                : tap_mix(tap_mix(low[tap.low], low[tap.high], tap.share),
                                          tap_mix(high[tap.low], high[tap.high], tap.share), share);
    }
}

static void shift_frame(const struct slice_room *room, const float *frame, const double shift_yx_px[2],
                        float *values)
{
    size_t columns = (size_t)room->frame_yx[1];
    for (int y = 0; y < room->slice_yx[0]; y++, values += room->slice_yx[1]) {
        struct tap tap = tap_at(y - shift_yx_px[0], room->frame_yx[0]);
        for (int x = 0; tap.low < 0 && x < room->slice_yx[1]; x++)
            values[x] = NAN;
        if (tap.low >= 0)
            shift_row(frame + (size_t)tap.low * columns, frame + (size_t)tap.high * columns, tap.share, room,
                      shift_yx_px[1], values);
    }
}

static bool read_shifted(const struct slice_room *room, int seat, const struct dicom_frame_ref *at,
                         const double shift_yx_px[2], float *values, struct err *err)
{
    if (shift_yx_px[0] == 0 && shift_yx_px[1] == 0 &&
        memcmp(room->frame_yx, room->slice_yx, sizeof room->frame_yx) == 0)
        return read_frame(room, seat, at, values, err);
    float *frame = room->frame + (size_t)seat * (size_t)room->frame_yx[0] * (size_t)room->frame_yx[1];
    if (!read_frame(room, seat, at, frame, err))
        return false;
    shift_frame(room, frame, shift_yx_px, values);
    return true;
}

bool slice_read(const struct slice_room *room, int seat, const struct volume_slice *slice, float *values,
                struct err *err)
{
    if (!read_shifted(room, seat, &slice->at, slice->shift_yx_px, values, err))
        return false;
    if (slice->next_weight <= 0)
        return true;
    size_t count = (size_t)room->slice_yx[0] * (size_t)room->slice_yx[1];
    float *next = room->next + (size_t)seat * count, weight = (float)slice->next_weight;
    if (!read_shifted(room, seat, &slice->next, slice->next_shift_yx_px, next, err))
        return false;
    for (size_t i = 0; i < count; i++)
        values[i] = tap_mix(values[i], next[i], weight);
    return true;
}

bool slice_room_init(struct slice_room *room, const struct volume_plan *plan,
                     const struct volume_reader *reader, bool mark_padding, struct err *err)
{
    const struct dicom_head *head = plan->slices[0].at.head;
    const int *zyx = plan->geometry.zyx;
    *room = (struct slice_room){.reader = reader,
                                .mark_padding = mark_padding,
                                .frame_yx = {head->rows, head->columns},
                                .slice_yx = {zyx[1], zyx[2]}};
    size_t seats = (size_t)crew_seats(reader->crew);
    size_t frame = (size_t)head->rows * (size_t)head->columns, slice = (size_t)zyx[1] * (size_t)zyx[2];
    room->stored = malloc(seats * frame * sizeof *room->stored);
    room->frame = malloc(seats * frame * sizeof *room->frame);
    room->next = malloc(seats * slice * sizeof *room->next);
    return (room->stored && room->frame && room->next) ||
           err_fail(err, ERR_NOMEM, "no memory for %zu slices of %d x %d", seats, zyx[1], zyx[2]);
}

void slice_room_done(struct slice_room *room)
{
    free(room->stored);
    free(room->frame);
    free(room->next);
}
