"""Streams with back-pressure, as amp-core has them: `class Peer(Streams, amp.AMP)`.

Who sends a `StreamOf` keeps a `Sink`, and who receives it gets a `Stream`. With `SinkOf` it is the
other way round. ARCHITECTURE.md of amp-core has the form on the wire.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import connectionDone
from twisted.protocols import amp
from twisted.python.failure import Failure

from ._stream_files import SOME_NUMBER, EndsOfFiles, ReceivingFiles, SendingFiles, most_unclaimed
from ._streams import COMMANDS, BadItem, End, NoStream

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
        self._end = end or _Sending()
        self.stopped = self._end.stopped

    def send(self, item: Any) -> Deferred[Any]:
        """Fires when there was room for the item: await it before the next one."""
        return self._end.put(item)

    def close(self, end: bytes = b"closed", **error: bytes) -> Deferred[Any]:
        """Fires when all was taken. It fails with `end=b"failed", code=..., description=...`."""
        return self._end.put({"end": end, **error}, last=True)

    def __del__(self) -> None:
        if self._end.of is not None and self._end.over is None:
            # Rubbish is collected anywhere, also in other threads.
            self._end.of.proto.stream_clock.callFromThread(_drop, self._end)


def _drop(end: _Sending) -> None:
    end.put({"end": b"dropped"}, last=True).addErrback(lambda _: None)


class Stream:
    """The end that items come out of: `async for item in stream`. An item that cannot be read raises its
    error, and the next one comes behind it. One that is dropped stops its sink."""

    def __init__(self, end: _Receiving | None = None) -> None:
        self._end = end or _Receiving()

    def __aiter__(self) -> Stream:
        return self

    def __anext__(self) -> Deferred[Any]:
        return self._end.take()

    def stop(self) -> None:
        """The sink learns that nobody takes more."""
        self._end.stop()

    def __del__(self) -> None:
        if self._end.of is not None and (self._end.over is None or self._end.queue):
            self._end.of.proto.stream_clock.callFromThread(self._end.stop)


class StreamOf(amp.Argument):
    """A stream of values of another argument, from who sends it: a `Sink` there, and a `Stream` here."""

    wire_form: ClassVar[str] = "StreamOf"
    # What is kept, and what comes of which end. Who gives out the number sends items, or receives them: then it is odd.
    _kept: ClassVar[Any] = Sink
    _comes: ClassVar[Any] = (Stream, _Receiving)
    _odd: ClassVar[int] = 0

    def __init__(self, inner: amp.Argument, optional: bool = False) -> None:
        super().__init__(optional)
        self.inner = inner

    def toStringProto(self, inObject: Any, proto: Any) -> bytes:
        """Gives out the number of the end that is kept, `inObject`."""
        if not isinstance(inObject, self._kept) or inObject._end.of is not None or inObject._end.over is not None:
            raise ValueError(f"a {self.wire_form} is made of the end that is kept, once")
        streams = proto._amp_streams
        if streams.needs is not None:
            streams.needs.append(0)
            return b"%d" % SOME_NUMBER
        end = inObject._end
        streams.bind(end, next(streams.numbers) + self._odd, self.inner, self._odd)
        streams.sent.append(end)
        return bytes(end.number)

    def fromStringProto(self, inString: bytes, proto: Any) -> Any:
        """Makes the end that has come, and says that it is there."""
        handle, make = self._comes
        end = make()
        streams = proto._amp_streams
        streams.bind(end, int(inString), self.inner, self._odd)
        if end.sends:
            streams.tell(b"_StreamTaken", end.number)
        else:
            streams.open(end)
        return handle(end)


class SinkOf(StreamOf):
    """A sink of values of another argument: a `Stream` there, and a `Sink` here."""

    wire_form = "SinkOf"
    _kept, _comes, _odd = Stream, (Sink, _Sending), 1


class _Ends(EndsOfFiles):
    """The streams of a connection, and those whose other ends are on their way."""

    def __init__(self, proto: Any) -> None:
        super().__init__(proto)
        # The ends whose other ends go with the next box, and with calls by their tags.
        self.sent: list[_Timed] = []
        self.asked: dict[bytes, list[_Timed]] = {}

    def take_sent(self) -> list[_Timed]:
        sent, self.sent = self.sent, []
        return sent


class Streams(amp.AMP):
    """Lets a protocol have streams.

    Beside what Twisted's protocol has, it takes the names `stream_window`, `stream_clock` and `_amp_streams`: all
    others are left to the class that it is mixed into, whose responders and attributes they may be.
    """

    # Of each stream so much is taken ahead.
    stream_window: dict[str, int] = {"items": 1024, "bytes": 256 << 10}
    # What tells the time, and is called from other threads: the reactor, if it is nothing else.
    stream_clock: Any = None
    _amp_streams: _Ends

    def makeConnection(self, transport: Any) -> None:
        if self.stream_clock is None:
            from twisted.internet import reactor

            self.stream_clock = reactor
        self._amp_streams = _Ends(self)
        super().makeConnection(transport)
        self._getDescriptor: Any = self._amp_streams.claim
        self._sendingDescriptorCounter: Any = self._amp_streams.number

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # Whoever learns of it below opens no more.
        self._amp_streams.lost = reason.value
        super().connectionLost(reason)
        self._amp_streams.end(reason.value)

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
            for end in self._amp_streams.take_sent():
                end.settle()
            raise
        finally:
            command.structured = {}

    def sendBox(self, box: Any) -> None:
        """Whether the peer has taken what goes with a call, it has said when that is over."""
        sent = self._amp_streams.take_sent()
        super().sendBox(box)
        if sent and amp.COMMAND in box and amp.ASK in box:
            self._amp_streams.asked[box[amp.ASK]] = sent
        else:
            for end in sent:
                end.timer = self.stream_clock.callLater(UNCLAIMED, end.settle)

    def ampBoxReceived(self, box: Any) -> None:
        super().ampBoxReceived(box)
        for end in self._amp_streams.asked.pop(box.get(amp.ANSWER, box.get(amp.ERROR)), ()):
            end.settle()

    def dispatchCommand(self, box: Any) -> Any:
        if box[amp.COMMAND] in COMMANDS:
            return self._amp_streams.called(box)
        return super().dispatchCommand(box)

    def fileDescriptorReceived(self, descriptor: int) -> None:
        super().fileDescriptorReceived(descriptor)
        if len(self._descriptors) > most_unclaimed():
            # Boxes claim theirs in the order in which they come, so what came before one that was claimed is nobody's.
            # Else the newest goes, whose box comes last.
            oldest, newest = next(iter(self._descriptors)), next(reversed(self._descriptors))
            surplus = oldest if oldest < self._amp_streams.last_claimed else newest
            os.close(self._descriptors.pop(surplus))

    def _sendFileDescriptor(self, descriptor: int) -> Any:
        streams = self._amp_streams
        if streams.weighs(descriptor):
            return SOME_NUMBER
        if streams.copying is not None:
            return streams.copy(descriptor, streams.copying)
        return super()._sendFileDescriptor(descriptor)
