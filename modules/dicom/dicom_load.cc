#include "dicom/dicom_load.hh"

#include <dcmtk/dcmdata/dcistrmf.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace
{

const Uint32 max_value_bytes = 1024;
const ptrdiff_t max_stack_bytes = 512 * 1024;
const long max_reads = 8L << 20; // an element takes three or four
const offile_off_t max_read_bytes = 128L << 20;
const offile_off_t max_inflated_bytes = 4L << 30;

// Stands for a value that was skipped in a deflated stream and cannot be read again.
class lost_value : public DcmInputStreamFactory
{
  public:
    DcmInputStream *create() const override
    {
        return new DcmInputFileStream("/dev/null", 0);
    }
    DcmInputStreamFactory *clone() const override
    {
        return new lost_value;
    }
    DcmInputStreamFactoryType ident() const override
    {
        return DFT_DcmInputFileStreamFactory;
    }
};

class guarded_stream : public DcmInputStream
{
  public:
    guarded_stream(const char *path, dicom_load_for purpose)
        : DcmInputStream(&producer_), producer_(path), path_(path), purpose_(purpose),
          base_(static_cast<const char *>(__builtin_frame_address(0)))
    {
    }

    const char *tripped() const
    {
        return tripped_;
    }
    OFBool good() const override
    {
        return !tripped_ && DcmInputStream::good();
    }
    OFCondition status() const override
    {
        return tripped_ ? EC_InvalidStream : DcmInputStream::status();
    }
    OFBool eos() override
    {
        return tripped_ || DcmInputStream::eos();
    }
    offile_off_t avail() override
    {
        return tripped_ ? 0 : DcmInputStream::avail();
    }

    offile_off_t read(void *bytes, offile_off_t size) override
    {
        const char *here = static_cast<const char *>(__builtin_frame_address(0));
        if (base_ - here > max_stack_bytes)
            tripped_ = "sequences are nested too deeply";
        else if (++reads_ > max_reads || read_bytes_ > max_read_bytes)
            tripped_ = "too many elements";
        if (tripped_)
            return 0;
        offile_off_t got = DcmInputStream::read(bytes, size);
        if (purpose_ == dicom_load_for::head)
            read_bytes_ += got;
        return got;
    }

    offile_off_t skip(offile_off_t size) override
    {
        if (deflated_ && tell() + size > max_inflated_bytes)
            tripped_ = "inflates to more than 4 GiB";
        return tripped_ ? 0 : DcmInputStream::skip(size);
    }

    OFCondition installCompressionFilter(E_StreamCompression type) override
    {
        deflated_ = true;
        return DcmInputStream::installCompressionFilter(type);
    }

    DcmInputStreamFactory *newFactory() const override
    {
        if (!deflated_)
            return new DcmInputFileStreamFactory(path_, tell());
        return purpose_ == dicom_load_for::head ? new lost_value : nullptr;
    }

  private:
    DcmFileProducer producer_;
    OFFilename path_;
    dicom_load_for purpose_;
    const char *base_;
    const char *tripped_ = nullptr;
    bool deflated_ = false;
    long reads_ = 0;
    offile_off_t read_bytes_ = 0;
};

bool check_file(const char *path, struct err *err)
{
    // O_NONBLOCK: a pipe in a folder must not hold us.
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0) {
        err_errno(err, "cannot read the DICOM file");
        if (fd >= 0)
            close(fd);
        return false;
    }
    close(fd);
    if (!S_ISREG(info.st_mode))
        return err_fail(err, ERR_INPUT, "not a regular file");
    return info.st_size >= 8 ||
           err_fail(err, ERR_INPUT, "not DICOM: the file has %ld bytes", long(info.st_size));
}

bool is_dicom(DcmFileFormat &file)
{
    return file.getMetaInfo()->tagExists(DCM_TransferSyntaxUID) ||
           file.getDataset()->tagExists(DCM_SOPClassUID) ||
           file.getDataset()->tagExists(DCM_SOPInstanceUID) ||
           file.getDataset()->tagExists(DCM_StudyInstanceUID);
}

} // namespace

bool dicom_load(const char *path, dicom_load_for purpose, DcmFileFormat &file, struct err *err)
{
    if (!check_file(path, err))
        return false;
    guarded_stream stream(path, purpose);
    if (stream.status().bad())
        return err_fail(err, ERR_IO, "cannot open the DICOM file: %s", stream.status().text());
    file.transferInit();
    OFCondition condition = file.read(stream, EXS_Unknown, EGL_noChange, max_value_bytes);
    file.transferEnd();
    if (stream.tripped())
        return err_fail(err, ERR_INPUT, "DICOM file refused: %s", stream.tripped());
    if (condition == EC_MemoryExhausted)
        return err_fail(err, ERR_NOMEM, "out of memory reading a DICOM file");
    if (!is_dicom(file))
        return err_fail(err, ERR_INPUT, "not DICOM: no transfer syntax, SOP class or study in it");
    if (condition.bad())
        return err_fail(err, ERR_INPUT, "DICOM file %s: %s", stream.eos() ? "truncated" : "damaged",
                        condition.text());
    return true;
}
