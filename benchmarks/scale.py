#!/usr/bin/env python3
"""What a call costs as its load grows, as a plot and as tables.

    cargo build --release -p amp-examples --example load
    python3 benchmarks/scale.py [--rounds 5] [--seconds 1] [--only REGEX]

Runs target/release/examples/load in rounds over all sizes and takes the medians. The cost is the
processor's time of both processes, which a busy machine changes less than calls per second.
Writes scale.svg beside this file and prints the tables in Markdown.
"""

import argparse
import json
import math
import re
import statistics
import subprocess
import sys
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOAD = HERE.parent / "target/release/examples/load"


class Series:
    """One line of a panel: what `load` gets for each size."""

    def __init__(self, label, sizes, option, *options, unit="call"):
        self.label, self.sizes, self.option, self.options = label, sizes, option, options
        self.unit = unit
        self.costs = {size: [] for size in sizes}

    def measure(self, size, seconds):
        # Many callers make few calls in a short time, of which the first ones take longest.
        seconds = max(seconds, self.in_flight(size) / 4000)
        command = [LOAD, "run", "--json", "--seconds", str(seconds), "--warm-up", "0.3"]
        command += [*self.options, self.option, str(size)]
        result = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        report = json.loads(result.stdout)
        # Seconds for a million calls are microseconds for one.
        self.costs[size].append(report["cpu_client_s_per_M"] + report["cpu_server_s_per_M"])

    def in_flight(self, size):
        """On all connections together."""
        options = dict(zip(self.options[::2], self.options[1::2])) | {self.option: size}
        return int(options.get("--in-flight", 1)) * int(options.get("--connections", 1))

    def per_call(self, size):
        return statistics.median(self.costs[size])

    def per_unit(self, size, cost):
        """In microseconds per call, or nanoseconds per pair, byte or element."""
        return cost if self.unit == "call" else cost * 1000 / max(size, 1)


class Panel:
    """One diagram: the cost of one unit over the sizes of its series."""

    def __init__(self, title, x, y, *series):
        self.title, self.x, self.y, self.series = title, x, y, series


TENS = [1, 3, 10, 30, 100, 300, 1000]
BUSY = ("--in-flight", "16")

PANELS = [
    Panel(
        "Calls in flight on one connection",
        "calls in flight",
        "µs per call",
        Series("sum", [*TENS, 3000, 10_000], "--in-flight"),
    ),
    Panel(
        "Connections",
        "connections",
        "µs per call",
        Series("1 in flight on each", TENS, "--connections"),
        Series("16 in flight on each", TENS, "--connections", *BUSY),
    ),
    Panel(
        "Pairs of a box",
        "pairs",
        "ns per pair",
        Series("there and back", TENS, "--pairs", "--work", "pairs", *BUSY, unit="pair"),
    ),
    Panel(
        "Bytes of a value",
        "bytes",
        "ns per byte",
        Series(
            "there and back",
            [0, 1, 10, 100, 1000, 10_000, 30_000, 65_535],
            *("--bytes", "--work", "echo", *BUSY),
            unit="byte",
        ),
    ),
    Panel(
        "Elements of an AmpList",
        "elements",
        "ns per element",
        Series("there and back", TENS, "--elements", "--work", "list", *BUSY, unit="element"),
    ),
]

WIDTH, HEIGHT, COLUMNS = 440, 270, 2
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 40, 48
COLORS = ["#1f6fb2", "#c2571a"]


def draw(panels):
    rows = math.ceil(len(panels) / COLUMNS)
    width, height = WIDTH * COLUMNS, HEIGHT * rows
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, panel in enumerate(panels):
        x, y = number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *draw_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def draw_panel(panel):
    """The sizes stand side by side, so that 0 has a place; the costs are on a logarithmic scale."""
    sizes = panel.series[0].sizes
    every = [s.per_unit(n, cost) for s in panel.series for n in s.sizes for cost in s.costs[n]]
    low = math.floor(math.log10(max(min(every), 1e-3)))
    high = max(math.ceil(math.log10(max(every))), low + 1)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place_x(index):
        return LEFT + 14 + index * (right - LEFT - 28) / (len(sizes) - 1)

    def place_y(value):
        part = (math.log10(max(value, 10.0**low)) - low) / (high - low)
        return bottom - part * (bottom - TOP)

    yield f'<text x="{LEFT}" y="18" font-size="13" font-weight="bold">{escape(panel.title)}</text>'
    yield f'<text x="{LEFT}" y="33" fill="#555">{escape(panel.y)}, CPU time of both processes</text>'
    for power in range(low, high + 1):
        for digit in range(1, 10) if power < high else [1]:
            y = place_y(digit * 10.0**power)
            color = "#bbb" if digit == 1 else "#eee"
            yield f'<path d="M{LEFT} {y:.1f}H{right}" stroke="{color}"/>'
        label = f"{10.0**power:,g}"
        yield f'<text x="{LEFT - 6}" y="{place_y(10.0**power) + 4:.1f}" text-anchor="end">{label}</text>'
    for index, size in enumerate(sizes):
        x = place_x(index)
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{size:,}</text>'
    yield f'<text x="{(LEFT + right) / 2}" y="{bottom + 33}" text-anchor="middle" fill="#555">{escape(panel.x)}</text>'
    for number, (series, color) in enumerate(zip(panel.series, COLORS)):
        points = []
        for index, size in enumerate(series.sizes):
            x = place_x(index)
            least, median, most = (
                place_y(series.per_unit(size, cost))
                for cost in (min(series.costs[size]), series.per_call(size), max(series.costs[size]))
            )
            points.append(f"{x:.1f},{median:.1f}")
            yield f'<path d="M{x:.1f} {least:.1f}V{most:.1f}" stroke="{color}" stroke-width="4" opacity="0.3"/>'
            yield f'<circle cx="{x:.1f}" cy="{median:.1f}" r="3" fill="{color}"/>'
        line = " ".join(points)
        yield f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.5"/>'
        if len(panel.series) > 1:
            y = TOP + 14 + number * 15
            yield f'<text x="{right - 6}" y="{y}" text-anchor="end" fill="{color}">{escape(series.label)}</text>'


def table(series):
    """Markdown of one line."""
    per_unit = "" if series.unit == "call" else f" ns per {series.unit} |"
    print(f"| {series.option[2:]} | µs per call | least to most |{per_unit}")
    print("|--:|--:|--:|" + ("--:|" if per_unit else ""))
    for size in series.sizes:
        costs, median = series.costs[size], series.per_call(size)
        unit = f" {series.per_unit(size, median):,.2f} |" if per_unit else ""
        print(f"| {size:,} | {median:,.2f} | {min(costs):,.2f} to {max(costs):,.2f} |{unit}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", default="", help="panels whose title has this in it")
    options = parser.parse_args()
    if not LOAD.exists():
        parser.error("build it first: cargo build --release -p amp-examples --example load")
    panels = [panel for panel in PANELS if re.search(options.only, panel.title)]
    every = [(series, size) for panel in panels for series in panel.series for size in series.sizes]
    if not every or options.rounds < 1:
        parser.error("nothing to measure")
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}, {len(every)} sizes", file=sys.stderr)
        # Each way in turn, so that what changes over time changes no slope.
        for series, size in every if number % 2 == 0 else reversed(every):
            series.measure(size, options.seconds)
    for panel in panels:
        print(f"\n### {panel.title}")
        for series in panel.series:
            print(f"\n{series.label}, the processor's time of both processes:\n")
            table(series)
    if options.only:
        print("only a part was measured, so scale.svg stays as it was", file=sys.stderr)
    else:
        (HERE / "scale.svg").write_text(draw(panels), encoding="utf-8")


if __name__ == "__main__":
    main()
