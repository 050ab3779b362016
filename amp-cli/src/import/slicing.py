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
from collections.abc import Iterator
from typing import Any

from twisted.protocols import amp

#: Packages that are imported as they are.
REAL = {"amp_arguments", "twisted", "zope", *sys.stdlib_module_names}


class _StandInMeta(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return stand_in(name, f"{cls.__module__}.{cls.__name__}")

    def __iter__(cls) -> Iterator[Any]:
        return iter(())

    def __getitem__(cls, _: Any) -> Any:
        return cls

    def __add__(cls, other: Any) -> Any:
        return other

    __radd__ = __or__ = __ror__ = __add__


def stand_in(name: str, module: str) -> Any:
    """For a name that is not known: a class, an exception, a decorator, or a value."""

    def through(cls: Any, *arguments: Any, **named: Any) -> Any:
        if len(arguments) == 1 and not named and callable(arguments[0]):
            return arguments[0]
        made = Exception.__new__(cls)
        made.optional = bool(named.get("optional", False))
        return made

    members = {
        "__new__": through,
        "__init__": lambda *arguments, **named: None,
        "__call__": lambda made, *arguments, **named: through(type(made), *arguments, **named),
        "__module__": module,
    }
    return _StandInMeta(name, (Exception,), members)


def is_stand_in(cls: Any) -> bool:
    return isinstance(cls, _StandInMeta)


class _Builtins(dict):
    def __init__(self, module: str):
        super().__init__(vars(builtins))
        self.module = module

    def __missing__(self, name: str) -> Any:
        if name.startswith("__"):
            raise KeyError(name)
        return stand_in(name, self.module)


class Slicer:
    """Finds modules in folders, and loads each once."""

    def __init__(self, folders: list[str]):
        self.folders = [os.path.abspath(folder) for folder in folders]
        self.slices: dict[str, Slice] = {}
        #: Where each class stands: by module and name, the file and the line.
        self.places: dict[tuple[str, str], tuple[str, int]] = {}
        #: What could not be executed.
        self.left_out: list[str] = []

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
        except (SyntaxError, OSError, ValueError) as error:
            self.left_out.append(f"{os.path.relpath(path)}: left out: {error}")
            return None


class Slice:
    """A module, of which what somebody needs has been executed."""

    def __init__(self, slicer: Slicer, path: str, name: str):
        self.slicer, self.path = slicer, path
        self.module = types.ModuleType(name)
        self.module.__file__ = path
        with open(path, "rb") as file:
            statements = list(flat(ast.parse(file.read(), path).body))
        self.imports = [node for node in statements if isinstance(node, (ast.Import, ast.ImportFrom))]
        self.others = [node for node in statements if node not in self.imports]
        self.package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        self.done: set[int] = set()
        self.namespace = vars(self.module)
        self.namespace["__builtins__"] = _Builtins(name)
        # Whoever looks for a name in the module needs it.
        self.namespace["__getattr__"] = self.attribute
        for node in self.others:
            if isinstance(node, ast.ClassDef):
                slicer.places[name, node.name] = (os.path.relpath(path), node.lineno)

    def attribute(self, name: str) -> Any:
        if not name.startswith("__"):
            self.need({name})
        if name in self.namespace:
            return self.namespace[name]
        raise AttributeError(name)

    def need_commands(self) -> None:
        """Executes the commands and arguments that are defined here, and what says which to export."""
        classes = [node for node in self.others if isinstance(node, ast.ClassDef)]
        self.execute_imports({root_of(base) for node in classes for base in node.bases})
        reached = {"__all__"}
        changed = True
        while changed:
            changed = False
            for node in classes:
                if node.name not in reached and any(
                    last_word(base) in reached or is_amp(base, self.namespace) for base in node.bases
                ):
                    reached.add(node.name)
                    changed = True
        self.need(reached)
        for name in self.namespace.get("__all__", ()):
            getattr(self.module, name, None)

    def need(self, names: set[str]) -> None:
        """Executes what defines these names, with what that names, again and again."""
        reached, todo = set(names), list(names)
        while todo:
            name = todo.pop()
            for node in self.others:
                if name in defines(node):
                    todo += uses(node) - reached
                    reached |= uses(node)
        self.execute_imports(reached)
        for node in self.others:
            if defines(node) & reached and id(node) not in self.done:
                self.done.add(id(node))
                self.execute(node)

    def execute(self, node: ast.stmt) -> None:
        try:
            exec(compile(ast.Module([node], []), self.path, "exec"), self.namespace)
        except Exception as error:
            place = f"{os.path.relpath(self.path)}:{node.lineno}"
            self.slicer.left_out.append(f"{place}: left out: {type(error).__name__}: {error}")

    def execute_imports(self, names: set[str]) -> None:
        for node in self.imports:
            for alias in node.names:
                bound = alias.asname or alias.name.split(".")[0]
                if alias.name == "*":
                    # What it brings is not known before.
                    module = self.module_of(node)
                    for name in names - self.namespace.keys():
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


def flat(nodes: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, with those inside of `try` and `if`, where they may well run."""
    for node in nodes:
        if isinstance(node, ast.Try):
            yield from flat(node.body)
        elif isinstance(node, ast.If):
            test = ast.unparse(node.test)
            if "TYPE_CHECKING" in test or "__name__" in test:
                yield from flat(node.orelse)
            else:
                yield from flat(node.body)
                # What both define is what the first says.
                names = {name for inner in node.body for name in defines(inner)}
                yield from (inner for inner in flat(node.orelse) if not defines(inner) & names)
        else:
            yield node


def is_amp(base: ast.expr, namespace: dict[str, Any]) -> bool:
    """Whether a class has this base because it is a command or an argument."""
    try:
        value = eval(compile(ast.Expression(base), "base", "eval"), namespace)
    except Exception:
        return False
    if is_stand_in(value):
        # A base that is not installed. Its name is all there is.
        return any(word in value.__name__ for word in ("Command", "Argument"))
    return isinstance(value, type) and issubclass(value, (amp.Command, amp.Argument))


def defines(node: ast.stmt) -> set[str]:
    """The names that a statement gives a value, or adds to: `ERRORS.update(...)`."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {name.id for target in node.targets for name in ast.walk(target)
                if isinstance(name, ast.Name)}
    if isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        return {root_of(node.target)}
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        return {root_of(function)} if isinstance(function, ast.Attribute) else set()
    if isinstance(node, (ast.For, ast.With, ast.While)):
        return {name for inner in ast.walk(node) if isinstance(inner, ast.stmt)
                and inner is not node for name in defines(inner)}
    return set()


def uses(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}


def root_of(node: ast.AST) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def last_word(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
