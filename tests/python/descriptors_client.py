"""A Twisted client that passes many descriptors at once to `descriptors.py`, and gets as many back.

    python descriptors_client.py unix:PATH COUNT

Each side makes COUNT calls at once, each with a descriptor there and one back. Prints `ok` when each
was the right one.
"""

import sys

from twisted.internet import defer, endpoints, reactor

import descriptors


async def run(endpoint, count):
    peer = await endpoints.connectProtocol(endpoint, descriptors.Peer())
    await defer.gatherResults([peer.passOne(number) for number in range(count)])
    await peer.callRemote(descriptors.PassBack, count=count)
    peer.transport.loseConnection()
    print("ok", flush=True)


def main():
    endpoint = endpoints.clientFromString(reactor, sys.argv[1].replace("unix:", "unix:path=", 1))
    running = defer.ensureDeferred(run(endpoint, int(sys.argv[2])))
    running.addErrback(lambda failure: failure.printTraceback())
    running.addBoth(lambda _: reactor.callLater(0, reactor.stop))
    reactor.run()


if __name__ == "__main__":
    main()
