"""Streams in as little as they take, by their form in ARCHITECTURE.md alone: nothing here is of amp-arguments.

What that has beside: items of several keys, that share boxes, or bring descriptors; sinks that are dropped, and ends
that nobody takes.
"""

from collections import deque
from itertools import count

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.protocols import amp

WINDOW = {"items": 64, "bytes": 65536}
NO_STREAM = amp.RemoteAmpError(b"NO_STREAM", "there is no such stream")


class End:
    proto = number = inner = over = None
    items = bytes = 0

    def __init__(self):
        self.waiting, self.window = [], {}

    def count(self, items, bytes):
        self.items, self.bytes = self.items + items, self.bytes + bytes
        self.wake()

    def wake(self):
        waiting, self.waiting = self.waiting, []
        for deferred in waiting:
            deferred.callback(None)

    async def until(self, holds):
        while self.over is None and not holds():
            self.waiting.append(Deferred())
            await self.waiting[-1]

    def end(self, over):
        if self.over is None:
            self.over = over
            del self.proto.ends[type(self), self.number]
            self.wake()


class Sink(End):
    """Await each of its methods before the next one."""

    async def send(self, value):
        await self.until(lambda: self.window.get("items"))
        box, most = amp.AmpBox({b"item": self.inner.toStringProto(value, self.proto)}), self.window
        size = len(box.serialize()) + 128
        if size > most.get("bytes", size):
            raise ValueError(f"an item of {size} bytes is more than {most['bytes']}")
        await self.until(lambda: self.items < min(most["items"], 64) and self.bytes + size <= most["bytes"])
        if self.over is not None:
            raise self.over
        box[b"stream"] = self.number
        self.count(1, size)
        answer = maybeDeferred(self.proto._sendBoxCommand, b"_StreamItems", box)
        answer.addCallbacks(lambda _: self.count(-1, -size), lambda failure: self.end(failure.value))

    async def close(self, end=b"closed", **error):
        await self.until(lambda: self.window)
        if self.over is not None:
            raise self.over
        answer = self.proto.callRemoteString(b"_StreamEnd", stream=self.number, end=end, **error)
        self.end(NO_STREAM)
        await answer


class Stream(End):
    def __init__(self):
        super().__init__()
        self.queue, self.last = deque(), None

    def came(self, box):
        """Answered when all that it brings was taken."""
        boxes, items = ([], box[b"items"]) if b"items" in box else ([box], b"")
        size = len(items or box.serialize())
        while items:
            end = int.from_bytes(items[:2], "big") + 2
            boxes.append({b"item": items[2:end]} if end <= len(items) else self.refuse())
            items = items[end:]
        if self.items + len(boxes) > WINDOW["items"] or self.bytes + size > WINDOW["bytes"]:
            self.refuse()
        answers = [None] * (len(boxes) - 1) + [Deferred()]
        answers[-1].addBoth(lambda result: self.count(-len(boxes), -size) or result)
        self.queue.extend(zip(boxes, answers))
        self.count(len(boxes), size if boxes else 0)
        return answers[-1] if boxes else amp.AmpBox()

    def refuse(self):
        self.end(amp.RemoteAmpError(b"BAD_ITEM", "it is no item, or more than may come ahead"))
        raise self.over

    def ended(self, box):
        error = amp.RemoteAmpError(box.get(b"code", b""), box.get(b"description", b"").decode())
        self.end({b"closed": StopAsyncIteration(), b"failed": error}.get(box[b"end"], EOFError("the end is missing")))
        self.last = Deferred()
        return self.last

    def __aiter__(self):
        return self

    async def __anext__(self):
        await self.until(lambda: self.queue)
        if not self.queue:
            if self.last is not None and not self.last.called:
                self.last.callback(amp.AmpBox())
            raise self.over
        box, answer = self.queue.popleft()
        if answer is not None:
            answer.callback(amp.AmpBox())
        return self.inner.fromStringProto(box[b"item"], self.proto)

    def stop(self):
        if self.over is None:
            self.proto.callRemoteString(b"_StreamStop", False, stream=self.number)
            self.end(NO_STREAM)
        for answer in [*(answer for _, answer in self.queue), self.last]:
            if answer is not None and not answer.called:
                answer.errback(NO_STREAM)
        self.queue.clear()


class StreamOf(amp.Argument):
    """A Sink on the side that sends it, and a Stream on the other one."""

    comes, odd = Stream, 0

    def __init__(self, inner, optional=False):
        super().__init__(optional)
        self.inner = inner

    def bind(self, end, number, proto):
        end.number, end.proto, end.inner = b"%d" % number, proto, self.inner
        if number % 2 != self.odd or proto.ends.setdefault((type(end), end.number), end) is not end:
            raise ValueError(f"{number} is not the number of a new stream")

    def toStringProto(self, end, proto):
        self.bind(end, next(proto.numbers) + self.odd, proto)
        return end.number

    def fromStringProto(self, number, proto):
        end = self.comes()
        self.bind(end, int(number), proto)
        if isinstance(end, Stream):
            proto.open(end)
        else:
            proto.callRemoteString(b"_StreamTaken", False, stream=end.number)
        return end


class SinkOf(StreamOf):
    """A Stream on the side that sends it, and a Sink on the other one."""

    comes, odd = Sink, 1


class Streams(amp.AMP):
    def makeConnection(self, transport):
        self.ends, self.numbers = {}, count(0, 2)
        super().makeConnection(transport)

    def connectionLost(self, reason):
        super().connectionLost(reason)
        for end in [*self.ends.values()]:
            end.end(reason.value)

    def open(self, stream):
        window = {key: b"%d" % most for key, most in WINDOW.items()}
        self.callRemoteString(b"_StreamOpen", False, stream=stream.number, **window)

    def dispatchCommand(self, box):
        if not box[b"_command"].startswith(b"_Stream"):
            return super().dispatchCommand(box)
        done = maybeDeferred(self.streamed, box)
        return done if b"_ask" in box else done.addErrback(lambda _: None)

    def streamed(self, box):
        command, number = box[b"_command"], box[b"stream"]
        sink, stream = self.ends.get((Sink, number)), self.ends.get((Stream, number))
        if command == b"_StreamTaken":
            self.open(stream) if stream else self.callRemoteString(b"_StreamStop", False, stream=number)
        elif command == b"_StreamOpen" and sink is None:
            self.callRemoteString(b"_StreamEnd", False, stream=number, end=b"dropped")
        elif command == b"_StreamOpen":
            sink.window = {key: int(box[key.encode()]) for key in WINDOW}
            sink.wake()
        elif command == b"_StreamStop":
            sink is None or sink.end(NO_STREAM)
        elif stream is None:
            raise NO_STREAM
        else:
            return stream.came(box) if command == b"_StreamItems" else stream.ended(box)
        return amp.AmpBox()
