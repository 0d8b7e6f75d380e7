extern "C" {
#include "dicom/dicom_rejection.h"
}
#include "dicom/dicom_load.hh"
#include "dicom/dicom_value.hh"

#include <dcmtk/dcmdata/dcuid.h>

#include <cstring>
#include <new>

namespace
{

const struct {
    const char *code, *meaning;
} titles[] = {
    {"113001", "Rejected for Quality Reasons"},
    {"113037", "Rejected for Patient Safety Reasons"},
    {"113038", "Incorrect Modality Worklist Entry"},
};

// The place of the title that the document has, or -1.
int title_of(DcmItem *dataset)
{
    DcmItem *title = dicom_value_item(dataset, DCM_ConceptNameCodeSequence);
    if (!title || dicom_value_text(title, DCM_CodingSchemeDesignator) != "DCM")
        return -1;
    OFString code = dicom_value_text(title, DCM_CodeValue);
    for (int i = 0; i < int(sizeof titles / sizeof *titles); i++)
        if (code == titles[i].code)
            return i;
    return -1;
}

// Every item of a sequence, none when it is not there. getItem(i) would count from the start each time.
class items
{
  public:
    items(DcmItem *item, const DcmTagKey &tag)
    {
        DcmElement *element = nullptr;
        if (item->findAndGetElement(tag, element).good() && element && element->ident() == EVR_SQ)
            sequence_ = OFstatic_cast(DcmSequenceOfItems *, element);
    }
    int count() const
    {
        return sequence_ ? int(sequence_->card()) : 0;
    }
    DcmItem *next()
    {
        at_ = sequence_ ? sequence_->nextInContainer(at_) : nullptr;
        if (!at_)
            sequence_ = nullptr;
        return OFstatic_cast(DcmItem *, at_);
    }

  private:
    DcmSequenceOfItems *sequence_ = nullptr;
    DcmObject *at_ = nullptr;
};

bool copy_uid(char uid[UID_SIZE], DcmItem *item, const DcmTagKey &tag, struct err *err)
{
    OFString text = dicom_value_text(item, tag);
    if (text.size() >= UID_SIZE || !uid_valid(text.c_str()))
        return err_fail(err, ERR_INPUT, "a rejection note refers to an object by an illegal UID");
    dicom_value_copy(uid, UID_SIZE, text);
    return true;
}

int count_objects(DcmItem *study)
{
    int count = 0;
    items series(study, DCM_ReferencedSeriesSequence);
    while (DcmItem *one = series.next())
        count += items(one, DCM_ReferencedSOPSequence).count();
    return count;
}

bool read_study(DcmItem *item, struct arena *arena, struct dicom_rejected_study *study, struct err *err)
{
    int room = count_objects(item);
    if (!copy_uid(study->study_uid, item, DCM_StudyInstanceUID, err))
        return false;
    if (!room)
        return err_fail(err, ERR_INPUT, "a rejection note names a study, but none of its objects");
    void *uids = arena_alloc(arena, size_t(room) * UID_SIZE, 1);
    if (!uids)
        return err_fail(err, ERR_NOMEM, "out of memory for a rejection note");
    study->sop_uids = static_cast<char(*)[UID_SIZE]>(uids);
    items series(item, DCM_ReferencedSeriesSequence);
    while (DcmItem *one = series.next()) {
        items objects(one, DCM_ReferencedSOPSequence);
        while (DcmItem *object = objects.next())
            if (!copy_uid(study->sop_uids[study->count++], object, DCM_ReferencedSOPInstanceUID, err))
                return false;
    }
    return true;
}

bool read_note(DcmItem *dataset, int title, struct arena *arena, const struct dicom_rejection **ret,
               struct err *err)
{
    items studies(dataset, DCM_CurrentRequestedProcedureEvidenceSequence);
    if (!studies.count())
        return err_fail(err, ERR_INPUT, "a rejection note names no object");
    struct dicom_rejection *note = ARENA_NEW(arena, struct dicom_rejection);
    struct dicom_rejected_study *list =
        ARENA_ARRAY(arena, struct dicom_rejected_study, size_t(studies.count()));
    if (!note || !list)
        return err_fail(err, ERR_NOMEM, "out of memory for a rejection note");
    *note = {titles[title].code, titles[title].meaning, list, 0};
    while (DcmItem *study = studies.next())
        if (!read_study(study, arena, &list[note->study_count++], err))
            return false;
    *ret = note;
    return true;
}

} // namespace

extern "C" bool dicom_is_key_objects(const char *sop_class)
{
    return !std::strcmp(sop_class, UID_KeyObjectSelectionDocumentStorage);
}

extern "C" bool dicom_rejection_read(const char *path, struct arena *arena,
                                     const struct dicom_rejection **ret, struct err *err)
{
    try {
        DcmFileFormat file;
        if (!dicom_load(path, dicom_load_for::head, file, err))
            return false;
        int title = title_of(file.getDataset());
        *ret = nullptr;
        return title < 0 || read_note(file.getDataset(), title, arena, ret, err);
    } catch (const std::bad_alloc &) {
        return err_fail(err, ERR_NOMEM, "out of memory reading a DICOM file");
    } catch (...) {
        return err_fail(err, ERR_INPUT, "DICOM file damaged: the parser gave up");
    }
}
