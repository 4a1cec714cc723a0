"""``grokscope score``."""

from __future__ import annotations

from typing import Annotated

import typer

from interp.checkpoints.options import OpenOptions
from interp.cli.console import print_table, say, write
from interp.cli.loading import loading
from interp.cli.options import Device, Seed, Since, Source, with_options
from interp.cli.places import Csv, Parquet
from interp.progress import progress

EXAMPLES = (
    "grokscope score runs/r0",
    "grokscope score runs/r0 --parquet neurons.parquet",
    "grokscope score runs/r0 --sort memory_effect --top 25",
    "grokscope score runs/r0 --since runs/r0/step-00000100.safetensors --sort drift",
    "grokscope score net.pt --p 113 --activation relu --site blocks.0.mlp.hook_post@2",
)


@with_options
def score(
    checkpoint: Source,
    *,
    options: OpenOptions,
    site: str | None,
    csv: Csv = None,
    parquet: Parquet = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="Column to sort the shown neurons by, highest first; how periodic they are if left out."
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="How many neurons to show.")] = 10,
    since: Since = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Score and label every neuron."""
    with loading():
        from interp.checkpoints.open import load_checkpoint
        from interp.scoring.selection import default_order, order_by
        from interp.subject import open_subject
        from probes.columns import column as column_of

    with progress("scoring"):
        earlier = None if since is None else load_checkpoint(since, options)
        subject = open_subject(checkpoint, options, device=device, site=site, seed=seed, since=earlier)
        table = subject.table
    say(*subject.source.notes, *table.meta["notes"])
    column = sort or default_order(table)
    order = order_by(table, column, descending=True)
    columns = list(dict.fromkeys([column, default_order(table), "frequency", "q_value"]))
    titles = {"frequency": table.parts.noun}
    header = [titles.get(name, column_of(name).title) for name in ("neuron", "label", *columns, "evidence")]
    rows = []
    for row in order[:top]:
        values = (
            table.parts.brief(int(table[name][row])) if name == "frequency" else f"{table[name][row]:.3g}"
            for name in columns
        )
        rows.append((str(row), table["label"][row], *values, table["evidence"][row]))
    print_table(
        f"{table.site_name}: {len(table)} neurons, {table.described()}",
        header,
        rows,
        left=range(len(header)),
        boxed=True,
    )
    write(table.save, csv, parquet)
