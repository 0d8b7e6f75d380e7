#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "daemon/config.h"
#include "daemon/config_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/cardioscribe-config-XXXXXX";
static struct err err;

static struct config *load(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    err = (struct err)ERR_INIT;
    return config_load(path, &err);
}

static struct config *load_good(const char *text)
{
    struct config *config = load(text);
    if (!config)
        fail_msg("%s", err.text);
    return config;
}

/* The error must have all of these, among them "FILE:LINE". */
static void refused(const char *text, int line, const char *word)
{
    char place[80];
    struct config *config = load(text);
    if (config)
        fail_msg("accepted: %s", text);
    assert_int_equal(err.code, ERR_INPUT);
    snprintf(place, sizeof place, "%s:%d:", path, line);
    if (line > 0 && !strstr(err.text, place))
        fail_msg("no \"%s\" in: %s", place, err.text);
    if (!strstr(err.text, word))
        fail_msg("no \"%s\" in: %s", word, err.text);
}

/* A reload reads the same file, not one whose name is the beginning of this. */
static void a_path_that_could_not_be_read_again_is_refused(void **state)
{
    char longer[CONFIG_TEXT + 40] = "/tmp/";
    config_free(load_good(""));
    while (strlen(longer) + strlen(path + strlen("/tmp/")) < CONFIG_TEXT)
        strcat(longer, "./");
    strcat(longer, path + strlen("/tmp/"));
    err = (struct err)ERR_INIT;
    assert_null(config_load(longer, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "too long"));
}

static void an_empty_file_is_all_defaults(void **state)
{
    struct config *config = load_good("");
    assert_string_equal(config->path, path);
    assert_string_equal(config->service.state_folder, "/var/lib/cardioscribe");
    assert_string_equal(config->service.intended_use, "research");
    assert_string_equal(config->listener.ae_title, "CARDIOSCRIBE");
    assert_int_equal(config->listener.port, 11112);
    assert_true(config->listener.accept_other);
    assert_int_equal(config->assembly.study_force_s, 5400);
    assert_string_equal(config->api.address, "127.0.0.1");
    assert_int_equal(config->api.port, 8042);
    assert_int_equal(config->peer_count, 0);
    assert_int_equal(config->model_count, 0);
    config_free(config);
}

static void values_comments_and_blank_lines_are_read(void **state)
{
    struct config *config = load_good("; a comment\n\n[listener]\nport = 104\nae_title = AI_NODE\n"
                                      "accept_other = no\n# another\n[assembly]\nseries_quiet_s=0\n");
    assert_int_equal(config->listener.port, 104);
    assert_string_equal(config->listener.ae_title, "AI_NODE");
    assert_false(config->listener.accept_other);
    assert_int_equal(config->assembly.series_quiet_s, 0);
    config_free(config);
}

static void an_unknown_key_names_file_and_line(void **state)
{
    refused("[listener]\nport = 104\nprot = 105\n", 3, "prot");
    refused("[listner]\nport = 104\n", 2, "listner");
    refused("[assembly]\nport = 104\n", 2, "port"); /* known, but elsewhere */
    refused("port = 104\n", 1, "port");             /* in no section */
}

static void a_key_given_twice_is_refused_not_replaced(void **state)
{
    refused("[listener]\nport = 104\nport = 105\n", 3, "port");
    refused("[listener]\nae_title = ONE\n  TWO\n", 3, "ae_title"); /* inih: the value goes on */
    refused("[peer \"A\"]\nport = 1\n[peer \"B\"]\nport = 1\n[peer \"A\"]\nport = 2\n", 6, "port");
}

static void refused_classes_add_up_and_must_be_uids(void **state)
{
    struct config *config = load_good("[listener]\nrefused_classes = 1.2.3 1.2.4\nrefused_classes = 1.2.5\n");
    assert_string_equal(config->listener.refused_classes, "1.2.3 1.2.4 1.2.5");
    config_free(config);
    refused("[listener]\nrefused_classes = 1.2.3 SecondaryCapture\n", 2, "SecondaryCapture");
}

static void the_order_of_sr_classes_is_a_choice_of_words_each_once(void **state)
{
    const char *peer = "[peer \"A\"]\nae_title = A\naddress = 10.0.0.1\n";
    char text[200];
    struct config *config = load_good(peer);
    assert_string_equal(config->peers[0].sr_classes, "comprehensive-3d comprehensive enhanced");
    assert_true(config->peers[0].may_echo);
    assert_int_equal(config->peers[0].dimse_timeout_s, 0);
    config_free(config);
    snprintf(text, sizeof text, "%ssr_classes =   enhanced  comprehensive\n", peer);
    config = load_good(text);
    assert_string_equal(config->peers[0].sr_classes, "enhanced comprehensive");
    config_free(config);
    snprintf(text, sizeof text, "%ssr_classes = comprehensive comprehensive-3d\n", peer);
    config_free(load_good(text)); /* one word begins with the other */
    snprintf(text, sizeof text, "%ssr_classes = enhanced basic\n", peer);
    refused(text, 4, "comprehensive-3d|comprehensive|enhanced");
    snprintf(text, sizeof text, "%ssr_classes = enhanced comprehensive enhanced\n", peer);
    refused(text, 4, "twice");
    snprintf(text, sizeof text, "%ssr_classes =\n", peer);
    refused(text, 4, "at least one");
}

static void a_line_that_is_neither_key_nor_section_is_refused(void **state)
{
    refused("[listener]\nport 104\n", 2, "");
    refused("[listener\nport = 104\n", 0, ""); /* the next line is in no section */
}

static void a_long_line_is_refused_not_cut(void **state)
{
    char text[600] = "[service]\nstate_folder = /";
    size_t length = strlen(text);
    memset(text + length, 'a', 300);
    strcpy(text + length + 300, "\n");
    refused(text, 2, "too long");
}

static void the_longest_line_is_read_whole(void **state)
{
    char text[300] = "[service]\nstate_folder=/", folder[256];
    size_t line = strlen("state_folder=/"), start = strlen(text);
    memset(text + start, 'a', 198 - line);
    strcpy(text + start + 198 - line, "\n[listener]\nport = 105\n");
    struct config *config = load_good(text);
    snprintf(folder, sizeof folder, "/%.*s", (int)(198 - line), text + start);
    assert_string_equal(config->service.state_folder, folder);
    assert_int_equal(config->listener.port, 105);
    config_free(config);
}

static void a_bad_number_names_its_limits(void **state)
{
    refused("[listener]\nport = 0\n", 2, "1 to 65535");
    refused("[listener]\nport = 65536\n", 2, "1 to 65535");
    refused("[listener]\nport = 104x\n", 2, "port");
    refused("[listener]\nport =\n", 2, "port");
    refused("[listener]\nport = 99999999999999999999\n", 2, "port");
    refused("[pool]\nworkers = -1\n", 2, "workers");
}

static void a_bad_choice_a_bad_flag_and_a_bad_title_are_refused(void **state)
{
    refused("[service]\nintended_use = clinic\n", 2, "investigational");
    refused("[service]\nintended_use = research|clinical\n", 2, "investigational");
    refused("[listener]\naccept_other = true\n", 2, "accept_other");
    refused("[listener]\nae_title = A_TITLE_THAT_IS_TOO_LONG\n", 2, "AE title");
    refused("[listener]\nae_title = A\\B\n", 2, "AE title");
    refused("[service]\nstation_name = SEVENTEEN_LETTERS\n", 2, "station_name");
}

static void our_own_title_cannot_be_empty(void **state)
{
    refused("[listener]\nae_title =\n", 0, "ae_title");
}

static const char peer_text[] = "[peer \"PACS\"]\nae_title = ARCHIVE\naddress = 10.0.0.5\nport = 11113\n"
                                "may_store = yes\nreceives_results = yes\n";

static void peers_and_models_have_names_and_defaults(void **state)
{
    char text[600];
    snprintf(text, sizeof text,
             "%s[peer \"Scanner 2\"]\nae_title = CT2\naddress = ct2.example.org\n"
             "[model \"heart\"]\nfolder = /models/heart\ndescription_match = cardiac|heart\nlive = no\n",
             peer_text);
    struct config *config = load_good(text);
    assert_int_equal(config->peer_count, 2);
    assert_string_equal(config->peers[0].name, "PACS");
    assert_string_equal(config->peers[0].ae_title, "ARCHIVE");
    assert_int_equal(config->peers[0].port, 11113);
    assert_true(config->peers[0].may_store);
    assert_true(config->peers[0].receives_results);
    assert_string_equal(config->peers[1].name, "Scanner 2");
    assert_int_equal(config->peers[1].port, 104);
    assert_false(config->peers[1].may_store);
    assert_int_equal(config->peers[1].study_quiet_s, -1); /* that of [assembly] */
    assert_int_equal(config->peers[1].expected_series, 0);
    assert_false(config->peers[1].trust_counts);
    assert_int_equal(config->model_count, 1);
    assert_string_equal(config->models[0].name, "heart");
    assert_string_equal(config->models[0].description_match, "cardiac|heart");
    assert_false(config->models[0].live);
    config_free(config);
}

static void a_section_given_twice_is_one(void **state)
{
    struct config *config = load_good("[peer \"PACS\"]\nae_title = ARCHIVE\n[api]\nport = 9001\n"
                                      "[peer \"PACS\"]\naddress = 10.0.0.5\n[api]\naddress = 127.0.0.2\n");
    assert_int_equal(config->peer_count, 1);
    assert_string_equal(config->peers[0].ae_title, "ARCHIVE");
    assert_string_equal(config->peers[0].address, "10.0.0.5");
    assert_int_equal(config->api.port, 9001);
    assert_string_equal(config->api.address, "127.0.0.2");
    config_free(config);
}

static void a_peer_or_model_needs_a_name_and_others_take_none(void **state)
{
    refused("[peer]\nport = 104\n", 2, "name");
    refused("[model]\nfolder = /m\n", 2, "name");
    refused("[api \"x\"]\nport = 104\n", 2, "name");
    refused("[peer \"\"]\nport = 104\n", 2, "peer");
    refused("[peer PACS]\nport = 104\n", 2, "peer");
    refused("[peer \"A\" \"B\"]\nport = 104\n", 2, "peer");
}

static void a_peer_or_model_must_be_complete(void **state)
{
    refused("[peer \"PACS\"]\naddress = 10.0.0.5\n", 0, "ae_title");
    refused("[peer \"PACS\"]\nae_title = A\n", 0, "address");
    refused("[model \"heart\"]\nlive = yes\n", 0, "folder");
    refused("[peer \"PACS\"]\nae_title = A\naddress = pacs.example.org\nmay_store = yes\n", 0, "IPv4");
}

static void what_a_peer_is_expected_to_send_must_have_words(void **state)
{
    static const char text[] = "[peer \"CT\"]\nae_title = A\naddress = 10.0.0.5\nmay_store = yes\n";
    char whole[300];
    snprintf(whole, sizeof whole, "%srequired_series = coronary|cta, calcium\n", text);
    struct config *config = load_good(whole);
    assert_string_equal(config->peers[0].required_series, "coronary|cta, calcium");
    config_free(config);
    snprintf(whole, sizeof whole, "%srequired_series = coronary,,calcium\n", text);
    refused(whole, 0, "required_series");
}

#define DIGEST_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_B "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void marks_of_retention_must_fit_together(void **state)
{
    refused("[retention]\nfree_low_mb = 2000\nfree_high_mb = 1999\n", 0, "free_high_mb");
    refused("[retention]\nused_high_mb = 2000\nused_low_mb = 2001\n", 0, "used_low_mb");
    refused("[retention]\nfree_low_mb = 2000\n", 0, "free_high_mb"); /* there is no end to it */
    refused("[retention]\nfinished_days = -2\n", 2, "finished_days");
}

static void digests_of_tokens_add_up_in_lower_case(void **state)
{
    struct config *config = load_good("[api]\ntoken_sha256 = " DIGEST_A " " DIGEST_B "\ntoken_sha256 ="
                                      " 0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789ABCDEF\n");
    assert_string_equal(config->api.token_sha256, DIGEST_A " " DIGEST_B " " DIGEST_B);
    config_free(config);
    char text[4096] = "[api]\n";
    for (int i = 0; i < CONFIG_MAX_TOKENS; i++)
        strcat(text, "token_sha256 = " DIGEST_A "\n");
    config_free(load_good(text));
    strcat(text, "token_sha256 = " DIGEST_A "\n");
    refused(text, CONFIG_MAX_TOKENS + 2, "token_sha256");
}

static void a_token_in_place_of_its_digest_is_refused_and_not_repeated(void **state)
{
    static const char *const wrong[] = {"correct-horse-battery-staple", "cardioscribe-" DIGEST_B,
                                        DIGEST_A "a",
                                        "g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
    for (int i = 0; i < 4; i++) {
        char text[300];
        snprintf(text, sizeof text, "[api]\ntoken_sha256 = %s\n", wrong[i]);
        refused(text, 2, "token_sha256 takes SHA-256 digests of 64 hexadecimal digits, never a token itself");
        assert_null(strstr(err.text, wrong[i]));
    }
    refused("[api]\ntoken_file = /etc/token\n", 2, "unknown key token_file");
}

/* What a running configuration makes of a file that says `text`; the base is freed with it. */
static struct config *merge(const char *base, const char *text, struct config_changes *changes)
{
    struct config *running = load_good(base), *wanted = load_good(text);
    err = (struct err)ERR_INIT;
    struct config *merged = config_merge(running, wanted, changes, &err);
    config_free(wanted);
    if (!merged) {
        config_free(running);
        return NULL;
    }
    merged->replaced = running;
    return merged;
}

static const char whole_text[] = "[listener]\nport = 104\nae_title = OLD\n[assembly]\nstudy_quiet_s = 5\n"
                                 "[peer \"A\"]\nae_title = A\naddress = 10.0.0.1\n"
                                 "[model \"one\"]\nfolder = /one\n[model \"two\"]\nfolder = /two\n";

static void a_merge_takes_what_is_reloadable_and_names_the_rest(void **state)
{
    struct config_changes changes;
    struct config *config = merge(whole_text,
                                  "[listener]\nport = 105\nae_title = NEW\nmax_associations = 3\n"
                                  "[assembly]\nstudy_quiet_s = 7\n[api]\ntoken_sha256 = " DIGEST_A "\n"
                                  "[peer \"A\"]\nae_title = A\naddress = 10.0.0.1\n"
                                  "[model \"one\"]\nfolder = /one\n[model \"two\"]\nfolder = /two\n",
                                  &changes);
    assert_string_equal(changes.applied, "listener.ae_title assembly.study_quiet_s api.token_sha256");
    assert_string_equal(changes.after_restart, "listener.port listener.max_associations");
    assert_int_equal(config->listener.port, 104);
    assert_int_equal(config->listener.max_associations, 32);
    assert_string_equal(config->listener.ae_title, "NEW");
    assert_int_equal(config->assembly.study_quiet_s, 7);
    assert_string_equal(config->api.token_sha256, DIGEST_A);
    config_free(config);
}

static void a_merge_with_the_same_file_changes_nothing(void **state)
{
    struct config_changes changes;
    struct config *config = merge(whole_text, whole_text, &changes);
    assert_string_equal(changes.applied, "");
    assert_string_equal(changes.after_restart, "");
    config_free(config);
    /* a shorter value leaves bytes behind its end, which are none of its own */
    config = merge("[listener]\nae_title = A\n", "[listener]\nae_title = CARDIOSCRIB\n", &changes);
    struct config *again = load_good("[listener]\nae_title = CARDIOSCRIB\n");
    config_free(config_merge(config, again, &changes, &err));
    assert_string_equal(changes.applied, "");
    config_free(again);
    config_free(config);
}

static void peers_come_change_and_go_as_one(void **state)
{
    struct config_changes changes;
    static const char *const lists[] = {"", "[peer \"A\"]\nae_title = A\naddress = 10.0.0.2\n",
                                        "[peer \"B\"]\nae_title = A\naddress = 10.0.0.1\n",
                                        ("[peer \"A\"]\nae_title = A\naddress = 10.0.0.1\nreceives_results = "
                                         "yes\n[peer \"B\"]\nae_title = B\n"
                                         "address = 10.0.0.3\n")};
    for (int i = 0; i < 4; i++) {
        struct config *config = merge("[peer \"A\"]\nae_title = A\naddress = 10.0.0.1\n", lists[i], &changes);
        assert_string_equal(changes.applied, "peer");
        assert_string_equal(changes.after_restart, "");
        assert_int_equal(config->peer_count, i == 0 ? 0 : i == 3 ? 2 : 1);
        if (i > 0)
            assert_string_equal(config->peers[0].name, i == 2 ? "B" : "A");
        config_free(config);
    }
}

static void models_keep_folder_place_and_what_was_learnt(void **state)
{
    struct config_changes changes;
    struct config *running = load_good(whole_text);
    strcpy(running->models[1].modality, "MR");
    struct config *wanted = load_good("[model \"two\"]\nfolder = /new\nlive = no\ndescription_match = heart\n"
                                      "[model \"three\"]\nfolder = /three\n");
    struct config *merged = config_merge(running, wanted, &changes, &err);
    assert_non_null(merged);
    assert_string_equal(changes.applied,
                        "listener.ae_title assembly.study_quiet_s peer model.description_match"
                        " model.live");
    assert_string_equal(changes.after_restart, "listener.port model.folder model");
    assert_int_equal(merged->model_count, 2);
    assert_string_equal(merged->models[0].name, "one");
    assert_true(merged->models[0].live);
    assert_string_equal(merged->models[1].folder, "/two");
    assert_string_equal(merged->models[1].modality, "MR");
    assert_false(merged->models[1].live);
    assert_string_equal(merged->models[1].description_match, "heart");
    config_free(merged);
    config_free(wanted);
    config_free(running);
}

/* The address that is served stays, so its token must. */
static void the_last_token_cannot_go_while_the_world_is_served(void **state)
{
    struct config_changes changes;
    static const char world[] = "[api]\naddress = 0.0.0.0\ntoken_sha256 = " DIGEST_A "\n";
    assert_null(merge(world, "[api]\naddress = 127.0.0.1\n", &changes));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "token_sha256"));
    struct config *config =
        merge(world, "[api]\naddress = 127.0.0.1\ntoken_sha256 = " DIGEST_B "\n", &changes);
    assert_string_equal(config->api.token_sha256, DIGEST_B);
    assert_string_equal(config->api.address, "0.0.0.0");
    config_free(config);
}

static void an_interface_beyond_loopback_needs_a_token(void **state)
{
    refused("[api]\naddress = 0.0.0.0\n", 0, "token_sha256");
    refused("[api]\naddress = 10.1.2.3\n", 0, "token_sha256");
    refused("[api]\naddress = localhost\n", 0, "IPv4");
    refused("[listener]\naddress = ::1\n", 0, "IPv4");
    config_free(load_good("[api]\naddress = 0.0.0.0\ntoken_sha256 = " DIGEST_A "\n"));
    config_free(load_good("[api]\naddress = 127.0.0.2\n"));
}

static void more_sections_than_fit_are_refused(void **state)
{
    char text[8192] = "";
    for (int i = 0; i <= CONFIG_MAX_PEERS; i++)
        sprintf(text + strlen(text), "[peer \"P%d\"]\nae_title = A\naddress = 10.0.0.1\n", i);
    refused(text, CONFIG_MAX_PEERS * 3 + 2, "too many");
}

static void a_file_that_is_not_there_is_an_io_error(void **state)
{
    err = (struct err)ERR_INIT;
    assert_null(config_load("/nonexistent/cardioscribe.ini", &err));
    assert_int_equal(err.code, ERR_IO);
    config_free(NULL);
}

/* Writing every printed key at its printed default gives the same configuration as an empty file. */
static void printed_keys_are_a_file_that_says_the_defaults(void **state)
{
    char *keys = NULL, text[8192] = "", *line, *rest;
    size_t size;
    int count = 0;
    FILE *out = open_memstream(&keys, &size);
    config_print_keys(out);
    fclose(out);
    for (line = strtok_r(keys, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), count++) {
        char *columns[6], *at = line;
        for (int i = 0; i < 6; i++)
            assert_non_null(columns[i] = strsep(&at, "\t"));
        assert_null(at);
        assert_true(strlen(columns[5]) > 10); /* help */
        assert_true(strcmp(columns[4], "yes") == 0 || strcmp(columns[4], "no") == 0);
        if (!config_group_find(columns[0]) && *columns[3])
            sprintf(text + strlen(text), "[%s]\n%s = %s\n", columns[0], columns[1], columns[3]);
    }
    free(keys);
    assert_true(count > 30);
    struct config *written = load_good(text), *empty = load_good("");
    assert_memory_equal(written, empty, sizeof *empty);
    config_free(written);
    config_free(empty);
}

static int setup(void **state)
{
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_is_all_defaults),
        cmocka_unit_test(a_path_that_could_not_be_read_again_is_refused),
        cmocka_unit_test(values_comments_and_blank_lines_are_read),
        cmocka_unit_test(an_unknown_key_names_file_and_line),
        cmocka_unit_test(a_key_given_twice_is_refused_not_replaced),
        cmocka_unit_test(refused_classes_add_up_and_must_be_uids),
        cmocka_unit_test(the_order_of_sr_classes_is_a_choice_of_words_each_once),
        cmocka_unit_test(a_line_that_is_neither_key_nor_section_is_refused),
        cmocka_unit_test(a_long_line_is_refused_not_cut),
        cmocka_unit_test(the_longest_line_is_read_whole),
        cmocka_unit_test(a_bad_number_names_its_limits),
        cmocka_unit_test(a_bad_choice_a_bad_flag_and_a_bad_title_are_refused),
        cmocka_unit_test(our_own_title_cannot_be_empty),
        cmocka_unit_test(peers_and_models_have_names_and_defaults),
        cmocka_unit_test(a_section_given_twice_is_one),
        cmocka_unit_test(a_peer_or_model_needs_a_name_and_others_take_none),
        cmocka_unit_test(a_peer_or_model_must_be_complete),
        cmocka_unit_test(what_a_peer_is_expected_to_send_must_have_words),
        cmocka_unit_test(marks_of_retention_must_fit_together),
        cmocka_unit_test(digests_of_tokens_add_up_in_lower_case),
        cmocka_unit_test(a_token_in_place_of_its_digest_is_refused_and_not_repeated),
        cmocka_unit_test(a_merge_takes_what_is_reloadable_and_names_the_rest),
        cmocka_unit_test(a_merge_with_the_same_file_changes_nothing),
        cmocka_unit_test(peers_come_change_and_go_as_one),
        cmocka_unit_test(models_keep_folder_place_and_what_was_learnt),
        cmocka_unit_test(the_last_token_cannot_go_while_the_world_is_served),
        cmocka_unit_test(an_interface_beyond_loopback_needs_a_token),
        cmocka_unit_test(more_sections_than_fit_are_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_an_io_error),
        cmocka_unit_test(printed_keys_are_a_file_that_says_the_defaults),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
