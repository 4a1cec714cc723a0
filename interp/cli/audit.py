"""``grokscope audit``."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from interp.checkpoints.options import OpenOptions
from interp.cli.console import busy, say, show
from interp.cli.options import (
    Device,
    Draws,
    FailIf,
    RelearnRate,
    RelearnSteps,
    Seed,
    check_relearning,
    output,
    with_options,
)
from interp.errors import ConfigError
from interp.terminal import Terminal

EXAMPLES = (
    "grokscope audit runs/r0",
    "grokscope audit runs/r0 --html report.html --json report.json",
    "grokscope audit runs/r0 --fail-if 'neurons.memorizing > 0.1*neurons.total'",
    "grokscope audit net.pth --p 113 --activation relu --split-from train_data.pth",
    "grokscope audit net.pt --model net.py:build --site mlp.2:input --tokens 'a b =' --task add --p 59",
    "grokscope audit net.pt --model net.py:build --site fc:input --table examples.parquet",
)

REFUSAL = "the report {} should end in"


@with_options
def audit(
    checkpoint: Annotated[
        Path,
        typer.Argument(help="A checkpoint file, or a folder of them: its last one, and how it came to be."),
    ],
    *,
    options: OpenOptions,
    site: str | None,
    html: Annotated[Path | None, output("Write a page that works offline.", ".html", refusal=REFUSAL)] = None,
    json: Annotated[Path | None, output("Write the findings as JSON.", ".json", refusal=REFUSAL)] = None,
    markdown: Annotated[
        Path | None, output("Write the findings as Markdown.", ".md", refusal=REFUSAL)
    ] = None,
    fail_if: FailIf = None,
    alpha: Annotated[float, typer.Option(help="False-discovery rate of the labels.")] = 0.01,
    min_share: Annotated[
        float, typer.Option(help="Variance one frequency or component must explain in a periodic neuron.")
    ] = 0.5,
    random: Draws = 20,
    relearn: RelearnSteps = None,
    relearn_lr: RelearnRate = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Say what a network learnt and which neurons do it, with the evidence.

    Of a folder the last checkpoint is audited, and the trajectory shows how accuracies, neurons and circuits
    developed over all of them, with the stages of training.

    Exit codes: 0 done, 1 the --fail-if condition holds, 2 something is wrong with the input.
    """
    check_relearning(relearn, relearn_lr)
    from interp.expressions import condition
    from probes.labels import Criteria

    try:
        criteria = Criteria(alpha=alpha, min_share=min_share)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    from interp.audit import audit as audit_network

    with busy("auditing"):
        report = audit_network(
            checkpoint,
            options=options,
            site=site,
            criteria=criteria,
            n_random=random,
            relearn_steps=relearn or 0,
            relearn_lr=relearn_lr,
            seed=seed,
            device=device,
        )
    report = replace(report, command=typed())
    show(report, html, json, markdown)
    if relearn is not None and report.relearning is None:
        from interp.analysis.relearning import NOTHING

        say(NOTHING)
    if fail_if is not None and condition(fail_if, _with_unknown(report.flat(), fail_if)):
        Terminal(stderr=True).print(f"[red]failed:[/red] {escape(fail_if)}", highlight=False)
        raise typer.Exit(1)


def typed() -> str | None:
    """The command line as it was typed; None if it was not typed, but called from Python."""
    program = Path(sys.argv[0])
    from_module = program.name == "__main__.py" and program.parent.name == "cli"
    return shlex.join(["grokscope", *sys.argv[1:]]) if program.stem == "grokscope" or from_module else None


def _with_unknown(values: Mapping[str, Any], text: str) -> dict[str, Any]:
    """The values, and None for what a text names inside a part that is null itself: ``leakage.leaked``."""
    nulls = tuple(f"{name}." for name, value in values.items() if value is None)
    named = re.findall(r"[A-Za-z_]\w*(?:\.\w+)+", text)
    return {name: None for name in named if name.startswith(nulls)} | dict(values)
