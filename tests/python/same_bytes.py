"""Holds classes against those that were generated from their schema.

    python same_bytes.py ORIGINAL GENERATED

For values at random, both write the same bytes, and read what the other has written. The seed is that in
`AMP_SEED`, or 1.
"""

import importlib
import os
import random
import sys

import random_values
from twisted.protocols import amp


def commands(name):
    return {
        cls.commandName: cls for cls in vars(importlib.import_module(name)).values()
        if isinstance(cls, type) and issubclass(cls, amp.Command)
        and cls.__module__ == name and not cls.__name__.startswith("_")
    }


originals, generated = map(commands, sys.argv[1:])
assert originals.keys() == generated.keys(), (originals, generated)
seed = int(os.environ.get("AMP_SEED", "1"))
print("seed", seed)
at_random = random.Random(seed)
compared = 0
for name, original in originals.items():
    for pairs, others in ((original.arguments, generated[name].arguments),
                          (original.response, generated[name].response)):
        if not original.requiresAnswer and pairs is original.response:
            continue
        for _ in range(20):
            objects = random_values.values(at_random, pairs)
            box = amp._objectsToStrings(objects, pairs, amp.AmpBox(), None)
            other = amp._objectsToStrings(objects, others, amp.AmpBox(), None)
            assert box.serialize() == other.serialize(), (name, box, other)
            assert amp._stringsToObjects(box, others, None) == objects, (name, objects)
            compared += 1
print("compared", compared)
