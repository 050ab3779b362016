"""A parent that starts CHILD, a program in any language, the way ampoule starts its children.

    python ampoule_parent.py CHILD

CHILD speaks AMP over its descriptors 3 and 4 and answers ampoule's own commands, and Sum, Divide
and CallBack of commands.py. Prints what comes of each step.
"""

import sys

from ampoule.child import AMPChild
from ampoule.commands import Echo, Ping, Shutdown
from ampoule.main import ProcessStarter
from ampoule.pool import ProcessPool
from twisted.internet import defer, error, task
from twisted.protocols import amp

import commands as c

# A child that does nothing for this long has hung.
DEADLINE = 30

# ampoule runs a Python program in its child. This one becomes CHILD, and leaves it the descriptors.
BECOME = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"


class Parent(amp.AMP):
    @c.Sum.responder
    def sum(self, a, b):
        return {"total": a + b}


async def calls(call):
    print("ping", (await call(Ping))["response"])
    data = bytes(range(256)) * 200
    print("echo", (await call(Echo, data=data))["response"] == data)
    print("sum", (await call(c.Sum, a=10**30, b=-1))["total"])
    print("call back", (await call(c.CallBack, a=20, b=22))["total"])
    try:
        await call(c.Divide, numerator=1, denominator=0)
    except ZeroDivisionError as failure:
        print("divide", failure)


async def by_itself(starter):
    child, ended = starter.startAMPProcess(AMPChild, Parent)
    await calls(child.callRemote)
    print("shutdown", await child.callRemote(Shutdown))
    # Fails unless the exit code is 0.
    await ended
    print("ended")


async def abandoned(starter):
    child, ended = starter.startAMPProcess(AMPChild, Parent)
    await child.callRemote(Ping)
    child.transport.loseConnection()
    try:
        await ended
    except error.ProcessTerminated as end:
        print("abandoned", "exit code", end.exitCode)


async def in_a_pool(starter):
    pool = ProcessPool(AMPChild, Parent, min=2, max=2, starter=starter)
    await pool.start()
    try:
        await calls(pool.doWork)
        sums = [pool.doWork(c.Sum, a=n, b=n) for n in range(20)]
        totals = [answer["total"] for answer in await defer.gatherResults(sums)]
        print("in parallel", totals == [2 * n for n in range(20)])
    finally:
        await pool.stop()
    print("stopped", len(pool.processes))


async def all_of_it(child):
    starter = ProcessStarter(bootstrap=BECOME, args=(child,))
    await by_itself(starter)
    await abandoned(starter)
    await in_a_pool(starter)


def main(reactor, child):
    return defer.ensureDeferred(all_of_it(child)).addTimeout(DEADLINE, reactor)


task.react(main, sys.argv[1:])
