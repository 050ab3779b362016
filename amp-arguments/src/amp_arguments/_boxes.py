"""One box in a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from twisted.protocols import amp


def _length(data: bytes) -> int:
    """Returns where the first box of these ends."""
    at = 0
    while (length := int.from_bytes(data[at : at + 2], "big")) != 0:
        # A key, and the value behind it.
        at += 2 + length
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    return at + 2


class Box(amp.Argument):
    """One box with these arguments: a dictionary. `amp.AmpList` is a list of them."""

    wire_form: ClassVar[str] = "Box"

    def __init__(self, subargs: Sequence[tuple[bytes, amp.Argument]], optional: bool = False) -> None:
        super().__init__(optional)
        self.subargs = subargs

    def toStringProto(self, inObject: dict[str, Any], proto: Any) -> bytes:
        box: amp.AmpBox = amp._objectsToStrings(inObject, self.subargs, amp.AmpBox(), proto)
        data: bytes = box.serialize()
        return data

    def fromStringProto(self, inString: bytes, proto: Any) -> dict[str, Any]:
        boxes = amp.parseString(inString)
        if len(boxes) != 1:
            raise ValueError(f"there are {len(boxes)} boxes, and there should be one")
        # Twisted passes over what is behind the last box.
        if _length(inString) != len(inString):
            raise ValueError("something is behind the box")
        objects: dict[str, Any] = amp._stringsToObjects(boxes[0], self.subargs, proto)
        return objects
