"""The part of a store's page that is about language models: their memory against the step, and as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from interp import plots
from interp.jobs.columns import KNOWN
from interp.report.page import Link, data_table, figure_block

Row = dict[str, Any]
MOST_SERIES, MOST_ROWS = 30, 500
CAPTION = (
    "Mean share of the tokens that cannot be guessed which the model recalls, at each step; the menu picks the series. "
    "Trained sequences above held-out ones and controls are memory; all rising together is skill."
)


def memory_of_models(rows: Sequence[Row], name: Callable[[str, str], str | Link]) -> str:
    """The section, from rows whose memory was measured; `name` gives the cell of a checkpoint under its settings."""
    series: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["step"] is not None:
            series.setdefault((row["series"], row["settings"]), []).append(row)
    runs = {key: sorted(one, key=lambda row: row["step"]) for key, one in series.items() if len(one) > 1}
    chosen = {
        f"{folder} ({settings})": {
            "step": [row["step"] for row in one],
            **{title: [row[f"recalled_{split}"] for row in one] for split, title in KNOWN.items()},
        }
        for (folder, settings), one in list(runs.items())[:MOST_SERIES]
    }
    more = f" {len(runs) - MOST_SERIES} more series are not shown." if len(runs) > MOST_SERIES else ""
    figure = (
        [figure_block("memory", "Recall against step", plots.memory_over_steps(chosen), CAPTION + more)]
        if chosen
        else []
    )
    return "\n".join([*figure, _table(rows, name)])


def _table(rows: Sequence[Row], name: Callable[[str, str], str | Link]) -> str:
    columns = {
        f"{kind}_{split}": f"{kind}, {title}" for kind in ("recalled",) for split, title in KNOWN.items()
    }
    columns |= {"log_loss_trained": "log loss, trained", "log_loss_held_out": "log loss, held-out"}
    kept = {
        column: title for column, title in columns.items() if any(row[column] is not None for row in rows)
    }
    cells = [
        [
            name(row["checkpoint"], row["settings"]),
            _number(row["step"]),
            _number(row["sequences"]),
            "; ".join(
                f"{kind} ({n})" for kind, n in zip(row["verdicts"], row["verdict_sequences"], strict=True)
            ),
            *(_number(row[column]) for column in kept),
            _area(row),
        ]
        for row in sorted(rows, key=_order)[:MOST_ROWS]
    ]
    header = (
        "checkpoint",
        "step",
        "sequences",
        "verdicts",
        *kept.values(),
        "AUC, trained against held-out (95 %)",
    )
    more = f" The first {MOST_ROWS} of {len(rows):,}." if len(rows) > MOST_ROWS else ""
    return data_table(
        f"Memory of language models; sequences one by one are in sequences/.{more}", header, cells
    )


def _order(row: Row) -> tuple[str, str, int]:
    return row["series"], row["settings"], -1 if row["step"] is None else row["step"]


def _area(row: Row) -> str:
    if row["memory_auc"] is None:
        return "–"
    return f"{row['memory_auc']:.2f} ({row['memory_auc_low']:.2f} to {row['memory_auc_high']:.2f})"


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
