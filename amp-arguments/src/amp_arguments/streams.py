"""Streams with back-pressure, as amp-core has them: `class Peer(Streams, amp.AMP)`.

Who sends a `StreamOf` keeps a `Sink`, and who receives it gets a `Stream`. With `SinkOf` it is the
other way round. ARCHITECTURE.md of amp-core has the form on the wire.
"""
from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import connectionDone
from twisted.protocols import amp

from . import _stream_ends as ends
from ._stream_ends import BadItem, NoStream, Receiving, Sending, Sink, Stream

__all__ = ["BadItem", "NoStream", "Sink", "SinkOf", "Stream", "StreamOf", "Streams"]

if TYPE_CHECKING:
    # What it is mixed into.
    from twisted.protocols.amp import AMP as _Locator
else:
    from twisted.protocols.amp import CommandLocator as _Locator

_Taken = ends.command("_StreamTaken", False)
_Open = ends.command("_StreamOpen", False, items=amp.Integer(), bytes=amp.Integer(),
                     attachments=amp.Integer(optional=True))

# How many streams there are on a connection, and descriptors on their way where the receiver says nothing.
STREAMS, FILES = 256, 8


class StreamOf(amp.Argument):
    """A stream of values of another argument, from who sends it: a `Sink` there, and a `Stream` here."""

    wire_form = "StreamOf"
    # Who gives out the number of it sends items, or receives them: then it is odd.
    odd = 0

    def __init__(self, inner: amp.Argument, optional: bool = False) -> None:
        super().__init__(optional)
        self.inner = inner

    def _bind(self, end: Any, proto: Any, number: int) -> Any:
        table = proto.sinks if isinstance(end, Sending) else proto.streams
        if number in table or number < 0 or number % 2 != self.odd:
            raise ValueError(f"{number} is not the number of a stream that the peer may open")
        if len(proto.sinks) + len(proto.streams) >= STREAMS:
            raise ValueError(f"there are {STREAMS} streams, which is the limit")
        table[number] = end
        end.bind(proto, number, self.inner)
        return end

    def toStringProto(self, inObject: Any, proto: Any) -> bytes:
        """Gives out the number of the end that is kept, `inObject`."""
        if not isinstance(inObject, Stream if self.odd else Sink) or inObject.end.proto is not None:
            raise ValueError(f"a {self.wire_form} is made of the end that is kept, once")
        end = self._bind(inObject.end, proto, next(proto.numbers) + self.odd)
        if proto.sent is not None:
            proto.sent.append(end)
        return b"%d" % end.number

    def fromStringProto(self, inString: bytes, proto: Any) -> Any:
        """Makes the end that has come, and says that it is there."""
        end = self._bind(Sending() if self.odd else Receiving(), proto, int(inString))
        if isinstance(end, Sending):
            proto.callRemote(_Taken, stream=end.number)
            return Sink(end)
        end.there()
        proto.callRemote(_Open, stream=end.number, **proto.window)
        return Stream(end)


class SinkOf(StreamOf):
    """A sink of values of another argument: a `Stream` there, and a `Sink` here."""

    wire_form = "SinkOf"
    odd = 1


class Streams(_Locator):
    """Lets a protocol have streams. Of each one so much is taken ahead as `window` says."""

    window = {"items": 1024, "bytes": 256 << 10}

    def makeConnection(self, transport: Any) -> None:
        self.sinks: dict[int, Sending] = {}
        self.streams: dict[int, Receiving] = {}
        self.numbers = iter(range(0, 1 << 62, 2))
        # The ends whose other ends a call takes along that is being written.
        self.sent: list[Any] | None = None
        self.files_on_their_way = 0
        super().makeConnection(transport)

    def connectionLost(self, reason: Any = connectionDone) -> None:
        super().connectionLost(reason)
        for end in [*self.sinks.values(), *self.streams.values()]:
            end.fail(reason.value)

    def callRemote(self, commandType: Any, *args: Any, **kw: Any) -> Any:
        """What a call brings that fails, nobody has taken."""
        before, sent = self.sent, []  # type: Any, list[Any]
        self.sent = sent
        try:
            call = super().callRemote(commandType, *args, **kw)
        except BaseException:
            self._not_taken(sent)
            raise
        finally:
            self.sent = before
        if sent and call is not None:
            call.addErrback(lambda failure: (self._not_taken(sent), failure)[1])
        return call

    @staticmethod
    def _not_taken(sent: list[Any]) -> None:
        for end in sent:
            if end.timer.active():
                end.fail(NoStream("the peer has not taken the stream"))

    def _stream(self, number: int) -> Receiving:
        if (stream := self.streams.get(number)) is None:
            raise NoStream(f"there is no stream {number}")
        return stream

    @_Taken.responder
    def _taken(self, stream: int) -> dict[str, Any]:
        if end := self.streams.get(stream):
            end.there()
            self.callRemote(_Open, stream=stream, **self.window)
        else:
            self.callRemote(ends.STOP, stream=stream)
        return {}

    @_Open.responder
    def _open(self, stream: int, items: int, bytes: int, attachments: int | None = None) -> dict[str, Any]:
        if sink := self.sinks.get(stream):
            sink.open(items, bytes, FILES if attachments is None else attachments)
        else:
            self.callRemoteString(b"_StreamEnd", False, stream=b"%d" % stream, end=b"dropped")
        return {}

    @ends.STOP.responder
    def _stop(self, stream: int) -> dict[str, Any]:
        if sink := self.sinks.get(stream):
            sink.fail(NoStream("the receiver has dropped the stream"))
        return {}

    @ends.ITEMS.responder
    def _items(self, stream: int, items: bytes | None = None, item: bytes | None = None) -> Any:
        return self._stream(stream).came(items, item)

    @ends.END.responder
    def _ended(self, stream: int, end: bytes, code: bytes = b"", description: bytes = b"") -> Any:
        receiving = self._stream(stream)
        how = {b"closed": StopAsyncIteration(), b"dropped": EOFError("the end is missing"),
               b"failed": amp.RemoteAmpError(code or b"", (description or b"").decode("utf-8", "replace"))}
        if end not in how:
            raise NoStream(f"a stream does not end by {end!r}")
        receiving.leave()
        return receiving.append(deque(), how[end])
