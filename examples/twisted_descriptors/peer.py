"""The Twisted side: the same commands as in commands.rs, and what answers them.

Its standard input is a Unix socket, with the Rust side at the other end. Descriptors need such a
connection, one whose transport provides IUNIXTransport: one made with UNIXClientEndpoint or
UNIXServerEndpoint does too. When the connection ends, so does this program.

In Python a descriptor is a number that somebody has to close, exactly once:

- One that was received is the responder's.
- One that is to be sent stays the sender's, and has to stay open until Twisted has sent it, which is
  some time after callRemote has returned. The answer to the call says that it has arrived.
- One in an answer has no such moment. So hand descriptors over in calls, not in answers, or let the
  other side call again to say that it has them.
"""

import os
import socket
import tempfile

from twisted.internet import protocol, reactor
from twisted.protocols import amp


class WriteInto(amp.Command):
    arguments = [(b"file", amp.Descriptor()), (b"text", amp.Unicode())]


class Greet(amp.Command):
    arguments = [(b"client", amp.Descriptor())]


class SendFile(amp.Command):
    arguments = [(b"text", amp.Unicode())]
    response = [(b"text", amp.Unicode())]


class ReadFile(amp.Command):
    arguments = [(b"file", amp.Descriptor())]
    response = [(b"text", amp.Unicode())]


class Greeter(protocol.Protocol):
    def connectionMade(self):
        self.transport.write(b"hello from Twisted")
        self.transport.loseConnection()


class Peer(amp.AMP):
    @WriteInto.responder
    def writeInto(self, file, text):
        with open(file, "w") as opened:
            opened.write(text)
        return {}

    @Greet.responder
    def greet(self, client):
        factory = protocol.Factory.forProtocol(Greeter)
        try:
            # The reactor duplicates it.
            reactor.adoptStreamConnection(client, socket.AF_INET, factory)
        finally:
            os.close(client)
        return {}

    @SendFile.responder
    async def sendFile(self, text):
        with tempfile.TemporaryFile() as file:
            file.write(text.encode())
            file.seek(0)
            # The file is closed when the answer is there.
            return await self.callRemote(ReadFile, file=file.fileno())

    def connectionLost(self, reason):
        super().connectionLost(reason)
        reactor.stop()


reactor.adoptStreamConnection(0, socket.AF_UNIX, protocol.Factory.forProtocol(Peer))
reactor.run()
