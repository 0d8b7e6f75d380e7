/* The phase of the heart where only free text says it. */
#ifndef DICOM_PHASE_H
#define DICOM_PHASE_H

#include <stdbool.h>

/* Percent of the RR interval in a CT's Image Comments, Scan Options or Series Description: "BestDiast 75 %",
 * "37,5 %", or "TP30PC0965" (Siemens Scan Options: 30 % of 965 ms). A number from 0 to 100 before a percent
 * sign counts, unless it is part of a range ("0 - 90 %" is many phases) or stands after the name of something
 * else that is set in percent ("ASiR 40%", "AR40%", "SS_40%", iDose, ADMIRE, SAFIRE, blend, FOV, dose, mA,
 * pitch) or before it ("30% ASIR"; not "75% RR"). Several that differ are none.
 * source: fedorov/MultiVolumeImporter pull requests 19 and 25 for the places, and its form TP..PC. */
bool dicom_phase_percent(const char *text, double *ret_percent);

#endif
