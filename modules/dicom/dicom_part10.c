#include "dicom/dicom_part10.h"

#include <fcntl.h>
#include <unistd.h>

bool dicom_part10_data_set(const char *path, uint64_t *ret_offset, struct err *err)
{
    enum { PREAMBLE = 128, PREFIX = 4, GROUP_LENGTH = 12, HEAD = PREAMBLE + PREFIX + GROUP_LENGTH };
    unsigned char head[HEAD];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "open %s", path);
    bool whole = read(fd, head, HEAD) == HEAD;
    close(fd);
    if (!whole)
        return err_fail(err, ERR_IO, "the file ends inside its meta header");
    const unsigned char *length = head + HEAD - 4;
    *ret_offset = HEAD + ((uint64_t)length[0] | (uint64_t)length[1] << 8 | (uint64_t)length[2] << 16 |
                          (uint64_t)length[3] << 24);
    return true;
}
