// Text with code extensions to UTF-8: what Debian's DCMTK, built on the C library's iconv, cannot convert
// (ISO 2022 IR 13, 87, 159, 149, 58). source: PS3.5 6.1.2.5 and annexes H, I, K; PS3.3 C.12.1.1.2.
#include "dicom/dicom_sr_source.hh"

#include <iconv.h>

#include <cstring>

namespace
{

// How the bytes between two escape sequences are turned into something iconv knows.
enum shape {
    PLAIN,    // as they are
    HIGH,     // two 7-bit bytes a character: set the high bits
    HIGH_8F,  // the same, each character behind 0x8F (JIS X 0212 in EUC)
    BEHIND_8E // one 8-bit byte a character, each behind 0x8E (half-width katakana in EUC)
};

struct designation {
    const char *escape; // without ESC
    bool g1;            // for bytes with the high bit, else for those without
    const char *codec;
    shape how;
};

const designation designations[] = {
    {"(B", false, "ASCII", PLAIN},     {"(J", false, "JIS_C6220-1969-RO", PLAIN},
    {"$B", false, "EUC-JP", HIGH},     {"$@", false, "EUC-JP", HIGH},
    {"$(D", false, "EUC-JP", HIGH_8F}, {")I", true, "EUC-JP", BEHIND_8E},
    {"$)C", true, "EUC-KR", PLAIN},    {"$)A", true, "EUC-CN", PLAIN},
    {"-A", true, "ISO-8859-1", PLAIN}, {"-B", true, "ISO-8859-2", PLAIN},
    {"-C", true, "ISO-8859-3", PLAIN}, {"-D", true, "ISO-8859-4", PLAIN},
    {"-F", true, "ISO-8859-7", PLAIN}, {"-G", true, "ISO-8859-6", PLAIN},
    {"-H", true, "ISO-8859-8", PLAIN}, {"-L", true, "ISO-8859-5", PLAIN},
    {"-M", true, "ISO-8859-9", PLAIN}, {"-T", true, "TIS-620", PLAIN},
};

struct first_set {
    const char *term, *escape;
};

// What the first value of Specific Character Set puts into G1.
const first_set firsts[] = {
    {"ISO_IR 13", ")I"},  {"ISO 2022 IR 13", ")I"},  {"ISO_IR 100", "-A"}, {"ISO 2022 IR 100", "-A"},
    {"ISO_IR 101", "-B"}, {"ISO 2022 IR 101", "-B"}, {"ISO_IR 109", "-C"}, {"ISO 2022 IR 109", "-C"},
    {"ISO_IR 110", "-D"}, {"ISO 2022 IR 110", "-D"}, {"ISO_IR 126", "-F"}, {"ISO 2022 IR 126", "-F"},
    {"ISO_IR 127", "-G"}, {"ISO 2022 IR 127", "-G"}, {"ISO_IR 138", "-H"}, {"ISO 2022 IR 138", "-H"},
    {"ISO_IR 144", "-L"}, {"ISO 2022 IR 144", "-L"}, {"ISO_IR 148", "-M"}, {"ISO 2022 IR 148", "-M"},
    {"ISO_IR 166", "-T"}, {"ISO 2022 IR 166", "-T"},
};

const designation *designated(const std::string &text, size_t at)
{
    for (const designation &candidate : designations) {
        if (text.compare(at, strlen(candidate.escape), candidate.escape) == 0)
            return &candidate;
    }
    return nullptr;
}

std::string shaped(const std::string &run, shape how)
{
    std::string out;
    for (size_t i = 0; i < run.size(); i++) {
        if (how == BEHIND_8E)
            out += '\x8E';
        else if (how == HIGH_8F && i % 2 == 0)
            out += '\x8F';
        out += how == PLAIN || how == BEHIND_8E ? run[i] : static_cast<char>(run[i] | '\x80');
    }
    return out;
}

bool convert(const std::string &run, const designation *set, std::string &utf8)
{
    if (run.empty())
        return true;
    iconv_t codec = set ? iconv_open("UTF-8", set->codec) : reinterpret_cast<iconv_t>(-1);
    if (codec == reinterpret_cast<iconv_t>(-1))
        return false;
    std::string in = shaped(run, set->how), out(in.size() * 4 + 16, '\0');
    char *from = &in[0], *to = &out[0];
    size_t left = in.size(), room = out.size();
    bool good = iconv(codec, &from, &left, &to, &room) == 0 && left == 0;
    iconv_close(codec);
    utf8.append(out, 0, out.size() - room);
    return good;
}

bool is_delimiter(char c)
{
    return c == '^' || c == '=' || c == '\\' || c == '\r' || c == '\n' || c == '\f' || c == '\t';
}

} // namespace

bool dicom_sr_decode(const std::string &text, const std::string &charset, std::string &utf8)
{
    const designation *ascii = &designations[0], *first = nullptr;
    std::string term = charset.substr(0, charset.find('\\'));
    for (const first_set &candidate : firsts)
        first = term == candidate.term ? designated(candidate.escape, 0) : first;
    const designation *g0 = ascii, *g1 = first;
    utf8.clear();
    for (size_t i = 0; i < text.size();) {
        if (text[i] == '\033') {
            const designation *next = designated(text, i + 1);
            if (!next)
                return false;
            (next->g1 ? g1 : g0) = next;
            i += 1 + strlen(next->escape);
            continue;
        }
        bool high = (text[i] & '\x80') != 0;
        if (!high && g0->how == PLAIN && is_delimiter(text[i])) {
            utf8 += text[i++];
            g0 = ascii;
            g1 = first;
            continue;
        }
        size_t end = i;
        while (end < text.size() && text[end] != '\033' && ((text[end] & '\x80') != 0) == high &&
               !(!high && g0->how == PLAIN && is_delimiter(text[end])))
            end++;
        if (!convert(text.substr(i, end - i), high ? g1 : g0, utf8))
            return false;
        i = end;
    }
    return true;
}
