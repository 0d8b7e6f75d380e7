extern "C" {
#include "dicom/dicom_capture.h"
}

#include "dcmtk/config/osconfig.h"

#include "dcmtk/dcmdata/dctk.h"

namespace
{
enum { SERIES_STEP = 50 };

const DcmTagKey copied[] = {DCM_SpecificCharacterSet,
                            DCM_TimezoneOffsetFromUTC,
                            DCM_PatientName,
                            DCM_PatientID,
                            DCM_IssuerOfPatientID,
                            DCM_PatientBirthDate,
                            DCM_PatientSex,
                            DCM_PatientIdentityRemoved,
                            DCM_DeidentificationMethod,
                            DCM_StudyInstanceUID,
                            DCM_StudyDate,
                            DCM_StudyTime,
                            DCM_ReferringPhysicianName,
                            DCM_StudyID,
                            DCM_AccessionNumber,
                            DCM_StudyDescription,
                            DCM_SeriesDescription,
                            DCM_Manufacturer,
                            DCM_ManufacturerModelName,
                            DCM_DeviceSerialNumber,
                            DCM_SoftwareVersions,
                            DCM_StationName,
                            DCM_InstanceNumber,
                            DCM_ContentDate,
                            DCM_ContentTime};

OFCondition copy(DcmDataset &from, DcmDataset &to)
{
    OFCondition condition = EC_Normal;
    for (const DcmTagKey &tag : copied) {
        DcmElement *element = nullptr;
        if (condition.good() && from.findAndGetElement(tag, element).good())
            condition = to.insert(static_cast<DcmElement *>(element->clone()), true);
    }
    return condition;
}

OFCondition describe(DcmDataset &to, Sint32 report_series, const struct dicom_capture &capture)
{
    char number[16];
    snprintf(number, sizeof number, "%d", static_cast<int>(report_series) + SERIES_STEP);
    const struct {
        DcmTagKey tag;
        const char *value;
    } texts[] = {{DCM_SOPClassUID, DICOM_SECONDARY_CAPTURE},
                 {DCM_SOPInstanceUID, capture.sop_uid},
                 {DCM_SeriesInstanceUID, capture.series_uid},
                 {DCM_SeriesNumber, number},
                 {DCM_Modality, "OT"},
                 {DCM_ConversionType, "WSD"},
                 {DCM_ImageType, "DERIVED\\SECONDARY"},
                 {DCM_PatientOrientation, ""},
                 {DCM_Laterality, ""},
                 {DCM_BurnedInAnnotation, "NO"},
                 {DCM_PhotometricInterpretation, "MONOCHROME2"}};
    const struct {
        DcmTagKey tag;
        int value;
    } numbers[] = {{DCM_SamplesPerPixel, 1},    {DCM_Rows, capture.height}, {DCM_Columns, capture.width},
                   {DCM_BitsAllocated, 8},      {DCM_BitsStored, 8},        {DCM_HighBit, 7},
                   {DCM_PixelRepresentation, 0}};
    OFCondition condition = EC_Normal;
    for (const auto &one : texts)
        if (condition.good())
            condition = to.putAndInsertString(one.tag, one.value);
    for (const auto &one : numbers)
        if (condition.good())
            condition = to.putAndInsertUint16(one.tag, static_cast<Uint16>(one.value));
    unsigned long bytes =
        static_cast<unsigned long>(capture.width) * static_cast<unsigned long>(capture.height);
    return condition.good() ? to.putAndInsertUint8Array(DCM_PixelData, capture.pixels, bytes) : condition;
}

bool write(const struct dicom_capture &capture, const char *report, const char *path, struct err *err)
{
    DcmFileFormat from, to;
    Sint32 series = 0;
    OFCondition condition = from.loadFile(OFFilename(report));
    if (condition.bad())
        return err_fail(err, ERR_IO, "read the report: %s", condition.text());
    from.getDataset()->findAndGetSint32(DCM_SeriesNumber, series);
    condition = copy(*from.getDataset(), *to.getDataset());
    if (condition.good())
        condition = describe(*to.getDataset(), series, capture);
    if (condition.good())
        condition = to.saveFile(OFFilename(path), EXS_LittleEndianExplicit);
    return condition.good() || err_fail(err, ERR_IO, "write the summary page: %s", condition.text());
}
} // namespace

bool dicom_capture_write(const struct dicom_capture *capture, const char *report, const char *path,
                         struct err *err)
{
    try {
        return write(*capture, report, path, err);
    } catch (...) {
        return err_fail(err, ERR_NOMEM, "out of memory for a summary page");
    }
}
