"""``grokscope transfer-gamma``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from interp.cli.console import busy, say
from interp.cli.options import Device, Draws, Opening, Seed, with_opening
from interp.errors import ConfigError

if TYPE_CHECKING:
    from interp.analysis.gamma import GammaTransfer

EXAMPLES = (
    "grokscope transfer-gamma runs/bn runs/r0",
    "grokscope transfer-gamma runs/bn runs/r0 --strength 2 --json gamma.json",
)


@with_opening
def transfer_gamma(
    donor: Annotated[
        Path, typer.Argument(help="A checkpoint, or folder, of an MLP with a norm after its activation.")
    ],
    target: Annotated[
        Path, typer.Argument(help="The checkpoint, or folder, whose neurons are rescaled; not changed.")
    ],
    *,
    opening: Opening,
    strength: Annotated[float, typer.Option(help="Exponent of the scales; 0 changes nothing.")] = 1.0,
    json: Annotated[Path | None, typer.Option(help="Write the findings as JSON.")] = None,
    random: Draws = 20,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Scale a network's neurons as another network's BatchNorm would, by periodicity alone.

    Beside the accuracies stand those with the same scales permuted among the neurons. What DONOR does not say of itself
    cannot be given; the options are TARGET's.
    """
    from interp.analysis.gamma import gamma_rescale
    from interp.files import write_json

    if json is not None and json.suffix != ".json":
        raise ConfigError(f"the findings {str(json)!r} should end in .json")
    with busy("scoring"):
        found = gamma_rescale(
            donor,
            target,
            n_random=random,
            strength=strength,
            options=opening.options(),
            site=opening.hook,
            seed=seed,
            device=device,
        )
    _print_transfer(found)
    if json is not None:
        say(f"wrote {write_json(json, found.to_dict())}")


def _print_transfer(found: GammaTransfer) -> None:
    from rich import box
    from rich.table import Table

    from interp.markup import percentage

    title = (
        f"{len(found.scales)} neurons rescaled, factors {found.scales.min():.2f} to {found.scales.max():.2f}"
    )
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("split", "before", "after", f"{found.n_random} permutations, 95 %"):
        table.add_column(name, justify="left" if name == "split" else "right")
    for split in found.before:
        random = found.random[split]
        interval = "–" if random is None else f"{percentage(random.low)} to {percentage(random.high)}"
        row = percentage(found.before[split]), percentage(found.after[split]), interval
        table.add_row(split.replace("_", " "), *row)
    Console().print(table)
    correlation = found.correlation
    if correlation.rho is None or correlation.low is None:
        say("the donor's norm weights have no rank correlation with IPR: one of them is the same everywhere")
        return
    interval = f"{correlation.low:.2f} to {correlation.high:.2f}"
    say(f"donor: rank correlation of |gamma| with IPR {correlation.rho:.2f} (95 % interval {interval})")
