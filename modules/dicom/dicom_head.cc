extern "C" {
#include "dicom/dicom_head.h"
#include "dicom/dicom_phase.h"
}
#include "dicom/dicom_load.hh"
#include "dicom/dicom_value.hh"

#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcuid.h>

#include <cmath>
#include <cstring>
#include <new>
#include <string>

namespace
{

const int max_frames = 1 << 17, max_types = 16;

#define FIELD(field) (field), sizeof(field)

void copy_plain(char *field, size_t size, DcmItem *item, const DcmTagKey &tag)
{
    dicom_value_copy(field, size, dicom_value_text(item, tag));
}

bool copy_uid(char uid[UID_SIZE], DcmItem *item, const DcmTagKey &tag, struct err *err)
{
    OFString text = dicom_value_text(item, tag);
    if (text.size() >= UID_SIZE)
        return err_fail(err, ERR_INPUT, "a UID in (%04x,%04x) is longer than 64 characters", tag.getGroup(),
                        tag.getElement());
    dicom_value_copy(uid, UID_SIZE, text);
    return true;
}

void read_transfer_syntax(DcmFileFormat &file, char uid[UID_SIZE])
{
    copy_plain(uid, UID_SIZE, file.getMetaInfo(), DCM_TransferSyntaxUID);
    const char *guessed = DcmXfer(file.getDataset()->getOriginalXfer()).getXferID();
    if (!*uid && guessed)
        dicom_value_copy(uid, UID_SIZE, guessed);
}

bool read_identity(DcmFileFormat &file, struct dicom_identity *id, struct err *err)
{
    DcmDataset *dataset = file.getDataset();
    dicom_charset charset(dataset);
    read_transfer_syntax(file, id->transfer_syntax);
    charset.copy(FIELD(id->patient_id), DCM_PatientID);
    charset.copy(FIELD(id->issuer), DCM_IssuerOfPatientID);
    charset.copy(FIELD(id->accession), DCM_AccessionNumber);
    charset.copy(FIELD(id->study_description), DCM_StudyDescription);
    charset.copy(FIELD(id->series_description), DCM_SeriesDescription);
    charset.copy(FIELD(id->protocol_name), DCM_ProtocolName);
    charset.copy(FIELD(id->modality), DCM_Modality);
    charset.copy(FIELD(id->study_date), DCM_StudyDate);
    id->series_number = dicom_value_int(dataset, DCM_SeriesNumber, 0);
    return copy_uid(id->sop_class, dataset, DCM_SOPClassUID, err) &&
           copy_uid(id->sop_uid, dataset, DCM_SOPInstanceUID, err) &&
           copy_uid(id->series_uid, dataset, DCM_SeriesInstanceUID, err) &&
           copy_uid(id->study_uid, dataset, DCM_StudyInstanceUID, err) &&
           copy_uid(id->frame_of_reference, dataset, DCM_FrameOfReferenceUID, err);
}

void read_acquisition(DcmDataset *dataset, struct dicom_head *head)
{
    dicom_charset charset(dataset);
    charset.copy(FIELD(head->image_type), DCM_ImageType);
    charset.copy(FIELD(head->kernel), DCM_ConvolutionKernel);
    charset.copy(FIELD(head->scan_options), DCM_ScanOptions);
    charset.copy(FIELD(head->sequence_variant), DCM_SequenceVariant);
    charset.copy(FIELD(head->scanning_sequence), DCM_ScanningSequence);
    charset.copy(FIELD(head->contrast_agent), DCM_ContrastBolusAgent);
    charset.copy(FIELD(head->image_comments), DCM_ImageComments);
    copy_plain(FIELD(head->body_part), dataset, DCM_BodyPartExamined);
    copy_plain(FIELD(head->cardiac_sync), dataset, DCM_CardiacSynchronizationTechnique);
    copy_plain(FIELD(head->lossy), dataset, DCM_LossyImageCompression);
    head->burnt_in = dicom_value_text(dataset, DCM_BurnedInAnnotation) == "YES";
    head->instance_number = dicom_value_int(dataset, DCM_InstanceNumber, 0);
    head->acquisition_number = dicom_value_int(dataset, DCM_AcquisitionNumber, 0);
    head->cardiac_images = dicom_value_int(dataset, DCM_CardiacNumberOfImages, 0);
    head->images_in_acquisition = dicom_value_int(dataset, DCM_ImagesInAcquisition, 0);
    head->study_series = dicom_value_int(dataset, DCM_NumberOfStudyRelatedSeries, 0);
    head->study_objects = dicom_value_int(dataset, DCM_NumberOfStudyRelatedInstances, 0);
    dicom_value_number(dataset, DCM_SliceThickness, &head->slice_thickness_mm, &head->odd_number);
    dicom_value_number(dataset, DCM_EchoTime, &head->echo_ms);
    dicom_value_number(dataset, DCM_HeartRate, &head->heart_rate);
    dicom_value_number(dataset, DCM_KVP, &head->tube_kv);
    dicom_value_number(dataset, DCM_NominalInterval, &head->interval_ms);
    dicom_value_number(dataset, DCM_VelocityEncodingMaximumValue, &head->velocity_cm_s);
}

bool read_concatenation(DcmDataset *dataset, struct dicom_head *head, struct err *err)
{
    head->concatenation_part = dicom_value_int(dataset, DCM_InConcatenationNumber, 0);
    head->concatenation_parts = dicom_value_int(dataset, DCM_InConcatenationTotalNumber, 0);
    return copy_uid(head->concatenation_uid, dataset, DCM_ConcatenationUID, err);
}

// As a pixel of this value is unpacked: without the bits above Bits Stored, and with its sign.
int stored_value(DcmDataset *dataset, const DcmTagKey &tag, const struct dicom_head *head)
{
    int64_t value = dicom_value_int(dataset, tag, 0);
    int bits = head->bits_stored;
    if (bits < 1 || bits > head->bits_allocated)
        bits = head->bits_allocated;
    if (bits < 1 || bits > 31)
        return int(value);
    int64_t range = int64_t(1) << bits;
    value &= range - 1;
    return int(head->is_signed && value >= range / 2 ? value - range : value);
}

void read_pixel_description(DcmDataset *dataset, struct dicom_head *head)
{
    head->rows = dicom_value_int(dataset, DCM_Rows, 0);
    head->columns = dicom_value_int(dataset, DCM_Columns, 0);
    head->samples_per_pixel = dicom_value_int(dataset, DCM_SamplesPerPixel, 1);
    head->bits_allocated = dicom_value_int(dataset, DCM_BitsAllocated, 0);
    head->bits_stored = dicom_value_int(dataset, DCM_BitsStored, head->bits_allocated);
    head->high_bit = dicom_value_int(dataset, DCM_HighBit, head->bits_stored - 1);
    head->is_signed = dicom_value_int(dataset, DCM_PixelRepresentation, 0) == 1;
    copy_plain(FIELD(head->photometric), dataset, DCM_PhotometricInterpretation);
    double number;
    head->has_padding = dicom_value_number(dataset, DCM_PixelPaddingValue, &number);
    head->has_padding_limit =
        head->has_padding && dicom_value_number(dataset, DCM_PixelPaddingRangeLimit, &number);
    if (head->has_padding)
        head->padding = stored_value(dataset, DCM_PixelPaddingValue, head);
    if (head->has_padding_limit)
        head->padding_limit = stored_value(dataset, DCM_PixelPaddingRangeLimit, head);
    head->has_modality_lut = dicom_value_item(dataset, DCM_ModalityLUTSequence) != nullptr;
}

bool check_native_size(const struct dicom_head *head, DcmElement *pixels, double frames, struct err *err)
{
    double samples = head->samples_per_pixel;
    if (std::strstr(head->photometric, "_422"))
        samples = 2;
    else if (std::strstr(head->photometric, "_420"))
        samples = 1.5;
    double needed =
        std::floor(head->rows * double(head->columns) * frames * samples * head->bits_allocated / 8);
    double have = pixels->getLengthField();
    return have >= needed || err_fail(err, ERR_INPUT, "pixel data has %.0f bytes of %.0f", have, needed);
}

bool has_odd_frame_count(DcmDataset *dataset)
{
    double frames;
    return !dicom_value_text(dataset, DCM_NumberOfFrames).empty() &&
           !dicom_value_number(dataset, DCM_NumberOfFrames, &frames);
}

bool read_frame_count(DcmDataset *dataset, double *frames, struct err *err)
{
    *frames = 1;
    if (has_odd_frame_count(dataset))
        return err_fail(err, ERR_INPUT, "Number of Frames is no number");
    dicom_value_number(dataset, DCM_NumberOfFrames, frames);
    if (*frames < 1)
        *frames = 1;
    return *frames <= max_frames ||
           err_fail(err, ERR_INPUT, "Number of Frames is %.0f, more than %d", *frames, max_frames);
}

// MPEG-2, MPEG-4 and HEVC, 1.2.840.10008.1.2.4.100 to .108: frames share fragments; we decode none.
bool is_film(const char *transfer_syntax)
{
    return !std::strncmp(transfer_syntax, "1.2.840.10008.1.2.4.10", 22);
}

// A fragment is of one frame (PS3.5 A.4), so that there are at least as many.
bool check_fragments(DcmPixelSequence *sequence, double frames, struct err *err)
{
    double fragments = double(sequence->card()) - 1; // the first item is the offset table
    return frames <= fragments ||
           err_fail(err, ERR_INPUT, "Number of Frames is %.0f, but pixel data has %.0f fragments", frames,
                    fragments);
}

// Sets has_pixels and frame_count.
bool read_pixel_presence(DcmDataset *dataset, struct dicom_head *head, struct err *err)
{
    DcmElement *pixels = nullptr;
    if (dataset->findAndGetElement(DCM_PixelData, pixels).bad() || !pixels || head->rows <= 0 ||
        head->columns <= 0)
        return true;
    bool is_input = head->kind == DICOM_KIND_CT || head->kind == DICOM_KIND_MR;
    if (!is_input && has_odd_frame_count(dataset)) // nothing to check, and nobody will count
        return true;
    if (head->rows > 65535 || head->columns > 65535)
        return err_fail(err, ERR_INPUT, "%d rows, %d columns", head->rows, head->columns);
    double frames;
    if (!read_frame_count(dataset, &frames, err))
        return false;
    DcmPixelSequence *fragments = nullptr;
    bool encapsulated = pixels->ident() == EVR_PixelData &&
                        OFstatic_cast(DcmPixelData *, pixels)
                            ->getEncapsulatedRepresentation(dataset->getOriginalXfer(), nullptr, fragments)
                            .good() &&
                        fragments;
    if (encapsulated && (fragments->card() < 2 || is_film(head->id.transfer_syntax)))
        return true;
    if (encapsulated && !check_fragments(fragments, frames, err))
        return false;
    if (!encapsulated && (!pixels->getLengthField() || head->bits_allocated <= 0))
        return true;
    if (!encapsulated && !check_native_size(head, pixels, frames, err))
        return false;
    head->has_pixels = true;
    head->frame_count = int(frames);
    return true;
}

/* One frame's functional groups: the per-frame item goes before the shared one, the data set itself comes
 * last. */
struct frame_groups {
    DcmItem *per_frame, *shared, *dataset;

    DcmItem *group(const DcmTagKey &sequence) const
    {
        if (DcmItem *item = dicom_value_item(per_frame, sequence))
            return item;
        return dicom_value_item(shared, sequence);
    }
    // The item that holds a macro: its group, or the data set of a classic object.
    DcmItem *macro(const DcmTagKey &sequence) const
    {
        DcmItem *item = group(sequence);
        return item ? item : dataset;
    }
};

bool unit_vector(const double *from, double *to)
{
    double length = std::sqrt(from[0] * from[0] + from[1] * from[1] + from[2] * from[2]);
    if (!(length > 0.5 && length < 2))
        return false;
    for (int i = 0; i < 3; i++)
        to[i] = from[i] / length;
    return true;
}

void read_plane(const frame_groups &groups, struct dicom_frame *frame, bool *odd)
{
    frame->has_position = dicom_value_numbers(groups.macro(DCM_PlanePositionSequence),
                                              DCM_ImagePositionPatient, frame->position_lps, 3, odd) == 3;
    double cosines[6];
    frame->has_orientation = dicom_value_numbers(groups.macro(DCM_PlaneOrientationSequence),
                                                 DCM_ImageOrientationPatient, cosines, 6, odd) == 6 &&
                             unit_vector(cosines, frame->row_lps) &&
                             unit_vector(cosines + 3, frame->column_lps);
    double spacing[2];
    frame->has_spacing = dicom_value_numbers(groups.macro(DCM_PixelMeasuresSequence), DCM_PixelSpacing,
                                             spacing, 2, odd) == 2 &&
                         spacing[0] > 0 && spacing[1] > 0;
    if (frame->has_spacing) {
        frame->spacing_y_mm = spacing[0];
        frame->spacing_x_mm = spacing[1];
    }
}

void read_rescale(const frame_groups &groups, struct dicom_frame *frame, bool *odd)
{
    DcmItem *item = groups.macro(DCM_PixelValueTransformationSequence);
    frame->slope = 1;
    frame->intercept = 0;
    double slope, intercept;
    frame->bad_rescale = !dicom_value_text(item, DCM_RescaleSlope).empty() ||
                         !dicom_value_text(item, DCM_RescaleIntercept).empty();
    if (!dicom_value_number(item, DCM_RescaleSlope, &slope, odd) || slope == 0 ||
        !dicom_value_number(item, DCM_RescaleIntercept, &intercept, odd))
        return;
    frame->bad_rescale = false;
    frame->slope = slope;
    frame->intercept = intercept;
    frame->has_rescale = true;
}

// Unsigned CT values usually begin 1024 below water; that this is assumed is a warning of the plan.
void assume_rescale(const struct dicom_head *head, struct dicom_frame *frame)
{
    if (head->kind == DICOM_KIND_CT && !frame->has_rescale && !frame->bad_rescale && !head->is_signed &&
        !head->has_modality_lut)
        frame->intercept = -1024;
}

int text_hash(const OFString &text)
{
    unsigned hash = 2166136261u; // FNV-1a
    for (size_t i = 0; i < text.size(); i++)
        hash = (hash ^ static_cast<unsigned char>(text[i])) * 16777619u;
    return text.empty() ? 0 : int(hash & 0x7FFFFFFF) | 1;
}

// What Image Type says of a classic object. The standard's word for magnitude, phase and real is another
// attribute; it stands behind. source: PS3.3 C.8.13.3.1
OFString frame_type(const frame_groups &groups)
{
    DcmItem *mr = groups.group(DCM_MRImageFrameTypeSequence);
    OFString type = dicom_value_text(groups.group(DCM_CTImageFrameTypeSequence), DCM_FrameType) +
                    dicom_value_text(mr, DCM_FrameType);
    OFString component = dicom_value_text(mr, DCM_ComplexImageComponent);
    if (component.empty())
        return type;
    return (type.empty() ? dicom_value_text(groups.dataset, DCM_ImageType) : type) + "\\" + component;
}

int kind_hash(const frame_groups &groups, OFString kind)
{
    kind += dicom_value_text(groups.group(DCM_CTReconstructionSequence), DCM_ConvolutionKernel);
    double echo_ms;
    if (dicom_value_number(groups.group(DCM_MREchoSequence), DCM_EffectiveEchoTime, &echo_ms))
        kind += std::to_string(std::lround(100 * std::fmax(0, std::fmin(echo_ms, 1e6)))).c_str();
    return text_hash(kind);
}

// One copy of each type in the arena: an object has few.
struct type_texts {
    const char *known[max_types];
    int count;

    // False: out of memory.
    bool keep(const OFString &text, struct arena *arena, const char **ret)
    {
        char type[sizeof dicom_head::image_type];
        dicom_value_copy(FIELD(type), text);
        for (int i = 0; i < count; i++) {
            if (!std::strcmp(known[i], type)) {
                *ret = known[i];
                return true;
            }
        }
        if (!*type || count == max_types)
            return true;
        *ret = known[count++] = arena_strdup(arena, type);
        return *ret != nullptr;
    }
};

bool read_kind(const frame_groups &groups, type_texts &types, struct arena *arena, struct dicom_frame *frame)
{
    OFString type = frame_type(groups);
    frame->kind_hash = kind_hash(groups, type);
    if (!dicom_value_number(groups.group(DCM_MRModifierSequence), DCM_InversionTimes, &frame->inversion_ms))
        dicom_value_number(groups.dataset, DCM_InversionTime, &frame->inversion_ms);
    return types.keep(type, arena, &frame->type);
}

void read_phase(const frame_groups &groups, struct dicom_frame *frame)
{
    DcmItem *heart = groups.group(DCM_CardiacSynchronizationSequence);
    DcmItem *content = groups.group(DCM_FrameContentSequence);
    DcmItem *dataset = groups.dataset;
    frame->is_delay = dicom_value_number(heart, DCM_NominalCardiacTriggerDelayTime, &frame->trigger_ms) ||
                      dicom_value_number(heart, DCM_ActualCardiacTriggerDelayTime, &frame->trigger_ms);
    frame->has_trigger = frame->is_delay || dicom_value_number(dataset, DCM_TriggerTime, &frame->trigger_ms);
    frame->has_phase_percent = dicom_value_number(heart ? heart : dataset,
                                                  DCM_NominalPercentageOfCardiacPhase, &frame->phase_percent);
    double index;
    frame->has_temporal_index = (content && dicom_value_number(content, DCM_TemporalPositionIndex, &index)) ||
                                dicom_value_number(dataset, DCM_TemporalPositionIdentifier, &index);
    if (frame->has_temporal_index)
        frame->temporal_index = index > 1e9 || index < -1e9 ? 0 : int(index);
    frame->has_acquisition_time =
        dicom_value_time(content, DCM_FrameAcquisitionDateTime, &frame->acquisition_s) ||
        dicom_value_time(dataset, DCM_AcquisitionTime, &frame->acquisition_s);
    frame->has_time =
        (content && (dicom_value_time(content, DCM_FrameReferenceDateTime, &frame->time_s) ||
                     dicom_value_time(content, DCM_FrameAcquisitionDateTime, &frame->time_s))) ||
        dicom_value_time(dataset, DCM_ContentTime, &frame->time_s) ||
        dicom_value_time(dataset, DCM_AcquisitionTime, &frame->time_s);
    if (content)
        frame->stack_id_hash = text_hash(dicom_value_text(content, DCM_StackID));
}

// The phase of a CT that only its text tells: of the image, of its acquisition, of the series.
void read_phase_text(const struct dicom_head *head, struct dicom_frame *frame)
{
    if (head->kind == DICOM_KIND_CT && !frame->has_phase_percent)
        frame->has_phase_percent = dicom_phase_percent(head->image_comments, &frame->phase_percent) ||
                                   dicom_phase_percent(head->scan_options, &frame->phase_percent);
    if (head->kind == DICOM_KIND_CT && !frame->has_phase_percent)
        frame->has_phase_percent = frame->percent_of_series =
            dicom_phase_percent(head->id.series_description, &frame->phase_percent);
}

// What an enhanced object says in its groups, of the first frame, and a classic one at the top.
void read_shared_acquisition(const frame_groups &groups, struct dicom_head *head)
{
    const struct {
        DcmTagKey group, tag;
        double *number;
    } numbers[] = {
        {DCM_PixelMeasuresSequence, DCM_SliceThickness, &head->slice_thickness_mm},
        {DCM_MREchoSequence, DCM_EffectiveEchoTime, &head->echo_ms},
        {DCM_MRVelocityEncodingSequence, DCM_VelocityEncodingMaximumValue, &head->velocity_cm_s},
        {DCM_CTXRayDetailsSequence, DCM_KVP, &head->tube_kv},
        {DCM_CardiacSynchronizationSequence, DCM_RRIntervalTimeNominal, &head->interval_ms},
    };
    for (const auto &row : numbers)
        dicom_value_number(groups.group(row.group), row.tag, row.number);
    if (DcmItem *item = groups.group(DCM_CTReconstructionSequence))
        copy_plain(FIELD(head->kernel), item, DCM_ConvolutionKernel);
    if (DcmItem *item = dicom_value_item(groups.dataset, DCM_ContrastBolusAgentSequence))
        if (!*head->contrast_agent)
            copy_plain(FIELD(head->contrast_agent), item, DCM_CodeMeaning);
}

bool read_frames(DcmDataset *dataset, struct arena *arena, struct dicom_head *head, struct err *err)
{
    if (!head->frame_count)
        return true;
    head->frames = ARENA_ARRAY(arena, struct dicom_frame, size_t(head->frame_count));
    if (!head->frames)
        return err_fail(err, ERR_NOMEM, "out of memory for %d frames", head->frame_count);
    frame_groups groups = {nullptr, dicom_value_item(dataset, DCM_SharedFunctionalGroupsSequence), dataset};
    type_texts types = {};
    DcmElement *element = nullptr;
    DcmSequenceOfItems *frames = nullptr;
    if (dataset->findAndGetElement(DCM_PerFrameFunctionalGroupsSequence, element).good() && element &&
        element->ident() == EVR_SQ)
        frames = OFstatic_cast(DcmSequenceOfItems *, element);
    for (int i = 0; i < head->frame_count; i++) {
        if (frames) // nextInContainer walks; getItem(i) would count from the start each time
            groups.per_frame = OFstatic_cast(DcmItem *, frames->nextInContainer(groups.per_frame));
        if (frames && !groups.per_frame)
            frames = nullptr;
        read_plane(groups, &head->frames[i], &head->odd_number);
        read_rescale(groups, &head->frames[i], &head->odd_number);
        assume_rescale(head, &head->frames[i]);
        read_phase(groups, &head->frames[i]);
        read_phase_text(head, &head->frames[i]);
        if (!read_kind(groups, types, arena, &head->frames[i]))
            return err_fail(err, ERR_NOMEM, "out of memory for %d frames", head->frame_count);
        if (!i)
            read_shared_acquisition(groups, head);
    }
    return true;
}

struct dicom_head *read_head(const char *path, struct arena *arena, struct err *err)
{
    DcmFileFormat file;
    struct dicom_head *head = ARENA_NEW(arena, struct dicom_head);
    if (!head) {
        err_fail(err, ERR_NOMEM, "out of memory for a DICOM head");
        return nullptr;
    }
    if (!dicom_load(path, dicom_load_for::head, file, err) || !read_identity(file, &head->id, err))
        return nullptr;
    DcmDataset *dataset = file.getDataset();
    head->kind = dicom_class_kind(head->id.sop_class);
    read_acquisition(dataset, head);
    read_pixel_description(dataset, head);
    if (!read_concatenation(dataset, head, err) || !read_pixel_presence(dataset, head, err) ||
        !read_frames(dataset, arena, head, err))
        return nullptr;
    return head;
}

} // namespace

extern "C" bool dicom_head_read(const char *path, struct arena *arena, struct dicom_head **ret,
                                struct err *err)
{
    try {
        struct dicom_head *head = read_head(path, arena, err);
        if (head)
            *ret = head;
        return head != nullptr;
    } catch (const std::bad_alloc &) {
        return err_fail(err, ERR_NOMEM, "out of memory reading a DICOM file");
    } catch (...) {
        return err_fail(err, ERR_INPUT, "DICOM file damaged: the parser gave up");
    }
}
