/* Windows: where they lie, what they hold, and means that do not depend on how they overlap. */
#include "encoder/windows.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { Z = 9, Y = 13, X = 22, VOXELS = Z * Y * X, CHANNELS = 3, ORGANS = 4 };

static const int image_zyx[3] = {Z, Y, X}, size_zyx[3] = {4, 8, 8};

/* source: monai.data.utils.dense_patch_slices((200, 300, 500), (96, 256, 384), (72, 192, 288)), MONAI 1.3. */
static void windows_lie_where_the_published_code_puts_them(void **unused)
{
    const int starts[][3] = {{0, 0, 0},   {0, 0, 116},   {0, 44, 0},   {0, 44, 116},
                             {72, 0, 0},  {72, 0, 116},  {72, 44, 0},  {72, 44, 116},
                             {104, 0, 0}, {104, 0, 116}, {104, 44, 0}, {104, 44, 116}};
    struct windows w = windows_plan((const int[]){200, 300, 500}, (const int[]){96, 256, 384}, 0.25);
    assert_int_equal(w.count, 12);
    for (int i = 0; i < w.count; i++) {
        int start[3];
        windows_start(&w, i, start);
        assert_memory_equal(start, starts[i], sizeof start);
    }
}

static void a_small_image_has_one_window(void **unused)
{
    int start[3];
    struct windows w = windows_plan((const int[]){3, 8, 2}, size_zyx, 0.25);
    windows_start(&w, 0, start);
    assert_true(w.count == 1 && start[0] == 0 && start[1] == 0 && start[2] == 0);
    assert_memory_equal(w.zyx, size_zyx, sizeof w.zyx);
}

static void every_voxel_is_covered_as_often_as_said(void **unused)
{
    const double overlaps[] = {0, 0.25, 0.5, 0.9};
    for (size_t o = 0; o < 4; o++) {
        int cover[VOXELS] = {0};
        struct windows w = windows_plan(image_zyx, size_zyx, overlaps[o]);
        for (int i = 0; i < w.count; i++) {
            int s[3];
            windows_start(&w, i, s);
            for (int z = s[0]; z < s[0] + 4; z++)
                for (int y = s[1]; y < s[1] + 8; y++)
                    for (int x = s[2]; x < s[2] + 8; x++)
                        cover[(z * Y + y) * X + x]++;
        }
        for (int v = 0; v < VOXELS; v++) {
            int said = windows_cover(&w, 0, v / (Y * X)) * windows_cover(&w, 1, v / X % Y) *
                       windows_cover(&w, 2, v % X);
            assert_true(cover[v] == said && said > 0);
        }
    }
}

static void what_is_cut_beyond_the_image_is_zero(void **unused)
{
    float image[2 * VOXELS], box[2 * 3 * 4 * 5];
    uint8_t labels[VOXELS], cut[3 * 4 * 5];
    const int start[3] = {7, 11, 19}, size[3] = {3, 4, 5};
    for (int v = 0; v < VOXELS; v++) {
        image[v] = (float)v + 1;
        image[v + VOXELS] = (float)-v - 1;
        labels[v] = (uint8_t)(v % 255 + 1);
    }
    windows_cut(image, 2, image_zyx, start, image_zyx, size, box);
    windows_cut_labels(labels, image_zyx, start, size, cut);
    for (int i = 0; i < 60; i++) {
        int z = 7 + i / 20, y = 11 + i / 5 % 4, x = 19 + i % 5, v = (z * Y + y) * X + x;
        int inside = z < Z && y < Y && x < X;
        assert_true(box[i] == (inside ? (float)v + 1 : 0) && box[60 + i] == (inside ? (float)-v - 1 : 0));
        assert_int_equal(cut[i], inside ? v % 255 + 1 : 0);
    }
    windows_cut(image, 2, image_zyx, start, (const int[]){8, 12, 21}, size, box);
    for (int i = 0; i < 60; i++)
        assert_true((box[i] != 0) == (i < 2) && (box[60 + i] != 0) == (i < 2));
}

/* The feature of channel c at voxel v as window `window` sees it. */
static double feature(int c, int v, int window)
{
    return sin(1.7 * v + c) + 0.3 * cos(5.1 * window * (v % 7) + c);
}

static uint8_t label(int v)
{
    return v == 777
               ? 3
               : (uint8_t)(v / 3 % 11 < 2 ? v / 3 % 11 + 1 : 0); /* organ 3 is one voxel, organ 4 absent */
}

/* Over all windows: sums and weights by our code, and what they mean by plain loops. */
static void add_window(const struct windows *w, int i, struct windows_means *means, double *plain,
                       double *covers)
{
    float map[CHANNELS * 4 * 8 * 8];
    uint8_t labels[4 * 8 * 8];
    int s[3];
    windows_start(w, i, s);
    for (int j = 0; j < 256; j++) {
        int v = ((s[0] + j / 64) * Y + s[1] + j / 8 % 8) * X + s[2] + j % 8;
        labels[j] = label(v);
        covers[v]++;
        for (int c = 0; c < CHANNELS; c++)
            plain[c * VOXELS + v] += (double)(map[c * 256 + j] = (float)feature(c, v, i));
    }
    void *room = malloc(windows_add_room(size_zyx));
    windows_add(means, w, i, map, size_zyx, labels, room);
    free(room);
}

static void means_are_exact_however_windows_overlap(void **unused)
{
    const double overlaps[] = {0, 0.25, 0.6};
    for (size_t o = 0; o < 3; o++) {
        double sums[ORGANS * CHANNELS] = {0}, weights[ORGANS] = {0}, covers[VOXELS] = {0};
        double *plain = calloc(CHANNELS * VOXELS, sizeof *plain);
        struct windows_means means = {ORGANS, CHANNELS, sums, weights};
        struct windows w = windows_plan(image_zyx, size_zyx, overlaps[o]);
        for (int i = 0; i < w.count; i++)
            add_window(&w, i, &means, plain, covers);
        for (int organ = 1; organ <= ORGANS; organ++)
            for (int c = 0; c < CHANNELS; c++) {
                double total = 0, count = 0;
                for (int v = 0; v < VOXELS; v++)
                    if (label(v) == organ) {
                        total += plain[c * VOXELS + v] / covers[v];
                        count++;
                    }
                assert_true(fabs(weights[organ - 1] - count) < 1e-9);
                assert_true(fabs(sums[(organ - 1) * CHANNELS + c] - total) < 1e-9 * (1 + count));
            }
        assert_true(weights[3] == 0 && fabs(weights[2] - 1) < 1e-12);
        assert_true(fabs(sums[2 * CHANNELS] - plain[777] / covers[777]) < 1e-12);
        free(plain);
    }
}

/* A map half as fine takes every second label of every second row. */
static void a_coarser_map_takes_the_nearest_label(void **unused)
{
    const int map_zyx[3] = {4, 4, 4};
    float map[64];
    uint8_t labels[256];
    double sum = 0, weight = 0, wanted = 0;
    int count = 0;
    for (int i = 0; i < 256; i++)
        labels[i] = i % 5 == 0;
    for (int i = 0; i < 64; i++) {
        map[i] = (float)i;
        if (labels[i / 16 * 64 + i / 4 % 4 * 16 + i % 4 * 2]) {
            wanted += i;
            count++;
        }
    }
    struct windows w = windows_plan(size_zyx, size_zyx, 0.25);
    struct windows_means means = {1, 1, &sum, &weight};
    void *room = malloc(windows_add_room(map_zyx));
    windows_add(&means, &w, 0, map, map_zyx, labels, room);
    free(room);
    assert_true(count > 5 && sum == wanted && weight == count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_lie_where_the_published_code_puts_them),
        cmocka_unit_test(a_small_image_has_one_window),
        cmocka_unit_test(every_voxel_is_covered_as_often_as_said),
        cmocka_unit_test(what_is_cut_beyond_the_image_is_zero),
        cmocka_unit_test(means_are_exact_however_windows_overlap),
        cmocka_unit_test(a_coarser_map_takes_the_nearest_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
