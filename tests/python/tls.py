"""Twisted's AMP over TLS from the start.

    python tls.py serve --listen tcp:HOST:PORT --identity CERT_AND_KEY.pem [--authorities CERT.pem]
    python tls.py call HOST:PORT --authorities CERT.pem --name NAME [--identity CERT_AND_KEY.pem]
                                 [--ends peer]
    python tls.py self-sign FILE

`serve` prints `listening HOST:PORT`, and with authorities it wants certificates of its clients.

`call` makes some calls and closes the connection, or leaves that to the peer. It prints what it
was answered, and how the connection ended: the name of the exception in Twisted.

`self-sign` makes a certificate as Twisted does, and writes it to a file together with its key.
"""

import argparse

from twisted.internet import defer, endpoints, protocol, reactor, ssl
from twisted.protocols import amp

import commands as c

# Longer than what one record of TLS holds.
LONG = "x" * 30_000


class End(amp.Command):
    """Asks the peer to end the connection: `lose` it or `abort` it."""

    arguments = [(b"how", amp.Unicode())]


class Server(amp.AMP):
    @c.Sum.responder
    def sum(self, a, b):
        return {"total": a + b}

    @c.Concatenate.responder
    def concatenate(self, left_hand, right_hand):
        return {"both": left_hand + right_hand}

    @End.responder
    def end(self, how):
        transport = self.transport
        ends = {"lose": transport.loseConnection, "abort": transport.abortConnection}
        reactor.callLater(0, ends[how])
        return {}


class Client(amp.AMP):
    def __init__(self):
        amp.AMP.__init__(self)
        self.lost = defer.Deferred()

    def connectionLost(self, reason):
        amp.AMP.connectionLost(self, reason)
        self.lost.callback(reason.type.__name__)


def authority(options):
    with open(options.authorities, "rb") as file:
        return ssl.Certificate.loadPEM(file.read())


def identity(options):
    with open(options.identity, "rb") as file:
        return ssl.PrivateCertificate.loadPEM(file.read())


def serve(options):
    authorities = [authority(options)] if options.authorities else []
    context = identity(options).options(*authorities)
    factory = protocol.Factory.forProtocol(Server)
    _, host, port = options.listen.split(":")
    listening = reactor.listenSSL(int(port), factory, context, interface=host)
    print("listening %s:%d" % (listening.getHost().host, listening.getHost().port), flush=True)


async def call(options):
    context = ssl.optionsForClientTLS(
        options.name,
        trustRoot=authority(options),
        clientCertificate=identity(options) if options.identity else None,
    )
    host, port = options.address.split(":")
    endpoint = endpoints.SSL4ClientEndpoint(reactor, host, int(port), context)
    peer = await endpoints.connectProtocol(endpoint, Client())
    try:
        answer = await peer.callRemote(c.Sum, a=13, b=81)
        print(answer["total"])
        answer = await peer.callRemote(c.Concatenate, left_hand=LONG, right_hand=LONG)
        print(answer["both"] == LONG + LONG)
        if options.ends != "peer":
            peer.transport.loseConnection()
    except Exception as error:
        print(type(error).__name__)
    print(await peer.lost, flush=True)
    reactor.stop()


def self_sign(options):
    identity = ssl.KeyPair.generate().selfSignedCert(1, CN="localhost")
    with open(options.file, "wb") as file:
        file.write(identity.dumpPEM())


def failed(failure):
    failure.printTraceback()
    reactor.stop()


def main():
    parser = argparse.ArgumentParser()
    programs = parser.add_subparsers(dest="program", required=True)
    program = programs.add_parser("serve")
    program.add_argument("--listen", required=True)
    program.add_argument("--identity", required=True)
    program.add_argument("--authorities")
    program = programs.add_parser("call")
    program.add_argument("address")
    program.add_argument("--authorities", required=True)
    program.add_argument("--name", required=True)
    program.add_argument("--identity")
    program.add_argument("--ends", choices=["peer"])
    program = programs.add_parser("self-sign")
    program.add_argument("file")
    options = parser.parse_args()
    if options.program == "self-sign":
        return self_sign(options)
    if options.program == "serve":
        serve(options)
    else:
        defer.ensureDeferred(call(options)).addErrback(failed)
    reactor.run()


if __name__ == "__main__":
    main()
