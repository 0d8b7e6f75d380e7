extern "C" {
#include "dicom/dicom_tags.h"
}

#include "dicom/dicom_load.hh"
#include "dicom/dicom_value.hh"

#include <cstdio>
#include <cstring>
#include <new>

namespace
{

bool has_no_value(const DcmTag &tag)
{
    switch (tag.getEVR()) {
    case EVR_SQ:
    case EVR_OB:
    case EVR_OW:
    case EVR_ox:
    case EVR_px:
    case EVR_OF:
    case EVR_OD:
    case EVR_OL:
        return true;
    default:
        return tag.getGroup() < 0x0008;
    }
}

// DcmTag's own reading of numbers takes anything that sscanf does.
bool read_numbers(const char *name, unsigned *group, unsigned *element)
{
    int used = 0;
    return sscanf(name, "(%4x,%4x)%n", group, element, &used) == 2 && used == 11 && !name[used];
}

} // namespace

extern "C" bool dicom_tag_find(const char *name, uint32_t *ret, struct err *err)
{
    unsigned group, element;
    DcmTag tag;
    if (*name == '(') {
        if (!read_numbers(name, &group, &element))
            return err_fail(err, ERR_INPUT, "\"%.60s\" is not like (0018,0015)", name);
        tag = DcmTag((Uint16)group, (Uint16)element);
    } else if (strchr(name, ',') || DcmTag::findTagFromName(name, tag).bad()) {
        return err_fail(err, ERR_INPUT, "\"%.60s\" is no keyword of an attribute", name);
    }
    if (has_no_value(tag))
        return err_fail(err, ERR_INPUT, "%.60s has no value to compare", name);
    *ret = (uint32_t)tag.getGroup() << 16 | tag.getElement();
    return true;
}

static bool read_tags(const char *path, const uint32_t *tags, int count, struct arena *arena,
                      const char **values, struct err *err)
{
    DcmFileFormat file;
    if (!dicom_load(path, dicom_load_for::head, file, err))
        return false;
    dicom_charset charset(file.getDataset());
    for (int i = 0; i < count; i++) {
        char value[DICOM_TAG_VALUE_SIZE];
        charset.copy(value, sizeof value, DcmTagKey((Uint16)(tags[i] >> 16), (Uint16)tags[i]));
        values[i] = arena_strdup(arena, value);
        if (!values[i])
            return err_fail(err, ERR_NOMEM, "no memory for an attribute");
    }
    return true;
}

extern "C" bool dicom_tags_read(const char *path, const uint32_t *tags, int count, struct arena *arena,
                                const char **values, struct err *err)
{
    try {
        return read_tags(path, tags, count, arena, values, err);
    } catch (const std::bad_alloc &) {
        return err_fail(err, ERR_NOMEM, "out of memory reading a DICOM file");
    } catch (...) {
        return err_fail(err, ERR_INPUT, "DICOM file damaged: the parser gave up");
    }
}
