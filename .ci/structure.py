#!/usr/bin/env python3
"""Fails when the sources break what ARCHITECTURE.md says of their structure.

- No files of a crate import each other in a circle, and no folders do, but for those that are
  defended there. Nothing of amp-core imports what stands below it in the table of layers, neither by itself nor
  through what is in no table, but for the same. An import counts for the file that has what is imported, however it is re-exported
  on the way. Tests, and files that declare their children, do not count.
- `proto/` imports nothing of the layers above it, and knows no clock, task or runtime.
- `unsafe` is in one file.
- `ampctl` says nothing on standard error past the file that takes out what a terminal would act upon.
- No `select!` of a library draws lots.
- Each public name of a library has one path.
- No two public types of a library have one name, but for those that are defended here.
- Each public type of a library that borrows nothing is one of which a test says that it goes to other threads, and
  each public error is among those of which one says what they display.
- A public struct whose fields are all public, and a public enum, is `#[non_exhaustive]`, but for those
  that are defended here.
"""

import re
import subprocess
import sys
from pathlib import Path

CRATES = ["amp-core", "amp-derive", "amp-unix", "amp-probe", "amp-cli"]
LAYERED = "amp-core"
LAYERS = "| folder | is | knows nothing of |\n"
LAYER = re.compile(r"^\| `(\w+)(?:/|\.rs)` \|", re.MULTILINE)
DEFENDED = re.compile(r"^- `(\w+)/` imports `(\w+)/`", re.MULTILINE)
UNSAFE_IN = "amp-unix/src/socket.rs"
TOLD_IN = "amp-cli/src/printing.rs"
LIBRARIES = ["amp-core", "amp-unix"]
# What is whole as it is.
WHOLE = {"DateTime", "DecimalKind", "Failure", "InnerBox", "Presence"}
# The module says which: a client of threads is one as well, and what is not known until run time a value.
SAME_NAMES = {"Client", "Connection", "ReceivedCall", "Value"}
PUBLIC_TYPE = re.compile(r"^pub (?:struct|enum|trait|union) (\w+)", re.MULTILINE)
# What borrows goes no further than what it borrows.
OWNED_TYPE = re.compile(r"^pub (?:struct|enum) (\w+)(?!\w|<')", re.MULTILINE)
TO_OTHER_THREADS = re.compile(r"\b(?:sent|shared|error)::<(?:\w+::)*(\w+)")
ERRORS_DISPLAYED = "amp-core/tests/errors.rs"
OPEN = re.compile(
    r"(?P<above>(?:^#\[[^\n]*\]\n|^///[^\n]*\n)*)"
    r"^pub (?P<kind>struct|enum) (?P<name>\w+)[^;{(]*\{\n(?P<fields>.*?)^\}",
    re.MULTILINE | re.DOTALL,
)
NOT_IN_THE_CORE = re.compile(
    r"\btokio::|\bInstant::now\b|\bSystemTime::now\b|\bWaker\b|crate::connection|\bstd::(?:net|fs|process)\b"
    r"|\bio::(?:Read|Write)\b"
)
# Comments are gone.
LOT = re.compile(r"\bselect! *[({](?!\s*biased;)")

USE = re.compile(r"^[ \t]*(pub(?:\([^)]*\))? )?use ([^;]+);", re.MULTILINE)
# Paths in the code itself, without a `use`.
PATH = re.compile(r"\b((?:crate|super|self)(?:::\w+)+)")
PUBLIC_ITEM = re.compile(
    r"^pub (?:async |const |unsafe )*(?:struct|enum|trait|type|fn|const|static|union) (\w+)", re.MULTILINE
)
PUBLIC_MODULE = re.compile(r"^pub mod (\w+);", re.MULTILINE)
# Those that only macros name.
HIDDEN = re.compile(r"#\[doc\(hidden\)\]\n(?:pub mod \w+ \{\n.*?\n\}|[^\n]*\n)", re.DOTALL)
ITEM = re.compile(
    r"\b(?:struct|enum|trait|type|fn|const|static|union|macro_rules!)\s+(?:mut )?(\w+)", re.MULTILINE
)


def without_comments_and_tests(text):
    text = re.sub(r"//[^\n]*", "", text)
    # A module of tests is the last thing in its file.
    return re.split(r"#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:pub(?:\([^)]*\))? )?mod \w+ \{", text)[0]


def leaves(tree, prefix=()):
    """The paths that a tree of `use` names, each with the name that it gets."""
    tree = tree.strip()
    if brace := re.match(r"(?s)((?:\w+\s*::\s*)*)\{(.*)\}$", tree):
        prefix += tuple(re.findall(r"\w+", brace[1]))
        depth, part = 0, ""
        for char in brace[2] + ",":
            if char == "," and depth == 0:
                if part.strip():
                    yield from leaves(part, prefix)
                part = ""
                continue
            depth += (char == "{") - (char == "}")
            part += char
        return
    path, _, name = tree.partition(" as ")
    parts = prefix + tuple(part.strip() for part in path.split("::"))
    if parts[-1] == "self":
        parts = parts[:-1]
    yield parts, name.strip() or parts[-1]


class Crate:
    def __init__(self, name, files):
        self.name, self.files = name, {}
        root = f"{name}/src/"
        for file in files:
            if file.startswith(root) and file.endswith(".rs") and not re.search(r"(^|/)(tests|bin)(/|\.rs$)", file[len(root):]):
                *parts, last = Path(file[len(root):]).with_suffix("").parts
                module = tuple(parts) if last in ("mod", "lib", "main") else (*parts, last)
                self.files[module] = (file, without_comments_and_tests(Path(file).read_text()))
        self.items = {module: set(ITEM.findall(text)) for module, (_, text) in self.files.items()}
        self.uses, self.exports = {}, {}
        for module, (_, text) in self.files.items():
            self.uses[module] = []
            self.exports[module] = []
            for public, tree in USE.findall(text):
                for path, name in leaves(tree):
                    (self.exports if public else self.uses)[module].append((path, name))

    def absolute(self, module, path):
        head, rest = path[0], path[1:]
        if head == "crate":
            return rest
        if head == "self":
            return module + rest
        if head == "super":
            up = module[:-1]
            while rest[:1] == ("super",):
                up, rest = up[:-1], rest[1:]
            return up + rest
        if module + (head,) in self.files:
            return module + path
        return None

    def home(self, path, seen=()):
        """The module whose file has what a path leads to."""
        module = ()
        while path and module + path[:1] in self.files:
            module, path = module + path[:1], path[1:]
        if not path or path[0] in self.items[module] or module in seen:
            return module
        for target, name in self.exports[module] + self.uses[module]:
            absolute = self.absolute(module, target)
            if absolute is None:
                continue
            if name == path[0]:
                return self.home(absolute, (*seen, module))
            if name == "*":
                found = self.home(absolute[:-1] + path[:1], (*seen, module))
                if path[0] in self.items.get(found, ()):
                    return found
        return module

    def public_paths(self):
        """The paths of each public item, by the module and the name that it is declared with."""
        paths, modules = {}, [()]
        while modules:
            module = modules.pop()
            text = HIDDEN.sub("", self.files[module][1])
            children = (module + (child,) for child in PUBLIC_MODULE.findall(text))
            modules += [child for child in children if child in self.files]
            for name in PUBLIC_ITEM.findall(text):
                paths.setdefault((module, name), []).append((*module, name))
            for public, tree in USE.findall(text):
                for path, name in leaves(tree) if public == "pub " else ():
                    absolute = self.absolute(module, path)
                    if absolute is not None:
                        item = (self.home(absolute), path[-1])
                        paths.setdefault(item, []).append((*module, name))
        return paths

    def imports(self):
        edges = {}
        for module, (_, text) in self.files.items():
            paths = [path for path, _ in self.uses[module] + self.exports[module]]
            # A file that declares children hands on what they have; that is no import.
            exported = {path for path, _ in self.exports[module]}
            code = USE.sub("", text)
            paths += [tuple(path.split("::")) for path in PATH.findall(code)]
            for path in paths:
                absolute = self.absolute(module, path)
                if absolute is None:
                    continue
                home = self.home(absolute)
                child = home[: len(module)] == module
                if home == module or (path in exported and child):
                    continue
                edges.setdefault(module, set()).add(home)
        return edges


def circles(edges):
    """The strongly connected components that have more than one member."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(stack[at:])
            del stack[at:]

    for node in list(edges):
        if node not in index:
            visit(node)
    return found


def upwards(folders, layers):
    """The folders and what each imports that is further down in the table."""
    for at, layer in enumerate(layers):
        reached, look_at = set(), [layer]
        while look_at:
            for other in sorted(folders.get(look_at.pop(), set()) - reached):
                reached.add(other)
                if other not in layers:
                    look_at.append(other)
        yield from ((layer, other) for other in layers[at + 1 :] if other in reached)


def main():
    sys.setrecursionlimit(10_000)
    architecture = Path("ARCHITECTURE.md").read_text()
    table = architecture.partition(LAYERS)[2].partition("\n\n")[0]
    layers, defended = LAYER.findall(table), DEFENDED.findall(architecture)
    files = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.split()
    complaints, count = [], 0
    displayed = Path(ERRORS_DISPLAYED).read_text()
    for name in CRATES:
        crate = Crate(name, files)
        edges = crate.imports()
        count += len(crate.files)
        for circle in circles(edges):
            names = sorted(crate.files[module][0] for module in circle)
            complaints.append("files that import each other: " + ", ".join(names))
        folders = {}
        for module, others in edges.items():
            for other in others:
                if module and other and module[0] != other[0]:
                    folders.setdefault(module[0], set()).add(other[0])
        for circle in circles(folders):
            if set(circle) not in map(set, defended):
                complaints.append(f"folders of {name} that import each other: " + ", ".join(sorted(circle)))
        if name == LAYERED:
            for gone in sorted(set(layers) - {module[0] for module in crate.files if module}):
                complaints.append(f"{name} has no {gone}, which is in the table of layers")
            imports_up = set(upwards(folders, layers))
            for layer, other in sorted(imports_up.symmetric_difference(defended)):
                fault = "imports" if (layer, other) in imports_up else "is defended, and does not import"
                complaints.append(f"{layer} of {name} {fault} {other}, which stands below it in the table of layers")
        for paths in crate.public_paths().values() if name in LIBRARIES else ():
            if len(paths) > 1:
                complaints.append(f"{name} has one thing by two names: " + ", ".join(map("::".join, paths)))
        types = [
            name
            for module, name in (crate.public_paths() if name in LIBRARIES else ())
            if name in PUBLIC_TYPE.findall(crate.files[module][1])
        ]
        for twice in sorted({name for name in types if types.count(name) > 1} - SAME_NAMES):
            complaints.append(f"{crate.name} has two types of one name: {twice}")
        tests = [file for file in files if file.startswith(f"{name}/tests/") and file.endswith(".rs")]
        tested = {found for file in tests for found in TO_OTHER_THREADS.findall(Path(file).read_text())}
        for module, item in crate.public_paths() if name in LIBRARIES else ():
            if item in OWNED_TYPE.findall(crate.files[module][1]) and item not in tested:
                complaints.append(f"no test of {name} says that {item} goes to other threads")
            if name == "amp-core" and item in types and item.endswith("Error") and item not in displayed:
                complaints.append(f"{ERRORS_DISPLAYED} has no {item}")
        exported = {path[-1] for paths in crate.public_paths().values() for path in paths}
        for file, text in crate.files.values() if name in LIBRARIES else ():
            for found in (found for found in OPEN.finditer(text) if found["name"] in exported):
                fields = re.findall(r"^    (pub )?(?:pub\([^)]*\) )?\w+:", found["fields"], re.MULTILINE)
                whole = found["name"] in WHOLE or "non_exhaustive" in found["above"]
                if not whole and (found["kind"] == "enum" or (fields and all(fields))):
                    complaints.append(f"{file}: {found['name']} is not #[non_exhaustive]")
        for file, text in crate.files.values():
            if re.search("/(?:proto|boxes)/", file) and (found := NOT_IN_THE_CORE.search(text)):
                complaints.append(f"{file}: the core knows of {found[0]}")
            if name in LIBRARIES and LOT.search(text):
                complaints.append(f"{file}: a `select!` draws lots, unless it begins with `biased;`")
    for file in files:
        if file.endswith(".rs") and file != UNSAFE_IN:
            text = re.sub(r'//[^\n]*|"(?:[^"\\]|\\.)*"', "", Path(file).read_text())
            if re.search(r"\bunsafe\s*(?:\{|fn\b|impl\b)", text) and file.split("/")[0] in CRATES and "/src/" in file:
                complaints.append(f"{file}: there is unsafe code")
            if re.search(r"\beprint(?:ln)?!", text) and file.startswith("amp-cli/src/") and file != TOLD_IN:
                complaints.append(f"{file}: it says something on standard error that is not looked at")
    if not count:
        sys.exit("there are no sources")
    if complaints:
        sys.exit("the structure is not what ARCHITECTURE.md says:\n" + "\n".join(complaints))
    print(f"the structure of {count} files is as ARCHITECTURE.md says")


main()
