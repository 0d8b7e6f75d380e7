/* JSON shown to a person. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <jansson.h>
#include <stdio.h>

struct table_column {
    const char *key, *title;
};

/* A list of objects as aligned columns. A column that no row fills is left out; null shows as "-". */
void table_print(FILE *to, const json_t *rows, const struct table_column *columns, int column_count);

/* Any JSON as "path: value" lines. */
void table_tree(FILE *to, const json_t *json);

#endif
