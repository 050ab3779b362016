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

from . import _streams
from ._streams import OVERHEAD, STREAMS, BadItem, End, NoStream, split

__all__ = ["BadItem", "NoStream", "Sink", "SinkOf", "Stream", "StreamOf", "Streams"]

# An end that an answer has brought is taken within so many seconds.
UNCLAIMED = 60
# So many descriptors are on their way to who says nothing of it, and so many may have come that nothing has claimed.
FILES, UNCLAIMED_FILES = 8, 128
# Has as many digits as any number that is given out.
SOME_NUMBER = 1 << 64


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


class _Sending(_Timed, _streams.Sending):
    """A sink whose items may need the connection, as descriptors and streams do."""

    # How many descriptors are on their way; and what the next item needs the connection for.
    files = 0
    needs: list[int] = []

    def write(self, value: Any) -> Any:
        """Only weighs what needs the connection: that is written when there is room for it."""
        self.proto.needs = self.needs = []
        try:
            return super().write(value)
        finally:
            self.proto.needs = None

    def send(self, value: Any) -> bool:
        if self.head is None:
            self.head = self.write(value)
        if not self.needs:
            return super().send(value)
        files, before = sum(self.needs), len(self.proto.copies)
        called = self.send_alone(lambda: self.write_with_copies(value))
        if called is None:
            return False
        copies = self.proto.copies[before:]
        self.count_files(None, files)
        called.addBoth(self.proto.close_copies, copies).addBoth(self.count_files, -files)
        return True

    def write_with_copies(self, value: Any) -> Any:
        """Twisted sends descriptors some time, before which the user may have closed his own."""
        self.proto.copying = True
        try:
            return super().write(value)
        finally:
            self.proto.copying = False

    def count_files(self, _: Any, more: int) -> None:
        self.files, self.proto.files = self.files + more, self.proto.files + more
        if more < 0:
            for end in [end for end in self.proto.ends.values() if end.sends]:
                end.pump()

    def fits(self, size: int) -> bool:
        """A stream may have as many descriptors on their way as it leaves for others; those of one item always may."""
        files, others, most = sum(self.needs), self.proto.files, self.window.get("attachments", FILES)
        return super().fits(size) and (not files or not others or self.files + files <= most - others)


class _Kept:
    """An item that was read when it came, and the descriptors that it has claimed."""

    def __init__(self, value: Any, error: Exception | None, descriptors: list[int]) -> None:
        self.value, self.error, self.descriptors = value, error, descriptors


class _Receiving(_Timed, _streams.Receiving):
    """A stream whose items may have descriptors. Those that nobody takes are closed."""

    def came(self, box: Any) -> Any:
        try:
            return super().came(box)
        except BadItem:
            self.discard(box)
            raise

    def discard(self, box: Any) -> None:
        """Closes the descriptors of items that are refused."""
        try:
            boxes, _ = split(box)
        except BadItem:
            return
        for each in boxes:
            self.drop(self.keep(each))

    def keep(self, box: Any) -> Any:
        """Where descriptors wait that it may claim, an item is read at once."""
        if not self.proto._descriptors:
            return box
        claimed: list[int] = []
        self.proto.claimed = claimed
        try:
            return _Kept(super().read(box), None, claimed)
        except Exception as error:
            _close(claimed)
            return _Kept(None, error, [])
        finally:
            self.proto.claimed = None

    def read(self, kept: Any) -> Any:
        if not isinstance(kept, _Kept):
            return super().read(kept)
        if kept.error is not None:
            raise kept.error
        return kept.value

    def drop(self, kept: Any) -> None:
        if isinstance(kept, _Kept):
            _close(kept.descriptors)

    def fail(self, reason: Exception) -> bool:
        """What is on its way yet is still to be closed."""
        failed = super().fail(reason)
        if failed and self.proto is not None:
            self.proto.gone[self.number] = self
            if len(self.proto.gone) > STREAMS:
                del self.proto.gone[next(iter(self.proto.gone))]
        return failed


def _close(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())


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


class Streams(_streams.Streams):
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
        # How many descriptors of items are on their way, and what was made for that; what an item that is weighed needs
        # the connection for; what one that is read has claimed; and streams that are over, whose items may still come.
        self.files = 0
        self.copies: list[int] = []
        self.copying = False
        self.needs: list[int] | None = None
        self.claimed: list[int] | None = None
        self.gone: dict[bytes, _Receiving] = {}
        super().makeConnection(transport)
        self._getDescriptor: Any = self._claim

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        _close([*self._descriptors.values()])
        self._descriptors.clear()
        self.close_copies(None, [*self.copies])

    def callRemote(self, commandType: Any, *args: Any, **kw: Any) -> Any:
        """The call keeps no end that it takes along: its producer may have to be dropped before the answer."""
        try:
            command = commandType(*args, **kw)
        except Exception:
            return fail()
        called = command._doCommand(self)
        command.structured = {}
        return called

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

    def streamed(self, command: bytes, number: bytes, box: Any) -> Any:
        try:
            return super().streamed(command, number, box)
        except NoStream:
            if command == b"_StreamItems" and number in self.gone:
                self.gone[number].discard(box)
            raise

    def fileDescriptorReceived(self, descriptor: int) -> None:
        super().fileDescriptorReceived(descriptor)
        if len(self._descriptors) > UNCLAIMED_FILES:
            self.transport.abortConnection()  # type: ignore[union-attr]

    def _claim(self, number: int) -> int:
        descriptor: int = self._descriptors.pop(number)
        if self.claimed is not None:
            self.claimed.append(descriptor)
        return descriptor

    def _sendFileDescriptor(self, descriptor: int) -> Any:
        if self.needs is not None:
            os.fstat(descriptor)
            self.needs.append(1)
            return SOME_NUMBER
        if self.copying:
            descriptor = os.dup(descriptor)
            self.copies.append(descriptor)
        return super()._sendFileDescriptor(descriptor)

    def close_copies(self, _: Any, copies: list[int]) -> None:
        for copy in copies:
            self.copies.remove(copy)
            os.close(copy)
