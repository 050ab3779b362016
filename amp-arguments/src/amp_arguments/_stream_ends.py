"""What the two ends of a stream do, and what their users have of them: a `Sink` and a `Stream`."""
from __future__ import annotations

from collections import deque
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, fail
from twisted.protocols import amp

_later: Any = _reactor

# As ARCHITECTURE.md of amp-core has it: so many calls with items are not answered at most; this side
# puts so many bytes of items into a box, and takes so long to learn that the other end is there.
CALLS, SHARED, UNCLAIMED = 64, 60_000, 60


class NoStream(KeyError):
    """The other end has gone, or was never there."""


class BadItem(ValueError):
    """What has come is no item, or is more than may come."""


def command(name: str, answered: bool, **keys: amp.Argument) -> Any:
    """A command of the stream that it names."""
    return type(name, (amp.Command,), {
        "commandName": name.encode(), "requiresAnswer": answered,
        "arguments": [(key.encode(), argument) for key, argument in (("stream", amp.Integer()), *keys.items())],
        "errors": {NoStream: b"NO_STREAM", BadItem: b"BAD_ITEM"} if answered else {}})


_bytes = amp.String(optional=True)
ITEMS = command("_StreamItems", True, items=_bytes, item=_bytes)
END = command("_StreamEnd", True, end=amp.String(), code=_bytes, description=_bytes)
STOP = command("_StreamStop", False)


class End:
    """An end as its connection has it, and `inner`, the argument that its items are."""

    proto: Any = None
    number = -1
    inner: Any = None
    over: Any = None
    timer: Any = None

    def bind(self, proto: Any, number: int, inner: Any) -> None:
        """It has been sent or has come. Of one that was sent the peer has to say in time that it is there."""
        self.proto, self.number, self.inner = proto, number, inner
        self.timer = _later.callLater(UNCLAIMED, self.fail, NoStream("the peer has not taken the stream"))

    def there(self) -> None:
        """The peer has the other end."""
        if self.timer is not None and self.timer.active():
            self.timer.cancel()

    def fail(self, reason: Exception) -> None:
        """Nothing more goes or comes."""
        raise NotImplementedError


class Sending(End):
    """A sink as its connection has it."""

    def __init__(self) -> None:
        self.queue: deque[Any] = deque()
        # The items that wait for others to share a box with, and how many bytes they have.
        self.batch: list[bytes] = []
        self.size = 0
        # The form of the first of the queue, once that is known.
        self.data: bytes | None = None
        self.load, self.window, self.files = [0, 0, 0], (0, 0), 0
        self.stopped: Deferred[Any] = Deferred()
        self.ended = self.soon = False

    def put(self, last: bool, value: Any) -> Deferred[Any]:
        """Fires when there was room for the value; of the end, when all was taken."""
        if self.over or self.ended:
            return fail(self.over or NoStream("the sink was closed"))
        self.ended = last
        done: Deferred[Any] = Deferred()
        self.queue.append((last, value, done))
        self.pump()
        return done

    def open(self, items: int, size: int, files: int) -> None:
        """The peer takes so much ahead."""
        self.there()
        self.window, self.files = (items, size), files
        self.pump()

    def pump(self) -> None:
        """Sends what there is room for."""
        while self.queue and self.window[0] and not self.over:
            last, value, done = self.queue[0]
            if last:
                self.flush()
                self.queue.popleft()
                self.proto.callRemote(END, stream=self.number, **value).chainDeferred(done)
                return self.fail(NoStream("the stream has ended"))
            # What needs the connection is written when its box is sent.
            file = isinstance(self.inner, amp.Descriptor)
            size = 200 if file else len(self.data or b"") + 2
            try:
                if self.data is None and not file:
                    self.data = self.inner.toStringProto(value, self.proto)
                    size = len(self.data) + 2
                if size > min(0xFFFF + 2, self.window[1]):
                    raise ValueError(f"an item has {size - 2} bytes, over the limit for one")
                if not self.has_room(size, file):
                    return self.flush()
                data = self.data or b"" if not file else self.inner.toStringProto(value, self.proto)
            except Exception as error:
                self.queue.popleft()
                self.data = None
                done.errback(error)
                continue
            self.queue.popleft()
            self.data = None
            self.load = [self.load[0] + 1, self.load[1] + size, self.load[2]]
            if file or size > 0xFFFF:
                self.flush()
                self.call(1, size, file, item=data)
            else:
                self.add(len(data).to_bytes(2, "big") + data)
            done.callback(None)

    def has_room(self, size: int, file: bool) -> bool:
        """Whether so many bytes more may be on their way. One item always may."""
        items, all_bytes, calls = self.load
        if file and self.proto.files_on_their_way >= max(self.files, 1):
            return False
        return items == 0 or (
            items < self.window[0] and all_bytes + size <= self.window[1] and calls < CALLS - 1)

    def add(self, item: bytes) -> None:
        """Items that are sent one after the other share a box."""
        if self.size + len(item) > 0xFFFF:
            self.flush()
        self.batch.append(item)
        self.size += len(item)
        if len(self.batch) >= self.window[0] // 4 or self.size >= min(SHARED, self.window[1] // 4):
            self.flush()
        elif not self.soon:
            self.soon = True
            _later.callLater(0, self.flush)

    def flush(self) -> None:
        """Sends the items that wait for others."""
        self.soon = False
        batch, self.batch, self.size = self.batch, [], 0
        if batch and not self.over:
            together = b"".join(batch)
            self.call(len(batch), len(together), False, items=together)

    def call(self, count: int, size: int, file: bool, **content: bytes) -> None:
        """Brings items."""
        self.load[2] += 1
        self.proto.files_on_their_way += file

        def answered(failure: Any) -> None:
            self.load = [had - now for had, now in zip(self.load, (count, size, 1))]
            self.proto.files_on_their_way -= file
            if failure is not None:
                self.fail(failure.value)
            for sink in [self, *(self.proto.sinks.values() if file else ())]:
                sink.pump()

        self.proto.callRemote(ITEMS, stream=self.number, **content).addCallbacks(
            lambda _: answered(None), answered)

    def fail(self, reason: Exception) -> None:
        """Nothing more is sent."""
        if not self.over:
            self.there()
            self.over = reason
            self.proto.sinks.pop(self.number, None)
            self.stopped.callback(reason)
            while self.queue:
                self.queue.popleft()[2].errback(reason)


class Receiving(End):
    """A stream as its connection has it."""

    def __init__(self) -> None:
        self.queue: deque[Any] = deque()
        self.load = [0, 0, 0]
        self.waiting: Any = None

    def came(self, items: bytes | None, item: bytes | None) -> Any:
        """Keeps items until they are taken; the answer is for then."""
        values, at = [item] if items is None and item is not None else [], 0
        while items is not None and at < len(items):
            end = at + 2 + int.from_bytes(items[at:at + 2], "big")
            values.append(items[at + 2:end])
            at = end
        size = len(item or b"") if items is None else len(items)
        load = [had + more for had, more in zip(self.load, (len(values), size, 1))]
        window = self.proto.window
        if items is not None and at != len(items):
            return self.broken(BadItem("a list ends within an item"))
        if load[0] > window["items"] or load[1] > window["bytes"] or load[2] > CALLS:
            return self.broken(BadItem("more has come than may come ahead"))
        if not values:
            return {}
        self.load = load
        return self.append(deque(map(self.read, values)), None, (len(values), size, 1))

    def read(self, value: bytes) -> Any:
        """An item, or the error that is in its place."""
        try:
            return self.inner.fromStringProto(value, self.proto), None
        except Exception as error:
            return None, error

    def append(self, values: deque[Any], over: Any, load: Any = (0, 0, 0)) -> Deferred[Any]:
        taken: Deferred[Any] = Deferred()
        self.queue.append((values, taken, over, load))
        self.wake()
        return taken

    def wake(self) -> None:
        if self.waiting and not self.waiting.called:
            self.waiting.callback(None)

    def broken(self, error: Exception) -> Deferred[Any]:
        """Ends behind what came."""
        self.fail(error)
        return fail(error)

    def fail(self, reason: Exception) -> None:
        if self.leave():
            self.append(deque(), reason).addErrback(lambda _: None)

    def leave(self) -> bool:
        """Nothing more comes. Whether something would have."""
        self.there()
        return self.proto is not None and self.proto.streams.pop(self.number, None) is not None

    async def take(self) -> Any:
        """The next item."""
        while not (self.queue or self.over):
            self.waiting = Deferred()
            await self.waiting
        if self.over:
            raise self.over
        values, taken, self.over, load = self.queue[0]
        item, error = values.popleft() if values else (None, self.over)
        if not values:
            self.queue.popleft()
            self.load = [had - now for had, now in zip(self.load, load)]
            taken.callback({})
        if error is not None:
            raise error
        return item

    def stop(self) -> None:
        """Nobody takes anything more."""
        there = self.timer is None or not self.timer.active()
        if self.leave() and there:
            self.proto.callRemote(STOP, stream=self.number)
        self.over = self.over or NoStream("the stream was stopped")
        while self.queue:
            self.queue.popleft()[1].errback(NoStream("the stream was stopped"))
        self.wake()


class Sink:
    """The end that items are sent into. `stopped` fires when nothing more can be sent.

    One that is dropped before it was closed, as when its producer raises, tells the receiver that the end
    is missing.
    """

    def __init__(self, end: Sending | None = None) -> None:
        self.end = end or Sending()
        self.stopped = self.end.stopped

    def send(self, item: Any) -> Deferred[Any]:
        """Fires when there was room for the item: await it before the next one."""
        return self.end.put(False, item)

    def close(self, end: bytes = b"closed", **error: Any) -> Deferred[Any]:
        """Fires when all was taken. It fails with `end=b"failed", code=..., description=...`."""
        return self.end.put(True, {"end": end, **error})

    def __del__(self) -> None:
        self.close(b"dropped").addErrback(lambda _: None)


class Stream:
    """The end that items come out of: `async for item in stream`. An item that cannot be read raises its
    error, and the next one comes behind it. One that is dropped stops its sink."""

    def __init__(self, end: Receiving | None = None) -> None:
        self.end = end or Receiving()

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        return await self.end.take()

    def stop(self) -> None:
        """The sink learns that nobody takes more."""
        self.end.stop()

    __del__ = stop
