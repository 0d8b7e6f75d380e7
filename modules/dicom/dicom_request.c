#include "dicom/dicom_request.h"

#include <stdlib.h>
#include <sys/socket.h>

enum {
    PDU_HEAD = 6,
    HEAD_BYTES = 74, /* of the PDU, up to its first item */
    TEXT_MAX = 64,   /* of a UID or a name */
    APPLICATION_CONTEXT = 0x10,
    PRESENTATION_CONTEXT = 0x20,
    CONTEXT_ANSWER = 0x21, /* of an A-ASSOCIATE-AC; DCMTK would read it */
    ABSTRACT_SYNTAX = 0x30,
    TRANSFER_SYNTAX = 0x40,
    USER_INFORMATION = 0x50,
    MAXIMUM_LENGTH = 0x51,
    IMPLEMENTATION_CLASS = 0x52,
    ROLE = 0x54,
    IMPLEMENTATION_VERSION = 0x55,
    EXTENDED_NEGOTIATION = 0x56,
    USER_IDENTITY = 0x58
};

/* Bytes that are left, from the front. */
struct bytes {
    const uint8_t *at;
    size_t size;
};

static size_t number(const uint8_t *at)
{
    return (size_t)at[0] << 8 | at[1];
}

/* Cut the next item off; false when it does not fit. */
static bool take_item(struct bytes *from, int *ret_type, struct bytes *ret_content)
{
    enum { ITEM_HEAD = 4 };
    if (from->size < ITEM_HEAD || number(from->at + 2) > from->size - ITEM_HEAD)
        return false;
    *ret_type = from->at[0];
    *ret_content = (struct bytes){from->at + ITEM_HEAD, number(from->at + 2)};
    from->at += ITEM_HEAD + ret_content->size;
    from->size -= ITEM_HEAD + ret_content->size;
    return true;
}

/* A number, so many bytes, and at least `after` more. */
static bool holds_counted(struct bytes content, size_t most, size_t after)
{
    return content.size >= 2 && number(content.at) <= most && number(content.at) + 2 + after <= content.size;
}

static bool identity_fits(struct bytes content)
{
    enum { TYPE_AND_FLAG = 2 };
    if (content.size < TYPE_AND_FLAG)
        return false;
    struct bytes fields = {content.at + TYPE_AND_FLAG, content.size - TYPE_AND_FLAG};
    if (!holds_counted(fields, fields.size, 2))
        return false;
    size_t first = 2 + number(fields.at);
    return holds_counted((struct bytes){fields.at + first, fields.size - first}, fields.size, 0);
}

static bool user_item_fits(int type, struct bytes content)
{
    switch (type) {
    case MAXIMUM_LENGTH:
        return content.size == 4;
    case IMPLEMENTATION_CLASS:
    case IMPLEMENTATION_VERSION:
        return content.size <= TEXT_MAX;
    case ROLE:
        return holds_counted(content, TEXT_MAX, 2);
    case EXTENDED_NEGOTIATION:
        return holds_counted(content, TEXT_MAX, 0);
    case USER_IDENTITY:
        return identity_fits(content);
    default:
        return true;
    }
}

/* With at most one user identity: DCMTK loses all but the last. */
static bool user_information_fits(struct bytes content)
{
    int type, identities = 0;
    struct bytes item;
    while (content.size > 0) {
        if (!take_item(&content, &type, &item) || !user_item_fits(type, item))
            return false;
        identities += type == USER_IDENTITY;
    }
    return identities <= 1;
}

/* With at least one transfer syntax: DCMTK would give up over none, and lose the contexts before. */
static bool context_fits(struct bytes content)
{
    enum { CONTEXT_HEAD = 4 };
    int type, syntaxes = 0;
    struct bytes item;
    if (content.size < CONTEXT_HEAD)
        return false;
    content = (struct bytes){content.at + CONTEXT_HEAD, content.size - CONTEXT_HEAD};
    while (content.size > 0) {
        if (!take_item(&content, &type, &item) ||
            ((type == ABSTRACT_SYNTAX || type == TRANSFER_SYNTAX) && item.size > TEXT_MAX))
            return false;
        syntaxes += type == TRANSFER_SYNTAX;
    }
    return syntaxes > 0;
}

static const char *item_fault(int type, struct bytes content)
{
    if (type == APPLICATION_CONTEXT && content.size > TEXT_MAX)
        return "the application context is too long";
    if (type == CONTEXT_ANSWER || (type == PRESENTATION_CONTEXT && !context_fits(content)))
        return "a presentation context is malformed";
    if (type == USER_INFORMATION && !user_information_fits(content))
        return "the user information is malformed";
    return NULL;
}

const char *dicom_request_fault(const uint8_t *pdu, size_t size)
{
    if (size < HEAD_BYTES)
        return "it is too short";
    struct bytes rest = {pdu + HEAD_BYTES, size - HEAD_BYTES}, content;
    const char *fault = NULL;
    int users = 0;
    while (!fault && rest.size > 0) {
        int type;
        fault = take_item(&rest, &type, &content) ? item_fault(type, content) : "an item does not fit";
        users += !fault && type == USER_INFORMATION;
    }
    return !fault && users > 1 ? "there is more than one user information" : fault;
}

/* The request as it waits in the socket. */
static uint8_t *peek(int fd, size_t *ret_size, struct err *err)
{
    uint8_t head[PDU_HEAD];
    size_t size = recv(fd, head, PDU_HEAD, MSG_PEEK | MSG_DONTWAIT) == PDU_HEAD
                      ? (number(head + 2) << 16 | number(head + 4)) + PDU_HEAD
                      : 0;
    if (size < PDU_HEAD || size > DICOM_REQUEST_MAX + PDU_HEAD) {
        err_fail(err, ERR_PEER, "association request: it is gone, or too long");
        return NULL;
    }
    uint8_t *pdu = malloc(size);
    if (!pdu) {
        err_fail(err, ERR_NOMEM, "no memory for an association request of %zu bytes", size);
    } else if (recv(fd, pdu, size, MSG_PEEK | MSG_DONTWAIT) != (ssize_t)size) {
        err_fail(err, ERR_PEER, "association request: it has not arrived whole");
        free(pdu);
        return NULL;
    }
    *ret_size = size;
    return pdu;
}

/* Read what is waiting, or the kernel resets the connection and the answer is lost. source: PS3.8 9.3.8 */
static void send_abort(int fd)
{
    static const uint8_t pdu[] = {0x07, 0, 0, 0, 0, 4, 0, 0, 2, 6};
    uint8_t drain[4096];
    send(fd, pdu, sizeof pdu, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (recv(fd, drain, sizeof drain, MSG_DONTWAIT) > 0)
        ;
    shutdown(fd, SHUT_WR);
}

bool dicom_request_check(int fd, struct err *err)
{
    size_t size;
    uint8_t *pdu = peek(fd, &size, err);
    if (!pdu)
        return false;
    const char *fault = dicom_request_fault(pdu, size);
    free(pdu);
    if (!fault)
        return true;
    send_abort(fd);
    return err_fail(err, ERR_PEER, "association request: %s", fault);
}
