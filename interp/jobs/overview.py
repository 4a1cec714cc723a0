"""The HTML page of a store: outliers first, with audits, then failures, then all checkpoints together."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from interp import plots
from interp.data.splits import SPLITS
from interp.jobs.columns import TELLING, Identity
from interp.jobs.executors import Executor, Lost
from interp.jobs.memory_overview import memory_of_models
from interp.jobs.outliers import UNUSUAL, compared, outliers
from interp.jobs.settings import MEMORY
from interp.jobs.spec import Job
from interp.jobs.store import Store
from interp.jobs.worker import Chunk, page_name
from interp.progress import progress
from interp.report.page import Link, bullets, data_table, figure_block, page
from probes.labels import GENERALIZING, LABELS

OVERVIEW = "overview.html"
UNLINKED = 12
"""Outliers that are listed where none is audited."""
MOST_NEURONS = 20_000
"""Networks with more neurons get no audit of their own: its page would be too large to be opened."""
MOST_COLUMNS, MOST_SERIES, MOST_ROWS, MOST_FAILURES = 400, 30, 500, 100
IPR_CAPTION = (
    "Each column is a checkpoint; the brighter a cell, the more of its neurons have that IPR. A bright band at the top "
    f"is a rule, one at the bottom is noise or memory. Beyond {MOST_COLUMNS} checkpoints, neighbours are averaged."
)
LABELS_CAPTION = "Neurons by label at each step of one training run; the menu picks the run."
NO_OUTLIER = (
    f"<p>No checkpoint stands out: none is {UNUSUAL} robust standard deviations from what its neighbours in "
    "its series, or all others under the same settings, lead one to expect.</p>"
)
NO_LABELS = "<p>Labels over training need two or more labelled checkpoints of one run: --measure labels.</p>"
Row = dict[str, Any]
Name = Callable[[str, str], str | Link]
"""The cell of a checkpoint under some settings, with a link to its audit if there is one."""


def write_overview(job: Job, store: Store, where: Executor, stopped: Callable[[], bool]) -> Path:
    """Write the page of a store, after auditing (until stopped) the most unusual checkpoints that lack an audit."""
    rows = store.checkpoints
    listed = rows.select(["checkpoint", "settings", "key", "status", "neurons"]).to_pylist()
    good = {(row["checkpoint"], row["settings"]): row for row in listed if row["status"] == "ok"}
    places = {identity: page_name(identity[0], row["key"]) for identity, row in good.items()}
    links = {identity: place for identity, place in places.items() if (store.folder / place).exists()}
    settings = {one.digest: one for group in job.groups for one in group.settings}
    wanted: dict[Identity, Identity] = {}
    for one in outliers(rows, job.outliers):
        identity = (one.checkpoint, one.settings)
        large = (good[identity]["neurons"] or 0) > MOST_NEURONS
        known = one.settings in settings and settings[one.settings].measure != MEMORY
        if identity not in links and known and not large:
            audit = replace(settings[one.settings], measure="audit")
            wanted[one.checkpoint, audit.digest] = identity
            where.submit(Chunk((one.checkpoint,), audit))
    done = 0
    with progress("auditing what stands out", len(wanted)) as report:
        while done < len(wanted) and not stopped():
            for chunk, outcome in where.finished():
                done += 1
                report(done)
                page = None if isinstance(outcome, Lost) else outcome[0].page
                if page is not None:
                    identity = wanted[chunk.paths[0], chunk.settings.digest]
                    links[identity] = places[identity]
                    store.add_page(places[identity], page)
    title, most = f"Batch of {len(rows)} checkpoints", job.outliers or UNLINKED
    store.add_page(OVERVIEW, overview(rows, title, most=most, links=links))
    return store.folder / OVERVIEW


def overview(
    rows: pa.Table, title: str, *, most: int = 12, links: Mapping[Identity, str] | None = None
) -> str:
    """The page of a store's checkpoints, with at most so many outliers, and links from its folder to audits.

    Example:
        >>> from interp.jobs.schema import checkpoint_table
        >>> row = {"checkpoint": "a.pt", "settings": "0", "status": "failed", "error": "it is empty"}
        >>> "it is empty" in overview(checkpoint_table([row]), "One failure")
        True
    """
    listed = rows.to_pylist()
    bad = [row for row in listed if row["status"] == "failed"]
    good = [row for row in listed if row["status"] == "ok"]
    models = [row for row in good if row["measure"] == MEMORY]
    classifiers = [row for row in good if row["measure"] != MEMORY]
    measures = Counter(row["measure"] for row in listed)
    header = (
        f"<p>{len(good):,} checkpoints measured, {len(bad):,} failed; "
        f"{sum(row['neurons'] or 0 for row in listed):,} neurons.</p>\n"
        f"<p>Measured: {escape(', '.join(f'{name} ({count:,})' for name, count in measures.items()))}; "
        f"grokscope {escape(', '.join(sorted({row['tool_version'] or '?' for row in listed})))}.</p>"
    )
    short = _short(row["checkpoint"] for row in listed)
    places = {**(links or {})}
    places |= {(row["checkpoint"], row["settings"]): row["report"] for row in listed if row["report"]}

    def name(path: str, settings: str) -> str | Link:
        place = places.get((path, settings))
        return short[path] if place is None else Link(short[path], place)

    def sections() -> Iterator[tuple[str, str, str]]:
        if classifiers or not models:
            yield "outliers", "Outliers first", _outliers(rows, most, name)
        if bad:
            yield "failures", "Failures", _failures(bad, short)
        if models:
            yield "memory", "Memory of language models", memory_of_models(models, name)
        if models and not classifiers:
            return
        yield "ipr", "IPR over checkpoints", _ipr(classifiers, short)
        yield "labels", "Labels against step", _labels(classifiers)
        yield "all", "All checkpoints", _all(classifiers, name)

    return page(title, title, header, sections())


def _short(paths: Iterable[str]) -> dict[str, str]:
    unique = sorted(set(paths))
    shared = os.path.commonpath(unique) if len(unique) > 1 and all(p.startswith("/") for p in unique) else ""
    return {path: os.path.relpath(path, shared) if shared else path for path in unique}


def _outliers(rows: pa.Table, most: int, name: Name) -> str:
    titles, unusual = compared(), outliers(rows, most)
    if not unusual:
        return NO_OUTLIER
    cells = [
        [
            name(one.checkpoint, one.settings),
            titles[one.column],
            *(f"{one.value:.3g}", f"{one.expected:.3g}", f"{one.score:.1f}"),
        ]
        for one in unusual
    ]
    header = ("checkpoint", "unusual in", "value", "expected", "robust z-score")
    caption = "Expected is the median of its neighbours in the series, or of all. Links lead to audits"
    return data_table(caption, header, cells)


def _failures(bad: list[Row], short: Mapping[str, str]) -> str:
    kinds = Counter(row["error_type"] or "unknown error" for row in bad)
    shown = bad[:MOST_FAILURES]
    cells = [[short[row["checkpoint"]], row["error_type"] or "", row["error"] or ""] for row in shown]
    caption = f"The first {len(shown)} of {len(bad)}" if len(bad) > len(shown) else "What failed"
    counted = bullets(f"{count} with {kind}" for kind, count in kinds.most_common())
    return f"{counted}\n{data_table(caption, ('checkpoint', 'error', 'message'), cells)}"


def _ipr(good: list[Row], short: Mapping[str, str]) -> str:
    known = [row for row in good if row["ipr_histogram"] and sum(row["ipr_histogram"])]
    if not known:
        return "<p>Nothing is known of how periodic the neurons are.</p>"
    shares = np.array([np.array(row["ipr_histogram"]) / sum(row["ipr_histogram"]) for row in known])
    means = np.array([row["ipr_mean"] for row in known], float)
    groups = np.array_split(np.arange(len(known)), min(len(known), MOST_COLUMNS))
    ends = [dict.fromkeys(short[known[i]["checkpoint"]] for i in (group[0], group[-1])) for group in groups]
    figure = plots.ipr_over_checkpoints(
        [shares[group].mean(0).tolist() for group in groups],
        [" … ".join(names) for names in ends],
        [float(means[group].mean()) for group in groups],
        _pure(known),
    )
    return figure_block("ipr", "Distribution of IPR over checkpoints", figure, IPR_CAPTION)


def _pure(rows: list[Row]) -> str:
    """The part that an IPR of 1 is one of: a frequency, or a component where checkpoints compose a group."""
    kinds = {"frequency" if row["components"] is None else "component" for row in rows}
    return " or ".join(sorted(kinds, reverse=True))


def _labels(good: list[Row]) -> str:
    series: dict[tuple[str, str], list[Row]] = {}
    for row in good:
        if row["step"] is not None and row[GENERALIZING] is not None:
            series.setdefault((row["series"], row["settings"]), []).append(row)
    runs = {key: sorted(one, key=lambda row: row["step"]) for key, one in series.items() if len(one) > 1}
    if not runs:
        return NO_LABELS
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


def _all(good: list[Row], name: Name) -> str:
    columns = {"step": "step", "measure": "measure", "ipr_mean": "mean IPR", "periodic": "periodic"}
    columns |= {f"accuracy_{split}": SPLITS[split].title for split in TELLING}
    columns |= {"phase": "phase", **{label: label for label in LABELS}}
    grouped = any(row["components"] is not None for row in good)
    columns |= {"components": "components (neurons)"} if grouped else {}
    cells = (
        [
            name(row["checkpoint"], row["settings"]),
            *(_shown(_counted(row) if column == "components" else row[column]) for column in columns),
        ]
        for row in good[:MOST_ROWS]
    )
    caption = "Checkpoints."
    if len(good) > MOST_ROWS:
        caption += f" The first {MOST_ROWS}; all {len(good):,} are in the Parquet files."
    return data_table(caption, ("checkpoint", *columns.values()), cells)


def _counted(row: Row) -> str | None:
    if row["components"] is None:
        return None
    counted = zip(row["components"], row["component_neurons"], strict=True)
    return "; ".join(f"{name} ({count})" for name, count in counted) or "none"


def _shown(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
