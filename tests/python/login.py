"""A Twisted peer that logs in as MAAS does: by mutual challenge and response over HMAC-SHA256.

    python login.py SECRET --listen tcp:HOST:PORT
    python login.py SECRET --connect HOST:PORT

The server prints `listening <address>` on standard output once it accepts connections, and
serves them until it is terminated. The client logs in, prints what 2 + 3 is, and ends. Either
prints `refused` when its peer does not prove itself.
"""

import argparse
import hashlib
import hmac
import os

from twisted.internet import defer, endpoints, protocol, reactor
from twisted.protocols import amp


class Authenticate(amp.Command):
    arguments = [(b"message", amp.String())]
    response = [(b"digest", amp.String()), (b"salt", amp.String())]


class Sum(amp.Command):
    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]


def digest_of(secret, message, salt):
    return hmac.new(secret, message + salt, hashlib.sha256).digest()


class Peer(amp.AMP):
    def __init__(self, secret):
        super().__init__()
        self.secret = secret
        self.trusted = False

    def locateResponder(self, name):
        if name == Authenticate.commandName or self.trusted:
            return super().locateResponder(name)
        return None

    @Authenticate.responder
    def prove(self, message):
        salt = os.urandom(16)
        return {"digest": digest_of(self.secret, message, salt), "salt": salt}

    @Sum.responder
    def add(self, a, b):
        return {"total": a + b}

    @defer.inlineCallbacks
    def challenge(self):
        message = os.urandom(16)
        proof = yield self.callRemote(Authenticate, message=message)
        expected = digest_of(self.secret, message, proof["salt"])
        self.trusted = hmac.compare_digest(expected, proof["digest"])
        if not self.trusted:
            print("refused", flush=True)
            self.transport.loseConnection()
        return self.trusted


class Server(Peer):
    def connectionMade(self):
        super().connectionMade()
        self.challenge().addErrback(lambda failure: None)


@defer.inlineCallbacks
def call(secret, where):
    host, port = where.split(":")
    endpoint = endpoints.TCP4ClientEndpoint(reactor, host, int(port))
    peer = yield endpoints.connectProtocol(endpoint, Peer(secret))
    try:
        if (yield peer.challenge()):
            answer = yield peer.callRemote(Sum, a=2, b=3)
            print(answer["total"], flush=True)
    except Exception as error:
        print(type(error).__name__, flush=True)
    finally:
        reactor.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("secret")
    parser.add_argument("--listen")
    parser.add_argument("--connect")
    options = parser.parse_args()
    secret = options.secret.encode()
    if options.connect:
        reactor.callWhenRunning(call, secret, options.connect)
    else:
        _, host, port = options.listen.split(":")
        factory = protocol.Factory()
        factory.buildProtocol = lambda address: Server(secret)
        endpoint = endpoints.TCP4ServerEndpoint(reactor, int(port), interface=host)

        def listening(where):
            address = where.getHost()
            print("listening", "%s:%d" % (address.host, address.port), flush=True)

        endpoint.listen(factory).addCallback(listening)
    reactor.run()


if __name__ == "__main__":
    main()
