/* Whether the heart was the clock of an image, and what a trigger time may be then. No DCMTK.
 * source: docs/volumes.md, section 3, the keys of phases. */
#ifndef DICOM_DICOM_GATING_H
#define DICOM_DICOM_GATING_H

#include "dicom/dicom_records.h"

/* Does the object say so: Cardiac Synchronization Technique other than NONE; without it a heart rate, a
 * Nominal Interval, more than one in Cardiac Number of Images, or CG, PPG, ECG, CARD at the start of a Scan
 * Option? */
bool dicom_gated(const struct dicom_head *head);

/* The longest time after a heartbeat that makes sense: 1.25 times the RR interval, 3000 ms when none is said.
 */
double dicom_beat_ms(const struct dicom_head *head);

/* Is the frame's trigger time one? Philips writes other times into it in ungated series (dcm2niix issues 395,
 * 408): it counts where it is a delay by definition, or the object is gated and it fits one heartbeat. */
bool dicom_trigger_counts(const struct dicom_head *head, const struct dicom_frame *at);

#endif
