/* What can be wrong with a patient, and how badly: severities from 0 (absent)
 * to 1. README.md says what each severity is in millimetres and grey values,
 * and why. */
#ifndef PHANTOM_FINDINGS_H
#define PHANTOM_FINDINGS_H

#include "base/err.h"

#include <stdint.h>

enum kind { KIND_CT, KIND_CMR, KIND_COUNT };

enum finding {
    CORONARY_CALCIFICATION,
    CORONARY_STENOSIS,
    AORTIC_WALL_CALCIFICATION,
    CARDIOMEGALY,
    PERICARDIAL_EFFUSION,
    PULMONARY_HYPERTENSION,
    AORTIC_ANEURYSM,
    LEFT_VENTRICULAR_HYPERTROPHY, /* CT: any; CMR: concentric */
    LEFT_VENTRICULAR_DYSFUNCTION,
    RIGHT_VENTRICULAR_DYSFUNCTION,
    LEFT_VENTRICULAR_ENLARGEMENT,
    RIGHT_VENTRICULAR_ENLARGEMENT,
    SEPTAL_HYPERTROPHY,
    LGE_ISCHEMIC,
    LGE_PATCHY,
    LGE_DIFFUSE,
    AORTIC_DILATION,
    FINDING_COUNT
};

struct findings {
    double severity[FINDING_COUNT]; /* 0 for those of the other kind */
};

const char *kind_name(enum kind kind);          /* "ct", "cmr" */
const char *finding_name(enum finding finding); /* snake_case, as in prompts.json */
bool finding_of_kind(enum finding finding, enum kind kind);

/* Each finding of the kind is there in 30 % of patients, on its own, with a
 * severity from 0.2 to 1, rounded to 0.01. */
struct findings findings_drawn(enum kind kind, uint64_t seed);

/* "ID" or "ID=SEVERITY" (0 to 1; the seed's when not said) into *findings.
 * errors: ERR_INPUT. */
bool findings_set(struct findings *findings, enum kind kind, uint64_t seed, const char *text,
                  struct err *err);

#endif
