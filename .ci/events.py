#!/usr/bin/env python3
"""Fails when the table of events in `observing/mod.rs` is not that of the events in the sources.

Programs look for events by their messages, which the table promises to have all of. So each literal
that an event is said with stands in it, and each message in it stands in the sources.

Events are said by `tracing::warn!(` and the like, by no other name, so that all are seen. Nor may one from `WARN` on
be said without `restrained!`, but for those of `ALOUD`, which no peer can cause again and again: the
log does not grow with what a peer does.
"""

import re
import subprocess
import sys
from pathlib import Path

TABLE = Path("amp-core/src/observing/mod.rs")
ROW = re.compile(r"^//! \| `(?:ERROR|WARN|INFO|DEBUG|TRACE)`[^|]*\| `([^`]+)`", re.MULTILINE)
LEVELS = "error|warn|info|debug|trace"
EVENT = re.compile(rf"\b(?:tracing::(?:{LEVELS})|restrained)!\(")
LOUD = re.compile(r"\btracing::(?:error|warn)!\(")
# Whatever else says an event, and is not seen by those: a macro by its bare name, by another crate or path, with
# other brackets, or with a level that is an argument.
OTHERWISE = re.compile(
    rf"(?<!\btracing::)\b(?:{LEVELS})!\s*[(\[{{]|\btracing::(?:{LEVELS})!\s*[\[{{]|\bevent(?:_enabled)?!|\blog::log!"
)
# A macro that has another name, or is called by its bare one.
NAMED = re.compile(
    rf"\b(?:tracing|log)::(?:\{{[^}}]*\b(?:{LEVELS}|event)\b|(?:{LEVELS}|event)\b(?!!)|\*)"
    r"|\b(?:tracing|log|restrained)\s+as\b"
)
# Its macro has the level as an argument.
RESTRAINT = "amp-core/src/restraint.rs"
# What `Restraint` itself says of those that it has left out, and that a server cannot be told to stop any more.
ALOUD = [RESTRAINT, "amp-core/src/server.rs"]
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
CONSTANT = re.compile(r'const (\w+): &str = "([^"]*)"')


def argument(text, start):
    """What is between the parenthesis that was opened before `start` and its other half."""
    depth, at = 1, start
    while depth:
        if literal := LITERAL.match(text, at):
            at = literal.end()
            continue
        depth += (text[at] == "(") - (text[at] == ")")
        at += 1
    return text[start : at - 1]


def main():
    listed = set(ROW.findall(TABLE.read_text()))
    files = subprocess.run(
        ["git", "ls-files", "amp-core/src", "amp-unix/src"], check=True, capture_output=True, text=True
    ).stdout.split()
    complaints, said = [], set()
    for file in (file for file in files if file.endswith(".rs") and not re.search(r"(^|/)tests?[/.]", file)):
        text = re.sub(r"//[^\n]*", "", Path(file).read_text())
        # A module of tests is the last thing in its file.
        text = re.split(r"#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:pub(?:\([^)]*\))? )?mod \w+ \{", text)[0]
        loud = len(LOUD.findall(text))
        if loud > ALOUD.count(file):
            complaints.append(f"{file}: says {loud} events from WARN on without `restrained!`")
        for found in OTHERWISE.finditer(text):
            complaints.append(f"{file}: says an event by {found[0]!r}, not by `tracing::` and a level")
        for found in NAMED.finditer(text):
            complaints.append(f"{file}: names what says events otherwise: {found[0]!r}")
        if len(re.findall(r"\$\w+!", text)) > (file == RESTRAINT):
            complaints.append(f"{file}: says an event by a macro whose name is an argument")
        constants = dict(CONSTANT.findall(text))
        for event in EVENT.finditer(text):
            found = LITERAL.findall(argument(text, event.end()))
            messages = {constants.get(literal.strip("{}"), literal) for literal in found}
            # A line of a log of boxes is what it is, and is found by its target.
            if not messages - {"{line}"}:
                continue
            if not messages & listed:
                complaints.append(f"{file}: the table of events lacks " + " or ".join(sorted(messages)))
            said |= messages
    complaints += [f"{TABLE}: nothing says {message!r}" for message in sorted(listed - said) if " of a [" not in message]
    if complaints:
        sys.exit("\n".join(complaints))
    print(f"the table has all {len(listed)} events")


main()
