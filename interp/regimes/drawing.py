"""What ``grokscope plot`` draws: a figure of a grid's runs, with a caption that explains it and the numbers in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import compute

from interp import plots
from interp.errors import ConfigError, choose, near_matches
from interp.regimes.figures import axes_of, phase_diagram
from interp.regimes.norms import gammas_of, plot_gammas
from interp.regimes.pruning import GOOD, needed_by_width, pruning_of
from interp.regimes.summary import SHOWN, summarise
from interp.regimes.table import read_description, read_runs

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
    """What to draw, and how."""

    folder: Path
    x: str | None = None
    y: str | None = None
    by: str = "corrupted"
    level: float = GOOD


def draw(kind: str, asked: Asked, *, variant: str | None = None) -> Drawing:
    """Draw what the runs in a folder show.

    Args:
        kind: One of `KINDS`.
        asked: The folder, and how to draw.
        variant: Only runs of this ``[[runs]]`` name.

    Raises:
        ConfigError: The folder holds no runs, or they do not fit the figure.
    """
    choose("kind", kind, KINDS)
    table = read_runs(asked.folder)
    if variant is not None:
        names = compute.unique(table["variant"]).to_pylist()
        if variant not in names:
            raise ConfigError(f"no runs are called {variant!r}; {near_matches(variant, names)}")
        table = table.filter(compute.equal(table["variant"], variant))
    return KINDS[kind](table, asked)


def _phase(table: pa.Table, asked: Asked) -> Drawing:
    title = read_description(asked.folder)["title"] or "Phases"
    figure = phase_diagram(table, x=asked.x, y=asked.y, by=asked.by, title=title)
    return Drawing(title, figure, PHASES)


def _accuracy(table: pa.Table, asked: Asked) -> Drawing:
    axes = axes_of(table) or ["seed"]
    x = asked.x or axes[0]
    if x not in table.column_names:
        raise ConfigError(f"the runs have no setting {x!r} to draw against; {near_matches(x, axes)}")
    lines = summarise(table)
    names = [line.name for line in lines]
    values = {split: [line.accuracy[split] for line in lines] for split in SHOWN}
    figure = plots.accuracy_over(names, values, x=x)
    numbers = {
        line.name: {s: None if one is None else one.to_dict() for s, one in line.accuracy.items()}
        for line in lines
    }
    return Drawing("Accuracy by setting", figure, ACCURACY, numbers=numbers)


def _pruning(table: pa.Table, asked: Asked) -> Drawing:
    files = _files(table)
    found = pruning_of(files, paper=read_description(asked.folder)["paper"].get("pruning"))
    return Drawing("Pruning by periodicity", found.plot(), PRUNING, _against_paper(found), found.to_dict())


def _width(table: pa.Table, asked: Asked) -> Drawing:
    found = needed_by_width(table, level=asked.level)
    paper = {
        int(w): float(n) for w, n in read_description(asked.folder)["paper"].get("neurons_needed", {}).items()
    }
    lines = [
        f"width {width:,}: {one.mean:.1f} neurons needed ({', '.join(f'{v:g}' for v in one.values)})"
        + (f"; paper {paper[width]:g}" if width in paper else "")
        for width, one in found.items()
    ]
    figure = plots.neurons_needed(found, paper, level=asked.level)
    numbers = {"level": asked.level, "needed": {str(width): one.to_dict() for width, one in found.items()}}
    return Drawing("Neurons needed", figure, WIDTH.format(level=asked.level), lines, numbers)


def _gamma(table: pa.Table, asked: Asked) -> Drawing:
    rows = [row for row in table.to_pylist() if row["status"] == "ok"]
    names = [" ".join(part for part in (row["variant"], f"seed {row.get('seed')}") if part) for row in rows]
    found = gammas_of([row["checkpoint"] for row in rows])
    number = lambda value: "–" if value is None else f"{value:.3f}"  # noqa: E731
    lines = [
        f"{name}: rank correlation of |γ| with IPR {number(one.correlation.rho)} ({number(one.correlation.low)} to "
        f"{number(one.correlation.high)}); median |γ| {number(one.low)} where IPR < .1, {number(one.high)} where > .9"
        for name, one in zip(names, found, strict=True)
    ]
    numbers = {name: one.to_dict() for name, one in zip(names, found, strict=True)}
    return Drawing("Norm weight against periodicity", plot_gammas(found, names), GAMMA, lines, numbers)


def _files(table: pa.Table) -> list[str]:
    """The last checkpoints of the runs that did not fail."""
    return [row["checkpoint"] for row in table.to_pylist() if row["status"] == "ok"]


def _against_paper(found: Any) -> list[Any]:
    from rich.table import Table

    rows = found.against_paper()
    if not rows:
        return []
    shown = Table(title=f"the paper's numbers and ours, {found.networks} networks")
    for name in ("removed", "split", "paper", "ours", "95 % interval", "agrees"):
        shown.add_column(name, justify="left" if name == "split" else "right")
    for row in rows:
        low, high = row["low"], row["high"]
        interval = "–" if low is None else f"{100 * low:.1f} … {100 * high:.1f}"
        which = f"{row['order'].removesuffix(' first')} {row['fraction']:.0%}"
        numbers = f"{100 * row['paper']:.1f}", f"{100 * row['mean']:.1f}", interval
        shown.add_row(which, row["split"].replace("_", " "), *numbers, "yes" if row["agrees"] else "no")
    return [shown]


KINDS: dict[str, Callable[[pa.Table, Asked], Drawing]] = {
    "phase": _phase,
    "accuracy": _accuracy,
    "pruning": _pruning,
    "width": _width,
    "gamma": _gamma,
}
