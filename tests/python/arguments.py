"""Answers with what it was called with, in arguments of amp-arguments.

    python arguments.py --listen unix:PATH

Prints `listening PATH` once it accepts connections.
"""

import os

from amp_arguments import (
    Box, Continued, ContinuedZlib, IpAddress, IpNetwork, Json, ListOf, Numbered, OneOf, Zlib,
)
from listening import listen
from twisted.protocols import amp

POINT = [(b"x", amp.Integer()), (b"label", amp.Unicode(optional=True))]


class EchoAll(amp.Command):
    arguments = [
        (b"json", Json()),
        (b"one_of", OneOf("Red", "dark-blue")),
        (b"address", IpAddress()),
        (b"network", IpNetwork()),
        (b"box", Box(POINT)),
        (b"lists", ListOf(ListOf(amp.AmpList(POINT)))),
        (b"compressed", Zlib(ListOf(amp.Unicode()))),
        (b"compressed_list", ListOf(Zlib(amp.AmpList(POINT)))),
        (b"numbered", Numbered(amp.String())),
        (b"continued", Continued(Zlib(amp.String()), optional=True)),
        (b"continued_zlib", ContinuedZlib(amp.Unicode(), optional=True)),
        (b"optional", ListOf(amp.Integer(), optional=True)),
    ]
    response = arguments


class ReadAll(amp.Command):
    """What is in the files, and the files once more."""

    arguments = [(b"files", ListOf(amp.Descriptor()))]
    response = [(b"contents", ListOf(amp.String())), (b"files", ListOf(amp.Descriptor()))]


class Peer(amp.AMP):
    @EchoAll.responder
    def echo(self, **arguments):
        return arguments

    @ReadAll.responder
    def read(self, files):
        # Twisted sends them later and never says when; they stay open for as long as this does.
        return {"contents": [os.pread(file, 100, 0) for file in files], "files": files}


if __name__ == "__main__":
    listen(Peer)
