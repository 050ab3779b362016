"""RPC helpers relating to both region and cluster."""

import traceback
from no_such_package.logger import LegacyLogger
from services.region.interfaces import IConnection
from no_such_package.utils.twisted import asynchronous, deferWithTimeout
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.protocols import amp

log = LegacyLogger()
undefined = object()


class Identify(amp.Command):
    response = [(b"ident", amp.Unicode())]


class Authenticate(amp.Command):
    arguments = [(b"message", amp.ListOf(amp.Unicode(optional=True), optional=True))]
    response = [(b"digest", amp.String()), (b"salt", amp.String())]
    errors = []


class RPCProtocol(amp.AMP):
    def __init__(self):
        pass

    @Identify.responder
    def identify(self):
        return {"ident": "x"}


commandlog = log.commands(Identify)
