"""Compressed values."""

from __future__ import annotations

import zlib
from typing import Any, ClassVar

from twisted.protocols import amp

#: No more bytes than that are made of one value that is received, unless somebody says otherwise: what
#: comes over the network may inflate to a thousand times its length. Each value has this limit for itself,
#: also where several are in one list or in one box: as many as have room there may each be so large. Who
#: takes lists of compressed values from a peer that is not trusted gives them a `limit` that is as much less.
LIMIT = 16 * 1024 * 1024


def inflated(data: bytes, limit: int) -> bytes:
    """Returns what was compressed: one stream, of no more than `limit` bytes."""
    stream = zlib.decompressobj()
    # With one more, since a limit of 0 is none to zlib, and to see that there is more.
    plain = stream.decompress(data, limit + 1)
    if len(plain) > limit:
        raise ValueError(f"the compressed value has more than {limit} bytes")
    if not stream.eof:
        raise ValueError("the compressed value is cut short")
    if stream.unused_data:
        raise ValueError("something is behind the compressed value")
    return plain


class Zlib(amp.Argument):
    """Another argument, compressed. What is received is of `limit` bytes at most."""

    wire_form: ClassVar[str] = "Zlib"

    def __init__(self, inner: amp.Argument, optional: bool = False, limit: int = LIMIT) -> None:
        super().__init__(optional)
        self.inner = inner
        self.limit = limit

    def toStringProto(self, inObject: Any, proto: Any) -> bytes:
        return zlib.compress(self.inner.toStringProto(inObject, proto))

    def fromStringProto(self, inString: bytes, proto: Any) -> Any:
        return self.inner.fromStringProto(inflated(inString, self.limit), proto)
