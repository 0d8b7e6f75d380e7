#include "daemon/api_receiving.h"

#include "base/clock.h"
#include "daemon/completeness.h"

#include <string.h>

static int number_of(const json_t *object, const char *key)
{
    return (int)json_integer_value(json_object_get(object, key));
}

static bool read_sources(const json_t *study, struct arena *arena, struct completeness_source *ret)
{
    const json_t *sources = json_object_get(study, "sources"), *name;
    const char **peers = ARENA_ARRAY(arena, const char *, json_array_size(sources) + 1);
    size_t i;
    *ret = (struct completeness_source){.peers = peers,
                                        .peer_count = (int)json_array_size(sources),
                                        .stated_series = number_of(study, "stated_series"),
                                        .stated_objects = number_of(study, "stated_objects")};
    json_array_foreach(sources, i, name) if (peers) peers[i] = json_string_value(name);
    return peers != NULL;
}

static bool read_came(const json_t *study, struct arena *arena, struct study_came *ret)
{
    const json_t *list = json_object_get(study, "series"), *series;
    const json_t *objects = json_object_get(study, "objects");
    const char **descriptions = ARENA_ARRAY(arena, const char *, json_array_size(list) + 1);
    size_t i;
    *ret = (struct study_came){.descriptions = descriptions,
                               .all_series = (int)json_array_size(list),
                               .all_objects = number_of(objects, "total") - number_of(objects, "replaced") -
                                              number_of(objects, "withdrawn")};
    json_array_foreach(list, i, series)
    {
        const char *modality = json_string_value(json_object_get(series, "modality"));
        int images = number_of(series, "input");
        if (!descriptions || images == 0 || !modality || strcmp(modality, "SEG") == 0)
            continue;
        descriptions[ret->series++] = json_string_value(json_object_get(series, "description"));
        ret->images += images;
    }
    return descriptions != NULL;
}

static void tell_wait(FILE *to, const json_t *study, const struct completeness *completeness,
                      int64_t receiving_ms)
{
    const char *expected = json_string_value(json_object_get(study, "expected"));
    const char *last = json_string_value(json_object_get(study, "last_object_at"));
    int series_quiet_s = (int)(completeness->series_quiet_ms / 1000);
    char latest[CLOCK_ISO_SIZE];
    clock_iso(receiving_ms + completeness->force_ms, latest);
    fprintf(to, "It is still being received: the last image came at %s. ", last ? last : "no time");
    if (expected && *expected)
        fprintf(
            to,
            "Expected of its senders: %s. Analysis starts once all of it has come, %d s have passed without a"
            " new object in any series and the association that sent it has ended, or at %s at the latest.",
            expected, series_quiet_s, latest);
    else
        fprintf(to,
                "Analysis starts once %d s have passed without a new one (%d s in each series) and the"
                " association that sent it has ended, or at %s at the latest.",
                (int)(completeness->study_quiet_ms / 1000), series_quiet_s, latest);
}

static void tell(FILE *to, const json_t *study, const struct completeness *completeness, int64_t receiving_ms)
{
    if (!number_of(json_object_get(study, "objects"), "input"))
        fputs("Objects have arrived, but no CT or MR image is among them; if none comes, the study is "
              "declined.",
              to);
    else if (json_is_true(json_object_get(study, "forced")))
        fputs("An operator called its end; analysis starts once no association that sent it is open.", to);
    else
        tell_wait(to, study, completeness, receiving_ms);
    if (number_of(study, "revision") > 1)
        fprintf(to,
                " This is revision %d: after the former one an image came late or changed, or an operator"
                " asked again.",
                number_of(study, "revision"));
}

void api_receiving(json_t *study, int64_t receiving_ms, const struct config *config, FILE *to)
{
    struct err err = ERR_INIT;
    struct completeness_source source;
    struct completeness completeness;
    struct study_came came;
    struct arena *arena = arena_new();
    if (arena && read_sources(study, arena, &source) && read_came(study, arena, &came) &&
        completeness_of(config, &source, arena, &completeness, &err)) {
        const char *words = study_expected_words(&completeness.expected, &came, arena);
        json_object_set_new(study, "expected", json_string(words ? words : ""));
        json_object_set_new(study, "expected_missing",
                            json_boolean(!study_expected_came(&completeness.expected, &came)));
        tell(to, study, &completeness, receiving_ms);
    }
    arena_free(arena);
}
