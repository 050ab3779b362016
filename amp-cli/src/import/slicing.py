"""Executes of a file what its commands need, and nothing else.

A program's modules import half of the program, and often more than is installed. So the classes
that reach `amp.Command` or an argument are executed, with what they name; for names that are not
found there are stand-ins.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from ampctl_limits import limited, reason
from ampctl_stand_ins import is_stand_in, not_known, stand_in
from twisted.protocols import amp

#: Packages that are imported as they are.
REAL = {"amp_arguments", "twisted", "zope", *sys.stdlib_module_names}
#: What a call of a method on module level does, so that it belongs to the name: `ERRORS.update(...)`.
CHANGES = {"add", "append", "clear", "discard", "extend", "insert", "pop", "remove", "setdefault", "update"}
#: What an `if` on module level may call and still be decided.
PLAIN = {"bool", "getattr", "hasattr", "int", "isinstance", "issubclass", "len", "platform", "str", "sys"}
#: What a class says that is a command.
SAID_BY_COMMANDS = {"arguments", "commandName", "fatalErrors", "requiresAnswer", "response"}


class _Builtins(dict):
    """Where code looks that has not found a name in its module: the module is asked once more, since what
    only the bodies of functions name is not executed before."""

    def __init__(self, module: str, look_up: Callable[[str], Any]):
        super().__init__(vars(builtins))
        self.module, self.look_up = module, look_up

    def __missing__(self, name: str) -> Any:
        if name.startswith("__"):
            raise KeyError(name)
        try:
            return self.look_up(name)
        except AttributeError:
            return stand_in(name, self.module)


class Slicer:
    """Finds modules in folders, and loads each once."""

    def __init__(self, folders: list[str]):
        self.folders = [os.path.abspath(folder) for folder in folders]
        self.slices: dict[str, Slice] = {}
        #: Where each class stands: by module and name, the file and the line.
        self.places: dict[tuple[str, str], tuple[str, int]] = {}
        #: What could not be executed.
        self.left_out: list[tuple[str, str]] = []
        #: Statements that have not been executed and may be about commands: where, and what.
        self.not_looked_at: list[tuple[str, str]] = []

    def load(self, path: str, name: str | None = None) -> Slice:
        path = os.path.abspath(path)
        if path not in self.slices:
            self.slices[path] = Slice(self, path, name or self.name_of(path))
        return self.slices[path]

    def find(self, name: str) -> str | None:
        """The file of a module."""
        for folder in [*self.folders, *sys.path]:
            if path := file_of(os.path.join(folder, *name.split("."))):
                return path
        return None

    def name_of(self, path: str) -> str:
        for folder in self.folders:
            relative = os.path.relpath(path, folder)
            if not relative.startswith(".."):
                return relative.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return os.path.basename(path).removesuffix(".py")

    def module(self, name: str) -> types.ModuleType | None:
        if name.split(".")[0] in REAL:
            try:
                return importlib.import_module(name)
            except ImportError:
                return None
        path = self.find(name)
        return self.sliced(path, name) if path else None

    def sliced(self, path: str, name: str) -> types.ModuleType | None:
        try:
            return self.load(path, name).module
        except (SyntaxError, OSError, ValueError, RecursionError) as error:
            self.left_out.append((f"{os.path.relpath(path)}:1", f"left out: {reason(error)}"))
            return None


class Slice:
    """A module, of which what somebody needs has been executed."""

    def __init__(self, slicer: Slicer, path: str, name: str):
        self.slicer, self.path = slicer, path
        self.module = types.ModuleType(name)
        self.module.__file__ = path
        #: The tests of every `if` around a statement, and which of its branches that is in.
        self.conditions: dict[int, list[tuple[ast.If, bool]]] = {}
        self.decided: dict[int, bool | None] = {}
        with open(path, "rb") as file:
            statements = list(self.flat(ast.parse(file.read(), path).body, []))
        self.imports = [node for node in statements if isinstance(node, (ast.Import, ast.ImportFrom))]
        self.others = [node for node in statements if node not in self.imports]
        self.package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        self.done: set[int] = set()
        self.asked: set[str] = set()
        self.namespace = vars(self.module)
        self.namespace["__builtins__"] = _Builtins(name, self.attribute)
        # Whoever looks for a name in the module needs it.
        self.namespace["__getattr__"] = self.attribute
        for node in self.others:
            for inner, inner_name in named_classes(node):
                slicer.places[name, inner_name] = (os.path.relpath(path), inner.lineno)

    def flat(self, nodes: list[ast.stmt], around: list[tuple[ast.If, bool]]) -> Iterator[ast.stmt]:
        """The statements of a module, with those inside of `try` and `if`, where they may well run."""
        for node in nodes:
            if isinstance(node, ast.Try):
                yield from self.flat(node.body, around)
                names = {name for inner in node.body for name in defines(inner)}
                # What both define is what the first says.
                others = [*(inner for handler in node.handlers for inner in handler.body),
                          *node.orelse, *node.finalbody]
                yield from (inner for inner in self.flat(others, around) if not defines(inner) & names)
            elif isinstance(node, ast.If):
                yield from self.flat(node.body, [*around, (node, True)])
                yield from self.flat(node.orelse, [*around, (node, False)])
            else:
                self.conditions[id(node)] = around
                yield node

    def runs(self, node: ast.stmt) -> bool:
        """Whether the branches that a statement is in are those that are taken."""
        for condition, branch in self.conditions[id(node)]:
            decided = self.decide(condition)
            if decided is None:
                not_known[self.place(condition), "which of its branches runs is not known"] = None
                first = {name for inner in condition.body for name in defines(inner)}
                if not branch and defines(node) & first:
                    return False
            elif decided != branch:
                return False
        return True

    def decide(self, node: ast.If) -> bool | None:
        if id(node) not in self.decided:
            # While it is being decided, and unless it is.
            self.decided[id(node)] = None
            if all(is_plain(call) for call in ast.walk(node.test) if isinstance(call, ast.Call)):
                self.decided[id(node)] = self.value_of(node)
        return self.decided[id(node)]

    def value_of(self, node: ast.If) -> bool | None:
        self.need(uses(node.test))
        parts = [part for part in ast.walk(node.test) if isinstance(part, (ast.Name, ast.Attribute))]
        try:
            with limited(self.place(node)):
                values = [self.evaluate(part) for part in [*parts, node.test]]
        except BaseException:
            return None
        if any(is_stand_in(value) or is_stand_in(type(value)) for value in values):
            return None
        return bool(values[-1])

    def evaluate(self, node: ast.expr) -> Any:
        return eval(compile(ast.Expression(node), self.path, "eval"), self.namespace)

    def place(self, node: ast.stmt) -> str:
        return f"{os.path.relpath(self.path)}:{node.lineno}"

    def attribute(self, name: str) -> Any:
        # Modules that import each other ask in a circle.
        if not name.startswith("__") and name not in self.asked:
            self.asked.add(name)
            try:
                self.need({name})
            finally:
                self.asked.discard(name)
        if name in self.namespace:
            return self.namespace[name]
        raise AttributeError(name)

    def need_commands(self) -> None:
        """Executes the commands and arguments that are defined here, and what says which to export."""
        classes = [(node, inner) for node in self.others for inner, _ in named_classes(node)]
        self.execute_imports({root_of(base) for _, node in classes for base in node.bases})
        reached = {"__all__"}
        changed = True
        while changed:
            changed = False
            for outer, node in classes:
                names = {node.name, *defines(outer)}
                if not names <= reached and any(
                    last_word(base) in reached or self.is_amp(base) for base in node.bases
                ):
                    reached |= names
                    changed = True
        self.need(reached)
        for _, node in classes:
            self.look_for_lost_base(node)
        for node in self.others:
            self.look_for_makers(node, reached)
        for name in self.namespace.get("__all__", ()):
            getattr(self.module, name, None)

    def look_for_lost_base(self, node: ast.ClassDef) -> None:
        """A class may be a command by a base that is not found."""
        said = {name for inner in node.body for name in defines(inner)} & SAID_BY_COMMANDS
        for base in node.bases:
            try:
                value = self.evaluate(base)
            except BaseException:
                continue
            if is_stand_in(value) and (said or is_amp_by_name(value)):
                what = f"its base {value.__module__}.{value.__name__} is not found, so it is left out"
                not_known[self.place(node), f"{node.name}: {what}"] = None

    def look_for_makers(self, node: ast.stmt, reached: set[str]) -> None:
        """Commands that are made by calls, and calls that may change one."""
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            bases = [base for inner in ast.walk(node) if isinstance(inner, ast.ClassDef) for base in inner.bases]
            bases += [base for inner in ast.walk(node) if isinstance(inner, ast.Call)
                      and last_word(inner.func) == "type" for argument in inner.args[1:2]
                      for base in getattr(argument, "elts", ())]
            if any(map(self.is_amp, bases)):
                self.slicer.not_looked_at.append((self.place(node), "commands that a function makes"))
        elif not isinstance(node, ast.ClassDef) and id(node) not in self.done and not self.is_skipped(node):
            calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
            if any(self.may_change(inner, reached) for inner in ast.walk(node)):
                what = "a statement that is not executed, and may change a command"
                self.slicer.not_looked_at.append((self.place(node), what))
            elif any(self.is_amp(part) for call in calls for part in given_to(call)):
                self.slicer.not_looked_at.append((self.place(node), "a command that a call makes"))

    def may_change(self, node: ast.AST, reached: set[str], within: frozenset[str] = frozenset()) -> bool:
        """Whether a part of a statement may change one of the classes, or calls a function of this module
        that does."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            if not within and uses(call) & reached:
                return True
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            bodies = [other for other in self.others if name and name not in within and is_function(other, name)]
            return changes(node) in reached or any(
                self.may_change(inner, reached, within | {name}) for body in bodies for inner in ast.walk(body))
        if isinstance(node, (ast.For, ast.AsyncFor)):
            return bool(uses(node.iter) & reached) and any(map(sets_attribute, ast.walk(node)))
        return bool(sets_attribute(node) & reached)

    def is_skipped(self, node: ast.stmt) -> bool:
        """Whether it is in a branch that is known not to run."""
        return any(self.decide(condition) is (not branch) for condition, branch in self.conditions[id(node)])

    def is_amp(self, base: ast.expr) -> bool:
        """Whether a class has this base because it is a command or an argument."""
        try:
            value = self.evaluate(base)
        except BaseException:
            return False
        if is_stand_in(value):
            return is_amp_by_name(value)
        return isinstance(value, type) and issubclass(value, (amp.Command, amp.Argument))

    def need(self, names: set[str]) -> None:
        """Executes what defines these names, with what that names, again and again."""
        reached, todo = set(names), sorted(names)
        while todo:
            name = todo.pop()
            for node in self.others:
                if name in self.defined(node):
                    todo += sorted(uses(node) - reached)
                    reached |= uses(node)
        self.execute_imports(reached)
        for node in self.others:
            if self.defined(node) & reached and id(node) not in self.done:
                self.done.add(id(node))
                if self.runs(node):
                    self.execute(node)

    def defined(self, node: ast.stmt) -> set[str]:
        """The names that a statement defines, or changes if they are this module's own."""
        changed = changes(node)
        if changed and not any(changed in defines(other) for other in self.others):
            return set()
        return defines(node) | ({changed} if changed else set())

    def execute(self, node: ast.stmt) -> None:
        place = self.place(node)
        try:
            with limited(place):
                exec(compile(ast.Module([node], []), self.path, "exec"), self.namespace)
        except BaseException as error:
            self.slicer.left_out.append((place, f"left out: {reason(error)}"))

    def execute_imports(self, names: set[str]) -> None:
        for node in self.imports:
            brought = {alias.asname or alias.name.split(".")[0] for alias in node.names}
            if not brought & (names | {"*"}) or not self.runs(node):
                continue
            for alias in node.names:
                bound = alias.asname or alias.name.split(".")[0]
                if alias.name == "*":
                    # What it brings is not known before.
                    module = self.module_of(node)
                    for name in sorted(names - self.namespace.keys()):
                        if module is not None and hasattr(module, name):
                            self.namespace[name] = getattr(module, name)
                elif bound in names and bound not in self.namespace:
                    self.namespace[bound] = self.imported(node, alias, bound)

    def imported(self, node: Any, alias: ast.alias, bound: str) -> Any:
        if isinstance(node, ast.Import):
            whole = self.slicer.module(alias.name)
            if whole is not None and not alias.asname:
                whole = self.slicer.module(bound) or whole
            return whole if whole is not None else stand_in(bound, "")
        module = self.module_of(node)
        if module is not None and hasattr(module, alias.name):
            return getattr(module, alias.name)
        name = self.absolute(node)
        inner = self.inner(node, f"{name}.{alias.name}" if name else alias.name, alias.name)
        return inner if inner is not None else stand_in(alias.name, name)

    def inner(self, node: ast.ImportFrom, name: str, last: str) -> types.ModuleType | None:
        """A module inside of a package."""
        if not node.level:
            return self.slicer.module(name)
        path = file_of(os.path.join(self.folder(node), *(node.module or "").split("."), last))
        return self.slicer.sliced(path, name) if path else None

    def module_of(self, node: ast.ImportFrom) -> types.ModuleType | None:
        if not node.level:
            return self.slicer.module(node.module or "")
        path = file_of(os.path.join(self.folder(node), *(node.module or "").split(".")))
        return self.slicer.sliced(path, self.absolute(node)) if path else None

    def folder(self, node: ast.ImportFrom) -> str:
        folder = os.path.dirname(self.path)
        for _ in range(node.level - 1):
            folder = os.path.dirname(folder)
        return folder

    def absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.package.split(".")
        outer = package[: len(package) - node.level + 1]
        return ".".join(filter(None, [*outer, node.module]))


def file_of(stem: str) -> str | None:
    """The file of the module or package that would be here."""
    stem = stem.rstrip(os.sep)
    for candidate in (stem + ".py", os.path.join(stem, "__init__.py")):
        if os.path.isfile(candidate):
            return candidate
    return None


def named_classes(node: ast.AST, outer: str = "") -> Iterator[tuple[ast.ClassDef, str]]:
    """The classes that a statement defines, and those inside of them, with their qualified names."""
    if isinstance(node, ast.ClassDef):
        outer = f"{outer}.{node.name}" if outer else node.name
        yield node, outer
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.expr)):
        for inner in ast.iter_child_nodes(node):
            yield from named_classes(inner, outer)


def given_to(call: ast.Call) -> Iterator[ast.expr]:
    """The names in the arguments of a call."""
    for given in [*call.args, *(word.value for word in call.keywords)]:
        yield from (part for part in ast.walk(given) if isinstance(part, (ast.Name, ast.Attribute)))


def is_function(node: ast.stmt, name: str) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name


def sets_attribute(node: ast.AST) -> set[str]:
    """The names of what it gives another attribute or element, or takes one from."""
    if isinstance(node, (ast.Assign, ast.Delete)):
        targets = node.targets
    else:
        targets = [node.target] if isinstance(node, (ast.AnnAssign, ast.AugAssign)) else []
    return {root_of(target) for target in targets if isinstance(target, (ast.Attribute, ast.Subscript))}


def is_amp_by_name(cls: Any) -> bool:
    """A base that is not installed. Its name is all there is."""
    return any(word in cls.__name__ for word in ("Command", "Argument"))


def is_plain(call: ast.Call) -> bool:
    """Whether a call in the test of an `if` does nothing but look."""
    return root_of(call.func) in PLAIN or ast.unparse(call.func) in ("os.environ.get", "os.getenv")


def defines(node: ast.stmt) -> set[str]:
    """The names that a statement gives a value."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {name.id for target in node.targets for name in ast.walk(target)
                if isinstance(name, ast.Name)}
    if isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        return {root_of(node.target)}
    if isinstance(node, (ast.For, ast.With, ast.While, ast.Match, ast.If, ast.Try)):
        return {name for inner in ast.walk(node) if isinstance(inner, ast.stmt)
                and inner is not node for name in {*defines(inner), changes(inner)} - {""}}
    return set()


def changes(node: ast.stmt) -> str:
    """The name of what a call changes, as `ERRORS.update(...)` does; or nothing."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        if isinstance(function, ast.Attribute) and function.attr in CHANGES:
            return root_of(function)
    return ""


def uses(node: ast.AST) -> set[str]:
    """The names that it takes to execute this: the bodies of functions are not executed with it."""
    found: set[str] = set()
    todo = [node]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            todo += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
            # What types are called is looked up as well, unless annotations are put off.
            todo += [argument for argument in ast.walk(node.args) if isinstance(argument, ast.arg)]
            todo += filter(None, [node.returns])
        elif isinstance(node, ast.Lambda):
            todo += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        else:
            todo += ast.iter_child_nodes(node)
    return found


def root_of(node: ast.AST) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def last_word(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
