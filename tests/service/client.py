"""A client of the shop, which prints what it sees: `client.py PORT`."""

import sys

from shop.commands import Asked, Buy, Closed, NoSuchItem, Price, Seen, Sold, Stock, Watch
from twisted.internet import defer, endpoints, protocol, task
from twisted.protocols import amp


class Client(amp.AMP):
    def __init__(self):
        super().__init__()
        self.sold = defer.Deferred()
        self.lost = defer.Deferred()

    @Sold.responder
    def was_sold(self, item):
        self.sold.callback(item)
        return {}

    def connectionLost(self, reason):
        super().connectionLost(reason)
        self.lost.callback(None)


async def fails(call):
    try:
        await call
    except Exception as error:
        return f"{type(error).__name__}({error})"


async def main(reactor, port):
    endpoint = endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", int(port))
    client = await endpoint.connect(protocol.Factory.forProtocol(Client))
    print("price", await client.callRemote(Price, item="apple"))
    print("price", await fails(client.callRemote(Price, item="plum")))
    print("stock", await client.callRemote(Stock))
    await client.callRemote(Watch)
    print("buy", await client.callRemote(Buy, item="apple", gift_wrap=True))
    print("sold", await client.sold)
    client.callRemote(Seen, item="pear")
    print("buy", await fails(client.callRemote(Buy, item="plum")))
    asked = await client.callRemote(Asked)
    print("asked", *(name.decode() for name in asked["commands"]))
    print("buy", await fails(client.callRemote(Buy, item="last")))
    await client.lost
    print("is closed")


task.react(lambda reactor: defer.ensureDeferred(main(reactor, sys.argv[1])))
