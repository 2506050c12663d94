"""What classes are made with that a type checker takes for `typing`: to import that takes a quarter of the start.

Annotations are texts, and nobody evaluates them here: what they name is imported for a type checker alone, to whom
TYPE_CHECKING is always true.
"""

from __future__ import annotations

import collections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List as List
    from typing import NamedTuple as NamedTuple
    from typing import TypedDict as TypedDict
    from typing import TypeVar
    from typing import overload as overload

    T = TypeVar("T")
else:
    T = None

    def overload(function):
        """A signature among several, all of which the definition behind them replaces."""
        return function

    class List(list):
        """A list of something."""

        def __class_getitem__(cls, _):
            return cls

    class TypedDict(dict):
        """A dictionary; __annotations__ has the names that may be in it, those of its bases too."""

        def __init_subclass__(cls, total=True):
            cls.__annotations__ = {**getattr(cls.__base__, "__annotations__", {}), **cls.__annotations__}

    class _MakesNamedTuple(type):
        def __new__(cls, name, bases, space):
            if not bases:
                return super().__new__(cls, name, bases, space)
            fields = list(space["__annotations__"])
            defaults = [space.pop(field) for field in fields if field in space]
            made = collections.namedtuple(name, fields, defaults=defaults)
            for key, value in space.items():
                setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_MakesNamedTuple):
        """What is derived from it is a tuple whose fields are those that it annotates, with their defaults."""
