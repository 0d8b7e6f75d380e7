#include "daemon/rulebook.h"

#include "base/file.h"
#include "pipeline/series_rules.h"

#include <stdlib.h>
#include <string.h>

/* Nothing of what is read is kept but what names it. */
static bool check(struct rulebook *to, const char *path, size_t size, struct arena *arena, struct err *err)
{
    const struct study_rules *rules;
    if (!arena)
        return err_fail(err, ERR_NOMEM, "no memory for the series rules");
    if (!(to->text ? series_rules_parse(to->text, size, path, arena, &rules, err)
                   : series_rules_read(NULL, arena, &rules, err)))
        return false;
    memcpy(to->sha256, rules->sha256, sizeof to->sha256);
    to->rule_count = rules->rule_count;
    return true;
}

struct rulebook *rulebook_open(const char *path, struct err *err)
{
    size_t size = 0;
    struct arena *arena = arena_new();
    struct rulebook *rulebook = calloc(1, sizeof *rulebook);
    bool ok = rulebook || err_fail(err, ERR_NOMEM, "no memory for the series rules");
    if (ok && *path)
        ok = (rulebook->text = file_read(path, SERIES_RULES_MAX_BYTES, &size, err)) != NULL;
    ok = ok && check(rulebook, path, size, arena, err);
    arena_free(arena);
    if (ok)
        return rulebook;
    rulebook_free(rulebook);
    return NULL;
}

void rulebook_free(struct rulebook *rulebook)
{
    while (rulebook) {
        struct rulebook *replaced = rulebook->replaced;
        free(rulebook->text);
        free(rulebook);
        rulebook = replaced;
    }
}

void rulebook_offer(const struct rulebook *rulebook, json_t *job)
{
    if (rulebook->text)
        json_object_set_new(job, "rules", json_string(rulebook->text));
}
