"""Statements that are not executed, and may make a command or change one."""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Iterator
from typing import Any

from ampctl_meanings import Module, Reader, Statement
from ampctl_slicing import Slice, Slicer
from ampctl_stand_ins import is_stand_in
from ampctl_syntax import FUNCTIONS, chains, flat_targets, last_word, root_of
from twisted.protocols import amp

#: Functions of Python's that change nothing of what they are given.
READING = {
    "bool", "dict", "enumerate", "frozenset", "getattr", "hasattr", "id", "isinstance", "issubclass", "len",
    "list", "max", "min", "print", "repr", "reversed", "set", "sorted", "str", "sum", "tuple", "zip",
}
#: Those that may do anything with a module's names.
WRITING = {"exec", "globals"}
#: Methods that change nothing: of commands and of those that call them, and of dictionaries and lists.
READING_METHODS = {
    "callRemote", "copy", "count", "get", "index", "items", "keys", "makeArguments", "makeResponse",
    "parseArguments", "parseResponse", "responder", "values",
}


MAY_CHANGE = "a statement that is not executed, and may change a command"


def look(slicer: Slicer, asked: list[Slice]) -> None:
    """Says of every statement that was not executed, in the program's modules of which anything was, what it
    may do; and in those that were asked for also where a command may be made."""
    bodies = Bodies()
    packages = {one.module.__name__.split(".")[0] for one in asked}
    own = [one for one in slicer.slices.values()
           if one.module.__name__.split(".")[0] in packages or one.done and slicer.is_own(one)]
    for slice in own:
        aliases: set[str] = set()
        tests = {id(test): test for around in slice.conditions.values() for test, _ in around}
        for test in tests.values():
            if slice.decide(test) is None and bodies.may_change(slice, aliases, test.test):
                slicer.not_looked_at.append((slice.place(test), MAY_CHANGE))
        for node in slice.others:
            if id(node) in slice.done or slice.is_skipped(node):
                continue
            if bodies.may_change(slice, aliases, node):
                what = MAY_CHANGE
            elif slice in asked and isinstance(node, FUNCTIONS) and makes(slice, node):
                what = "commands that a function makes"
            elif slice in asked and not isinstance(node, (*FUNCTIONS, ast.ClassDef)) and is_made(slice, node):
                what = "a command that a call makes"
            else:
                continue
            slicer.not_looked_at.append((slice.place(node), what))


class Bodies:
    """Functions that statements name, which may be called for that, and what each does."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[bool, list[Any]]] = {}

    def may_change(self, slice: Slice, aliases: set[str], node: ast.AST) -> bool:
        """Whether a part of a program may change a command, by itself or by functions of the program."""
        is_changing, todo = looked(Looker(slice, aliases), [node])
        seen: set[int] = set()
        while todo and not is_changing:
            of, body = todo.pop()
            if id(body) in seen:
                continue
            seen.add(id(body))
            if id(body) not in self.known:
                self.known[id(body)] = looked(Looker(of, set(), locals_of(body)), body.body)
            is_changing, more = self.known[id(body)]
            todo += more
        return is_changing


def looked(looker: Looker, nodes: list[Any]) -> tuple[bool, list[Any]]:
    try:
        return any(map(looker.changes, nodes)), looker.named
    except RecursionError:
        # It is too deep to be looked at.
        return True, []


def locals_of(function: Any) -> set[str]:
    """The names of a function's own."""
    local = {one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)}
    local |= {inner.id for inner in ast.walk(function)
              if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)}
    return local - {name for inner in ast.walk(function) if isinstance(inner, ast.Global) for name in inner.names}


def makes(slice: Slice, function: ast.AST) -> bool:
    """Whether a function makes commands."""
    bases = [base for inner in ast.walk(function) if isinstance(inner, ast.ClassDef) for base in inner.bases]
    bases += [argument for inner in ast.walk(function) if isinstance(inner, ast.Call)
              and last_word(inner.func) == "type" for argument in inner.args[1:2]]
    return any(slice.may_be(Reader.is_amp, base) for base in bases)


def is_made(slice: Slice, node: ast.stmt) -> bool:
    """Whether a call is given what commands are made of, or is one of a function elsewhere that makes some."""
    for call in (inner for inner in ast.walk(node) if isinstance(inner, ast.Call)):
        given = [*call.args, *(word.value for word in call.keywords)]
        if any(Reader(slice.slicer, by_name=True).is_amp(slice, one) for one in given):
            return True
        found = slice.reader().meanings(slice, call.func)
        if any(isinstance(one, Statement) and one.slice is not slice and isinstance(one.node, FUNCTIONS)
               and makes(one.slice, one.node) for one in found):
            return True
    return False


class Looker:
    """Looks whether a statement may change a command, or what one is made of.

    Only what has been executed can be part of a command. What is made of it outside of calls stands for it:
    `ALL = [Buy]`, `for command in ALL`."""

    def __init__(self, slice: Slice, aliases: set[str], local: set[str] | None = None):
        self.slice = slice
        #: Names that stand for what commands are made of.
        self.aliases = aliases
        #: Names of a function's own, which stand for nothing of the module.
        self.local = local or set()
        #: The functions that are named.
        self.named: list[tuple[Slice, Any]] = []

    def changes(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Call) and self.is_changing_call(node):
            return True
        if isinstance(node, (ast.Name, ast.Attribute)) and root_of(node) not in self.local:
            for found in self.slice.reader().meanings(self.slice, node):
                if isinstance(found, Statement):
                    self.named += ((found.slice, body) for body in functions_in(found.node))
        if isinstance(node, FUNCTIONS):
            # Its body is looked at where it is called.
            return any(map(self.changes, [*node.decorator_list, *node.args.defaults]))
        for value, targets in given(node):
            if value is not None and self.touches(value):
                self.aliases |= {target.id for target in flat_targets(targets) if isinstance(target, ast.Name)}
        if any(self.touches(target.value) for target in changed(node)):
            return True
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and self.touches(node.target):
            return True
        names = node.names if isinstance(node, ast.Global) else []
        if isinstance(node, ast.Delete):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if any(self.is_part(self.slice.namespace.get(name)) for name in names):
            return True
        return any(self.changes(inner) for inner in in_order(node))

    def is_changing_call(self, call: ast.Call) -> bool:
        name = last_word(call.func)
        is_plain = isinstance(call.func, ast.Name) and name not in self.slice.bindings
        if is_plain and name in WRITING:
            return True
        if is_plain and name in READING or isinstance(call.func, ast.Attribute) and name in READING_METHODS:
            return False
        if isinstance(call.func, ast.Attribute) and self.touches(call.func.value):
            return True
        if any(map(self.touches, [*call.args, *(word.value for word in call.keywords)])):
            return True
        # A method may be any of its name.
        named = self.slice.called(name) if isinstance(call.func, ast.Attribute) else []
        self.named += ((self.slice, body) for node in named for body in functions_in(node))
        return False

    def touches(self, node: ast.AST) -> bool:
        """Whether an expression has in it what commands are made of."""
        return any(self.is_alias(chain) or self.is_part(self.there(chain)) for chain in chains(node))

    def is_alias(self, chain: ast.expr) -> bool:
        return root_of(chain) in self.aliases

    def is_part(self, value: Any) -> bool:
        if isinstance(value, type):
            return (not is_stand_in(value) and issubclass(value, (amp.Command, amp.Argument))
                    and value.__module__.split(".")[0] not in self.slice.slicer.real)
        # An empty tuple has nothing in it that could change.
        return isinstance(value, (list, dict, set, tuple, amp.Argument)) and value != ()

    def there(self, chain: ast.expr) -> Any:
        """The value of a chain of names, if it has been executed."""
        if root_of(chain) in self.local:
            return None
        if isinstance(chain, ast.Name):
            if chain.id in self.slice.namespace:
                return self.slice.namespace[chain.id]
            return next(filter(None, map(self.value, self.slice.reader().named(self.slice, chain.id))), None)
        if not isinstance(chain, ast.Attribute):
            return None
        outer = self.there(chain.value)
        if isinstance(outer, types.ModuleType):
            return vars(outer).get(chain.attr)
        if outer is not None:
            # A property of the program's is not executed.
            return inspect.getattr_static(outer, chain.attr, None)
        found = self.slice.reader().meanings(self.slice, chain)
        return next(filter(None, map(self.value, found)), None)

    def value(self, found: Any) -> Any:
        if isinstance(found, Statement):
            return found.slice.namespace.get(found.name)
        if isinstance(found, Module):
            slice = self.slice.slicer.read(found.name)
            return slice.module if slice is not None else None
        return None


def functions_in(node: ast.AST) -> Iterator[Any]:
    """What runs when it is called."""
    if isinstance(node, FUNCTIONS):
        yield node
    elif isinstance(node, ast.ClassDef):
        yield from (inner for inner in node.body
                    if isinstance(inner, FUNCTIONS) and inner.name in ("__init__", "__new__"))


def given(node: ast.AST) -> Iterator[tuple[ast.expr | None, list[ast.expr]]]:
    """The values that names are given by a part of a statement."""
    if isinstance(node, ast.Assign):
        yield node.value, node.targets
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
        yield node.value, [node.target]
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        yield node.iter, [node.target]
    elif isinstance(node, ast.withitem) and node.optional_vars:
        yield node.context_expr, [node.optional_vars]


def changed(node: ast.AST) -> Iterator[Any]:
    """What is given another attribute or element, or loses one."""
    if isinstance(node, (ast.Assign, ast.Delete)):
        targets = node.targets
    else:
        targets = [node.target] if isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.For)) else []
    for target in flat_targets(targets):
        if isinstance(target, (ast.Attribute, ast.Subscript)):
            yield target


def in_order(node: ast.AST) -> list[ast.AST]:
    """What is inside, in the order in which it runs."""
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
        inner = list(ast.iter_child_nodes(node))
        return [*node.generators, *(one for one in inner if not isinstance(one, ast.comprehension))]
    return list(ast.iter_child_nodes(node))
