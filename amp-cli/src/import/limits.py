"""Bounds of what the user's code may take, and where it is."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: How long one statement, or one hook of an argument, may take: in seconds.
LONGEST = 3.0
#: How much memory may be written to, in GiB: what is only mapped, as large libraries are, does not count.
MEMORY = 2
#: How long it may compute in all, in seconds, whatever becomes of the program that waits for it.
COMPUTING = 60

#: The statement that is being executed, or the command that is described: its file and line.
here: list[str] = []
#: Who is told where it is, in case that it never ends.
tellers: list[Callable[[str], None]] = []


class TooLong(BaseException):
    """Not an Exception, which the user's code may well catch."""

    def __str__(self) -> str:
        return f"it has not ended in {LONGEST:g} s"


def too_long(*_: object) -> None:
    raise TooLong


@contextmanager
def limited(place: str) -> Iterator[None]:
    """Runs the user's code, which may do anything, for a while."""
    signal.signal(signal.SIGALRM, too_long)
    here.append(place)
    for teller in tellers:
        teller(place)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        yield
    finally:
        here.pop()
        # Around it is other code of the user's, whose time starts again.
        signal.setitimer(signal.ITIMER_REAL, LONGEST if here else 0)


def limit_all() -> None:
    """What no statement can be held to by itself. Programs that are started have the same limits."""
    for what, most in ((resource.RLIMIT_DATA, MEMORY << 30), (resource.RLIMIT_CPU, COMPUTING)):
        _, hard = resource.getrlimit(what)
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(what, (most, hard))


def reason(error: BaseException) -> str:
    """Why a statement, or a hook, has failed."""
    if isinstance(error, MemoryError):
        return f"MemoryError: there are {MEMORY} GiB of memory for it"
    return f"{type(error).__name__}: {error}"
