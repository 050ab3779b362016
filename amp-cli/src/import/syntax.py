"""What can be said of a program by its syntax alone."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator

#: What a call of a method on module level does, so that it belongs to the name: `ERRORS.update(...)`.
CHANGES = {"add", "append", "clear", "discard", "extend", "insert", "pop", "remove", "setdefault", "update"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
IMPORTS = (ast.Import, ast.ImportFrom)
#: Exceptions that a failing import raises, as they are written.
IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


def named_classes(node: ast.AST, outer: str = "") -> Iterator[tuple[ast.ClassDef, str]]:
    """The classes that a statement defines, and those inside of them, with their qualified names."""
    if isinstance(node, ast.ClassDef):
        outer = f"{outer}.{node.name}" if outer else node.name
        yield node, outer
    if not isinstance(node, (*FUNCTIONS, ast.expr)):
        for inner in ast.iter_child_nodes(node):
            yield from named_classes(inner, outer)


def inside(node: ast.AST) -> Iterator[ast.stmt]:
    """A statement, and those inside of it that are executed in the module as it is."""
    if isinstance(node, ast.stmt):
        yield node
    if not isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.expr)):
        for inner in ast.iter_child_nodes(node):
            yield from inside(inner)


def chains(node: ast.AST) -> Iterator[ast.expr]:
    """The names in an expression, each with the attributes that are asked for: `errors.Gone`."""
    todo = [node]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name):
            yield node
            continue
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, (ast.Name, ast.Attribute)):
                yield node
                continue
        todo += ast.iter_child_nodes(node)


def catches_import_error(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or last_word(kind) in IMPORT_ERRORS for kind in kinds)


def defines(node: ast.AST) -> set[str]:
    """The names that a statement gives a value."""
    if isinstance(node, (ast.ClassDef, *FUNCTIONS)):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {root_of(target) for target in flat_targets(node.targets)}
    if isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        return {root_of(node.target)}
    if isinstance(node, (ast.For, ast.With, ast.While, ast.Match, ast.If, ast.Try)):
        return {name for inner in inside(node) if inner is not node
                for name in {*defines(inner), changes(inner)} - {""}}
    return set()


def binds(node: ast.AST) -> set[str]:
    """The names that a statement makes stand for something else, whatever is inside of it."""
    if isinstance(node, (ast.ClassDef, *FUNCTIONS)):
        return {node.name}
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.For, ast.AsyncFor)):
        targets = [node.target]
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        targets = [item.optional_vars for item in node.items if item.optional_vars]
    else:
        targets = []
    return {target.id for target in flat_targets(targets) if isinstance(target, ast.Name)}


def flat_targets(targets: list[ast.expr]) -> Iterator[ast.expr]:
    for target in targets:
        if isinstance(target, (ast.Tuple, ast.List)):
            yield from flat_targets(target.elts)
        else:
            yield target.value if isinstance(target, ast.Starred) else target


def changes(node: ast.AST) -> str:
    """The name of what a call changes, as `ERRORS.update(...)` does, or `del ERRORS[...]`; or nothing."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        if isinstance(function, ast.Attribute) and function.attr in CHANGES:
            return root_of(function)
    if isinstance(node, ast.Delete) and len(node.targets) == 1 and not isinstance(node.targets[0], ast.Name):
        return root_of(node.targets[0])
    return ""


def uses(node: ast.AST) -> set[str]:
    """The names that it takes to execute this: the bodies of functions are not executed with it."""
    found: set[str] = set()
    todo = [node]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, FUNCTIONS):
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


def file_of(stem: str) -> str | None:
    """The file of the module or package that would be here."""
    stem = stem.rstrip(os.sep)
    for candidate in (stem + ".py", os.path.join(stem, "__init__.py")):
        if os.path.isfile(candidate):
            return candidate
    return None
