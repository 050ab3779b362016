"""Takes what has no argument of its own in Twisted, and sends it back as Twisted writes it.

    python shapes_server.py --listen tcp:HOST:PORT

It is started as sums_server.py is.
"""

import datetime

from twisted.protocols import amp

import sums_server

SHAPE = [
    (b"kind", amp.Unicode()),
    (b"radius", amp.Float(optional=True)),
    (b"label", amp.Unicode(optional=True)),
    (b"height", amp.Float(optional=True)),
    (b"width", amp.Float(optional=True)),
    (b"corners", amp.AmpList([(b"x", amp.Integer()), (b"y", amp.Integer())], optional=True)),
    (b"size", amp.Integer(optional=True)),
]
PAIR = [(b"0", amp.Integer()), (b"1", amp.Boolean())]
DRAWN = [
    (b"shapes", amp.AmpList(SHAPE)),
    # A struct or an enum alone is a list of one box, without the next one.
    (b"one", amp.AmpList(SHAPE)),
    (b"pause", amp.Float()),
    (b"at", amp.DateTime()),
    (b"pairs", amp.AmpList([(b"0", amp.Integer()), (b"1", amp.Unicode())])),
    (b"pair", amp.AmpList(PAIR)),
]


class Draw(amp.Command):
    arguments = DRAWN
    response = DRAWN + [(b"said", amp.ListOf(amp.Unicode()))]


def said(shape):
    kind = shape["kind"]
    if kind == "circle":
        return "circle of %r" % (shape["radius"],)
    if kind == "box":
        return "box of %r by %r" % (shape["height"], shape["width"])
    if kind == "Labelled":
        return "Labelled of %r" % (shape["size"],)
    return kind


class Shapes(amp.AMP):
    @Draw.responder
    def draw(self, **drawn):
        utc = drawn["at"].astimezone(datetime.timezone.utc)
        texts = [said(shape) for shape in drawn["shapes"]]
        texts.append(str(datetime.timedelta(seconds=drawn["pause"])))
        texts.append(utc.isoformat())
        texts.append(repr([(pair["0"], pair["1"]) for pair in drawn["pairs"]]))
        texts.append(repr([(pair["0"], pair["1"]) for pair in drawn["pair"]][0]))
        return dict(drawn, said=texts)

if __name__ == "__main__":
    sums_server.main(Shapes)
