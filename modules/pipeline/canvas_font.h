/* Letters of 5 x 9 pixels for pictures: printable ASCII; any other byte is a filled block. Part of the
 * pipeline. */
#ifndef PIPELINE_CANVAS_FONT_H
#define PIPELINE_CANVAS_FONT_H

#include <stdbool.h>

/* Seven rows stand on the line, two hang below it. A letter with its space is FONT_ADVANCE wide. */
enum { FONT_WIDTH = 5, FONT_HEIGHT = 9, FONT_ADVANCE = 6 };

/* in: y below FONT_HEIGHT, x below FONT_WIDTH. */
bool canvas_font_inked(char character, int y, int x);

#endif
