"""``grokscope score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from interp.cli.console import busy, say
from interp.cli.options import Device, Opening, Seed, Source, with_opening

if TYPE_CHECKING:
    from interp.scoring.table import NeuronTable

EXAMPLES = (
    "grokscope score runs/r0",
    "grokscope score runs/r0 --save neurons.parquet",
    "grokscope score runs/r0 --sort memory_effect --top 25",
    "grokscope score net.pt --p 113 --activation relu --site blocks.0.mlp.hook_post@2",
)


@with_opening
def score(
    checkpoint: Source,
    *,
    opening: Opening,
    save: Annotated[Path | None, typer.Option(help="Write all columns to a .parquet or .csv file.")] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="Column to sort the shown neurons by, highest first; how periodic they are if left out."
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="How many neurons to show.")] = 10,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Score and label every neuron."""
    from interp.scoring.selection import default_order
    from interp.subject import open_subject

    with busy("scoring"):
        subject = open_subject(checkpoint, opening.options(), device=device, site=opening.hook, seed=seed)
        table = subject.table
    for note in subject.source.notes:
        say(note)
    _print_neurons(table, sort or default_order(table), top)
    if save is not None:
        say(f"wrote {table.save(save)}")


def _print_neurons(table: NeuronTable, column: str, top: int) -> None:
    from rich.table import Table

    from interp.scoring.selection import default_order, order_by

    counts = ", ".join(f"{n} {label}" for label, n in table.counts().items())
    shown = Table(title=escape(f"{table.site_name}: {counts}"))
    columns = list(dict.fromkeys([column, default_order(table), "frequency", "q_value"]))
    for name in ("neuron", "label", *columns, "evidence"):
        shown.add_column(name.replace("_", " "), overflow="fold")
    for row in order_by(table, column, descending=True)[:top]:
        values = [f"{table[name][row]:.3g}" for name in columns]
        shown.add_row(str(row), table["label"][row], *values, escape(table["evidence"][row]))
    Console().print(shown)
