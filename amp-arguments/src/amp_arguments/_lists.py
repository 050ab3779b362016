"""Lists of anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from twisted.protocols import amp


class ListOf(amp.Argument):
    """A list of any argument that takes one key.

    Twisted's own has the same bytes, but no way to an element that needs the connection: it fails
    with `amp.AmpList`, and sends the bare number of an `amp.Descriptor`.
    """

    wire_form: ClassVar[str] = "ListOf"

    def __init__(self, inner: amp.Argument, optional: bool = False) -> None:
        super().__init__(optional)
        self.inner = inner

    def toStringProto(self, inObject: Iterable[Any], proto: Any) -> bytes:
        out = []
        for value in inObject:
            data: bytes = self.inner.toStringProto(value, proto)
            if len(data) > amp.MAX_VALUE_LENGTH:
                raise amp.TooLong(False, False, data, None)
            out.append(len(data).to_bytes(2, "big") + data)
        return b"".join(out)

    def fromStringProto(self, inString: bytes, proto: Any) -> list[Any]:
        values: list[Any] = []
        at = 0
        while at < len(inString):
            start = at + 2
            at = start + int.from_bytes(inString[at:start], "big")
            if start > len(inString) or at > len(inString):
                raise ValueError(f"the list ends in the middle of element {len(values)}")
            values.append(self.inner.fromStringProto(inString[start:at], proto))
        return values
