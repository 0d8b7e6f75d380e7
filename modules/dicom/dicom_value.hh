/* Read attribute values that need not be what the standard says. Private to modules/dicom. */
#ifndef DICOM_VALUE_HH
#define DICOM_VALUE_HH

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <cstddef>
#include <string>

/* The value as bytes, all values joined by backslash, without padding; "" when absent, empty, not text or
 * number, or longer than 1 KiB (no attribute we read may be). */
OFString dicom_value_text(DcmItem *item, const DcmTagKey &tag);

/* Up to `count` numbers of a DS, IS or binary value. Returns how many were legible: spaces round a value are
 * skipped, a comma is taken as decimal point unless it may separate thousands ("1,024"), reading stops at the
 * first value that is not wholly a finite number. *odd becomes true, never false, when numbers were legible
 * only because we are tolerant: a comma, a blank that is no space, more than 16 characters, or more values
 * than `count`. source: PS3.5 6.2, DS and IS. */
int dicom_value_numbers(DcmItem *item, const DcmTagKey &tag, double *numbers, int count, bool *odd = nullptr);
bool dicom_value_number(DcmItem *item, const DcmTagKey &tag, double *number, bool *odd = nullptr);

/* As int, clipped to its range; `absent` when there is no legible number. */
int dicom_value_int(DcmItem *item, const DcmTagKey &tag, int absent);

/* Seconds of the day of a TM "HHMMSS.F", the old "HH:MM:SS", or a DT. */
bool dicom_value_time(DcmItem *item, const DcmTagKey &tag, double *seconds);

/* Nested item `index` of a sequence, or nullptr. */
DcmItem *dicom_value_item(DcmItem *item, const DcmTagKey &sequence, unsigned long index = 0);

/* Copy into a fixed field, cut at a whole UTF-8 character; control characters become spaces. */
void dicom_value_copy(char *field, size_t size, const OFString &text);

/* Text of one data set to UTF-8. With an unknown character set, or bytes that are illegal in it, ASCII
 * stays and everything else becomes '?'. */
class dicom_charset
{
  public:
    explicit dicom_charset(DcmItem *dataset);
    // of the data set, or of an item inside it
    void copy(char *field, size_t size, const DcmTagKey &tag, DcmItem *item = nullptr);

  private:
    DcmItem *dataset_;
    std::string charset_;
};

#endif
