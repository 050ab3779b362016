"""The client of sums_server.py.

    python sums_client.py tcp:HOST:PORT

Asks for a sum and for a quotient that does not exist, at the same time and each over a
connection of its own, and prints both outcomes in this order.
"""

import sys

from twisted.internet import defer, endpoints, task
from twisted.protocols import amp

import sums_server

# A server that does not answer for this long has hung.
DEADLINE = 30


def main(reactor, address):
    _, host, port = address.split(":")

    def connected():
        endpoint = endpoints.TCP4ClientEndpoint(reactor, host, int(port))
        return endpoints.connectProtocol(endpoint, amp.AMP())

    def impossible(failure):
        failure.trap(ZeroDivisionError)
        return "impossible: %s" % (failure.value,)

    total = connected()
    total.addCallback(lambda peer: peer.callRemote(sums_server.Sum, a=13, b=81))
    total.addCallback(lambda answer: answer["total"])

    quotient = connected()
    quotient.addCallback(
        lambda peer: peer.callRemote(sums_server.Divide, numerator=1234, denominator=0)
    )
    quotient.addCallbacks(lambda answer: answer["result"], impossible)

    outcomes = defer.gatherResults([total, quotient], consumeErrors=True)
    outcomes.addCallback(lambda both: print(*both, sep="\n", flush=True))
    return outcomes.addTimeout(DEADLINE, reactor)


task.react(main, sys.argv[1:])
