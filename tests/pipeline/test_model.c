/* A model folder as a whole: the package in the tree, and copies of it with one thing changed. */
#include "base/digest.h"
#include "base/file.h"
#include "model_copy.h"
#include "pipeline/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <jansson.h>

/* Set one key of the copy's config.json; NULL removes it. */
static void change_config(const char *section, const char *key, json_t *value)
{
    size_t size;
    char *bytes = read_demo("config.json", &size);
    json_t *root = json_loadb(bytes, size, 0, NULL);
    json_t *place = *section ? json_object_get(root, section) : root;
    if (value)
        json_object_set_new(place, key, value);
    else
        json_object_del(place, key);
    char *text = json_dumps(root, 0);
    write_copy("config.json", text, strlen(text));
    free(text);
    json_decref(root);
    free(bytes);
}

/* Statistics of vectors of that length, as a domain needs them: mean 0, one direction, the first value. */
static void write_domain(int width, float weight)
{
    char header[256];
    float values[2 * 64] = {0};
    unsigned char length[8] = {sizeof header & 255, sizeof header >> 8};
    char bytes[8 + sizeof header + sizeof values];
    int size = snprintf(header, sizeof header,
                        "{\"mean\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[0,%d]},"
                        "\"whiten\":{\"dtype\":\"F32\",\"shape\":[1,%d],\"data_offsets\":[%d,%d]}}",
                        width, 4 * width, width, 4 * width, 8 * width);
    memset(header + size, ' ', sizeof header - (size_t)size);
    values[width] = weight;
    memcpy(bytes, length, 8);
    memcpy(bytes + 8, header, sizeof header);
    memcpy(bytes + 8 + sizeof header, values, sizeof values);
    write_copy("domain.safetensors", bytes, 8 + sizeof header + 8 * (size_t)width);
}

static json_t *domain_section(const char *of, double limit)
{
    return json_pack("{s:s,s:f,s:s}", "of", of, "limit", limit, "id", "test-1");
}

static int drop_domain(void **state)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/domain.safetensors", copy);
    unlink(path);
    return 0;
}

static struct model *open_copy(void)
{
    struct err err = ERR_INIT;
    struct model *model = model_open(copy, NULL, &err);
    if (!model)
        fail_msg("%s", err.text);
    return model;
}

static void refused(enum err_code code, const char *words)
{
    struct err err = ERR_INIT;
    assert_null(model_open(copy, NULL, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static float *new_input(const struct model *model, float base)
{
    int zyx[3];
    model_input_zyx(model, zyx);
    size_t count = (size_t)zyx[0] * (size_t)zyx[1] * (size_t)zyx[2];
    float *input = calloc(count, sizeof *input);
    for (size_t i = 0; i < count; i++)
        input[i] = base + 0.5f * (float)(i * 7919 % 1000) / 1000.0f;
    return input;
}

/* The labels' answers to an embedding. */
static struct finding *findings_of(struct model *model, const float *embedding, struct arena *arena,
                                   int *ret_count)
{
    struct err err = ERR_INIT;
    struct encoder_output output = {.vector = embedding};
    struct result result = {0};
    assert_true(model_score(model, &output, arena, &result, &err));
    *ret_count = result.finding_count;
    return result.findings;
}

static bool encode(struct model *model, const float *values, float *embedding, struct err *err)
{
    struct encoder_input input = {.values = values, .items = 1};
    struct encoder_output output;
    model_input_zyx(model, input.zyx);
    if (!model_encode(model, &input, &output, err))
        return false;
    memcpy(embedding, output.vector, (size_t)model_dim(model) * sizeof *embedding);
    return true;
}

static void states_its_identity(void **state)
{
    struct err err = ERR_INIT;
    struct model *model = model_open(demo, NULL, &err);
    char path[4096], hex[DIGEST_HEX_SIZE];
    int zyx[3];
    const struct model_identity *id = model_identity(model);
    assert_string_equal(id->name, "demo-ct");
    assert_string_equal(id->family, "cardiac-clip");
    assert_string_equal(id->calibration, "none");
    assert_false(id->trained);
    snprintf(path, sizeof path, "%s/model.safetensors", demo);
    assert_true(digest_file(path, 0, hex, &err));
    assert_string_equal(id->weights_sha256, hex);
    snprintf(path, sizeof path, "%s/prompts.json", demo);
    assert_true(digest_file(path, 0, hex, &err));
    assert_string_equal(id->prompts_sha256, hex);
    model_input_zyx(model, zyx);
    assert_true(zyx[0] == 32 && zyx[1] == 48 && zyx[2] == 48);
    assert_string_equal(model_modality(model), "CT");
    assert_int_equal(model_preprocess(model)->min_slices, 8);
    assert_false(model_preprocess(model)->has_hu_clip);
    assert_int_equal(model_preprocess(model)->norm, PREPROCESS_MINMAX);
    model_close(model);
}

static void config_digest(char hex[DIGEST_HEX_SIZE])
{
    struct err err = ERR_INIT;
    struct model *model = model_open(copy, NULL, &err);
    assert_non_null(model);
    memcpy(hex, model_identity(model)->config_sha256, DIGEST_HEX_SIZE);
    model_close(model);
}

static void configuration_and_vocabulary_are_part_of_the_identity(void **state)
{
    char first[DIGEST_HEX_SIZE], other[DIGEST_HEX_SIZE];
    size_t size;
    config_digest(first);
    config_digest(other);
    assert_string_equal(first, other);
    change_config("score", "threshold", json_real(0.7));
    config_digest(other);
    assert_string_not_equal(first, other);
    fresh_copy(state);
    char *vocab = read_demo("vocab.txt", &size);
    char *line = strstr(vocab, "\nthe\n"); /* a word no prompt needs to keep its place */
    assert_non_null(line);
    line[1] = 'q';
    write_copy("vocab.txt", vocab, size);
    config_digest(other);
    assert_string_not_equal(first, other);
    free(vocab);
}

static void a_folder_written_to_is_noticed(void **state)
{
    struct err err = ERR_INIT;
    size_t size;
    struct model *model = model_open(copy, NULL, &err);
    assert_false(model_changed(model));
    char *bytes = read_demo("model.safetensors", &size);
    bytes[size - 1] ^= 1;
    write_copy("model.safetensors", bytes, size);
    assert_true(model_changed(model));
    free(bytes);
    model_close(model);
}

static void embeds_to_unit_length_and_the_same_every_time(void **state)
{
    struct err err = ERR_INIT;
    struct model *model = model_open(demo, NULL, &err);
    float *input = new_input(model, 0), *other = new_input(model, 0.25f), one[64], two[64], three[64];
    double length = 0, difference = 0;
    assert_int_equal(model_dim(model), 64);
    assert_true(encode(model, input, one, &err));
    assert_true(encode(model, other, three, &err));
    assert_true(encode(model, input, two, &err));
    assert_memory_equal(one, two, sizeof one);
    for (int i = 0; i < 64; i++) {
        length += (double)one[i] * (double)one[i];
        difference += fabs((double)one[i] - (double)three[i]);
    }
    assert_true(fabs(length - 1) < 1e-6);
    assert_true(difference > 1e-3);
    input[1234] = NAN;
    assert_false(encode(model, input, one, &err));
    assert_string_equal(err.reason, "input_not_finite");
    free(input);
    free(other);
    model_close(model);
}

static int count_state(const struct finding *findings, int count, enum finding_state wanted)
{
    int found = 0;
    for (int i = 0; i < count; i++)
        found += findings[i].state == wanted;
    return found;
}

/* How many of the labels of the open copy are in a state, for one input. */
static int scored(struct model *model, enum finding_state wanted, int *ret_count)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    float *input = new_input(model, 0), embedding[64];
    assert_true(encode(model, input, embedding, &err));
    struct finding *findings = findings_of(model, embedding, arena, ret_count);
    int found = count_state(findings, *ret_count, wanted);
    for (int i = 0; i < *ret_count; i++)
        assert_true(findings[i].has_score && findings[i].score > 0 && findings[i].score < 1);
    arena_free(arena);
    free(input);
    return found;
}

static void untrained_is_always_undetermined(void **state)
{
    int count;
    change_config("score", "threshold", json_real(0));
    struct model *model = open_copy();
    assert_int_equal(scored(model, FINDING_UNDETERMINED, &count), 7);
    assert_int_equal(count, 7);
    model_close(model);
}

static void trained_decides(void **state)
{
    int count;
    change_config("", "trained", json_true());
    struct model *model = open_copy();
    int present = scored(model, FINDING_PRESENT, &count);
    assert_int_equal(present + scored(model, FINDING_ABSENT, &count), 7);
    assert_true(present > 0 && present < 7);
    model_close(model);
}

static void a_study_outside_the_domain_is_encoded_and_not_asked(void **state)
{
    struct err err = ERR_INIT;
    change_config("", "domain", domain_section("embedding", 0.5));
    write_domain(64, 2);
    struct model *model = open_copy();
    struct arena *arena = arena_new();
    float one[64] = {0.25f, 0.5f};
    struct encoder_output output = {.vector = one};
    struct result at = {.analysed = true}, above = {.analysed = true};
    assert_true(model_score(model, &output, arena, &at, &err));
    one[0] = 0.5f;
    assert_true(model_score(model, &output, arena, &above, &err));
    model_close(model); /* the result outlives it */
    assert_string_equal(at.domain.of, "embedding");
    assert_string_equal(at.domain.id, "test-1");
    assert_true(at.domain.distance == 0.5 && at.domain.limit == 0.5 && at.domain.inside); /* not above */
    assert_int_equal(count_state(at.findings, at.finding_count, FINDING_UNDETERMINED),
                     7); /* it is untrained */
    assert_true(above.domain.distance == 1 && !above.domain.inside && result_outside(&above));
    assert_int_equal(count_state(above.findings, above.finding_count, FINDING_NOT_ASSESSED), 7);
    for (int i = 0; i < 7; i++) {
        assert_string_equal(above.findings[i].reason, "outside_domain");
        assert_false(above.findings[i].has_score || above.findings[i].has_probability);
    }
    assert_non_null(above.embedding);
    assert_true(above.embedding[0] == 0.5f && above.embedding_dim == 64);
    arena_free(arena);
}

static void the_tower_of_a_domain_is_what_is_projected(void **state)
{
    struct err err = ERR_INIT;
    change_config("", "domain", domain_section("tower", 1000));
    write_domain(64, -3);
    struct model *model = open_copy();
    struct arena *arena = arena_new();
    float *values = new_input(model, 0);
    struct encoder_input input = {.values = values, .items = 1};
    struct encoder_output output;
    struct result result = {.analysed = true};
    model_input_zyx(model, input.zyx);
    assert_true(model_encode(model, &input, &output, &err));
    assert_true(model_score(model, &output, arena, &result, &err));
    assert_true(result.domain.distance == fabs(3 * (double)output.tower[0]));
    assert_true(result.domain.distance > 0.01 && output.tower[0] != output.vector[0]);
    assert_string_equal(result.domain.of, "tower");
    arena_free(arena);
    free(values);
    model_close(model);
}

static void the_domain_is_part_of_the_identity_and_watched(void **state)
{
    char first[DIGEST_HEX_SIZE], other[DIGEST_HEX_SIZE];
    change_config("", "domain", domain_section("tower", 2));
    write_domain(64, 1);
    config_digest(first);
    struct model *model = open_copy();
    assert_false(model_changed(model));
    write_domain(64, 2);
    assert_true(model_changed(model));
    model_close(model);
    config_digest(other);
    assert_string_not_equal(first, other);
}

static void section_and_file_of_a_domain_go_together(void **state)
{
    change_config("", "domain", domain_section("tower", 2));
    refused(ERR_INPUT, "domain.safetensors: missing; section \"domain\" of config.json needs it");
    write_domain(63, 1);
    refused(ERR_INPUT, "domain.safetensors: tensor mean is F32 [63]; the model needs F32 [64]");
    change_config("", "domain", NULL);
    refused(ERR_INPUT, "domain.safetensors: config.json has no section \"domain\" for it");
    change_config("", "domain", domain_section("tower", 0));
    refused(ERR_INPUT, "config.json: domain.limit: not within");
    change_config("", "domain", domain_section("tower", 2));
    write_copy("domain.safetensors", "12345678", 8);
    refused(ERR_INPUT, "domain.safetensors: header");
}

/* A label's own stands before that of all. */
static void a_label_may_have_a_calibration_of_its_own(void **state)
{
    struct err err = ERR_INIT;
    const char *prompts =
        "{\"version\":\"t\",\"labels\":["
        "{\"id\":\"x\",\"text\":\"X\",\"positive\":\"cardiomegaly\",\"negative\":\"normal\","
        "\"calibration\":{\"a\":2,\"b\":-1}},"
        "{\"id\":\"y\",\"text\":\"Y\",\"positive\":\"cardiomegaly\",\"negative\":\"normal\"}]}";
    write_copy("prompts.json", prompts, strlen(prompts));
    change_config("", "trained", json_true());
    refused(ERR_INPUT,
            "prompts.json: labels.x.calibration: score.calibration, whose id it needs, is missing");
    for (int both = 0; both < 2; both++) {
        size_t size;
        char *bytes = read_demo("config.json", &size);
        json_t *root = json_loadb(bytes, size, 0, NULL);
        json_t *calibration = json_pack("{s:s,s:s}", "id", "platt-1", "on", "nothing");
        if (both)
            json_object_update_new(calibration, json_pack("{s:f,s:f}", "a", 5.0, "b", 0.5));
        json_object_set_new(root, "trained", json_true());
        json_object_set_new(json_object_get(root, "score"), "calibration", calibration);
        char *text = json_dumps(root, 0);
        write_copy("config.json", text, strlen(text));
        struct model *model = open_copy();
        struct arena *arena = arena_new();
        int count;
        float *input = new_input(model, 0), image[64];
        assert_string_equal(model_identity(model)->calibration, "platt-1");
        assert_string_equal(model_identity(model)->calibration_on, "nothing");
        assert_true(encode(model, input, image, &err));
        struct finding *findings = findings_of(model, image, arena, &count);
        double margin = log(findings[0].score / (1 - findings[0].score));
        assert_true(fabs(findings[0].probability - 1 / (1 + exp(-(2 * margin - 1)))) < 1e-9);
        assert_int_equal(findings[1].has_probability, both);
        if (both)
            assert_true(fabs(findings[1].probability - 1 / (1 + exp(-(5 * margin + 0.5)))) < 1e-9);
        arena_free(arena);
        free(input);
        model_close(model);
        free(text);
        json_decref(root);
        free(bytes);
    }
}

static void several_prompts_are_averaged_and_renormalised(void **state)
{
    struct err err = ERR_INIT;
    const char *prompts =
        "{\"version\":\"t\",\"labels\":[{\"id\":\"x\",\"text\":\"X\",\"positive\":[\"cardiomegaly\","
        "\"heart enlarged\"],\"negative\":\"normal\"}]}";
    write_copy("prompts.json", prompts, strlen(prompts));
    struct model *model = open_copy();
    struct arena *arena = arena_new();
    int count;
    float *input = new_input(model, 0), image[64], one[64], two[64];
    assert_true(encode(model, input, image, &err));
    assert_true(model_embed_text(model, "cardiomegaly", one, &err));
    assert_true(model_embed_text(model, "heart enlarged", two, &err));
    struct finding *findings = findings_of(model, image, arena, &count);
    double cosine = 0, length = 0;
    for (int i = 0; i < 64; i++) {
        double mean = (double)one[i] + (double)two[i];
        cosine += mean * (double)image[i];
        length += mean * mean;
    }
    assert_int_equal(count, 1);
    assert_true(fabs(findings[0].cosine_positive - cosine / sqrt(length)) < 1e-6);
    arena_free(arena);
    free(input);
    model_close(model);
}

static void not_assessed_lists_every_label(void **state)
{
    struct err err = ERR_INIT;
    struct model *model = model_open(demo, NULL, &err);
    struct arena *arena = arena_new();
    struct finding *findings;
    int count;
    assert_true(model_not_assessed(model, "too_few_slices", arena, &findings, &count, &err));
    model_close(model); /* findings outlive the model */
    assert_int_equal(count_state(findings, count, FINDING_NOT_ASSESSED), 7);
    assert_string_equal(findings[6].reason, "too_few_slices");
    assert_string_equal(findings[5].id, "pericardial_effusion");
    assert_false(findings[0].has_score);
    arena_free(arena);
}

static void tokenizes_with_special_tokens(void **state)
{
    struct err err = ERR_INIT;
    struct model *model = model_open(demo, NULL, &err);
    struct arena *arena = arena_new();
    int *ids, count;
    float embedding[64];
    assert_true(model_tokenize(model, "There is cardiomegaly.", arena, &ids, &count, &err));
    assert_int_equal(count, 6);
    assert_true(ids[0] == 2 && ids[5] == 3);
    assert_false(model_embed_text(model, "\xff", embedding, &err));
    assert_int_equal(err.code, ERR_INPUT);
    arena_free(arena);
    model_close(model);
}

static void a_wrong_folder_is_refused_by_name(void **state)
{
    change_config("", "surprise", json_true());
    refused(ERR_INPUT, "config.json: surprise: unknown key");
    change_config("", "trained", NULL);
    refused(ERR_INPUT, "trained: required");
    change_config("vision", "widht", json_integer(64));
    refused(ERR_INPUT, "vision.widht: unknown key");
    change_config("vision", "width", json_integer(128));
    refused(ERR_INPUT, "vision.patch.weight has shape [64,1,8,8,8], the configuration needs [128,1,8,8,8]");
    change_config("vision", "depth", json_integer(4));
    refused(ERR_INPUT, "vision.layers.3.ln1.weight is missing");
    change_config("vision", "depth", json_integer(2));
    refused(ERR_INPUT, "vision.layers.2.");
    change_config("text", "vocab", json_integer(100));
    refused(ERR_INPUT, "text.tok.weight");
    change_config("preprocess", "modality", json_string("US"));
    refused(ERR_UNSUPPORTED, "preprocess.modality");
    change_config("preprocess", "norm", json_string("meanstd"));
    refused(ERR_INPUT, "preprocess.mean");
    change_config("", "family", json_string("other-clip"));
    refused(ERR_UNSUPPORTED, "family");
}

static void damaged_files_are_refused_by_name(void **state)
{
    write_copy("prompts.json", "{\"version\":\"1\"}", 15);
    refused(ERR_INPUT, "prompts.json: labels");
    fresh_copy(NULL);
    write_copy("vocab.txt", "a\nb\n", 4);
    refused(ERR_INPUT, "vocab.txt: the vocabulary has no [UNK]");
    fresh_copy(NULL);
    write_copy("model.safetensors", "12345678", 8);
    refused(ERR_INPUT, "model.safetensors: header");
    write_copy("config.json", "{", 1);
    refused(ERR_INPUT, "config.json: line 1");
    char path[4096];
    snprintf(path, sizeof path, "%s/config.json", copy);
    unlink(path);
    refused(ERR_IO, "config.json");
}

static int remove_copy(void **state)
{
    for (int i = 0; i < 4; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", copy, names[i]);
        unlink(path);
    }
    return rmdir(copy);
}

int main(void)
{
    demo = getenv("CARDIOSCRIBE_DEMO_MODEL");
    if (!demo || !mkdtemp(copy))
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_its_identity),
        cmocka_unit_test_setup(configuration_and_vocabulary_are_part_of_the_identity, fresh_copy),
        cmocka_unit_test_setup(a_folder_written_to_is_noticed, fresh_copy),
        cmocka_unit_test(embeds_to_unit_length_and_the_same_every_time),
        cmocka_unit_test_setup(untrained_is_always_undetermined, fresh_copy),
        cmocka_unit_test_setup(trained_decides, fresh_copy),
        cmocka_unit_test_setup_teardown(a_study_outside_the_domain_is_encoded_and_not_asked, fresh_copy,
                                        drop_domain),
        cmocka_unit_test_setup_teardown(the_tower_of_a_domain_is_what_is_projected, fresh_copy, drop_domain),
        cmocka_unit_test_setup_teardown(the_domain_is_part_of_the_identity_and_watched, fresh_copy,
                                        drop_domain),
        cmocka_unit_test_setup_teardown(section_and_file_of_a_domain_go_together, fresh_copy, drop_domain),
        cmocka_unit_test_setup(a_label_may_have_a_calibration_of_its_own, fresh_copy),
        cmocka_unit_test_setup(several_prompts_are_averaged_and_renormalised, fresh_copy),
        cmocka_unit_test(not_assessed_lists_every_label),
        cmocka_unit_test(tokenizes_with_special_tokens),
        cmocka_unit_test_setup(a_wrong_folder_is_refused_by_name, fresh_copy),
        cmocka_unit_test_setup(damaged_files_are_refused_by_name, fresh_copy),
    };
    return cmocka_run_group_tests(tests, NULL, remove_copy);
}
