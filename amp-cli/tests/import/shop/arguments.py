"""Arguments such as projects write for themselves."""

import json
import zlib

from twisted.protocols import amp

from no_such_package import Money


class Plain(amp.Unicode):
    """Nothing but another name."""


class Attrs(amp.Argument):
    """Another argument, whose value is made into something of the program's."""

    def __init__(self, inner, optional=False):
        super().__init__(optional)
        self.inner = inner

    def toStringProto(self, value, proto):
        return self.inner.toStringProto(value, proto)

    def fromStringProto(self, data, proto):
        return self.inner.fromStringProto(data, proto)


class Bytes(amp.Argument):
    def toString(self, value):
        return value

    def fromString(self, data):
        return data


class Structure(amp.Argument):
    def toString(self, value):
        return json.dumps(value).encode("ascii")

    def fromString(self, data):
        return json.loads(data.decode("ascii"))


class CompressedAmpList(amp.AmpList):
    def toStringProto(self, value, proto):
        return zlib.compress(super().toStringProto(value, proto))

    def fromStringProto(self, data, proto):
        return super().fromStringProto(zlib.decompress(data), proto)


class CompressedStructure(amp.Argument):
    def toString(self, value):
        return zlib.compress(json.dumps(value).encode())

    def fromString(self, data):
        return json.loads(zlib.decompress(data))


class Choice(amp.Argument):
    def __init__(self, choices, optional=False):
        super().__init__(optional)
        self.choices = choices
        self.values = {text: value for value, text in choices.items()}

    def toString(self, value):
        return self.choices[value]

    def fromString(self, data):
        return self.values[data]


class Big(amp.Argument):
    """As Flocker's: over the keys name.0, name.1."""

    def __init__(self, another, optional=False):
        super().__init__(optional)
        self.another = another

    def toBox(self, name, strings, objects, proto):
        value = self.retrieve(objects, amp._wireNameToPythonIdentifier(name), proto)
        data = self.another.toStringProto(value, proto)
        for part, at in enumerate(range(0, len(data), 65535)):
            strings[b"%s.%d" % (name, part)] = data[at:at + 65535]

    def fromBox(self, name, strings, objects, proto):
        data, part = b"", 0
        while b"%s.%d" % (name, part) in strings:
            data += strings[b"%s.%d" % (name, part)]
            part += 1
        objects[amp._wireNameToPythonIdentifier(name)] = self.another.fromStringProto(data, proto)


class BigString(amp.Argument):
    """The recipe: over the keys name, name.2."""

    def toBox(self, name, strings, objects, proto):
        value = self.retrieve(objects, amp._wireNameToPythonIdentifier(name), proto)
        strings[name], part = value[:65535], 2
        for at in range(65535, len(value), 65535):
            strings[b"%s.%d" % (name, part)] = value[at:at + 65535]
            part += 1

    def fromBox(self, name, strings, objects, proto):
        data, part = strings[name], 2
        while b"%s.%d" % (name, part) in strings:
            data += strings[b"%s.%d" % (name, part)]
            part += 1
        objects[amp._wireNameToPythonIdentifier(name)] = data


class CompressedParts(amp.Argument):
    """As Evennia's: cut, and then each part compressed."""

    def toBox(self, name, strings, objects, proto):
        value = self.retrieve(objects, amp._wireNameToPythonIdentifier(name), proto)
        for part, at in enumerate(range(0, len(value), 65535)):
            data = zlib.compress(value[at:at + 65535], 1)
            for half in range(0, len(data), 65535):
                key = name if part == 0 else b"%s.%d" % (name, part + 1)
                strings[key] = data

    def fromBox(self, name, strings, objects, proto):
        data, part = zlib.decompress(strings[name]), 2
        while b"%s.%d" % (name, part) in strings:
            data += zlib.decompress(strings[b"%s.%d" % (name, part)])
            part += 1
        objects[amp._wireNameToPythonIdentifier(name)] = data


class Remote(amp.Argument):
    """Not on the wire: the address of the peer."""

    def toBox(self, name, strings, objects, proto):
        pass

    def fromBox(self, name, strings, objects, proto):
        objects[amp._wireNameToPythonIdentifier(name)] = proto.transport.getPeer()


class Rot13(amp.Argument):
    """What no form is known for."""

    def toString(self, value):
        return value.translate(bytes(range(1, 256)) + b"\0")

    def fromString(self, data):
        return data.translate(b"\xff" + bytes(range(255)))


class Said(amp.Argument):
    """It says itself what it is."""

    wire_form = "Zlib(Json)"


class Price(amp.Argument):
    """What it needs is not installed."""

    def toString(self, value):
        return Money(value).packed()

    def fromString(self, data):
        return Money.unpacked(data)
