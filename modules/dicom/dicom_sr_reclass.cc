extern "C" {
#include "dicom/dicom_sr.h"
}

#include "dcmtk/config/osconfig.h"

#include "dcmtk/dcmdata/dctk.h"

static void rename_references(DcmItem *series, const char *sop_class, dicom_sr_class_uid class_uid)
{
    DcmItem *reference = nullptr;
    for (long i = 0; series->findAndGetSequenceItem(DCM_ReferencedSOPSequence, reference, i).good(); i++) {
        OFString was_class, was_uid;
        char uid[UID_SIZE];
        reference->findAndGetOFString(DCM_ReferencedSOPClassUID, was_class);
        reference->findAndGetOFString(DCM_ReferencedSOPInstanceUID, was_uid);
        if (was_class == sop_class)
            continue;
        class_uid(was_uid.c_str(), sop_class, uid);
        reference->putAndInsertString(DCM_ReferencedSOPClassUID, sop_class);
        reference->putAndInsertString(DCM_ReferencedSOPInstanceUID, uid);
    }
}

/* Whoever takes this class was sent the predecessor in it too, under the UID it has there. */
static void rename_predecessors(DcmDataset *dataset, const char *sop_class, dicom_sr_class_uid class_uid)
{
    DcmItem *study = nullptr, *series = nullptr;
    for (long i = 0; dataset->findAndGetSequenceItem(DCM_PredecessorDocumentsSequence, study, i).good(); i++)
        for (long j = 0; study->findAndGetSequenceItem(DCM_ReferencedSeriesSequence, series, j).good(); j++)
            rename_references(series, sop_class, class_uid);
}

static bool reclass(const char *from, const char *sop_class, dicom_sr_class_uid class_uid, const char *to,
                    struct err *err)
{
    OFString was_uid;
    char uid[UID_SIZE];
    DcmFileFormat file;
    OFCondition condition = file.loadFile(OFFilename(from));
    if (condition.bad())
        return err_fail(err, ERR_IO, "read the report: %s", condition.text());
    file.loadAllDataIntoMemory();
    DcmDataset *dataset = file.getDataset();
    dataset->findAndGetOFString(DCM_SOPInstanceUID, was_uid);
    class_uid(was_uid.c_str(), sop_class, uid);
    if (dataset->putAndInsertString(DCM_SOPClassUID, sop_class).bad() ||
        dataset->putAndInsertString(DCM_SOPInstanceUID, uid).bad())
        return err_fail(err, ERR_NOMEM, "out of memory for another class");
    rename_predecessors(dataset, sop_class, class_uid);
    condition = file.saveFile(OFFilename(to), EXS_LittleEndianExplicit, EET_ExplicitLength, EGL_recalcGL,
                              EPD_noChange, 0, 0, EWM_createNewMeta);
    return condition.good() || err_fail(err, ERR_IO, "write the report: %s", condition.text());
}

bool dicom_sr_reclass(const char *from, const char *sop_class, dicom_sr_class_uid class_uid, const char *to,
                      struct err *err)
{
    try {
        return reclass(from, sop_class, class_uid, to, err);
    } catch (...) {
        return err_fail(err, ERR_NOMEM, "out of memory for another class");
    }
}
