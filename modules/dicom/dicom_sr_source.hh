// What dicom_sr.cc and dicom_sr_source.cc share: C++, not for anyone else.
#ifndef DICOM_SR_SOURCE_HH
#define DICOM_SR_SOURCE_HH

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcitem.h>

#include <string>

// `attributes` holds only what a report may carry of Patient, General Study and Referenced Request, all of it
// legal and in UTF-8; it is copied into the report as it stands.
struct dicom_sr_source {
    DcmItem attributes;
    std::string study_uid, notes;
    bool has_offset = false;
    int offset_minutes = 0; // Timezone Offset From UTC
};

#endif
