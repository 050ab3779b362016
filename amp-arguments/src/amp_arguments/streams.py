"""Streams with back-pressure, as amp-core has them: `class Peer(Streams, amp.AMP)`.

Who sends a `StreamOf` keeps a `Sink`, and who receives it gets a `Stream`. With `SinkOf` it is the
other way round. ARCHITECTURE.md of amp-core has the form on the wire.
"""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred, fail
from twisted.protocols import amp

from ._stream_files import SOME_NUMBER, ReceivingFiles, SendingFiles, StreamsOfFiles
from ._streams import BadItem, End, NoStream

__all__ = ["BadItem", "NoStream", "Sink", "SinkOf", "Stream", "StreamOf", "Streams"]

# An end that an answer has brought is taken within so many seconds.
UNCLAIMED = 60


class _Timed(End):
    """An end whose other end the peer has to take in time."""

    timer: Any = None

    def settle(self) -> None:
        """By now the peer has said that it has the other end, or it never will."""
        if not self.there:
            self.fail(NoStream("the peer has not taken the stream"))

    def opened(self, window: dict[str, int]) -> None:
        self._cancel()
        super().opened(window)

    def fail(self, reason: Exception) -> bool:
        self._cancel()
        return super().fail(reason)

    def _cancel(self) -> None:
        if self.timer is not None and self.timer.active():
            self.timer.cancel()


class _Sending(_Timed, SendingFiles):
    """A sink, as its connection has it."""


class _Receiving(_Timed, ReceivingFiles):
    """A stream, as its connection has it."""


class Sink:
    """The end that items are sent into. `stopped` fires when nothing more can be sent.

    One that is dropped before it was closed, as when its producer raises, tells the receiver that the end
    is missing.
    """

    def __init__(self, end: _Sending | None = None) -> None:
        self.end = end or _Sending()
        self.stopped = self.end.stopped

    def send(self, item: Any) -> Deferred[Any]:
        """Fires when there was room for the item: await it before the next one."""
        return self.end.put(item)

    def close(self, end: bytes = b"closed", **error: bytes) -> Deferred[Any]:
        """Fires when all was taken. It fails with `end=b"failed", code=..., description=...`."""
        return self.end.put({"end": end, **error}, last=True)

    def __del__(self) -> None:
        if self.end.proto is not None and self.end.over is None:
            # Rubbish is collected anywhere, also in other threads.
            self.end.proto.clock.callFromThread(_drop, self.end)


def _drop(end: _Sending) -> None:
    end.put({"end": b"dropped"}, last=True).addErrback(lambda _: None)


class Stream:
    """The end that items come out of: `async for item in stream`. An item that cannot be read raises its
    error, and the next one comes behind it. One that is dropped stops its sink."""

    def __init__(self, end: _Receiving | None = None) -> None:
        self.end = end or _Receiving()

    def __aiter__(self) -> Stream:
        return self

    def __anext__(self) -> Deferred[Any]:
        return self.end.take()

    def stop(self) -> None:
        """The sink learns that nobody takes more."""
        self.end.stop()

    def __del__(self) -> None:
        if self.end.proto is not None and (self.end.over is None or self.end.queue):
            self.end.proto.clock.callFromThread(self.end.stop)


class StreamOf(amp.Argument):
    """A stream of values of another argument, from who sends it: a `Sink` there, and a `Stream` here."""

    wire_form: ClassVar[str] = "StreamOf"
    # What is kept, and what comes of which end. Who gives out the number sends items, or receives them: then it is odd.
    kept: ClassVar[Any] = Sink
    comes: ClassVar[Any] = (Stream, _Receiving)
    odd: ClassVar[int] = 0

    def __init__(self, inner: amp.Argument, optional: bool = False) -> None:
        super().__init__(optional)
        self.inner = inner

    def toStringProto(self, inObject: Any, proto: Any) -> bytes:
        """Gives out the number of the end that is kept, `inObject`."""
        if not isinstance(inObject, self.kept) or inObject.end.proto is not None or inObject.end.over is not None:
            raise ValueError(f"a {self.wire_form} is made of the end that is kept, once")
        if proto.needs is not None:
            proto.needs.append(0)
            return b"%d" % SOME_NUMBER
        proto.bind(inObject.end, next(proto.numbers) + self.odd, self.inner, self.odd)
        proto.sent.append(inObject.end)
        return bytes(inObject.end.number)

    def fromStringProto(self, inString: bytes, proto: Any) -> Any:
        """Makes the end that has come, and says that it is there."""
        handle, make = self.comes
        end = make()
        proto.bind(end, int(inString), self.inner, self.odd)
        if end.sends:
            proto.tell(b"_StreamTaken", end.number)
        else:
            proto.open(end)
        return handle(end)


class SinkOf(StreamOf):
    """A sink of values of another argument: a `Stream` there, and a `Sink` here."""

    wire_form = "SinkOf"
    kept, comes, odd = Stream, (Sink, _Sending), 1


class Streams(StreamsOfFiles):
    """Lets a protocol have streams. Of each one so much is taken ahead as `window` says."""

    # What tells the time, and is called from other threads: the reactor, if it is nothing else.
    clock: Any = None

    def makeConnection(self, transport: Any) -> None:
        if self.clock is None:
            from twisted.internet import reactor

            self.clock = reactor
        # The ends whose other ends go with the next box, and with calls by their tags.
        self.sent: list[_Timed] = []
        self.asked: dict[bytes, list[_Timed]] = {}
        super().makeConnection(transport)

    def callRemote(self, commandType: Any, *args: Any, **kw: Any) -> Any:
        """The call keeps no end that it takes along: its producer may have to be dropped before the answer."""
        try:
            command = commandType(*args, **kw)
        except Exception:
            return fail()
        try:
            return command._doCommand(self)
        except Exception:
            # What was to go with it goes with no other box.
            sent, self.sent = self.sent, []
            for end in sent:
                end.settle()
            raise
        finally:
            command.structured = {}

    def sendBox(self, box: Any) -> None:
        """Whether the peer has taken what goes with a call, it has said when that is over."""
        sent, self.sent = self.sent, []
        super().sendBox(box)
        if sent and amp.COMMAND in box and amp.ASK in box:
            self.asked[box[amp.ASK]] = sent
        else:
            for end in sent:
                end.timer = self.clock.callLater(UNCLAIMED, end.settle)

    def ampBoxReceived(self, box: Any) -> None:
        super().ampBoxReceived(box)
        for end in self.asked.pop(box.get(amp.ANSWER, box.get(amp.ERROR)), ()):
            end.settle()
