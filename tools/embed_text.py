"""embed_text.py OUT.c HEADER NAME FILE - a text file as the C string NAME, which HEADER declares."""
import sys

out, header, name, file = sys.argv[1:]
with open(file, "rb") as text:
    values = ",".join(str(byte) for byte in text.read() + b"\0")
with open(out, "w", encoding="utf-8") as c:
    c.write(f'#include "{header}"\n\nconst char {name}[] = {{{values}}};\n')
