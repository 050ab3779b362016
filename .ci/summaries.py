#!/usr/bin/env python3
"""Fails when the summary of a public item is no sentence that stands by itself.

The first line of a public function, and of a method of a public trait, says what it does, with a verb:
"Returns the schema of the command." A noun in the plural looks like one, so the verbs are listed. That of
anything else public does not begin with a pronoun, nor with a question.

Closures in documentation and in examples are written `async |...|`, and not `|...| async`. A server is a
future, which is spawned as it is: `tokio::spawn(serve(...))`.
"""

import re
import subprocess
import sys
from pathlib import Path

CRATES = ["amp-core", "amp-unix"]
PRONOUN = re.compile(
    r"(?:It|Its|They|Their|This|These|That|Those|What|How|Whether|Which|Who|Whose|Why|When|Where) "
)
# What functions do. Another verb is added here by whoever needs it.
VERBS = set(
    """
    Accepts Adds Agrees Answers Appends Asks Begins Binds Brings Calls Checks Closes Compares Connects Creates Does Drops
    Ends Expects Fails Forgets Gives Goes Hands Hides Holds Keeps Learns Leaves Lets Listens Logs Moves Notes Passes Puts Queues
    Reads Receives Refuses Removes Replaces Resolves Returns Routes Runs Says Sends Serves Sets Spends Stages Starts
    Stops Takes Tells Waits Writes
    """.split()
)
ITEM = re.compile(
    r"(?P<doc>(?:^[ ]*///[^\n]*\n)+)"
    r"(?:^[ ]*#\[(?:[^\[\]]|\[[^\[\]]*\])*\]\n)*"
    r"^[ ]*pub (?P<item>(?:(?:async|const|unsafe) )*(?P<kind>fn|struct|enum|trait|type|const|static|mod|\w+:)[^\n]*)",
    re.MULTILINE,
)
CLOSURE = re.compile(r"\|[^|\n]+\| *async\b")
WRAPPED = re.compile(r"spawn\(async(?: move)? \{\s*(?://!? *)?(?:server|(?:\w+::)*serve(?:_with)?\([^{}]*\))\.await;?\s*\}\)")
TRAIT = re.compile(r"^pub (?:unsafe )?trait [^\n]*(?:\n[^\n{}]+)*?\{\n(?P<body>.*?)^\}", re.MULTILINE | re.DOTALL)
METHOD = re.compile(
    r"(?P<doc>(?:^    ///[^\n]*\n)+)"
    r"(?:^    #\[(?:[^\[\]]|\[[^\[\]]*\])*\]\n)*"
    r"^    (?:(?:async|const|unsafe) )*(?P<kind>fn|const|type) ",
    re.MULTILINE,
)


def main():
    files = subprocess.run(["git", "ls-files", *CRATES], check=True, capture_output=True, text=True).stdout.split()
    complaints, count = [], 0
    for file in files:
        if "/src/" not in file or not file.endswith(".rs"):
            continue
        text = Path(file).read_text()
        items = [(found, found.start()) for found in ITEM.finditer(text)]
        for trait in TRAIT.finditer(text):
            items += [(found, trait.start("body") + found.start()) for found in METHOD.finditer(trait["body"])]
        for found, at in items:
            count += 1
            summary = found["doc"].split("\n")[0].strip().removeprefix("///").strip()
            does = summary.split(" ")[0] in VERBS
            wrong = not does if found["kind"] == "fn" else PRONOUN.match(summary)
            if wrong:
                line = text.count("\n", 0, at) + 1
                complaints.append(f"{file}:{line}: {summary}")
    closures = [
        f"{file}:{number}: {line.strip()}"
        for file in subprocess.run(
            ["git", "ls-files", "*.md", "*.rs"], check=True, capture_output=True, text=True
        ).stdout.split()
        for number, line in enumerate(Path(file).read_text().split("\n"), 1)
        if (file.endswith(".md") or file.startswith("examples/") or re.match(r" *//[/!]", line))
        and CLOSURE.search(line)
        and file != "CONTRIBUTING.md"
    ]
    if closures:
        sys.exit("closures that are not `async |...|`:\n" + "\n".join(closures))
    wrapped = [
        f"{file}: {found[0]}"
        for file in subprocess.run(
            ["git", "ls-files", "*.md", "*.rs"], check=True, capture_output=True, text=True
        ).stdout.split()
        for found in WRAPPED.finditer(Path(file).read_text())
    ]
    if wrapped:
        sys.exit("servers that are spawned inside of another future:\n" + "\n".join(wrapped))
    if not count:
        sys.exit("there are no public items")
    if complaints:
        sys.exit("no sentences that stand by themselves:\n" + "\n".join(complaints))
    print(f"the summaries of {count} public items are sentences")


main()
