extern "C" {
#include "dicom/dicom_sr.h"
}

#include "dcmtk/config/osconfig.h"

#include "dcmtk/dcmdata/dctk.h"

bool dicom_sr_reclass(const char *from, const char *sop_class, const char *sop_uid, const char *to,
                      struct err *err)
{
    DcmFileFormat file;
    OFCondition condition = file.loadFile(OFFilename(from));
    if (condition.bad())
        return err_fail(err, ERR_IO, "read the report: %s", condition.text());
    file.loadAllDataIntoMemory();
    DcmDataset *dataset = file.getDataset();
    dataset->putAndInsertString(DCM_SOPClassUID, sop_class);
    dataset->putAndInsertString(DCM_SOPInstanceUID, sop_uid);
    condition = file.saveFile(OFFilename(to), EXS_LittleEndianExplicit, EET_ExplicitLength, EGL_recalcGL,
                              EPD_noChange, 0, 0, EWM_createNewMeta);
    return condition.good() || err_fail(err, ERR_IO, "write the report: %s", condition.text());
}
