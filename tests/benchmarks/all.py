"""All benchmarks in one table: work, the other way, limit, ours, theirs, ratio, peak memory.

    python tests/benchmarks/all.py [--only NAME] [--quick] [--large] [--beside-busy] [--device cuda]

A line is measured in a process of its own, so that the peak memory is its own. Its ways take turns, and medians are
compared. Rows are written after each line; those of lines that were not measured again stay as they are.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from rendering import COLUMNS, figure, machine, markdown, save_image
from timing import Line, measure

PARTS = (
    "commands",
    "main_job",
    "transformer",
    "together",
    "batch",
    "groups",
    "locating",
    "explorer",
    "on_device",
)
RESULTS = Path(__file__).parents[2] / "notebooks" / "results" / "benchmarks"
IMAGE = Path(__file__).parents[2] / "notebooks" / "images" / "benchmarks.png"
LONGEST = 1_800
"""Seconds after which a line is given up."""


def lines_of(part: str) -> dict[str, Line]:
    """The lines of a part, or none with a word to standard error if a package or program of it is missing."""
    try:
        return dict(import_module(part).LINES)
    except ImportError as error:
        print(f"{part}: {error}", file=sys.stderr)
        return {}


@contextmanager
def busy(wanted: bool) -> Iterator[None]:
    """One process beside the measurements that keeps a core busy."""
    beside = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if wanted else None
    try:
        yield
    finally:
        if beside is not None:
            beside.kill()
            beside.wait()


def in_own_process(part: str, name: str, quick: bool) -> list[dict[str, Any]]:
    """A line's rows, or one that says why there are none."""
    device = os.environ["GROKSCOPE_DEVICE"]
    command = [
        sys.executable,
        __file__,
        "--part",
        part,
        "--only",
        name,
        "--device",
        device,
        *["--quick"] * quick,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        return [{"line": name, "note": f"given up after {LONGEST} s"}]
    if done.returncode:
        return [{"line": name, "note": (done.stderr.strip().splitlines() or ["it failed"])[-1][:200]}]
    return json.loads(done.stdout.splitlines()[-1])


def stored(place: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows that were written before, by line."""
    rows: dict[str, list[dict[str, Any]]] = {}
    if place.exists():
        with place.open(newline="") as file:
            for row in csv.DictReader(file):
                rows.setdefault(row["line"], []).append(row)
    return rows


def write(place: Path, rows: Mapping[str, list[dict[str, Any]]], about: Mapping[str, str]) -> str:
    """Write the table as CSV and Markdown, and give the latter back."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for own in rows.values() for row in own)
    with place.open(newline="") as file:
        text = markdown(list(csv.DictReader(file)), about)
    place.with_suffix(".md").write_text(text)
    return text


def draw(place: Path, image: Path) -> None:
    """Draw a table's limits, where a browser is installed."""
    with place.open(newline="") as file:
        drawn = figure(list(csv.DictReader(file)))
    try:
        save_image(drawn, image)
    except Exception as error:  # the table is there; a picture can be drawn later, by any line
        print(f"no picture: {error}", file=sys.stderr)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", help="a line, a large one too; may be repeated")
    parser.add_argument("--quick", action="store_true", help="one turn each")
    parser.add_argument(
        "--large", action="store_true", help="also lines that take minutes or gigabytes of disk"
    )
    parser.add_argument("--beside-busy", action="store_true", help="keep one core busy meanwhile")
    parser.add_argument("--device", default="cpu", help="cuda: the GPU's lines instead")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure, write and print the table."""
    asked = arguments()
    os.environ["GROKSCOPE_DEVICE"] = asked.device
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as `grokscope` sets it, for our way and theirs
    if asked.part:
        line = import_module(asked.part).LINES[asked.only[0]]
        print("\n" + json.dumps(measure(asked.only[0], line, asked.quick)))
        return
    parts = [part for part in PARTS if (part == "on_device") == (asked.device != "cpu")]
    known = {name: (part, line) for part in parts for name, line in lines_of(part).items()}
    chosen = [name for name, (_, one) in known.items() if asked.large or not one.large]
    if asked.only:
        unknown = set(asked.only) - known.keys()
        if unknown:
            sys.exit(f"no line {', '.join(sorted(unknown))}; expected some of {', '.join(known)}")
        chosen = [name for name in known if name in asked.only]
    state = asked.device if asked.device != "cpu" else "busy" if asked.beside_busy else "idle"
    place, start, load = asked.out / f"{state}.csv", perf_counter(), round(os.getloadavg()[0], 1)
    rows = stored(place)
    with busy(asked.beside_busy):
        for i, name in enumerate(chosen, 1):
            print(f"[{i}/{len(chosen)}, {perf_counter() - start:.0f} s] {name}", file=sys.stderr, flush=True)
            own = in_own_process(known[name][0], name, asked.quick)
            rows[name] = [{"load": load, **row} for row in own]
            rows = {name: rows[name] for name in (*known, *rows) if name in rows}
            text = write(place, rows, machine(state))
    print(text)
    if state == "idle":
        draw(place, IMAGE if asked.out == RESULTS else asked.out / IMAGE.name)


if __name__ == "__main__":
    main()
