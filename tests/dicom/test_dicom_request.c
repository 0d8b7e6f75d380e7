/* Lengths in association requests: each way a part can be longer than what holds it. */
#include "dicom/dicom_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct request {
    uint8_t bytes[4096];
    size_t size;
};

/* An empty request: the fixed head alone. */
static struct request begin(void)
{
    return (struct request){.bytes = {1}, .size = 74};
}

static void put(struct request *request, int type, const void *content, size_t size, size_t stated)
{
    uint8_t *at = request->bytes + request->size;
    at[0] = (uint8_t)type;
    at[1] = 0;
    at[2] = (uint8_t)(stated >> 8);
    at[3] = (uint8_t)stated;
    memcpy(at + 4, content, size);
    request->size += 4 + size;
}

static const char *fault(const struct request *request)
{
    return dicom_request_fault(request->bytes, request->size);
}

/* One item that holds one sub-item, behind `head` bytes of its own. */
static const char *fault_of(int type, size_t head, int inner_type, const void *content, size_t size,
                            size_t stated)
{
    struct request inner = {0}, request = begin();
    inner.size = head;
    put(&inner, inner_type, content, size, stated);
    put(&request, type, inner.bytes, inner.size, inner.size);
    return fault(&request);
}

static void test_an_ordinary_request_has_no_fault(void **state)
{
    struct request context = {.size = 4}, user = {0}, request = begin();
    put(&context, 0x30, "1.2.840.10008.1.1", 17, 17);
    put(&context, 0x40, "1.2.840.10008.1.2", 17, 17);
    put(&context, 0x40, "1.2.840.10008.1.2.1", 19, 19);
    put(&user, 0x51, "\0\0\x40\0", 4, 4);
    put(&user, 0x52, "1.2.3", 5, 5);
    put(&user, 0x53, "\0\1\0\1", 4, 4);
    put(&user, 0x54,
        "\0\5"
        "1.2.3"
        "\1\1",
        9, 9);
    put(&user, 0x58, "\1\0\0\4user\0\0", 10, 10);
    put(&request, 0x10, "1.2.840.10008.3.1.1.1", 21, 21);
    put(&request, 0x20, context.bytes, context.size, context.size);
    put(&request, 0x50, user.bytes, user.size, user.size);
    put(&request, 0x77, "what we do not know", 19, 19);
    assert_null(fault(&request));
}

static void test_every_cut_inside_an_item_is_a_fault(void **state)
{
    struct request request = begin();
    put(&request, 0x10, "1.2.840.10008.3.1.1.1", 21, 21);
    for (size_t size = 0; size < request.size; size++) {
        if (size == 74)
            assert_null(dicom_request_fault(request.bytes, size));
        else
            assert_non_null(dicom_request_fault(request.bytes, size));
    }
}

static void test_a_presentation_context_holds_its_syntaxes(void **state)
{
    static const uint8_t text[65] = {0};
    assert_null(fault_of(0x20, 4, 0x40, "1.2", 3, 3));
    assert_null(fault_of(0x20, 4, 0x40, text, 64, 64));
    assert_non_null(fault_of(0x20, 4, 0x40, "1.2", 3, 4));
    assert_non_null(fault_of(0x20, 4, 0x40, "1.2", 3, 2));
    assert_non_null(fault_of(0x20, 4, 0x40, text, 65, 65));
    assert_non_null(fault_of(0x20, 4, 0x30, text, 65, 65));
    assert_non_null(fault_of(0x20, 4, 0x77, "1.2", 3, 60000));
    struct request request = begin();
    put(&request, 0x20, "\1\0\0", 3, 3);
    assert_non_null(fault(&request));
}

static void test_a_presentation_context_has_a_transfer_syntax(void **state)
{
    struct request request = begin();
    assert_non_null(fault_of(0x20, 4, 0x30, "1.2", 3, 3));
    assert_non_null(fault_of(0x21, 4, 0x40, "1.2", 3, 3)); /* belongs into an answer */
    put(&request, 0x20, "\1\0\0\0", 4, 4);
    assert_non_null(fault(&request));
}

static void test_user_information_and_identity_stand_once(void **state)
{
    struct request user = {0}, request = begin();
    put(&user, 0x58, "\1\0\0\4user\0\0", 10, 10);
    put(&request, 0x50, user.bytes, user.size, user.size);
    assert_null(fault(&request));
    put(&request, 0x50, user.bytes, user.size, user.size);
    assert_non_null(fault(&request));
    put(&user, 0x58, "\1\0\0\4user\0\0", 10, 10);
    request = begin();
    put(&request, 0x50, user.bytes, user.size, user.size);
    assert_non_null(fault(&request));
}

static void test_user_information_holds_its_items(void **state)
{
    assert_non_null(fault_of(0x50, 0, 0x51, "\0\0\x40", 3, 3));
    assert_non_null(fault_of(0x50, 0, 0x52, "1.2", 3, 9));
    assert_non_null(fault_of(0x50, 0, 0x54,
                             "\0\6"
                             "1.2.3"
                             "\1\1",
                             9, 9));
    assert_non_null(fault_of(0x50, 0, 0x54, "\0", 1, 1));
    assert_non_null(fault_of(0x50, 0, 0x54,
                             "\377\377"
                             "1.2.3",
                             7, 7));
    assert_non_null(fault_of(0x50, 0, 0x56,
                             "\0\6"
                             "1.2.3",
                             7, 7));
    assert_null(fault_of(0x50, 0, 0x56,
                         "\0\5"
                         "1.2.3",
                         7, 7));
    assert_non_null(fault_of(0x50, 0, 0x58, "\1", 1, 1));
    assert_non_null(fault_of(0x50, 0, 0x58, "\1\0\0\4use\0\0", 9, 9));
    assert_non_null(fault_of(0x50, 0, 0x58, "\1\0\0\4user\0\1", 10, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_ordinary_request_has_no_fault),
        cmocka_unit_test(test_every_cut_inside_an_item_is_a_fault),
        cmocka_unit_test(test_a_presentation_context_holds_its_syntaxes),
        cmocka_unit_test(test_a_presentation_context_has_a_transfer_syntax),
        cmocka_unit_test(test_user_information_and_identity_stand_once),
        cmocka_unit_test(test_user_information_holds_its_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
