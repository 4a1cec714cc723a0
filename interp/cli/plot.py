"""``grokscope plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.console import standard, write, write_numbers
from interp.cli.places import written
from interp.errors import ConfigError, choose
from interp.lab.grids.kinds import KINDS
from interp.progress import progress

EXAMPLES = (
    "grokscope plot phase diagram --html phases.html",
    "grokscope plot phase diagram --x weight_decay --y corrupt_fraction --by table",
    "grokscope plot pruning runs/coexistence --json pruning.json",
    "grokscope plot width runs/width",
    "grokscope plot accuracy runs/dropout --x dropout",
    "grokscope plot gamma runs/norms --only variant=batch",
)
*_others, _last = KINDS


def plot(
    kind: Annotated[str, typer.Argument(help=f"{', '.join(_others)} or {_last}.")],
    folder: Annotated[Path, typer.Argument(help="The --out of a sweep.")],
    html: Annotated[Path | None, written("html", "; FOLDER/KIND.html if left out.")] = None,
    json: Annotated[Path | None, written("json", " (not of phase, whose numbers are in runs.csv).")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only runs with this setting, as NAME=VALUE; may be repeated.")
    ] = None,
    x: Annotated[str | None, typer.Option(help="The setting along the horizontal axis.")] = None,
    y: Annotated[str | None, typer.Option(help="The setting along the vertical axis of phase.")] = None,
    by: Annotated[
        str,
        typer.Option(
            help="What decides a phase: corrupted (accuracy on the corrupted examples), or the paper's table."
        ),
    ] = "corrupted",
    level: Annotated[float, typer.Option(min=0, max=1, help="Test accuracy that width asks for.")] = 0.9,
) -> None:
    """Draw what the runs of a sweep show."""
    choose("kind", kind, KINDS)
    if json is not None and kind == "phase":
        raise ConfigError(f"the numbers of a phase diagram are in {folder / 'runs.csv'}; leave out --json")
    with progress("drawing"):
        from interp.files import write_text
        from interp.lab.grids.figures import Request, draw
        from interp.report.page import figure_block, page

        drawing = draw(kind, Request(folder, x, y, by, level, tuple(only or ())))
    for line in drawing.lines:
        standard().print(line, highlight=False)
    block = figure_block(kind, drawing.title, drawing.figure, KINDS[kind].caption.format(level=level))
    text = page(drawing.title, str(folder), "", [(kind, "Figure", block)])
    write(lambda path: write_text(path, text), html or folder / f"{kind}.html")
    write_numbers({"figure": kind, "numbers": drawing.numbers}, json, "plot")


_described = "\n".join(f"    {name}: {kind.help}" for name, kind in KINDS.items())
plot.__doc__ = f"{plot.__doc__}\n\n{_described}\n"
