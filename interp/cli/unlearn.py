"""``grokscope unlearn``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.checkpoints.options import OpenOptions
from interp.cli.console import print_table, say, write_numbers
from interp.cli.loading import loading
from interp.cli.options import Device, Draws, Findings, Force, Seed, Source, with_options
from interp.errors import ConfigError
from interp.progress import busy
from interp.terminal import Terminal

EXAMPLES = (
    "grokscope unlearn runs/r0 --save unlearnt.safetensors",
    "grokscope unlearn runs/r0 --save unlearnt.safetensors --compare",
    "grokscope unlearn runs/r0 --compare --steps 300 --json unlearning.json",
)
COLUMNS = ("corrupted_as_labelled", "corrupted_as_true", "test")


@with_options
def unlearn(
    checkpoint: Source,
    *,
    options: OpenOptions,
    site: str | None,
    save: Annotated[
        Path | None, typer.Option(help="Write the network without its memorizing neurons.")
    ] = None,
    force: Force = False,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Train the network again, with weight decay and with batch norm."),
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=0, help="Steps of --compare; as many as the checkpoint had if left out.")
    ] = None,
    weight_decay: Annotated[float, typer.Option(help="Of --compare.")] = 15.0,
    batch_size: Annotated[int, typer.Option(min=2, help="Of --compare with batch norm.")] = 64,
    json: Findings = None,
    random: Draws = 20,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Take the memorizing neurons out, so that corrupted labels are forgotten, and measure every split again.

    With --compare the same network is also trained again in two ways that keep it from memorising.
    """
    if steps is not None and not compare:
        raise ConfigError("--steps are those of --compare; give --compare too, or leave --steps out")
    with loading():
        from interp.analysis.unlearning import compare_unlearning
        from interp.markup import percentage
        from interp.report import print_removal

    with busy("scoring"):
        result = compare_unlearning(
            checkpoint,
            options=options,
            save=save,
            overwrite=force,
            retrain=compare,
            steps=steps,
            weight_decay=weight_decay,
            batch_size=batch_size,
            site=site,
            n_random=random,
            seed=seed,
            device=device,
        )
    print_removal(result.removal, "without memorizing neurons", Terminal())
    if compare:
        rows = []
        for method in result.methods:
            shares = [percentage(method.accuracy[split]) for split in COLUMNS]
            seconds = "–" if method.seconds is None else f"{method.seconds:.1f}"
            rows.append((method.name, *shares, str(method.alive), seconds))
        print_table("Ways to unlearn", ("method", "labelled", "true", "test", "alive", "seconds"), rows)
    if result.saved is not None:
        say(f"wrote {result.saved}")
    write_numbers(result, json)
