/* A report as an HL7 v2.5.1 message ORU^R01, and the receiver's answer to it.
 *
 * The message is made from the report's own file (dicom/dicom_sr_read.h): every item of its tree but the
 * containers is one OBX, in the tree's order, and nothing else is said. The same file and options give the
 * same bytes, so that a message that is sent again is the same message. source: HL7 v2.5.1 chapters 2
 * (encoding, acknowledgement), 7 (ORU^R01, OBR, OBX); docs/annotations.md. */
#ifndef REPORT_HL7_H
#define REPORT_HL7_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/dicom_sr_read.h"

#include <stddef.h>

/* Where the accession number goes. OBR-3 holds the filler's order number where it does not. */
enum hl7_accession { HL7_ACCESSION_OBR3, HL7_ACCESSION_OBR18, HL7_ACCESSION_BOTH };

/* Borrowed. Texts may be "". */
struct hl7_options {
    const char *sending_application, *sending_facility, *receiving_application, *receiving_facility;
    const char *processing_id; /* MSH-11: "P", "T" or "D" */
    enum hl7_accession accession;
    bool enhanced; /* MSH-15 AL, MSH-16 NE: the receiver confirms that it has the message (CA, CE, CR). Else
                      both are empty: it answers when it has worked on it (AA, AE, AR) */
    const char *modality; /* of the images, for OBR-24 */
};

enum { HL7_CONTROL_ID_SIZE = 21 };

/* MSH-10: 20 characters made of the report's SOP Instance UID, so of study, model and revision. */
void hl7_control_id(const char *sop_uid, char id[HL7_CONTROL_ID_SIZE]);

/* The message in UTF-8, its segments ended by CR, without the frame of MLLP.
 *   OBX-4 is the item's place in the report's tree, as numbers from 1 with dots between; items of one
 * measurement group share all numbers but the last. OBX-8 is A for the answer "Present" of a label whose
 * measurement group states a calibrated probability, and empty else: an uncalibrated score flags nothing.
 * OBX-11 and OBR-25 are P, or C in a report that replaces another. owns: caller frees. NULL when memory is
 * out. threads: any. */
char *hl7_oru_r01(const struct dicom_sr_document *document, const struct hl7_options *options);

/* The value of an OBX-5 of type NM: ten significant digits, never an exponent. */
enum { HL7_NUMBER_SIZE = 400 };
void hl7_number(double number, char text[HL7_NUMBER_SIZE]);

enum hl7_answer {
    HL7_ANSWER_ACCEPTED, /* AA, CA */
    HL7_ANSWER_ERROR,    /* AE, CE: this message will never be taken */
    HL7_ANSWER_REJECTED, /* AR, CR: not now */
    HL7_ANSWER_STRANGE   /* no answer, or to another message */
};

/* Read MSA of an answer. words: the code and what the receiver says in MSA-3 or ERR-8, control characters as
 * blanks; for a person. */
enum { HL7_WORDS_SIZE = 200 };
enum hl7_answer hl7_read_answer(const char *bytes, size_t size, const char *control_id,
                                char words[HL7_WORDS_SIZE]);

#endif
