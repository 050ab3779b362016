import sys, gettext, copy
from twisted.protocols import amp
from zope.interface import Interface
from no_such_package import errors

_ = gettext.gettext
if sys.version_info[0] >= 3:
    unicode = str
ERRORS = {ValueError: b"VALUE", KeyError: b"KEY"}
ERRORS.update({RuntimeError: b"RUN"})
for exc in (OSError, IOError):
    ERRORS[exc] = exc.__name__.encode()


class BrickCommand(amp.Command):
    arguments = [(b"name", amp.Unicode())]
    errors = ERRORS
    fatalErrors = {SystemError: b"SYS"}


def _args(*more):
    return BrickCommand.arguments + list(more)


class NewBrick(BrickCommand):
    commandName = b"new"
    arguments = _args(
        (b"type", amp.Unicode()), (b"class", amp.Unicode()), (b"from", amp.Integer(optional=True))
    )
    errors = dict(ERRORS, **{})


class Del(BrickCommand):
    requiresAnswer = False


class ListBricks(amp.Command):
    response = [
        (
            b"bricks",
            amp.AmpList(
                [
                    (b"name", amp.Unicode()),
                    (
                        b"socks",
                        amp.AmpList(
                            [
                                (
                                    b"s",
                                    amp.AmpList(
                                        [
                                            (
                                                b"p",
                                                amp.AmpList(
                                                    [(b"q", amp.ListOf(amp.ListOf(amp.Integer())))]
                                                ),
                                            )
                                        ]
                                    ),
                                )
                            ]
                        ),
                    ),
                ]
            ),
        )
    ]


class Console(amp.ProtocolSwitchCommand):
    arguments = [(b"brick", amp.Unicode())]


class IFactory(Interface):
    arguments = None


class BrickFactory(amp.AMP):
    @NewBrick.responder
    def new(self, name, type):
        pass


@Del.responder
def deleted(name):
    pass


def main(argv):
    from twisted.internet import reactor

    BrickFactory().callRemote(NewBrick)
    reactor.run()


if __name__ == "__main__":
    main(sys.argv)
