"""Sends and receives streams, by the mixin of amp-arguments.

    python streams.py --listen unix:PATH

Prints `listening PATH` once it accepts connections.
"""

import argparse
import os

from amp_arguments.streams import Sink, SinkOf, Stream, StreamOf, Streams
from twisted.internet import defer, protocol, reactor
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


class ReadAll(amp.Command):
    arguments = [(b"files", StreamOf(amp.Descriptor()))]
    response = [(b"into", StreamOf(amp.String()))]


class Drive(amp.Command):
    """Calls each of these at the caller."""

    response = [(b"said", amp.Unicode())]


class Peer(Streams, amp.AMP):
    @Count.responder
    def count(self, to, how):
        sink = Sink()

        async def send():
            try:
                for n in range(to):
                    await sink.send(n)
                if how == "closed":
                    await sink.close()
                elif how == "failed":
                    await sink.close(end=b"failed", code=b"FIRE", description=b"it burns")
            except KeyError:
                pass

        # The number is given out when the answer is written.
        reactor.callLater(0, lambda: defer.ensureDeferred(send()))
        return {"numbers": sink}

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
        except KeyError:
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

        reactor.callLater(0, lambda: defer.ensureDeferred(read()))
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

        reactor.callLater(0, lambda: defer.ensureDeferred(read()))
        return {"into": sink}

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
        except KeyError as error:
            said.append(error.args[0])
        return {"said": repr(said)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    path = parser.parse_args().listen.partition(":")[2]
    reactor.listenUNIX(path, protocol.Factory.forProtocol(Peer))
    print("listening", path, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
