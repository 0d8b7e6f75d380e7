#include "daemon/courier_copy.h"

#include "base/clock.h"

#include <limits.h>

static struct store_report *describe(const struct store_report *base, const struct courier_copy *form,
                                     struct arena *arena)
{
    struct store_report *copy = ARENA_NEW(arena, struct store_report);
    char *uid = arena_alloc(arena, UID_SIZE, 1);
    char *series_uid = arena_alloc(arena, UID_SIZE, 1);
    char *relative = arena_alloc(arena, SPOOL_RELATIVE_SIZE, 1);
    if (!copy || !uid || !series_uid || !relative)
        return NULL;
    report_class_uid(base->sop_uid, form->sop_class, uid);
    report_class_uid(base->series_uid, form->sop_class, series_uid);
    spool_report_path(uid, relative);
    *copy = (struct store_report){.sop_class = form->sop_class,
                                  .sop_uid = uid,
                                  .series_uid = form->own_series ? series_uid : base->series_uid,
                                  .path = relative};
    return copy;
}

static bool make(struct service *service, int64_t result, const struct store_report *base,
                 const struct courier_copy *form, struct arena *arena, struct store_report **ret,
                 struct err *err)
{
    char from[PATH_MAX], incoming[PATH_MAX];
    struct store_report *copy = describe(base, form, arena);
    char *sha256 = arena_alloc(arena, DIGEST_HEX_SIZE, 1);
    if (!copy || !sha256)
        return err_fail(err, ERR_NOMEM, "no memory for a report");
    copy->sha256 = sha256;
    spool_path(service->spool, base->path, from);
    spool_incoming(service->spool, incoming);
    bool ok = form->write(from, copy, incoming, arena, err) && digest_file(incoming, 0, sha256, err) &&
              spool_commit(service->spool, incoming, copy->path, err) &&
              store_add_report(service->store, result, copy, clock_unix_ms(), err);
    spool_discard(incoming);
    *ret = copy;
    return ok;
}

bool courier_copy_find(struct service *service, int64_t result, const struct courier_copy *form,
                       struct arena *arena, struct store_report **ret, struct err *err)
{
    struct store_report *base;
    if (!store_find_report(service->store, result, form->sop_class, arena, ret, err))
        return false;
    if (*ret)
        return true;
    if (!store_find_report(service->store, result, "", arena, &base, err))
        return false;
    if (!base)
        return err_fail(err, ERR_CORRUPT, "the result has no report");
    return make(service, result, base, form, arena, ret, err);
}
