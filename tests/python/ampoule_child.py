"""A child for ampoule to start: its own commands, and Sum, Divide and CallBack of commands.py."""

from ampoule.child import AMPChild

import commands as c


class Child(AMPChild):
    @c.Sum.responder
    def sum(self, a, b):
        return {"total": a + b}

    @c.Divide.responder
    def divide(self, numerator, denominator):
        return {"result": numerator / denominator}

    @c.CallBack.responder
    def callBack(self, a, b):
        return self.callRemote(c.Sum, a=a, b=b)
