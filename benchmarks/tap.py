#!/usr/bin/env python3
"""How many calls pass through `ampctl tap` beside without it, in turns.

    cargo build -p amp-cli -p amp-tests --bins
    benchmarks/tap.py target/debug 5

The server is `compliance-peer`, which adds two integers, and the client is `ampctl bench`, all over Unix
sockets on this machine. Prints the medians of so many rounds, and of the ratios within a round.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 2
IN_FLIGHT = [1, 64]


def listening(command, **options):
    """A process that has said that it listens."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    line = process.stdout.readline()
    if not line.startswith("listening "):
        sys.exit(f"{command} says {line!r}")
    return process


def main():
    programs, rounds = Path(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        server, tap, record = (f"unix:{folder}/{name}" for name in ("server", "tap", "record"))
        running = [listening([programs / "compliance-peer", "--listen", server])]
        ways = {"without": server, "through tap": tap, "with --record": record}
        schema = Path(folder) / "schema"
        schema.write_text(
            "command Sum\n  arguments\n    a: Integer\n    b: Integer\n  response\n    total: Integer\n"
        )
        for address, more in [(tap, []), (record, ["--record", f"{folder}/lines"])]:
            command = [programs / "ampctl", "tap", address, server, "--schema", schema, *more]
            process = listening(command)
            # Somebody has to read what it shows.
            running += [process, subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)]
        try:
            for in_flight in IN_FLIGHT:
                rates = {name: [] for name in ways}
                for _ in range(rounds):
                    for name, address in ways.items():
                        command = [programs / "ampctl", "bench", address, "Sum", "a=1", "b=2", "--json"]
                        command += ["--in-flight", str(in_flight), "--for", f"{SECONDS}s"]
                        rates[name].append(json.loads(subprocess.check_output(command))["calls_per_s"])
                for name, seen in rates.items():
                    ratio = statistics.median(a / b for a, b in zip(seen, rates["without"]))
                    rate = statistics.median(seen)
                    print(f"{in_flight:3} in flight, {name:13}: {rate:8.0f} calls/s, {ratio:5.0%}")
        finally:
            for process in running:
                process.terminate()


if __name__ == "__main__":
    main()
