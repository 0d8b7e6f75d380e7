#include "dicom/dicom_charset.hh"

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

// clang-format off
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
    {"-b", true, "ISO-8859-15", PLAIN},
};

// What the first value of Specific Character Set puts into G1, by its last number.
const struct { const char *number, *escape; } firsts[] = {
    {"13", ")I"},  {"100", "-A"}, {"101", "-B"}, {"109", "-C"}, {"110", "-D"}, {"126", "-F"}, {"127", "-G"},
    {"138", "-H"}, {"144", "-L"}, {"148", "-M"}, {"166", "-T"}, {"203", "-b"}, {"149", "$)C"}, {"58", "$)A"},
};

// Those that stand alone, without code extensions.
const struct { const char *term, *codec; } wholes[] = {
    {"ISO_IR 192", "UTF-8"}, {"GB18030", "GB18030"}, {"GBK", "GBK"},
};
// clang-format on

// The C library loads a converter as a shared object and keeps it while one is open.
volatile iconv_t kept[sizeof designations / sizeof *designations + sizeof wholes / sizeof *wholes];

const designation *designated(const std::string &text, size_t at)
{
    for (const designation &candidate : designations) {
        if (text.compare(at, strlen(candidate.escape), candidate.escape) == 0)
            return &candidate;
    }
    return nullptr;
}

std::string without_spaces(const std::string &text)
{
    size_t first = text.find_first_not_of(' '), last = text.find_last_not_of(' ');
    return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

// "ISO_IR 100" and "ISO 2022 IR 100" differ only in whether escapes may follow.
const designation *first_designated(const std::string &term)
{
    for (const char *prefix : {"ISO_IR ", "ISO 2022 IR "}) {
        if (term.compare(0, strlen(prefix), prefix) != 0)
            continue;
        for (const auto &candidate : firsts) {
            if (term.substr(strlen(prefix)) == candidate.number)
                return designated(candidate.escape, 0);
        }
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

bool convert(const std::string &run, const char *codec_name, shape how, std::string &utf8)
{
    iconv_t codec = iconv_open("UTF-8", codec_name);
    if (codec == reinterpret_cast<iconv_t>(-1))
        return false;
    std::string in = shaped(run, how), out(in.size() * 4 + 16, '\0');
    char *from = &in[0], *to = &out[0];
    size_t left = in.size(), room = out.size();
    bool good = iconv(codec, &from, &left, &to, &room) == 0 && left == 0;
    iconv_close(codec);
    utf8.append(out, 0, out.size() - room);
    return good;
}

bool is_high(char c)
{
    return (c & '\x80') != 0;
}

bool ends_extension(char c, bool is_name)
{
    return c == '\\' || c == '\r' || c == '\n' || c == '\f' || c == '\t' ||
           (is_name && (c == '^' || c == '='));
}

// Text with code extensions, from left to right.
class extended_text
{
  public:
    extended_text(const std::string &text, const designation *first, bool is_name)
        : text_(text), first_(first), is_name_(is_name)
    {
    }

    bool decode(std::string &utf8)
    {
        for (size_t at = 0; at < text_.size();) {
            if (text_[at] == '\033') {
                const designation *next = designated(text_, at + 1);
                if (!next)
                    return false;
                (next->g1 ? g1_ : g0_) = next;
                at += 1 + strlen(next->escape);
            } else if (is_delimiter(at)) {
                utf8 += text_[at++];
                g0_ = designations;
                g1_ = first_;
            } else if (!decode_run(at, utf8)) {
                return false;
            }
        }
        return true;
    }

  private:
    // In a set of two bytes a character, what looks like one is half of something else.
    bool is_delimiter(size_t at) const
    {
        return g0_->how == PLAIN && ends_extension(text_[at], is_name_);
    }

    bool decode_run(size_t &at, std::string &utf8)
    {
        bool high = is_high(text_[at]);
        const designation *set = high ? g1_ : g0_;
        size_t start = at;
        while (at < text_.size() && text_[at] != '\033' && is_high(text_[at]) == high && !is_delimiter(at))
            at++;
        return set && convert(text_.substr(start, at - start), set->codec, set->how, utf8);
    }

    const std::string &text_;
    const designation *first_, *g0_ = designations, *g1_ = first_; // designations[0] is ASCII
    bool is_name_;
};

} // namespace

void dicom_charset_load()
{
    size_t count = 0;
    for (const designation &one : designations)
        kept[count++] = iconv_open("UTF-8", one.codec);
    for (const auto &one : wholes)
        kept[count++] = iconv_open("UTF-8", one.codec);
}

bool dicom_charset_plain(const std::string &text)
{
    for (char c : text) {
        if (is_high(c) || c == '\033')
            return false;
    }
    return true;
}

bool dicom_charset_decode(const std::string &text, const std::string &charset, bool is_name,
                          std::string &utf8)
{
    utf8.clear();
    if (dicom_charset_plain(text)) {
        utf8 = text;
        return true;
    }
    std::string term = without_spaces(charset.substr(0, charset.find('\\')));
    for (const auto &whole : wholes) {
        if (term == whole.term)
            return convert(text, whole.codec, PLAIN, utf8) && utf8.find('\033') == std::string::npos;
    }
    return extended_text(text, first_designated(term), is_name).decode(utf8);
}

std::string dicom_charset_marked(const std::string &text)
{
    std::string marked = text;
    for (char &c : marked)
        c = is_high(c) || c == '\033' ? '?' : c;
    return marked;
}
