"""The HTML page of a store: what stands out first, then what failed, then all checkpoints together."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pyarrow as pa

from interp import plots
from interp.report.page import Link, bullets, data_table, figure_block, page
from probes.labels import GENERALIZING, LABELS

UNUSUAL = 3.5
"""The robust z-score from which a checkpoint counts as an outlier (Iglewicz and Hoaglin 1993)."""
LEAST_DIFFERENCE = 0.05
"""What differs by less, in IPR, accuracy or share of the neurons, is nothing to look at, however rare."""
LEAST_PEERS = 5
AROUND = 2
"""Checkpoints before and after one in its series that say what is to be expected of it."""
MOST_COLUMNS, MOST_SERIES, MOST_ROWS, MOST_FAILURES = 400, 30, 500, 100
COMPARED = {
    "ipr_mean": ("mean IPR", None),
    "periodic": ("share of periodic neurons", "neurons"),
    "accuracy_test": ("test accuracy", None),
    "accuracy_corrupted_as_labelled": ("accuracy on corrupted examples as labelled", None),
    **{label: (f"share of {label} neurons", "neurons") for label in LABELS},
}
"""Columns that outliers are told by: what each is called, and what it is divided by."""
IPR_CAPTION = (
    "Each column is a checkpoint; the brighter a cell, the more of its neurons have that IPR. A bright band at the top "
    "is a rule, one at the bottom is noise or memory. Beyond {columns} checkpoints, neighbours are averaged."
)
LABELS_CAPTION = "Neurons by label at each step of one training run; the menu picks the run."
Cells = list[str | Link]


@dataclass(frozen=True)
class Outlier:
    """A checkpoint that is unlike the others under the same settings.

    Attributes:
        checkpoint: Its path.
        settings: The digest of the settings.
        score: Its robust z-score, at least `UNUSUAL`.
        column: Which column it is largest in.
        value: What the checkpoint has there.
        expected: What its neighbours in the series, or all, have there: their median.
    """

    checkpoint: str
    settings: str
    score: float
    column: str
    value: float
    expected: float


def outliers(rows: pa.Table, most: int = 12) -> list[Outlier]:
    """The checkpoints that are least like what the others under the same settings lead one to expect.

    Expected is the median of the two before and the two after in a checkpoint's series; that of all, where there is no
    series of at least `LEAST_PEERS`. The score is the largest distance from it, over the columns in `COMPARED`, in
    units of 1.4826 times the median of all such distances (1.2533 times their mean, where more than half are 0).
    Among fewer than `LEAST_PEERS` checkpoints none is called an outlier.

    Args:
        rows: A store's checkpoints.
        most: At most so many.

    Returns:
        The most unusual first.
    """
    good = [row for row in rows.select(_needed(rows)).to_pylist() if row["status"] == "ok"]
    found: list[Outlier] = []
    for settings in {row["settings"] for row in good}:
        peers = [row for row in good if row["settings"] == settings]
        if len(peers) >= LEAST_PEERS:
            found += _unusual(peers)
    return sorted(found, key=lambda one: (-one.score, one.checkpoint))[:most]


def _needed(rows: pa.Table) -> list[str]:
    wanted = ("checkpoint", "settings", "series", "step", "status", "neurons", *COMPARED)
    return [name for name in wanted if name in rows.column_names]


def _unusual(peers: list[dict[str, Any]]) -> Iterator[Outlier]:
    """The outliers among checkpoints under the same settings."""
    values = np.array([[_value(row, column) for column in COMPARED] for row in peers], float)
    known = np.isfinite(values).sum(0) >= LEAST_PEERS
    values, columns = values[:, known], [column for column, keep in zip(COMPARED, known, strict=True) if keep]
    if not columns:
        return
    expected = np.tile(np.nanmedian(values, 0), (len(peers), 1))
    for chosen in _series(peers):
        expected[chosen] = _from_neighbours(values[chosen])
    apart = np.nan_to_num(np.abs(values - expected))
    middle, mean = 1.4826 * np.median(apart, 0), 1.2533 * apart.mean(0)
    scores = apart / np.maximum(np.where(middle > 0, middle, mean), LEAST_DIFFERENCE / UNUSUAL)
    for i, row in enumerate(peers):
        which = int(scores[i].argmax())
        if scores[i, which] >= UNUSUAL:
            found = (
                float(scores[i, which]),
                columns[which],
                float(values[i, which]),
                float(expected[i, which]),
            )
            yield Outlier(row["checkpoint"], row["settings"], *found)


def _series(peers: list[dict[str, Any]]) -> Iterator[np.ndarray]:
    """The positions of each long enough series, in order of their steps."""
    members: dict[str, list[int]] = {}
    for i, row in enumerate(peers):
        if row["step"] is not None:
            members.setdefault(row["series"], []).append(i)
    for chosen in members.values():
        steps = [peers[i]["step"] for i in chosen]
        if len(set(steps)) == len(steps) >= LEAST_PEERS:
            yield np.array(chosen)[np.argsort(steps)]


def _from_neighbours(values: np.ndarray) -> np.ndarray:
    """The median of the values around each, itself left out; at the ends, of the nearest ones."""
    places = np.arange(len(values))
    first = np.clip(places - AROUND, 0, len(values) - 2 * AROUND - 1)
    window = first[:, None] + np.arange(2 * AROUND + 1)
    around = window[window != places[:, None]].reshape(len(values), 2 * AROUND)
    return np.median(values[around], axis=1)


def _value(row: Mapping[str, Any], column: str) -> float:
    """A column's value, over what it is divided by; NaN where it is not known."""
    value, whole = row[column], COMPARED[column][1]
    if value is None or (whole is not None and not row[whole]):
        return np.nan
    return value if whole is None else value / row[whole]


def overview(
    rows: pa.Table, title: str, *, most: int = 12, links: Mapping[tuple[str, str], str] | None = None
) -> str:
    """The page of a store.

    Args:
        rows: Its checkpoints.
        title: What it is called.
        most: How many outliers are listed at most.
        links: Where audits are, from the page's folder, by checkpoint and settings.

    Example:
        >>> from interp.jobs.schema import checkpoint_table
        >>> row = {"checkpoint": "a.pt", "settings": "0", "status": "failed", "error": "it is empty"}
        >>> "it is empty" in overview(checkpoint_table([row]), "One failure")
        True
    """
    listed = rows.to_pylist()
    failed = sum(row["status"] == "failed" for row in listed)
    measures = Counter(row["measure"] for row in listed)
    header = (
        f"<p>{len(listed) - failed:,} checkpoints measured, {failed:,} failed; "
        f"{sum(row['neurons'] or 0 for row in listed):,} neurons.</p>\n"
        f"<p>Measured: {escape(', '.join(f'{name} ({count:,})' for name, count in measures.items()))}; "
        f"grokscope {escape(', '.join(sorted({row['tool_version'] or '?' for row in listed})))}.</p>"
    )
    return page(title, title, header, _sections(listed, outliers(rows, most), dict(links or {})))


def _sections(
    rows: list[dict[str, Any]], unusual: list[Outlier], links: dict[tuple[str, str], str]
) -> Iterator[tuple[str, str, str]]:
    """Id, title and content of each section, in reading order."""
    names = _short([row["checkpoint"] for row in rows])
    links |= {(row["checkpoint"], row["settings"]): row["report"] for row in rows if row.get("report")}
    yield "outliers", "Outliers first", _outliers(unusual, names, links)
    bad = [row for row in rows if row["status"] == "failed"]
    if bad:
        yield "failures", "Failures", _failures(bad, names)
    good = [row for row in rows if row["status"] == "ok"]
    yield "ipr", "IPR over checkpoints", _ipr(good, names)
    yield "labels", "Labels against step", _labels(good)
    shown = good[:MOST_ROWS]
    more = (
        f" The first {MOST_ROWS}; all {len(good):,} are in the Parquet files."
        if len(good) > MOST_ROWS
        else ""
    )
    content = data_table(f"Checkpoints.{more}", ALL_HEADER, (_row(row, names, links) for row in shown))
    yield "all", "All checkpoints", content


def _short(paths: Iterable[str]) -> dict[str, str]:
    """The paths without the folder that they share."""
    unique = sorted(set(paths))
    shared = os.path.commonpath(unique) if len(unique) > 1 and all(p.startswith("/") for p in unique) else ""
    return {path: os.path.relpath(path, shared) if shared else path for path in unique}


def _named(
    row: tuple[str, str], names: Mapping[str, str], links: Mapping[tuple[str, str], str]
) -> str | Link:
    name = names[row[0]]
    return Link(name, links[row]) if row in links else name


def _outliers(unusual: list[Outlier], names: Mapping[str, str], links: Mapping[tuple[str, str], str]) -> str:
    if not unusual:
        return (
            f"<p>No checkpoint stands out: none is {UNUSUAL} robust standard deviations from what its neighbours in "
            "its series, or all others under the same settings, lead one to expect.</p>"
        )
    table: list[Cells] = [
        [
            _named((one.checkpoint, one.settings), names, links),
            COMPARED[one.column][0],
            f"{one.value:.3g}",
            f"{one.expected:.3g}",
            f"{one.score:.1f}",
        ]
        for one in unusual
    ]
    header = ("checkpoint", "unusual in", "value", "expected", "robust z-score")
    caption = "Expected is the median of its neighbours in the series, or of all. Links lead to audits"
    return data_table(caption, header, table)


def _failures(bad: list[dict[str, Any]], names: Mapping[str, str]) -> str:
    kinds = Counter(row["error_type"] or "unknown error" for row in bad)
    shown: list[Cells] = [
        [names[row["checkpoint"]], row["error_type"] or "", row["error"] or ""] for row in bad[:MOST_FAILURES]
    ]
    caption = f"The first {len(shown)} of {len(bad)}" if len(bad) > len(shown) else "What failed"
    return "\n".join(
        (
            bullets(f"{count} with {kind}" for kind, count in kinds.most_common()),
            data_table(caption, ("checkpoint", "error", "message"), shown),
        )
    )


def _ipr(good: list[dict[str, Any]], names: Mapping[str, str]) -> str:
    known = [row for row in good if row["ipr_histogram"] and sum(row["ipr_histogram"])]
    if not known:
        return "<p>Nothing is known of how periodic the neurons are.</p>"
    shares = np.array([np.array(row["ipr_histogram"]) / sum(row["ipr_histogram"]) for row in known])
    means = np.array([row["ipr_mean"] for row in known], float)
    groups = np.array_split(np.arange(len(known)), min(len(known), MOST_COLUMNS))
    labels = [_span([names[known[i]["checkpoint"]] for i in (group[0], group[-1])]) for group in groups]
    figure = plots.ipr_over_checkpoints(
        [shares[group].mean(0).tolist() for group in groups],
        labels,
        [float(means[group].mean()) for group in groups],
    )
    caption = IPR_CAPTION.format(columns=MOST_COLUMNS)
    return figure_block("ipr", "Distribution of IPR over checkpoints", figure, caption)


def _span(ends: Sequence[str]) -> str:
    return ends[0] if ends[0] == ends[-1] else f"{ends[0]} … {ends[-1]}"


def _labels(good: list[dict[str, Any]]) -> str:
    series: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in good:
        if row["step"] is not None and row[GENERALIZING] is not None:
            series.setdefault((row["series"], row["settings"]), []).append(row)
    runs = {key: sorted(one, key=lambda row: row["step"]) for key, one in series.items() if len(one) > 1}
    if not runs:
        return (
            "<p>Labels over training need two or more labelled checkpoints of one run: --measure labels.</p>"
        )
    short = _short(folder for folder, _ in runs)
    several = len({settings for _, settings in runs}) > 1
    chosen = {
        short[folder] + (f" ({settings})" if several else ""): {
            name: [row[name] for row in one] for name in ("step", *LABELS)
        }
        for (folder, settings), one in list(runs.items())[:MOST_SERIES]
    }
    more = f" {len(runs) - MOST_SERIES} more runs are not shown." if len(runs) > MOST_SERIES else ""
    figure = plots.labels_over_steps(chosen)
    return figure_block("labels", "Labels against training step", figure, LABELS_CAPTION + more)


ALL_HEADER = (
    "checkpoint",
    "step",
    "measure",
    "mean IPR",
    "periodic",
    "test",
    "corrupted as labelled",
    "phase",
    *LABELS,
)


def _row(row: dict[str, Any], names: Mapping[str, str], links: Mapping[tuple[str, str], str]) -> Cells:
    numbers = [row["ipr_mean"], row["periodic"], row["accuracy_test"], row["accuracy_corrupted_as_labelled"]]
    return [
        _named((row["checkpoint"], row["settings"]), names, links),
        _said(row["step"]),
        _said(row["measure"]),
        *map(_said, numbers),
        _said(row["phase"]),
        *(_said(row[label]) for label in LABELS),
    ]


def _said(value: Any) -> str:
    """A value for people."""
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
