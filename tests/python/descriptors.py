"""A Twisted peer that passes descriptors both ways, among large boxes.

    python descriptors.py --listen unix:PATH

Prints `listening PATH` once it accepts connections, and serves them until it is terminated. The
file behind each descriptor holds a number, by which the receiver sees whether it is the right one.
"""

import argparse
import os
import tempfile

from twisted.internet import defer, protocol, reactor
from twisted.protocols import amp


class Mismatch(Exception):
    """A descriptor is not the one that it should be."""


class Pass(amp.Command):
    """Passes a file that holds `number`, and gets one that holds `number + 1`."""

    arguments = [(b"number", amp.Integer()), (b"file", amp.Descriptor()), (b"filler", amp.String())]
    response = [(b"file", amp.Descriptor()), (b"filler", amp.String())]
    errors = {Mismatch: b"MISMATCH"}


class PassBack(amp.Command):
    """The answering side calls Pass so many times at once, with fillers of 0 and 60000 bytes."""

    arguments = [(b"count", amp.Integer())]
    errors = {Mismatch: b"MISMATCH"}


class PassList(amp.Command):
    """Answers with what a list of descriptors is to this side."""

    arguments = [(b"files", amp.ListOf(amp.Descriptor()))]
    response = [(b"seen", amp.Unicode())]


class PassListBack(amp.Command):
    """The answering side calls PassList with two descriptors, and answers with how that fails."""

    response = [(b"code", amp.String())]


def file_of(number):
    """A descriptor at the start of a file that holds the number; whoever asks closes it."""
    with tempfile.TemporaryFile() as file:
        file.write(b"%d" % number)
        file.seek(0)
        return os.dup(file.fileno())


def check(descriptor, expected):
    """Closes the descriptor, which must be the expected one."""
    with os.fdopen(descriptor, "rb") as file:
        seen = file.read()
    if seen != b"%d" % expected:
        raise Mismatch("expected %d, saw %r" % (expected, seen))


class Peer(amp.AMP):
    def __init__(self):
        super().__init__()
        self.answers = []

    def connectionLost(self, reason):
        super().connectionLost(reason)
        for answer in self.answers:
            os.close(answer)

    @Pass.responder
    def passed(self, number, file, filler):
        check(file, number)
        answer = file_of(number + 1)
        # Twisted sends it later and never says when.
        self.answers.append(answer)
        return {"file": answer, "filler": filler}

    @PassBack.responder
    def passBack(self, count):
        calls = [self.passOne(number) for number in range(count)]
        everything = defer.gatherResults(calls, consumeErrors=True)

        def first(failure):
            failure.trap(defer.FirstError)
            return failure.value.subFailure

        return everything.addCallbacks(lambda _: {}, first)

    def passOne(self, number):
        file = file_of(number)
        filler = b"f" * (number % 2 * 60000)
        call = self.callRemote(Pass, number=number, file=file, filler=filler)

        def answered(answer):
            check(answer["file"], number + 1)
            if answer["filler"] != filler:
                raise Mismatch("another filler")

        def close(result):
            os.close(file)
            return result

        return call.addBoth(close).addCallback(answered)

    @PassList.responder
    def passList(self, files):
        return {"seen": repr(files)}

    @PassListBack.responder
    def passListBack(self):
        files = [file_of(number) for number in range(2)]
        call = self.callRemote(PassList, files=files)

        def failed(failure):
            return {"code": failure.value.errorCode}

        def close(result):
            for file in files:
                os.close(file)
            return result

        return call.addBoth(close).addCallbacks(lambda _: {"code": b"none"}, failed)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    kind, _, path = parser.parse_args().listen.partition(":")
    if kind != "unix":
        parser.error("descriptors travel over Unix sockets only")
    reactor.listenUNIX(path, protocol.Factory.forProtocol(Peer))
    print("listening", path, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
