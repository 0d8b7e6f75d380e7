/* The numbered files of schema/, embedded. Migration n is migrations[n - 1]. */
#ifndef STORE_MIGRATIONS_H
#define STORE_MIGRATIONS_H

extern const char *const migrations[];
extern const int migration_count;

#endif
