"""Sends and receives streams, by the mixin of amp-arguments.

    python streams.py --listen unix:PATH

Prints `listening PATH` once it accepts connections.
"""

import itertools
import os
import random
import tempfile

from amp_arguments.streams import NoStream, Sink, SinkOf, Stream, StreamOf, Streams
from listening import listen
from twisted.internet import defer
from twisted.protocols import amp

NUMBERS = StreamOf(amp.Integer())


class Count(amp.Command):
    """Sends the numbers below `to`, and then ends as it is told."""

    arguments = [(b"to", amp.Integer()), (b"how", amp.Unicode())]
    response = [(b"numbers", NUMBERS)]


class Sum(amp.Command):
    arguments = [(b"numbers", NUMBERS)]
    response = [(b"total", amp.Integer()), (b"error", amp.Unicode())]


class Work(amp.Command):
    """Says how far it has come, until nobody wants to know."""

    arguments = [(b"progress", SinkOf(amp.Integer()))]
    response = [(b"done", amp.Integer())]


class Feed(amp.Command):
    """Reads the bytes that are sent into the sink, but only the first `most`."""

    arguments = [(b"most", amp.Integer())]
    response = [(b"into", SinkOf(amp.String()))]


class Fed(amp.Command):
    response = [(b"len", amp.Integer())]


class Pushed(amp.Command):
    """How many numbers the last `Count` has got rid of."""

    response = [(b"len", amp.Integer())]


class Hold(amp.Command):
    """Takes nothing out of the stream, until it is to be summed up."""

    arguments = [(b"numbers", NUMBERS)]


class Release(amp.Command):
    response = [(b"total", amp.Integer())]


class Echo(amp.Command):
    """Sends all bytes back."""

    arguments = [(b"bytes", StreamOf(amp.String()))]
    response = [(b"back", StreamOf(amp.String()))]


class ReadAll(amp.Command):
    arguments = [(b"files", StreamOf(amp.Descriptor()))]
    response = [(b"into", StreamOf(amp.String()))]


class TakeOne(amp.Command):
    """Takes the first descriptor, and no other."""

    arguments = [(b"files", StreamOf(amp.Descriptor()))]


class Opened(amp.Command):
    """How many descriptors the program has."""

    response = [(b"len", amp.Integer())]


class Drive(amp.Command):
    """Calls each of these at the caller."""

    response = [(b"said", amp.Unicode())]


class Peer(Streams, amp.AMP):
    @Count.responder
    def count(self, to, how):
        sink, self.pushed = Sink(), 0

        async def send():
            try:
                for n in range(to):
                    await sink.send(n)
                    self.pushed += 1
                if how == "closed":
                    await sink.close()
                elif how == "failed":
                    await sink.close(end=b"failed", code=b"FIRE", description=b"it burns")
            except NoStream:
                pass

        defer.ensureDeferred(send())
        return {"numbers": sink}

    @Pushed.responder
    def how_many(self):
        return {"len": self.pushed}

    @Hold.responder
    def hold(self, numbers):
        self.held = numbers
        return {}

    @Release.responder
    async def release(self):
        held, self.held = self.held, None
        return {"total": sum([n async for n in held])}

    @Echo.responder
    def echo(self, bytes):
        sink = Sink()

        async def copy():
            async for piece in bytes:
                await sink.send(piece)
            await sink.close()

        defer.ensureDeferred(copy())
        return {"back": sink}

    @Sum.responder
    async def sum(self, numbers):
        total = 0
        try:
            async for number in numbers:
                total += number
        except (EOFError, amp.RemoteAmpError) as error:
            return {"total": total, "error": str(error)}
        return {"total": total, "error": ""}

    @Work.responder
    async def work(self, progress):
        done = 0
        try:
            while True:
                await progress.send(done)
                done += 1
        except NoStream:
            return {"done": done}

    @Feed.responder
    def feed(self, most):
        stream, self.fed = Stream(), 0

        async def read():
            async for piece in stream:
                self.fed += len(piece)
                if self.fed >= most:
                    stream.stop()
                    return

        defer.ensureDeferred(read())
        return {"into": stream}

    @Fed.responder
    def how_much(self):
        return {"len": self.fed}

    @ReadAll.responder
    def read_all(self, files):
        sink = Sink()

        async def read():
            async for file in files:
                await sink.send(os.pread(file, 100, 0))
                os.close(file)
            await sink.close()

        defer.ensureDeferred(read())
        return {"into": sink}

    @TakeOne.responder
    def take_one(self, files):
        async def take():
            async for file in files:
                os.close(file)
                files.stop()
                break

        defer.ensureDeferred(take())
        return {}

    @Opened.responder
    def opened(self):
        return {"len": len(os.listdir("/proc/self/fd"))}

    @Drive.responder
    async def drive(self):
        said = []
        numbers = (await self.callRemote(Count, to=5000, how="closed"))["numbers"]
        said.append(sum([n async for n in numbers]))
        sink = Sink()
        call = self.callRemote(Sum, numbers=sink)
        for n in range(5000):
            await sink.send(n)
        await sink.close()
        said.append((await call)["total"])
        progress = Stream()
        call = self.callRemote(Work, progress=progress)
        async for n in progress:
            if n == 3000:
                progress.stop()
                break
        said.append((await call)["done"] >= 3000)
        into = (await self.callRemote(Feed, most=100_000))["into"]
        try:
            while True:
                await into.send(bytes(1000))
        except NoStream as error:
            said.append(error.description)
        for how in ("failed", "dropped"):
            numbers, count = (await self.callRemote(Count, to=10, how=how))["numbers"], 0
            try:
                async for _ in numbers:
                    count += 1
            except (EOFError, amp.RemoteAmpError) as error:
                said.append(f"{error} after {count}")
            said.append((await self.sum_up(how))["error"])
        said.append(await self.same_bytes())
        said.append(await self.read_files())
        return {"said": "\n".join(map(str, said))}

    async def sum_up(self, how):
        sink = Sink()
        call = self.callRemote(Sum, numbers=sink)
        for n in range(10):
            await sink.send(n)
        if how == "failed":
            await sink.close(end=b"failed", code=b"FIRE", description=b"it burns")
        del sink
        return await call

    async def same_bytes(self):
        """Whether megabytes come back as they were sent, in pieces of other sizes."""
        data = random.Random(7).randbytes(8_000_000)
        sink, at = Sink(), 0
        back = (await self.callRemote(Echo, bytes=sink))["back"]

        async def send():
            for size in itertools.cycle((1, 70, 4000, 65_535, 50_000, 0)):
                nonlocal at
                if at >= len(data):
                    break
                await sink.send(data[at : at + size])
                at += size
            await sink.close()

        sending = defer.ensureDeferred(send())
        pieces = [piece async for piece in back]
        await sending
        return b"".join(pieces) == data

    async def read_files(self):
        """What is in files whose descriptors go over."""
        sink, texts = Sink(), []
        into = (await self.callRemote(ReadAll, files=sink))["into"]

        async def send():
            for n in range(50):
                with tempfile.TemporaryFile() as file:
                    file.write(b"%d" % n)
                    file.flush()
                    await sink.send(file.fileno())
            await sink.close()

        sending = defer.ensureDeferred(send())
        texts = [int(text) async for text in into]
        await sending
        return texts == list(range(50))


if __name__ == "__main__":
    listen(Peer)
