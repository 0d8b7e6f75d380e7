/* Everything round the heart that does not beat: wall, bones, lungs, airways,
 * upper abdomen, table. */
#ifndef PHANTOM_THORAX_H
#define PHANTOM_THORAX_H

#include "patient.h"
#include "scene.h"

/* Shapes in the order they are painted, the table first; the heart goes on top.
 */
void thorax_add(const struct patient *patient, bool table, struct scene *scene);

#endif
