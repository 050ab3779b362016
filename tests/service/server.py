"""The shop, on a port of this machine, which it prints: `server.py [PORT]`."""

import sys

from shop.commands import Asked, Buy, Closed, NoSuchItem, Price, Seen, Sold, Stock, Watch
from twisted.internet import endpoints, protocol, reactor
from twisted.protocols import amp

PRICES = {"apple": 30, "pear": 45, "last": 1}
LEFT = {"apple": 3, "pear": 2, "last": 1}


class Shop(amp.AMP):
    asked = []
    watching = []

    def locateResponder(self, name):
        if name != Asked.commandName:
            self.asked.append(name)
        return super().locateResponder(name)

    @Price.responder
    def price(self, item):
        if item not in PRICES:
            raise NoSuchItem(f"no {item}")
        return {"cents": PRICES[item]}

    @Buy.responder
    def buy(self, item, gift_wrap=None):
        if item not in LEFT:
            raise NoSuchItem(f"no {item}")
        if item == "last":
            raise Closed("good night")
        LEFT[item] -= 1
        for watcher in self.watching:
            watcher.callRemote(Sold, item=item)
        return {"left": LEFT[item]}

    @Stock.responder
    def stock(self):
        return {"items": [{"name": name, "left": left} for name, left in LEFT.items()]}

    @Watch.responder
    def watch(self):
        self.watching.append(self)
        return {}

    @Seen.responder
    def seen(self, item):
        return {}

    @Asked.responder
    def all_asked(self):
        return {"commands": self.asked}

    def connectionLost(self, reason):
        super().connectionLost(reason)
        if self in self.watching:
            self.watching.remove(self)


def listening(port):
    print(port.getHost().port, flush=True)


wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 0
endpoint = endpoints.TCP4ServerEndpoint(reactor, wanted, interface="127.0.0.1")
endpoint.listen(protocol.Factory.forProtocol(Shop)).addCallback(listening)
reactor.run()
