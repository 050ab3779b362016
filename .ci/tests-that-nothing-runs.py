#!/usr/bin/env python3
"""Fails when there is a test in the sources that the test command does not run.

Such a test is in a file that no module names, or behind a feature that is not switched on, or
ignored. Reads the list of tests that run, as `cargo test ... -- --list` prints it, from standard
input, and compares it with what the sources mark as tests: functions, by their names and the
modules that their files are, and the code of the documentation, by the number in each file.
"""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

# An attribute may span lines. A name that begins with `$` is made by a macro, and not known here.
ATTRIBUTE = r"#\[(?:[^\[\]]|\[[^\]]*\])*\]"
TEST = re.compile(
    rf"^[ \t]*(?P<before>(?:{ATTRIBUTE}\s*)*?)#\[(?:tokio::)?test\b(?:[^\[\]]|\[[^\]]*\])*\]\s*"
    rf"(?P<behind>(?:{ATTRIBUTE}\s*|//[^\n]*\s*)*)"
    r"(?:pub )?(?:async )?fn (?P<name>\$?\w+)",
    re.MULTILINE,
)
MARK = re.compile(r"^[ \t]*#\[(?:tokio::)?test\b", re.MULTILINE)
# What is only for other systems than the one that this runs on.
ELSEWHERE = re.compile(r"cfg\(not\((?:any\()?target_os = \"linux\"|cfg\(windows\)")
FENCE = re.compile(r"^[ \t]*//[/!] ?```(.*)$", re.MULTILINE)
# Words behind a fence that leave the code a test.
TESTED = {"", "rust", "no_run", "should_panic", "compile_fail"}
DOCTEST = re.compile(r"^(\S+\.rs) - .*\(line \d+\)")


def module(file):
    """The module that a file is, as the names of its tests begin."""
    _package, kind, *parts = Path(file).with_suffix("").parts
    if parts[:1] == ["bin"]:
        parts = parts[2:]
    elif kind == "tests" and parts[:1] != ["support"]:
        # Each file there, or each folder with a `main.rs`, is a program of its own.
        parts = parts[1:]
    if parts and parts[-1] in ("lib", "main", "mod"):
        parts.pop()
    return tuple(parts)


def main():
    listed, documented = defaultdict(list), Counter()
    for line in sys.stdin:
        line = line.rstrip()
        if not line.endswith(": test"):
            continue
        name = line.removesuffix(": test")
        if found := DOCTEST.match(name):
            documented[found[1]] += 1
        else:
            *modules, name = name.split("::")
            listed[name].append(tuple(modules))
    if not listed:
        sys.exit("no list of tests came on standard input")

    files = subprocess.run(
        ["git", "ls-files", "*.rs"], check=True, capture_output=True, text=True
    ).stdout.split()
    # These are run by a command of their own.
    files = [file for file in files if not file.startswith("models/")]
    written, complaints, examples = [], [], 0
    for file in files:
        text = Path(file).read_text()
        tests = list(TEST.finditer(text))
        if len(tests) != len(MARK.findall(text)):
            complaints.append(f"{file}: a test is written in a way that this does not understand")
        for test in tests:
            place = f"{file}:{text.count(chr(10), 0, test.start('name')) + 1}"
            attributes = test["before"] + test["behind"]
            if "#[ignore" in attributes:
                complaints.append(f"{place}: {test['name']} is ignored")
            elif not (test["name"].startswith("$") or ELSEWHERE.search(attributes)):
                written.append((module(file), test["name"], place))
        # Every other fence ends a piece of code.
        code = [words.replace(" ", "").split(",") for words in FENCE.findall(text)[::2]]
        if any("ignore" in words for words in code):
            complaints.append(f"{file}: code of the documentation is ignored")
        count = sum(set(words) <= TESTED for words in code)
        examples += count
        if count > documented[file]:
            complaints.append(
                f"{file}: of {count} pieces of code in the documentation {documented[file]} are run"
            )
    # Each takes one that is listed, and those with the longest names first.
    for modules, name, place in sorted(written, key=lambda test: -len(test[0])):
        fits = [of for of in listed[name] if of[: len(modules)] == modules]
        if fits:
            listed[name].remove(min(fits, key=len))
        else:
            complaints.append(f"{place}: {name} is not run")
    if complaints:
        sys.exit("tests that nothing runs:\n" + "\n".join(sorted(complaints)))
    print(f"all of {len(written)} tests and {examples} examples of the documentation are run")


main()
