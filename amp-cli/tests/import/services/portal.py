import os, time, zlib
from functools import wraps
from collections import defaultdict, namedtuple
from no_such_package import settings
from twisted.protocols import amp
from twisted.internet.defer import DeferredList
from no_such_package import class_from_module

try:
    import cPickle as pickle
except ImportError:
    import pickle
AMP_MAXLEN = amp.MAX_VALUE_LENGTH
NUL = b"\x00"
_LOGGER = None
DEBUG = settings.DEBUG
b2a = lambda s: s.encode()


def dumps(data):
    return b"".join([pickle.dumps(data)])


class Compressed(amp.String):
    def fromBox(self, name, strings, objects, proto):
        def inner():
            value = strings.get(name)
            counter = 2
            while value is not None:
                yield zlib.decompress(value)
                value = strings.pop(b"%s.%d" % (name, counter), None)
                counter += 1

        objects[name.decode()] = b"".join(inner())

    def toBox(self, name, strings, objects, proto):
        value = objects[name.decode()]
        strings[name] = zlib.compress(value[:AMP_MAXLEN])
        value = value[AMP_MAXLEN:]
        counter = 2
        while value:
            strings[b"%s.%d" % (name, counter)] = zlib.compress(value[:AMP_MAXLEN])
            value = value[AMP_MAXLEN:]
            counter += 1

    def toString(self, inObject):
        return super().toString(zlib.compress(inObject))


class MsgPortal2Server(amp.Command):
    key = "MsgPortal2Server"
    arguments = [(b"packed_data", Compressed())]
    errors = {Exception: b"EXCEPTION"}
    response = []


class FunctionCall(amp.Command):
    arguments = [
        (b"module", amp.String()),
        (b"function", amp.String()),
        (b"args", amp.String()),
        (b"kwargs", amp.String()),
    ]
    errors = {Exception: b"EXCEPTION"}
    response = [(b"result", amp.String())]


_Packet = namedtuple("_Packet", load_fields())


class P(_Packet):
    pass


if DEBUG:
    amp.AMP.log = print


class AMPMultiConnectionProtocol(amp.AMP):
    hashid = hash(time.time())


server = class_from_module(settings.SERVER)(MsgPortal2Server)
