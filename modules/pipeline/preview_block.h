/* Three planes through a block of space, side by side. Private to preview*.c. */
#ifndef PIPELINE_PREVIEW_BLOCK_H
#define PIPELINE_PREVIEW_BLOCK_H

#include "pipeline/preview_page.h"

enum { PREVIEW_PANEL = 480, PREVIEW_LEGEND_LINES = 16 }; /* pixels of the longest side; of organs, at most */

/* Axes are 0 z, 1 y, 2 x, in canonical orientation (volume.h). Where z runs down a panel, the head is above.
 */
struct preview_plane {
    const char *name;
    int through, down, right;
};
extern const struct preview_plane preview_plane[3];

struct preview_block {
    double centre_lps[3], axes_lps[3][3]; /* of unit length */
    double size_mm[3];
    double at_mm[3]; /* where the planes lie, from the low side on */
    int pixels[3];   /* of each axis */
    struct canvas_rect panels[3];
    float *values[3]; /* of each panel, as they are seen */
    int yx[3][2];
};

static inline bool preview_turned(const struct preview_plane *plane)
{
    return plane->down == 0;
}

/* The field of view: its middle, axes and size. errors: ERR_BUG (no size). */
bool preview_block_field(const struct volume_geometry *geometry, struct preview_block *ret, struct err *err);

/* mm along an axis from the block's middle to a place. */
double preview_block_along(const struct preview_block *block, int axis, const double place_lps[3]);

/* Pixels of each axis, so that the longest has PREVIEW_PANEL. returns mm of a pixel. */
double preview_block_scale(struct preview_block *block);

/* Give the panels their places on the page, below a line of titles; draw their values; put a title above one.
 */
void preview_block_place(struct preview_block *block, struct preview_page *page);
bool preview_block_draw(const struct preview_block *block, const double low_high[2],
                        struct preview_page *page, struct err *err);
void preview_block_title(const struct preview_block *block, int i, struct preview_page *page,
                         const char *text);

/* A box along the axes. */
void preview_block_box(const struct preview_block *block, const double centre_lps[3], const double size_mm[3],
                       struct canvas_colour colour, struct preview_page *page);

/* Sides, scale bars, and where the other planes cut. */
void preview_block_marks(const struct preview_block *block, struct preview_page *page);

/* How large the encoder's input is in the patient. With a box it lies round the box's middle. source: cube.c,
 * grounded.c. */
bool preview_input_size(const struct preview *preview, double ret_mm[3], struct err *err);

/* The two rows of a volume's page. */
bool preview_source(const struct preview *preview, struct preview_page *page, struct err *err);
bool preview_input(const struct preview *preview, struct preview_page *page, struct err *err);

/* Outlines of the organs' masks on the input's panels, and their names. in: at: the voxel the planes cut. */
void preview_organs(const struct preview *preview, const struct preview_block *block, const int at[3],
                    struct preview_page *page);

/* Voxel of row y, column x of a panel's plane, `through` along the axis it is cut. */
size_t preview_voxel(const struct encoder_input *input, const struct preview_plane *plane, int through, int y,
                     int x);

#endif
