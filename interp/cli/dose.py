"""``grokscope dose``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interp.checkpoints.options import OpenOptions
from interp.cli.console import print_table, say, write, write_numbers
from interp.cli.loading import loading
from interp.cli.options import Device, Draws, During, Neurons, Seed, Source, with_options
from interp.cli.places import Html, Json
from interp.progress import progress

if TYPE_CHECKING:
    import numpy as np

    from interp.measuring.doses import Dose
    from interp.subject import Subject

EXAMPLES = (
    "grokscope dose runs/r0",
    "grokscope dose runs/r0 --neurons lowest:0.7 --html dose.html",
    "grokscope dose runs/r0 --neurons label:generalizing --from 1 --to 5 --points 41 --json dose.json",
)
SHOWN = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # factors in the printed table
COLUMNS = {"train": "train", "corrupted_as_labelled": "labelled", "corrupted_as_true": "true", "test": "test"}


@with_options
def dose(
    checkpoint: Source,
    *,
    options: OpenOptions,
    site: str | None,
    neurons: Neurons = "label:memorizing",
    low: Annotated[float, typer.Option("--from", help="Smallest factor; 0 removes the neurons.")] = -1.0,
    high: Annotated[float, typer.Option("--to", help="Largest factor; 1 changes nothing.")] = 2.0,
    points: Annotated[
        int | None,
        typer.Option(help="Factors between them; 61, or 13 where each takes a run of the network."),
    ] = None,
    html: Html = None,
    json: Json = None,
    during: During = None,
    random: Draws = 20,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Multiply neurons by one factor after another, beside random sets of the same size.

    The table shows accuracies in percent, on corrupted examples as labelled and as true; in brackets where 95 % of the
    random sets lie.
    """
    with loading():
        from interp.analysis.removing import dose as measure
        from interp.subject import open_subject

    with progress("scoring"):
        subject = open_subject(checkpoint, options, device=device, site=site, seed=seed)
        factors = _factors(subject, low, high, points)
        curve = measure(subject, neurons=neurons, factors=factors, n_random=random, during=during)
    say(*subject.source.notes)
    _print_dose(curve)
    write(lambda path: _write_page(curve, str(checkpoint), path), html)
    write_numbers(curve, json, "dose")


def _factors(subject: Subject, low: float, high: float, points: int | None) -> np.ndarray:
    """Evenly spaced factors, and those that the table shows."""
    import numpy as np

    from interp.measuring.doses import FEW_POINTS, POINTS, factors_between

    linear = subject.place.readout is not None
    spaced = factors_between(low, high, points if points is not None else POINTS if linear else FEW_POINTS)
    return np.union1d(spaced, [factor for factor in SHOWN if low <= factor <= high])


def _print_dose(curve: Dose) -> None:
    splits = {split: name for split, name in COLUMNS.items() if curve.accuracy[split] is not None}
    splits = splits or {"all": "all"}
    shown = [factor for factor in SHOWN if factor in curve.factors] or curve.factors.tolist()
    rows = [(f"{factor:g}", *(_cell(curve, factor, split) for split in splits)) for factor in shown]
    title = f"{curve.name}: {curve.size} neurons, {curve.n_random} random sets"
    print_table(title, ("factor", *splits.values()), rows, left=())
    if not curve.controlled:
        say("the set is most of all neurons that are alive, so random sets are no control")


def _cell(curve: Dose, factor: float, split: str) -> str:
    value, random = curve.at(factor, split), curve.random[split]
    assert value is not None
    if random is None:
        return f"{100 * value:.1f}"
    low, high = (100 * float(end[curve.nearest(factor)]) for end in (random.low, random.high))
    return f"{100 * value:.1f} [{low:.0f}–{high:.0f}]"


def _write_page(curve: Dose, source: str, path: Path) -> Path:
    from interp.files import write_text
    from interp.report.page import bullets, figure_block, page

    caption = f"{curve.size} neurons ({curve.name}), {curve.n_random} random sets."
    block = figure_block("dose", "Accuracy against the factor", curve.plot(), caption)
    text = page("Dose response", source, bullets([caption]), [("curve", "Accuracy by factor", block)])
    return write_text(path, text)
