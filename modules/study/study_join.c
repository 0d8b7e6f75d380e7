#include "study/study_join.h"

#include "study/study_shape.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SLICES = 128, LEAST_SLICES = 3, PHASES_APART = 2, LEAST_CYCLE = 8 };
static const double parallel_tolerance = 1e-3, same_place_mm = 0.05, irregular_share = 0.2;

/* ---- which belong together ---- */

/* The same letters in the same order: "SA_cine_3" and "sa cine 12". */
static bool same_stem(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (*a && !isalpha((unsigned char)*a))
            a++;
        while (*b && !isalpha((unsigned char)*b))
            b++;
        if (!*a || !*b)
            return *a == *b;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
    }
}

static bool may_join(const struct study_stack *stack)
{
    return stack->frames[0].head->kind == DICOM_KIND_MR && stack->shape.positions == 1 &&
           *stack->frames[0].head->id.frame_of_reference && isfinite(stack->shape.normal_lps[0]) &&
           (!stack->reason || strcmp(stack->reason, "single_image") == 0);
}

static bool parallel(const double a[3], const double b[3])
{
    return fabs(a[0] - b[0]) <= parallel_tolerance && fabs(a[1] - b[1]) <= parallel_tolerance &&
           fabs(a[2] - b[2]) <= parallel_tolerance;
}

static bool same_plane(const struct study_stack *a, const struct study_stack *b)
{
    const struct dicom_frame *left = study_frame(&a->frames[0]), *right = study_frame(&b->frames[0]);
    return parallel(left->row_lps, right->row_lps) && parallel(left->column_lps, right->column_lps);
}

static unsigned hash_on(unsigned hash, char c)
{
    return (hash ^ (unsigned char)c) * 16777619u; /* FNV-1a */
}

/* Unlike keys do not belong together, which is quickly seen of ten thousand series; 0: it may not be joined.
 */
static unsigned key_of(const struct study_stack *stack)
{
    const struct dicom_identity *id = &stack->frames[0].head->id;
    unsigned hash = 2166136261u;
    if (!may_join(stack))
        return 0;
    for (const char *at = stack->role; *at; at++)
        hash = hash_on(hash, *at);
    for (const char *at = id->frame_of_reference; *at; at++)
        hash = hash_on(hash, *at);
    for (const char *at = id->series_description; *at; at++)
        hash = isalpha((unsigned char)*at) ? hash_on(hash, (char)tolower((unsigned char)*at)) : hash;
    return hash | 1;
}

/* One name, role and direction. */
static bool akin(const struct study_stack *a, const struct study_stack *b)
{
    const struct dicom_identity *left = &a->frames[0].head->id, *right = &b->frames[0].head->id;
    return strcmp(a->role, b->role) == 0 &&
           strcmp(left->frame_of_reference, right->frame_of_reference) == 0 && same_plane(a, b) &&
           same_stem(left->series_description, right->series_description);
}

static bool belong(const struct study_stack *a, const struct study_stack *b)
{
    return a->series[0] != b->series[0] && akin(a, b) && study_split_alike(&a->frames[0], &b->frames[0]);
}

/* ---- a set of slices ---- */

struct slice {
    int stack; /* index into the list */
    double along;
    int frame_count;
};

struct slices {
    struct slice list[MOST_SLICES];
    int count;
    int least, most; /* images of one */
};

static bool same_cycle(const struct slices *slices, int frame_count)
{
    int least = frame_count < slices->least ? frame_count : slices->least;
    int most = frame_count > slices->most ? frame_count : slices->most;
    return least == most || (least >= LEAST_CYCLE && most - least <= PHASES_APART);
}

static void add_slice(struct slices *slices, const struct study_stacks *stacks, int index)
{
    const struct study_stack *stack = &stacks->list[index];
    const double *normal = stacks->list[slices->count ? slices->list[0].stack : index].shape.normal_lps;
    slices->list[slices->count++] =
        (struct slice){index, study_along(study_frame(&stack->frames[0]), normal), stack->frame_count};
    slices->least = slices->least < stack->frame_count ? slices->least : stack->frame_count;
    slices->most = slices->most > stack->frame_count ? slices->most : stack->frame_count;
}

/* The stacks that may be joined to number `first`; their keys become 0. */
static void collect(const struct study_stacks *stacks, int first, int known, unsigned *keys,
                    struct slices *ret)
{
    unsigned key = keys[first];
    ret->count = 0;
    ret->least = ret->most = stacks->list[first].frame_count;
    for (int i = first; i < known && ret->count < MOST_SLICES; i++) {
        const struct study_stack *stack = &stacks->list[i];
        bool fits = i == first || (keys[i] == key && belong(&stacks->list[first], stack) &&
                                   same_cycle(ret, stack->frame_count));
        if (fits) {
            add_slice(ret, stacks, i);
            keys[i] = 0;
        }
    }
}

static int by_along(const void *left, const void *right)
{
    const struct slice *a = left, *b = right;
    return (a->along > b->along) - (a->along < b->along);
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The middle step, the lower of two, for one that is missing makes a step longer. Steps of nearly nothing are
 * second takes. */
static double middle_step(const struct slices *slices)
{
    double steps[MOST_SLICES];
    int count = 0;
    for (int i = 1; i < slices->count; i++) {
        double step = slices->list[i].along - slices->list[i - 1].along;
        if (step > same_place_mm)
            steps[count++] = step;
    }
    if (count == 0)
        return 0;
    qsort(steps, (size_t)count, sizeof *steps, by_value);
    return steps[(count - 1) / 2];
}

/* In order of place, one slice a place: of those within half a step that of the later series. */
static void distinct(struct slices *slices)
{
    int kept = 0;
    qsort(slices->list, (size_t)slices->count, sizeof *slices->list, by_along);
    double near_mm = fmax(same_place_mm, middle_step(slices) / 2);
    for (int i = 0; i < slices->count; i++) {
        const struct slice slice = slices->list[i];
        if (kept == 0 || slice.along - slices->list[kept - 1].along >= near_mm)
            slices->list[kept++] = slice;
        else if (slice.stack > slices->list[kept - 1].stack)
            slices->list[kept - 1] = slice;
    }
    slices->count = kept;
}

/* Every step is about a multiple of the middle one. */
static bool is_regular(const struct slices *slices)
{
    double step = middle_step(slices);
    for (int i = 1; i < slices->count; i++) {
        double wide = slices->list[i].along - slices->list[i - 1].along;
        if (fabs(wide - fmax(1, round(wide / step)) * step) > irregular_share * step)
            return false;
    }
    return true;
}

/* ---- one stack of them ---- */

static bool add_joined(struct study_stacks *stacks, const struct slices *slices, struct arena *arena)
{
    int count = slices->count, frame_count = 0;
    for (int i = 0; i < count; i++)
        frame_count += slices->list[i].frame_count;
    int *series = ARENA_ARRAY(arena, int, (size_t)count);
    struct dicom_frame_ref *frames = ARENA_ARRAY(arena, struct dicom_frame_ref, (size_t)frame_count);
    struct study_stack *joined = study_stacks_add(stacks, arena);
    if (!series || !frames || !joined)
        return false;
    *joined = (struct study_stack){.frames = frames, .series = series, .series_count = count};
    joined->role = stacks->list[slices->list[0].stack].role;
    joined->series_images = joined->series_largest = frame_count;
    joined->shape.directions = 1;
    for (int i = 0; i < count; i++) {
        struct study_stack *slice = &stacks->list[slices->list[i].stack];
        memcpy(frames + joined->frame_count, slice->frames, (size_t)slice->frame_count * sizeof *frames);
        joined->frame_count += slice->frame_count;
        series[i] = slice->series[0];
        slice->reason = "joined";
    }
    return true;
}

/* In the order of series: how a set is cut into what may be one stack each. */
enum attempt { WHOLE, BY_TURN, BY_NUMBER, ATTEMPTS };

static int number_of(const struct study_stacks *stacks, const struct slice *slice)
{
    return stacks->list[slice->stack].frames[0].head->id.series_number;
}

/* Does a new take of the heart begin with slice `i` of a set in the order of series: does it turn back, or
 * its series number leap? */
static bool begins(const struct study_stacks *stacks, const struct slices *set, int start, int i,
                   enum attempt attempt)
{
    const struct slice *list = set->list;
    int last = number_of(stacks, &list[i - 1]), leap = number_of(stacks, &list[i]) - last;
    if (attempt == BY_NUMBER)
        return leap > 1;
    return attempt == BY_TURN && i - start > 1 &&
           (list[i].along - list[i - 1].along) * (list[i - 1].along - list[i - 2].along) < 0;
}

/* Join a set in the order of series, or where that is no regular stack its parts. False: out of memory. */
static bool join_set(struct study_stacks *stacks, const struct slices *set, struct arena *arena)
{
    struct slices part;
    for (enum attempt attempt = WHOLE; attempt < ATTEMPTS; attempt++) {
        bool any = false;
        for (int start = 0, i = 1; i <= set->count; i++) {
            if (i < set->count && !begins(stacks, set, start, i, attempt))
                continue;
            part = (struct slices){.count = i - start};
            memcpy(part.list, set->list + start, (size_t)part.count * sizeof *part.list);
            start = i;
            distinct(&part);
            if (part.count < LEAST_SLICES || !is_regular(&part))
                continue;
            any = true;
            if (!add_joined(stacks, &part, arena))
                return false;
        }
        if (any)
            return true;
    }
    return true;
}

/* ---- what stays outside ---- */

/* Was it taken again? Within half a step of a later slice that is in. */
static bool taken_again(const struct study_stack *joined, const struct study_stack *slice)
{
    const double *normal = slice->shape.normal_lps;
    double along = study_along(study_frame(&slice->frames[0]), normal), least = INFINITY, most = -INFINITY;
    double nearest = INFINITY;
    int number = 0;
    for (int i = 0; i < joined->frame_count; i++) {
        double at = study_along(study_frame(&joined->frames[i]), normal);
        least = fmin(least, at);
        most = fmax(most, at);
        if (fabs(at - along) < nearest)
            number = joined->frames[i].head->id.series_number;
        nearest = fmin(nearest, fabs(at - along));
    }
    return number >= slice->frames[0].head->id.series_number &&
           2 * nearest < (most - least) / (joined->series_count - 1);
}

static bool is_joined(const struct study_stack *slice)
{
    return slice->reason && strcmp(slice->reason, "joined") == 0;
}

/* A slice of a heart that was joined without it is no stack of its own. The first such heart counts it. */
static void leave_out(struct study_stacks *stacks, int known, const unsigned *keys,
                      const unsigned *joined_keys)
{
    for (int i = 0; i < known; i++) {
        struct study_stack *slice = &stacks->list[i];
        for (int k = known; keys[i] && !is_joined(slice) && k < stacks->count; k++) {
            struct study_stack *joined = &stacks->list[k];
            if (joined_keys[k - known] != keys[i] || !akin(joined, slice))
                continue;
            joined->left_out += !taken_again(joined, slice);
            slice->reason = "not_joined";
            break;
        }
    }
}

/* The same heart once more, too far off for one stack. */
static void count_others(struct study_stacks *stacks, int known, const unsigned *joined_keys)
{
    for (int i = known; i < stacks->count; i++) {
        for (int k = known; k < i; k++) {
            struct study_stack *a = &stacks->list[i], *b = &stacks->list[k];
            if (joined_keys[i - known] != joined_keys[k - known] || !akin(a, b) ||
                !study_split_alike(&a->frames[0], &b->frames[0]))
                continue;
            a->left_out += b->series_count;
            b->left_out += a->series_count;
        }
    }
}

/* Of the slices of each joined stack, which have one. */
static unsigned *keys_of_joined(const struct study_stacks *stacks, int known, const unsigned *keys,
                                struct arena *arena)
{
    unsigned *ret = ARENA_ARRAY(arena, unsigned, (size_t)(stacks->count - known) + 1);
    for (int k = known; ret && k < stacks->count; k++) {
        for (int i = 0; i < known && !ret[k - known]; i++) {
            if (stacks->list[i].frames[0].head == stacks->list[k].frames[0].head)
                ret[k - known] = keys[i];
        }
    }
    return ret;
}

bool study_join(struct study_stacks *stacks, struct arena *arena)
{
    int known = stacks->count;
    unsigned *keys = ARENA_ARRAY(arena, unsigned, (size_t)known + 1);
    unsigned *open = ARENA_ARRAY(arena, unsigned, (size_t)known + 1); /* keys of what was not looked at */
    struct slices *set = ARENA_NEW(arena, struct slices);
    if (!keys || !open || !set)
        return false;
    for (int i = 0; i < known; i++)
        keys[i] = open[i] = key_of(&stacks->list[i]);
    for (int i = 0; i < known; i++) {
        if (!open[i])
            continue;
        collect(stacks, i, known, open, set);
        if (!join_set(stacks, set, arena))
            return false;
    }
    const unsigned *joined_keys = keys_of_joined(stacks, known, keys, arena);
    if (!joined_keys)
        return false;
    leave_out(stacks, known, keys, joined_keys);
    count_others(stacks, known, joined_keys);
    return true;
}
