"""The commands of modules, as the text of a schema."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ampctl_doubts import look
from ampctl_limits import limited, reason
from ampctl_slicing import Slice, Slicer
from ampctl_stand_ins import is_stand_in, not_known
from ampctl_wire_types import Describer, Key, Type, Unclear, quoted, text_of, word
from twisted.protocols import amp

#: What a command may do by itself, and then nothing is known of its boxes.
HOOKS = ("makeArguments", "makeResponse", "parseArguments", "parseResponse")
#: Commands of Twisted's that others are derived from.
FAMILIES = (amp.StartTLS, amp.ProtocolSwitchCommand, amp.Command)


@dataclass
class Open:
    """What a person has to say, or to confirm."""

    #: `probed`, `unknown`, or why it is not what it says.
    what: str
    #: Where: the file and the line of the command.
    place: str
    #: What of it: `UpdateLeases, argument leases`.
    part: str
    #: The class of the argument, and the hint that would confirm what probing has found.
    cls: str = ""
    hint: dict[str, str] = field(default_factory=dict)


@dataclass
class Written:
    """A command, in lines."""

    name: str
    lines: list[str]
    place: str
    open: list[Open] = field(default_factory=list)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    slicer = Slicer(request["folders"])
    hints = request["hints"]
    describer = Describer(hints.get("argument", {}))
    asked: set[str] = set()
    mistake = ""
    commands: list[Written] = []
    try:
        slices = [load(slicer, what) for what in request["modules"]]
        modules = [one.module for one in slices]
        # A package may export what is in one of its modules, and both be asked for.
        classes = dict.fromkeys(cls for module in modules for cls in commands_of(module))
        for cls in classes:
            hint = hint_of(hints, cls, asked)
            if not hint.get("skip"):
                commands += write(cls, describer, slicer, hint)
        two_of_a_name(commands)
        look(slicer, slices)
        if not (commands or not_known or slicer.not_looked_at or slicer.left_out):
            raise Unclear(f"there are no commands in {', '.join(request['modules'])}")
    except Unclear as unclear:
        mistake = str(unclear)
    except BaseException as error:
        # The user's code may do anything, and files may be anything.
        mistake = reason(error)
    if mistake:
        return {"mistake": mistake, "left_out": [f"{place}: {what}" for place, what in slicer.left_out]}
    in_doubt = doubts(slicer, hints, asked)
    names = {one.module.__name__ for one in slicer.slices.values()}
    unused = sorted(hints.get("argument", {}).keys() - describer.used)
    unused += sorted(f"command {name}" for name in hints.get("command", {}).keys() - asked)
    unused += sorted(f"module {name}" for name in hints.get("module", {}).keys() - names)
    commands.sort(key=lambda command: command.name.encode())
    return {
        "record": "\n".join("".join(f"{line}\n" for line in command.lines) for command in commands),
        "open": [vars(one) for one in in_doubt] + [
            vars(one) for command in commands for one in command.open],
        "unused": unused,
    }


def load(slicer: Slicer, what: str) -> Slice:
    path = what if what.endswith(".py") or os.sep in what else slicer.find(what)
    if path is None:
        raise Unclear(f"there is no module {what} in {', '.join(slicer.folders)}, nor on Python's path")
    found = slicer.load(path, None if path == what else what)
    found.need_commands()
    return found


def commands_of(module: Any) -> list[Any]:
    """Those that the module defines, and what it exports; not those that only others are made of."""
    exported = getattr(module, "__all__", ())
    found: list[Any] = []

    def look(names: dict[str, Any]) -> None:
        for name, value in names.items():
            if not isinstance(value, type) or value in found or value in FAMILIES or is_stand_in(value):
                continue
            own = value.__module__ == module.__name__
            if issubclass(value, amp.Command) and (own or name in exported):
                found.append(value)
            elif own and names is not vars(value):
                # A class may have commands inside of it.
                look(dict(vars(value)))

    look(dict(vars(module)))
    # Of several that were made under a name, the one counts that it stands for.
    last = {(cls.__module__, cls.__qualname__): cls for cls in found if vars(module).get(cls.__name__) is cls}
    found = [cls for cls in found if last.get((cls.__module__, cls.__qualname__), cls) is cls]
    return [cls for cls in found if not (
        cls.__name__.startswith("_") and any(cls in other.__mro__[1:] for other in found))]


def hint_of(hints: dict[str, Any], cls: Any, asked: set[str]) -> dict[str, Any]:
    """What the hints say of a command. It notes by which name they say it."""
    commands = hints.get("command", {})
    for name in (f"{cls.__module__}.{cls.__name__}", cls.__name__):
        if name in commands:
            asked.add(name)
            return commands[name]
    return {}


def doubts(slicer: Slicer, hints: dict[str, Any], asked: set[str]) -> list[Open]:
    """Where a command may be missing, or another than it is, unless a person knows better: the module is
    complete, or the command at this place is not wanted. It notes which hints say so."""
    complete = {os.path.relpath(path) for path, one in slicer.slices.items()
                if hints.get("module", {}).get(one.module.__name__, {}).get("complete")}
    skipped = {name for name, hint in hints.get("command", {}).items() if hint.get("skip")}
    names: dict[str, set[str]] = {}
    for (module, inner), (path, line) in slicer.places.items():
        names.setdefault(f"{path}:{line}", set()).update({f"{module}.{inner}", inner} & skipped)
    found = []
    for place, what in [*slicer.left_out, *not_known, *slicer.not_looked_at]:
        asked |= names.get(place, set())
        if place.rpartition(":")[0] not in complete and not names.get(place):
            found.append(Open(what, place, ""))
    return found


def two_of_a_name(written: list[Written]) -> None:
    places: dict[str, Written] = {}
    for command in written:
        other = places.setdefault(command.name, command)
        if other is not command and other.lines != command.lines:
            raise Unclear(f"two commands are named {command.name}: {other.place} and {command.place}")


def write(cls: Any, describer: Describer, slicer: Slicer, hint: dict[str, Any]) -> list[Written]:
    """A command, unless what it says of itself cannot be looked at."""
    path, line = slicer.places.get((cls.__module__, cls.__qualname__), (cls.__module__, 0))
    place = f"{path}:{line}"
    try:
        with limited(place):
            return [written(cls, describer, place, hint)]
    except Unclear:
        raise
    except BaseException as error:
        slicer.left_out.append((place, f"{quoted(cls.__name__)}: left out: {reason(error)}"))
        return []


def written(cls: Any, describer: Describer, place: str, hint: dict[str, Any]) -> Written:
    name = text_of(cls.commandName)
    command = Written(name, [], place)
    one_way = not cls.requiresAnswer
    is_switch = issubclass(cls, (amp.ProtocolSwitchCommand, amp.StartTLS))
    for obstacle in obstacles_of(cls):
        command.open.append(Open(obstacle, command.place, name))
        command.lines.append(f"# {obstacle}")
    command.lines += docs_of(cls)
    arguments, response = describer.keys(cls.arguments), describer.keys(cls.response)
    if hint.get("idempotent"):
        command.lines.append("#! idempotent")
    secrets = set(hint.get("secrets", ()))
    if missing := secrets - set(names_in([*arguments, *response])):
        raise Unclear(f"the hint for command {name}: it has no key {min(missing)!r} that could be secret")
    command.lines += [f"#! secret {word(key)}" for key in sorted(secrets, key=str.encode)]
    command.lines.append(
        f"command {word(name)}{' one-way' if one_way else ''}{' switch' if is_switch else ''}")
    for title, keys in (("arguments", arguments), ("response", response)):
        if title == "response" and one_way:
            # Nobody answers.
            continue
        if keys:
            command.lines += [f"  {title}", *box(keys, 4)]
        part = f"{name}, {'argument' if title == 'arguments' else 'response'}"
        command.open += still_open(keys, part, command.place)
    if errors := errors_of(cls):
        command.lines += ["  errors", *errors]
    command.open += [
        Open(f"one of its exceptions is fatal, and another is not: {code} is fatal here", command.place, name)
        for code in half_fatal(cls)]
    return command


def obstacles_of(cls: Any) -> Iterator[str]:
    family = next(family for family in FAMILIES if issubclass(cls, family))
    if not is_utf8(cls.commandName):
        yield "its name is not UTF-8, which a schema cannot say"
    for code in cls.allErrors.values():
        if not is_utf8(code):
            yield f"its error code {quoted(text_of(code))} is not UTF-8, which a schema cannot say"
    yield from (f"its error {quoted(code)} is never answered: {why}" for code, why in covered_errors(cls))
    for hook in HOOKS:
        own, known = getattr(cls, hook), getattr(family, hook)
        if getattr(own, "__func__", own) is not getattr(known, "__func__", known):
            yield f"it overrides {hook}: what it says of its arguments may not be all"
    if family is amp.StartTLS and cls.commandName != amp.StartTLS.commandName:
        yield "it starts TLS under another name, which a schema does not say"
    for box_type in ("commandType", "responseType"):
        if getattr(cls, box_type) is not getattr(family, box_type):
            yield f"its {box_type} is a box of its own: what it says of its arguments may not be all"


def is_utf8(name: Any) -> bool:
    return not isinstance(name, bytes) or name.decode(errors="replace").encode() == name


def docs_of(cls: Any, indent: str = "") -> list[str]:
    text = cls.__dict__.get("__doc__")
    if not isinstance(text, str) or cls.__module__ == "builtins" or is_stand_in(cls):
        return []
    return [f"{indent}#: {line}".rstrip() for line in inspect.cleandoc(text).splitlines()]


def by_code_of(cls: Any) -> dict[str, list[Any]]:
    by_code: dict[str, list[Any]] = {}
    for exception, code in cls.allErrors.items():
        by_code.setdefault(text_of(code), []).append(exception)
    return by_code


def half_fatal(cls: Any) -> list[str]:
    """The codes of which some exceptions close the connection."""
    def some(exceptions: list[Any]) -> bool:
        return len({exception in cls.fatalErrors for exception in exceptions}) > 1
    return sorted(code for code, exceptions in by_code_of(cls).items() if some(exceptions))


def covered_errors(cls: Any) -> Iterator[tuple[str, str]]:
    """The codes whose exceptions are all answered with another one: that of the first that they are."""
    for code, exceptions in by_code_of(cls).items():
        first = [next(one for one in cls.allErrors if issubclass(exception, one)) for exception in exceptions]
        if all(text_of(cls.allErrors[one]) != code for one in first):
            yield code, f"{exceptions[0].__name__} is derived from {first[0].__name__}, which stands before it"


def errors_of(cls: Any) -> list[str]:
    """Those that it is answered with, as Twisted's metaclass adds them up."""
    by_code = by_code_of(cls)
    lines = []
    for code in sorted(by_code, key=str.encode):
        exceptions = by_code[code]
        # The one that a caller gets.
        shown = cls.reverseErrors[next(key for key in cls.reverseErrors if text_of(key) == code)]
        # Twisted looks in what the class itself says, or the first of its bases that says anything.
        fatal = any(exception in cls.fatalErrors for exception in exceptions)
        lines += docs_of(shown, "    ")
        lines.append(f"    #! exception {word(shown.__name__)}")
        lines.append(f"    {word(code)}{' fatal' if fatal else ''}")
    return lines


def box(keys: list[Key], indent: int) -> Iterator[str]:
    space = " " * indent
    for key in keys:
        for one in chain(key.type):
            if one.hint:
                yield f"{space}# probed, to be confirmed by a hint: {on_line(one.cls)} is {one}"
            if one.wrong:
                yield f"{space}# {one.wrong}"
        yield f"{space}{word(key.name)}: {key.type}{' optional' if key.optional else ''}"
        yield from box(key.type.box_in() or [], indent + 2)


def on_line(text: str) -> str:
    """A text that may be anything, in a comment."""
    return quoted(text)[1:-1]


def names_in(keys: list[Key]) -> Iterator[str]:
    """Those of its keys, and of the boxes inside of it."""
    for key in keys:
        yield key.name
        yield from names_in(key.type.box_in() or [])


def chain(described: Type) -> list[Type]:
    """A type and those inside of it, without those of its box."""
    found = [described]
    while found[-1].inner:
        found.append(found[-1].inner)
    return found


def still_open(keys: list[Key], part: str, place: str) -> Iterator[Open]:
    for key in keys:
        where = f"{part} {key.name}"
        for one in chain(key.type):
            if not key.is_utf8:
                yield Open("its name is not UTF-8, which a schema cannot say", place, where)
            if one.form == "unknown":
                yield Open("unknown", place, where, one.cls)
            elif one.wrong:
                yield Open(one.wrong, place, where)
            elif one.hint:
                yield Open("probed", place, where, one.cls, one.hint)
        yield from still_open(key.type.box_in() or [], where + ", key", place)
