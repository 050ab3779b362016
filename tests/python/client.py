"""A Twisted client that holds conversations with a peer of the compliance suite.

    python client.py unix:PATH | tcp:HOST:PORT [--scenario NAME] [--skip NAME,...] [--later]
                     [--policy close|stay] [--tls AUTHORITY.pem]

Every scenario has a connection of its own and prints one line, `ok NAME` or
`FAILED NAME: what was expected and seen`. The exit code is 1 if any failed.
"""

import argparse
import datetime
import decimal
import math
import os
import sys
import tempfile
import traceback

from twisted.internet import defer, endpoints, protocol, reactor
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.protocols import amp
from twisted.python.filepath import FilePath

import commands as c

# A scenario that takes longer than this has hung.
DEADLINE = 30

options = None


class Unexpected(Exception):
    """What was seen is not what was expected."""


class Client(amp.AMP):
    def __init__(self):
        amp.AMP.__init__(self)
        self.lost = defer.Deferred()

    @c.Sum.responder
    def sum(self, a, b):
        return {"total": a + b}

    def connectionLost(self, reason):
        amp.AMP.connectionLost(self, reason)
        self.lost.callback(None)


def shortened(value):
    text = repr(value)
    return text if len(text) <= 200 else "%s... (%d characters)" % (text[:200], len(text))


def same(expected, seen):
    """Equality that tells 0.0 from -0.0 and 1 from 1.0, and finds NaN equal to itself."""
    if isinstance(expected, dict):
        return (
            isinstance(seen, dict)
            and expected.keys() == seen.keys()
            and all(same(value, seen[key]) for key, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(seen, list) and len(expected) == len(seen) and all(map(same, expected, seen))
        )
    if type(expected) is not type(seen):
        return False
    if isinstance(expected, (float, decimal.Decimal)):
        return repr(expected) == repr(seen)
    if isinstance(expected, datetime.datetime):
        return expected.isoformat() == seen.isoformat()
    return expected == seen


def check(what, expected, seen):
    if not same(expected, seen):
        if isinstance(seen, dict) and isinstance(expected, dict) and seen.keys() == expected.keys():
            differing = [key for key in expected if not same(expected[key], seen[key])]
            expected = {key: expected[key] for key in differing}
            seen = {key: seen[key] for key in differing}
        raise Unexpected(
            "%s: expected %s, saw %s" % (what, shortened(expected), shortened(seen))
        )


async def refused(what, call, kind, description=None):
    """Waits for a call that must fail with an error of a kind; answers with the error."""
    try:
        answer = await call
    except kind as error:
        if description is not None:
            seen = error.description if isinstance(error, amp.RemoteAmpError) else str(error)
            if isinstance(seen, bytes):
                seen = seen.decode("utf-8")
            check("%s: description" % what, description, seen)
        return error
    except Exception as error:
        raise Unexpected("%s: expected %s, saw %r" % (what, kind.__name__, error))
    raise Unexpected("%s: expected %s, saw the answer %r" % (what, kind.__name__, answer))


async def still_open(peer):
    check("Sum on the same connection", {"total": 94}, await peer.callRemote(c.Sum, a=13, b=81))


async def closed_by_peer(peer):
    """The peer closes the connection; that it never does is seen by the scenario's deadline."""
    await peer.lost
    await refused("a call after the close", peer.callRemote(c.Sum, a=1, b=2), Exception)


async def unknown(peer, what, call):
    error = await refused(what, call, amp.UnknownRemoteError)
    description = error.description
    if not description.startswith("Unknown Error"):
        raise Unexpected("%s: expected 'Unknown Error', saw %r" % (what, description))
    if options.policy == "close":
        await closed_by_peer(peer)
    else:
        await still_open(peer)


def every(command, **values):
    """The values, and None for every other argument of the command."""
    names = [name.decode("ascii") for name, _ in command.arguments]
    return {name: values.get(name) for name in names}


async def echoes(peer, command, **values):
    check(
        "%s(%s)" % (command.__name__, ", ".join(values)),
        every(command, **values),
        await peer.callRemote(command, **values),
    )


SCENARIOS = {}
LATER = {}
UNIX_ONLY = set()


def scenario(function):
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


def unix_only(function):
    """A scenario that is left out on other sockets, which carry no descriptors."""
    UNIX_ONLY.add(function.__name__.replace("_", "-"))
    return scenario(function)


def later(function):
    """A scenario that only runs when it is asked for."""
    LATER[function.__name__.replace("_", "-")] = function
    return function


@scenario
async def sum(peer):
    check("13 + 81", {"total": 94}, await peer.callRemote(c.Sum, a=13, b=81))
    check("-5 + 5", {"total": 0}, await peer.callRemote(c.Sum, a=-5, b=5))
    answer = await peer.callRemote(c.Sum, a=2**62, b=-(2**63))
    check("2**62 - 2**63", {"total": -(2**62)}, answer)


@scenario
async def divide(peer):
    check("1 / 4", {"result": 0.25}, await peer.callRemote(c.Divide, numerator=1, denominator=4))
    check("-6 / 3", {"result": -2.0}, await peer.callRemote(c.Divide, numerator=-6, denominator=3))
    check(
        "2 / 3", {"result": 2 / 3}, await peer.callRemote(c.Divide, numerator=2, denominator=3)
    )


@scenario
async def divide_by_zero(peer):
    call = peer.callRemote(c.Divide, numerator=1, denominator=0)
    await refused("1 / 0", call, ZeroDivisionError, "division by zero")
    await still_open(peer)


@scenario
async def concatenate(peer):
    for left, right in [("foo", "bar"), ("", ""), ("Grüße, ", "世界 🦀"), ("a\0b", "\n")]:
        answer = await peer.callRemote(c.Concatenate, left_hand=left, right_hand=right)
        check("%r + %r" % (left, right), {"both": left + right}, answer)


@scenario
async def echo_integers(peer):
    values = [0, 1, -1, 2**31, -(2**31), 2**63 - 1, -(2**63), 2**64 - 1, 2**127 - 1, -(2**127)]
    for value in values:
        await echoes(peer, c.EchoScalars, integer=value)


@scenario
async def echo_strings(peer):
    for value in [b"", b"x", b"\0\xff", bytes(range(256)), b"\xa5" * 65535]:
        await echoes(peer, c.EchoScalars, string=value)


@scenario
async def echo_texts(peer):
    for value in ["", "x", "\0", "Grüße 世界 🦀", "é" * 32767, "x" * 65535]:
        await echoes(peer, c.EchoScalars, unicode=value)


@scenario
async def echo_floats(peer):
    values = [0.0, -0.0, 0.1, 1e15, 1e16, 1e-05, 0.0001, 1.5e-07, 5e-324, sys.float_info.max]
    for value in values + [math.pi, 1 / 3, math.inf, -math.inf, math.nan]:
        await echoes(peer, c.EchoScalars, float=value)


@scenario
async def echo_booleans(peer):
    for value in [True, False]:
        await echoes(peer, c.EchoScalars, boolean=value)


@scenario
async def echo_no_scalars(peer):
    await echoes(peer, c.EchoScalars)


@scenario
async def echo_all_scalars(peer):
    values = {
        "integer": -7,
        "string": b"\xff",
        "unicode": "ü",
        "float": 1.5,
        "boolean": True,
        "decimal": decimal.Decimal("1.50"),
        "datetime": DATETIMES[0],
        "path": FilePath("/tmp"),
    }
    await echoes(peer, c.EchoScalars, **values)


@scenario
async def echo_lists(peer):
    lists = {
        "integers": [0, -1, 2**63 - 1, -(2**63)],
        "strings": [b"", b"\0\0", b"x" * 1000],
        "texts": ["", "Grüße", "世界"],
        "floats": [0.0, -0.0, 0.1, math.inf, math.nan],
        "booleans": [True, False, True],
    }
    for name, values in lists.items():
        await echoes(peer, c.EchoLists, **{name: values})
        await echoes(peer, c.EchoLists, **{name: []})
        await echoes(peer, c.EchoLists, **{name: values[:1]})
    await echoes(peer, c.EchoLists, integers=list(range(5000)))
    await echoes(peer, c.EchoLists, strings=[b"y" * 65533])
    await echoes(peer, c.EchoLists, **lists)


@scenario
async def echo_no_lists(peer):
    await echoes(peer, c.EchoLists)


@scenario
async def echo_nested_lists(peer):
    for value in [[], [[]], [[1], [], [2, 3]], [list(range(100))] * 20]:
        await echoes(peer, c.EchoLists, nested=value)


def point(x, y, label=None):
    return {"x": x, "y": y, "label": label}


@scenario
async def echo_points(peer):
    for value in [[], [point(1, 2.5)], [point(-1, 0.1, "ü"), point(0, -0.0), point(2, 1e16, "")]]:
        await echoes(peer, c.EchoLists, points=value)


@scenario
async def echo_polygons(peer):
    triangle = {"name": "triangle", "points": [point(0, 0.0), point(1, 0.0, "b"), point(0, 1.0)]}
    empty = {"name": "", "points": []}
    for value in [[], [empty], [triangle, empty, triangle]]:
        await echoes(peer, c.EchoLists, polygons=value)


@scenario
async def friendly_error(peer):
    for text in ["no", "", "Grüße 世界"]:
        call = peer.callRemote(c.Fail, how="friendly", text=text)
        await refused("friendly", call, c.FriendlyError, text)
    await still_open(peer)


@scenario
async def deadly_error(peer):
    call = peer.callRemote(c.Fail, how="deadly", text="good-bye")
    await refused("deadly", call, c.DeadlyError, "good-bye")
    await closed_by_peer(peer)


@scenario
async def undeclared_error(peer):
    await unknown(peer, "undeclared", peer.callRemote(c.Fail, how="undeclared", text="secret"))


@scenario
async def bad_response(peer):
    await unknown(peer, "bad-response", peer.callRemote(c.Fail, how="bad-response", text=""))


@scenario
async def one_way(peer):
    for n in range(100):
        check("what a one-way call returns", None, peer.callRemote(c.Note, text="note %d" % n))
    check("CountNotes", {"count": 100}, await peer.callRemote(c.CountNotes))
    peer.callRemote(c.Note, text="one more")
    check("CountNotes", {"count": 101}, await peer.callRemote(c.CountNotes))


@scenario
async def overtaking(peer):
    order = []

    def ask(seconds, token):
        call = peer.callRemote(c.Wait, seconds=seconds, token=token)
        return call.addCallback(lambda answer: order.append(answer["token"]))

    # The first one is answered long after this scenario is over.
    never = peer.callRemote(c.Wait, seconds=3600.0, token=b"never")
    slow = ask(1.0, b"slow")
    quick = [b"%d" % n for n in range(100)]
    await defer.gatherResults([ask(n % 10 / 200, token) for n, token in enumerate(quick)])
    check("answers before the slow one", sorted(quick), sorted(order))
    await slow
    check("the last answer", b"slow", order[-1])
    check("the Wait of an hour was answered", False, never.called)
    peer.transport.loseConnection()
    await refused("the Wait of an hour", never, (ConnectionDone, ConnectionLost))


@scenario
async def call_back(peer):
    answers = await defer.gatherResults([peer.callRemote(c.CallBack, a=n, b=1) for n in range(50)])
    check("CallBack", [{"total": n + 1} for n in range(50)], answers)


@scenario
async def who_am_i(peer):
    check("WhoAmI", {"peer": str(peer.transport.getHost())}, await peer.callRemote(c.WhoAmI))


class NobodyKnows(amp.Command):
    pass


@scenario
async def unhandled(peer):
    error = await refused("a command nobody knows", peer.callRemote(NobodyKnows), Exception)
    check("the error", amp.UnhandledCommand, type(error))
    await still_open(peer)


def file_of(content):
    file = tempfile.TemporaryFile()
    file.write(content)
    file.flush()
    file.seek(0)
    return file


@unix_only
async def file_size(peer):
    files = [file_of(b"x" * size) for size in [0, 1, 100000]]
    # All at once: each ordinal has to find its own descriptor.
    calls = [peer.callRemote(c.FileSize, file=file.fileno()) for file in files]
    check("sizes", [{"size": 0}, {"size": 1}, {"size": 100000}], await defer.gatherResults(calls))
    for file in files:
        file.close()
    await still_open(peer)


@unix_only
async def open_temporary(peer):
    contents = [b"", b"x", b"\0\xff" * 30000]
    calls = [peer.callRemote(c.OpenTemporary, content=content) for content in contents]
    for content, answer in zip(contents, await defer.gatherResults(calls)):
        with os.fdopen(answer["file"], "rb") as file:
            check("what the descriptor reads", content, file.read())


@unix_only
async def concatenate_files(peer):
    for contents in [[], [b"a"], [b"first, ", b"", b"second, ", b"third"]]:
        files = [file_of(content) for content in contents]
        arguments = [{"file": file.fileno()} for file in files]
        answer = await peer.callRemote(c.ConcatenateFiles, files=arguments)
        check("ConcatenateFiles", {"content": b"".join(contents)}, answer)
        for file in files:
            file.close()


@scenario
async def echo_huge_integers(peer):
    values = [2**128, -(2**128), 10**4000]
    for value in values:
        await echoes(peer, c.EchoScalars, integer=value)
    await echoes(peer, c.EchoLists, integers=values)
    await echoes(peer, c.EchoLists, nested=[values, []])
    answer = await peer.callRemote(c.Sum, a=10**4000, b=-(2**128))
    check("10**4000 - 2**128", {"total": 10**4000 - 2**128}, answer)


DECIMALS = [
    decimal.Decimal(text)
    for text in "1 1.0 123.4500 1E+2 1.5E+2 1E-7 0.000001 -0 1E+999999 Infinity -Infinity "
    "NaN -NaN sNaN -sNaN NaN123".split()
]
DATETIMES = [
    datetime.datetime(2010, 6, 25, 16, 46, 37, 1, datetime.timezone(offset))
    for offset in [
        datetime.timedelta(hours=-5, minutes=-30),
        datetime.timedelta(0),
        datetime.timedelta(hours=14),
        datetime.timedelta(minutes=-1),
    ]
]


@scenario
async def echo_decimals(peer):
    for value in DECIMALS:
        await echoes(peer, c.EchoScalars, decimal=value)
    await echoes(peer, c.EchoLists, decimals=[])
    await echoes(peer, c.EchoLists, decimals=DECIMALS)


@scenario
async def echo_datetimes(peer):
    for value in DATETIMES:
        await echoes(peer, c.EchoScalars, datetime=value)
    await echoes(peer, c.EchoLists, datetimes=[])
    await echoes(peer, c.EchoLists, datetimes=DATETIMES)


@scenario
async def echo_paths(peer):
    for value in ["/", "/tmp/Grüße", "/a b/c"]:
        await echoes(peer, c.EchoScalars, path=FilePath(value))


class Collector(protocol.Protocol):
    """Collects bytes until as many came as were asked for."""

    def __init__(self, count):
        self.count = count
        self.received = b""
        self.complete = defer.Deferred()

    def dataReceived(self, data):
        self.received += data
        if len(self.received) >= self.count and not self.complete.called:
            self.complete.callback(self.received)


@scenario
async def switch_to_echo(peer):
    sent = bytes(range(256)) * 1000
    collector = Collector(len(sent))
    factory = protocol.ClientFactory.forProtocol(lambda: collector)
    await peer.callRemote(c.SwitchToEcho, factory)
    collector.transport.write(sent)
    check("the echo", sent, await collector.complete)


@scenario
async def switch_refused(peer):
    factory = protocol.ClientFactory.forProtocol(lambda: Collector(1))
    call = peer.callRemote(c.SwitchToEcho, factory, refuse=True)
    await refused("SwitchToEcho", call, c.FriendlyError, "not today")
    await still_open(peer)


@later
async def start_tls(peer):
    from twisted.internet import ssl

    if not options.tls:
        raise Unexpected("this scenario needs --tls")
    with open(options.tls, "rb") as file:
        authority = ssl.Certificate.loadPEM(file.read())
    # What is asked behind StartTLS is held back until the handshake is done.
    started = peer.callRemote(amp.StartTLS, tls_verifyAuthorities=[authority])
    calls = [peer.callRemote(c.Sum, a=n, b=n) for n in range(10)]
    await started
    check("Sums", [{"total": 2 * n} for n in range(10)], await defer.gatherResults(calls))
    check("the certificate", authority.digest(), peer.peerCertificate.digest())


def endpoint(address):
    kind, _, rest = address.partition(":")
    if kind == "unix":
        return endpoints.UNIXClientEndpoint(reactor, rest)
    host, _, port = rest.rpartition(":")
    return endpoints.TCP4ClientEndpoint(reactor, host, int(port))


async def connected(function):
    peer = await endpoints.connectProtocol(endpoint(options.address), Client())
    try:
        await function(peer)
    finally:
        if peer.transport is not None:
            peer.transport.abortConnection()


def hung(*_):
    raise Unexpected("nothing within %d s" % DEADLINE)


async def run(name, function):
    held = defer.ensureDeferred(connected(function))
    held.addTimeout(DEADLINE, reactor, hung)
    try:
        await held
    except Exception as error:
        if not isinstance(error, Unexpected):
            traceback.print_exc()
        print("FAILED %s: %s" % (name, error if isinstance(error, Unexpected) else repr(error)))
        return False
    print("ok %s" % name)
    return True


def chosen():
    known = dict(SCENARIOS, **LATER)
    skipped = [name for name in options.skip.split(",") if name]
    for name in skipped + ([options.scenario] if options.scenario else []):
        if name not in known:
            sys.exit("no scenario %s; there are %s" % (name, ", ".join(known)))
    if options.scenario:
        return {options.scenario: known[options.scenario]}
    if not options.address.startswith("unix:"):
        skipped.extend(UNIX_ONLY)
    wanted = known if options.later else SCENARIOS
    return {name: function for name, function in wanted.items() if name not in skipped}


async def main():
    failed = False
    for name, function in chosen().items():
        failed |= not await run(name, function)
        sys.stdout.flush()
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--scenario")
    parser.add_argument("--skip", default="")
    parser.add_argument("--later", action="store_true")
    parser.add_argument("--policy", choices=["close", "stay"], default="close")
    parser.add_argument("--tls")
    options = parser.parse_args()
    code = []

    def finished(result):
        if not isinstance(result, bool):
            result.printTraceback()
        code.append(0 if result is False else 1)
        reactor.stop()

    reactor.callWhenRunning(lambda: defer.ensureDeferred(main()).addBoth(finished))
    reactor.run()
    sys.exit(code[0])
