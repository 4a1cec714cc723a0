"""``grokscope ablate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from interp.cli.console import busy, say
from interp.cli.options import Device, Draws, Opening, Seed, Source, with_opening

EXAMPLES = (
    "grokscope ablate runs/r0 --neurons label:memorizing",
    "grokscope ablate runs/r0 --neurons lowest:0.7 --mode mean",
    "grokscope ablate runs/r0 --neurons @neurons.txt --mode scale=0.25 --save edited.safetensors",
)


@with_opening
def ablate(
    checkpoint: Source,
    *,
    opening: Opening,
    neurons: Annotated[
        str,
        typer.Option(help="label:NAME, lowest:SHARE or highest:SHARE by periodicity, or @FILE with indices."),
    ] = "label:memorizing",
    mode: Annotated[str, typer.Option(help="zero, mean, resample or scale=FACTOR.")] = "zero",
    save: Annotated[Path | None, typer.Option(help="Write the network with the edit in its weights.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that --save would meet.")] = False,
    random: Draws = 20,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Take neurons out, or rescale them, and measure every split again, beside random sets of the same size."""
    from interp.analysis.ablation import ablate_checkpoint
    from interp.report import print_removal

    with busy("scoring"):
        found = ablate_checkpoint(
            checkpoint,
            neurons,
            mode,
            options=opening.options(),
            save=save,
            overwrite=force,
            site=opening.hook,
            n_random=random,
            seed=seed,
            device=device,
        )
    print_removal(found, f"{neurons}, {mode}", Console())
    if save is not None:
        say(f"wrote {save.with_suffix('.safetensors')}")
