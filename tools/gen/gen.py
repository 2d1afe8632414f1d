#!/usr/bin/env python3
"""Makes C from src/wire/schema.

    gen.py names SCHEMA_ROOT FILE…           the files it would make, one a line
    gen.py make SCHEMA_ROOT OUT_DIR FILE…    makes them; untouched where nothing has changed
"""

import sys
from pathlib import Path

import emit
import schema

TABLE_FILES = 4


def make(out, files):
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = out / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def main(arguments):
    if len(arguments) < 3 or arguments[0] not in ('names', 'make'):
        print(__doc__, file=sys.stderr)
        return 2
    verb, root = arguments[0], arguments[1]
    sources = arguments[3:] if verb == 'make' else arguments[2:]
    try:
        files = emit.everything(schema.load(root, sources), TABLE_FILES)
    except schema.SchemaError as error:
        print(f'gen: {error}', file=sys.stderr)
        return 1
    if verb == 'names':
        print('\n'.join(files))
    else:
        make(Path(arguments[2]), files)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
