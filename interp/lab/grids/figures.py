"""Figures of a grid's runs, each with a caption that explains it and the numbers in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from interp import plots
from interp.analysis.gamma import gamma_of
from interp.data.splits import SPLITS
from interp.drawing import present
from interp.errors import ConfigError, choose, near_matches
from interp.lab.grids.kinds import KINDS
from interp.lab.grids.pruning import GOOD, Pruning, needed_by_width, pruning_of
from interp.lab.grids.table import SHOWN, axes_of, checkpoint_of, read_description, read_runs, summarise
from interp.plots.canvas import shown
from interp.progress import progress
from interp.subject import open_subject
from probes.agreement import RankCorrelation, rank_correlation

WAYS = {"corrupted": "phase", "table": "phase_by_table"}
"""Ways to decide a phase, and the columns that have it."""
HOVERED = ("train", "test", "corrupted_as_labelled")  # of which the accuracy shows over a cell


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure, its main numbers as rich can print them, and all for JSON; None where the table of runs has them."""

    title: str
    figure: Any
    lines: list[Any] = field(default_factory=list)
    numbers: dict[str, Any] | None = None


@dataclass(frozen=True)
class Request:
    """A choice of runs, and of how to draw them.

    Attributes:
        x, y: The axes; only ``phase`` has the vertical one.
        level: The accuracy that ``width`` asks for.
        only: Which runs, such as ``operation=multiply``.
    """

    folder: Path
    x: str | None = None
    y: str | None = None
    by: str = "corrupted"  # one of `WAYS`
    level: float = GOOD
    only: tuple[str, ...] = ()


def draw(kind: str, request: Request) -> Drawing:
    """Draw what the runs in a folder show, as one of `KINDS`; a `ConfigError` if they do not fit, or there are none."""
    choose("kind", kind, KINDS)
    table = read_runs(request.folder)
    for choice in request.only:
        table = _only(table, choice)
    return present(KINDS[kind].draw, table, request)


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
    apart = [axis for axis in axes_of(table) if axis not in allowed]
    if apart:
        raise ConfigError(
            f"the runs differ in {', '.join(apart)}, not only in their seed; choose some with --only NAME=VALUE"
        )


def _check_axis(axis: str | None, known: list[str]) -> None:
    if axis is not None and axis not in known:
        raise ConfigError(f"the runs do not differ in {axis!r}; {near_matches(axis, known)}")


def _ended(table: pa.Table) -> list[dict[str, Any]]:
    return [row for row in table.to_pylist() if row["status"] == "ok"]


def _files(table: pa.Table, folder: Path) -> list[Path]:
    return [checkpoint_of(row, folder) for row in _ended(table)]


def phase(table: pa.Table, request: Request) -> Drawing:
    """Phases that runs end in, against two settings."""
    title = read_description(request.folder)["title"] or "Phases"
    return Drawing(title, phase_diagram(table, x=request.x, y=request.y, by=request.by, title=title))


def phase_diagram(
    table: pa.Table,
    *,
    x: str | None = None,
    y: str | None = None,
    facet: str | None = None,
    by: str = "corrupted",
    title: str = "",
) -> Any:
    """Phases that runs end in, against two of their settings, as a Plotly figure.

    Args:
        table: From `interp.lab.grids.table.read_runs`.
        x, y: The axes; the first two of `axes_of` if None.
        facet: One panel for each value; the third, if there is one.
        by: ``"corrupted"``: decided by the accuracy on the corrupted examples; ``"table"``: by the paper's table (arXiv
            2310.13061, App. C), which breaks at small corrupted fractions.
    """
    if by not in WAYS:
        raise ConfigError(f"by={by!r} is unknown; {near_matches(by, WAYS)}")
    known = axes_of(table)
    for axis in (x, y, facet):
        _check_axis(axis, known)
    left = [axis for axis in known if axis not in (x, y, facet)]
    x, y = (axis or (left.pop(0) if left else None) for axis in (x, y))
    if x is None or y is None:
        raise ConfigError(
            f"a phase diagram needs runs that differ in two settings; these differ in {', '.join(known) or 'none'}"
        )
    facet = facet or (left.pop(0) if left else None)
    if left:
        raise ConfigError(
            f"the runs differ in {', '.join(left)} too; a diagram shows two settings and one for its panels"
        )
    axes = [axis for axis in (x, y, facet) if axis]
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        cells.setdefault(tuple(row[axis] for axis in axes), []).append(row)
    return plots.phase_diagram(
        [_cell(rows, axes, WAYS[by]) for rows in cells.values()], x=x, y=y, facet=facet, title=title
    )


def _cell(rows: Sequence[dict[str, Any]], axes: Sequence[str], column: str) -> dict[str, Any]:
    """The settings and phases of one cell, one phase a seed, and the text of hovering over it."""
    lines = ["  ".join(f"{axis} {shown(rows[0][axis])}" for axis in axes)]
    for row in rows:
        seed = f"seed {row['seed']}: " if row.get("seed") is not None else ""
        values = {SPLITS[split].title: row[f"accuracy_{split}"] for split in HOVERED}
        measured = [f"{name} {100 * value:.1f} %" for name, value in values.items() if value is not None]
        ended = f"{row[column]} at step {row['step']} ({', '.join(measured)})"
        lines.append(f"{seed}{ended if row[column] else row['error']}")
    own = {axis: rows[0][axis] for axis in axes}
    return {**own, "phases": [row[column] or "failed" for row in rows], "note": "<br>".join(lines)}


def accuracy(table: pa.Table, request: Request) -> Drawing:
    """Accuracy on every split against one setting."""
    axes = axes_of(table)
    _check_axis(request.x, axes)
    if request.x is not None:
        _only_seeds(table, request.x)
    lines, x = summarise(table), ", ".join(axes)
    names = [line.name.removeprefix(f"{x} ") for line in lines]
    figure = plots.accuracy_over(names, {s: [line.accuracy[s] for line in lines] for s in SHOWN}, x=x)
    numbers = {
        line.name: {split: one and one.to_dict() for split, one in line.accuracy.items()} for line in lines
    }
    return Drawing("Accuracy by setting", figure, numbers=numbers)


def pruning(table: pa.Table, request: Request) -> Drawing:
    """Accuracy as neurons are removed, over seeds."""
    _only_seeds(table)
    paper = read_description(request.folder)["paper"].get("pruning")
    result = pruning_of(_files(table, request.folder), paper=paper)
    return Drawing("Pruning by periodicity", result.plot(), _against_paper(result), result.to_dict())


def _against_paper(result: Pruning) -> list[Any]:
    from rich.table import Table

    rows = result.against_paper()
    if not rows:
        return []
    table = Table(title=f"the paper's numbers and ours, {result.networks} networks")
    for name in ("removed", "split", "paper", "ours", "95 % interval", "agrees"):
        table.add_column(name, justify="left" if name == "split" else "right")
    words = {True: "yes", False: "no", None: "too wide"}
    for row in rows:
        low, high = row["low"], row["high"]
        interval = "–" if low is None else f"{100 * max(low, 0):.1f} … {100 * min(high, 1):.1f}"
        removed = f"{row['order'].removesuffix(' first')} {row['fraction']:.0%}"
        numbers = f"{100 * row['paper']:.1f}", f"{100 * row['mean']:.1f}", interval
        table.add_row(removed, SPLITS[row["split"]].title, *numbers, words[row["agrees"]])
    return [table]


def width(table: pa.Table, request: Request) -> Drawing:
    """Neurons that networks of each width need."""
    _only_seeds(table, "width", "variant")
    needed = needed_by_width(_files(table, request.folder), level=request.level)
    stated = read_description(request.folder)["paper"].get("neurons_needed", {})
    paper = {int(width): float(count) for width, count in stated.items()}
    lines = []
    for width, (one, missed) in needed.items():
        needs = "no network reaches the level"
        if one is not None:
            needs = f"{one.mean:.1f} neurons needed ({', '.join(f'{v:g}' for v in one.values)})"
        less = f"; {missed} do not reach the level" if missed else ""
        beside = f"; paper {paper[width]:g}" if width in paper else ""
        lines.append(f"width {width:,}: {needs}{less}{beside}")
    known = {width: one for width, (one, _) in needed.items() if one is not None}
    counts = {
        str(w): {"missed": missed, **(one.to_dict() if one else {})} for w, (one, missed) in needed.items()
    }
    figure = plots.neurons_needed(known, paper, level=request.level)
    return Drawing("Neurons needed", figure, lines, {"level": request.level, "needed": counts})


@dataclass(frozen=True, eq=False)
class Gammas:
    """Absolute norm weights of one network beside the IPR of its neurons, NaN for dead ones, ``(neuron,)`` both.

    `low` and `high` are median weights of neurons with an IPR below .1 and above .9; None if there are none.
    """

    ipr: np.ndarray
    gamma: np.ndarray
    correlation: RankCorrelation
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, Any]:
        """The summary, ready for JSON."""
        return {"correlation": vars(self.correlation), "median_low": self.low, "median_high": self.high}


def gammas_of(checkpoints: Sequence[Path | str], *, seed: int = 0) -> list[Gammas]:
    """The norm weights of several networks, each with a norm after its activation; `seed` is that of the bootstrap."""
    gammas = []
    with progress("scoring networks", len(checkpoints)) as report:
        for done, path in enumerate(checkpoints, 1):
            subject = open_subject(path, seed=seed)
            gamma = gamma_of(subject.model)
            ipr = subject.table["ipr"].astype(float)
            chosen = (gamma[ipr < 0.1], gamma[ipr > 0.9])
            medians = (float(np.median(some)) if len(some) else None for some in chosen)
            gammas.append(Gammas(ipr, gamma, rank_correlation(ipr, gamma, seed=seed), *medians))
            report(done)
    return gammas


def gamma(table: pa.Table, request: Request) -> Drawing:
    """Norm weights against the periodicity of the neurons."""
    names = [
        " ".join(part for part in (row["variant"], f"seed {row.get('seed')}") if part)
        for row in _ended(table)
    ]
    gammas = list(zip(names, gammas_of(_files(table, request.folder)), strict=True))
    number = lambda value: "–" if value is None else f"{value:.3f}"  # noqa: E731
    lines = [
        f"{name}: rank correlation of |γ| with IPR {number(one.correlation.rho)} ({number(one.correlation.low)} to "
        f"{number(one.correlation.high)}); median |γ| {number(one.low)} where IPR < .1, {number(one.high)} where > .9"
        for name, one in gammas
    ]
    figure = plots.gammas_against_ipr({name: (one.ipr, one.gamma) for name, one in gammas})
    numbers = {name: one.to_dict() for name, one in gammas}
    return Drawing("Norm weight against periodicity", figure, lines, numbers)
