#include "volume/heart_start.h"

#include <math.h>

/* What lies from `inner` to `outer` of a voxel, of every so many voxels. */
struct region {
    double inner_mm, outer_mm;
    int every;
};
static const struct region ball = {0, 50, 2}, shell = {60, 95, 4};
static const double pi = 3.14159265358979323846;
static const float soft_hu = -30, bone_hu = 700, bright_hu = 180, lung_hu = -400, air_hu = -950;
static const double full = 0.95, bright_most = 0.5; /* shares of the ball */
static const double least_soft = 0.3, apart_mm = 60;
enum { CANDIDATE = 4 }; /* every so many voxels */

struct share {
    int soft, bright;
    int lung[2], all[2]; /* right and left of the middle */
};

static struct share count(const struct heart_scan *scan, const int at[3], const struct region *region)
{
    const int *zyx = scan->grid->zyx;
    const double *step = scan->grid->spacing_zyx_mm;
    double inner = region->inner_mm * region->inner_mm, outer = region->outer_mm * region->outer_mm;
    struct share share = {0};
    int low[3], high[3], every = region->every;
    for (int axis = 0; axis < 3; axis++) {
        int reach = (int)fmin(region->outer_mm / (step[axis] * every), zyx[axis]) * every;
        low[axis] = at[axis] - reach < 0 ? at[axis] % every : at[axis] - reach;
        high[axis] = at[axis] + reach < zyx[axis] ? at[axis] + reach : zyx[axis] - 1;
    }
    for (int z = low[0]; z <= high[0]; z += every)
        for (int y = low[1]; y <= high[1]; y += every) {
            const float *row = scan->hu + ((size_t)z * (size_t)zyx[1] + (size_t)y) * (size_t)zyx[2];
            double up = (z - at[0]) * step[0], back = (y - at[1]) * step[1], plane = up * up + back * back;
            for (int x = low[2]; x <= high[2]; x += every) {
                double across = (x - at[2]) * step[2], distance = plane + across * across;
                if (distance > outer || distance < inner)
                    continue;
                share.soft += row[x] > soft_hu && row[x] < bone_hu;
                share.bright += row[x] > bright_hu && row[x] < bone_hu;
                share.lung[x > at[2]] += row[x] > air_hu && row[x] < lung_hu;
                share.all[x > at[2]] += row[x] > air_hu;
            }
        }
    return share;
}

/* Voxels of a region when all of it lies within the field. */
static double whole(const struct heart_scan *scan, const struct region *region)
{
    const double *step = scan->grid->spacing_zyx_mm;
    double voxel_mm3 = step[0] * step[1] * step[2] * pow(region->every, 3);
    return 4 * pi / 3 * (pow(region->outer_mm, 3) - pow(region->inner_mm, 3)) / voxel_mm3;
}

static double apart(const struct heart_start *one, const struct heart_start *other)
{
    double sum = 0;
    for (int axis = 0; axis < 3; axis++)
        sum += pow(one->at_mm[axis] - other->at_mm[axis], 2);
    return sqrt(sum);
}

/* Put a start in the place of a worse one nearby, else at the end, else in the place of the worst. */
static int keep(const struct heart_start *start, struct heart_start *starts, int count)
{
    int worst = 0;
    for (int i = 0; i < count; i++) {
        worst = starts[i].score < starts[worst].score ? i : worst;
        if (apart(start, &starts[i]) >= apart_mm)
            continue;
        if (start->score > starts[i].score)
            starts[i] = *start;
        return count;
    }
    if (count < HEART_STARTS)
        starts[count++] = *start;
    else if (start->score > starts[worst].score)
        starts[worst] = *start;
    return count;
}

static struct heart_start judge(const struct heart_scan *scan, const int at[3])
{
    struct heart_start start = {.score = 0};
    struct share in = count(scan, at, &ball);
    double ball_count = whole(scan, &ball), shell_count = whole(scan, &shell);
    for (int axis = 0; axis < 3; axis++)
        start.at_mm[axis] = at[axis] * scan->grid->spacing_zyx_mm[axis];
    start.soft = in.soft / ball_count;
    if (start.soft < least_soft)
        return start;
    struct share round = count(scan, at, &shell);
    double lung = round.lung[0] + round.lung[1], all = round.all[0] + round.all[1];
    for (int side = 0; side < 2; side++)
        start.lung[side] = round.lung[side] / fmax(round.all[side], shell_count / 8);
    start.score = fmin(start.soft, full) + 0.5 * fmin(in.bright / ball_count, bright_most) +
                  0.5 * lung / fmax(all, shell_count / 4);
    return start;
}

int heart_start_seek(const struct heart_scan *scan, struct heart_start ret[HEART_STARTS])
{
    const int *zyx = scan->grid->zyx;
    int starts = 0, at[3];
    for (at[0] = 0; at[0] < zyx[0]; at[0] += CANDIDATE)
        for (at[1] = 0; at[1] < zyx[1]; at[1] += CANDIDATE)
            for (at[2] = 0; at[2] < zyx[2]; at[2] += CANDIDATE) {
                struct heart_start start = judge(scan, at);
                if (start.score > 0)
                    starts = keep(&start, ret, starts);
            }
    return starts;
}
