#!/usr/bin/env python3
"""How many calls pass through `ampctl tap` beside without it, in turns.

    cargo build --release -p amp-cli --bin ampctl -p amp-tests --bin compliance-peer
    benchmarks/tap.py target/release 5

The server is `compliance-peer`, which adds two integers, and the client is `ampctl bench`, all over Unix
sockets on this machine. Prints the medians of so many rounds, and of the ratios within a round: calls per second, the
median of the times that calls took, and the CPU that the tap used for a call. Where others use the same
processors, calls wait for them, of which the last two say less.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 2
# What does not count before: `ampctl bench` calls for half a second.
ALL_SECONDS = SECONDS + 0.5
IN_FLIGHT = [1, 64]


def listening(command, **options):
    """A process that has said that it listens."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    line = process.stdout.readline()
    if not line.startswith("listening "):
        sys.exit(f"{command} says {line!r}")
    return process


def cpu(process):
    """The seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    programs, rounds = Path(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        server, tap, record = (f"unix:{folder}/{name}" for name in ("server", "tap", "record"))
        taps = {}
        running = [listening([programs / "compliance-peer", "--listen", server])]
        ways = {"without": server, "through tap": tap, "with --record": record}
        schema = Path(folder) / "schema"
        schema.write_text(
            "command Sum\n  arguments\n    a: Integer\n    b: Integer\n  response\n    total: Integer\n"
        )
        for address, more in [(tap, []), (record, ["--record", f"{folder}/lines"])]:
            command = [programs / "ampctl", "tap", address, server, "--schema", schema, *more]
            process = taps[address] = listening(command)
            # Somebody has to read what it shows.
            running += [process, subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)]
        try:
            for in_flight in IN_FLIGHT:
                seen = {name: [] for name in ways}
                for _ in range(rounds):
                    for name, address in ways.items():
                        command = [programs / "ampctl", "bench", address, "Sum", "a=1", "b=2", "--json"]
                        command += ["--in-flight", str(in_flight), "--for", f"{SECONDS}s"]
                        tap = taps.get(address)
                        before = cpu(tap) if tap else 0
                        measured = json.loads(subprocess.check_output(command))
                        rate = measured["calls_per_s"]
                        used = (cpu(tap) - before) / (rate * ALL_SECONDS) * 1e6 if tap else 0
                        seen[name].append((rate, measured["p50_us"], used))
                for name, measured in seen.items():
                    rate, took, used = (statistics.median(column) for column in zip(*measured))
                    pairs = list(zip(measured, seen["without"]))
                    rates = statistics.median(here[0] / there[0] for here, there in pairs)
                    times = statistics.median(there[1] / here[1] for here, there in pairs)
                    print(
                        f"{in_flight:3} in flight, {name:13}: {rate:8.0f} calls/s, {rates:5.0%}; "
                        f"half within {took:6.0f} us, {times:5.0%}; CPU {used:5.1f} us",
                        flush=True,
                    )
        finally:
            for process in running:
                process.terminate()


if __name__ == "__main__":
    main()
