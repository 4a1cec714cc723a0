"""``grokscope dose``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from interp.cli.console import busy, say
from interp.cli.options import Device, Draws, Opening, Seed, Source, with_opening
from interp.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from interp.measuring.doses import Dose
    from interp.models import HookedModel

EXAMPLES = (
    "grokscope dose runs/r0",
    "grokscope dose runs/r0 --neurons lowest:0.7 --html dose.html",
    "grokscope dose runs/r0 --neurons label:generalizing --from 1 --to 5 --points 41 --json dose.json",
)
SHOWN = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
"""Factors that the printed table has, of those in the range."""
COLUMNS = {"train": "train", "corrupted_as_labelled": "labelled", "corrupted_as_true": "true", "test": "test"}


@with_opening
def dose(
    checkpoint: Source,
    *,
    opening: Opening,
    neurons: Annotated[
        str,
        typer.Option(help="label:NAME, lowest:SHARE or highest:SHARE by periodicity, or @FILE with indices."),
    ] = "label:memorizing",
    low: Annotated[float, typer.Option("--from", help="Smallest factor; 0 removes the neurons.")] = -1.0,
    high: Annotated[float, typer.Option("--to", help="Largest factor; 1 changes nothing.")] = 2.0,
    points: Annotated[
        int | None,
        typer.Option(help="Factors between them; 61, or 13 where each takes a run of the network."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the curve as a page that works offline.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the curve as JSON.")] = None,
    random: Draws = 20,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Multiply neurons by one factor after another, beside random sets of the same size.

    The table shows accuracies in percent, on corrupted examples as labelled and as true; in brackets where 95 % of the
    random sets lie.
    """
    from interp.analysis.removing import dose as measure
    from interp.subject import open_subject

    for suffix, path in (("html", html), ("json", json)):
        if path is not None and path.suffix != f".{suffix}":
            raise ConfigError(f"the curve {str(path)!r} should end in .{suffix}")
    with busy("scoring"):
        subject = open_subject(checkpoint, opening.options(), device=device, site=opening.hook, seed=seed)
        factors = _factors(subject.model, opening.hook, low, high, points)
        found = measure(subject, neurons=neurons, factors=factors, n_random=random)
    for note in subject.source.notes:
        say(note)
    _print_dose(found)
    _write(found, str(checkpoint), html, json)


def _factors(model: HookedModel, hook: str | None, low: float, high: float, points: int | None) -> np.ndarray:
    """Evenly spaced factors, and those that the table shows."""
    import numpy as np

    from interp.measuring.doses import FEW_POINTS, POINTS, factors_between
    from interp.models import neuron_site

    linear = neuron_site(model, hook).readout is not None
    spaced = factors_between(low, high, points if points is not None else POINTS if linear else FEW_POINTS)
    return np.union1d(spaced, [factor for factor in SHOWN if low <= factor <= high])


def _print_dose(found: Dose) -> None:
    """A row for each factor that is shown, a column for each split that has examples."""
    from rich import box
    from rich.table import Table

    splits = {split: name for split, name in COLUMNS.items() if found.accuracy[split] is not None}
    splits = splits or {"all": "all"}
    title = f"{found.name}: {found.size} neurons, {found.n_random} random sets"
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("factor", justify="right")
    for name in splits.values():
        table.add_column(name, justify="right")
    shown = [factor for factor in SHOWN if factor in found.factors] or found.factors.tolist()
    for factor in shown:
        table.add_row(f"{factor:g}", *(_cell(found, factor, split) for split in splits))
    Console().print(table)
    if not found.controlled:
        say("the set is most of all neurons that are alive, so random sets are no control")


def _cell(found: Dose, factor: float, split: str) -> str:
    value, random = found.at(factor, split), found.random[split]
    assert value is not None
    if random is None:
        return f"{100 * value:.1f}"
    low, high = (100 * float(end[found.nearest(factor)]) for end in (random.low, random.high))
    return f"{100 * value:.1f} \\[{low:.0f}–{high:.0f}]"


def _write(found: Dose, source: str, html: Path | None, json: Path | None) -> None:
    """Write the curve to the paths that were given."""
    from interp.files import write_json, write_text
    from interp.report.page import bullets, figure_block, page

    if html is not None:
        figure, caption = found.plot(), f"{found.size} neurons ({found.name}), {found.n_random} random sets."
        block = figure_block("dose", "Accuracy against the factor", figure, caption)
        text = page("Dose response", source, bullets([caption]), [("curve", "Accuracy by factor", block)])
        say(f"wrote {write_text(html, text)}")
    if json is not None:
        say(f"wrote {write_json(json, found.to_dict())}")
