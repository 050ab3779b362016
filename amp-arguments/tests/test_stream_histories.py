"""Histories of streams between two peers at random, in which each byte comes some time."""

import gc
import os
import random
import unittest

from amp_arguments import Continued, ListOf
from amp_arguments.streams import NoStream, Sink, SinkOf, Stream, StreamOf, Streams
from test_stream_descriptors import Unix
from test_streams import Time
from twisted.internet.error import ConnectionDone
from twisted.logger import globalLogPublisher
from twisted.protocols import amp
from twisted.python.failure import Failure

KINDS = {
    "numbers": (amp.Integer(), lambda random, n: n),
    "bytes": (amp.String(), lambda random, n: b"%d " % n + bytes(random.choice((0, 5, 300, 5000)))),
    "large": (Continued(amp.String()), lambda random, n: b"%d " % n + bytes(random.choice((0, 400, 7000)))),
    "files": (ListOf(amp.Descriptor()), None),
}


# How a stream ends, and what its reader has of that.
ENDS = {"closed": StopAsyncIteration, "failed": amp.RemoteAmpError, "dropped": EOFError}


def over(failure):
    """Whoever sends learns why nobody takes more."""
    failure.trap(NoStream, ConnectionDone)


class Bring(amp.Command):
    """A stream or a sink of one kind, with its name."""

    arguments = [(b"name", amp.Integer())] + [
        argument
        for kind, (inner, _) in KINDS.items()
        for argument in (
            (b"stream_%s" % kind.encode(), StreamOf(inner, optional=True)),
            (b"sink_%s" % kind.encode(), SinkOf(inner, optional=True)),
        )
    ]


class Peer(Streams, amp.AMP):
    def __init__(self):
        super().__init__()
        self.came = {}

    @Bring.responder
    def bring(self, name, **ends):
        (self.came[name],) = [end for end in ends.values() if end is not None]
        return {}


class Reader:
    """What has come out of one stream."""

    def __init__(self, stream):
        self.stream, self.items, self.end, self.waits = stream, [], None, False

    def take(self):
        if not self.waits and self.end is None:
            self.waits = True
            self.stream.__anext__().addCallbacks(self.took, self.over)

    def took(self, item):
        self.waits = False
        self.items.append(item)

    def over(self, failure):
        self.waits, self.end = False, failure.value


class Histories(unittest.TestCase):
    def test_items_come_in_order_and_none_is_lost(self):
        for seed in range(40):
            with self.subTest(seed=seed):
                self.history(random.Random(seed))

    def keep(self, descriptor):
        return descriptor

    def setUp(self):
        self.errors = []

        def observe(event):
            if "log_failure" in event:
                self.errors.append(event["log_failure"])

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def history(self, random):
        before = len(os.listdir("/proc/self/fd"))
        null = os.open(os.devnull, os.O_RDONLY)
        clock = Time()
        self.near, self.far = Peer(), Peer()
        for peer in (self.near, self.far):
            peer.stream_window = {"items": random.choice((1, 3, 40)), "bytes": random.choice((8000, 20_000))}
            peer.stream_clock = clock
            peer.makeConnection(Unix(self))
        on_the_way = {self.near: b"", self.far: b""}

        def deliver(whole=False):
            moved = False
            for here, there in ((self.near, self.far), (self.far, self.near)):
                on_the_way[there] += here.transport.value()
                here.transport.clear()
                data = on_the_way[there]
                size = len(data) if whole else random.randrange(len(data) + 1)
                on_the_way[there] = data[size:]
                if size:
                    there.dataReceived(data[:size])
                    moved = True
            clock.advance(0)
            return moved

        # By their names: kinds, what was sent, and the ends that are kept, whose other ends come with calls.
        kinds, sent, kept_by = {}, {}, {}
        for name in range(6):
            here, there = random.sample((self.near, self.far), 2)
            kind = random.choice([*KINDS])
            kept = random.choice((Sink, Stream))()
            way = "stream" if isinstance(kept, Sink) else "sink"
            here.callRemote(Bring, name=name, **{f"{way}_{kind}": kept})
            kinds[name], sent[name], kept_by[name] = kind, [], (there, kept)
        while deliver(whole=True):
            pass
        sinks, readers = {}, {}
        for name, (there, kept) in kept_by.items():
            came = there.came.pop(name)
            sinks[name], stream = (kept, came) if isinstance(kept, Sink) else (came, kept)
            readers[name] = Reader(stream)
        # A sink is dropped when none of these has it.
        del kept_by, kept, came, stream
        closed, stopped = {}, set()

        def send(name):
            _, make = KINDS[kinds[name]]
            item = [null] * random.randrange(1, 5) if make is None else make(random, len(sent[name]))
            sent[name].append(item)
            sinks[name].send(item).addErrback(over)

        def end(name, how):
            closed[name] = how
            if how == "dropped":
                del sinks[name]
            else:
                error = {"code": b"FIRE"} if how == "failed" else {}
                sinks[name].close(end=how.encode(), **error).addErrback(over)

        for _ in range(300):
            name = random.randrange(6)
            do = random.random()
            if do < 0.4 and name in sinks and name not in closed:
                for _ in range(random.choice((1, 1, 30))):
                    send(name)
            elif do < 0.7 and name in readers:
                readers[name].take()
            elif do < 0.705 and name in sinks and name not in closed:
                end(name, random.choice([*ENDS]))
            elif do < 0.708 and name in readers and name not in stopped:
                stopped.add(name)
                readers[name].stream.stop()
            else:
                deliver()
        lost = random.random() < 0.3
        if lost:
            for peer in (self.near, self.far):
                peer.connectionLost(Failure(ConnectionDone()))
        # Somebody takes all that there is.
        for name in [*sinks]:
            if name not in closed:
                end(name, "closed")
        for _ in range(100_000):
            for reader in readers.values():
                reader.take()
            if not (lost or deliver(whole=True)) and all(reader.end is not None for reader in readers.values()):
                break
        for name, reader in readers.items():
            expected = ENDS[closed[name]] if name not in stopped and not lost else Exception
            self.assertIsInstance(reader.end, expected)
            items = sent[name]
            if kinds[name] == "files":
                self.assertEqual(list(map(len, reader.items)), list(map(len, items[: len(reader.items)])))
                for item in reader.items:
                    for descriptor in item:
                        os.close(descriptor)
            else:
                self.assertEqual(reader.items, items[: len(reader.items)])
            if name not in stopped and not lost:
                self.assertEqual(len(reader.items), len(items))
        for peer in (self.near, self.far):
            streams = peer._amp_streams
            left = streams.all, streams.files, streams.copies, peer._descriptors, streams.sent
            self.assertEqual(left, ({}, 0, [], {}, []))
            if not lost:
                peer.connectionLost(Failure(ConnectionDone()))
        self.assertFalse(clock.getDelayedCalls())
        os.close(null)
        gc.collect()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        self.assertEqual(self.errors, [])


if __name__ == "__main__":
    unittest.main()
