/* Text of DICOM data sets to UTF-8: the only place that knows character sets. Private to modules/dicom. */
#ifndef DICOM_CHARSET_HH
#define DICOM_CHARSET_HH

#include <string>

/* Load every converter of the C library that a data set can ask for, and keep it: later the file system may
 * be out of reach. Call once, before any thread and any sandbox. Text that needs a missing one cannot be
 * decoded. */
void dicom_charset_load();

/* Is there nothing in the text that a character set could change: neither a high bit nor an escape? */
bool dicom_charset_plain(const std::string &text);

/* `text` in `charset`, the value of (0008,0005) as it stands, to UTF-8. In a name (VR PN), ^ and = end what
 * an escape sequence began. False when the character set is unknown or a byte does not fit; `utf8` is then of
 * no use. threads: any. source: PS3.3 C.12.1.1.2; PS3.5 6.1.2.4, 6.1.2.5 and annexes H, I, J, K. The C
 * library's iconv does the tables; DCMTK 3.6.7 on top of it has no ISO 2022 IR 13, 87, 159, 149, 58. */
bool dicom_charset_decode(const std::string &text, const std::string &charset, bool is_name,
                          std::string &utf8);

/* For text that cannot be decoded: every byte that is not ASCII, and every escape, becomes '?'. */
std::string dicom_charset_marked(const std::string &text);

#endif
