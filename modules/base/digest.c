#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct digest {
    EVP_MD_CTX *evp;
};

struct digest *digest_new(void)
{
    struct digest *digest = calloc(1, sizeof *digest);
    if (digest && (digest->evp = EVP_MD_CTX_new()) && EVP_DigestInit_ex(digest->evp, EVP_sha256(), NULL) == 1)
        return digest;
    digest_free(digest);
    return NULL;
}

void digest_free(struct digest *digest)
{
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->evp);
    free(digest);
}

void digest_update(struct digest *digest, const void *bytes, size_t size)
{
    EVP_DigestUpdate(digest->evp, bytes, size);
}

static void to_hex(const unsigned char raw[32], char hex[DIGEST_HEX_SIZE])
{
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", raw[i]);
}

void digest_finish(struct digest *digest, char hex[DIGEST_HEX_SIZE])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    EVP_DigestFinal_ex(digest->evp, raw, NULL);
    to_hex(raw, hex);
    digest_free(digest);
}

void digest_bytes(const void *bytes, size_t size, char hex[DIGEST_HEX_SIZE])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    EVP_Digest(bytes, size, raw, NULL, EVP_sha256(), NULL);
    to_hex(raw, hex);
}

void digest_hmac(const void *key, size_t key_size, const void *bytes, size_t size, char hex[DIGEST_HEX_SIZE])
{
    unsigned char raw[EVP_MAX_MD_SIZE] = {0};
    HMAC(EVP_sha256(), key, (int)key_size, bytes, size, raw, NULL);
    to_hex(raw, hex);
}

static bool digest_descriptor(int fd, const char *path, struct digest *digest, struct err *err)
{
    unsigned char buffer[64 * 1024];
    for (;;) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n == 0)
            return true;
        if (n > 0)
            digest_update(digest, buffer, (size_t)n);
        else if (errno != EINTR)
            return err_errno(err, "read %s", path);
    }
}

bool digest_file(const char *path, uint64_t offset, char hex[DIGEST_HEX_SIZE], struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "open %s", path);
    struct digest *digest = digest_new();
    bool ok = digest ? true : err_fail(err, ERR_NOMEM, "no memory for a digest");
    if (ok && lseek(fd, (off_t)offset, SEEK_SET) < 0)
        ok = err_errno(err, "seek %s", path);
    ok = ok && digest_descriptor(fd, path, digest, err);
    close(fd);
    if (ok)
        digest_finish(digest, hex);
    else
        digest_free(digest);
    return ok;
}
