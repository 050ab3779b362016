"""Arguments that amp-core has beside Twisted's own, with the same bytes on the wire.

Each class has an attribute `wire_form`: the word that a schema has for it.
"""

from ._boxes import Box
from ._large import Continued, ContinuedZlib, Numbered
from ._lists import ListOf
from ._values import IpAddress, IpNetwork, Json, OneOf
from ._zlib import Zlib

__version__ = "0.1.0"

__all__ = [
    "Box",
    "Continued",
    "ContinuedZlib",
    "IpAddress",
    "IpNetwork",
    "Json",
    "ListOf",
    "Numbered",
    "OneOf",
    "Zlib",
]
