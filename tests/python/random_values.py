"""Values for arguments, at random."""

import datetime
import decimal
import ipaddress

import amp_arguments
from twisted.protocols import amp
from twisted.python.filepath import FilePath


def text(random, longest=12):
    letters = [chr(random.choice([random.randrange(32, 127), random.randrange(0xA0, 0xD800)]))
               for _ in range(random.randrange(longest))]
    return "".join(letters)


#: The bounds of integers, by their keys, where trade.toml says that they are others than those of an i64.
BOUNDS = {b"serial": (0, 2**128 - 1), b"type": (0, 2**8 - 1)}


def integer(random, key):
    low, high = BOUNDS.get(key, (-2**63, 2**63 - 1))
    return random.choice([low, high, 0, random.randrange(low, high + 1), random.randrange(128)])


def values(random, pairs, depth=0):
    """An object for each argument that is there."""
    objects = {}
    for name, argument in pairs:
        there = not argument.optional or (random.random() < 0.7 and depth < 6)
        objects[amp._wireNameToPythonIdentifier(name)] = (
            integer(random, name) if there and type(argument) is amp.Integer
            else value(random, argument, depth) if there else None)
    return objects


def value(random, argument, depth=0):
    kind = type(argument)
    several = range(random.randrange(3) if depth < 6 else 0)
    if isinstance(argument, (amp.AmpList,)):
        return [values(random, argument.subargs, depth + 1) for _ in several]
    if kind is amp_arguments.Box:
        return values(random, argument.subargs, depth + 1)
    if kind is amp.ListOf:
        return [value(random, argument.elementType, depth + 1) for _ in several]
    if kind is amp_arguments.ListOf:
        return [value(random, argument.inner, depth + 1) for _ in several]
    if kind is amp_arguments.OneOf:
        return random.choice(argument.texts)
    if isinstance(argument, amp_arguments._large._OverKeys) and isinstance(argument.inner, amp.String):
        return random.randbytes(random.choice([0, 5, 65_535, 65_536, 150_000]))
    if hasattr(argument, "inner"):
        return value(random, argument.inner, depth)
    return PLAIN[kind](random)


def date_time(random):
    zone = amp._FixedOffsetTZInfo.fromSignHoursMinutes(
        random.choice("+-"), random.randrange(12), random.randrange(60))
    return datetime.datetime(
        random.randrange(1, 10_000), random.randrange(1, 13), random.randrange(1, 29),
        random.randrange(24), random.randrange(60), random.randrange(60),
        random.randrange(1_000_000), zone)


def network(random):
    address = PLAIN[amp_arguments.IpAddress](random)
    return ipaddress.ip_network((address, random.randrange(address.max_prefixlen + 1)), strict=False)


PLAIN = {
    amp.Integer: lambda random: integer(random, None),
    amp.String: lambda random: random.randbytes(random.randrange(20)),
    amp.Unicode: text,
    amp.Float: lambda random: random.choice([random.gauss(0, 1e10), 0.0, -0.0, 1e300, float("inf"), float("-inf")]),
    amp.Boolean: lambda random: random.random() < 0.5,
    amp.Decimal: lambda random: decimal.Decimal(random.randrange(-999, 999)).scaleb(
        random.randrange(-9, 9)),
    amp.DateTime: date_time,
    amp.Path: lambda random: FilePath("/" + text(random).replace("/", "")),
    amp_arguments.Json: lambda random: {text(random): [random.randrange(99), None, text(random)]},
    amp_arguments.IpAddress: lambda random: ipaddress.ip_address(
        random.randbytes(random.choice([4, 16]))),
    amp_arguments.IpNetwork: network,
}
