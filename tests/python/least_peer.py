"""Sends and receives streams by `least_streams`.

    python least_peer.py --listen unix:PATH

Prints `listening PATH` once it accepts connections.
"""

from least_streams import Sink, SinkOf, Stream, StreamOf, Streams
from listening import listen
from twisted.internet import defer
from twisted.protocols import amp

NUMBERS = StreamOf(amp.Integer())


class Count(amp.Command):
    arguments = [(b"to", amp.Integer()), (b"how", amp.Unicode())]
    response = [(b"numbers", NUMBERS)]


class Sum(amp.Command):
    arguments = [(b"numbers", NUMBERS)]
    response = [(b"total", amp.Integer()), (b"error", amp.Unicode())]


class Work(amp.Command):
    arguments = [(b"progress", SinkOf(amp.Integer()))]
    response = [(b"done", amp.Integer())]


class Drive(amp.Command):
    """Calls each of these at the caller."""

    response = [(b"said", amp.Unicode())]


async def count_up(sink, to, how):
    try:
        for n in range(to):
            await sink.send(n)
        if how == "failed":
            await sink.close(b"failed", code=b"FIRE", description=b"it burns")
        else:
            await sink.close()
    except amp.RemoteAmpError:
        # Nobody wants more.
        pass


class Peer(Streams):
    @Count.responder
    def count(self, to, how):
        sink = Sink()
        defer.ensureDeferred(count_up(sink, to, how))
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
        except amp.RemoteAmpError:
            return {"done": done}

    @Drive.responder
    async def drive(self):
        said = []
        numbers = (await self.callRemote(Count, to=5000, how="closed"))["numbers"]
        said.append(sum([n async for n in numbers]))
        sink = Sink()
        call = self.callRemote(Sum, numbers=sink)
        await count_up(sink, 5000, "failed")
        answer = await call
        said += [answer["total"], answer["error"]]
        progress = Stream()
        call = self.callRemote(Work, progress=progress)
        async for n in progress:
            if n == 3000:
                progress.stop()
                break
        said.append((await call)["done"] >= 3000)
        numbers = (await self.callRemote(Count, to=10, how="dropped"))["numbers"]
        try:
            said.append([n async for n in numbers])
        except EOFError as error:
            said.append(error)
        return {"said": "\n".join(map(str, said))}


if __name__ == "__main__":
    listen(Peer)
