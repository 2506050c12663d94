"""Which snapshots and groups are meant, and what two snapshots differ in."""

from __main__ import check, python_program


@check
def tool_picks(test):
    python_program(test, "tests/tool/picks.py")


@check
def tool_diff(test):
    python_program(test, "tests/tool/diff.py")
