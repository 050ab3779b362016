"""Boxes of the commands of a module, as lines: the command, `arguments` or `response`, and the bytes in
hexadecimal.

    python boxes.py MODULE random
    python boxes.py MODULE again

The first prints boxes with values at random, of each command that has no descriptors and streams. The second
reads such lines, and prints what it writes of what it has read.
"""

import importlib
import os
import random
import sys

import random_values
from amp_arguments.streams import SinkOf, StreamOf
from twisted.protocols import amp

#: What has no values without a connection.
OF_A_CONNECTION = (amp.Descriptor, SinkOf, StreamOf)


def arguments_in(pairs, around=()):
    """All arguments, also of what is inside of others."""
    for name, argument in pairs:
        yield name, argument
        inner = getattr(argument, "inner", getattr(argument, "elementType", None))
        if inner is not None:
            yield from arguments_in([(name, inner)], around)
        subargs = getattr(argument, "subargs", None)
        if subargs is not None and not any(subargs is other for other in around):
            yield from arguments_in(subargs, (*around, subargs))


def parts(command):
    yield "arguments", command.arguments
    if command.requiresAnswer and not issubclass(command, amp.ProtocolSwitchCommand):
        yield "response", command.response


def at_random(commands):
    seed = int(os.environ.get("AMP_SEED", "1"))
    print("seed", seed, file=sys.stderr)
    drawn = random.Random(seed)
    for command in commands:
        everything = [pair for _, pairs in parts(command) for pair in arguments_in(pairs)]
        if any(isinstance(argument, OF_A_CONNECTION) for _, argument in everything):
            continue
        # Twisted has names in Python for keys of ASCII only.
        if not all(name.isascii() for name, _ in everything):
            continue
        for part, pairs in parts(command):
            for _ in range(20):
                objects = random_values.values(drawn, pairs)
                yield command, part, amp._objectsToStrings(objects, pairs, amp.AmpBox(), None)


def again(commands):
    by_name = {command.commandName.decode(): command for command in commands}
    for line in sys.stdin:
        name, part, data = line.rstrip("\n").rsplit(" ", 2)
        command = by_name[name]
        pairs = dict(parts(command))[part]
        boxes = amp.parseString(bytes.fromhex(data))
        assert len(boxes) == 1
        objects = amp._stringsToObjects(boxes[0], pairs, None)
        yield command, part, amp._objectsToStrings(objects, pairs, amp.AmpBox(), None)


module, mode = sys.argv[1:]
for command, part, ampbox in {"random": at_random, "again": again}[mode](importlib.import_module(module).ALL):
    print(command.commandName.decode(), part, ampbox.serialize().hex())
