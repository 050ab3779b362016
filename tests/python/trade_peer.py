"""Calls, and is called with, the commands of trade.py.

    python trade_peer.py --listen unix:PATH

Its client first says which command comes next, by Prepare, and learns what its arguments and its
response are going to be, at random. Prints `listening PATH` once it accepts connections.
"""

import argparse
import os
import random
import sys

import random_values
import trade
from amp_arguments import Numbered
from twisted.internet import protocol, reactor
from twisted.protocols import amp

COMMANDS = {
    cls.commandName.decode(): cls for cls in vars(trade).values()
    if isinstance(cls, type) and issubclass(cls, amp.Command)
}


class Prepare(amp.Command):
    """With a code, the next call of the command fails. An answer may be asked for of a one-way one."""

    arguments = [
        (b"command", amp.Unicode()), (b"seed", amp.Integer()), (b"code", amp.Unicode(optional=True)),
        (b"answered", amp.Boolean()),
    ]
    response = [(b"arguments", Numbered(amp.String())), (b"response", Numbered(amp.String()))]


class CallMe(amp.Command):
    """Makes the call that was prepared. Without an answer it has become nothing that can be seen."""

    arguments = [(b"description", amp.Unicode())]
    errors = {AssertionError: b"ASSERTION"}


class Called(amp.Command):
    """Whether the last call had the arguments that were prepared."""

    response = [(b"right", amp.Boolean())]


class Swapped(protocol.Protocol):
    """What is spoken behind a switch: text comes back with small letters for capitals, and the other way round."""

    def dataReceived(self, data):
        self.transport.write(data.swapcase())


class Greeting(Swapped):
    """The side that has asked begins."""

    def connectionMade(self):
        self.transport.write(b"Hello\n")


class Peer(amp.AMP):
    right = False

    @Prepare.responder
    def prepare(self, command, seed, code, answered):
        self.command, self.code = COMMANDS[command], code
        self.to_call = self.command
        if answered and not self.command.requiresAnswer:
            self.to_call = type("Answered", (self.command,), {
                "commandName": self.command.commandName, "requiresAnswer": True, "response": [],
            })
        at_random = random.Random(seed)
        self.arguments = random_values.values(at_random, self.command.arguments)
        # Twisted wants a response of its responders even where nobody is answered.
        self.response = random_values.values(at_random, self.command.response)
        response = self.command.response if self.command.requiresAnswer else []
        boxes = [
            amp._objectsToStrings(objects, pairs, amp.AmpBox(), self).serialize()
            for objects, pairs in ((self.arguments, self.command.arguments), (self.response, response))
        ]
        return {"arguments": boxes[0], "response": boxes[1]}

    @CallMe.responder
    def callMe(self, description):
        to_call = [self.to_call]
        if issubclass(self.to_call, amp.ProtocolSwitchCommand):
            to_call.append(protocol.ClientFactory.forProtocol(Greeting))
            if self.code is None:
                # There are no answers behind the switch.
                reactor.callLater(0, self.callRemote, *to_call, **self.arguments)
                return {}
        called = self.callRemote(*to_call, **self.arguments)
        if called is None:
            return {}
        if self.code is None:
            called.addCallback(self.answered)
        else:
            called.addCallbacks(self.not_failed, self.failed, errbackArgs=(description,))
        return called

    def answered(self, response):
        expected = self.response if self.command.requiresAnswer else {}
        if response != expected:
            raise AssertionError(f"{response!r} is not {expected!r}")
        return {}

    def not_failed(self, response):
        raise AssertionError(f"it did not fail, and answered {response!r}")

    def failed(self, failure, description):
        code = self.code.encode()
        # For UNHANDLED Twisted has an exception of its own, whatever a command declares.
        expected = amp.PROTOCOL_ERRORS.get(code) or self.command.reverseErrors[code]
        said = failure.value.args[-1]
        if failure.type is not expected or said != description:
            raise AssertionError(f"{failure.value!r} is not a {expected.__name__} of {description!r}")
        return {}

    @Called.responder
    def called(self):
        return {"right": self.right}

    def respond(self, command, arguments):
        self.right = command is self.command and arguments == self.arguments
        if not self.right:
            print(f"{arguments!r}\nis not\n{self.arguments!r}", file=sys.stderr, flush=True)
            raise RuntimeError("the arguments are not those that were prepared")
        if self.code is not None:
            exception = next(exception for exception, code in command.allErrors.items()
                             if code == self.code.encode())
            raise exception("é" + self.code)
        return self.response


def responder(command):
    def respond(self, /, **arguments):
        return self.respond(command, arguments)

    return command.responder(respond)


class Trader(Peer):
    @trade.Talk.responder
    def talk(self, **arguments):
        self.respond(trade.Talk, arguments)
        return Swapped()

    for _name, _command in COMMANDS.items():
        if not issubclass(_command, amp.ProtocolSwitchCommand):
            locals()["respond_" + _name.replace("-", "_")] = responder(_command)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    path = parser.parse_args().listen.partition(":")[2]
    if os.path.exists(path):
        os.unlink(path)
    reactor.listenUNIX(path, protocol.Factory.forProtocol(Trader))
    print("listening", path, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
