"""A small Twisted application that adds and divides: a server.

    python sums_server.py --listen tcp:HOST:PORT

Prints `listening <address>` on standard output once it accepts connections, and serves them
until it is terminated. TCP port 0 picks a free one.

On the wire it is the first example that Twisted's documentation has for AMP. That one listens
on port 1234.
"""

import argparse

from twisted.internet import endpoints, protocol, reactor
from twisted.protocols import amp


class Sum(amp.Command):
    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]


class Divide(amp.Command):
    arguments = [(b"numerator", amp.Integer()), (b"denominator", amp.Integer())]
    response = [(b"result", amp.Float())]
    errors = {ZeroDivisionError: b"ZERO_DIVISION"}


class Sums(amp.AMP):
    @Sum.responder
    def add(self, a, b):
        return {"total": a + b}

    @Divide.responder
    def quotient(self, numerator, denominator):
        return {"result": numerator / denominator}


def main(served=Sums):
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    _, host, port = parser.parse_args().listen.split(":")
    endpoint = endpoints.TCP4ServerEndpoint(reactor, int(port), interface=host)

    def listening(where):
        address = where.getHost()
        print("listening", "%s:%d" % (address.host, address.port), flush=True)

    endpoint.listen(protocol.Factory.forProtocol(served)).addCallback(listening)
    reactor.run()


if __name__ == "__main__":
    main()
