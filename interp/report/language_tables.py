"""Tables of a report on a language model's memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from interp.language.columns import MEMORY_COLUMNS
from interp.language.methods import METHODS
from interp.language.records import CONTROLS, PARTS, SAME_GROUP, GroupMemory, LanguageReport, RemovalPoint
from interp.language.sites import NEURONS
from interp.markup import UNKNOWN, amount, brief_share, number, percentage
from interp.output import plain as as_json
from interp.output import versions
from interp.report.language_tokens import accuracy_of, lost_by
from interp.report.parts import Row, Table
from interp.terminal import printable

MOST_ROWS, MOST_BRIEF, MOST_UNITS, MOST_TELLING = 400, 30, 40, 5
SHARES = ("accuracy", "accuracy_low", "accuracy_high", "guessed", "recalled", "recalled_low", "recalled_high")
BRIEF = ("sequence", "group", "verdict", "accuracy", "recalled", "nll")
ENDS = ("_low", "_high")
LONGEST_NAME = 40


def memory_table(report: LanguageReport) -> Table:
    """One row a sequence; columns in which nothing is known are left out, ends of intervals stand beside values."""
    table = report.memory
    names = [name for name in MEMORY_COLUMNS if name in table.columns and not name.endswith(ENDS)]
    names = [name for name in names if any(_cell(report, name, row) != UNKNOWN for row in range(len(table)))]
    header = (
        MEMORY_COLUMNS["sequence"].heading,
        "begins",
        *(MEMORY_COLUMNS[name].heading for name in names[1:]),
    )
    rows = []
    for row in range(min(len(table), MOST_ROWS)):
        first, *others = (_cell(report, name, row) for name in names)
        rows.append((first, printable(report.sequences.begins(row)) or UNKNOWN, *others))
    brief = [name for name in BRIEF if name in names]
    few = [
        tuple(_cell(report, name, row, brief=True) for name in brief)
        for row in range(min(len(table), MOST_BRIEF))
    ]
    titles = tuple(MEMORY_COLUMNS[name].title for name in brief)
    return Table(f"The {len(table):,} sequences{_first(len(table), MOST_ROWS)}", header, rows,
                 f"Sequences{_first(len(table), MOST_BRIEF)}", (titles, few))  # fmt: skip


def _first(count: int, most: int) -> str:
    return f" (the first {most}; all are in the JSON)" if count > most else ""


def _cell(report: LanguageReport, name: str, row: int, *, brief: bool = False) -> str:
    """A value of the table of sequences for people, with its interval where it has one."""
    columns = report.memory.columns
    value = columns[name][row]
    if isinstance(value, (str, np.str_)):
        text = str(value)
        return (f"{text[: LONGEST_NAME - 1]}…" if len(text) > LONGEST_NAME else text) or UNKNOWN
    if value is None or not np.isfinite(value):
        return UNKNOWN
    show: Callable[[Any], str] = percentage if name in SHARES else amount
    if np.issubdtype(type(value), np.integer):
        show = str
    ends = [columns[name + end][row] for end in ENDS if name + end in columns and not brief]
    interval = (
        f" ({show(ends[0])} to {show(ends[1])})" if len(ends) == len(ENDS) and np.isfinite(ends).all() else ""
    )
    return show(value) + interval


TOKENS_HEADER: Row = (
    "sequence",
    "accuracy",
    "without them",
    "log loss",
    "without them ",
    "tokens that lose most",
)


def token_table(report: LanguageReport, group: GroupMemory) -> Table:
    """A group's sequences before and after the removal, with the tokens that lose most."""
    rows = []
    for row in group.rows.tolist()[:MOST_ROWS]:
        lost = lost_by(report, group, row)
        places = [place for place in np.argsort(-lost, kind="stable")[:MOST_TELLING] if lost[place] > 0]
        telling = ", ".join(
            f"“{printable(report.pieces[row][place])}” {number(lost[place])}" for place in places
        )
        rows.append((
            str(row), percentage(accuracy_of(report.rank[row])), percentage(accuracy_of(group.rank_without[row])),
            number(-report.logprob[row].mean()), number(-group.without[row].mean()),
            telling.replace("\n", "⏎") or UNKNOWN,
        ))  # fmt: skip
    caption = f"Sequences without the {len(group.removed)} {group.scores.kind}, and nats that tokens lose"
    title = f"Without {len(group.removed)} {group.scores.kind}{_first(len(group.rows), MOST_BRIEF)}"
    brief = TOKENS_HEADER[:5], [row[:5] for row in rows[:MOST_BRIEF]]
    return Table(caption + _first(len(group.rows), MOST_ROWS), TOKENS_HEADER, rows, title, brief, folded=True)


POINTS_HEADER: Row = ("method", "taken out", "sequences", "accuracy", "random", "perplexity", "random ")


def removal_table(group: GroupMemory) -> Table:
    """Every method, share and part of the sequences; in a terminal only what tells."""
    named = [
        ("nothing", group.before),
        *((title_of(m), point) for m, points in group.curves.items() for point in points),
    ]
    rows = [row for method, point in named for row in _points(group, method, point)]
    kept = (SAME_GROUP if SAME_GROUP in group.before.accuracy else PARTS[0], CONTROLS)
    share = group.best_share if group.best is not None else None
    brief = [
        (row[0], row[1], row[2], row[3], row[5])
        for method, point in named
        if not point.n or share is None or point.share == share
        for row in _points(group, method, point)
        if row[2] in kept
    ]
    header = (*POINTS_HEADER[:4], POINTS_HEADER[5])
    return Table("Removals of all methods, beside random ones of the same layers", POINTS_HEADER, rows,
                 "Removals", (header, brief), folded=True)  # fmt: skip


def dose_table(group: GroupMemory) -> Table:
    """Every factor and part of the sequences."""
    header = ("factor", *POINTS_HEADER[1:])
    rows = [row for point in group.doses for row in _points(group, f"{point.factor:g}", point)]
    brief = (header[0], *header[2:4], header[5]), [(row[0], row[2], row[3], row[5]) for row in rows]
    return Table("Accuracy and perplexity by the factor", header, rows, "Rescaled", brief, folded=True)


def _points(group: GroupMemory, name: str, point: RemovalPoint) -> list[Row]:
    rows: list[Row] = []
    for part in (part for part in PARTS if part in point.accuracy):
        accuracy, nll = point.random_accuracy.get(part), point.random_nll.get(part)
        rows.append((
            printable(name), f"{brief_share(point.share)} ({point.n:,})", part, percentage(point.accuracy[part]),
            UNKNOWN if accuracy is None else f"{percentage(accuracy.low)} to {percentage(accuracy.high)}",
            amount(np.exp(point.nll[part])),
            UNKNOWN if nll is None else f"{amount(np.exp(nll.low))} to {amount(np.exp(nll.high))}",
        ))  # fmt: skip
    return rows


def title_of(method: str) -> str:
    """The title of a method, or its name where none is known."""
    return METHODS[method].title if method in METHODS else method


def correlation_table(group: GroupMemory) -> Table:
    """Rank correlations of every two methods' scores, and the time that each took."""
    from scipy.stats import rankdata

    scores = group.scores
    known = {method: np.nan_to_num(values, nan=-np.inf) for method, values in scores.scores.items()}
    ranks = np.stack([rankdata(values) for values in known.values()]) - (len(scores) + 1) / 2
    length = np.sqrt((ranks**2).sum(1))
    with np.errstate(invalid="ignore"):
        correlation = (ranks @ ranks.T) / np.outer(length, length)
    rows = [
        (title_of(method), *map(number, correlation[place]), f"{number(scores.seconds.get(method))} s")
        for place, method in enumerate(known)
    ]
    return Table("Rank correlations of the methods' scores", ("method", *map(title_of, known), "took"), rows)


def unit_table(group: GroupMemory) -> Table:
    """The units with the highest scores by the best method, or by the first where none is best."""
    scores = group.scores
    method = str(group.best if group.best in scores.scores else next(iter(scores.scores)))
    top = scores.top(method, MOST_UNITS).tolist()
    one = "neuron" if scores.kind == NEURONS else "head"
    optional = {"p-value": scores.p_value, "q-value": scores.q_value}
    known = {title: values for title, values in optional.items() if values is not None}
    header = ("layer", one, *map(title_of, scores.scores), *known,
              *(() if scores.label is None else ("label",)), "taken out")  # fmt: skip
    removed = set(group.removed.tolist())
    rows = []
    for unit in top:
        values = [_score(scores.scores[name][unit], name, scores.exact, unit) for name in scores.scores]
        evidence = [number(column[unit]) for column in known.values()]
        label = [] if scores.label is None else [str(scores.label[unit]) or UNKNOWN]
        place = str(scores.layer[unit]), str(scores.unit[unit])
        rows.append((*place, *values, *evidence, *label, "yes" if unit in removed else "no"))
    caption = f"The {len(top)} {scores.kind} with the highest scores by {title_of(method)} of {len(scores):,}"
    return Table(caption, header, rows)


def _score(value: float, method: str, exact: Mapping[str, Any], unit: int) -> str:
    first_order = method in exact and not exact[method][unit]
    return f"{number(value)}{' (first order)' if first_order else ''}"


def _shown(value: Any) -> str:
    if value is None:
        return UNKNOWN
    return number(value, 4) if isinstance(value, float) else printable(str(value))


def provenance_table(report: LanguageReport) -> Table:
    """Where the numbers come from."""
    settings = ((name, f"{_listed(value)}") for name, value in as_json(report.settings).items())
    seconds = report.seconds or {}
    rows = [
        ("checkpoint", printable(report.checkpoint)),
        *((f"model: {name}", _listed(value)) for name, value in as_json(report.model).items()),
        *((f"setting: {name.replace('_', ' ')}", value) for name, value in settings),
        *((f"seconds: {name}", number(value)) for name, value in seconds.items()),
        ("command", printable(report.command) if report.command else "a call from Python"),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions().items())),
    ]
    return Table("Where these numbers come from", ("fact", "value"), rows)


def _listed(value: Any) -> str:
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    return ", ".join(_shown(one) for one in values) or UNKNOWN
