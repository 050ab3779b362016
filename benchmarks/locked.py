#!/usr/bin/env python3
"""How many instructions a call takes, and how many of them lock memory, on each side.

    cargo build --release -p amp-examples --example load
    benchmarks/locked.py target/release/examples/load

Runs `load serve` and `load call` under valgrind's callgrind, which counts how often each instruction is executed,
and looks up with objdump which of them lock memory: those with the prefix `lock`, and exchanges with memory. On
x86-64 only. `--runtime`, `--work` and `--in-flight` are those of `load`, and `--each` lists the instructions that
lock. What the programs do before and behind the calls counts as well: a few hundredths of a locked
instruction, and some ten instructions, for each of the calls that are made in ten seconds.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter

SECONDS = 10
WARM_UP = 0.01


def locking(program):
    """The addresses of the instructions that lock memory, and the functions that they are in."""
    command = ["objdump", "--disassemble", "--demangle", "--no-show-raw-insn", program]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found, function = {}, ""
    for line in listing.splitlines():
        if line.endswith(">:"):
            function = line.split("<", 1)[1][:-2]
        elif match := re.match(r"\s*([0-9a-f]+):\s+(lock\b|xchg\b.*\()", line):
            found[int(match[1], 16)] = function
    return found


def executed(counts, program):
    """How often each instruction of the program was executed, and all instructions of all objects."""
    names, here, address, total = {}, False, 0, 0
    times = Counter()
    inclusive = False
    with open(counts) as lines:
        for line in lines:
            if match := re.match(r"c?ob=\((\d+)\)(?: (.*))?", line):
                if match[2]:
                    names[match[1]] = match[2]
                if not line.startswith("c"):
                    here = os.path.realpath(names[match[1]]) == program
            elif line.startswith("calls="):
                # What follows is the cost of what was called, which is counted there.
                inclusive = True
            elif match := re.match(r"([+*-]?)(0x[0-9a-f]+|\d+)? \S+ (\d+)", line):
                sign, number = match[1], int(match[2] or "0", 0)
                address = {"": number, "*": address, "+": address + number, "-": address - number}[sign]
                if not inclusive:
                    total += int(match[3])
                    if here:
                        times[address] += int(match[3])
                inclusive = False
    return times, total


def run(program, options, folder):
    """Runs both sides, and says how many calls were made, and where the counts of each side are."""
    counts = {side: f"{folder}/{side}" for side in ("caller", "answerer")}
    under = {
        side: ["valgrind", "-q", "--tool=callgrind", "--dump-instr=yes", f"--callgrind-out-file={path}", program]
        for side, path in counts.items()
    }
    address = f"unix:{folder}/socket"
    server = subprocess.Popen(
        [*under["answerer"], "serve", address, "--runtime", options.runtime], stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            if os.path.exists(f"{folder}/socket"):
                break
            time.sleep(0.1)
        words = ["--work", options.work, "--in-flight", str(options.in_flight), "--runtime", options.runtime]
        words += ["--seconds", str(SECONDS), "--warm-up", str(WARM_UP), "--json"]
        command = [*under["caller"], "call", address, *words]
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)
    return json.loads(said)["calls"], counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--runtime", default="mt", choices=["mt", "ct"])
    parser.add_argument("--work", default="sum")
    parser.add_argument("--in-flight", default=64, type=int)
    parser.add_argument("--each", action="store_true")
    options = parser.parse_args()
    program = os.path.realpath(options.program)
    locks = locking(program)
    with tempfile.TemporaryDirectory() as folder:
        calls, counts = run(program, options, folder)
        for side, path in counts.items():
            times, total = executed(path, program)
            locked = Counter()
            for address, function in locks.items():
                locked[function] += times[address]
            print(f"{side}: {locked.total() / calls:.2f} locked of {total / calls:.0f} instructions for a call")
            if options.each:
                for function, count in locked.most_common(30):
                    print(f"  {count / calls:.2f} {function}")


if __name__ == "__main__":
    main()
