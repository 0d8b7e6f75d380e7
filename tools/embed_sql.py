"""embed_sql.py OUT.c FILE.sql... - the migrations as C strings, in the order of their numbers."""
import os
import re
import sys

out, files = sys.argv[1], sorted(sys.argv[2:], key=os.path.basename)
for number, path in enumerate(files, 1):
    if not re.match(rf"{number:04d}_[a-z0-9_]+\.sql$", os.path.basename(path)):
        sys.exit(f"migration {number:04d} is missing or misnamed: {path}")
with open(out, "w", encoding="utf-8") as c:
    c.write('#include "store/migrations.h"\n\n')
    for number, path in enumerate(files, 1):
        with open(path, "rb") as sql:
            values = ",".join(str(byte) for byte in sql.read() + b"\0")
        c.write(f"static const char migration_{number}[] = {{{values}}};\n")
    names = ", ".join(f"migration_{number}" for number in range(1, len(files) + 1))
    c.write(f"\nconst char *const migrations[] = {{{names}}};\n")
    c.write(f"const int migration_count = {len(files)};\n")
