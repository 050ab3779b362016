"""Streams between two protocols, of which one may be anybody: what comes is put into its box by hand.

    python -m unittest discover amp-arguments/tests
"""

import gc
import io
import re
import threading
import unittest
from pathlib import Path
from unittest import mock

from amp_arguments import Continued, Numbered
from amp_arguments.streams import NoStream, Sink, SinkOf, Stream, StreamOf, Streams
from twisted.internet.defer import CancelledError, ensureDeferred, maybeDeferred
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


class Time(Clock):
    """A clock that is called from other threads, as a reactor is."""

    def callFromThread(self, call, *arguments):
        self.callLater(0, call, *arguments)


class Peer(Streams, amp.AMP):
    stream_window = {"items": 10, "bytes": 1000}
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


def answering(answer=amp.AmpBox):
    """A peer that knows no streams, and says yes to all."""
    peer = amp.AMP()
    peer.called = []

    def respond(name):
        peer.called.append(name)
        return lambda box: maybeDeferred(answer)

    peer.locateResponder = respond
    return peer


class Case(unittest.TestCase):
    def setUp(self):
        self.clock = Time()
        self.connect(Peer(), Peer())

    def connect(self, near, far):
        self.near, self.far = near, far
        for peer in (near, far):
            peer.stream_clock = self.clock
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
        self.assertFalse(self.near._amp_streams.all or self.far._amp_streams.all)

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

    def test_a_sink_is_dropped_although_its_call_waits(self):
        class Sum(amp.Command):
            arguments = [(b"numbers", NUMBERS)]
            response = [(b"total", amp.Integer())]

        class Far(Peer):
            @Sum.responder
            async def sum(self, numbers):
                total = 0
                try:
                    async for number in numbers:
                        total += number
                except EOFError:
                    return {"total": total}

        self.connect(Peer(), Far())
        sink, answers = Sink(), []
        self.near.callRemote(Sum, numbers=sink).addBoth(answers.append)
        sink.send(7)
        self.run_both()
        self.assertFalse(answers)
        del sink
        self.run_both()
        self.assertEqual(answers, [{"total": 7}])
        failed = []
        self.near.callRemote(Sum).addErrback(lambda failure: failed.append(failure.type))
        self.assertEqual(failed, [amp.InvalidSignature])

    def test_an_end_that_cannot_be_written_is_none(self):
        numbers = self.call(Get)["numbers"]
        came, failed = all_of(numbers), []
        for error in ({"description": "text"}, {"description": bytes(70_000)}):
            self.far.sink.close(end=b"failed", **error).addErrback(lambda failure: failed.append(failure.type))
        self.far.sink.send(1)
        self.far.sink.close(end=b"failed", code=b"FIRE", description=bytes(60_000))
        self.run_both()
        self.assertEqual(failed, [TypeError, amp.TooLong])
        self.assertEqual((came[0], came[1].errorCode, len(came[1].description)), (1, b"FIRE", 60_000))

    def test_what_nobody_takes_ends_when_its_call_is_over(self):
        class Other(amp.Command):
            arguments = [(b"numbers", NUMBERS)]

        sink, failed = Sink(), []
        sink.send(1).addErrback(lambda failure: failed.append(failure.value))
        self.call(Other, numbers=sink)
        self.assertIsInstance(failed[0], NoStream)
        self.assertTrue(sink.stopped.called)
        self.assertFalse(self.near._amp_streams.all)
        # So it is with one that cannot be written.
        class Both(amp.Command):
            arguments = [(b"numbers", NUMBERS), (b"n", amp.Integer())]

        sink = Sink()
        with self.assertRaises(TypeError):
            self.near.callRemote(Both, numbers=sink, n="x")
        self.assertTrue(sink.stopped.called)
        self.assertFalse(self.near._amp_streams.all)
        # One that says nothing of streams, and yet answers.
        self.connect(Peer(), answering())
        sink = Sink()
        self.call(Put, numbers=sink)
        self.assertTrue(sink.stopped.called)

    def test_a_call_may_wait_for_longer_than_a_minute(self):
        sink = Sink()
        sent = sink.send(1)
        answers = []
        self.near.callRemote(Put, numbers=sink).addBoth(answers.append)
        self.clock.advance(61)
        self.run_both()
        self.assertEqual(answers, [{}])
        self.assertTrue(sent.called)
        self.clock.advance(61)
        came = all_of(self.far.stream)
        sink.close()
        self.run_both()
        self.assertEqual(came, [1, None])

    def test_a_stream_in_a_stream_may_wait_for_longer_than_a_minute(self):
        class GetMany(amp.Command):
            response = [(b"many", StreamOf(NUMBERS))]

        class Many(Peer):
            stream_window = {"items": 1, "bytes": 1000}

            @GetMany.responder
            def get_many(self):
                self.sink, sink = Sink(), self.sink
                return {"many": self.sink}

        self.connect(Many(), Many())
        many = self.call(GetMany)["many"]
        inner = [Sink() for _ in range(3)]
        for sink in inner:
            self.far.sink.send(sink)
        self.run_both()
        self.clock.advance(61)
        self.run_both()
        self.assertFalse(any(sink.stopped.called for sink in inner))
        streams = all_of(many)
        self.run_both()
        self.assertEqual(len(streams), 3)
        came = [all_of(stream) for stream in streams]
        for n, sink in enumerate(inner):
            sink.send(n)
            sink.close()
        self.run_both()
        self.assertEqual(came, [[0, None], [1, None], [2, None]])
        # Where who takes it has dropped what it came in, it is over with its call.
        unread = [Sink() for _ in range(2)]
        for sink in unread:
            self.far.sink.send(sink)
        many.stop()
        self.run_both()
        self.assertTrue(all(sink.stopped.called for sink in unread[:1]))

    def test_what_an_answer_brings_is_taken_within_a_minute(self):
        self.connect(answering(), Peer())
        self.raw("Get")
        self.clock.advance(59)
        self.assertFalse(self.far.sink.stopped.called)
        self.clock.advance(1)
        self.assertTrue(self.far.sink.stopped.called)
        self.assertFalse(self.far._amp_streams.all)
        # And no time is kept for what is taken, or over.
        self.raw("Get")
        self.raw("_StreamOpen", stream=2, items=5, bytes=50)
        self.raw("Get")
        self.far.connectionLost(Failure(ConnectionDone()))
        self.assertFalse(self.clock.getDelayedCalls())

    def test_arguments_of_several_keys(self):
        large = "x" * 100_000
        for argument, values in (
            (Numbered(amp.Unicode()), ["", "hello", large]), (Continued(amp.Unicode()), ["", "hello", large]),
            (amp.Integer(optional=True), [1, None, 2]),
        ):
            class Take(amp.Command):
                arguments = [(b"stream", StreamOf(argument))]

            class Taker(Peer):
                stream_window = {"items": 10, "bytes": 256 << 10}

                @Take.responder
                def take(self, stream):
                    self.stream = stream
                    return {}

            self.connect(Taker(), Taker())
            sink = Sink()
            self.call(Take, stream=sink)
            sent = [sink.send(value) for value in values]
            sink.close()
            came = all_of(self.far.stream)
            self.run_both()
            self.assertEqual([done.result for done in sent], [None] * 3)
            self.assertEqual(came, [*values, None])

    def test_items_alone_count_what_their_boxes_weigh(self):
        class Take(amp.Command):
            arguments = [(b"stream", StreamOf(amp.String()))]

        class Taker(Peer):
            stream_window = {"items": 1024, "bytes": 256 << 10}
            most = unanswered = 0

            @Take.responder
            def take(self, stream):
                self.stream = stream
                return {}

            def ampBoxReceived(self, box):
                if box.get(b"_command") == b"_StreamItems":
                    self.unanswered += len(box.serialize())
                super().ampBoxReceived(box)

        for length in range(65_400, 65_536):
            self.connect(Taker(), Taker())
            sink = Sink()
            self.call(Take, stream=sink)
            for _ in range(8):
                sink.send(bytes(length))
            self.run_both()
            self.assertIsNone(sink._end.over)
            self.assertIn(self.far.unanswered // length, (3, 4))
            self.assertLessEqual(self.far.unanswered, (256 << 10) + 4 * 128)
            # Its weight is bounded only where it goes alone.
            if length > 65_533:
                self.assertLessEqual(self.far.unanswered, 256 << 10)
            self.far.stream.stop()
        # Nor does one go that is more than may come.
        Taker.stream_window = {"items": 256, "bytes": 64 << 10}
        self.connect(Taker(), Taker())
        sink, failed = Sink(), []
        self.call(Take, stream=sink)
        sink.send(bytes(65_534)).addErrback(lambda failure: failed.append(failure.value))
        sink.send(b"x")
        sink.close()
        came = all_of(self.far.stream)
        self.run_both()
        self.assertEqual((came, type(failed[0])), ([b"x", None], ValueError))

    def test_several_readers_have_one_item_each(self):
        numbers = self.call(Get)["numbers"]
        came = []

        async def one():
            came.append(await numbers.__anext__())

        readers = [ensureDeferred(one()) for _ in range(4)]
        readers[1].addErrback(lambda failure: failure.trap(CancelledError))
        readers[1].cancel()
        self.far.sink.send(1)
        self.run_both()
        self.far.sink.send(2)
        self.run_both()
        self.assertEqual(came, [1, 2])
        self.far.sink.close()
        self.run_both()
        self.assertEqual([type(reader.result.value) for reader in readers[3:]], [StopAsyncIteration])
        readers[3].addErrback(lambda _: None)

    def test_rubbish_is_collected_in_other_threads(self):
        numbers, where = self.call(Get)["numbers"], []
        came = all_of(numbers)

        class Cycle:
            pass

        cycle = Cycle()
        cycle.itself, cycle.sink = cycle, self.far.sink
        cycle.stream = self.call(Get)["numbers"]
        self.far.sink, second = None, self.far.sink
        for peer in (self.near, self.far):
            peer.transport.write = lambda data, write=peer.transport.write: (
                where.append(threading.current_thread()), write(data))
        gc.disable()
        try:
            del cycle
            collector = threading.Thread(target=gc.collect)
            collector.start()
            collector.join()
        finally:
            gc.enable()
        self.run_both()
        self.assertIsInstance(came[0], EOFError)
        self.assertTrue(second.stopped.called)
        self.assertEqual({*where}, {threading.current_thread()})

    def test_the_end_of_the_connection_ends_all(self):
        numbers, own = self.call(Get)["numbers"], Sink()
        self.call(Put, numbers=own)
        came, stopped = [all_of(numbers), all_of(self.far.stream)], self.far.sink.stopped
        for peer in (self.near, self.far):
            peer.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(all(isinstance(ended[0], ConnectionDone) for ended in came), came)
        self.assertTrue(own.stopped.called and stopped.called)


# What a protocol of somebody's may have: words for what it does and counts.
EVERYDAY = """all answer asked ask bind called calls claim claimed clock close close_copies copies copying count end ends
fail files gone lost needs next numbers open pump queue read send sent sink stop stopped stream streamed streams take
tell there timer to_send window write""".split()


class NamesOfUsers(Case):
    """The mixin leaves all names to the class that it is mixed into."""

    def all_works(self):
        received, own, progress = self.call(Get)["numbers"], Sink(), Stream()
        self.call(Put, numbers=own)
        self.call(Work, progress=progress)
        sinks = [self.far.its_sinks[0], own, self.far.its_sinks[1]]
        came = [all_of(stream) for stream in (received, self.far.its_stream, progress)]
        for sink in sinks:
            sink.send(7)
            sink.close()
        self.run_both()
        self.assertEqual(came, [[7, None]] * 3)

    def protocol(self, **names):
        def get(self):
            self.its_sinks = [Sink()]
            return {"numbers": self.its_sinks[0]}

        def put(self, numbers):
            self.its_stream = numbers
            return {}

        def work(self, progress):
            self.its_sinks.append(progress)
            return {}

        its = {"its_get": Get.responder(get), "its_put": Put.responder(put), "its_work": Work.responder(work)}
        return type("Its", (Streams, amp.AMP), its | names)()

    def test_responders(self):
        for name in EVERYDAY:
            command = type(name, (amp.Command,), {"response": [(b"name", amp.Unicode())]})
            # Twisted gives it to the class that is made next.
            far = self.protocol(**{name: command.responder(lambda self, name=name: {"name": name})})
            with self.subTest(name=name):
                self.connect(self.protocol(), far)
                self.assertEqual(self.call(command), {"name": name})
                self.all_works()
                self.assertEqual(self.call(command), {"name": name})

    def test_attributes(self):
        for name in EVERYDAY:
            with self.subTest(name=name):
                self.connect(self.protocol(), self.protocol(**{name: 0}))
                setattr(self.far, name, getattr(self.far, name) + 1)
                self.all_works()
                setattr(self.far, name, getattr(self.far, name) + 1)
                self.assertEqual(getattr(self.far, name), 2)

    def test_no_others_are_taken(self):
        settings = {"stream_clock", "stream_window"}
        self.assertEqual({*dir(Streams)} - {*dir(amp.AMP)} - {"__annotations__"}, settings)
        plain = amp.AMP()
        plain.makeConnection(StringTransport())
        self.assertEqual({*vars(self.protocol())} - {*vars(plain)}, set())
        self.connect(self.protocol(), self.protocol())
        self.assertEqual({*vars(self.far)} - {*vars(plain)}, {"_amp_streams", "stream_clock"})


class Readme(Case):
    def test_its_example_works(self):
        readme = Path(__file__).parent.parent.joinpath("README.md").read_text("utf-8")
        (example,) = [block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "Streams" in block]
        names = {}
        exec(example, names)
        self.connect(names["Client"](), names["Server"]())
        printed = []
        names["print"] = printed.append
        watching = ensureDeferred(self.near.watch("weather"))
        uploading = ensureDeferred(self.near.upload(io.BytesIO(bytes(1_000_000))))
        self.run_both()
        self.assertIsNone(watching.result)
        self.assertEqual(uploading.result, 1_000_000)
        self.assertEqual(printed, ["weather 0", "weather 1", "weather 2"])
        self.assertFalse(self.near._amp_streams.all or self.far._amp_streams.all)


if __name__ == "__main__":
    unittest.main()
