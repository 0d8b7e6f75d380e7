#include "study/study_views.h"

#include "study/study_judge.h"
#include "study/study_shape.h"
#include "study/study_words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_POSITIONS = 3, PHASES_ENOUGH = 20 };

static unsigned said_of(const struct dicom_head *head)
{
    unsigned said = study_words_planes(head->id.series_description);
    return said ? said : study_words_planes(head->id.protocol_name);
}

/* The plane that is named alone; STUDY_PLANE_NONE when none is, or several are. */
static enum study_plane plane_said(unsigned said)
{
    for (enum study_plane plane = STUDY_PLANE_SA; plane <= STUDY_PLANE_4CH; plane++) {
        if (plane != STUDY_PLANE_LAX && (said & (STUDY_WORDS_SA | STUDY_WORDS_CHAMBERS)) == 1u << plane)
            return plane;
    }
    return STUDY_PLANE_NONE;
}

/* ---- geometry ---- */

/* Unit vector from base to apex in LPS, and how far a heart's own may lie from it. source: the mean
 * short-axis normal of a public collection of human studies; docs/volumes.md, section "Views". */
static const double usual_apex[3] = {0.634, -0.645, -0.426};
static const double usual_within_deg = 45, short_within_deg = 25, long_within_deg = 20;

/* Where a long-axis plane cuts the short axis, in degrees from the horizontal line towards the right
 * ventricle, growing to the head; modulo 180. source: docs/volumes.md. */
static const struct {
    enum study_plane plane;
    double degrees;
} cuts[] = {{STUDY_PLANE_4CH, -20}, {STUDY_PLANE_3CH, 27}, {STUDY_PLANE_2CH, 87}};
static const double cut_within_deg = 30, cut_margin_deg = 8;

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void cross(const double a[3], const double b[3], double ret[3])
{
    for (int i = 0; i < 3; i++)
        ret[i] = a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3];
}

static double degrees_between(const double a[3], const double b[3])
{
    double c = dot(a, b) / sqrt(dot(a, a) * dot(b, b));
    return acos(fmin(fmax(c, -1), 1)) * 180 / M_PI;
}

bool study_views_to_apex(const double normal_lps[3])
{
    return dot(normal_lps, usual_apex) > 0;
}

static bool is_cine(const struct study_stack *stack)
{
    return strcmp(stack->role, "cine") == 0;
}

static bool is_phase(const struct study_stack *stack)
{
    return strcmp(stack->role, "lge_phase") == 0;
}

/* The short axis of the study, towards the apex. */
struct axis {
    bool known, usual; /* usual: as a human heart lies, so that angles round it mean something */
    double lps[3];
};

/* How well a stack tells where the short axis is; 0: it does not. One that is described as anything else (an
 * outflow tract, the aorta) does not, however it lies. */
static int axis_worth(const struct study_stack *stack, const struct study_look *look, unsigned said,
                      double away_deg)
{
    bool usual = fmin(away_deg, 180 - away_deg) <= usual_within_deg;
    if (!(is_cine(stack) || study_is_late(stack)) || look->positions == 0)
        return 0;
    if (look->plane == STUDY_PLANE_SA)
        return usual ? 3 : 1;
    bool may_be = !said || (said & STUDY_WORDS_SA);
    return may_be && usual && look->positions >= LEAST_POSITIONS ? 2 : 0;
}

static void find_axis(const struct study_choice *choice, const struct study_look *looks, const unsigned *said,
                      struct axis *axis)
{
    int best = 0, most = 0;
    *axis = (struct axis){0};
    for (int i = 0; i < choice->stack_count; i++) {
        const double *normal = choice->stacks[i].shape.normal_lps;
        if (isnan(normal[0]))
            continue;
        double away = degrees_between(normal, usual_apex);
        int worth = axis_worth(&choice->stacks[i], &looks[i], said[i], away);
        if (worth < best || worth == 0 || (worth == best && looks[i].positions <= most))
            continue;
        best = worth;
        most = looks[i].positions;
        *axis = (struct axis){true, worth > 1, {0}};
        for (int c = 0; c < 3; c++)
            axis->lps[c] = away > 90 ? -normal[c] : normal[c];
    }
}

/* Degrees of the line in which the plane cuts the short axis, -90 to 90. */
static double cut_degrees(const struct axis *axis, const double normal[3])
{
    static const double head[3] = {0, 0, 1};
    double right[3], up[3], line[3];
    cross(axis->lps, head, right); /* horizontal, to the right and front of a heart that lies as usual */
    cross(right, axis->lps, up);
    cross(normal, axis->lps, line);
    double angle = atan2(dot(line, up) / sqrt(dot(up, up)), dot(line, right) / sqrt(dot(right, right)));
    return remainder(angle * 180 / M_PI, 180);
}

static enum study_plane plane_of_cut(double degrees)
{
    enum study_plane plane = STUDY_PLANE_LAX;
    double least = INFINITY, second = INFINITY;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        double away = fabs(remainder(degrees - cuts[i].degrees, 180));
        second = fmin(second, fmax(away, least));
        if (away < least) {
            least = away;
            plane = cuts[i].plane;
        }
    }
    return least <= cut_within_deg && second - least >= cut_margin_deg ? plane : STUDY_PLANE_LAX;
}

static enum study_plane plane_by_geometry(const struct axis *axis, const double normal[3])
{
    if (!axis->known)
        return STUDY_PLANE_NONE;
    double away = degrees_between(axis->lps, normal);
    away = fmin(away, 180 - away);
    if (away <= short_within_deg)
        return STUDY_PLANE_SA;
    if (away < 90 - long_within_deg)
        return STUDY_PLANE_NONE;
    return axis->usual ? plane_of_cut(cut_degrees(axis, normal)) : STUDY_PLANE_LAX;
}

/* ---- both ---- */

static struct study_look look_at(const struct study_stack *stack, unsigned said)
{
    struct study_look look = {.plane = plane_said(said), .positions = (int)stack->shape.positions};
    look.how = look.plane != STUDY_PLANE_NONE ? "description" : NULL;
    look.phase_sensitive = study_words_phase_sensitive(stack->frames[0].head, study_type(&stack->frames[0]));
    if (!look.phase_sensitive && is_phase(stack))
        look.phase_sensitive = 1;
    return look;
}

static void look_in_space(const struct study_stack *stack, unsigned said, const struct axis *axis,
                          struct study_look *look)
{
    bool other = said == STUDY_WORDS_NONE;
    if (look->how)
        return;
    if (!other && !isnan(stack->shape.normal_lps[0]))
        look->plane = plane_by_geometry(axis, stack->shape.normal_lps);
    if ((said & STUDY_WORDS_LAX) && look->plane <= STUDY_PLANE_LAX) {
        look->plane = STUDY_PLANE_LAX;
        look->how = "description";
    } else if (look->plane != STUDY_PLANE_NONE) {
        look->how = "geometry";
    }
}

bool study_views_look(const struct study_choice *choice, struct arena *arena, struct study_look **ret,
                      struct err *err)
{
    size_t count = (size_t)choice->stack_count;
    struct study_look *looks = ARENA_ARRAY(arena, struct study_look, count + 1);
    unsigned *said = ARENA_ARRAY(arena, unsigned, count + 1);
    struct axis axis;
    if (!looks || !said)
        return err_fail(err, ERR_NOMEM, "no memory for %zu stacks", count);
    for (size_t i = 0; i < count; i++) {
        said[i] = said_of(choice->stacks[i].frames[0].head);
        looks[i] = look_at(&choice->stacks[i], said[i]);
    }
    find_axis(choice, looks, said, &axis);
    for (size_t i = 0; i < count; i++)
        look_in_space(&choice->stacks[i], said[i], &axis, &looks[i]);
    *ret = looks;
    return true;
}

/* ---- views ---- */

const char *const study_view_names[STUDY_VIEW_COUNT + 1] = {"cine_lax", "cine_sa", "cine_2ch", "cine_3ch",
                                                            "cine_4ch", "lge_sa",  "lge_lax",  "lge_2ch",
                                                            "lge_3ch",  "lge_4ch", NULL};

/* What may serve as each, the best first; STUDY_PLANE_NONE ends the list. */
static const enum study_plane view_planes[STUDY_VIEW_COUNT][4] = {
    {STUDY_PLANE_4CH, STUDY_PLANE_2CH, STUDY_PLANE_3CH, STUDY_PLANE_LAX},
    {STUDY_PLANE_SA},
    {STUDY_PLANE_2CH},
    {STUDY_PLANE_3CH},
    {STUDY_PLANE_4CH},
    {STUDY_PLANE_SA},
    {STUDY_PLANE_4CH, STUDY_PLANE_LAX},
    {STUDY_PLANE_2CH},
    {STUDY_PLANE_3CH},
    {STUDY_PLANE_4CH}};

bool study_view_is_cine(int view)
{
    return strncmp(study_view_names[view], "cine", 4) == 0;
}

/* Place of the plane in the view's list; -1: it does not serve. */
static int plane_rank(int view, enum study_plane plane)
{
    for (int i = 0; i < 4 && view_planes[view][i] != STUDY_PLANE_NONE; i++) {
        if (view_planes[view][i] == plane)
            return i;
    }
    return -1;
}

struct candidate {
    int stack, plane_rank, reconstruction, positions, frames, series; /* lower reconstruction is better */
    double standing;
    bool stray;
};

static int by_worth(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->stray != b->stray)
        return a->stray - b->stray;
    if (a->plane_rank != b->plane_rank)
        return a->plane_rank - b->plane_rank;
    if (a->reconstruction != b->reconstruction)
        return a->reconstruction - b->reconstruction;
    if (a->standing != b->standing)
        return a->standing > b->standing ? -1 : 1;
    if (a->positions != b->positions)
        return b->positions - a->positions;
    if (a->frames != b->frames)
        return b->frames - a->frames;
    return a->series != b->series ? a->series - b->series : a->stack - b->stack;
}

/* Images that speak for a stack: beyond 20 phases of a cine more are no better, only interpolated finer. */
static int frames_that_count(const struct study_stack *stack, int positions)
{
    int enough = PHASES_ENOUGH * positions;
    return is_cine(stack) && positions > 0 && stack->frame_count > enough ? enough : stack->frame_count;
}

int study_views_candidates(const struct study_choice *choice, const struct study_look *looks, int view,
                           bool phase_sensitive, const bool *taken, struct arena *arena, int **ret)
{
    int count = 0;
    struct candidate *list = ARENA_ARRAY(arena, struct candidate, (size_t)choice->stack_count + 1);
    int *order = ARENA_ARRAY(arena, int, (size_t)choice->stack_count + 1);
    if (!list || !order)
        return -1;
    for (int i = 0; i < choice->stack_count; i++) {
        const struct study_stack *stack = &choice->stacks[i];
        int rank = plane_rank(view, looks[i].plane);
        if (taken[i] || rank < 0 || !(study_view_is_cine(view) ? is_cine(stack) : study_is_late(stack)))
            continue;
        int how = study_view_is_cine(view) ? 0 : 2 * looks[i].phase_sensitive + is_phase(stack);
        list[count++] = (struct candidate){.stack = i,
                                           .stray = study_is_stray(stack),
                                           .plane_rank = rank,
                                           .reconstruction = phase_sensitive ? -how : how,
                                           .standing = stack->standing,
                                           .positions = looks[i].positions,
                                           .frames = frames_that_count(stack, looks[i].positions),
                                           .series = stack->series[0]};
    }
    qsort(list, (size_t)count, sizeof *list, by_worth);
    for (int i = 0; i < count; i++)
        order[i] = list[i].stack;
    *ret = order;
    return count;
}
