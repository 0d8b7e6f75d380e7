#include "table.h"

#include <stdbool.h>
#include <string.h>

enum { CELL_SIZE = 256, MAX_COLUMNS = 16, MAX_DEPTH = 8, PATH_SIZE = 512 };

static void scalar_text(const json_t *value, char text[CELL_SIZE])
{
    if (json_is_string(value))
        snprintf(text, CELL_SIZE, "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(text, CELL_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, CELL_SIZE, "%.6g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(text, CELL_SIZE, "%s", json_is_true(value) ? "yes" : "no");
    else
        snprintf(text, CELL_SIZE, "-");
    for (char *at = text; *at; at++)
        *at = (unsigned char)*at < ' ' ? ' ' : *at; /* a line is a row */
}

static bool is_filled(const json_t *rows, const char *key)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *value = json_object_get(json_array_get(rows, i), key);
        if (value && !json_is_null(value))
            return true;
    }
    return false;
}

static int width_of(const json_t *rows, const struct table_column *column)
{
    char text[CELL_SIZE];
    size_t width = strlen(column->title);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        scalar_text(json_object_get(json_array_get(rows, i), column->key), text);
        width = strlen(text) > width ? strlen(text) : width;
    }
    return (int)width;
}

void table_print(FILE *to, const json_t *rows, const struct table_column *columns, int column_count)
{
    int widths[MAX_COLUMNS] = {0};
    char text[CELL_SIZE];
    for (int c = 0; c < column_count && c < MAX_COLUMNS; c++) {
        widths[c] = is_filled(rows, columns[c].key) ? width_of(rows, &columns[c]) : 0;
        if (widths[c])
            fprintf(to, "%-*s  ", widths[c], columns[c].title);
    }
    fputs(json_array_size(rows) ? "\n" : "none\n", to);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        for (int c = 0; c < column_count && c < MAX_COLUMNS; c++) {
            scalar_text(json_object_get(json_array_get(rows, i), columns[c].key), text);
            if (widths[c])
                fprintf(to, "%-*s  ", widths[c], text);
        }
        fputc('\n', to);
    }
}

static void tree(FILE *to, const json_t *json, const char *path, int depth)
{
    char text[CELL_SIZE], below[PATH_SIZE];
    const char *key;
    json_t *value;
    size_t i;
    const char *dot = *path ? "." : "";
    if (depth > MAX_DEPTH || !(json_is_object(json) || json_is_array(json))) {
        scalar_text(json, text);
        fprintf(to, "  %-28s %s\n", path, text);
        return;
    }
    json_object_foreach((json_t *)json, key, value)
    {
        snprintf(below, sizeof below, "%s%s%s", path, dot, key);
        tree(to, value, below, depth + 1);
    }
    json_array_foreach(json, i, value)
    {
        snprintf(below, sizeof below, "%s%s%zu", path, dot, i);
        tree(to, value, below, depth + 1);
    }
}

void table_tree(FILE *to, const json_t *json)
{
    tree(to, json, "", 0);
}
