#!/usr/bin/env python3
"""Writes the front page of the pages that doxygen makes: front.py > FILE

It is the first screen of include/pxds.h: the functions by task, each a link, then the conventions.
"""

import re
import sys

import header


def escape(text):
    """Text that is no Markdown, HTML or command of doxygen; `code` stays."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\<>*_#@%&])", r"\\\1", part) for part in parts)


def main():
    found = header.Header()
    lines = ["# pxds {#mainpage}", "", escape(found.introduction), "", "## Functions by task", ""]
    for task, names in found.tasks:
        lines += [f"**{escape(task)}**: " + ", ".join(f"{name}()" for name in names), ""]
    lines += ["## Conventions", ""]
    for title, text in found.conventions:
        lines += [f"**{escape(title)}.** {escape(text)}", ""]
    sys.stdout.write("\n".join(lines))


if __name__ == "__main__":
    main()
