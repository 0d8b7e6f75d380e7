/* One slice of a plan, read and rescaled. Private to modules/volume. */
#ifndef VOLUME_VOLUME_SLICE_H
#define VOLUME_VOLUME_SLICE_H

#include "volume/volume.h"

/* Where a value is made of two neighbours along an axis: low + share * (high - low). */
struct tap {
    int low, high; /* -1: outside the field of view; the same when share is 0 */
    float share;
};

/* At `place`, in voxels, of `count` of them: outside beyond half a voxel from the outermost, clamped within.
 */
struct tap tap_at(double place, int count);

static inline float tap_mix(float low, float high, float share)
{
    return low + share * (high - low);
}

/* Room for every seat of a reader's crew. */
struct slice_room {
    const struct volume_reader *reader;
    bool mark_padding;   /* padding becomes NAN */
    int frame_yx[2];     /* of every frame */
    int slice_yx[2];     /* of every slice */
    int32_t *stored;     /* [seat][frame] */
    float *frame, *next; /* [seat][frame], [seat][slice] */
};

/* in: plan has at least one slice. Accepted by slice_room_done whatever it returns. errors: ERR_NOMEM. */
bool slice_room_init(struct slice_room *room, const struct volume_plan *plan,
                     const struct volume_reader *reader, bool mark_padding, struct err *err);
void slice_room_done(struct slice_room *room);

/* Values [y][x] of a slice; NAN outside its frame. errors: those of volume_fill. */
bool slice_read(const struct slice_room *room, int seat, const struct volume_slice *slice, float *values,
                struct err *err);

#endif
