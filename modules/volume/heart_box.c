#include "volume/heart_box.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double grid_mm = 4;
/* Lung and air are low, fat, muscle and blood are not. */
static const float low_hu = -350, soft_hu = -200, air_hu = -940;
static const double wall_mm = 10;      /* of chest wall; a couch's shell is thinner */
static const double flank_mm = 40;     /* of rows between both lungs that make a slice count */
static const double area_share = 0.5;  /* of the widest slice's area between the lungs */
static const double width_share = 0.5; /* of the widest row */
static const double jump_mm = 25;      /* farther left than beside the lungs: that is no heart any more */
static const double longest_mm = 170;  /* of the box along the body */
static const double margin_mm = 4;     /* a voxel of the grid */
static const double enough_ml = 100;   /* of lung on either side */
enum { FEW = 5 /* percent */ };

/* One row of one slice: the lungs' borders toward the middle, or -1. */
struct row {
    int right, left; /* last column of the right lung, first of the left */
};

/* What was found in one slice. */
struct level {
    int first, last; /* rows of the heart; first > last: none */
    double area_mm2; /* between both lungs */
};

/* Voxels of a slice from its edge inward. */
struct line {
    size_t first, stride; /* a stride may wrap round, that is, run backwards */
    int count;
    double step_mm;
};

struct search {
    const struct volume_geometry *grid;
    const float *hu;             /* [z][y][x] */
    uint8_t *lung;               /* [z][y][x] */
    struct row *rows;            /* [z][y] */
    struct level *levels;        /* [z] */
    int *columns;                /* scratch, [2 * z * y] */
    int middle;                  /* column between the lungs */
    double lung_ml[2];           /* right, left */
    int low_zyx[3], high_zyx[3]; /* of the box, last included */
};

static double step(const struct search *search, int axis)
{
    return search->grid->spacing_zyx_mm[axis];
}

static size_t index_of(const struct search *search, int z, int y, int x)
{
    const int *zyx = search->grid->zyx;
    return ((size_t)z * (size_t)zyx[1] + (size_t)y) * (size_t)zyx[2] + (size_t)x;
}

/* ---- lungs ---- */

/* Is most of what surrounds a voxel, itself included, low? */
static bool mostly_low(const struct search *search, int z, int y, int x)
{
    const int *zyx = search->grid->zyx;
    int count = 0, all = 0;
    for (int k = z > 0 ? z - 1 : z; k <= z + 1 && k < zyx[0]; k++)
        for (int j = y > 0 ? y - 1 : y; j <= y + 1 && j < zyx[1]; j++)
            for (int i = x > 0 ? x - 1 : x; i <= x + 1 && i < zyx[2]; i++, all++)
                count += search->hu[index_of(search, k, j, i)] < low_hu;
    return 2 * count > all;
}

/* Does a line of voxels begin in the body? Not in air, and lung is lighter than air on the average of what
 * lies before the first wall. What equals the corner of the slice is padding, and says nothing. */
static bool begins_inside(const struct search *search, const struct line *line, float corner)
{
    double sum = 0;
    int count = 0;
    for (int i = 0; i < line->count; i++) {
        float hu = search->hu[line->first + (size_t)i * line->stride];
        if (hu >= low_hu)
            return i == 0 || (count > 0 && sum / count > air_hu);
        if (hu != corner) {
            sum += hu;
            count++;
        }
    }
    return count > 0 && sum / count > air_hu;
}

/* What comes before the first wall of a line that begins outside is no lung. */
static void drop_outside(struct search *search, const struct line *line, float corner)
{
    int wall = 0;
    bool inside = begins_inside(search, line, corner);
    for (int i = 0; i < line->count && !inside; i++) {
        size_t at = line->first + (size_t)i * line->stride;
        wall = search->hu[at] > soft_hu ? wall + 1 : 0;
        inside = wall * line->step_mm >= wall_mm;
        search->lung[at] = 0;
    }
}

/* From all four sides of a slice. */
static void drop_around(struct search *search, int z)
{
    int height = search->grid->zyx[1], width = search->grid->zyx[2];
    size_t first = index_of(search, z, 0, 0), last = index_of(search, z, height - 1, width - 1);
    size_t row = (size_t)width;
    float corner = search->hu[first];
    for (int x = 0; x < width; x++) {
        size_t column = (size_t)x;
        drop_outside(search, &(struct line){first + column, row, height, step(search, 1)}, corner);
        drop_outside(search, &(struct line){last - column, -row, height, step(search, 1)}, corner);
    }
    for (int y = 0; y < height; y++) {
        size_t down = (size_t)y * row;
        drop_outside(search, &(struct line){first + down, 1, width, step(search, 2)}, corner);
        drop_outside(search, &(struct line){last - down, -(size_t)1, width, step(search, 2)}, corner);
    }
}

static void find_lungs(struct search *search)
{
    const int *zyx = search->grid->zyx;
    for (int z = 0; z < zyx[0]; z++) {
        for (int y = 0; y < zyx[1]; y++)
            for (int x = 0; x < zyx[2]; x++)
                search->lung[index_of(search, z, y, x)] = mostly_low(search, z, y, x);
        drop_around(search, z);
    }
}

/* Lung voxels of a column of the grid, all rows and slices. */
static int column_count(const struct search *search, int x)
{
    int count = 0;
    for (int z = 0; z < search->grid->zyx[0]; z++)
        for (int y = 0; y < search->grid->zyx[1]; y++)
            count += search->lung[index_of(search, z, y, x)];
    return count;
}

/* The emptiest 20 mm in the middle half of what the lungs span. False: no lungs. */
static bool find_middle(struct search *search)
{
    int width = search->grid->zyx[2], first = -1, last = -1, half = (int)(10 / step(search, 2));
    int *counts = search->columns;
    for (int x = 0; x < width; x++) {
        counts[x] = column_count(search, x);
        if (counts[x] && first < 0)
            first = x;
        if (counts[x])
            last = x;
    }
    if (last - first < 4)
        return false;
    int best = -1;
    for (int x = first + (last - first) / 4; x <= last - (last - first) / 4; x++) {
        int sum = 0;
        for (int i = x - half; i <= x + half; i++)
            sum += i >= 0 && i < width ? counts[i] : 0;
        if (best < 0 || sum < best) {
            best = sum;
            search->middle = x;
        }
    }
    double voxel_ml = step(search, 0) * step(search, 1) * step(search, 2) / 1000;
    for (int x = 0; x < width; x++)
        search->lung_ml[x > search->middle] += counts[x] * voxel_ml;
    return true;
}

static void find_rows(struct search *search)
{
    const int *zyx = search->grid->zyx;
    for (int z = 0; z < zyx[0]; z++)
        for (int y = 0; y < zyx[1]; y++) {
            struct row row = {-1, -1};
            const uint8_t *lung = search->lung + index_of(search, z, y, 0);
            for (int x = search->middle; x >= 0 && row.right < 0; x--)
                row.right = lung[x] ? x : -1;
            for (int x = search->middle + 1; x < zyx[2] && row.left < 0; x++)
                row.left = lung[x] ? x : -1;
            search->rows[z * zyx[1] + y] = row;
        }
}

/* ---- slices ---- */

static int gap(const struct row *row)
{
    return row->right >= 0 && row->left >= 0 ? row->left - row->right : -1;
}

/* The narrowest row between both lungs in the back of the chest, before it widens round the spine. */
static int find_waist(const struct row *rows, int count)
{
    int first = -1, last = -1, best = -1;
    for (int y = 0; y < count; y++) {
        if (rows[y].right < 0 && rows[y].left < 0)
            continue;
        first = first < 0 ? y : first;
        last = y;
    }
    if (first < 0)
        return count;
    for (int y = first + (last - first) * 45 / 100; y <= first + (last - first) * 9 / 10; y++) {
        if (gap(&rows[y]) >= 0 && (best < 0 || gap(&rows[y]) < gap(&rows[best])))
            best = y;
    }
    return best < 0 ? last : best;
}

/* Of the rows between both lungs that go on forward from the waist: the widest, and those round it that are
 * at least half as wide, which is all of an ellipse but a fifteenth at either end. */
static void measure(struct search *search, int z)
{
    int height = search->grid->zyx[1];
    const struct row *rows = search->rows + (size_t)z * (size_t)height;
    struct level *level = &search->levels[z];
    int waist = find_waist(rows, height), front = waist, widest = waist;
    *level = (struct level){.first = 0, .last = -1};
    for (; front > 0 && gap(&rows[front - 1]) >= 0; front--) {
        widest = gap(&rows[front - 1]) > gap(&rows[widest]) ? front - 1 : widest;
        level->area_mm2 += gap(&rows[front - 1]) * step(search, 2) * step(search, 1);
    }
    if ((waist - front) * step(search, 1) < flank_mm) {
        level->area_mm2 = 0;
        return;
    }
    level->first = level->last = widest;
    while (level->first > front && gap(&rows[level->first - 1]) >= width_share * gap(&rows[widest]))
        level->first--;
    while (level->last < waist && gap(&rows[level->last + 1]) >= width_share * gap(&rows[widest]))
        level->last++;
}

static int widest_level(const struct search *search)
{
    int best = 0;
    for (int z = 1; z < search->grid->zyx[0]; z++)
        best = search->levels[z].area_mm2 > search->levels[best].area_mm2 ? z : best;
    return best;
}

/* ---- the box ---- */

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* The value that `percent` of them lie below. */
static int percentile(int *values, int count, int percent)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[(count - 1) * percent / 100];
}

/* Rows and columns of the slices that both lungs flank. A few of each side are left out: vessels that leave
 * for the lungs, and what was no lung. */
static void take_flanked(struct search *search)
{
    int height = search->grid->zyx[1], low = search->low_zyx[0], high = search->high_zyx[0], count = 0;
    int *right = search->columns, *left = right + (size_t)search->grid->zyx[0] * (size_t)height;
    for (int z = low; z <= high; z++) {
        right[z - low] = search->levels[z].first;
        left[z - low] = search->levels[z].last;
    }
    search->low_zyx[1] = percentile(right, high - low + 1, 2 * FEW);
    search->high_zyx[1] = percentile(left, high - low + 1, 100 - 2 * FEW);
    for (int z = low; z <= high; z++)
        for (int y = search->levels[z].first; y <= search->levels[z].last; y++, count++) {
            right[count] = search->rows[z * height + y].right;
            left[count] = search->rows[z * height + y].left;
        }
    search->low_zyx[2] = percentile(right, count, FEW) + 1;
    search->high_zyx[2] = percentile(left, count, 100 - FEW) - 1;
}

/* How far left the heart reaches in a slice that only the left lung flanks, `above` being as far as it does
 * in the one above; -1: it does not. */
static int left_border(const struct search *search, int z, int above)
{
    int height = search->grid->zyx[1], flanked = 0, *left = search->columns;
    int first = search->low_zyx[1], last = search->high_zyx[1];
    for (int y = first; y <= last; y++) {
        if (search->rows[z * height + y].left >= 0)
            left[flanked++] = search->rows[z * height + y].left;
    }
    if (2 * flanked <= last - first)
        return -1;
    int border = percentile(left, flanked, 100 - 2 * FEW) - 1;
    return (border - above) * step(search, 2) < jump_mm ? border : -1;
}

/* How far right the gap between the lungs reaches in a slice, but for a few rows. */
static int right_border(const struct search *search, int z)
{
    const struct level *level = &search->levels[z];
    int *right = search->columns, count = 0;
    for (int y = level->first; y <= level->last; y++)
        right[count++] = search->rows[z * search->grid->zyx[1] + y].right;
    return percentile(right, count, 2 * FEW);
}

/* Leave out the lowest slices whose gap reaches much farther right than most: lung round the liver's dome. */
static int above_liver(const struct search *search, int low, int high)
{
    int *borders = search->columns + search->grid->zyx[1], count = 0;
    for (int z = low; z <= high; z++)
        borders[count++] = right_border(search, z);
    int usual = percentile(borders, count, 50);
    while (low < high && (usual - right_border(search, low)) * step(search, 2) > jump_mm)
        low++;
    return low;
}

static void take_slices(struct search *search)
{
    int depth = search->grid->zyx[0], most = (int)(longest_mm / step(search, 0));
    int widest = widest_level(search), low = widest, high = widest;
    double least = area_share * search->levels[widest].area_mm2;
    while (high + 1 < depth && search->levels[high + 1].area_mm2 >= least)
        high++;
    while (low > 0 && search->levels[low - 1].area_mm2 >= least)
        low--;
    search->low_zyx[0] = low = above_liver(search, low, high);
    search->high_zyx[0] = high;
    take_flanked(search);
    int beside = search->high_zyx[2], border = beside;
    for (; low > 0 && high - low < most && (border = left_border(search, low - 1, border)) >= 0; low--)
        beside = border > beside ? border : beside;
    search->low_zyx[0] = low;
    search->high_zyx[2] = beside;
}

static void set_box(const struct search *search, struct heart_box *ret)
{
    const struct volume_geometry *grid = search->grid;
    const double *steps[3] = {grid->step_z_lps, grid->step_y_lps, grid->step_x_lps};
    for (int lps = 0; lps < 3; lps++)
        ret->centre_lps[lps] = grid->origin_lps[lps];
    for (int axis = 0; axis < 3; axis++) {
        double margin = margin_mm / step(search, axis);
        double low = fmax(-0.5, search->low_zyx[axis] - 0.5 - margin);
        double high = fmin(grid->zyx[axis] - 0.5, search->high_zyx[axis] + 0.5 + margin);
        ret->size_zyx_mm[axis] = (high - low) * step(search, axis);
        for (int lps = 0; lps < 3; lps++)
            ret->centre_lps[lps] += (low + high) / 2 * steps[axis][lps];
    }
}

/* 1 from `low` to `high`, falling to 0 a third beyond. */
static double plausible(double value, double low, double high)
{
    double below = (value - low * 2 / 3) / (low / 3), above = (high * 4 / 3 - value) / (high / 3);
    return fmax(0, fmin(1, fmin(below, above)));
}

/* The weakest of what it rests on. A side that the field of view cuts may be short. */
static double confidence(const struct search *search, const struct heart_box *box)
{
    static const double least_mm[3] = {60, 70, 80}, most_mm[3] = {180, 160, 190};
    static const double least_cut_mm[3] = {50, 35, 40};
    double flanked_mm = 0, worst = 1;
    for (int z = search->low_zyx[0]; z <= search->high_zyx[0]; z++)
        flanked_mm += search->levels[z].area_mm2 > 0 ? step(search, 0) : 0;
    for (int axis = 0; axis < 3; axis++) {
        bool cut = search->low_zyx[axis] == 0 || search->high_zyx[axis] == search->grid->zyx[axis] - 1;
        double least = cut ? least_cut_mm[axis] : least_mm[axis];
        worst = fmin(worst, plausible(box->size_zyx_mm[axis], least, most_mm[axis]));
    }
    for (int side = 0; side < 2; side++)
        worst = fmin(worst, search->lung_ml[side] / enough_ml);
    return fmin(worst, flanked_mm / flank_mm);
}

static void find(struct search *search, struct heart_box *ret)
{
    const int *zyx = search->grid->zyx;
    for (int axis = 0; axis < 3; axis++)
        search->high_zyx[axis] = zyx[axis] - 1;
    set_box(search, ret);
    find_lungs(search);
    if (!find_middle(search))
        return;
    find_rows(search);
    for (int z = 0; z < zyx[0]; z++)
        measure(search, z);
    if (search->levels[widest_level(search)].area_mm2 <= 0)
        return;
    take_slices(search);
    struct heart_box box;
    set_box(search, &box);
    box.confidence = confidence(search, &box);
    *ret = box;
}

bool heart_box_estimate(const struct volume_geometry *grid, const float *hu, struct heart_box *ret,
                        struct err *err)
{
    size_t rows = (size_t)grid->zyx[0] * (size_t)grid->zyx[1], count = rows * (size_t)grid->zyx[2];
    struct search search = {.grid = grid, .hu = hu};
    search.lung = calloc(count, 1);
    search.rows = calloc(rows, sizeof *search.rows);
    search.levels = calloc((size_t)grid->zyx[0], sizeof *search.levels);
    search.columns = calloc(2 * rows + (size_t)grid->zyx[2], sizeof *search.columns);
    *ret = (struct heart_box){0};
    bool ok = search.lung && search.rows && search.levels && search.columns;
    if (ok)
        find(&search, ret);
    else
        err_fail(err, ERR_NOMEM, "no memory to look for the heart");
    free(search.lung);
    free(search.rows);
    free(search.levels);
    free(search.columns);
    return ok;
}

bool heart_box_grid(const struct volume_geometry *geometry, struct volume_geometry *ret, struct err *err)
{
    const double spacing[3] = {grid_mm, grid_mm, grid_mm};
    return volume_regrid(geometry, spacing, ret, err);
}

bool heart_box_of_mask(const struct volume_geometry *grid, const uint8_t *mask, struct heart_box *ret)
{
    struct search search = {.grid = grid};
    bool any = false;
    for (int z = 0; z < grid->zyx[0]; z++)
        for (int y = 0; y < grid->zyx[1]; y++)
            for (int x = 0; x < grid->zyx[2]; x++) {
                if (!mask[index_of(&search, z, y, x)])
                    continue;
                const int at[3] = {z, y, x};
                for (int i = 0; i < 3; i++) {
                    search.low_zyx[i] = !any || at[i] < search.low_zyx[i] ? at[i] : search.low_zyx[i];
                    search.high_zyx[i] = !any || at[i] > search.high_zyx[i] ? at[i] : search.high_zyx[i];
                }
                any = true;
            }
    set_box(&search, ret);
    ret->confidence = 1;
    return any;
}
