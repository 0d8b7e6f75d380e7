/* What a worker answers, shown to a person. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "cli.h"

#include <jansson.h>

/* The answer as one line of JSON. */
enum cli_exit show_json(const json_t *json);

/* A member that is text, else "-": borrowed. A member that is a number, else 0. */
const char *show_text(const json_t *object, const char *key);
double show_number(const json_t *object, const char *key);

/* Lines "name       value". */
void show_model(const json_t *model);
/* "domain" of a result or, without a distance, of a model; nothing when it is null. */
void show_domain(const json_t *domain);
void show_warnings(const json_t *warnings);
void show_series(const json_t *series); /* as in a result */

#endif
