#include "findings/result.h"

#include <string.h>

static const char *const state_names[] = {"present", "absent", "undetermined", "not_assessed"};

const char *finding_state_name(enum finding_state state)
{
    return state_names[state];
}

bool finding_state_parse(const char *word, enum finding_state *ret)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(word, state_names[i]) != 0)
            continue;
        *ret = (enum finding_state)i;
        return true;
    }
    return false;
}

bool result_outside(const struct result *result)
{
    return result->domain.of && !result->domain.inside;
}

const char *result_outcome(const struct result *result)
{
    if (result->analysed)
        return result_outside(result) ? RESULT_OUTSIDE : "";
    return result->reason ? result->reason : "";
}

const struct result_organ *result_organ(const struct result *result, const char *id)
{
    for (int i = 0; id && i < result->organ_count; i++)
        if (strcmp(result->organs[i].id, id) == 0)
            return &result->organs[i];
    return NULL;
}
