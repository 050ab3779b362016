"""How long one call takes from the start of a program to its end: `ampctl call`, a line of Python with
Twisted, and `busctl call` where there is a bus. All on Unix sockets, in turns.

    PYTHON_WITH_TWISTED benchmarks/one_call.py AMPCTL [RUNS]

The server is Twisted's for the first two: they differ in the client alone. For `busctl` it is the bus
itself. Prints the least and the median of the time by the clock and of the CPU, in milliseconds.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SERVER = """
import sys
from twisted.internet import protocol, reactor
from twisted.protocols import amp
class Sum(amp.Command):
    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]
class Peer(amp.AMP):
    @Sum.responder
    def sum(self, a, b):
        return {"total": a + b}
reactor.listenUNIX(sys.argv[1], protocol.Factory.forProtocol(Peer))
reactor.callWhenRunning(print, "listening", flush=True)
reactor.run()
"""

CLIENT = (
    "import sys;from twisted.internet import endpoints as e,task;from twisted.protocols import amp;"
    "S=type('Sum',(amp.Command,),{'arguments':[(b'a',amp.Integer()),(b'b',amp.Integer())],"
    "'response':[(b'total',amp.Integer())]});"
    "task.react(lambda r:e.connectProtocol(e.UNIXClientEndpoint(r,sys.argv[1]),amp.AMP())"
    ".addCallback(lambda p:p.callRemote(S,a=13,b=81)).addCallback(print))"
)


def children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command):
    cpu, clock = children(), time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    clock = time.perf_counter() - clock
    assert done.stdout, command
    return clock * 1000, (children() - cpu) * 1000


def main():
    ampctl, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        servers = [subprocess.Popen([sys.executable, "-c", SERVER, path], stdout=subprocess.PIPE)]
        assert servers[0].stdout.readline() == b"listening\n"
        types = ["a:Integer=13", "b:Integer=81"]
        commands = {
            "ampctl call": [ampctl, "call", "unix:" + path, "Sum", *types],
            "Python with Twisted": [sys.executable, "-c", CLIENT, path],
        }
        if shutil.which("busctl") and shutil.which("dbus-daemon"):
            bus = ["dbus-daemon", "--session", "--nofork", "--print-address"]
            servers.append(subprocess.Popen(bus, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
            address = servers[1].stdout.readline().decode().strip()
            name = "org.freedesktop.DBus"
            call = ["call", name, "/org/freedesktop/DBus", name, "GetId"]
            commands["busctl call"] = ["busctl", "--address=" + address, *call]
        try:
            for command in commands.values():
                run(command)
            times = {name: [] for name in commands}
            for _ in range(runs):
                for name, command in commands.items():
                    times[name].append(run(command))
        finally:
            for server in servers:
                server.kill()
                server.wait()
    print("| | clock, least | clock, median | CPU, least | CPU, median |\n|---|--:|--:|--:|--:|")
    for name, pairs in times.items():
        cells = [f(column) for column in zip(*pairs) for f in (min, statistics.median)]
        print("|", name, *(f"| {cell:.1f}" for cell in cells), "|")


if __name__ == "__main__":
    main()
