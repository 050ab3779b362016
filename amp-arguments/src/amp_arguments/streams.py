"""Streams with back-pressure, as amp-core has them: `class Peer(Streams, amp.AMP)`.

Who sends a `StreamOf` keeps a `Sink`, and who receives it gets a `Stream`. With `SinkOf` it is the
other way round. ARCHITECTURE.md of amp-core has the form on the wire.
"""
from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import connectionDone
from twisted.protocols import amp

if TYPE_CHECKING:
    # What it is mixed into.
    from twisted.protocols.amp import AMP as _Locator
else:
    from twisted.protocols.amp import CommandLocator as _Locator


class NoStream(KeyError):
    """The other end has gone, or was never there."""


def _command(name: str, answered: bool, **keys: amp.Argument) -> Any:
    keys = {"stream": amp.Integer(), **keys}
    return type(name, (amp.Command,), {
        "commandName": name.encode(), "requiresAnswer": answered,
        "arguments": [(key.encode(), argument) for key, argument in keys.items()],
        "errors": {KeyError: b"NO_STREAM"} if answered else {}})


_bytes = amp.String(optional=True)
_Taken = _command("_StreamTaken", False)
_Open = _command("_StreamOpen", False, items=amp.Integer(), bytes=amp.Integer())
_Items = _command("_StreamItems", True, items=_bytes, item=_bytes)
_End = _command("_StreamEnd", True, end=amp.String(), code=_bytes, description=_bytes)
_Stop = _command("_StreamStop", False)


class Sink:
    """The end that items are sent into. `stopped` fires when nothing more can be sent."""
    proto: Any
    number: int
    inner: Any

    def __init__(self) -> None:
        self.queue, self.over, self.stopped = deque(), None, Deferred()  # type: Any, Any, Any
        self.load, self.window = [0, 0], [0, 0]

    def send(self, item: Any) -> Deferred[Any]:
        """Fires when there was room for the item: await it before the next one."""
        return self._put(False, item)

    def close(self, end: bytes = b"closed", **error: Any) -> Deferred[Any]:
        """Fires when all was taken. It fails with `end=b"failed", code=..., description=...`."""
        return self._put(True, {"end": end, **error})

    def _put(self, last: bool, value: Any) -> Deferred[Any]:
        if self.over:
            return fail(self.over)
        done: Deferred[Any] = Deferred()
        self.queue.append((last, value, done))
        self._pump()
        return done

    def _pump(self, _: Any = None, answered: Any = (0, 0)) -> None:
        self.load = [self.load[0] - answered[0], self.load[1] - answered[1]]
        while self.queue and self.window[0] and not self.over:
            last, value, done = self.queue[0]
            if last:
                self.queue.popleft()
                self.proto.callRemote(_End, stream=self.number, **value).chainDeferred(done)
                return self._stop(NoStream("the stream has ended"))
            # What needs the connection is written when its box is sent.
            alone = isinstance(self.inner, amp.Descriptor)
            data = bytes(200) if alone else self.inner.toStringProto(value, self.proto)
            load = [self.load[0] + 1, self.load[1] + 2 + len(data)]
            if self.load[0] and (load[0] > self.window[0] or load[1] > self.window[1]):
                return
            self.load = load
            self.queue.popleft()
            item = {"item": self.inner.toStringProto(value, self.proto)} if alone else {
                "items": len(data).to_bytes(2, "big") + data}
            self.proto.callRemote(_Items, stream=self.number, **item).addCallbacks(
                self._pump, lambda failure: self._stop(failure.value), ((1, 2 + len(data)),))
            done.callback(None)

    def _stop(self, reason: Exception) -> None:
        if not self.over:
            self.over = reason
            self.proto._streams.pop(self.number, None)
            self.stopped.callback(reason)
            for _, _, done in self.queue:
                done.errback(reason)


class Stream:
    """The end that items come out of: `async for item in stream`."""
    proto: Any
    number: int
    inner: Any

    def __init__(self) -> None:
        self.queue, self.over, self.waiting = deque(), None, None  # type: Any, Any, Any

    def _came(self, values: list[Any], over: Any = None) -> Deferred[Any]:
        taken: Deferred[Any] = Deferred()
        self.queue.append((deque(values), taken, over))
        if self.waiting and not self.waiting.called:
            self.waiting.callback(None)
        return taken

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        while not (self.queue or self.over):
            self.waiting = Deferred()
            await self.waiting
        if not self.over:
            values, taken, self.over = self.queue[0]
            item = values.popleft() if values else None
            if not values:
                self.queue.popleft()
                taken.callback({})
        if self.over:
            raise self.over
        return item

    def stop(self) -> None:
        self.over = self.over or NoStream("the stream was stopped")
        if self.proto._streams.pop(self.number, None):
            self.proto._tell(_Stop, self.number)
        while self.queue:
            self.queue.popleft()[1].errback(NoStream("the stream was stopped"))


class StreamOf(amp.Argument):
    wire_form = "StreamOf"
    kept, received = Sink, Stream  # type: Any, Any

    def __init__(self, inner: amp.Argument, optional: bool = False) -> None:
        super().__init__(optional)
        self.inner = inner

    def _bind(self, end: Any, proto: Any, number: int) -> Any:
        end.proto, end.number, end.inner = proto, number, self.inner
        proto._streams[number] = end
        return end

    def toStringProto(self, inObject: Any, proto: Any) -> bytes:
        number = next(proto._numbers) + (self.kept is Stream)
        return b"%d" % self._bind(inObject, proto, number).number

    def fromStringProto(self, inString: bytes, proto: Any) -> Any:
        end = self._bind(self.received(), proto, int(inString))
        proto._tell(_Open if self.received is Stream else _Taken, end.number)
        return end


class SinkOf(StreamOf):
    wire_form = "SinkOf"
    kept, received = Stream, Sink


class Streams(_Locator):
    window = {"items": 1024, "bytes": 256 << 10}

    def makeConnection(self, transport: Any) -> None:
        self._streams, self._numbers = {}, iter(range(0, 1 << 62, 2))  # type: Any, Any
        super().makeConnection(transport)

    def connectionLost(self, reason: Any = connectionDone) -> None:
        super().connectionLost(reason)
        for end in list(self._streams.values()):
            end._stop(reason.value) if isinstance(end, Sink) else end._came([], reason.value)

    def _tell(self, command: Any, number: int) -> dict[str, Any]:
        self.callRemote(command, stream=number, **(self.window if command is _Open else {}))
        return {}

    @_Taken.responder
    def _taken(self, stream: int) -> dict[str, Any]:
        there = isinstance(self._streams.get(stream), Stream)
        return self._tell(_Open if there else _Stop, stream)

    @_Open.responder
    def _open(self, stream: int, items: int, bytes: int) -> dict[str, Any]:
        if isinstance(sink := self._streams.get(stream), Sink):
            sink.window = [items, bytes]
            sink._pump()
        else:
            self.callRemoteString(b"_StreamEnd", False, stream=b"%d" % stream, end=b"dropped")
        return {}

    @_Stop.responder
    def _stop(self, stream: int) -> dict[str, Any]:
        if isinstance(sink := self._streams.get(stream), Sink):
            sink._stop(NoStream("the receiver has dropped the stream"))
        return {}

    @_Items.responder
    def _items(self, stream: int, items: bytes = b"", item: bytes | None = None) -> Any:
        end, values = self._streams[stream], [item] if item is not None else []
        while items:
            values.append(items[2:2 + int.from_bytes(items[:2], "big")])
            items = items[2 + len(values[-1]):]
        values = [end.inner.fromStringProto(value, self) for value in values]
        return end._came(values) if values else {}

    @_End.responder
    def _ended(self, stream: int, end: bytes, code: bytes = b"", description: bytes = b"") -> Any:
        how = {b"closed": StopAsyncIteration(), b"dropped": EOFError("the end is missing")}
        return self._streams.pop(stream)._came([], how.get(end) or amp.RemoteAmpError(code, description.decode()))
