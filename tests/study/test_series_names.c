/* The rules that are built in on names of real series: series_names.tsv, one series a line. Its columns are
 * modality; Series Description; what is expected; and name=value pairs parted by ";" (shown in set_value).
 * Expected is a role, several parted by "|", or "!role": any other. */
#include "made_study.h"

#include "dicom/dicom_phase.h"

enum { LINE_SIZE = 1000, LEAST_ROWS = 200 };

struct row {
    char *modality, *description, *expected, *values; /* within the line */
    int positions, phases;
    double step_mm, field_mm, inversion_ms;
    enum { TIMES_NONE, TIMES_CINE, TIMES_BEATS } times;
};

/* ---- reading ---- */

static bool read_row(char *line, struct row *ret)
{
    char *fields[4] = {line, "", "", ""};
    for (int i = 1; i < 4; i++) {
        fields[i] = strchr(fields[i - 1], '\t');
        if (!fields[i])
            return false;
        *fields[i]++ = '\0';
    }
    fields[3][strcspn(fields[3], "\n")] = '\0';
    bool is_mr = strcmp(fields[0], "MR") == 0;
    *ret = (struct row){.modality = fields[0],
                        .description = fields[1],
                        .expected = fields[2],
                        .values = fields[3],
                        .positions = is_mr ? 1 : 20,
                        .phases = 1,
                        .step_mm = is_mr ? 8 : 0.5,
                        .field_mm = is_mr ? 340 : 180};
    return true;
}

/* False: no such name. */
static bool set_value(const char *name, const char *value, struct row *row, struct dicom_head *head)
{
    struct {
        const char *name;
        char *text;
        size_t size;
    } texts[] = {{"kernel", head->kernel, sizeof head->kernel},
                 {"agent", head->contrast_agent, sizeof head->contrast_agent},
                 {"protocol", head->id.protocol_name, sizeof head->id.protocol_name},
                 {"body", head->body_part, sizeof head->body_part},
                 {"type", head->image_type, sizeof head->image_type},
                 {"options", head->scan_options, sizeof head->scan_options},
                 {"sequence", head->scanning_sequence, sizeof head->scanning_sequence}};
    struct {
        const char *name;
        double *number;
    } numbers[] = {{"step", &row->step_mm},
                   {"field", &row->field_mm},
                   {"kv", &head->tube_kv},
                   {"thickness", &head->slice_thickness_mm},
                   {"inversion", &row->inversion_ms}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i].name, name) == 0)
            return snprintf(texts[i].text, texts[i].size, "%s", value) > 0;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(numbers[i].name, name) == 0)
            return (*numbers[i].number = atof(value)) > 0;
    }
    if (strcmp(name, "positions") == 0)
        return (row->positions = atoi(value)) > 0;
    if (strcmp(name, "phases") == 0) /* of a heartbeat, 30 ms apart */
        return row->times = TIMES_CINE, (row->phases = atoi(value)) > 0;
    if (strcmp(name, "dynamics") == 0) /* one a heartbeat, 900 ms apart */
        return row->times = TIMES_BEATS, (row->phases = atoi(value)) > 0;
    return false;
}

/* ---- judging ---- */

static void fill_head(struct row *row, struct dicom_head *head, int line)
{
    char *rest = row->values;
    bool is_mr = strcmp(row->modality, "MR") == 0;
    strcpy(head->image_type, is_mr ? "ORIGINAL\\PRIMARY\\M\\ND" : "ORIGINAL\\PRIMARY\\AXIAL");
    strcpy(head->scanning_sequence, is_mr ? "GR" : "");
    snprintf(head->id.series_description, sizeof head->id.series_description, "%s", row->description);
    for (char *pair; (pair = strsep(&rest, ";"));) {
        char *value = strchr(pair, '=');
        if (value)
            *value++ = '\0';
        if (*pair && !(value && set_value(pair, value, row, head)))
            fail_msg("line %d: \"%s\" is nothing, or has no value", line, pair);
    }
    if (!is_mr && head->slice_thickness_mm == 0)
        head->slice_thickness_mm = row->step_mm;
}

static void place(const struct row *row, struct dicom_head *head, int phase)
{
    struct dicom_frame *frame = head->frames;
    frame->spacing_x_mm = frame->spacing_y_mm = row->field_mm / head->columns;
    frame->inversion_ms = row->inversion_ms;
    frame->has_trigger = row->times != TIMES_NONE;
    frame->trigger_ms = phase * (row->times == TIMES_BEATS ? 900 : 30);
    head->interval_ms = row->times == TIMES_CINE ? 900 : 0;
    head->cardiac_images = row->times == TIMES_CINE ? row->phases : 0;
    if (head->kind == DICOM_KIND_CT)
        frame->has_phase_percent = dicom_phase_percent(head->id.series_description, &frame->phase_percent);
}

static const struct study_series *take(struct made *made, struct row *row, int line)
{
    enum dicom_kind kind = strcmp(row->modality, "MR") == 0 ? DICOM_KIND_MR : DICOM_KIND_CT;
    struct dicom_head like = {0};
    fill_head(row, &like, line);
    assert_true(row->positions * row->phases <= MOST);
    made->count = 0;
    for (int z = 0; z < row->positions; z++) {
        for (int phase = 0; phase < row->phases; phase++) {
            struct dicom_head *head = add(made, kind, 1, z * row->step_mm), kept = *head;
            *head = like;
            head->kind = kind;
            head->rows = head->columns = 512;
            head->frame_count = head->samples_per_pixel = 1;
            head->has_pixels = true;
            head->frames = kept.frames;
            head->id.series_number = 1;
            strcpy(head->photometric, kept.photometric);
            strcpy(head->id.series_uid, kept.id.series_uid);
            strcpy(head->id.sop_uid, kept.id.sop_uid);
            place(row, head, phase);
        }
    }
    choose(made, row->modality);
    return &made->choice->series[0];
}

static bool is_expected(const char *role, const char *expected)
{
    size_t size = strlen(role);
    if (*expected == '!')
        return strcmp(role, expected + 1) != 0;
    for (const char *at = expected; *at; at += strcspn(at, "|") + (at[strcspn(at, "|")] != 0)) {
        if (strcspn(at, "|") == size && strncmp(at, role, size) == 0)
            return true;
    }
    return false;
}

static void each_name_gets_its_role(void **state)
{
    struct made *made = *state;
    char line[LINE_SIZE];
    int number = 0, rows = 0, wrong = 0;
    FILE *file = fopen(SERIES_NAMES, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        struct row row = {0};
        number++;
        if (*line == '#' || *line == '\n')
            continue;
        if (!read_row(line, &row))
            fail_msg("line %d has not four columns", number);
        const struct study_series *series = take(made, &row, number);
        rows++;
        if (!is_expected(series->role, row.expected)) {
            print_message("line %d: %s \"%s\" is no %s but %s, because %s\n", number, row.modality,
                          row.description, row.expected, series->role, series->why);
            wrong++;
        }
    }
    fclose(file);
    print_message("%d of %d names are wrong\n", wrong, rows);
    assert_true(rows >= LEAST_ROWS);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(each_name_gets_its_role)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
