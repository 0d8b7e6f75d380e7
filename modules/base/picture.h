/* A picture as a PNG file. */
#ifndef BASE_PICTURE_H
#define BASE_PICTURE_H

#include "base/err.h"

#include <stdint.h>

/* Write it to an open descriptor, from where it stands: 8 bits a channel, the same bytes for the same pixels.
 * in:     pixels [y][x][channels] without gaps; channels: 1 grey, 3 red, green, blue.
 * errors: ERR_IO, ERR_FULL; ERR_NOMEM; ERR_BUG (no such picture).
 * source: libpng, simplified API. */
bool picture_save(int fd, const uint8_t *pixels, int width, int height, int channels, struct err *err);

#endif
