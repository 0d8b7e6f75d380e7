#include "encoder/pos_resize.h"

#include <math.h>
#include <stddef.h>

enum { TAPS_MAX = 4 };

/* Where one output place of an axis takes its value from. */
struct taps {
    int count, at[TAPS_MAX];
    double weight[TAPS_MAX];
};

static int clamp(int at, int count)
{
    return at < 0 ? 0 : at >= count ? count - 1 : at;
}

static struct taps linear(int to, int from_count, double scale)
{
    double place = fmax(scale * (to + 0.5) - 0.5, 0);
    int low = clamp((int)place, from_count);
    return (struct taps){2, {low, clamp(low + 1, from_count)}, {1 - (place - low), place - low}};
}

static struct taps cubic(int to, int from_count, double scale)
{
    const double a = -0.75;
    double place = scale * (to + 0.5) - 0.5, low = floor(place);
    struct taps taps = {TAPS_MAX, {0}, {0}};
    for (int i = 0; i < TAPS_MAX; i++) {
        double d = fabs(place - (low - 1 + i));
        taps.at[i] = clamp((int)low - 1 + i, from_count);
        taps.weight[i] =
            d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    }
    return taps;
}

static struct taps axis_taps(int to, int from_count, int to_count, bool bicubic)
{
    if (from_count == to_count)
        return (struct taps){1, {to}, {1}};
    double scale = (double)from_count / to_count;
    return bicubic ? cubic(to, from_count, scale) : linear(to, from_count, scale);
}

static void add_scaled(const float *in, double weight, int width, float *out)
{
    for (int i = 0; i < width; i++)
        out[i] += (float)weight * in[i];
}

void pos_resize(const float *in, const int from_zyx[3], const int to_zyx[3], int width, bool bicubic,
                float *out)
{
    int cells = to_zyx[0] * to_zyx[1] * to_zyx[2];
    for (int cell = 0; cell < cells; cell++, out += width) {
        struct taps z = axis_taps(cell / (to_zyx[1] * to_zyx[2]), from_zyx[0], to_zyx[0], bicubic);
        struct taps y = axis_taps(cell / to_zyx[2] % to_zyx[1], from_zyx[1], to_zyx[1], bicubic);
        struct taps x = axis_taps(cell % to_zyx[2], from_zyx[2], to_zyx[2], bicubic);
        for (int i = 0; i < width; i++)
            out[i] = 0;
        for (int i = 0; i < z.count * y.count * x.count; i++) {
            int at_z = i / (y.count * x.count), at_y = i / x.count % y.count, at_x = i % x.count;
            size_t line = (size_t)z.at[at_z] * (size_t)from_zyx[1] + (size_t)y.at[at_y];
            size_t place = line * (size_t)from_zyx[2] + (size_t)x.at[at_x];
            add_scaled(in + place * (size_t)width, z.weight[at_z] * y.weight[at_y] * x.weight[at_x], width,
                       out);
        }
    }
}
