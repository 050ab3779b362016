"""What speaks streams with amp-core, both ways: ARCHITECTURE.md there has their form.

An end here is what its connection has of it: what goes, what comes, how much of that may, and how it ends. Users
have handles of the ends, which are in `streams`; items that need their connection are in `_stream_files`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.protocols import amp
from twisted.python.failure import Failure

# Of a stream so many calls with items are not answered at most, and items share boxes while so many are not.
CALLS, AHEAD = 64, 4
# A connection has so many streams, and the box of an item so many bytes beside that.
STREAMS, OVERHEAD = 256, 128
COMMANDS = {b"_StreamTaken", b"_StreamOpen", b"_StreamItems", b"_StreamEnd", b"_StreamStop"}


class NoStream(amp.RemoteAmpError):
    """The other end has gone, or was never there."""

    def __init__(self, why: str = "the receiver has dropped the stream") -> None:
        super().__init__(b"NO_STREAM", why)


class BadItem(amp.RemoteAmpError):
    """What has come is no item, or is more than may come."""

    def __init__(self, why: str) -> None:
        super().__init__(b"BAD_ITEM", why)


def named(failure: Failure) -> Failure:
    """What a call has failed with, by its own class if the receiver has dropped the stream."""
    return Failure(NoStream()) if getattr(failure.value, "errorCode", None) == b"NO_STREAM" else failure


def split(box: Any) -> tuple[list[Any], int]:
    """The items that a box brings, each in one of its own, and how many bytes they count."""
    if b"items" not in box:
        return [box], len(box.serialize())
    items, boxes, at = box[b"items"], [], 0
    while at < len(items):
        start, at = at + 2, at + 2 + int.from_bytes(items[at : at + 2], "big")
        boxes.append({b"item": items[start:at]})
    if at != len(items):
        raise BadItem("a list ends within an item")
    return boxes, len(items)


class End:
    """An end of a stream, and the argument `inner` that its items are. `stopped` fires when it is over."""

    sends = there = False
    # `of` has all streams of its connection, once it is one of them.
    of = inner = number = over = None  # type: Any
    # What is not answered.
    calls = items = bytes = 0

    def __init__(self) -> None:
        # What may be on its way, and what waits: values for that, or items for who takes them.
        self.window: dict[str, int] = {}
        self.queue: deque[Any] = deque()
        self.stopped: Deferred[Exception] = Deferred()

    def has_room(self, items: int, size: int) -> bool:
        """Whether so much more may be on its way."""
        most = self.window
        return self.calls < CALLS and self.items + items <= most["items"] and self.bytes + size <= most["bytes"]

    def count(self, result: Any, calls: int, items: int, size: int) -> Any:
        self.calls, self.items, self.bytes = self.calls + calls, self.items + items, self.bytes + size
        return result

    def opened(self, window: dict[str, int]) -> None:
        """The peer has the other end, and so much may be on its way."""
        self.there, self.window = True, window
        self.pump()

    def fail(self, reason: Exception) -> bool:
        """Nothing more goes or comes. Whether something would have."""
        if self.over is not None:
            return False
        self.over, self.window = reason, {}
        if self.of is not None:
            del self.of.all[self.sends, self.number]
        self.stopped.callback(reason)
        self.pump()
        return True

    def pump(self) -> None:
        """Does what can be done with what waits."""
        raise NotImplementedError


class Sending(End):
    """The end that items are put into."""

    sends = True

    def __init__(self) -> None:
        super().__init__()
        # The box of the first item that waits; and the items that share the next box, and how many they are.
        self.head: Any = None
        self.batch, self.batched = bytearray(), 0

    def put(self, value: Any, last: bool = False) -> Deferred[Any]:
        """Fires when there was room for the value; of the end, when all was taken."""
        done: Deferred[Any] = Deferred()
        self.queue.append((value, last, done))
        if len(self.queue) == 1:
            self.pump()
        return done

    def pump(self) -> None:
        """Sends what there is room for."""
        while self.queue and (self.over or self.window.get("items")):
            value, last, done = first = self.queue.popleft()
            try:
                if self.over:
                    done.errback(self.over)
                elif last:
                    self.end(value).chainDeferred(done)
                elif self.send(value):
                    done.callback(None)
                else:
                    self.queue.appendleft(first)
                    break
            except Exception:
                self.head = None
                done.errback(self.over)
        self.flush(AHEAD)

    def write(self, value: Any) -> Any:
        """The box of an item."""
        box = amp.AmpBox()
        self.inner.toBox(b"item", box, {"item": value}, self.of.proto)
        return box

    def send(self, value: Any) -> bool:
        """Sends an item if there is room for it."""
        if self.head is None:
            self.head = self.write(value)
        item, most = self.head.get(b"item", b""), min(amp.MAX_VALUE_LENGTH, self.window["bytes"] // 4)
        size = len(item) + 2
        if self.head.keys() != {b"item"} or size > amp.MAX_VALUE_LENGTH:
            return self.send_alone(lambda: self.head) is not None
        if self.batched >= self.window["items"] // 4 or len(self.batch) + size > most:
            self.flush()
        if not self.fits(size):
            return False
        self.head = None
        self.count(None, 0, 1, size)
        self.batch += len(item).to_bytes(2, "big") + item
        self.batched += 1
        return True

    def send_alone(self, write: Callable[[], Any]) -> Deferred[Any] | None:
        """Sends the first item in a box of its own."""
        self.flush()
        size = len(self.head.serialize()) + OVERHEAD
        if not self.fits(size):
            return None
        box, self.head = write(), None
        self.count(None, 0, 1, size)
        return self.call(box, 1, size)

    def fits(self, size: int) -> bool:
        """Whether there is room for an item of so many bytes. One always may be on its way."""
        if size > self.window["bytes"]:
            raise ValueError(f"an item has {size} bytes, and the receiver takes {self.window['bytes']}")
        return self.items == 0 or self.has_room(1, size)

    def flush(self, ahead: int = CALLS) -> None:
        """Sends the items that share a box, if not so many calls are ahead of it."""
        batch, items = bytes(self.batch), self.batched
        if items and self.over is None and self.calls < ahead:
            self.batch, self.batched = bytearray(), 0
            self.call(amp.AmpBox({b"items": batch}), items, len(batch))

    def call(self, box: Any, items: int, size: int) -> Deferred[Any]:
        """Brings items. There is room again when they are taken."""
        box[b"stream"] = self.number
        self.calls += 1
        called: Deferred[Any] = maybeDeferred(self.of.proto._sendBoxCommand, b"_StreamItems", box)
        called.addBoth(self.count, -1, -items, -size).addErrback(named).addErrback(self.refused)
        return called.addCallback(lambda _: self.pump())

    def refused(self, failure: Failure) -> None:
        """The receiver knows of what it has said itself, and of the end of the connection."""
        if failure.check(amp.RemoteAmpError) and not failure.check(NoStream) and self.over is None:
            self.of.tell(b"_StreamEnd", self.number, end=b"dropped")
        self.fail(failure.value)  # type: ignore[arg-type]

    def end(self, how: dict[str, bytes]) -> Deferred[Any]:
        """Says how the stream ends, which is answered when all was taken."""
        # What cannot be written is an error of who ends it, and the stream goes on.
        amp.AmpBox(how).serialize()
        self.flush()
        ended = maybeDeferred(self.of.proto.callRemoteString, b"_StreamEnd", stream=self.number, **how)
        self.fail(NoStream("the stream has ended"))
        return ended.addErrback(named)


class Receiving(End):
    """The end that items come out of."""

    def __init__(self) -> None:
        super().__init__()
        # What waits has the answer to its call, if it is the last of that; an end is no item. And who waits for it.
        self.readers: deque[Deferred[Any]] = deque()

    def came(self, box: Any) -> Any:
        """Keeps items until they are taken, which is the answer."""
        try:
            boxes, size = split(box)
            if not self.has_room(len(boxes), size):
                raise BadItem("more has come than may come ahead")
            kept = self.keep_all(boxes)
        except BadItem as error:
            self.fail(error)
            raise
        if not boxes:
            return amp.AmpBox()
        self.count(None, 1, len(boxes), size)
        answer: Deferred[Any] = Deferred()
        answer.addBoth(self.count, -1, -len(boxes), -size)
        self.queue.extend(zip(kept, [None] * (len(boxes) - 1) + [answer]))
        self.pump()
        return answer

    def keep_all(self, boxes: list[Any]) -> list[Any]:
        """Items, as they wait until they are taken."""
        return boxes

    def drop(self, kept: Any) -> None:
        """It waits no longer, as nobody takes it."""

    def read(self, kept: Any) -> Any:
        """It is taken."""
        objects: dict[str, Any] = {}
        self.inner.fromBox(b"item", kept, objects, self.of.proto)
        return objects["item"]

    def take(self) -> Deferred[Any]:
        """Fires with the next item, or what is wrong with it; behind all of them, with how the stream has ended."""
        if self.queue:
            return maybeDeferred(self.next)
        reader: Deferred[Any] = Deferred(self.readers.remove)
        self.readers.append(reader)
        self.pump()
        return reader

    def pump(self) -> None:
        """Gives items to who waits for them."""
        while self.readers and (self.queue or self.over):
            maybeDeferred(self.next).chainDeferred(self.readers.popleft())

    def next(self) -> Any:
        kept, answer = self.queue.popleft() if self.queue else (None, None)
        try:
            return Failure(self.over) if kept is None else self.read(kept)
        finally:
            # A stream in an item says before that it is there.
            if answer is not None:
                answer.callback(amp.AmpBox())

    def ended(self, box: Any) -> Deferred[Any]:
        """The sink says how it has ended, which is answered when it is taken."""
        description = box.get(b"description", b"").decode("utf-8", "replace")
        reasons = {b"closed": StopAsyncIteration(), b"dropped": EOFError("the end is missing"),
                   b"failed": amp.RemoteAmpError(box.get(b"code", b""), description)}
        if box.get(b"end") not in reasons:
            raise NoStream("a stream does not end so")
        answer: Deferred[Any] = Deferred()
        self.queue.append((None, answer))
        self.fail(reasons[box[b"end"]])
        return answer

    def stop(self) -> None:
        """Nobody takes anything more."""
        stopped = NoStream("the stream was stopped")
        if self.fail(stopped) and self.there:
            self.of.tell(b"_StreamStop", self.number)
        while self.queue:
            kept, answer = self.queue.popleft()
            self.drop(kept)
            if answer is not None:
                answer.errback(stopped)


class Ends:
    """The streams of one connection. It is no part of the protocol, whose names are its user's."""

    # What it was lost by.
    lost: Any = None

    def __init__(self, proto: Any) -> None:
        self.proto = proto
        # The ends by whether they send, and their numbers.
        self.all: dict[tuple[bool, bytes], Any] = {}
        self.numbers = count(0, 2)

    def end(self, reason: Any) -> None:
        """The connection is lost."""
        self.lost = reason
        for end in [*self.all.values()]:
            end.fail(reason)

    def bind(self, end: Any, number: int, inner: amp.Argument, odd: int) -> None:
        """The other end is sent, or has come, under this number."""
        key = end.sends, b"%d" % number
        if self.lost is not None:
            raise self.lost
        if key in self.all or number % 2 != odd or number < 0:
            raise ValueError(f"{number} is not the number of a stream that the peer may open")
        if len(self.all) >= STREAMS:
            raise ValueError(f"there are {STREAMS} streams, which is the limit")
        end.of, end.number, end.inner, self.all[key] = self, key[1], inner, end

    def tell(self, command: bytes, number: bytes, **content: bytes) -> None:
        self.proto.callRemoteString(command, False, stream=number, **content)

    def open(self, stream: Receiving) -> None:
        """Items may come."""
        window = self.proto.stream_window
        stream.opened(window)
        self.tell(b"_StreamOpen", stream.number, **{key: b"%d" % most for key, most in window.items()})

    def called(self, box: Any) -> Any:
        """Answers a call of one of these commands."""
        done = maybeDeferred(self.answer, box[amp.COMMAND], box.get(b"stream", b""), box)
        # A call that wants no answer may have crossed what has ended its stream.
        return done if amp.ASK in box else done.addErrback(lambda _: None)

    def answer(self, command: bytes, number: bytes, box: Any) -> Any:
        sink, stream = self.all.get((True, number)), self.all.get((False, number))
        if command == b"_StreamTaken":
            self.tell(b"_StreamStop", number) if stream is None else self.open(stream)
        elif command == b"_StreamStop":
            if sink is not None:
                sink.fail(NoStream())
        elif command == b"_StreamOpen":
            if sink is None:
                self.tell(b"_StreamEnd", number, end=b"dropped")
            else:
                keys = [key for key in ("items", "bytes", "attachments") if key.encode() in box]
                sink.opened({"items": 0, "bytes": 0} | {key: int(box[key.encode()]) for key in keys})
        elif stream is None or not stream.there:
            raise NoStream(f"there is no stream {number!r}")
        else:
            return stream.came(box) if command == b"_StreamItems" else stream.ended(box)
        return amp.AmpBox()
