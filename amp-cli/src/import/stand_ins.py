"""What stands for names that are not found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ampctl_limits import here

#: What is not known although a command needs it: where, and what.
not_known: dict[tuple[str, str], None] = {}


def miss(cls: Any, what: str) -> None:
    if here:
        not_known[here[-1], f"{cls.__module__}.{cls.__name__} is not found: {what}"] = None


def is_true(cls: Any) -> bool:
    miss(cls, "it is taken to be true")
    return True


def is_equal(cls: Any, other: Any) -> bool:
    """Whatever is none is itself, as what is looked for in a dictionary."""
    if cls is not other:
        miss(cls, "it is taken to be equal to nothing")
    return cls is other


class _StandInMeta(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return stand_in(name, f"{cls.__module__}.{cls.__name__}")

    def __iter__(cls) -> Iterator[Any]:
        miss(cls, "what is in it is left out")
        return iter(())

    def keys(cls) -> Iterator[Any]:
        # As it is where it is taken for a dictionary.
        return iter(cls)

    items = values = keys

    def __getitem__(cls, _: Any) -> Any:
        return cls

    def __add__(cls, other: Any) -> Any:
        miss(cls, "what is in it is left out")
        return other

    __radd__ = __or__ = __ror__ = __add__
    __bool__ = is_true
    __eq__ = is_equal
    __hash__ = type.__hash__


def stand_in(name: str, module: str) -> Any:
    """For a name that is not known: a class, an exception, a decorator, or a value."""

    def through(cls: Any, *arguments: Any, **named: Any) -> Any:
        if len(arguments) == 1 and not named and callable(arguments[0]):
            return arguments[0]
        made = Exception.__new__(cls)
        made.optional = bool(named.get("optional", False))
        return made

    members = {
        "__new__": through,
        "__init__": lambda *arguments, **named: None,
        "__call__": lambda made, *arguments, **named: through(type(made), *arguments, **named),
        # As the keys of what is taken for a dictionary.
        "__iter__": lambda made: iter(type(made)),
        "__bool__": lambda made: is_true(type(made)),
        "__eq__": lambda made, other: made is other or is_equal(type(made), other),
        "__hash__": Exception.__hash__,
        "__module__": module,
    }
    return _StandInMeta(name, (Exception,), members)


def is_stand_in(cls: Any) -> bool:
    return isinstance(cls, _StandInMeta)
