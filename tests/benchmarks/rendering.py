"""The table of benchmarks as Markdown, and its figure."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

COLUMNS = (
    "line", "work", "against", "limit", "ours", "ours_cpu", "theirs", "theirs_cpu", "ratio", "ratio_cpu", "held",
    "memory", "load", "note",
)  # fmt: skip
HEADER = ("work", "other way", "limit", "ours", "theirs", "ratio", "of processor time", "held", "peak memory")
STATES = {
    "idle": "with nothing beside that we started",
    "busy": "beside one process that kept a core busy",
    "cuda": "on a GPU, against the same on the processor",
}


def machine(state: str) -> dict[str, str]:
    """The machine's name: processor, cores, versions, date, and what else ran."""
    import torch

    name, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        models = [
            line.partition(":")[2] for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        name = models[0].strip() if models else name
    device = {"GPU": torch.cuda.get_device_name()} if state == "cuda" else {}
    return {
        "processor": name,
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        **device,
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "date": date.today().isoformat(),
        "measured": STATES[state],
    }


def duration(text: str) -> str:
    """Seconds in a unit that suits them."""
    if not text:
        return ""
    seconds = float(text)
    units = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
    unit, size = next((one for one in units if seconds >= one[1]), units[-1])
    return f"{ratio_of(str(seconds / size))} {unit}"


def ratio_of(text: str) -> str:
    if not text:
        return ""
    value = float(text)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def cells(row: Mapping[str, str]) -> tuple[str, ...]:
    """A row of the CSV as the table shows it."""
    held = {"True": "yes", "False": "**no**"}.get(row["held"], "")
    memory = f"{float(row['memory']):.2f} GiB" if row["memory"] else ""
    note = f" ({row['note']})" if row["note"] else ""
    return (
        row["work"] or row["line"], row["against"] + note, row["limit"], duration(row["ours"]),
        duration(row["theirs"]), ratio_of(row["ratio"]), ratio_of(row["ratio_cpu"]), held, memory,
    )  # fmt: skip


def markdown(rows: Sequence[Mapping[str, str]], about: Mapping[str, str]) -> str:
    """The machine's name, and the table."""
    loads = sorted(float(row["load"]) for row in rows if row.get("load"))
    others = {"load average of other work before": f"{loads[0]:g} to {loads[-1]:g}"} if loads else {}
    lines = [", ".join(f"{name} {value}" for name, value in {**about, **others}.items()) + ".", ""]
    table = [HEADER, ("---",) * len(HEADER), *map(cells, rows)]
    return "\n".join([*lines, *(f"| {' | '.join(line)} |" for line in table)]) + "\n"


def figure(rows: Sequence[Mapping[str, str]]) -> Any:
    """How many times each limit is kept: right of 1 it is, left of 1 it is not."""
    import plotly.graph_objects as go

    judged = [row for row in rows if row["held"] and row["ratio"]]
    bounds = [float(row["limit"].split()[1]) for row in judged]
    kept = [
        float(row["ratio"]) / bound
        if row["limit"].startswith("≥")
        else bound / max(float(row["ratio"]), 1e-9)
        for row, bound in zip(judged, bounds, strict=True)
    ]
    names = [f"{row['work']}: {row['against'] or row['limit']}" for row in judged]
    colours = ["#2a7f62" if row["held"] == "True" else "#c4452d" for row in judged]
    points = go.Scatter(x=kept, y=names, mode="markers", marker={"color": colours, "size": 9})
    drawn = go.Figure(points)
    drawn.update_xaxes(type="log", dtick=1, title="times that the limit is kept")
    drawn.update_yaxes(autorange="reversed", tickmode="linear", range=[-0.7, len(judged) - 0.3])
    drawn.add_vline(1, line_dash="dot")
    margins = {"t": 20, "b": 60, "l": 20, "r": 20}
    return drawn.update_layout(
        width=1100, height=100 + 22 * len(judged), template="plotly_white", margin=margins
    )


def save_image(figure: Any, path: Path) -> None:
    """A picture of a figure, as the browser on this machine draws it."""
    from browser import browser_path
    from playwright.sync_api import sync_playwright

    page_file = path.with_suffix(".html")
    page_file.write_text(figure.to_html(include_plotlyjs=True, config={"displayModeBar": False}))
    size = {"width": int(figure.layout.width) + 20, "height": int(figure.layout.height) + 20}
    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        page = chromium.new_page(viewport=size)
        page.goto(page_file.resolve().as_uri())
        page.wait_for_selector(".main-svg")
        page.screenshot(path=path)
        chromium.close()
    page_file.unlink()
