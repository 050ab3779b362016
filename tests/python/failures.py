"""The two sides of every way in which a call can fail, for the guide "From Twisted".

    python failures.py --listen unix:PATH
    python failures.py --connect unix:PATH

The first answers; it prints `listening PATH` once it accepts connections. The second calls each command
on a connection of its own, and prints what that came to, and whether the connection goes on.
"""

import argparse
import re
import sys

from twisted.internet import defer, endpoints, protocol, reactor, task
from twisted.protocols import amp


class SoldOut(Exception):
    pass


class OnFire(Exception):
    pass


class Declared(amp.Command):
    errors = {SoldOut: b"SOLD_OUT"}


class Fatal(amp.Command):
    fatalErrors = {OnFire: b"ON_FIRE"}


class Undeclared(amp.Command):
    pass


class Panics(amp.Command):
    pass


class Missing(amp.Command):
    """This side does not send what the other wants."""


class MissingWanted(amp.Command):
    commandName = b"Missing"
    arguments = [(b"n", amp.Integer())]


class Malformed(amp.Command):
    arguments = [(b"n", amp.Unicode())]


class MalformedWanted(amp.Command):
    commandName = b"Malformed"
    arguments = [(b"n", amp.Integer())]


class Response(amp.Command):
    """Its answer is not what this side reads."""

    response = [(b"n", amp.Integer())]


class ResponseGiven(amp.Command):
    commandName = b"Response"
    response = [(b"n", amp.Unicode())]


class Unhandled(amp.Command):
    pass


class Silent(amp.Command):
    """It fails, and nobody is told."""

    errors = {SoldOut: b"SOLD_OUT"}
    requiresAnswer = False


class SilentFatal(amp.Command):
    fatalErrors = {OnFire: b"ON_FIRE"}
    requiresAnswer = False


class TooLong(amp.Command):
    response = [(b"n", amp.Unicode())]


class TooLongError(amp.Command):
    errors = {SoldOut: b"SOLD_OUT"}


class PassedOn(amp.Command):
    """It fails with what a call of its own has failed with."""


class Gone(amp.Command):
    """The connection ends before the answer."""


class Alive(amp.Command):
    pass


class Peer(amp.AMP):
    @Declared.responder
    def declared(self):
        raise SoldOut("none left")

    @Fatal.responder
    def fatal(self):
        raise OnFire("it burns")

    @Undeclared.responder
    def undeclared(self):
        raise RuntimeError("a secret")

    @MissingWanted.responder
    def missing(self, n):
        return {}

    @MalformedWanted.responder
    def malformed(self, n):
        return {}

    @ResponseGiven.responder
    def response(self):
        return {"n": "no number"}

    @Silent.responder
    def silent(self):
        raise SoldOut("none left")

    @TooLong.responder
    def tooLong(self):
        return {"n": "n" * 70000}

    @TooLongError.responder
    def tooLongError(self):
        raise SoldOut("n" * 70000)

    @PassedOn.responder
    def passedOn(self):
        raise amp.RemoteAmpError(b"OWN", "of its own")

    @Gone.responder
    def gone(self):
        self.transport.abortConnection()
        return defer.Deferred()

    @Alive.responder
    def alive(self):
        return {}


CALLS = [
    (Declared, {}), (Fatal, {}), (Undeclared, {}), (Panics, {}), (Missing, {}), (Malformed, {"n": "x"}),
    (Response, {}), (Unhandled, {}), (Silent, {}), (SilentFatal, {}), (Gone, {}),
]


async def call_each(_, path):
    for command, arguments in CALLS:
        endpoint = endpoints.UNIXClientEndpoint(reactor, path)
        peer = await endpoints.connectProtocol(endpoint, amp.AMP())
        # Twisted logs what it closes a connection for.
        said, text = "nothing", ""
        try:
            # What wants no answer gives no Deferred.
            await defer.maybeDeferred(peer.callRemote, command, **arguments)
        except Exception as error:
            said = type(error).__name__
            # The number of an entry in the log is another each time.
            text = re.sub(r"\b[0-9a-f]{8,}\b", "REFERENCE", str(error))
        try:
            # A peer that is about to close still answers what it has received by then.
            await peer.callRemote(Alive)
            await peer.callRemote(Alive)
            goes_on = "goes on"
        except Exception:
            goes_on = "is closed"
        peer.transport.loseConnection()
        print(command.__name__, said, goes_on, text, sep="|", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen")
    parser.add_argument("--connect")
    options = parser.parse_args()
    path = (options.listen or options.connect).partition(":")[2]
    if options.connect:
        task.react(lambda reactor: defer.ensureDeferred(call_each(reactor, path)))
    reactor.listenUNIX(path, protocol.Factory.forProtocol(Peer))
    print("listening", path, flush=True)
    reactor.run()


if __name__ == "__main__":
    sys.exit(main())
