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

static bool belong(const struct study_stack *a, const struct study_stack *b)
{
    const struct dicom_identity *left = &a->frames[0].head->id, *right = &b->frames[0].head->id;
    return strcmp(a->role, b->role) == 0 && a->series[0] != b->series[0] &&
           strcmp(left->frame_of_reference, right->frame_of_reference) == 0 && same_plane(a, b) &&
           same_stem(left->series_description, right->series_description) &&
           study_split_alike(&a->frames[0], &b->frames[0]);
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

/* In order of place, one slice a place: that of the later series. Returns how many. */
static int distinct(struct slices *slices)
{
    int kept = 0;
    qsort(slices->list, (size_t)slices->count, sizeof *slices->list, by_along);
    for (int i = 0; i < slices->count; i++) {
        const struct slice slice = slices->list[i];
        if (kept == 0 || slice.along - slices->list[kept - 1].along > same_place_mm)
            slices->list[kept++] = slice;
        else if (slice.stack > slices->list[kept - 1].stack)
            slices->list[kept - 1] = slice;
    }
    return kept;
}

/* Every step is about a multiple of the middle one. */
static bool is_regular(const struct slices *slices)
{
    double steps[MOST_SLICES];
    int count = slices->count - 1;
    for (int i = 0; i < count; i++)
        steps[i] = slices->list[i + 1].along - slices->list[i].along;
    qsort(steps, (size_t)count, sizeof *steps, by_value);
    double step = steps[(count - 1) / 2]; /* the lower, for one that is missing makes a step longer */
    for (int i = 0; i < count; i++) {
        double times = fmax(1, round(steps[i] / step));
        if (fabs(steps[i] - times * step) > irregular_share * times * step)
            return false;
    }
    return true;
}

/* ---- one stack of them ---- */

static bool join(struct study_stacks *stacks, const struct slices *slices, struct arena *arena)
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
    joined->series_images = frame_count;
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

bool study_join(struct study_stacks *stacks, struct arena *arena)
{
    int known = stacks->count;
    unsigned *keys = ARENA_ARRAY(arena, unsigned, (size_t)known + 1);
    struct slices *slices = ARENA_NEW(arena, struct slices);
    if (!keys || !slices)
        return false;
    for (int i = 0; i < known; i++)
        keys[i] = key_of(&stacks->list[i]);
    for (int i = 0; i < known; i++) {
        if (!keys[i])
            continue;
        collect(stacks, i, known, keys, slices);
        slices->count = distinct(slices);
        if (slices->count >= LEAST_SLICES && is_regular(slices) && !join(stacks, slices, arena))
            return false;
    }
    return true;
}
