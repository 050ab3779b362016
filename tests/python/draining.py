"""A Twisted client of a server that is about to close the connection.

    python draining.py HOST:PORT

It calls Slow. When the server calls Now back, which it does once it closes gracefully, it calls
Late, prints how that has failed, and then what Slow was answered with.
"""

import sys

from twisted.internet import defer, endpoints, reactor
from twisted.protocols import amp


class Slow(amp.Command):
    response = [(b"text", amp.Unicode())]


class Late(amp.Command):
    pass


class Now(amp.Command):
    pass


class Client(amp.AMP):
    @Now.responder
    @defer.inlineCallbacks
    def now(self):
        try:
            yield self.callRemote(Late)
        except amp.RemoteAmpError as error:
            print(type(error).__name__, error.description, flush=True)
        return {}


@defer.inlineCallbacks
def call(where):
    host, port = where.split(":")
    endpoint = endpoints.TCP4ClientEndpoint(reactor, host, int(port))
    peer = yield endpoints.connectProtocol(endpoint, Client())
    answer = yield peer.callRemote(Slow)
    print(answer["text"], flush=True)


def fail(failure):
    print(failure.type.__name__, flush=True)


if __name__ == "__main__":
    call(sys.argv[1]).addErrback(fail).addBoth(lambda _: reactor.stop())
    reactor.run()
