"""Streams with a peer that does anything."""

import unittest

from amp_arguments.streams import BadItem, NoStream, SinkOf, Stream
from test_streams import Case, Peer, all_of, answering
from twisted.protocols import amp


class Hostile(Case):
    def setUp(self):
        super().setUp()
        self.connect(answering(), Peer())

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
            self.far.stream_window = {"items": 10, "bytes": 100}
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
        # What has neither key is an item that cannot be read, as any argument may have no key at all.
        stream = self.open()
        self.raw("_StreamItems", stream=0)
        self.raw("_StreamItems", stream=0, item=b"1")
        came = all_of(stream)
        self.assertIsInstance(came[0], KeyError)
        self.assertEqual(all_of(stream), [1])
        stream.stop()
        self.run_both()
        # One that can be told from the others is left out.
        stream = self.open()
        self.raw("_StreamItems", stream=0, items=b"\0\0011\0\001x\0\0012")
        came = all_of(stream)
        self.assertEqual((came[0], type(came[1])), (1, ValueError))
        self.assertEqual(all_of(stream), [2])
        self.run_both()
        stream.stop()

    def test_a_receiver_that_refuses_otherwise_is_told(self):
        for code, told in ((b"NO_STREAM", False), (b"BAD_ITEM", True), (b"UNKNOWN", True), (b"OTHER", True)):
            def refuse():
                raise amp.RemoteAmpError(code, "no")

            near = answering(refuse)
            self.connect(near, Peer())
            self.raw("Get")
            self.raw("_StreamOpen", stream=0, items=5, bytes=50)
            sink = self.far.sink
            self.assertTrue(sink.send(1).called)
            self.run_both()
            self.assertTrue(sink.stopped.called)
            self.assertEqual(near.called.count(b"_StreamEnd"), told, code)
            self.assertFalse(self.far._amp_streams.all)
            failed = []
            sink.send(2).addErrback(lambda failure: failed.append(failure.value))
            self.assertIsInstance(failed[0], amp.RemoteAmpError)
            self.assertEqual(isinstance(failed[0], NoStream), not told)

    def test_what_wants_no_answer_costs_no_connection(self):
        stream = self.open()
        for command, arguments in (
            ("_StreamItems", {"stream": b"8", "items": b"\0\0011"}),
            ("_StreamEnd", {"stream": b"8", "end": b"dropped"}),
            ("_StreamEnd", {"stream": b"0", "end": b"other"}), ("_StreamItems", {"items": b"\0\0011"}),
            ("_StreamStop", {"stream": b"x"}), ("_StreamTaken", {}), ("_StreamOpen", {"stream": b"-1"}),
            ("_StreamItems", {"stream": b"0", "items": b"\0\0011"}),
        ):
            self.near.callRemoteString(command.encode(), False, **arguments)
        self.run_both()
        self.assertFalse(self.far.transport.disconnecting)
        stream.stop()
        self.run_both()
        self.assertFalse(self.far.transport.disconnecting)

    def test_nothing_comes_before_the_stream_is_open(self):
        class Out(amp.Command):
            response = [(b"into", SinkOf(amp.Integer()))]

        class Far(Peer):
            @Out.responder
            def out(self):
                self.stream = Stream()
                return {"into": self.stream}

        self.connect(answering(), Far())
        self.raw("Out")
        self.assertEqual(self.code("_StreamItems", stream=1, items=b"\0\0011"), b"NO_STREAM")
        self.raw("_StreamTaken", stream=1)
        came = all_of(self.far.stream)
        self.assertIsInstance(self.raw("_StreamItems", stream=1, items=b"\0\0011"), dict)
        self.assertEqual(came, [1])

    def test_numbers_that_are_none(self):
        self.open()
        for number in (0, -2, 1):
            self.code("Put", numbers=number)
        self.code("Work", progress=2)
        for number in range(2, 512, 2):
            self.raw("Put", numbers=number)
        self.assertEqual(len(self.far._amp_streams.all), 1, "those that are dropped are stopped")


if __name__ == "__main__":
    unittest.main()
