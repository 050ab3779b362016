"""Values over several keys: AMP has no more than 65 535 bytes for one.

The keys of a value follow each other; one that is missing is the end.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, ClassVar, NoReturn

from twisted.protocols import amp

from ._zlib import LIMIT, inflated

PART: int = amp.MAX_VALUE_LENGTH


class _OverKeys(amp.Argument):
    def __init__(self, inner: amp.Argument, optional: bool = False) -> None:
        super().__init__(optional)
        self.inner = inner

    def _key(self, name: bytes, part: int) -> bytes:
        raise NotImplementedError

    def _parts(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), PART):
            yield data[at : at + PART]

    def _whole(self, parts: list[bytes]) -> bytes:
        return b"".join(parts)

    def _absent(self, name: bytes) -> bytes | None:
        """What no key at all means: `None` for a value that is not there."""
        if not self.optional:
            raise KeyError(name)
        return None

    def toBox(self, name: bytes, strings: dict[bytes, bytes], objects: Any, proto: Any) -> None:
        value = self.retrieve(objects, amp._wireNameToPythonIdentifier(name), proto)
        if self.optional and value is None:
            return
        data = self.inner.toStringProto(value, proto)
        for part, piece in enumerate(self._parts(data)):
            strings[self._key(name, part)] = piece

    def fromBox(self, name: bytes, strings: dict[bytes, bytes], objects: Any, proto: Any) -> None:
        parts: list[bytes] = []
        while (piece := strings.get(self._key(name, len(parts)))) is not None:
            parts.append(piece)
        data = self._whole(parts) if parts else self._absent(name)
        value = None if data is None else self.inner.fromStringProto(data, proto)
        objects[amp._wireNameToPythonIdentifier(name)] = value

    # Twisted would do nothing here, and send nothing.
    def toStringProto(self, inObject: Any, proto: Any) -> NoReturn:
        raise TypeError(f"{type(self).__name__} inside of another value has no keys")

    def fromStringProto(self, inString: bytes, proto: Any) -> NoReturn:
        raise TypeError(f"{type(self).__name__} inside of another value has no keys")


class Numbered(_OverKeys):
    """Another argument over the keys name.0, name.1 and so on.

    An empty value has no key. So an optional one reads an empty value as `None`.
    """

    wire_form: ClassVar[str] = "Numbered"

    def _key(self, name: bytes, part: int) -> bytes:
        return b"%s.%d" % (name, part)

    def _absent(self, name: bytes) -> bytes | None:
        return None if self.optional else b""


class Continued(_OverKeys):
    """Another argument over the keys name, name.2, name.3 and so on."""

    wire_form: ClassVar[str] = "Continued"

    def _key(self, name: bytes, part: int) -> bytes:
        return name if part == 0 else b"%s.%d" % (name, part + 1)

    def _parts(self, data: bytes) -> Iterator[bytes]:
        return super()._parts(data) if data else iter([b""])


class ContinuedZlib(Continued):
    """As `Continued`, and each part is compressed once it was cut: as in Evennia.

    What is received is of `limit` bytes at most, of all parts together.
    """

    wire_form: ClassVar[str] = "ContinuedZlib"

    def __init__(self, inner: amp.Argument, optional: bool = False, limit: int = LIMIT) -> None:
        super().__init__(inner, optional)
        self.limit = limit

    def _parts(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data) or at == 0:
            part = data[at : at + PART]
            compressed = zlib.compress(part, 9)
            if len(compressed) > PART:
                # What does not get shorter gets longer.
                part = part[: len(part) // 2]
                compressed = zlib.compress(part, 9)
            yield compressed
            if not part:
                break
            at += len(part)

    def _whole(self, parts: list[bytes]) -> bytes:
        pieces: list[bytes] = []
        left = self.limit
        for part in parts:
            piece = inflated(part, left)
            # Otherwise they would cost time without end, and count for nothing.
            if pieces and not piece:
                raise ValueError(f"part {len(pieces) + 1} of the compressed value is empty")
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)
