"""One box in a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from twisted.protocols import amp


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
        objects: dict[str, Any] = amp._stringsToObjects(boxes[0], self.subargs, proto)
        return objects
