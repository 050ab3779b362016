"""Commands with all that a schema has, for what is generated of one.

`trade.schema` beside this is written from it, and `src/trade.rs` of this package from that.
"""

import zlib

from amp_arguments import (
    Box, Continued, ContinuedZlib, IpAddress, IpNetwork, Json, ListOf, Numbered, OneOf, Zlib,
)
from twisted.protocols import amp


class TradeError(Exception):
    """Something is wrong with the trade."""


class SoldOut(TradeError):
    """There is none left."""


class OnFire(Exception):
    pass


class CompressedAmpList(amp.AmpList):
    """An argument of the program's own; a hint says what it is."""

    def toStringProto(self, value, proto):
        return zlib.compress(super().toStringProto(value, proto))

    def fromStringProto(self, data, proto):
        return super().fromStringProto(zlib.decompress(data), proto)


ITEM = [(b"name", amp.Unicode()), (b"price", amp.Decimal(optional=True))]
SHELF = [(b"items", amp.AmpList(ITEM)), (b"self", amp.Integer())]
ROOM = [(b"shelves", amp.AmpList(SHELF))]
FLOOR = [(b"rooms", amp.AmpList(ROOM, optional=True))]
#: In itself.
FOLDER = [(b"name", amp.Unicode())]
FOLDER.append((b"folders", amp.AmpList(FOLDER)))
#: Shared, with a base class behind one that is derived from it.
ERRORS = {SoldOut: b"SOLD_OUT", TradeError: b"trade-error"}


class _Signed(amp.Command):
    arguments = [(b"token", amp.String())]
    errors = {PermissionError: b"DENIED"}
    fatalErrors = {OnFire: b"FIRE"}


class Buy(_Signed):
    """Buys an item of MyShop, or of [another](one).

    Twice, if it is called twice:

        buy(item="x_y")
    """

    arguments = _Signed.arguments + [
        (b"item", amp.Unicode()),
        (b"class", amp.Integer(optional=True)),
        (b"type", amp.Integer()),
        (b"paid", amp.Boolean()),
        (b"gift-wrap", amp.Boolean()),
        (b"inStock", amp.Boolean()),
        (b"0", amp.Boolean()),
    ]
    response = [(b"id", amp.Integer())]
    errors = ERRORS


class Sell(amp.Command):
    arguments = [(b"item", Box(ITEM)), (b"kind", OneOf("new", "2nd-hand", "self"))]
    response = [(b"id", amp.Integer())]
    errors = ERRORS


class Stock(amp.Command):
    commandName = b"list-stock"
    arguments = [(b"serial", amp.Integer())]
    response = [
        (b"floors", amp.AmpList(FLOOR)),
        (b"tree", amp.AmpList(FOLDER, optional=True)),
        (b"changed", CompressedAmpList(ITEM)),
    ]


class Everything(amp.Command):
    arguments = [
        (b"integer", amp.Integer()),
        (b"string", amp.String()),
        (b"unicode", amp.Unicode(optional=True)),
        (b"float", amp.Float()),
        (b"boolean", amp.Boolean(optional=True)),
        (b"decimal", amp.Decimal()),
        (b"date_time", amp.DateTime()),
        (b"path", amp.Path()),
        (b"integers", amp.ListOf(amp.Integer())),
        (b"lists", amp.ListOf(amp.ListOf(amp.DateTime()), optional=True)),
        (b"json", Json()),
        (b"kinds", amp.ListOf(OneOf("new", "2nd-hand", "self"))),
        (b"address", IpAddress(optional=True)),
        (b"network", IpNetwork()),
        (b"lists_of_boxes", ListOf(ListOf(amp.AmpList(ITEM)))),
        (b"compressed", ListOf(Zlib(amp.Unicode()))),
        (b"numbered", Numbered(amp.ListOf(amp.Unicode()))),
        (b"continued", Continued(Zlib(amp.String()), optional=True)),
        (b"continued_zlib", ContinuedZlib(amp.String())),
    ]
    response = arguments


class Tick(amp.Command):
    """Never answered, and may fail all the same."""

    arguments = [(b"at", amp.DateTime())]
    response = [(b"ignored", amp.Integer())]
    errors = {SoldOut: b"SOLD_OUT"}
    fatalErrors = {OnFire: b"FIRE"}
    requiresAnswer = False


class Close(amp.Command):
    """Has neither arguments nor a response, and declares the codes of AMP itself."""

    errors = {SoldOut: b"UNKNOWN", NotImplementedError: b"UNHANDLED"}


class Talk(amp.ProtocolSwitchCommand):
    """Speaks something else afterwards."""

    arguments = [(b"protocol", amp.Unicode())]
    errors = {ValueError: b"NO_SUCH_PROTOCOL"}
