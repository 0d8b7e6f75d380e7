#include "base/crew.h"

int crew_seats(const struct crew *crew)
{
    return crew && crew->seats > 1 ? crew->seats : 1;
}

bool crew_run(const struct crew *crew, int count, crew_piece piece, void *work, struct err *err)
{
    if (crew_seats(crew) > 1 && count > 1)
        return crew->run(crew->self, count, piece, work, err);
    for (int i = 0; i < count; i++) {
        if (!piece(work, 0, i, err))
            return false;
    }
    return true;
}
