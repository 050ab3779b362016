"""Descriptors in the items of streams: how many go, and what becomes of those that nobody takes."""

import gc
import os
import resource

from amp_arguments import Box, ListOf
from amp_arguments.streams import BadItem, Sink, StreamOf, Streams
from test_streams import Case, all_of, answering
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IUNIXTransport
from twisted.internet.testing import StringTransport
from twisted.protocols import amp
from twisted.python.failure import Failure
from zope.interface import implementer

FILES = StreamOf(amp.Descriptor())
LISTS = StreamOf(ListOf(Box([(b"files", ListOf(amp.Descriptor()))])))


class PutFiles(amp.Command):
    arguments = [(b"files", FILES)]


class PutLists(amp.Command):
    arguments = [(b"lists", LISTS)]


class PutPlain(amp.Command):
    arguments = [(b"numbers", StreamOf(amp.Integer()))]


class PutBoth(amp.Command):
    arguments = [(b"both", StreamOf(Box([(b"file", amp.Descriptor()), (b"more", StreamOf(amp.Integer()))])))]


class Peer(Streams, amp.AMP):
    stream = None

    def put(self, **arguments):
        (self.stream,) = arguments.values()
        return {}

    for command in (PutFiles, PutLists, PutPlain, PutBoth):
        command.responder(put)


@implementer(IUNIXTransport)
class Unix(StringTransport):
    """Descriptors are sent some time, as by Twisted's, and go before the bytes; they come as others."""

    def __init__(self, case):
        super().__init__()
        self.case, self.sent, self._sendmsgQueue, self.aborted = case, 0, [], False

    def sendFileDescriptor(self, descriptor):
        self.sent += 1
        self._sendmsgQueue.append(descriptor)

    def value(self):
        there = self.case.far if self is self.case.near.transport else self.case.near
        queued, self._sendmsgQueue = self._sendmsgQueue, []
        for descriptor in queued:
            there.fileDescriptorReceived(self.case.keep(os.dup(descriptor)))
        return super().value()

    def abortConnection(self):
        self.aborted = True


class Descriptors(Case):
    def setUp(self):
        # Those that have come.
        self.came = []
        super().setUp()
        self.null = os.open(os.devnull, os.O_RDONLY)
        self.addCleanup(os.close, self.null)
        self.addCleanup(lambda: [os.close(descriptor) for descriptor in self.came if self.is_open(descriptor)])
        self.connect(Peer(), Peer())

    def connect(self, near, far):
        self.near, self.far = near, far
        for peer in (near, far):
            peer.stream_clock = self.clock
            peer.makeConnection(Unix(self))

    def keep(self, descriptor):
        self.came.append(descriptor)
        return descriptor

    def is_open(self, descriptor):
        try:
            os.fstat(descriptor)
        except OSError:
            return False
        return True

    def open(self):
        """How many of those that have come are open."""
        return len(set(filter(self.is_open, self.came)))

    def hostile(self):
        """A stream that is sent by somebody who does anything."""
        self.connect(answering(), Peer())
        self.raw("PutFiles", files=0)
        return self.far.stream

    def item(self, stream=0, **content):
        """Sends a descriptor, and an item that names it."""
        number = len(self.came)
        self.far.fileDescriptorReceived(self.keep(os.dup(self.null)))
        content = content or {"item": b"%d" % number}
        result = []
        call = self.near.callRemoteString(b"_StreamItems", True, stream=b"%d" % stream, **content)
        call.addErrback(lambda failure: result.append(failure.value.errorCode))
        self.run_both()
        return result[0] if result else None

    def test_they_are_counted_whatever_they_are_in(self):
        sink = Sink()
        self.call(PutLists, lists=sink)
        lists = self.far.stream
        pair = [{"files": [self.null, self.null]}, {"files": [self.null]}]
        sent = [sink.send(pair) for _ in range(20)]
        self.run_both()
        # A stream leaves as many for others as it has.
        self.assertEqual(self.near.transport.sent, 3)
        other = Sink()
        self.call(PutFiles, files=other)
        files = self.far.stream
        single = [other.send(self.null) for _ in range(20)]
        self.run_both()
        self.assertEqual(self.near.transport.sent, 6)
        self.assertEqual([sum(done.called for done in sends) for sends in (sent, single)], [1, 3])
        came = all_of(files)
        self.run_both()
        self.assertEqual(len(came), 20)
        other.close()
        self.run_both()
        self.assertEqual(self.near._amp_streams.files, 3)
        lists.stop()
        self.run_both()
        self.assertEqual((self.near._amp_streams.files, self.open()), (0, 20))

    def test_no_more_are_sent_than_this_side_would_take_whatever_the_peer_says(self):
        self.far.stream_window = {"items": 10**6, "bytes": 10**9, "attachments": 10**9}
        streams = []
        for _ in range(5):
            sink = Sink()
            self.call(PutFiles, files=sink)
            streams.append(self.far.stream)
            for _ in range(100):
                sink.send(self.null)
        self.run_both()
        # A stream leaves as many for others as it has.
        self.assertEqual(self.near.transport.sent, 64 + 32 + 16 + 8 + 4)

    def test_one_item_goes_however_many_it_has(self):
        sink = Sink()
        self.call(PutLists, lists=sink)
        sent = [sink.send([{"files": [self.null] * 20}]) for _ in range(3)]
        came = all_of(self.far.stream)
        self.run_both()
        self.assertTrue(all(done.called for done in sent))
        self.assertEqual([len(item[0]["files"]) for item in came], [20] * 3)
        self.assertEqual((self.near._amp_streams.files, self.open()), (0, 60))

    def test_those_that_cannot_be_sent_cost_their_item(self):
        sink, failed = Sink(), []
        self.call(PutFiles, files=sink)
        sink.send(-1).addErrback(lambda failure: failed.append(failure.type))
        sink.send("x").addErrback(lambda failure: failed.append(failure.type))
        sink.send(self.null)
        sink.close()
        came = all_of(self.far.stream)
        self.run_both()
        self.assertEqual((len(came), came[-1], failed), (2, None, [OSError, TypeError]))
        self.assertEqual(self.near._amp_streams.files, 0)

    def test_who_sends_may_close_his_own_at_once(self):
        sink = Sink()
        self.call(PutFiles, files=sink)
        before = len(os.listdir("/proc/self/fd"))
        for n in range(6):
            reading, writing = os.pipe()
            os.write(writing, b"%d" % n)
            os.close(writing)
            sink.send(reading).addCallback(lambda _, reading=reading: os.close(reading))
        came = all_of(self.far.stream)
        self.run_both()
        self.assertEqual([os.read(file, 9) for file in came], [b"%d" % n for n in range(6)])
        self.assertFalse(self.near._amp_streams.copies)
        # Those too that the peer never takes.
        sink.send(self.null)
        self.assertEqual(len(self.near._amp_streams.copies), 1)
        self.near.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(len(os.listdir("/proc/self/fd")), before + 6)

    def test_copies_of_an_item_that_cannot_be_written_are_not_sent(self):
        both, failed = Sink(), []
        self.call(PutBoth, both=both)
        stream = self.far.stream
        # No others can be in items.
        sinks, plain = [Sink() for _ in range(255)], []
        for sink in sinks:
            self.call(PutPlain, numbers=sink)
            plain.append(self.far.stream)
        for _ in range(3):
            both.send({"file": self.null, "more": Sink()}).addErrback(lambda failure: failed.append(failure.type))
            self.run_both()
        self.assertEqual(failed, [ValueError] * 3)
        self.assertEqual((self.near.transport.sent, self.near._amp_streams.copies, self.near._amp_streams.files), (0, [], 0))
        # Their numbers are those of the next ones.
        plain.pop().stop()
        self.run_both()
        both.send({"file": self.null, "more": Sink()})
        came = all_of(stream)
        self.run_both()
        self.assertEqual([item["file"] for item in came], self.came)

    def test_who_answers_what_was_not_sent_is_cut_off(self):
        """The copy is open as long as Twisted may send it: another file could have its number otherwise."""
        sink = Sink()
        self.call(PutFiles, files=sink)
        sink.send(self.null)
        (copy,) = self.near._amp_streams.copies
        (box,) = amp.parseString(self.near.transport.value())
        self.near.transport._sendmsgQueue = [copy]
        self.near.ampBoxReceived(amp.AmpBox({b"_answer": box[b"_ask"]}))
        self.assertTrue(self.near.transport.aborted and self.is_open(copy))
        self.near.connectionLost(Failure(ConnectionDone()))
        self.assertFalse(self.is_open(copy))

    def test_beside_streams(self):
        sink, inner = Sink(), Sink()
        self.call(PutBoth, both=sink)
        sink.send({"file": self.null, "more": inner})
        came = all_of(self.far.stream)
        self.run_both()
        numbers = all_of(came[0]["more"])
        inner.send(7)
        inner.close()
        self.run_both()
        self.assertEqual(numbers, [7, None])
        self.assertTrue(self.is_open(came[0]["file"]))

    def test_those_that_are_taken_are_the_users(self):
        stream = self.hostile()
        for _ in range(3):
            self.item()
        taken = all_of(stream)
        self.assertEqual(self.open(), 3)
        for _ in range(3):
            self.item()
        del taken
        self.far.stream = None
        del stream
        gc.collect()
        self.run_both()
        self.assertEqual(self.open(), 6)

    def test_those_that_wait_are_closed_with_their_stream(self):
        for drop in (False, True):
            self.came.clear()
            stream = self.hostile()
            for _ in range(3):
                self.item()
            if drop:
                self.far.stream = None
                del stream
                gc.collect()
                self.run_both()
            else:
                stream.stop()
            self.assertEqual(self.open(), 0)
            # Those of items that were on their way too.
            self.assertEqual(self.item(), b"NO_STREAM")
            self.assertEqual(self.open(), 0)
            self.assertFalse(self.far._descriptors)

    def test_those_of_items_that_are_refused_are_closed(self):
        self.hostile()
        self.far.stream._end.window = {"items": 1, "bytes": 1000}
        self.assertIsNone(self.item())
        self.assertEqual(self.item(), b"BAD_ITEM")
        self.assertEqual(self.item(), b"NO_STREAM")
        self.assertEqual(self.open(), 1)
        came = all_of(self.far.stream)
        self.assertEqual((came[0], type(came[1])), (self.came[0], BadItem))

    def test_so_many_may_wait_to_be_taken(self):
        """Whatever the window of each stream is, and however many each item has."""
        self.connect(answering(), Peer())
        streams = []
        for number in (0, 2, 4):
            self.raw("PutFiles", files=number)
            streams.append(self.far.stream)
        for n in range(128):
            self.assertIsNone(self.item(stream=2 * (n % 2)))
        self.assertEqual(self.item(stream=4), b"BAD_ITEM")
        self.assertEqual(self.open(), 128)
        self.assertFalse(self.far.transport.aborted)
        # Those that are taken are the user's, and the rest goes with its stream.
        came = all_of(streams[1])
        self.run_both()
        self.assertEqual(len(came), 64)
        for _ in range(3):
            self.assertIsNone(self.item(stream=2))
        streams[0].stop()
        self.assertEqual((self.open(), self.far._amp_streams.held), (67, 0))

    def test_what_the_window_says_may_wait(self):
        self.connect(answering(), Peer())
        self.far.stream_window = {"items": 1024, "bytes": 256 << 10, "attachments": 130}
        streams = []
        for number in (0, 2, 4):
            self.raw("PutFiles", files=number)
            streams.append(self.far.stream)
        self.assertEqual([self.item(stream=n % 3 * 2) for n in range(131)], [None] * 130 + [b"BAD_ITEM"])
        self.assertEqual(self.open(), 130)

    def test_those_of_an_item_that_cannot_be_read_are_closed(self):
        self.connect(answering(), Peer())
        self.raw("PutLists", lists=0)
        # Behind the first descriptor of it there is none.
        box = amp.AmpBox({b"files": b"\0\0010\0\001x"}).serialize()
        self.item(item=len(box).to_bytes(2, "big") + box)
        came = all_of(self.far.stream)
        self.assertIsInstance(came[0], Exception)
        self.assertEqual(self.open(), 0)

    def test_those_that_nothing_claims_are_closed_with_the_connection(self):
        self.connect(answering(), Peer())
        self.item(stream=8)
        self.assertEqual(self.open(), 1)
        self.raw("PutFiles", files=0)
        self.item(item=b"1")
        self.far.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.open(), 1)
        # What came before is still to be taken.
        self.assertEqual(all_of(self.far.stream)[0], self.came[1])
        self.assertTrue(self.is_open(self.came[1]))

    def test_so_many_may_wait_to_be_claimed(self):
        files = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, files)
        for limit, most in ((600, 150), (400, 128)):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, files[1]))
            self.connect(answering(), Peer())
            before = len(self.came)
            while len(self.came) < before + 200:
                self.far.fileDescriptorReceived(self.keep(os.dup(self.null)))
            # The newest go, whose boxes come last: those that come first have what they name.
            self.assertEqual([*self.far._descriptors], [*range(most)])
            self.assertFalse(self.far.transport.aborted)
            # What boxes before the last have left behind goes first.
            self.far._getDescriptor(2)
            for number in (200, 201):
                self.far.fileDescriptorReceived(self.keep(os.dup(self.null)))
            self.assertEqual([*self.far._descriptors], [1, *range(3, most), 200, 201])
            self.far._amp_streams.end(None)

    def test_items_without_any_are_read_when_they_are_taken(self):
        class Counted(amp.Integer):
            read = 0

            def fromString(self, data):
                Counted.read += 1
                return super().fromString(data)

        class PutCounted(amp.Command):
            arguments = [(b"numbers", StreamOf(Counted()))]

        class Far(Peer):
            PutCounted.responder(Peer.put)

        self.connect(Peer(), Far())
        sink = Sink()
        self.call(PutCounted, numbers=sink)
        for n in range(100):
            sink.send(n)
        self.run_both()
        self.assertEqual(Counted.read, 0)
        came = all_of(self.far.stream)
        self.run_both()
        self.assertEqual((came, Counted.read), ([*range(100)], 100))
