#include "base/faults.h"

void faults_init(struct faults *faults, struct arena *arena)
{
    *faults = (struct faults){.arena = arena};
    faults->end = &faults->first;
}

bool faults_pass(struct faults *faults, struct err *err)
{
    if (!faults || (err->code != ERR_INPUT && err->code != ERR_UNSUPPORTED))
        return false;
    if (faults->count < FAULTS_KEPT) {
        struct fault *fault = ARENA_NEW(faults->arena, struct fault);
        if (!fault)
            return err_fail(err, ERR_NOMEM, "no memory for a list of faults");
        fault->err = *err;
        *faults->end = fault;
        faults->end = &fault->next;
    }
    faults->count++;
    *err = (struct err)ERR_INIT;
    return true;
}
