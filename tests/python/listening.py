"""What programs that a test calls over a Unix socket begin with."""

import argparse

from twisted.internet import protocol, reactor


def listen(peer):
    """Runs `--listen unix:PATH`, and prints `listening PATH` once connections are accepted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    path = parser.parse_args().listen.partition(":")[2]
    reactor.listenUNIX(path, protocol.Factory.forProtocol(peer))
    print("listening", path, flush=True)
    reactor.run()
