/* DICOM unique identifiers. source: PS3.5 section 9 and B.2 (the 2.25 root: a UUID as one decimal number). */
#ifndef BASE_UID_H
#define BASE_UID_H

#include <stdbool.h>

enum { UID_SIZE = 65 }; /* 64 characters and the end */

/* A fresh random UID under 2.25. */
void uid_new(char uid[UID_SIZE]);

/* The same UID for the same name, for ever (UUID version 5 in our own name space). */
void uid_named(const char *name, char uid[UID_SIZE]);

/* 1 to 64 characters, digits and dots, no empty component. A component with a leading zero passes, though
 * PS3.5 9.1 forbids it: scanners in the field write them, and such an object is still told from others. */
bool uid_valid(const char *uid);

/* uid_valid, and no leading zero either. source: PS3.5 9.1. */
bool uid_conformant(const char *uid);

#endif
