#!/usr/bin/env python3
"""Makes man pages and completions: make.py TABLE MAN COMPLETIONS

TABLE is what table.c prints. The directories MAN and COMPLETIONS then have what is made and nothing else.
"""

import json
import os
import sys

import completions
import library
import tool


def write(directory, files):
    os.makedirs(directory, exist_ok=True)
    for name in set(os.listdir(directory)) - set(files):
        os.unlink(os.path.join(directory, name))
    for name, text in files.items():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)


def main(table, man, shells):
    with open(table, encoding="utf-8") as file:
        data = json.load(file)
    header = library.Header()
    write(man, {**tool.pages(data, header.version), **library.pages(header)})
    write(shells, completions.files(data))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
