/* A model whose packed weights lie on a shelf: the package in the tree, and copies of it that change. */
#include "base/file.h"
#include "base/shelf.h"
#include "model_copy.h"
#include "pipeline/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { DIM = 64 };

static struct err err;

/* The last value of the last tensor. */
static void change_weights(void)
{
    size_t size;
    char *bytes = read_demo("model.safetensors", &size);
    bytes[size - 4] ^= 1;
    write_copy("model.safetensors", bytes, size);
    free(bytes);
}

static int make(void)
{
    err = (struct err)ERR_INIT;
    int fd = shelf_make(&err);
    assert_true(fd >= 0);
    return fd;
}

static struct model *open_with(struct model_options options)
{
    struct model *model = model_open(copy, &options, &err);
    if (!model)
        print_message("%s\n", err.text);
    return model;
}

static int fill_and_seal_in(enum precision precision, uint64_t *ret_bytes)
{
    int fd = make();
    struct model *model =
        open_with((struct model_options){.precision = precision, .unvouched = true, .pack_fd = fd});
    assert_non_null(model);
    uint64_t packed = model_packed_bytes(model);
    model_close(model);
    fd = shelf_seal(fd, ret_bytes, &err);
    assert_true(fd >= 0);
    assert_int_equal(packed, *ret_bytes);
    return fd;
}

static int fill_and_seal(uint64_t *ret_bytes)
{
    return fill_and_seal_in(PRECISION_FP32, ret_bytes);
}

/* The image's and a text's vector. */
static void vectors(struct model *model, float image[DIM], float text[DIM])
{
    struct encoder_input input = {.items = 1};
    struct encoder_output output;
    model_input_zyx(model, input.zyx);
    size_t count = (size_t)input.zyx[0] * (size_t)input.zyx[1] * (size_t)input.zyx[2];
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(i % 251) / 251;
    input.values = values;
    assert_int_equal(model_dim(model), DIM);
    assert_true(model_encode(model, &input, &output, &err));
    memcpy(image, output.vector, DIM * sizeof *image);
    assert_true(model_embed_text(model, "There is cardiomegaly.", text, &err));
    free(values);
}

static void what_is_taken_computes_the_same_bits(void **state)
{
    uint64_t bytes;
    float image[3][DIM], text[3][DIM];
    int unsealed = make(), fd = fill_and_seal(&bytes);
    struct model *models[] = {open_with((struct model_options){0}),
                              open_with((struct model_options){.pack_fd = unsealed}),
                              open_with((struct model_options){.packed_fd = fd})};
    assert_true(bytes > 500000); /* of 1.2 MB of weights */
    for (int i = 0; i < 3; i++) {
        assert_non_null(models[i]);
        assert_int_equal(model_packed_bytes(models[i]), i == 0 ? 0 : bytes);
        assert_int_equal(model_weights_bytes(models[i]), model_weights_bytes(models[0]));
        vectors(models[i], image[i], text[i]);
    }
    for (int i = 0; i < 3; i++)
        model_close(models[i]);
    for (int i = 1; i < 3; i++) {
        assert_memory_equal(image[i], image[0], sizeof image[0]);
        assert_memory_equal(text[i], text[0], sizeof text[0]);
    }
    close(unsealed);
    close(fd);
}

static void every_precision_has_its_own(void **state)
{
    uint64_t bytes[PRECISION_COUNT];
    int fds[PRECISION_COUNT];
    float own[2][DIM], taken[2][DIM];
    for (int i = 0; i < PRECISION_COUNT; i++)
        fds[i] = fill_and_seal_in((enum precision)i, &bytes[i]);
    for (int i = 0; i < PRECISION_COUNT * PRECISION_COUNT; i++) {
        enum precision precision = (enum precision)(i / PRECISION_COUNT);
        int of = i % PRECISION_COUNT;
        struct model_options options = {.precision = precision, .unvouched = true};
        struct model *alone = open_with(options);
        options.packed_fd = fds[of];
        struct model *model = open_with(options);
        assert_true(alone && model);
        assert_int_equal(model_packed_bytes(model), of == (int)precision ? bytes[of] : 0);
        vectors(alone, own[0], own[1]);
        vectors(model, taken[0], taken[1]);
        assert_memory_equal(own, taken, sizeof own);
        model_close(alone);
        model_close(model);
    }
    for (int i = 0; i < PRECISION_COUNT; i++)
        close(fds[i]);
}

static void of_other_files_it_is_not_taken(void **state)
{
    uint64_t bytes;
    size_t size;
    int fd = fill_and_seal(&bytes);
    change_weights();
    struct model *model = open_with((struct model_options){.packed_fd = fd});
    assert_non_null(model);
    assert_int_equal(model_packed_bytes(model), 0);
    model_close(model);
    fresh_copy(state);
    char *config = read_demo("config.json", &size);
    char *version = strstr(config, "0.1.0");
    assert_non_null(version);
    *version = '7';
    write_copy("config.json", config, size);
    free(config);
    model = open_with((struct model_options){.packed_fd = fd});
    assert_int_equal(model_packed_bytes(model), 0);
    model_close(model);
    fresh_copy(state);
    model = open_with((struct model_options){.packed_fd = fd});
    assert_int_equal(model_packed_bytes(model), bytes);
    model_close(model);
    close(fd);
}

static void a_folder_that_does_not_open_leaves_no_shelf(void **state)
{
    int fd = make();
    uint64_t bytes;
    write_copy("prompts.json", "{\"version\":\"1\"}", 15); /* read when the weights are packed */
    assert_null(open_with((struct model_options){.pack_fd = fd}));
    assert_int_equal(shelf_seal(fd, &bytes, &err), -1);
    assert_int_equal(err.code, ERR_INPUT);
}

static bool run_and_change(void *self, int count, crew_piece piece, void *work, struct err *e)
{
    bool ok = true;
    if (!*(bool *)self)
        change_weights();
    *(bool *)self = true;
    for (int i = 0; ok && i < count; i++)
        ok = piece(work, 0, i, e);
    return ok;
}

static void weights_that_change_while_they_are_packed_leave_no_shelf(void **state)
{
    bool changed = false;
    struct crew crew = {.seats = 2, .run = run_and_change, .self = &changed};
    int fd = make();
    uint64_t bytes;
    struct model *model = open_with((struct model_options){.crew = &crew, .pack_fd = fd});
    assert_non_null(model);
    assert_true(changed);
    assert_int_equal(model_packed_bytes(model), 0);
    model_close(model);
    assert_int_equal(shelf_seal(fd, &bytes, &err), -1);
}

/* A shelf with the model's own key that holds `count` bytes instead, sealed. */
static int other_of_the_same_key(int like, size_t count)
{
    char head[128], key[DIGEST_HEX_SIZE];
    uint64_t bytes;
    assert_int_equal(pread(like, head, sizeof head, 0), sizeof head);
    memcpy(key, head + 16, sizeof key);
    int fd = make();
    struct shelf *shelf = shelf_fill(fd, key);
    void *piece = shelf_next(shelf, count);
    assert_non_null(piece);
    memset(piece, 0, count);
    assert_true(shelf_finish(shelf, &err));
    shelf_close(shelf);
    fd = shelf_seal(fd, &bytes, &err);
    assert_true(fd >= 0);
    return fd;
}

static void other_pieces_of_the_same_key_are_a_bug(void **state)
{
    uint64_t bytes;
    int fd = fill_and_seal(&bytes);
    const size_t counts[] = {64, bytes - 256, bytes + 64};
    for (int i = 0; i < 3; i++) {
        int wrong = other_of_the_same_key(fd, counts[i]);
        assert_null(model_open(copy, &(struct model_options){.packed_fd = wrong}, &err));
        assert_int_equal(err.code, ERR_BUG);
        close(wrong);
    }
    close(fd);
}

static void what_cannot_be_mapped_is_packed_into_own_memory(void **state)
{
    int ends[2];
    err = (struct err)ERR_INIT;
    assert_int_equal(pipe(ends), 0);
    struct model *one = open_with((struct model_options){.pack_fd = ends[1]});
    struct model *two = open_with((struct model_options){.packed_fd = ends[0]});
    assert_true(one && two && !model_packed_bytes(one) && !model_packed_bytes(two));
    model_close(one);
    model_close(two);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    demo = getenv("CARDIOSCRIBE_DEMO_MODEL");
    if (!demo || !mkdtemp(copy)) {
        fprintf(stderr, "set CARDIOSCRIBE_DEMO_MODEL to the folder of models/demo-ct\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_taken_computes_the_same_bits, fresh_copy),
        cmocka_unit_test_setup(every_precision_has_its_own, fresh_copy),
        cmocka_unit_test_setup(of_other_files_it_is_not_taken, fresh_copy),
        cmocka_unit_test_setup(a_folder_that_does_not_open_leaves_no_shelf, fresh_copy),
        cmocka_unit_test_setup(weights_that_change_while_they_are_packed_leave_no_shelf, fresh_copy),
        cmocka_unit_test_setup(other_pieces_of_the_same_key_are_a_bug, fresh_copy),
        cmocka_unit_test_setup(what_cannot_be_mapped_is_packed_into_own_memory, fresh_copy),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (int i = 0; i < 4; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", copy, names[i]);
        unlink(path);
    }
    rmdir(copy);
    return failed;
}
