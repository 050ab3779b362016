"""Streams between two protocols, of which one may be anybody: what comes is put into its box by hand.

    python -m unittest discover amp-arguments/tests
"""

import gc
import unittest
from unittest import mock

from amp_arguments.streams import BadItem, NoStream, Sink, SinkOf, Stream, StreamOf, Streams
from twisted.internet.defer import ensureDeferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols import amp
from twisted.python.failure import Failure

NUMBERS = StreamOf(amp.Integer())


class Get(amp.Command):
    response = [(b"numbers", NUMBERS)]


class Put(amp.Command):
    arguments = [(b"numbers", NUMBERS)]


class Work(amp.Command):
    arguments = [(b"progress", SinkOf(amp.Integer()))]


class Peer(Streams, amp.AMP):
    window = {"items": 10, "bytes": 1000}
    stream = sink = made = None

    @Get.responder
    def get(self):
        self.sink, sink = Sink(), self.sink
        return {"numbers": self.sink}

    @Put.responder
    def put(self, numbers):
        self.stream = numbers
        return {}

    @Work.responder
    def work(self, progress):
        self.sink = progress
        return {}


def all_of(stream):
    """What has come of a stream so far, and the error that has ended it."""
    came = []

    async def read():
        try:
            async for item in stream:
                came.append(item)
        except Exception as error:
            came.append(error)
        else:
            came.append(None)

    ensureDeferred(read())
    return came


class Case(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        patch = mock.patch("amp_arguments._stream_ends._later", self.clock)
        patch.start()
        self.addCleanup(patch.stop)
        self.near, self.far = Peer(), Peer()
        for peer in (self.near, self.far):
            peer.makeConnection(StringTransport())

    def run_both(self):
        """Until neither has anything to say."""
        moved = True
        while moved:
            self.clock.advance(0)
            moved = False
            for here, there in ((self.near, self.far), (self.far, self.near)):
                data = here.transport.value()
                here.transport.clear()
                if data:
                    there.dataReceived(data)
                    moved = True

    def call(self, command, **arguments):
        """Calls the far side, to the end."""
        result = []
        self.near.callRemote(command, **arguments).addBoth(result.append)
        self.run_both()
        return result[0] if result else None

    def raw(self, command, **arguments):
        """The answer to a call that is put together by hand, and None if there is none yet."""
        result = []
        arguments = {key: value if isinstance(value, bytes) else b"%d" % value for key, value in arguments.items()}
        call = self.near.callRemoteString(command.encode(), True, **arguments)
        call.addCallbacks(lambda box: result.append(dict(box)), lambda failure: result.append(failure.value))
        self.run_both()
        return result[0] if result else None

    def code(self, command, **arguments):
        error = self.raw(command, **arguments)
        self.assertIsInstance(error, amp.RemoteAmpError, error)
        return error.errorCode


class BothWays(Case):
    def test_both_sides_give_out_the_same_numbers(self):
        received = self.call(Get)["numbers"]
        own = Sink()
        self.call(Put, numbers=own)
        own_progress, theirs = Stream(), self.far.sink
        self.call(Work, progress=own_progress)
        progress = self.far.sink
        came = [all_of(stream) for stream in (received, self.far.stream, own_progress)]
        for n in range(100):
            for sink in (theirs, own, progress):
                sink.send(n)
            self.run_both()
        for sink in (theirs, own, progress):
            sink.close()
        self.run_both()
        self.assertEqual(came, [[*range(100), None]] * 3)
        self.assertFalse(self.near.sinks or self.near.streams or self.far.sinks or self.far.streams)

    def test_small_items_share_boxes_and_the_window_holds(self):
        numbers = self.call(Get)["numbers"]
        sent = [self.far.sink.send(n) for n in range(50)]
        boxes = mock.Mock(wraps=self.near.ampBoxReceived)
        with mock.patch.object(self.near, "ampBoxReceived", boxes):
            self.run_both()
        self.assertEqual(sum(done.called for done in sent), 10)
        self.assertLess(boxes.call_count, 8)
        came = all_of(numbers)
        self.run_both()
        self.assertEqual(came, [*range(50)])
        numbers.stop()

    def test_an_item_that_cannot_be_written_costs_no_other(self):
        numbers = self.call(Get)["numbers"]
        came, failed = all_of(numbers), []
        for value in (1, "x", 10 ** 70_000, 2):
            self.far.sink.send(value).addErrback(failed.append)
        self.far.sink.close()
        self.run_both()
        self.assertEqual((came, len(failed)), ([1, 2, None], 2))

    def test_a_sink_or_a_stream_that_is_dropped_says_so(self):
        numbers = self.call(Get)["numbers"]
        came = all_of(numbers)

        async def produce(sink):
            await sink.send(1)
            raise ValueError("as a producer may")

        sink, self.far.sink = self.far.sink, None
        ensureDeferred(produce(sink)).addErrback(lambda _: None)
        del sink
        gc.collect()
        self.run_both()
        self.assertEqual(came[0], 1)
        self.assertIsInstance(came[1], EOFError)
        self.call(Get)
        gc.collect()
        self.run_both()
        self.assertTrue(self.far.sink.stopped.called)

    def test_what_nobody_takes_ends(self):
        sink = Sink()
        waiting = sink.send(1)
        self.near.callRemote(Put, numbers=sink)
        self.near.transport.clear()
        failed = []
        waiting.addErrback(lambda failure: failed.append(failure.value))
        self.clock.advance(61)
        self.assertIsInstance(failed[0], NoStream)
        # A call that fails has told so.
        class Other(amp.Command):
            arguments = [(b"numbers", NUMBERS)]
        sink = Sink()
        self.call(Other, numbers=sink)
        self.assertTrue(sink.stopped.called)
        self.assertFalse(self.near.sinks)

    def test_the_end_of_the_connection_ends_all(self):
        numbers, own = self.call(Get)["numbers"], Sink()
        self.call(Put, numbers=own)
        came, stopped = [all_of(numbers), all_of(self.far.stream)], self.far.sink.stopped
        for peer in (self.near, self.far):
            peer.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(all(isinstance(ended[0], ConnectionDone) for ended in came), came)
        self.assertTrue(own.stopped.called and stopped.called)


class Hostile(Case):
    def setUp(self):
        super().setUp()
        # It says yes to all.
        self.near = amp.AMP()
        self.near.locateResponder = lambda name: lambda box: succeed(amp.AmpBox())
        self.near.makeConnection(StringTransport())

    def open(self):
        self.raw("Put", numbers=0)
        return self.far.stream

    def test_ends_that_are_none(self):
        stream = self.open()
        self.assertEqual(self.code("_StreamEnd", stream=0, end=b"other"), b"NO_STREAM")
        self.assertEqual(self.code("_StreamEnd", stream=2, end=b"closed"), b"NO_STREAM")
        came = all_of(stream)
        self.raw("_StreamEnd", stream=0, end=b"failed", code=b"X", description=b"caf\xe9")
        self.assertIsInstance(came[0], amp.RemoteAmpError)
        # That of a sink is no stream.
        self.raw("Get")
        self.raw("_StreamOpen", stream=0, items=5, bytes=50)
        self.assertEqual(self.code("_StreamEnd", stream=0, end=b"closed"), b"NO_STREAM")
        self.assertTrue(self.far.sink.send(7).called)
        self.raw("_StreamStop", stream=0)
        self.assertTrue(self.far.sink.stopped.called)

    def test_no_more_comes_than_may(self):
        for first, over in (
            (b"\0\0011" * 10, b"\0\0011"), (b"\0\0011", b"\0\xc8" + b"9" * 200),
        ):
            self.far.window = {"items": 10, "bytes": 100}
            stream = self.open()
            self.assertIsNone(self.raw("_StreamItems", stream=0, items=first))
            self.assertEqual(self.code("_StreamItems", stream=0, items=over), b"BAD_ITEM")
            self.assertEqual(self.code("_StreamItems", stream=0, items=b"\0\0011"), b"NO_STREAM")
            came = all_of(stream)
            self.assertEqual(came[0], 1)
            self.assertIsInstance(came[-1], BadItem)
            self.run_both()

    def test_lists_that_end_within_an_item(self):
        for wrong in (b"\0", b"\0\x09ab", b"\0\0011\xff\xff"):
            stream = self.open()
            self.assertEqual(self.code("_StreamItems", stream=0, items=wrong), b"BAD_ITEM")
            self.assertIsInstance(all_of(stream)[0], BadItem)
        # One that can be told from the others is left out.
        stream = self.open()
        self.raw("_StreamItems", stream=0, items=b"\0\0011\0\001x\0\0012")
        came = all_of(stream)
        self.assertEqual((came[0], type(came[1])), (1, ValueError))
        self.assertEqual(all_of(stream), [2])
        self.run_both()
        stream.stop()

    def test_numbers_that_are_none(self):
        self.open()
        for number in (0, -2, 1):
            self.code("Put", numbers=number)
        self.code("Work", progress=2)
        for number in range(2, 512, 2):
            self.raw("Put", numbers=number)
        self.assertEqual(len(self.far.streams), 1, "those that are dropped are stopped")


if __name__ == "__main__":
    unittest.main()
