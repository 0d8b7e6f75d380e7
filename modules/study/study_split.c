#include "study/study_split.h"

#include "study/study_said.h"
#include "study/study_shape.h"

#include <string.h>

static const double orientation_tolerance = 1e-3, spacing_tolerance_mm = 1e-3, time_tolerance_ms = 0.01;
static const double nearly_parallel_cosine = 0.98, same_place_mm = 0.05, same_step_share = 0.1;
enum { TYPE_VALUES = 4 };   /* of Image Type; the later ones differ between slices of one take */
enum { MOST_PARTS = 64 };   /* a key that makes more of one stack tells slices apart, not stacks */
enum { STRAY_SHARE = 4 };   /* as in study_judge.c */
enum { MOST_STACKS = 256 }; /* of one series */

/* ---- what sets frames apart ---- */

typedef bool (*same_key)(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b);

static bool same_class(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    return strcmp(a->head->id.sop_class, b->head->id.sop_class) == 0;
}

static bool same_size(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    return a->head->rows == b->head->rows && a->head->columns == b->head->columns;
}

static bool same_colour(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    return study_grey(a->head) == study_grey(b->head);
}

static bool near3(const double a[3], const double b[3])
{
    for (int i = 0; i < 3; i++) {
        if (fabs(a[i] - b[i]) > orientation_tolerance)
            return false;
    }
    return true;
}

/* An image without a place is set apart by none: it is what is wrong with its stack. */
static bool same_direction(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    const struct dicom_frame *left = study_frame(a), *right = study_frame(b);
    return !left->has_orientation || !right->has_orientation ||
           (near3(left->row_lps, right->row_lps) && near3(left->column_lps, right->column_lps));
}

static bool same_spacing(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    const struct dicom_frame *left = study_frame(a), *right = study_frame(b);
    return !left->has_spacing || !right->has_spacing ||
           (fabs(left->spacing_y_mm - right->spacing_y_mm) <= spacing_tolerance_mm &&
            fabs(left->spacing_x_mm - right->spacing_x_mm) <= spacing_tolerance_mm);
}

static size_t type_length(const char *type)
{
    size_t length = strcspn(type, "\\");
    for (int i = 1; i < TYPE_VALUES && type[length]; i++)
        length += 1 + strcspn(type + length + 1, "\\");
    return length;
}

static bool same_type(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    size_t length = type_length(a->head->image_type);
    return length == type_length(b->head->image_type) &&
           strncmp(a->head->image_type, b->head->image_type, length) == 0;
}

static bool same_whole_type(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    return strcmp(a->head->image_type, b->head->image_type) == 0;
}

static bool same_kernel(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    return strcmp(a->head->kernel, b->head->kernel) == 0;
}

static bool same_contrast(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    return strcmp(a->head->contrast_agent, b->head->contrast_agent) == 0;
}

static bool same_echo(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    return fabs(a->head->echo_ms - b->head->echo_ms) <= time_tolerance_ms;
}

static bool same_inversion(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    return fabs(study_frame(a)->inversion_ms - study_frame(b)->inversion_ms) <= time_tolerance_ms;
}

static bool same_velocity(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    return a->head->velocity_cm_s == b->head->velocity_cm_s;
}

static bool same_kind(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    return study_frame(a)->kind_hash == study_frame(b)->kind_hash;
}

static bool same_reference(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    return strcmp(a->head->id.frame_of_reference, b->head->id.frame_of_reference) == 0;
}

static bool same_stack(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    return study_frame(a)->stack_id_hash == study_frame(b)->stack_id_hash;
}

static bool same_acquisition(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    return a->head->acquisition_number == b->head->acquisition_number;
}

/* ---- when a key counts ---- */

/* A stack cut into parts by one key. */
struct cut {
    const struct study_stack *whole;
    const struct dicom_frame_ref *parts[MOST_PARTS]; /* frames, part after part */
    int counts[MOST_PARTS];
    int part_count;
    double inversions; /* at a position; set by when_most_repeat */
    struct arena *arena;
};

typedef bool (*counts_when)(struct cut *cut);

static bool places_of(const struct cut *cut, const struct dicom_frame_ref *frames, int count,
                      struct study_places *ret)
{
    double normal[3];
    return study_normal(study_frame(&frames[0]), normal) &&
           study_shape_places(frames, count, normal, cut->arena, ret) && ret->positions > 0;
}

static bool nearly_parallel(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    double left[3], right[3];
    return study_normal(study_frame(a), left) && study_normal(study_frame(b), right) &&
           left[0] * right[0] + left[1] * right[1] + left[2] * right[2] > nearly_parallel_cosine;
}

static bool within(const struct study_places *places, double along)
{
    return along > places->first + same_place_mm && along < places->last - same_place_mm;
}

/* Do two parts share a position, or does one lie between those of the other? */
static void compare_places(const struct study_places *a, const struct study_places *b, bool *ret_shared,
                           bool *ret_between)
{
    for (int i = 0, k = 0; i < a->positions; i++) {
        while (k < b->positions && b->along[k] < a->along[i] - same_place_mm)
            k++;
        *ret_shared |= k < b->positions && b->along[k] <= a->along[i] + same_place_mm;
        *ret_between |= within(b, a->along[i]);
    }
    for (int k = 0; k < b->positions; k++)
        *ret_between |= within(a, b->along[k]);
}

/* How the parts of a cut lie to each other. */
struct lie {
    bool shared;    /* two hold a position */
    bool between;   /* one lies between positions of another */
    bool continued; /* one goes on where another ends, at its step */
    bool halved;    /* so does one that is no stray beside the other */
};

static double step_of(const struct study_places *places)
{
    return places->positions > 1 ? (places->last - places->first) / (places->positions - 1) : NAN;
}

static bool goes_on(const struct study_places *a, const struct study_places *b)
{
    double gap = b->first > a->last ? b->first - a->last : a->first - b->last;
    double left = step_of(a), right = step_of(b);
    bool fits = (isnan(left) || fabs(gap - left) <= same_step_share * left) &&
                (isnan(right) || fabs(gap - right) <= same_step_share * right);
    return fits && gap > 0 && !(isnan(left) && isnan(right));
}

/* False when their positions cannot be compared: they lie in different directions, or nowhere. */
static bool compare_parts(const struct cut *cut, struct lie *ret)
{
    struct study_places *places = ARENA_ARRAY(cut->arena, struct study_places, (size_t)cut->part_count);
    double normal[3];
    *ret = (struct lie){0};
    if (!places || !study_normal(study_frame(cut->parts[0]), normal))
        return false;
    for (int i = 0; i < cut->part_count; i++) {
        if (!nearly_parallel(cut->parts[0], cut->parts[i]) ||
            !study_shape_places(cut->parts[i], cut->counts[i], normal, cut->arena, &places[i]))
            return false;
        for (int k = 0; k < i; k++) {
            compare_places(&places[k], &places[i], &ret->shared, &ret->between);
            bool on = goes_on(&places[k], &places[i]);
            ret->continued |= on;
            ret->halved |= on && STRAY_SHARE * cut->counts[i] >= cut->counts[k] &&
                           STRAY_SHARE * cut->counts[k] >= cut->counts[i];
        }
    }
    return true;
}

/* Parts that fill the gaps between each other, or go on where another ends, are one stack, and what differs
 * is wrong with it: half of its slices would make a volume, but not the one that was acquired. */
static bool when_apart(struct cut *cut)
{
    struct lie lie;
    return !compare_parts(cut, &lie) || lie.shared || !(lie.between || lie.halved);
}

/* The contrast agent is typed in, and sometimes forgotten. */
static bool when_not_continued(struct cut *cut)
{
    struct lie lie;
    return !compare_parts(cut, &lie) || lie.shared || !(lie.between || lie.continued);
}

/* How many positions of the whole several parts hold; *ret_each: parts at a position, on average. */
static int count_shared(const struct cut *cut, const struct study_places *whole,
                        const struct study_places *parts, double *ret_each)
{
    int shared = 0, held = 0;
    for (int i = 0; i < whole->positions; i++) {
        int holders = 0;
        for (int part = 0; part < cut->part_count; part++) {
            for (int k = 0, found = 0; k < parts[part].positions && !found; k++)
                holders += found = fabs(parts[part].along[k] - whole->along[i]) <= same_place_mm;
        }
        shared += holders > 1;
        held += holders;
    }
    *ret_each = (double)held / whole->positions;
    return shared;
}

/* The inversion time is set anew for every slice of a late enhancement stack, and for the second take of one;
 * several stacks have one each at most positions. */
static bool when_most_repeat(struct cut *cut)
{
    struct study_places whole, *parts = ARENA_ARRAY(cut->arena, struct study_places, (size_t)cut->part_count);
    struct lie lie;
    double normal[3];
    if (!parts || !compare_parts(cut, &lie) || !lie.shared ||
        !places_of(cut, cut->whole->frames, cut->whole->frame_count, &whole))
        return false;
    for (int i = 0; i < cut->part_count; i++) {
        if (!study_normal(study_frame(cut->whole->frames), normal) ||
            !study_shape_places(cut->parts[i], cut->counts[i], normal, cut->arena, &parts[i]))
            return false;
    }
    return 2 * count_shared(cut, &whole, parts, &cut->inversions) > whole.positions;
}

/* Some anonymisers give each object a frame of reference of its own, which says nothing. */
static bool when_shared(struct cut *cut)
{
    int objects = 1;
    for (int i = 1; i < cut->whole->frame_count; i++)
        objects += cut->whole->frames[i].head != cut->whole->frames[i - 1].head;
    return 2 * cut->part_count <= objects && when_apart(cut);
}

/* A Stack ID for every slice names slices. */
static bool when_several_positions(struct cut *cut)
{
    struct study_places places;
    for (int i = 0; i < cut->part_count; i++) {
        if (!places_of(cut, cut->parts[i], cut->counts[i], &places))
            return false;
        if (places.positions > 1)
            return true;
    }
    return false;
}

static bool one_inversion(const struct study_stack *stack)
{
    for (int i = 1; i < stack->frame_count; i++) {
        if (!same_inversion(&stack->frames[0], &stack->frames[i]))
            return false;
    }
    return true;
}

/* The positions repeat, but not evenly, and not just because a few slices were taken twice, or some at a new
 * inversion time; and this key makes it even. */
static bool when_uneven(struct cut *cut)
{
    struct study_places places;
    int largest = 0, count = cut->whole->frame_count;
    if (!places_of(cut, cut->whole->frames, count, &places) || places.fewest == places.most)
        return false;
    int extra = count - places.positions;
    if (extra <= 2 || 50 * extra <= places.positions || !one_inversion(cut->whole))
        return false;
    for (int i = 1; i < cut->part_count; i++)
        largest = cut->counts[i] > cut->counts[largest] ? i : largest;
    return places_of(cut, cut->parts[largest], cut->counts[largest], &places) && places.positions > 1 &&
           places.fewest == places.most;
}

/* The parts lie at the same positions, each evenly: two kinds of one thing. */
static bool when_repeated(struct cut *cut)
{
    struct study_places whole, places;
    if (!places_of(cut, cut->whole->frames, cut->whole->frame_count, &whole))
        return false;
    for (int i = 0; i < cut->part_count; i++) {
        if (!places_of(cut, cut->parts[i], cut->counts[i], &places) || places.positions != whole.positions ||
            places.fewest != places.most)
            return false;
    }
    return true;
}

static const struct key {
    const char *name;
    same_key same;
    counts_when counts; /* NULL: always */
} keys[] = {
    {"object class", same_class, NULL},
    {"image size", same_size, NULL},
    {"colour", same_colour, NULL},
    {"pixel spacing", same_spacing, NULL},
    {"direction", same_direction, when_apart},
    {"image type", same_type, when_apart},
    {"kernel", same_kernel, when_apart},
    {"contrast agent", same_contrast, when_not_continued},
    {"echo time", same_echo, when_apart},
    {"inversion time", same_inversion, when_most_repeat},
    {"velocity encoding", same_velocity, when_apart},
    {"frame type", same_kind, when_apart},
    {"frame of reference", same_reference, when_shared},
    {"stack", same_stack, when_several_positions},
    {"acquisition", same_acquisition, when_uneven},
    {"image type", same_whole_type, when_repeated},
};
enum { KEY_COUNT = sizeof keys / sizeof *keys };

bool study_split_alike(const struct dicom_frame_ref *a, const struct dicom_frame_ref *b)
{
    static const same_key same[] = {same_class,  same_size,     same_colour, same_spacing,  same_type,
                                    same_kernel, same_contrast, same_echo,   same_velocity, same_kind};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        if (!same[i](a, b))
            return false;
    }
    return true;
}

/* ---- cutting ---- */

struct study_stack *study_stacks_add(struct study_stacks *stacks, struct arena *arena)
{
    if (stacks->count == stacks->room) {
        int room = 2 * stacks->room + 16;
        struct study_stack *list = ARENA_ARRAY(arena, struct study_stack, (size_t)room);
        if (!list)
            return NULL;
        if (stacks->count)
            memcpy(list, stacks->list, (size_t)stacks->count * sizeof *list);
        stacks->list = list;
        stacks->room = room;
    }
    return &stacks->list[stacks->count++];
}

/* Number each frame's part; false when there are more than MOST_PARTS, or only one. */
static bool number_parts(const struct study_stack *stack, same_key same, unsigned char *parts, int *ret_count)
{
    int first[MOST_PARTS], count = 0, last = 0;
    for (int i = 0; i < stack->frame_count; i++) {
        int part = last;
        if (!count || !same(&stack->frames[first[part]], &stack->frames[i]))
            for (part = 0; part < count && !same(&stack->frames[first[part]], &stack->frames[i]); part++)
                ;
        if (part == MOST_PARTS)
            return false;
        if (part == count)
            first[count++] = i;
        parts[i] = (unsigned char)part;
        last = part;
    }
    *ret_count = count;
    return count > 1;
}

/* The frames of a stack, part after part. */
static bool gather(struct cut *cut, const unsigned char *parts)
{
    const struct study_stack *whole = cut->whole;
    struct dicom_frame_ref *frames =
        ARENA_ARRAY(cut->arena, struct dicom_frame_ref, (size_t)whole->frame_count);
    for (int part = 0; frames && part < cut->part_count; part++) {
        cut->parts[part] = frames;
        for (int i = 0; i < whole->frame_count; i++) {
            if (parts[i] == part)
                *frames++ = whole->frames[i];
        }
        cut->counts[part] = (int)(frames - cut->parts[part]);
    }
    return frames;
}

/* Cut stack number `at` by one key, its further parts behind all others. False: out of memory. */
static bool cut_stack(struct study_stacks *stacks, int at, const struct key *key, struct arena *arena)
{
    struct study_stack whole = stacks->list[at];
    struct cut cut = {.whole = &whole, .arena = arena};
    unsigned char *parts = ARENA_ARRAY(arena, unsigned char, (size_t)whole.frame_count);
    if (!parts)
        return false;
    if (!number_parts(&whole, key->same, parts, &cut.part_count))
        return true;
    if (!gather(&cut, parts))
        return false;
    if (key->counts && !key->counts(&cut))
        return true;
    for (int i = 0; i < cut.part_count; i++) {
        struct study_stack *part = i ? study_stacks_add(stacks, arena) : &stacks->list[at];
        if (!part)
            return false;
        *part = whole;
        part->frames = (struct dicom_frame_ref *)cut.parts[i];
        part->frame_count = cut.counts[i];
        part->shape.inversions = fmax(whole.shape.inversions, cut.inversions);
        part->split_by = whole.split_by ? whole.split_by : key->name;
    }
    return true;
}

/* How many ways the images of stacks number `from` and up lie, there and back being one. */
static int count_directions(const struct study_stacks *stacks, int from)
{
    double normals[MOST_STACKS][3];
    int count = 0;
    for (int s = from; s < stacks->count && count < MOST_STACKS; s++) {
        bool seen = !study_normal(study_frame(&stacks->list[s].frames[0]), normals[count]);
        for (int i = 0; i < count && !seen; i++)
            seen = fabs(normals[i][0] * normals[count][0] + normals[i][1] * normals[count][1] +
                        normals[i][2] * normals[count][2]) > 0.999;
        count += !seen;
    }
    return count;
}

static bool add_whole(const struct study_series *series, int index, struct arena *arena,
                      struct study_stacks *stacks)
{
    int count = 0, *number = ARENA_NEW(arena, int);
    for (int i = 0; i < series->head_count; i++)
        count += series->heads[i]->has_pixels ? series->heads[i]->frame_count : 0;
    if (count == 0)
        return true;
    struct study_stack *stack = study_stacks_add(stacks, arena);
    struct dicom_frame_ref *frames = ARENA_ARRAY(arena, struct dicom_frame_ref, (size_t)count);
    if (!stack || !frames || !number)
        return false;
    *number = index;
    *stack = (struct study_stack){.frames = frames, .series = number, .series_count = 1};
    stack->series_images = count;
    for (int i = 0; i < series->head_count; i++) {
        const struct dicom_head *head = series->heads[i];
        for (int f = 0; head->has_pixels && f < head->frame_count; f++)
            frames[stack->frame_count++] = (struct dicom_frame_ref){head, f};
    }
    return study_said_of_series(series, stack, arena);
}

bool study_split(const struct study_series *series, int index, struct arena *arena,
                 struct study_stacks *stacks)
{
    int from = stacks->count;
    if (!add_whole(series, index, arena, stacks))
        return false;
    for (int k = 0; k < KEY_COUNT; k++) {
        int known = stacks->count;
        for (int s = from; s < known && stacks->count - from < MOST_STACKS; s++) {
            if (!cut_stack(stacks, s, &keys[k], arena))
                return false;
        }
    }
    int directions = count_directions(stacks, from), largest = 0;
    for (int s = from; s < stacks->count; s++)
        largest = stacks->list[s].frame_count > largest ? stacks->list[s].frame_count : largest;
    for (int s = from; s < stacks->count; s++) {
        stacks->list[s].shape.directions = directions;
        stacks->list[s].series_largest = largest;
    }
    return true;
}
