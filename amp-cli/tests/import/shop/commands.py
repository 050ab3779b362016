"""Commands with what real projects have in theirs."""

import logging
from typing import TYPE_CHECKING

from twisted.protocols import amp

from no_such_package import register, settings

from . import arguments as own
from .errors import ERRORS, Closed, OnFire

if TYPE_CHECKING:
    from nowhere import Anything

try:
    from no_such_package.fast import dumps
except ImportError:
    dumps = None

log = logging.getLogger(__name__)
log.addHandler(settings.HANDLERS["shop"])

ITEM = [(b"name", amp.Unicode()), (b"price", amp.Decimal(optional=True))]
SHELF = [(b"items", amp.AmpList(ITEM))]
ROOM = [(b"shelves", amp.AmpList(SHELF))]
FLOOR = [(b"rooms", amp.AmpList(ROOM))]

FOLDER = [(b"name", amp.Unicode())]
FOLDER.append((b"folders", amp.AmpList(FOLDER)))


class _Authenticated(amp.Command):
    arguments = [(b"token", amp.String())]
    errors = {PermissionError: b"DENIED"}
    fatalErrors = {OnFire: b"FIRE"}


@register
class Buy(_Authenticated):
    """Buys an item.

    Twice, if it is called twice.
    """

    arguments = _Authenticated.arguments + [
        (b"item", amp.Unicode()),
        (b"class", amp.Integer(optional=True)),
        (b"gift-wrap", amp.Boolean()),
    ]
    response = [(b"id", amp.Integer())]
    errors = ERRORS


class Stock(amp.Command):
    commandName = b"list-stock"
    response = [(b"floors", amp.AmpList(FLOOR)), (b"tree", amp.AmpList(FOLDER, optional=True))]
    errors = ERRORS


class Seen(amp.Command):
    """Declares that it may fail, and is never answered."""

    arguments = [(b"times", amp.ListOf(amp.DateTime(optional=True)))]
    response = [(b"ignored", amp.Integer())]
    errors = {Closed: b"CLOSED"}
    requiresAnswer = False


class Close(amp.Command):
    """Has neither arguments nor a response, and declares AMP's own codes."""

    errors = {Closed: b"UNKNOWN", NotImplementedError: b"UNHANDLED"}


class Talk(amp.ProtocolSwitchCommand):
    arguments = [(b"protocol", amp.Unicode())]


class Secure(amp.StartTLS):
    pass


class Custom(amp.Command):
    arguments = [
        (b"plain", own.Plain()),
        (b"attrs", own.Attrs(amp.AmpList(ITEM))),
        (b"bytes", own.Bytes()),
        (b"structure", own.Structure(optional=True)),
        (b"compressed", own.CompressedAmpList(ITEM)),
        (b"compressed_structure", own.CompressedStructure()),
        (b"choice", own.Choice({1: b"one", 2: b"two"})),
        (b"big", own.Big(amp.ListOf(amp.Unicode()))),
        (b"big_string", own.BigString()),
        (b"compressed_parts", own.CompressedParts()),
        (b"remote", own.Remote()),
        (b"said", own.Said()),
        (b"rot13", own.Rot13()),
        (b"price", own.Price(optional=True)),
    ]
    response = [(b"prices", amp.ListOf(own.Price()))]


class Boxed(amp.Command):
    """Has a box of its own."""

    arguments = [(b"a", amp.Integer())]

    @classmethod
    def parseArguments(cls, box, protocol):
        return dict(box)


class Files(amp.Command):
    arguments = [(b"numbers", amp.ListOf(amp.Descriptor())), (b"lists", amp.ListOf(amp.AmpList(ITEM)))]


class Shop(amp.AMP):
    @Buy.responder
    def buy(self, **arguments):
        settings.check(arguments)


def main():
    settings.run(Shop)
