#!/usr/bin/env python3
"""Fails when the summary of a public item is no sentence that stands by itself.

The first line of a public function says what it does, with a verb: "Returns the schema of the command."
That of anything else public does not begin with a pronoun, nor with a question.
"""

import re
import subprocess
import sys
from pathlib import Path

CRATES = ["amp-core", "amp-unix"]
PRONOUN = re.compile(
    r"(?:It|Its|They|Their|This|These|That|Those|What|How|Whether|Which|Who|Whose|Why|When|Where) "
)
VERB = re.compile(r"[A-Z][a-z]+s ")
ITEM = re.compile(
    r"(?P<doc>(?:^[ ]*///[^\n]*\n)+)"
    r"(?:^[ ]*#\[(?:[^\[\]]|\[[^\[\]]*\])*\]\n)*"
    r"^[ ]*pub (?P<item>(?:(?:async|const|unsafe) )*(?P<kind>fn|struct|enum|trait|type|const|static|mod|\w+:)[^\n]*)",
    re.MULTILINE,
)


def main():
    files = subprocess.run(["git", "ls-files", *CRATES], check=True, capture_output=True, text=True).stdout.split()
    complaints, count = [], 0
    for file in files:
        if "/src/" not in file or not file.endswith(".rs"):
            continue
        text = Path(file).read_text()
        for found in ITEM.finditer(text):
            count += 1
            summary = found["doc"].split("\n")[0].strip().removeprefix("///").strip()
            wrong = not VERB.match(summary) if found["kind"] == "fn" else PRONOUN.match(summary)
            if wrong:
                line = text.count("\n", 0, found.start()) + 1
                complaints.append(f"{file}:{line}: {summary}")
    if not count:
        sys.exit("there are no public items")
    if complaints:
        sys.exit("no sentences that stand by themselves:\n" + "\n".join(complaints))
    print(f"the summaries of {count} public items are sentences")


main()
