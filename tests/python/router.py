"""Many conversations on one connection, by epsilon's router: a server and a client.

    python router.py --listen tcp:HOST:PORT [--fixed]
    python router.py --connect tcp:HOST:PORT [--fixed]

Each route has a counter of its own. Both sides count on the other's routes, at the same time.

The server prints `listening <address>` and serves until it is terminated. The client opens three
routes, counts on each of them, then has the server count on them, prints what each said, and
closes.

Routes are opened as in epsilon's example: `NewRoute` on the default route exchanges the names
under which the two sides receive. With --fixed there is no default route, and both names of the
routes `queue` and `log` are agreed on beforehand, as in Calendar Server's control socket.

epsilon 0.8 has its key `_route` as text, which Twisted refuses to send on Python 3. So the key is
set to bytes here, and the names that go into boxes are bytes. Everything else is epsilon's own.
"""

import argparse

from epsilon import amprouter
from twisted.internet import defer, endpoints, protocol, reactor, task
from twisted.protocols import amp

# A server that does not answer for this long has hung.
DEADLINE = 30

FIXED = [b"queue", b"log"]

amprouter._ROUTE = b"_route"


class Router(amprouter.Router):
    def createRouteIdentifier(self):
        return super().createRouteIdentifier().encode()


class NewRoute(amp.Command):
    arguments = [(b"name", amp.Unicode())]
    response = [(b"name", amp.Unicode())]


class Count(amp.Command):
    response = [(b"value", amp.Integer())]


class CountHere(amp.Command):
    """Asks the peer to count, on the same route, as often as said."""

    arguments = [(b"times", amp.Integer())]
    response = [(b"values", amp.ListOf(amp.Integer()))]


class Counter(amp.AMP):
    """What runs over one route."""

    value = 0

    @Count.responder
    def count(self):
        self.value += 1
        return {"value": self.value}

    @CountHere.responder
    def countHere(self, times):
        return count(self, times).addCallback(lambda values: {"values": values})


class Opener(amp.AMP):
    """What runs over the default route."""

    @NewRoute.responder
    def newRoute(self, name):
        route = self.boxReceiver.bindRoute(Counter())
        route.connectTo(name.encode())
        return {"name": route.localRouteName.decode()}


def count(peer, times):
    answers = [peer.callRemote(Count) for _ in range(times)]
    return defer.gatherResults(answers).addCallback(
        lambda answers: [answer["value"] for answer in answers]
    )


def openRoute(opener, counter):
    """What epsilon's example does to open a route."""
    route = opener.boxReceiver.bindRoute(counter)
    opened = opener.callRemote(NewRoute, name=route.localRouteName.decode())
    opened.addCallback(lambda answer: route.connectTo(answer["name"].encode()))
    return opened


def build(fixed):
    """A protocol over which routes run, and the counters of those whose names are fixed."""
    router = Router()
    if not fixed:
        opener = Opener(router)
        router.bindRoute(opener, None).connectTo(None)
        return opener, []
    counters = [Counter() for _ in FIXED]
    for name, counter in zip(FIXED, counters):
        router.bindRoute(counter, name).connectTo(name)
    return amp.BinaryBoxProtocol(router), counters


class ServerFactory(protocol.Factory):
    def __init__(self, fixed):
        self.fixed = fixed

    def buildProtocol(self, addr):
        return build(self.fixed)[0]


def serve(host, port, fixed):
    def listening(where):
        address = where.getHost()
        print("listening", "%s:%d" % (address.host, address.port), flush=True)

    endpoint = endpoints.TCP4ServerEndpoint(reactor, port, interface=host)
    endpoint.listen(ServerFactory(fixed)).addCallback(listening)
    reactor.run()


@defer.inlineCallbacks
def converse(peer, counters):
    if not counters:
        counters = [Counter() for _ in range(3)]
        yield defer.gatherResults([openRoute(peer, counter) for counter in counters])
    ours = yield defer.gatherResults([count(each, at + 1) for at, each in enumerate(counters)])
    theirs = yield defer.gatherResults(
        [each.callRemote(CountHere, times=at + 2) for at, each in enumerate(counters)]
    )
    for mine, other in zip(ours, theirs):
        print(*mine, "and", *other["values"], flush=True)
    peer.transport.loseConnection()


def connect(reactor, host, port, fixed):
    peer, counters = build(fixed)
    endpoint = endpoints.TCP4ClientEndpoint(reactor, host, port)
    done = endpoints.connectProtocol(endpoint, peer)
    done.addCallback(converse, counters)
    return done.addTimeout(DEADLINE, reactor)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen")
    parser.add_argument("--connect")
    parser.add_argument("--fixed", action="store_true")
    options = parser.parse_args()
    _, host, port = (options.listen or options.connect).split(":")
    if options.listen:
        serve(host, int(port), options.fixed)
    else:
        task.react(connect, [host, int(port), options.fixed])


if __name__ == "__main__":
    main()
