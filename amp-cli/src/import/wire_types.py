"""What an argument is on the wire."""

from __future__ import annotations

import datetime
import decimal
import difflib
import dis
import json
import re
import zlib
from dataclasses import dataclass, field
from typing import Any

from ampctl_limits import TooLong, here, limited
from ampctl_stand_ins import is_stand_in
from twisted.protocols import amp
from twisted.python.filepath import FilePath


@dataclass
class Type:
    """A form, which is a word of the schema, and what is inside of it."""

    form: str
    inner: Type | None = None
    box: list[Key] | None = None
    #: How many boxes further out the box is that it has, where it is one of those around it.
    levels: int = 0
    texts: list[str] = field(default_factory=list)
    #: The class, where it is not one of Twisted's.
    cls: str = ""
    #: The hint that would confirm it, where only probing says so.
    hint: dict[str, str] = field(default_factory=dict)
    #: Why it is none, where it is not.
    wrong: str = ""

    def box_in(self) -> list[Key] | None:
        return self.inner.box_in() if self.inner else self.box

    def __str__(self) -> str:
        if self.form == "OneOf":
            return "OneOf(" + ", ".join(map(quoted, self.texts)) + ")"
        if self.form == "unknown":
            return f"unknown({quoted(self.cls)})"
        if self.levels:
            return f"{word(self.form)}(^{self.levels})"
        return f"{word(self.form)}({self.inner})" if self.inner else word(self.form)


@dataclass
class Key:
    name: str
    type: Type
    optional: bool
    is_utf8: bool = True


BUILT_IN = {
    getattr(amp, name): name
    for name in ("Integer", "String", "Unicode", "Float", "Boolean", "Path", "Decimal", "DateTime",
                 "Descriptor", "ListOf", "AmpList")
}
HOOKS = (
    "retrieve", "fromBox", "toBox", "fromString", "toString", "fromStringProto", "toStringProto",
)
#: Forms of another argument, which is the attribute `inner` of the class.
WRAPPERS = ("ListOf", "Zlib", "Numbered", "Continued", "ContinuedZlib", "StreamOf", "SinkOf")
#: The words for types that nothing is inside of, but for those that are looked up in the class.
SINGLE = (
    *(name for name in BUILT_IN.values() if name not in ("AmpList", "ListOf")),
    "Json", "IpAddressBytes", "IpNetworkBytes", "ByteStream", "ByteSink", "local",
)


def text_of(name: bytes | str) -> str:
    return name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name


def word(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_.-]+", text) else quoted(text)


def quoted(text: str) -> str:
    def escaped(c: str) -> str:
        if c in '"\\':
            return "\\" + c
        return "\\u{%x}" % ord(c) if ord(c) < 32 or 127 <= ord(c) < 160 else c

    return '"' + "".join(map(escaped, text)) + '"'


def is_local(argument: Any) -> bool:
    """Whether neither of its hooks for boxes can read or write a key: it never names the keys that it is
    given."""
    def names_keys(hook: Any) -> bool:
        code = getattr(getattr(hook, "__func__", None), "__code__", None)
        if code is None or code.co_argcount < 3:
            return True
        given = code.co_varnames[2]
        return any(given == part.argval or isinstance(part.argval, tuple) and given in part.argval
                   for part in dis.get_instructions(code))

    return not names_keys(argument.toBox) and not names_keys(argument.fromBox)


def base_of(cls: type) -> type | None:
    return next((base for base in cls.__mro__ if base in BUILT_IN), None)


def overridden(cls: type, base: type, hooks: tuple[str, ...] = HOOKS) -> bool:
    return any(getattr(cls, hook, None) is not getattr(base, hook, None) for hook in hooks)


def written_by_base(cls: type) -> bool:
    """Whether a class says what it is with a connection only, and without one is what it is derived from."""
    def depth(hook: str) -> int:
        return next(at for at, base in enumerate(cls.__mro__) if hook in vars(base))

    return depth("toStringProto") < depth("toString") and depth("toString") < cls.__mro__.index(amp.Argument)


class Unclear(Exception):
    """A hint, or a class that says what it is, cannot be understood."""


def said_of(hint: dict[str, Any], cls: str) -> str:
    """Where a form is said."""
    return f"the hint for {cls}" if hint else f"{cls}.wire_form"


def no_type(form: str, known: tuple[str, ...], hint: dict[str, Any], cls: str) -> Unclear:
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(form.lower().replace("_", ""), lower, 1)
    right = f"{lower[near[0]]!r} is one" if near else "these are: " + ", ".join(sorted(known))
    return Unclear(f"{said_of(hint, cls)}: {form!r} is no type here, but {right}; "
                   "a form of its own has the name of its class, or a hint with own = true")


class Describer:
    """Says what arguments are: by a hint, by what Twisted's classes are, by what the class says of
    itself in `wire_form`, and by probing."""

    def __init__(self, hints: dict[str, dict[str, Any]]):
        self.hints = hints
        self.used: set[str] = set()
        #: The boxes around what is being described.
        self.around: list[list[Any]] = []

    def keys(self, pairs: list[Any]) -> list[Key]:
        self.around.append(pairs)
        try:
            return self.keys_of(pairs)
        finally:
            self.around.pop()

    def keys_of(self, pairs: list[Any]) -> list[Key]:
        found: dict[str, Key] = {}
        for name, argument in pairs:
            described = self.type(argument)
            if described.form != "local":
                optional = getattr(argument, "optional", False)
                # A class that is not found has every attribute.
                key = Key(text_of(name), described, not is_stand_in(argument) and bool(optional))
                key.is_utf8 = text_of(name).encode() == name
                found[key.name] = key
        return sorted(found.values(), key=lambda key: key.name.encode())

    def box(self, form: str, pairs: list[Any]) -> Type:
        for levels, outer in enumerate(reversed(self.around), 1):
            if outer is pairs:
                return Type(form, levels=levels)
        return Type(form, box=self.keys(pairs))

    def type(self, argument: Any) -> Type:
        # A class that is not found need not be called.
        cls = argument if is_stand_in(argument) else type(argument)
        name = f"{cls.__module__}.{cls.__qualname__}"
        for key in (name, cls.__name__):
            if key in self.hints:
                self.used.add(key)
                return self.said(argument, self.hints[key]["wire"], self.hints[key], name)
        if cls in BUILT_IN:
            return self.known(argument, cls)
        if cls is amp._LocalArgument:
            return Type("local")
        if is_stand_in(cls) or not isinstance(argument, amp.Argument):
            return Type("unknown", cls=name)
        form = getattr(cls, "wire_form", None)
        if isinstance(form, str):
            return self.said(argument, form, {}, name)
        base = base_of(cls)
        if base and not overridden(cls, base):
            return self.known(argument, base)
        found = self.probe(argument, base)
        if found is None:
            return Type("unknown", cls=name)
        found.cls = name
        return found

    def known(self, argument: Any, base: type) -> Type:
        form = BUILT_IN[base]
        if base is amp.AmpList:
            return self.box(form, argument.subargs)
        if base is not amp.ListOf:
            return Type(form)
        element = argument.elementType
        base = base_of(type(element))
        # A list asks for `toString`, and never for what the class does for a connection.
        by_base = base is not None and written_by_base(type(element))
        inner = self.known(element, base) if by_base else self.type(element)
        if inner.form == "Descriptor":
            # It is written by `toString`, which is that of an Integer: a bare number.
            inner = Type("Integer")
        elif not overridden(type(element), amp.Argument, ("toString",)):
            wrong = "amp.ListOf cannot write what has no toString; amp_arguments.ListOf can"
            return Type(form, inner, wrong=wrong)
        return Type(form, inner)

    def said(self, argument: Any, text: str, hint: dict[str, Any], cls: str) -> Type:
        """The type that a text says, such as `Zlib(AmpList)`."""
        found, rest = self.read(argument, text.strip(), hint, cls)
        if rest:
            raise Unclear(f"{said_of(hint, cls)}: {text!r}: too much: {rest!r}")
        if found.form != "unknown":
            found.cls = cls
        return found

    def read(
        self, argument: Any, text: str, hint: dict[str, Any], cls: str
    ) -> tuple[Type, str]:
        taken = re.match(r"\w+", text)
        if not taken:
            raise Unclear(f"{said_of(hint, cls)}: {text!r} is no type")
        form, rest = taken[0], text[taken.end():]
        if form == "OneOf":
            given = re.match(r"\((?:\s*\"[^\"]*\"\s*,?)+\)", rest)
            if given:
                texts = re.findall(r'"([^"]*)"', given[0])
                rest = rest[given.end():]
            else:
                attribute = hint.get("choices", "texts")
                texts = getattr(argument, attribute, None)
                if texts is None:
                    raise Unclear(f"{cls} has no {attribute!r}, which should have its texts")
                texts = list(texts.values() if isinstance(texts, dict) else texts)
                if not texts:
                    raise Unclear(f"{cls}: there is no text in its {attribute!r}")
            return Type(form, texts=sorted(set(map(text_of, texts)))), rest
        if form == "unknown" and (given := re.match(r"\(\"([^\"\\]*)\"\)", rest)):
            return Type(form, cls=given[1]), rest[given.end():]
        # The form of a class has its name, which a number may follow, or is one that nobody else has to know.
        own = bool(hint.get("own")) or form in (name := cls.rpartition(".")[2], name.rstrip("0123456789"))
        if rest.startswith("("):
            if form in ("AmpList", "Box"):
                raise Unclear(f"{said_of(hint, cls)}: {text!r}: the keys of its {form} are the attribute subargs, "
                              "so nothing follows in brackets")
            if not own and form not in WRAPPERS:
                raise no_type(form, WRAPPERS, hint, cls)
            inner, rest = self.read(argument, rest[1:], hint, cls)
            if not rest.startswith(")"):
                raise Unclear(f"{cls}: {text!r}: expected ')' before {rest!r}")
            return Type(form, inner), rest[1:]
        if form in ("AmpList", "Box"):
            if not hasattr(argument, "subargs"):
                raise Unclear(f"{cls} has no subargs, which should be the keys of its {form}")
            return self.box(form, argument.subargs), rest
        if form in WRAPPERS or form == "inner":
            attribute = hint.get("attribute", "inner")
            inside = getattr(argument, attribute, None)
            if not isinstance(inside, amp.Argument):
                raise Unclear(f"{cls} has no argument {attribute!r}, which should be in its {form}")
            inner = self.type(inside)
            return (inner if form == "inner" else Type(form, inner)), rest
        if form == "base":
            base = base_of(type(argument))
            if base is None:
                raise Unclear(f"{cls} is derived from none of Twisted's arguments")
            return self.known(argument, base), rest
        if not own and form not in SINGLE:
            raise no_type(form, (*SINGLE, *WRAPPERS, "AmpList", "Box", "OneOf", "base", "inner"), hint, cls)
        return Type(form), rest

    # -------------------------------------------------------------------------------- probing

    def probe(self, argument: Any, base: type | None) -> Type | None:
        """What an argument does to samples, in both directions, that a known form does too."""
        for probe in (self.probe_keys, self.probe_compressed, self.probe_texts, self.probe_value):
            try:
                with limited(here[-1]):
                    found = probe(argument, base)
            except Unclear:
                raise
            except TooLong:
                return None
            except BaseException:  # A hook may want anything.
                continue
            if found:
                return found
        return None

    def wrapped(self, argument: Any) -> tuple[Any, dict[str, str]]:
        """The argument that it wraps, and a hint that names it, if there is one."""
        inside = {name: value for name, value in vars(argument).items()
                  if isinstance(value, amp.Argument)}
        if len(inside) != 1:
            return None, {}
        name, value = inside.popitem()
        return value, {} if name == "inner" else {"attribute": name}

    def probe_keys(self, argument: Any, base: type | None) -> Type | None:
        """Several keys, or none at all."""
        if not overridden(type(argument), amp.Argument, ("toBox", "fromBox", "retrieve")):
            return None
        inside, named = self.wrapped(argument)
        samples: list[tuple[Any, Any]] = [("é" * 70_000, amp.Unicode()), (noise(140_000), amp.String())]
        if inside:
            samples = [(sample, inside) for sample in self.samples(self.type(inside), 70_000)]
        for sample, plain in samples:
            strings: dict[bytes, Any] = {}
            objects: dict[str, Any] = {}
            try:
                argument.toBox(b"name", strings, {"name": sample}, None)
                if not strings:
                    return Type("local") if is_local(argument) else None
                argument.fromBox(b"name", dict(strings), objects, None)
                expected = plain.toStringProto(sample, None)
            except Exception:
                continue
            if objects.get("name") != sample or not all(isinstance(part, bytes) for part in strings.values()):
                continue
            inner = self.type(plain)
            for form, first in (("Numbered", 0), ("Continued", 2)):
                keys = [b"name.%d" % (first + at) for at in range(len(strings))]
                if form == "Continued":
                    keys = [b"name", *keys[:-1]]
                if len(keys) < 2 or set(keys) != set(strings):
                    continue
                parts = [strings[key] for key in keys]
                inner_word = "inner" if inside else inner.form
                if b"".join(parts) == expected:
                    return Type(form, inner, hint={"wire": f"{form}({inner_word})", **named})
                if inflated(b"".join(parts)) == expected:
                    hint = {"wire": f"{form}(Zlib({inner_word}))", **named}
                    return Type(form, Type("Zlib", inner), hint=hint)
                if form == "Continued" and b"".join(map(inflated, parts)) == expected:
                    hint = {"wire": f"ContinuedZlib({inner_word})", **named}
                    return Type("ContinuedZlib", inner, hint=hint)
        return None

    def probe_compressed(self, argument: Any, base: type | None) -> Type | None:
        """What another argument writes, by zlib."""
        inside, named = self.wrapped(argument)
        if inside:
            for sample in self.samples(self.type(inside)):
                if compresses(argument, sample, inside.toStringProto(sample, None)):
                    return Type("Zlib", self.type(inside), hint={"wire": "Zlib(inner)", **named})
        if base:
            for sample in self.samples(self.known(argument, base)):
                if compresses(argument, sample, base.toStringProto(argument, sample, None)):
                    return Type("Zlib", self.known(argument, base), hint={"wire": "Zlib(base)"})
        for sample in JSON_SAMPLES:
            raw = argument.toStringProto(sample, None)
            if json.loads(inflated(raw)) != sample or argument.fromStringProto(raw, None) != sample:
                return None
        return Type("Zlib", Type("Json"), hint={"wire": "Zlib(Json)"})

    def probe_texts(self, argument: Any, base: type | None) -> Type | None:
        """A fixed set: an attribute maps each value to the bytes that stand for it."""
        for name, mapping in vars(argument).items():
            if isinstance(mapping, dict) and mapping and all(
                isinstance(text, bytes) and argument.toStringProto(value, None) == text
                and argument.fromStringProto(text, None) == value
                for value, text in mapping.items()
            ):
                hint = {"wire": "OneOf", "choices": name}
                return Type("OneOf", texts=sorted(set(map(text_of, mapping.values()))), hint=hint)
        return None

    def probe_value(self, argument: Any, base: type | None) -> Type | None:
        """A value that is written as one of the plain types, or as JSON."""

        def tried(samples: list[Any], written: Any) -> bool:
            try:
                return all(
                    argument.toStringProto(sample, None) == written(sample)
                    and argument.fromStringProto(written(sample), None) == sample
                    for sample in samples
                )
            except Exception:
                return False

        def plain(form: str) -> Type:
            return Type(form, hint={"wire": form})

        inside, named = self.wrapped(argument)
        if inside:
            samples = self.samples(self.type(inside))
            if samples and tried(samples, lambda value: inside.toStringProto(value, None)):
                found = self.type(inside)
                found.hint = {"wire": "inner", **named}
                return found
        if tried([b"", b"abc", b"\xff\x00"], bytes):
            return plain("String")
        if tried(["", "abc", "aé"], str.encode):
            return plain("Unicode")
        if tried(JSON_SAMPLES, lambda value: json.dumps(value).encode()) or tried(
            JSON_SAMPLES, lambda value: json.dumps(value, separators=(",", ":")).encode()
        ):
            return plain("Json")
        # JSON writes an integer as AMP does.
        if tried([0, -5, 2**70], lambda value: b"%d" % value):
            return plain("Integer")
        if base:
            samples = self.samples(self.known(argument, base))
            if samples and tried(samples, lambda value: base.toStringProto(argument, value, None)):
                found = self.known(argument, base)
                found.hint = {"wire": "base"}
                return found
        return None

    def samples(self, described: Type, length: int = 3) -> list[Any]:
        """Values of a type that are of about this length; none where there is no telling."""
        value = sample(described, length)
        return [] if value is None else [value]


JSON_SAMPLES: list[Any] = [{"a": [1, None]}, ["x"], {}, "é"]


def noise(length: int) -> bytes:
    """What does not get shorter, and is the same in every run."""
    state, out = 1, bytearray()
    while len(out) < length:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out += state.to_bytes(8, "big")[:4]
    return bytes(out[:length])


def inflated(data: bytes) -> bytes | None:
    try:
        return zlib.decompress(data)
    except zlib.error:
        return None


def compresses(argument: Any, value: Any, expected: bytes) -> bool:
    raw = argument.toStringProto(value, None)
    return (
        raw != expected
        and inflated(raw) == expected
        and bool(argument.fromStringProto(raw, None) == value)
    )


def sample(described: Type, length: int) -> Any:
    form = described.form
    if form == "String":
        return noise(length)
    if form == "Unicode":
        return noise(length).hex()
    if form == "ListOf" and described.inner:
        element = sample(described.inner, min(length, 30_000))
        return None if element is None else [element] * max(1, length // 30_000)
    if form in ("AmpList", "Box") and described.box is not None:
        box = {}
        for key in described.box:
            value = sample(key.type, 3)
            if value is None and not key.optional:
                return None
            box[amp._wireNameToPythonIdentifier(key.name.encode())] = value
        return box if form == "Box" else [box] * max(1, length // 10)
    if form == "OneOf":
        return described.texts[0]
    return SAMPLES.get(form, {"a": noise(length).hex()} if form == "Json" else None)


SAMPLES = {
    "Integer": 7,
    "Float": 1.5,
    "Boolean": True,
    "Decimal": decimal.Decimal("1.50"),
    "DateTime": datetime.datetime(2012, 1, 23, 12, 34, 56, 54321, amp.utc),
    "Path": FilePath("/a/b"),
}
