/* How x and panels of fewer bits lie in memory. Part of tile; nobody else includes it. */
#ifndef TENSOR_TILE_FORM_H
#define TENSOR_TILE_FORM_H

#include "tensor/tile.h"

#include <stdint.h>

/* What one column or row has of `group` values of k, after the head. */
enum tile_form {
    FORM_FP32,
    FORM_BF16_FLOATS, /* 2: of a panel two bfloat16, of a row two floats that are rounded to it */
    FORM_BF16_PAIRS,  /* 2: of both two bfloat16 */
    FORM_INT8_PAIRS,  /* 2: of a panel two int8, of a row two int16 */
    FORM_INT8_FOURS   /* 4: of a panel four int8, of a row four uint8, 128 more than meant */
};

/* Before an int8 panel's values: what a sum is multiplied by, and what x being 128 too large adds to it. */
struct tile_panel_head {
    float scale[TILE_PANEL];
    int32_t excess[TILE_PANEL];
};

/* Before an int8 row's values. */
struct tile_row_head {
    float scale, unused[3];
};

/* Of each precision, as this processor takes it. */
enum tile_form tile_form(enum precision precision);

#endif
