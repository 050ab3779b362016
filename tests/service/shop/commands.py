"""What the shop and its clients ask of each other."""

from twisted.protocols import amp

from .arguments import CompressedAmpList


class NoSuchItem(Exception):
    """Nothing is called so."""


class Closed(Exception):
    """The shop is about to close."""


class Price(amp.Command):
    """Says what something costs, in cents."""

    arguments = [(b"item", amp.Unicode())]
    response = [(b"cents", amp.Integer())]
    errors = {NoSuchItem: b"NO_SUCH_ITEM"}


class Buy(amp.Command):
    """Buys something. All who watch are told."""

    arguments = [(b"item", amp.Unicode()), (b"gift-wrap", amp.Boolean(optional=True))]
    response = [(b"left", amp.Integer())]
    errors = {NoSuchItem: b"NO_SUCH_ITEM"}
    fatalErrors = {Closed: b"CLOSED"}


class Stock(amp.Command):
    """Lists what there is."""

    response = [(b"items", CompressedAmpList([(b"name", amp.Unicode()), (b"left", amp.Integer())]))]


class Watch(amp.Command):
    """Asks to be told, by Sold."""


class Sold(amp.Command):
    """The shop says that something was sold."""

    arguments = [(b"item", amp.Unicode())]


class Seen(amp.Command):
    """Somebody has looked at something."""

    arguments = [(b"item", amp.Unicode())]
    requiresAnswer = False


class Asked(amp.Command):
    """Lists what the shop was asked so far, by the names of commands."""

    response = [(b"commands", amp.ListOf(amp.String()))]
