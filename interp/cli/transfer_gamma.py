"""``grokscope transfer-gamma``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.checkpoints.options import OpenOptions, check_source
from interp.cli.console import print_table, say, write_numbers
from interp.cli.loading import loading
from interp.cli.options import Device, Draws, Seed, with_options
from interp.cli.places import Json
from interp.progress import progress

EXAMPLES = (
    "grokscope transfer-gamma runs/bn runs/r0",
    "grokscope transfer-gamma runs/bn runs/r0 --strength 2 --json gamma.json",
)


@with_options
def transfer_gamma(
    donor: Annotated[
        Path, typer.Argument(help="A checkpoint, or folder, of an MLP with a norm after its activation.")
    ],
    target: Annotated[
        Path, typer.Argument(help="The checkpoint, or folder, whose neurons are rescaled; not changed.")
    ],
    *,
    options: OpenOptions,
    site: str | None,
    strength: Annotated[float, typer.Option(help="Exponent of the scales; 0 changes nothing.")] = 1.0,
    json: Json = None,
    random: Draws = 20,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Scale a network's neurons as another network's BatchNorm would, by periodicity alone.

    Beside the accuracies stand those with the same scales permuted among the neurons. What DONOR does not say of itself
    cannot be given; the options are TARGET's.
    """
    check_source(donor, OpenOptions())
    check_source(target, options)
    with loading():
        from interp.analysis.gamma import gamma_rescale
    from interp.data.splits import SPLITS
    from interp.markup import percentage
    from interp.measuring.band import INTERVAL

    with progress("scoring"):
        transfer = gamma_rescale(
            donor,
            target,
            n_random=random,
            strength=strength,
            options=options,
            site=site,
            seed=seed,
            device=device,
        )
    rows = []
    for split in transfer.before:
        band = transfer.random[split]
        interval = "–" if band is None else f"{percentage(band.low)} to {percentage(band.high)}"
        shares = (percentage(part[split]) for part in (transfer.before, transfer.after))
        rows.append((SPLITS[split].title, *shares, interval))
    scales = transfer.scales
    title = f"{len(scales)} neurons rescaled, factors {scales.min():.2f} to {scales.max():.2f}"
    print_table(title, ("split", "before", "after", f"{transfer.n_random} permutations, {INTERVAL}"), rows)
    correlation = transfer.correlation
    if correlation.rho is None or correlation.low is None:
        say("the donor's norm weights have no rank correlation with IPR: one of them is the same everywhere")
    else:
        interval = f"{correlation.low:.2f} to {correlation.high:.2f}"
        say(f"donor: rank correlation of |gamma| with IPR {correlation.rho:.2f} (95 % interval {interval})")
    write_numbers(transfer, json, "gamma")
