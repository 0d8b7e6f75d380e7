#include "findings.h"

#include "dice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double prevalence = 0.3, mildest = 0.2;

enum { CT = 1 << KIND_CT, CMR = 1 << KIND_CMR };

static const struct {
    const char *name;
    unsigned kinds;
} table[FINDING_COUNT] = {
    [CORONARY_CALCIFICATION] = {"coronary_calcification", CT},
    [CORONARY_STENOSIS] = {"coronary_stenosis", CT},
    [AORTIC_WALL_CALCIFICATION] = {"aortic_wall_calcification", CT},
    [CARDIOMEGALY] = {"cardiomegaly", CT},
    [PERICARDIAL_EFFUSION] = {"pericardial_effusion", CT},
    [PULMONARY_HYPERTENSION] = {"pulmonary_hypertension", CT},
    [AORTIC_ANEURYSM] = {"aortic_aneurysm", CT},
    [LEFT_VENTRICULAR_HYPERTROPHY] = {"left_ventricular_hypertrophy", CT | CMR},
    [LEFT_VENTRICULAR_DYSFUNCTION] = {"left_ventricular_dysfunction", CMR},
    [RIGHT_VENTRICULAR_DYSFUNCTION] = {"right_ventricular_dysfunction", CMR},
    [LEFT_VENTRICULAR_ENLARGEMENT] = {"left_ventricular_enlargement", CMR},
    [RIGHT_VENTRICULAR_ENLARGEMENT] = {"right_ventricular_enlargement", CMR},
    [SEPTAL_HYPERTROPHY] = {"septal_hypertrophy", CMR},
    [LGE_ISCHEMIC] = {"lge_ischemic", CMR},
    [LGE_PATCHY] = {"lge_patchy", CMR},
    [LGE_DIFFUSE] = {"lge_diffuse", CMR},
    [AORTIC_DILATION] = {"aortic_dilation", CMR},
};

const char *kind_name(enum kind kind)
{
    return kind == KIND_CT ? "ct" : "cmr";
}

const char *finding_name(enum finding finding)
{
    return table[finding].name;
}

bool finding_of_kind(enum finding finding, enum kind kind)
{
    return table[finding].kinds >> kind & 1;
}

/* Whether the patient has it, and how badly if so. */
static bool draw(uint64_t seed, enum finding finding, double *ret_severity)
{
    struct dice dice = dice_named(seed, table[finding].name);
    bool present = dice_chance(&dice, prevalence);
    *ret_severity = round(dice_between(&dice, mildest, 1) * 100) / 100;
    return present;
}

struct findings findings_drawn(enum kind kind, uint64_t seed)
{
    struct findings findings = {{0}};
    double severity;
    for (enum finding finding = 0; finding < FINDING_COUNT; finding++)
        if (finding_of_kind(finding, kind) && draw(seed, finding, &severity))
            findings.severity[finding] = severity;
    return findings;
}

bool findings_set(struct findings *findings, enum kind kind, uint64_t seed, const char *text, struct err *err)
{
    size_t length = strcspn(text, "=");
    double severity = -1;
    if (text[length]) {
        char *end;
        severity = strtod(text + length + 1, &end);
        if (end == text + length + 1 || *end || !(severity >= 0 && severity <= 1))
            return err_fail(err, ERR_INPUT, "'%.60s': a severity is a number from 0 to 1", text);
    }
    for (enum finding finding = 0; finding < FINDING_COUNT; finding++)
        if (finding_of_kind(finding, kind) && strlen(table[finding].name) == length &&
            strncmp(table[finding].name, text, length) == 0) {
            if (severity < 0)
                draw(seed, finding, &severity);
            findings->severity[finding] = severity;
            return true;
        }
    return err_fail(err, ERR_INPUT, "'%.60s' is no finding of kind %s", text, kind_name(kind));
}
