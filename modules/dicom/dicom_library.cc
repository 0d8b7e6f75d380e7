extern "C" {
#include "dicom/dicom_head.h"
}
#include "dicom/dicom_charset.hh"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcdict.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <dcmtk/dcmnet/dul.h>
#include <dcmtk/oflog/oflog.h>

#include <cstdlib>
#include <cstring>

namespace
{

// DCMTK's messages quote attribute values: nothing of a patient may reach stderr by that way.
void silence()
{
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
}

struct class_kind {
    const char *uid;
    enum dicom_kind kind;
};

const class_kind kinds[] = {
    {UID_CTImageStorage, DICOM_KIND_CT},
    {UID_EnhancedCTImageStorage, DICOM_KIND_CT},
    {UID_LegacyConvertedEnhancedCTImageStorage, DICOM_KIND_CT},
    {UID_MRImageStorage, DICOM_KIND_MR},
    {UID_EnhancedMRImageStorage, DICOM_KIND_MR},
    {UID_LegacyConvertedEnhancedMRImageStorage, DICOM_KIND_MR},
};

} // namespace

extern "C" bool dicom_library_init(struct err *err)
{
    silence();
    try {
        // The dictionary is read from disk on first use; do it here, while files can be opened.
        if (!dcmDataDict.isDictionaryLoaded())
            return err_fail(err, ERR_IO,
                            "DCMTK's data dictionary cannot be read (DCMDICTPATH, package libdcmtk17)");
        dicom_charset_load();
        dcmDisableGethostbyaddr.set(OFTrue);
        // dcmnet leaves Nagle's algorithm on for connections it opens, unless the environment says so.
        setenv("TCP_NODELAY", "1", 1);
        DJDecoderRegistration::registerCodecs();
        DJLSDecoderRegistration::registerCodecs();
        DcmRLEDecoderRegistration::registerCodecs();
    } catch (...) {
        return err_fail(err, ERR_NOMEM, "DCMTK cannot be initialised");
    }
    return true;
}

extern "C" void dicom_library_done(void)
{
    DJDecoderRegistration::cleanup();
    DJLSDecoderRegistration::cleanup();
    DcmRLEDecoderRegistration::cleanup();
}

extern "C" enum dicom_kind dicom_class_kind(const char *sop_class)
{
    for (const class_kind &entry : kinds)
        if (!std::strcmp(entry.uid, sop_class))
            return entry.kind;
    return dcmIsaStorageSOPClassUID(sop_class) ? DICOM_KIND_OTHER : DICOM_KIND_UNKNOWN;
}
