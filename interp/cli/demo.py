"""``grokscope demo``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from interp.cli.audit import typed
from interp.cli.console import say, show
from interp.cli.exit_codes import INTERRUPTED
from interp.cli.loading import loading
from interp.cli.options import Device, Seed
from interp.cli.places import folder

EXAMPLES = "grokscope demo", "grokscope demo --out runs/demo --steps 2000 --weight-decay 15"


def demo(
    out: Annotated[Path, folder("The folder of the network and its reports.")] = Path("grokscope-demo"),
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 1000,
    weight_decay: Annotated[float, typer.Option(help="Above 5 the corrupted labels are unlearnt.")] = 0.0,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Train the paper's network on corrupted labels, then audit it: a minute on two cores.

    The network learns addition modulo 97 with 35 % of its training labels redrawn at random. Run again, the demo
    takes up the trained network.
    """
    with loading():
        from interp.demo import demo as run_demo

    try:
        report = run_demo(out, steps=steps, weight_decay=weight_decay, seed=seed, device=device)
    except KeyboardInterrupt:
        say(f"stopped; the checkpoints in {str(out)!r} are complete, the same command continues", error=True)
        raise typer.Exit(INTERRUPTED) from None
    show(replace(report, command=typed()), out / "report.html", out / "report.json")
