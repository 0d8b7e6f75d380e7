#include "encoder/encoder_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define VISION                                                                                               \
    "\"arch\":\"vit\",\"input\":[16,24,32],\"patch\":[4,8,16],\"width\":48,\"depth\":2,\"heads\":3,\"mlp_"   \
    "dim\":96,"                                                                                              \
    "\"proj_dim\":20"
#define TEXT                                                                                                 \
    "\"arch\":\"bert\",\"vocab\":99,\"width\":40,\"depth\":2,\"heads\":5,\"mlp_dim\":80,\"max_pos\":64,"     \
    "\"max_len\":32,\"do_lower_case\":true,\"pool\":\"argmax_id\",\"proj_dim\":20"

static bool read_texts(const char *vision, const char *text, struct encoder_config *ret, struct err *err)
{
    json_t *one = json_loads(vision, 0, NULL), *two = json_loads(text, 0, NULL);
    assert_true(one && two);
    const struct encoder_sections sections = {.family = "cardiac-clip", .vision = one, .text = two};
    bool ok = encoder_config_read(&sections, ret, err);
    json_decref(one);
    json_decref(two);
    return ok;
}

static void derives_grid_and_tokens(void **state)
{
    struct err err = ERR_INIT;
    struct encoder_config c;
    assert_true(read_texts("{" VISION "}", "{" TEXT "}", &c, &err));
    assert_int_equal(c.vision.tokens, 4 * 3 * 2 + 1);
    assert_int_equal(c.vision.patch_dim, 4 * 8 * 16);
    assert_int_equal(c.vision.blocks.act, ENCODER_QUICK_GELU);
    assert_true(c.vision.blocks.ln_eps == 1e-5 && c.text.blocks.ln_eps == 1e-12);
    assert_true(c.vision.pre_ln && c.vision.post_ln && c.vision.learned_pos && !c.vision.patch_bias);
    assert_int_equal(c.text.blocks.act, ENCODER_GELU);
    assert_int_equal(c.text.pool, ENCODER_POOL_ARGMAX_ID);
}

/* A later key of the same name wins in json_loads without JSON_REJECT_DUPLICATES. */
static void names_the_key_that_is_wrong(void **state)
{
    static const char *const cases[][3] = {
        {",\"colour\":4", "", "vision.colour: unknown key"},
        {",\"time_pos\":4", "", "vision.time_pos: only with arch spacetime_vit"},
        {",\"attn\":\"divided_time_space\"", "", "vision.attn"},
        {",\"arch\":\"spacetime_vit\"", "", "vision.attn"},
        {",\"taps\":[0]", "", "vision.taps: only with pool tokens"},
        {",\"taps\":[0,2],\"pool\":\"tokens\"", "", "vision.taps: 2"},
        {",\"taps\":[1,1],\"pool\":\"tokens\"", "", "vision.taps: 1"},
        {",\"taps\":[0,1,0,1,0,1,0,1,0,1,0,1,0,1,0,1,0],\"pool\":\"tokens\"", "", "vision.taps"},
        {",\"proj_pre\":\"relu\",\"pool\":\"tokens\"", "", "vision.proj_pre: not with pool tokens"},
        {",\"pos_resize\":\"nearest\"", "", "vision.pos_resize"},
        {",\"input\":[16]", "", "vision.input: not a list of two or three"},
        {",\"arch\":\"unet\"", "", "vision.patch: unknown key"},
        {",\"arch\":\"mit\"", "", "vision.arch"},
        {",\"input\":[16,24,33]", "", "vision.patch: 16 does not divide input 33"},
        {",\"input\":[1024,1024,1024],\"patch\":[4,4,4]", "", "vision.input"},
        {",\"patch\":[16,24,256],\"input\":[16,24,256]", "", "vision.patch"},
        {",\"heads\":5", "", "vision.heads: 5 heads do not divide width 48"},
        {",\"width\":0", "", "vision.width"},
        {",\"depth\":1000", "", "vision.depth"},
        {",\"ln_eps\":0", "", "vision.ln_eps"},
        {",\"cls_token\":false", "", "vision.pool: cls needs cls_token"},
        {",\"proj_dim\":21", "", "text.proj_dim: 20 differs from vision.proj_dim 21"},
        {"", ",\"arch\":\"gpt\"", "text.arch"},
        {"", ",\"arch\":\"clip\",\"causal\":false", "text.causal"},
        {"", ",\"arch\":\"clip\",\"type_emb\":true", "text.type_emb"},
        {"", ",\"max_len\":65", "text.max_len: 65 is over max_pos 64"},
        {"", ",\"causal\":true", "text.causal"},
        {"", ",\"pool\":\"eos_token\"", "text.pool"},
        {"", ",\"do_lower_case\":null", "text.do_lower_case: required"},
        {"", ",\"vocab\":-1", "text.vocab"},
        {"", ",\"pads\":0", "text.pads: unknown key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char vision[600], text[600];
        struct err err = ERR_INIT;
        struct encoder_config c;
        snprintf(vision, sizeof vision, "{" VISION "%s}", cases[i][0]);
        snprintf(text, sizeof text, "{" TEXT "%s}", cases[i][1]);
        assert_false(read_texts(vision, text, &c, &err));
        if (strncmp(err.text, cases[i][2], strlen(cases[i][2])) != 0)
            fail_msg("\"%s\" is not \"%s...\"", err.text, cases[i][2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derives_grid_and_tokens),
        cmocka_unit_test(names_the_key_that_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
