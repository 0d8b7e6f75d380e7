#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka's header needs those above
#include <cmocka.h>

#include "daemon/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEER     "[peer \"PACS\"]\nae_title = PACS\naddress = 10.0.0.1\nreceives_results = yes\n"
#define ORIGINAL "[peer \"ARCHIVE\"]\nae_title = A\naddress = 10.0.0.2\nreceives_objects = yes\n"
#define SENDER   "[peer \"CT\"]\nae_title = CT\naddress = 10.0.0.3\nmay_store = yes\n"
#define HL7      "[hl7 \"RIS\"]\naddress = ris.example.org\n"
#define WEBHOOK  "[webhook \"BOARD\"]\nurl = https://board.example.org/x\nsecret_file = /etc/secret\n"

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

static void refused(const char *text, const char *words)
{
    struct config *config = load(text);
    if (config)
        fail_msg("accepted: %s", text);
    assert_int_equal(err.code, ERR_INPUT);
    if (!strstr(err.text, words))
        fail_msg("no \"%s\" in: %s", words, err.text);
}

static void every_kind_is_found_by_its_name(void **state)
{
    struct config_destination all[CONFIG_MAX_DESTINATIONS], one;
    const char *names[CONFIG_MAX_DESTINATIONS];
    struct config *config = load_good(WEBHOOK HL7 SENDER ORIGINAL PEER);
    assert_int_equal(config_all_destinations(config, all), 4);
    assert_int_equal(config_destinations(config, names), 3);
    assert_string_equal(names[0], "PACS");
    assert_string_equal(names[1], "RIS");
    assert_string_equal(names[2], "BOARD");
    assert_true(config_find_destination(config, "RIS", &one));
    assert_int_equal(one.kind, CONFIG_KIND_HL7);
    assert_ptr_equal(one.hl7, &config->hl7[0]);
    assert_int_equal(one.hl7->port, 2575);
    assert_string_equal(one.hl7->accession_field, "both");
    assert_true(config_find_destination(config, "BOARD", &one));
    assert_int_equal(one.kind, CONFIG_KIND_WEBHOOK);
    assert_true(config_is_destination(config, "ARCHIVE")); /* of originals */
    assert_false(config_is_destination(config, "CT"));
    assert_false(config_is_destination(config, "nobody"));
    config_free(config);
}

static void no_two_have_one_name(void **state)
{
    refused(PEER "[hl7 \"PACS\"]\naddress = 10.0.0.1\n", "two of peer, hl7 and webhook are called \"PACS\"");
    refused(HL7 "[webhook \"RIS\"]\nurl = http://x\nsecret_file = /s\n", "are called \"RIS\"");
    refused(SENDER "[hl7 \"CT\"]\naddress = 10.0.0.1\n", "are called \"CT\"");
    config_free(load_good(HL7 "[model \"RIS\"]\nfolder = /m\n")); /* a model is no destination */
}

static void what_is_needed_is_asked_for(void **state)
{
    refused("[hl7 \"RIS\"]\nport = 1\n", "hl7 \"RIS\" needs an address");
    refused("[hl7 \"RIS\"]\naddress = ris:2575\n", "hl7 \"RIS\" needs an address");
    refused("[hl7 \"RIS\"]\naddress = ris\naccession_field = obr20\n", "obr3|obr18|both");
    refused("[webhook \"W\"]\nurl = ftp://x\nsecret_file = /s\n", "webhook \"W\" needs an url");
    refused("[webhook \"W\"]\nurl = https://x\n", "webhook \"W\" needs a secret_file");
    refused("[hl7]\naddress = ris\n", "section needs a name");
}

static void a_reload_changes_them(void **state)
{
    struct config_changes changes;
    struct config *running = load_good(HL7), *wanted = load_good("[hl7 \"RIS\"]\naddress = new\n" WEBHOOK);
    struct config *merged = config_merge(running, wanted, &changes, &err);
    assert_non_null(merged);
    assert_string_equal(changes.applied, "hl7 webhook");
    assert_string_equal(changes.after_restart, "");
    assert_string_equal(merged->hl7[0].address, "new");
    assert_true(config_is_destination(merged, "BOARD"));
    config_free(merged);
    config_free(wanted);
    config_free(running);
}

static int make_file(void **state)
{
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_found_by_its_name),
        cmocka_unit_test(no_two_have_one_name),
        cmocka_unit_test(what_is_needed_is_asked_for),
        cmocka_unit_test(a_reload_changes_them),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
