"""What names stand for, found by reading alone: nothing of the program is executed for it."""

from __future__ import annotations

import ast
import importlib
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ampctl_syntax import chains, named_classes
from twisted.protocols import amp

if TYPE_CHECKING:
    from ampctl_slicing import Slice, Slicer

#: Packages that may have commands, or arguments, and are imported as they are.
WITH_COMMANDS = {"amp_arguments", "twisted"}
#: Functions that do nothing but look, so that the test of an `if` may call them and still be decided.
LOOKING = {"bool", "getattr", "hasattr", "int", "isinstance", "issubclass", "len", "str"}
LOOKING_AT_THE_SYSTEM = {
    "os.environ.get", "os.getenv", "platform.machine", "platform.python_implementation",
    "platform.python_version", "platform.system", "sys.platform.startswith",
}
#: What the test of an `if` may be made of.
PLAIN = (
    ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Compare, ast.BoolOp, ast.UnaryOp,
    ast.BinOp, ast.Tuple, ast.List, ast.Set, ast.IfExp, ast.Call, ast.keyword,
    ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop,
)


@dataclass(frozen=True)
class Statement:
    """A statement of a module, which gives a name its value."""

    slice: Slice
    node: ast.stmt
    name: str


@dataclass(frozen=True)
class Module:
    name: str


@dataclass(frozen=True)
class Real:
    """What a package has that is imported as it is."""

    value: Any


@dataclass(frozen=True)
class Missing:
    name: str


class Reader:
    """Follows names through one question."""

    def __init__(self, slicer: Slicer, by_name: bool = False):
        self.slicer = slicer
        #: Whether what is not found is taken for a command that is called one.
        self.by_name = by_name
        #: The names that were followed, or are being followed: modules import each other in a circle.
        self.followed: dict[tuple[str, str], list[Any]] = {}
        #: The statements that have been looked at.
        self.looked_at: set[int] = set()

    def meanings(self, slice: Slice, node: ast.expr) -> list[Any]:
        """Of a chain of names, in a module."""
        if isinstance(node, ast.Name):
            return self.named(slice, node.id)
        if isinstance(node, ast.Attribute):
            outer = self.meanings(slice, node.value)
            return [one for each in outer for one in self.attribute(each, node.attr)]
        return []

    def named(self, slice: Slice, name: str) -> list[Any]:
        if (slice.path, name) in self.followed:
            return self.followed[slice.path, name]
        self.followed[slice.path, name] = []
        found: list[Any] = [Statement(slice, node, name) for node in slice.bindings.get(name, ())]
        for node in slice.imports:
            for alias in node.names:
                if name == (alias.asname or alias.name.split(".")[0]):
                    found += self.imported(slice, node, alias)
                elif alias.name == "*" and not found:
                    brought = self.attribute(Module(slice.absolute(node)), name)
                    found += [one for one in brought if one != Missing(name)]
        self.followed[slice.path, name] = found
        return found

    def imported(self, slice: Slice, node: Any, alias: ast.alias) -> list[Any]:
        if isinstance(node, ast.Import):
            return [Module(alias.name if alias.asname else alias.name.split(".")[0])]
        return self.attribute(Module(slice.absolute(node)), alias.name)

    def attribute(self, outer: Any, name: str) -> list[Any]:
        if isinstance(outer, Module):
            return self.in_module(outer.name, name)
        if isinstance(outer, Real):
            return [Real(getattr(outer.value, name, None))]
        if isinstance(outer, Missing):
            return [Missing(name)]
        if isinstance(outer.node, ast.ClassDef):
            inner = [node for node, _ in named_classes(outer.node) if node.name == name]
            return [Statement(outer.slice, node, name) for node in inner]
        return []

    def in_module(self, module: str, name: str) -> list[Any]:
        package = module.split(".")[0]
        if package in WITH_COMMANDS:
            return [real(module, name)]
        if package in self.slicer.real:
            return [Real(None)]
        found = self.slicer.read(module)
        named = self.named(found, name) if found is not None else []
        whole = f"{module}.{name}"
        return named or [Module(whole) if self.slicer.exists(whole) else Missing(name)]

    # ------------------------------------------------------------------------------ questions

    def is_amp(self, slice: Slice, node: ast.AST) -> bool:
        """Whether an expression names a command or an argument of AMP's, or what is made of one."""
        return any(self.is_made_of_amp(one) for chain in chains(node) for one in self.meanings(slice, chain))

    def is_made_of_amp(self, meaning: Any) -> bool:
        if isinstance(meaning, Real):
            return isinstance(meaning.value, type) and issubclass(meaning.value, (amp.Command, amp.Argument))
        if isinstance(meaning, Missing):
            return self.by_name and is_amp_by_name(meaning.name)
        if not isinstance(meaning, Statement) or id(meaning.node) in self.looked_at:
            return False
        self.looked_at.add(id(meaning.node))
        if isinstance(meaning.node, ast.ClassDef):
            return any(self.is_amp(meaning.slice, base) for base in meaning.node.bases)
        value = value_of(meaning.node)
        return value is not None and self.is_amp(meaning.slice, value)

    def is_lost(self, slice: Slice, node: ast.AST) -> bool:
        """Whether an expression may be any class, for all that reading can say."""
        return any(self.may_be_any(one) for chain in chains(node) for one in self.meanings(slice, chain))

    def may_be_any(self, meaning: Any) -> bool:
        if isinstance(meaning, Statement) and isinstance(meaning.node, ast.ClassDef):
            if id(meaning.node) in self.looked_at:
                return False
            self.looked_at.add(id(meaning.node))
            return any(self.is_lost(meaning.slice, base) for base in meaning.node.bases)
        return isinstance(meaning, (Missing, Statement))

    def is_plain(self, slice: Slice, node: ast.expr) -> bool:
        """Whether an expression can be evaluated without executing anything but expressions like it."""
        for part in ast.walk(node):
            if not isinstance(part, PLAIN):
                return False
            if isinstance(part, ast.Call):
                name = part.func.id if isinstance(part.func, ast.Name) else ""
                if ast.unparse(part.func) not in LOOKING_AT_THE_SYSTEM and (
                        name not in LOOKING or name in slice.bindings):
                    return False
        found = [one for chain in chains(node) for part in with_parts(chain) for one in self.meanings(slice, part)]
        return all(self.is_plain_statement(one) for one in found if isinstance(one, Statement))

    def is_plain_statement(self, one: Statement) -> bool:
        if id(one.node) in self.looked_at:
            return True
        self.looked_at.add(id(one.node))
        value = value_of(one.node)
        return value is not None and self.is_plain(one.slice, value)


def value_of(node: ast.stmt) -> ast.expr | None:
    """What a name is given by an assignment."""
    return node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None


def real(module: str, name: str) -> Any:
    """Importing the reactor would install one."""
    if name == "reactor" or "reactor" in module.split("."):
        return Missing(name)
    try:
        found = importlib.import_module(module)
        if not hasattr(found, name):
            importlib.import_module(f"{module}.{name}")
        value = getattr(found, name)
    except (ImportError, AttributeError):
        return Missing(name)
    return Module(value.__name__) if isinstance(value, types.ModuleType) else Real(value)


def with_parts(chain: ast.expr) -> Iterator[ast.expr]:
    """`a.b.c`, `a.b` and `a`."""
    while True:
        yield chain
        if not isinstance(chain, ast.Attribute):
            return
        chain = chain.value


def is_amp_by_name(name: str) -> bool:
    """What is not installed. Its name is all there is."""
    return any(word in name for word in ("Command", "Argument"))
