/* What passes between the DICOM files and everything above them: plain records, no DCMTK type.
 * source: DICOM PS3.3 (attribute meaning), PS3.5 (lengths). */
#ifndef DICOM_RECORDS_H
#define DICOM_RECORDS_H

#include "base/uid.h"

#include <stdbool.h>
#include <stdint.h>

/* What we do with a storage SOP class. */
enum dicom_kind {
    DICOM_KIND_CT,    /* CT, Enhanced CT, Legacy Converted Enhanced CT: may feed the encoder */
    DICOM_KIND_MR,    /* the same for MR */
    DICOM_KIND_OTHER, /* kept or refused by configuration, never fed to the encoder */
    DICOM_KIND_UNKNOWN
};

/* Attributes that identify an object. Text is UTF-8 where the character set is known, without padding; an
 * absent attribute is "". */
struct dicom_identity {
    char sop_class[UID_SIZE], sop_uid[UID_SIZE];
    char series_uid[UID_SIZE], study_uid[UID_SIZE];
    char transfer_syntax[UID_SIZE];
    char frame_of_reference[UID_SIZE];
    char patient_id[65 * 4], issuer[65 * 4], accession[17 * 4];
    char modality[17];
    char study_date[17]; /* as sent; may be no date at all */
    char study_description[65 * 4], series_description[65 * 4], protocol_name[65 * 4];
    int series_number;
};

/* One frame as it lies in space. Lengths in mm in the patient system LPS (x to the left, y to posterior,
 * z to the head). row_lps points along a row, i.e. to growing column index (PS3.3 C.7.6.2.1.1). */
struct dicom_frame {
    bool has_position, has_orientation, has_spacing;
    double position_lps[3]; /* centre of the first pixel */
    double row_lps[3], column_lps[3];
    double spacing_y_mm, spacing_x_mm; /* between rows, between columns */
    double slope, intercept;           /* 1 and 0 when absent (unsigned CT: -1024), see has_rescale */
    bool has_rescale;
    bool bad_rescale; /* slope or intercept is there, but the two do not make a rescale */
    bool has_trigger, has_phase_percent, has_temporal_index, has_acquisition_time, has_time;
    bool is_delay;     /* trigger_ms is a delay after a heartbeat by definition: (0020,9153) or (0020,9252) */
    double trigger_ms; /* enhanced (0020,9153) or (0020,9252); (0018,1060), which may be anything */
    double phase_percent;   /* (0020,9241) Nominal Percentage of Cardiac Phase; of CT also from text */
    bool percent_of_series; /* it stands in Series Description alone, which may mean anything */
    int temporal_index;     /* (0020,0100), enhanced (0020,9128) */
    double acquisition_s;   /* Acquisition Time, as seconds of the day */
    double time_s;          /* Content Time, else Acquisition Time */
    int stack_id_hash;      /* 0 when there is no Stack ID */
    double inversion_ms;    /* enhanced (0018,9079), the first; (0018,0082); 0 when absent */
    int kind_hash;          /* of an enhanced frame's type, kernel and echo time; 0 without any */
    const char *type;       /* of an enhanced frame: the values of Frame Type and then, of MR, Complex Image
                               Component, joined by backslash, at most 128 bytes; NULL when it has none, or an
                               object more than 16 other ones: then the object's Image Type says it */
};

/* A Modality LUT (PS3.3 C.11.1.1): entries[0] stands for stored values up to `first`, the last entry for
 * those at its place and above. */
struct dicom_lut {
    int first, count, bits; /* bits of an entry, 8 to 16 */
    const uint16_t *entries;
};

/* One object's head: everything but the pixels. */
struct dicom_head {
    struct dicom_identity id;
    enum dicom_kind kind;
    char image_type[129]; /* values joined by backslash */
    char kernel[65], scan_options[129], sequence_variant[65], scanning_sequence[65], contrast_agent[65];
    char image_comments[129];
    char body_part[17];    /* (0018,0015) Body Part Examined */
    char cardiac_sync[17]; /* (0018,9037) Cardiac Synchronization Technique: "PROSPECTIVE", "NONE" */
    char lossy[3];         /* (0028,2110) */
    bool burnt_in;         /* (0028,0301) is YES */
    bool odd_number;       /* a number that counts had to be read with tolerance, see docs/volumes.md */
    int instance_number, acquisition_number;
    int cardiac_images;              /* (0018,1090) phases of a cine; 0 when absent */
    int images_in_acquisition;       /* (0020,1002); 0 when absent */
    int study_series, study_objects; /* (0020,1206), (0020,1208) the sender's count; 0 when absent */
    double slice_thickness_mm, echo_ms, heart_rate, tube_kv;
    double interval_ms;   /* (0018,1062) Nominal Interval, RR; 0 when absent */
    double velocity_cm_s; /* (0018,9197) or (0018,9217) velocity encoding; 0 when absent */
    /* A concatenation: one multi-frame image cut into several objects (PS3.3 C.7.6.16.2.2.4). */
    char concatenation_uid[UID_SIZE];
    int concatenation_part, concatenation_parts; /* (0020,9162) from 1, (0020,9163); 0 when absent */
    int rows, columns;                           /* 0 when absent */
    int frame_count;                             /* 1 for a single-frame image; 0 when there are no pixels */
    int samples_per_pixel;
    int bits_allocated, bits_stored, high_bit, is_signed;
    char photometric[17];
    bool has_padding, has_padding_limit, has_modality_lut;
    int padding, padding_limit;
    bool has_pixels;
    struct dicom_frame *frames; /* frame_count of them; NULL when frame_count is 0 */
};

/* One frame of one object, from 0. */
struct dicom_frame_ref {
    const struct dicom_head *head;
    int frame;
};

/* One segment of a segmentation object. Codes are as sent, in capitals or not; an absent one is "". */
struct dicom_coded {
    char scheme[17], value[17];
};
struct dicom_segment {
    int number;              /* (0062,0004), from 1 */
    char label[65 * 4];      /* (0062,0005) */
    struct dicom_coded type; /* (0062,000F) Segmented Property Type */
};

/* A segmentation object beyond its head: head->frames says where each frame lies. */
struct dicom_segmentation {
    bool fractional;
    int fraction_max;      /* (0062,000E); 1 when binary */
    double spacing_z_mm;   /* Spacing Between Slices; 0 when absent */
    char created[17 + 17]; /* Content Date and Time, as sent */
    struct dicom_segment *segments;
    int segment_count;
    int *frame_segment; /* [frame_count]: index into segments */
};

#endif
