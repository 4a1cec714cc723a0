"""What ``grokscope plot`` draws: a figure of a grid's runs, with a caption that explains it and the numbers in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from interp import plots
from interp.errors import ConfigError, choose, near_matches
from interp.lab.grids.figures import axes_of, phase_diagram
from interp.lab.grids.norms import gammas_of, plot_gammas
from interp.lab.grids.pruning import GOOD, Pruning, needed_by_width, pruning_of
from interp.lab.grids.summary import SHOWN, summarise
from interp.lab.grids.table import checkpoint_of, read_description, read_runs
from interp.plots.canvas import shown

PHASES = (
    "Each cell is a network, or several of different seeds: its colour is the phase that training ended in. Blue and "
    "green networks answer held-out examples. Coexistence: the corrupted labels are memorised as well. Partial and "
    "full inversion: they are given up in part, or answered by the rule. Memorisation: the training set alone is "
    "known. Forgetting: the rule was known earlier in training. Confusion: neither is known. A percentage in a cell "
    "says how many of its seeds agree. Touch a cell for its accuracies."
)
ACCURACY = (
    "Mean accuracy over the seeds on each split, with its 95 % interval. Test: held-out examples. Corrupted as "
    "labelled: training examples with a redrawn label, answered with that label, which is memory. As true: answered "
    "by the rule."
)
PRUNING = (
    "Accuracy as more and more neurons are set to zero, those with the lowest periodicity (IPR) first, the highest "
    "first, or at random. Where the corrupted labels are lost while held-out examples stay right, what was removed is "
    "memory. Bands: 95 % interval of the mean over networks. Open symbols: the paper's numbers."
)
WIDTH = (
    "How many neurons are needed: neurons are removed from the least periodic on, as long as the accuracy on held-out "
    "examples stays at least {level:.0%}. Wide networks need few more than narrow ones."
)
GAMMA = (
    "Each point is a neuron of a network with a norm after its activation: how strongly the norm amplifies it, "
    "against how periodic it is. Where |γ| is small for aperiodic neurons, the network itself turns its memory down."
)


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure with what is said about it.

    Attributes:
        title: Of the figure.
        figure: Plotly's.
        caption: What it shows, in words for someone who sees it for the first time.
        lines: The most important numbers, as rich can print them.
        numbers: All of them, ready for JSON; None where they are in the table of runs.
    """

    title: str
    figure: Any
    caption: str
    lines: list[Any] = field(default_factory=list)
    numbers: dict[str, Any] | None = None


@dataclass(frozen=True)
class Asked:
    """What to draw, and how: the axes, what decides a phase, the accuracy that ``width`` asks for, and which runs, such
    as ``operation=multiply``."""

    folder: Path
    x: str | None = None
    y: str | None = None
    by: str = "corrupted"
    level: float = GOOD
    only: tuple[str, ...] = ()


def draw(kind: str, asked: Asked) -> Drawing:
    """Draw what the runs in a folder show.

    Args:
        kind: One of `KINDS`.
        asked: The folder, and how to draw.

    Raises:
        ConfigError: The folder holds no runs, or they do not fit the figure.
    """
    choose("kind", kind, KINDS)
    table = read_runs(asked.folder)
    for choice in asked.only:
        table = _only(table, choice)
    return KINDS[kind](table, asked)


def _only(table: pa.Table, choice: str) -> pa.Table:
    """The runs with a setting, given as ``NAME=VALUE``."""
    name, _, wanted = choice.partition("=")
    names = table.column_names[1 : table.column_names.index("phase")]
    if name not in names:
        raise ConfigError(f"the runs have no setting {name!r}; {near_matches(name, names)}")
    values = [shown(value) for value in table[name].to_pylist()]
    if wanted not in values:
        raise ConfigError(f"no run has {name}={wanted}; {near_matches(wanted, dict.fromkeys(values))}")
    return table.filter(pa.array([value == wanted for value in values]))


def _only_seeds(table: pa.Table, *allowed: str) -> None:
    """Refuse to average over anything but seeds."""
    apart = [axis for axis in axes_of(table) if axis not in allowed]
    if apart:
        raise ConfigError(
            f"the runs differ in {', '.join(apart)}, not only in their seed; choose some with --only NAME=VALUE"
        )


def _phase(table: pa.Table, asked: Asked) -> Drawing:
    title = read_description(asked.folder)["title"] or "Phases"
    figure = phase_diagram(table, x=asked.x, y=asked.y, by=asked.by, title=title)
    return Drawing(title, figure, PHASES)


def _accuracy(table: pa.Table, asked: Asked) -> Drawing:
    axes = axes_of(table)
    if asked.x is not None:
        if asked.x not in axes:
            raise ConfigError(f"the runs do not differ in {asked.x!r}; {near_matches(asked.x, axes)}")
        _only_seeds(table, asked.x)
    lines = summarise(table)
    x = ", ".join(axes)
    names = [line.name.removeprefix(f"{x} ") for line in lines]
    values = {split: [line.accuracy[split] for line in lines] for split in SHOWN}
    figure = plots.accuracy_over(names, values, x=x)
    numbers = {
        line.name: {s: None if one is None else one.to_dict() for s, one in line.accuracy.items()}
        for line in lines
    }
    return Drawing("Accuracy by setting", figure, ACCURACY, numbers=numbers)


def _pruning(table: pa.Table, asked: Asked) -> Drawing:
    _only_seeds(table)
    files = _files(table, asked.folder)
    found = pruning_of(files, paper=read_description(asked.folder)["paper"].get("pruning"))
    return Drawing("Pruning by periodicity", found.plot(), PRUNING, _against_paper(found), found.to_dict())


def _width(table: pa.Table, asked: Asked) -> Drawing:
    _only_seeds(table, "width", "variant")
    found = needed_by_width(_files(table, asked.folder), level=asked.level)
    paper = {
        int(w): float(n) for w, n in read_description(asked.folder)["paper"].get("neurons_needed", {}).items()
    }
    lines = []
    for width, (one, missed) in found.items():
        needs = "no network reaches the level" if one is None else f"{one.mean:.1f} neurons needed"
        each = "" if one is None else f" ({', '.join(f'{v:g}' for v in one.values)})"
        beside = f"; paper {paper[width]:g}" if width in paper else ""
        lines.append(
            f"width {width:,}: {needs}{each}{f'; {missed} do not reach the level' * bool(missed)}{beside}"
        )
    known = {width: one for width, (one, _) in found.items() if one is not None}
    figure = plots.neurons_needed(known, paper, level=asked.level)
    needed = {
        str(w): {"missed": missed, **(one.to_dict() if one else {})} for w, (one, missed) in found.items()
    }
    numbers = {"level": asked.level, "needed": needed}
    return Drawing("Neurons needed", figure, WIDTH.format(level=asked.level), lines, numbers)


def _gamma(table: pa.Table, asked: Asked) -> Drawing:
    rows = [row for row in table.to_pylist() if row["status"] == "ok"]
    names = [" ".join(part for part in (row["variant"], f"seed {row.get('seed')}") if part) for row in rows]
    found = gammas_of(_files(table, asked.folder))
    number = lambda value: "–" if value is None else f"{value:.3f}"  # noqa: E731
    lines = [
        f"{name}: rank correlation of |γ| with IPR {number(one.correlation.rho)} ({number(one.correlation.low)} to "
        f"{number(one.correlation.high)}); median |γ| {number(one.low)} where IPR < .1, {number(one.high)} where > .9"
        for name, one in zip(names, found, strict=True)
    ]
    numbers = {name: one.to_dict() for name, one in zip(names, found, strict=True)}
    return Drawing("Norm weight against periodicity", plot_gammas(found, names), GAMMA, lines, numbers)


def _files(table: pa.Table, folder: Path) -> list[Path]:
    """The last checkpoints of the runs that did not fail."""
    return [checkpoint_of(row, folder) for row in table.to_pylist() if row["status"] == "ok"]


def _against_paper(found: Pruning) -> list[Any]:
    from rich.table import Table

    rows = found.against_paper()
    if not rows:
        return []
    table = Table(title=f"the paper's numbers and ours, {found.networks} networks")
    for name in ("removed", "split", "paper", "ours", "95 % interval", "agrees"):
        table.add_column(name, justify="left" if name == "split" else "right")
    words = {True: "yes", False: "no", None: "too wide"}
    for row in rows:
        low, high = row["low"], row["high"]
        interval = "–" if low is None else f"{100 * max(low, 0):.1f} … {100 * min(high, 1):.1f}"
        which = f"{row['order'].removesuffix(' first')} {row['fraction']:.0%}"
        numbers = f"{100 * row['paper']:.1f}", f"{100 * row['mean']:.1f}", interval
        table.add_row(which, row["split"].replace("_", " "), *numbers, words[row["agrees"]])
    return [table]


KINDS: dict[str, Callable[[pa.Table, Asked], Drawing]] = {
    "phase": _phase,
    "accuracy": _accuracy,
    "pruning": _pruning,
    "width": _width,
    "gamma": _gamma,
}
