# Written from cases.schema by ampctl. What is changed here is lost.

from twisted.protocols import amp

from amp_arguments import OneOf


DRAW_ARGUMENTS_SHAPES: list[tuple[bytes, amp.Argument]] = []


DRAW_ARGUMENTS_SHAPES += [
    (b"kind", OneOf("circle", "dot", "group")),
    #: Where kind is "group".
    (b"members", amp.AmpList(DRAW_ARGUMENTS_SHAPES, optional=True)),
    #: Where kind is "group".
    (b"name", amp.Unicode(optional=True)),
    #: In metres.
    #: Where kind is "circle".
    (b"radius", amp.Float(optional=True)),
]


class Draw(amp.Command):
    """Draws what there is."""
    arguments = [
        #: From back to front.
        (b"shapes", amp.AmpList(DRAW_ARGUMENTS_SHAPES)),
    ]
    response = [
        (b"by", amp.Unicode()),
        #: Where fill is "color".
        (b"color", amp.Unicode(optional=True)),
        (b"fill", OneOf("color", "none", optional=True)),
        (b"how", OneOf("all", "some")),
        #: Where how is "some".
        (b"missing", amp.ListOf(amp.Integer(), optional=True)),
    ]


ALL = [
    Draw,
]
