#!/usr/bin/env python3
"""Fails when PROOFS.md names a proof that is not there, or ARCHITECTURE.md what no type has.

A proof is a file of this repository, and behind it, after a colon, the tests in that file; or a
command. A row that names none, a file that is gone, a test that has another name by now, and a
program that is no target of cargo's are complaints. That the tests are run is for
`tests-that-nothing-runs.py` to say.
"""

import re
import subprocess
import sys
from pathlib import Path

# Something in backticks, and whether names of tests follow it.
CODE = re.compile(r"`([^`]+)`(:?)")
TEST = r"#\[(?:tokio::)?test\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*|//[^\n]*\s*)*(?:async )?fn {}\b"


def tests_are_in(file, name):
    text = Path(file).read_text()
    return re.search(TEST.format(re.escape(name)), text) or (
        file.endswith(".py") and re.search(rf"def {re.escape(name)}\b", text)
    )


def complaints_of(row, files):
    *_, proofs = [cell.strip() for cell in row.strip().strip("|").split("|")]
    found, file = 0, None
    for code, colon in CODE.findall(proofs):
        if " " in code or code.startswith("."):
            program = code.split()[0]
            if program != "cargo" and program not in files:
                yield f"there is no {program}"
            named = re.search(r"--(?:bin|example|test) (\S+)", code)
            if named and not any(f"/{named[1]}" in name for name in files):
                yield f"cargo has no {named[1]}"
            found, file = found + 1, None
        elif "/" in code:
            if code not in files and not any(name.startswith(code) for name in files):
                yield f"there is no {code}"
                file = None
                continue
            file = code if colon else None
            found += not colon
        elif file is None:
            yield f"no file is named for {code}"
        elif tests_are_in(file, code):
            found += 1
        else:
            yield f"{file} has no test {code}"
    if not found:
        yield "no proof is named"


def names_that_are_not_there(files):
    """Each `Type::name` of ARCHITECTURE.md, unless one file has a type and a function, field or constant of these names."""
    sources = [Path(name).read_text() for name in files if name.endswith(".rs")]
    for number, line in enumerate(Path("ARCHITECTURE.md").read_text().splitlines(), 1):
        for name, item in re.findall(r"`(?:\w+::)*([A-Z]\w*)::(\w+)`", line):
            has_type = re.compile(rf"\b(?:impl|struct|enum|trait)\b[^\n]*\b{name}\b")
            has_item = re.compile(rf"\b(?:fn|const) {item}\b|^    (?:pub(?:\([^)]*\))? )?{item}\b", re.MULTILINE)
            if not any(has_type.search(text) and has_item.search(text) for text in sources):
                yield f"ARCHITECTURE.md:{number}: no file has {name}::{item}"


def main():
    files = set(subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.split())
    rows, complaints = 0, []
    for number, line in enumerate(Path("PROOFS.md").read_text().splitlines(), 1):
        if not line.startswith("| ") or line.startswith("| promise"):
            continue
        rows += 1
        complaints += [f"PROOFS.md:{number}: {text}" for text in complaints_of(line, files)]
    complaints += names_that_are_not_there(files)
    if not rows:
        sys.exit("PROOFS.md has no rows")
    if complaints:
        sys.exit("proofs that are not there:\n" + "\n".join(complaints))
    print(f"all proofs of {rows} promises are there")


main()
