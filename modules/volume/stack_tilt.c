/* Slices shifted sideways: a tilted gantry, whose shear is taken away, or no stack at all. */
#include "volume/stack.h"

#include <math.h>

/* source: docs/volumes.md; dcm2niix issue 253: the angle between the normal and the way from the first to the
 * last position, never (0018,1120) */
static const double tilt_degrees = 0.1, most_degrees = 45;
static const double floor_mm = 0.02, floor_px = 0.1;       /* a smaller shift in all is none */
static const double straight_mm = 0.1, straight_px = 0.25; /* from the line */
static const double degree = 3.14159265358979323846 / 180;
enum { MAX_GROWN = 4096 };

static double pixel_mm(const struct stack *stack)
{
    return fmin(stack->axes->spacing_y_mm, stack->axes->spacing_x_mm);
}

/* Do all first pixels lie on the line from the first to the last, whose slope is `slope_yx`? */
static bool check_line(const struct stack *stack, const double slope_yx[2], struct err *err)
{
    const struct stack_frame *first = &stack->frames[0];
    double tolerance_mm = fmax(straight_mm, straight_px * pixel_mm(stack));
    for (int i = 1; i < stack->frame_count; i++) {
        const struct stack_frame *frame = &stack->frames[i];
        double off[2], along = frame->along - first->along;
        for (int a = 0; a < 2; a++)
            off[a] = frame->aside_yx_mm[a] - first->aside_yx_mm[a] - slope_yx[a] * along;
        if (hypot(off[0], off[1]) > tolerance_mm)
            return err_decline(err, "irregular_shift", "a slice lies %.2f mm beside the line of the others",
                               hypot(off[0], off[1]));
    }
    return true;
}

/* The volume begins where the frame furthest to the start of an axis does, and ends where the furthest to its
 * end does. */
static bool make_room(struct stack *stack, struct err *err)
{
    const double spacing_yx_mm[2] = {stack->axes->spacing_y_mm, stack->axes->spacing_x_mm};
    for (int a = 0; a < 2; a++) {
        double high_mm = stack->low_yx_mm[a];
        for (int i = 0; i < stack->frame_count; i++) {
            stack->low_yx_mm[a] = fmin(stack->low_yx_mm[a], stack->frames[i].aside_yx_mm[a]);
            high_mm = fmax(high_mm, stack->frames[i].aside_yx_mm[a]);
        }
        double pixels = ceil((high_mm - stack->low_yx_mm[a]) / spacing_yx_mm[a] - 1e-3);
        if (pixels > MAX_GROWN)
            return err_decline(err, "gantry_tilt", "slices are shifted sideways by %.0f pixels", pixels);
        stack->grown_yx[a] = (int)pixels;
    }
    return true;
}

bool stack_tilt(struct stack *stack, struct err *err)
{
    const struct stack_frame *first = &stack->frames[0], *last = &stack->frames[stack->frame_count - 1];
    double slope_yx[2] = {0, 0}, along = last->along - first->along;
    for (int a = 0; a < 2; a++) {
        stack->low_yx_mm[a] = first->aside_yx_mm[a];
        if (stack->position_count > 1)
            slope_yx[a] = (last->aside_yx_mm[a] - first->aside_yx_mm[a]) / along;
    }
    double slope = hypot(slope_yx[0], slope_yx[1]), degrees = atan(slope) / degree;
    if (!check_line(stack, slope_yx, err))
        return false;
    if (degrees <= tilt_degrees || slope * along <= fmax(floor_mm, floor_px * pixel_mm(stack)))
        return true;
    if (degrees > most_degrees)
        return err_decline(err, "gantry_tilt", "slices are shifted sideways by %.1f degrees", degrees);
    stack->tilted = true;
    return make_room(stack, err) &&
           stack_warn(stack, err, "tilt_corrected: slices were tilted by %.1f degrees", degrees);
}
