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
from importlib.machinery import PathFinder
from typing import Any

from ampctl_limits import limited, reason
from ampctl_meanings import Missing, Module, Reader, Statement, is_amp_by_name
from ampctl_stand_ins import is_stand_in, not_known, stand_in
from ampctl_syntax import (
    FUNCTIONS, IMPORTS, binds, catches_import_error, changes, defines, file_of, inside, named_classes, uses,
)

#: Packages that are imported as they are.
REAL = {"amp_arguments", "twisted", "zope", *sys.stdlib_module_names}
#: What a class says that is a command.
SAID_BY_COMMANDS = {"arguments", "commandName", "fatalErrors", "requiresAnswer", "response"}


class _Builtins(dict):
    """Where code looks that has not found a name in its module: the module is asked once more, since what
    only the bodies of functions name is not executed before. Imports inside of functions come here, too."""

    def __init__(self, slice: Slice):
        super().__init__(vars(builtins))
        self.slice = slice
        self["__import__"] = slice.import_inside

    def __missing__(self, name: str) -> Any:
        if name.startswith("__"):
            raise KeyError(name)
        try:
            return self.slice.attribute(name)
        except AttributeError:
            if self.slice.is_trying and not self.slice.may_bring_any():
                raise KeyError(name) from None
            return stand_in(name, self.slice.module.__name__)


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
        #: The packages that are imported as they are.
        self.real = REAL

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

    def exists(self, name: str) -> bool:
        """Whether a module could be imported, by what is in the folders and on Python's path."""
        if name.split(".")[0] in REAL:
            return self.module(name) is not None
        paths: Any = [*self.folders, *sys.path]
        for part in name.split("."):
            spec = PathFinder.find_spec(part, paths) if paths is not None else None
            if spec is None:
                return False
            paths = spec.submodule_search_locations
        return True

    def read(self, name: str) -> Slice | None:
        """A module, to be looked at only."""
        path = self.find(name)
        try:
            return self.load(path, name) if path else None
        except (SyntaxError, OSError, ValueError, RecursionError):
            return None

    def name_of(self, path: str) -> str:
        for folder in self.folders:
            relative = os.path.relpath(path, folder)
            if not relative.startswith(".."):
                return relative.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        # Its package is looked for where it is.
        folder = os.path.dirname(path)
        while os.path.isfile(os.path.join(folder, "__init__.py")):
            folder = os.path.dirname(folder)
        self.folders.append(folder)
        return self.name_of(path)

    def is_own(self, slice: Slice) -> bool:
        """Whether a module is of the program, and not of what is installed beside it."""
        folders = [folder for folder in (*self.folders, *map(os.path.abspath, sys.path))
                   if slice.path.startswith(folder.rstrip(os.sep) + os.sep)]
        return max(folders, key=len, default="") in self.folders

    def module(self, name: str) -> types.ModuleType | None:
        if name.split(".")[0] in REAL:
            try:
                return importlib.import_module(name)
            except ImportError:
                return None
        path = self.find(name)
        if path is None and self.exists(name):
            return self.folder_of_modules(name)
        return self.sliced(path, name) if path else None

    def folder_of_modules(self, name: str) -> types.ModuleType:
        """A package without a file of its own."""
        package = types.ModuleType(name)

        def inner(attribute: str) -> types.ModuleType:
            found = None if attribute.startswith("__") else self.module(f"{name}.{attribute}")
            if found is None:
                raise AttributeError(attribute)
            return found

        vars(package)["__getattr__"] = inner
        return package

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
        self.package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        #: What would be executed if a module were found: where that is asked for, the module, and a statement.
        self.otherwise: list[tuple[str, str, ast.stmt]] = []
        #: By name, once somebody has asked.
        self.callable: dict[str, list[ast.stmt]] | None = None
        self.by_name: dict[str, list[ast.stmt]] | None = None
        #: Whether a name that nobody defines is to be none.
        self.is_trying = False
        with open(path, "rb") as file:
            statements = list(self.flat(ast.parse(file.read(), path).body, []))
        self.imports = [node for node in statements if isinstance(node, IMPORTS)]
        self.others = [node for node in statements if not isinstance(node, IMPORTS)]
        self.classes = [(node, *named) for node in self.others for named in named_classes(node)]
        #: The statements that give each name its value.
        self.bindings: dict[str, list[ast.stmt]] = {}
        for node in self.others:
            for inner in inside(node):
                for bound in binds(inner):
                    self.bindings.setdefault(bound, []).append(inner)
        self.done: set[int] = set()
        self.asked: set[str] = set()
        self.namespace = vars(self.module)
        self.namespace["__builtins__"] = _Builtins(self)
        # Whoever looks for a name in the module needs it.
        self.namespace["__getattr__"] = self.attribute
        for _, inner, qualified in self.classes:
            slicer.places[name, qualified] = (os.path.relpath(path), inner.lineno)
            if "." in qualified:
                self.bindings.setdefault(inner.name, []).append(inner)

    def reader(self) -> Reader:
        return Reader(self.slicer)

    def called(self, name: str) -> list[ast.stmt]:
        """The functions, methods and classes of this name, wherever they are."""
        if self.callable is None:
            self.callable = {}
            for node in self.others:
                for inner in ast.walk(node):
                    if isinstance(inner, (ast.ClassDef, *FUNCTIONS)):
                        self.callable.setdefault(inner.name, []).append(inner)
        return self.callable.get(name, [])

    def flat(self, nodes: list[ast.stmt], around: list[tuple[ast.If, bool]]) -> Iterator[ast.stmt]:
        """The statements of a module, with those inside of `if`, and of the branches of a `try` around imports
        those that run with what is found here."""
        for node in nodes:
            if isinstance(node, ast.Try) and any(isinstance(inner, IMPORTS) for inner in node.body):
                yield from self.flat(self.taken(node), around)
            elif isinstance(node, ast.If):
                yield from self.flat(node.body, [*around, (node, True)])
                yield from self.flat(node.orelse, [*around, (node, False)])
            else:
                self.conditions[id(node)] = around
                yield node

    def taken(self, node: ast.Try) -> list[ast.stmt]:
        handler = next(filter(catches_import_error, node.handlers), None)
        for at, inner in enumerate(node.body):
            missing = self.missing_of(inner)
            if missing and handler:
                others = [*node.body[at + 1:], *node.orelse]
                self.otherwise += [(self.place(inner), missing, other) for other in others]
                return [*node.body[:at], *handler.body, *node.finalbody]
        return [*node.body, *node.orelse, *node.finalbody]

    def missing_of(self, node: ast.stmt) -> str:
        """What an import would not find, or nothing."""
        if isinstance(node, ast.Import):
            return next((alias.name for alias in node.names if not self.slicer.exists(alias.name)), "")
        if not isinstance(node, ast.ImportFrom):
            return ""
        module = self.absolute(node)
        if not self.slicer.exists(module):
            return module
        return next((f"{module}.{alias.name}" for alias in node.names if not self.has(module, alias.name)), "")

    def has(self, module: str, name: str) -> bool:
        if name == "*" or self.slicer.exists(f"{module}.{name}"):
            return True
        if module.split(".")[0] in REAL:
            return hasattr(self.slicer.module(module), name)
        found = self.slicer.read(module)
        # What is no Python has names that nobody can read.
        return found is None or bool(self.reader().named(found, name))

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
            if self.reader().is_plain(self, node.test):
                self.decided[id(node)] = self.value_of(node)
        return self.decided[id(node)]

    def value_of(self, node: ast.If) -> bool | None:
        parts = [part for part in ast.walk(node.test) if isinstance(part, (ast.Name, ast.Attribute))]
        try:
            with limited(self.place(node)):
                self.need(uses(node.test))
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
        folder, file = os.path.split(self.path)
        if name not in self.namespace and not name.startswith("__") and file == "__init__.py":
            path = file_of(os.path.join(folder, name))
            inner = self.slicer.sliced(path, f"{self.module.__name__}.{name}") if path else None
            if inner is not None:
                return inner
        if name in self.namespace:
            return self.namespace[name]
        raise AttributeError(name)

    def may_bring_any(self) -> bool:
        """Whether a module that is not found may define any name here."""
        stars = (node for node in self.imports for alias in node.names if alias.name == "*")
        return not all(self.slicer.exists(self.absolute(node)) for node in stars)

    def import_inside(self, name: str, _: Any = None, __: Any = None, names: Any = (), level: int = 0) -> Any:
        """As Python's own: of what it brings as little is executed as of all else."""
        absolute = self.absolute(ast.ImportFrom(name or None, [], level))
        module = self.slicer.module(absolute)
        if module is None:
            raise ImportError(f"no module {absolute} is found", name=absolute)
        for inner in names or ():
            if inner != "*" and not hasattr(module, inner):
                found = self.slicer.module(f"{absolute}.{inner}")
                if found is not None:
                    setattr(module, inner, found)
        return module if names else self.slicer.module(absolute.split(".")[0])

    def need_commands(self) -> None:
        """Executes the commands and arguments that are defined here, and what says which to export."""
        reached = {"__all__"}
        untaken = [(outer, *named) for _, _, outer in self.otherwise for named in named_classes(outer)]
        for outer, node, _ in [*self.classes, *untaken]:
            if any(self.may_be(Reader.is_amp, base) for base in node.bases):
                reached |= {node.name, *defines(outer)}
        self.need(reached)
        for _, node, _ in self.classes:
            value = self.namespace.get(node.name)
            if node.name not in reached or is_stand_in(value):
                self.look_for_lost_base(node)
            elif value is not None and not isinstance(value, type):
                # What makes it is not found.
                not_known[self.place(node), f"{node.name}: it is no class here, so it is left out"] = None
        for name in self.namespace.get("__all__", ()):
            if isinstance(name, str) and self.reader().is_amp(self, ast.Name(name)):
                getattr(self.module, name, None)

    def may_be(self, question: Callable[[Reader, Slice, ast.AST], bool], node: ast.AST) -> bool:
        try:
            return question(self.reader(), self, node)
        except RecursionError:
            # It is made of what is made of too many others to tell.
            return True

    def look_for_lost_base(self, node: ast.ClassDef) -> None:
        """A class may be a command by a base that is not found."""
        said = {name for inner in node.body for name in defines(inner)} & SAID_BY_COMMANDS
        for base in node.bases:
            name = ast.unparse(base)
            if (said or is_amp_by_name(name)) and self.may_be(Reader.is_lost, base):
                what = f"its base {name} is not found, so it is left out"
                not_known[self.place(node), f"{node.name}: {what}"] = None

    def is_skipped(self, node: ast.stmt) -> bool:
        """Whether it is in a branch that is known not to run."""
        return any(self.decide(condition) is (not branch) for condition, branch in self.conditions[id(node)])

    def need(self, names: set[str]) -> None:
        """Executes what defines these names, with what that names, again and again."""
        reached, todo = set(names), sorted(names)
        while todo:
            name = todo.pop()
            for node in self.definitions().get(name, ()):
                used = uses(node) - reached
                todo += sorted(used)
                reached |= used
        for place, missing, node in self.otherwise:
            for name in sorted(defines(node) & reached):
                not_known[place, f"{missing} is not found, and what {name} is depends on it"] = None
        self.execute_imports(reached)
        needed = {id(node) for name in reached for node in self.definitions().get(name, ())} - self.done
        for node in self.others if needed else ():
            if id(node) in needed and id(node) not in self.done:
                self.done.add(id(node))
                if self.runs(node):
                    self.execute(node)

    def definitions(self) -> dict[str, list[ast.stmt]]:
        """The statements that define each name, or change it."""
        if self.by_name is None:
            self.by_name = {}
            for node in self.others:
                for name in self.defined(node):
                    self.by_name.setdefault(name, []).append(node)
        return self.by_name

    def defined(self, node: ast.stmt) -> set[str]:
        """The names that a statement defines, or changes if they are this program's own."""
        bound = {name for inner in inside(node) for name in binds(inner)}
        changed = (defines(node) | {changes(node)}) - bound
        return bound | {name for name in changed
                        if any(isinstance(one, Statement) for one in self.reader().named(self, name))}

    def execute(self, node: ast.stmt) -> None:
        place = self.place(node)
        before, self.is_trying = self.is_trying, isinstance(node, ast.Try)
        try:
            with limited(place):
                exec(compile(ast.Module([node], []), self.path, "exec"), self.namespace)
        except BaseException as error:
            self.slicer.left_out.append((place, f"left out: {reason(error)}"))
        finally:
            self.is_trying = before

    def execute_imports(self, names: set[str]) -> None:
        for node in self.imports:
            brought = {alias.asname or alias.name.split(".")[0] for alias in node.names}
            if not brought & (names | {"*"}) or not self.runs(node):
                continue
            for alias in node.names:
                bound = alias.asname or alias.name.split(".")[0]
                if alias.name == "*":
                    for name in sorted(names - self.namespace.keys()):
                        self.namespace.update(self.brought(node, name))
                elif bound in names and bound not in self.namespace:
                    self.namespace[bound] = self.imported(node, alias, bound)

    def brought(self, node: Any, name: str) -> dict[str, Any]:
        """What a name stands for that comes with all of a module, which modules may do in a circle."""
        for one in self.reader().attribute(Module(self.absolute(node)), name):
            module = one.slice.module if isinstance(one, Statement) else self.module_of(node)
            if not isinstance(one, Missing) and hasattr(module, name):
                return {name: getattr(module, name)}
        return {}

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
