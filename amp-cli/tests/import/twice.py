from twisted.protocols import amp


class Once(amp.Command):
    arguments = [(b"a", amp.Integer())]


class Again(amp.Command):
    commandName = b"Once"
