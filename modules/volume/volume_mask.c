#include "volume/volume_mask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double direction_tolerance = 1e-3, lattice_tolerance = 0.2, least_spacing_mm = 0.01;
static const double max_voxels = (double)(1u << 31);

/* What a segmentation holds, as one volume: plane k lies at origin + k * normal * spacing. */
struct lattice {
    const struct dicom_frame *first; /* its directions and spacing are everybody's */
    double normal[3];
    double low, spacing_mm; /* along the normal */
    int planes, rows, columns;
    uint8_t *numbers; /* [planes][rows][columns] */
};

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static bool near(const double a[3], const double b[3])
{
    return fabs(a[0] - b[0]) < direction_tolerance && fabs(a[1] - b[1]) < direction_tolerance &&
           fabs(a[2] - b[2]) < direction_tolerance;
}

static bool bad_geometry(struct err *err, const char *what)
{
    return err_decline(err, "segmentation_geometry", "a segmentation %s", what);
}

/* ---- where its planes lie ---- */

static bool check_frame(const struct lattice *lattice, const struct dicom_frame *frame, struct err *err)
{
    const struct dicom_frame *first = lattice->first;
    if (!frame->has_position || !frame->has_orientation || !frame->has_spacing)
        return bad_geometry(err, "does not say where its frames lie");
    if (!near(frame->row_lps, first->row_lps) || !near(frame->column_lps, first->column_lps))
        return bad_geometry(err, "has frames that are not parallel");
    if (fabs(frame->spacing_y_mm / first->spacing_y_mm - 1) > direction_tolerance ||
        fabs(frame->spacing_x_mm / first->spacing_x_mm - 1) > direction_tolerance)
        return bad_geometry(err, "has frames of two pixel spacings");
    double between[3];
    for (int i = 0; i < 3; i++)
        between[i] = frame->position_lps[i] - first->position_lps[i];
    if (fabs(dot(between, first->row_lps)) > fmax(0.5, first->spacing_x_mm / 4) ||
        fabs(dot(between, first->column_lps)) > fmax(0.5, first->spacing_y_mm / 4))
        return bad_geometry(err, "has frames that do not lie one above the other");
    return true;
}

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The least distance between two different positions; 0 when there is one position only. */
static double least_gap(const double *sorted, int count)
{
    double least = 0;
    for (int i = 1; i < count; i++) {
        double gap = sorted[i] - sorted[i - 1];
        if (gap > least_spacing_mm && (least == 0 || gap < least))
            least = gap;
    }
    return least;
}

static bool fits(const double *sorted, int count, double spacing_mm)
{
    for (int i = 1; i < count; i++) {
        double steps = (sorted[i] - sorted[0]) / spacing_mm;
        if (fabs(steps - round(steps)) > lattice_tolerance)
            return false;
    }
    return true;
}

static bool find_spacing(struct lattice *lattice, const double *sorted, int count, double stated_mm,
                         double thickness_mm, struct err *err)
{
    double gap = least_gap(sorted, count);
    double alone = thickness_mm > least_spacing_mm ? thickness_mm : lattice->first->spacing_x_mm;
    lattice->low = sorted[0];
    bool possible = stated_mm > least_spacing_mm && (gap == 0 || gap > stated_mm * (1 - lattice_tolerance));
    lattice->spacing_mm = possible ? stated_mm : gap > 0 ? gap : alone;
    if (!fits(sorted, count, lattice->spacing_mm)) {
        lattice->spacing_mm = gap;
        if (!fits(sorted, count, gap))
            return bad_geometry(err, "has frames at irregular distances");
    }
    double planes = round((sorted[count - 1] - sorted[0]) / lattice->spacing_mm) + 1;
    if (!(planes <= VOLUME_MASK_PLANES) || planes * lattice->rows * lattice->columns > max_voxels)
        return bad_geometry(err, "has too many planes");
    lattice->planes = (int)planes;
    return true;
}

static bool lay_planes(struct lattice *lattice, const struct volume_mask_source *source, double *along,
                       struct err *err)
{
    const struct dicom_head *head = source->head;
    const struct dicom_frame *first = lattice->first;
    const double *r = first->row_lps, *c = first->column_lps;
    for (int i = 0; i < head->frame_count; i++)
        if (!check_frame(lattice, &head->frames[i], err))
            return false;
    if (fabs(dot(r, c)) > direction_tolerance)
        return bad_geometry(err, "has rows that are not square to its columns");
    for (int i = 0; i < 3; i++)
        lattice->normal[i] = r[(i + 1) % 3] * c[(i + 2) % 3] - r[(i + 2) % 3] * c[(i + 1) % 3];
    for (int i = 0; i < head->frame_count; i++)
        along[i] = dot(head->frames[i].position_lps, lattice->normal);
    qsort(along, (size_t)head->frame_count, sizeof *along, ascending);
    return find_spacing(lattice, along, head->frame_count, source->spacing_z_mm, head->slice_thickness_mm,
                        err);
}

/* ---- paint ---- */

static void merge(const uint8_t *inside, uint8_t number, size_t count, uint8_t *to)
{
    for (size_t i = 0; i < count; i++)
        if (inside[i] && (to[i] == 0 || to[i] > number))
            to[i] = number;
}

static bool fill_lattice(struct lattice *lattice, const struct volume_mask_source *source, struct err *err)
{
    size_t count = (size_t)lattice->rows * (size_t)lattice->columns;
    uint8_t *inside = malloc(count);
    lattice->numbers = calloc((size_t)lattice->planes, count);
    bool ok = (inside && lattice->numbers) ||
              err_fail(err, ERR_NOMEM, "no memory for a segmentation of %d planes", lattice->planes);
    for (int i = 0; ok && i < source->head->frame_count; i++) {
        if (!source->frame_number[i])
            continue;
        double along = dot(source->head->frames[i].position_lps, lattice->normal) - lattice->low;
        size_t plane = (size_t)round(along / lattice->spacing_mm);
        ok = source->read(source->reader, i, inside, err);
        if (ok)
            merge(inside, source->frame_number[i], count, lattice->numbers + plane * count);
    }
    free(inside);
    return ok;
}

/* Index of the lattice as an affine function of the grid's z, y, x: at[0] + z at[1] + y at[2] + x at[3]. */
static void find_affine(const struct lattice *lattice, const struct volume_geometry *grid, double at[3][4])
{
    const struct dicom_frame *first = lattice->first;
    const double *axes[3] = {lattice->normal, first->column_lps, first->row_lps};
    const double scales[3] = {lattice->spacing_mm, first->spacing_y_mm, first->spacing_x_mm};
    const double zeros[3] = {lattice->low, dot(first->position_lps, first->column_lps),
                             dot(first->position_lps, first->row_lps)};
    for (int i = 0; i < 3; i++) {
        at[i][0] = (dot(grid->origin_lps, axes[i]) - zeros[i]) / scales[i];
        at[i][1] = dot(grid->step_z_lps, axes[i]) / scales[i];
        at[i][2] = dot(grid->step_y_lps, axes[i]) / scales[i];
        at[i][3] = dot(grid->step_x_lps, axes[i]) / scales[i];
    }
}

static void paint_row(const struct lattice *lattice, double at[3][4], int z, int y, int columns, uint8_t *row)
{
    const double limits[3] = {lattice->planes, lattice->rows, lattice->columns};
    double start[3];
    for (int i = 0; i < 3; i++)
        start[i] = at[i][0] + z * at[i][1] + y * at[i][2] + 0.5;
    for (int x = 0; x < columns; x++) {
        double k = floor(start[0] + x * at[0][3]), r = floor(start[1] + x * at[1][3]);
        double c = floor(start[2] + x * at[2][3]);
        if (k < 0 || k >= limits[0] || r < 0 || r >= limits[1] || c < 0 || c >= limits[2])
            continue;
        uint8_t number =
            lattice->numbers[((size_t)k * (size_t)lattice->rows + (size_t)r) * (size_t)lattice->columns +
                             (size_t)c];
        if (number && (row[x] == 0 || row[x] > number))
            row[x] = number;
    }
}

bool volume_mask(const struct volume_geometry *grid, const struct volume_mask_source *source,
                 uint8_t *numbers, struct err *err)
{
    const struct dicom_head *head = source->head;
    if (head->frame_count < 1)
        return bad_geometry(err, "has no frames");
    struct lattice lattice = {.first = &head->frames[0], .rows = head->rows, .columns = head->columns};
    double *along = malloc((size_t)head->frame_count * sizeof *along), at[3][4];
    bool ok = (along || err_fail(err, ERR_NOMEM, "no memory for %d frames", head->frame_count)) &&
              lay_planes(&lattice, source, along, err) && fill_lattice(&lattice, source, err);
    free(along);
    if (ok) {
        find_affine(&lattice, grid, at);
        for (int z = 0; z < grid->zyx[0]; z++)
            for (int y = 0; y < grid->zyx[1]; y++, numbers += grid->zyx[2])
                paint_row(&lattice, at, z, y, grid->zyx[2], numbers);
    }
    free(lattice.numbers);
    return ok;
}
