#!/usr/bin/env python3
"""Fails when there is a test in the sources that the test command does not run.

Such a test is in a file that no module names, or behind a feature that is not switched on, or
ignored. Reads the list of tests that run, as `cargo test ... -- --list` prints it, from standard
input, and compares it with the functions that the sources mark as tests.
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

# The attributes behind that of the test may span lines; a name out of a macro begins with `$`.
TEST = re.compile(
    r"^[ \t]*#\[(?:tokio::)?test\b[^\n]*\][ \t]*\n"
    r"(?P<between>(?:[ \t]*(?://|#\[)[^\n]*\n)*)"
    r"[ \t]*(?:pub )?(?:async )?fn (?P<name>\w+)",
    re.MULTILINE,
)
# What is only for other systems than the one that this runs on.
ELSEWHERE = re.compile(r"cfg\(not\((?:any\()?target_os = \"linux\"|cfg\(windows\)")
# Code in the documentation that is neither compiled nor run.
IGNORED_DOC = re.compile(r"^[ \t]*//[/!] ```.*\bignore\b", re.MULTILINE)


def main():
    listed = Counter()
    for line in sys.stdin:
        if line.rstrip().endswith(": test") and " - " not in line:
            listed[line.rstrip().removesuffix(": test").rsplit("::", 1)[-1]] += 1
    if not listed:
        sys.exit("no list of tests came on standard input")

    files = subprocess.run(
        ["git", "ls-files", "*.rs"], check=True, capture_output=True, text=True
    ).stdout.split()
    written, where, complaints = Counter(), {}, []
    for file in files:
        text = Path(file).read_text()
        for test in TEST.finditer(text):
            name, line = test["name"], text.count("\n", 0, test.start("name")) + 1
            before = text[: test.start()].rsplit("\n\n", 1)[-1]
            attributes = before + test["between"]
            if ELSEWHERE.search(attributes):
                continue
            written[name] += 1
            where.setdefault(name, []).append(f"{file}:{line}")
            if "#[ignore" in attributes:
                complaints.append(f"{file}:{line}: {name} is ignored")
        for ignored in IGNORED_DOC.finditer(text):
            line = text.count("\n", 0, ignored.start()) + 1
            complaints.append(f"{file}:{line}: code in the documentation is ignored")
    for name, count in written.items():
        if count > listed[name]:
            places = ", ".join(where[name])
            complaints.append(f"{name} is written {count} times and run {listed[name]} times: {places}")
    if complaints:
        sys.exit("tests that nothing runs:\n" + "\n".join(sorted(complaints)))
    print(f"all of {written.total()} tests are run, {listed.total()} with those that macros make")


main()
