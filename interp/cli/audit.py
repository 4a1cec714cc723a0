"""``grokscope audit``."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from interp.checkpoints.options import OpenOptions
from interp.cli.console import say, show
from interp.cli.exit_codes import HOLDS
from interp.cli.language import PromptTokens, Sequences, refuse_other
from interp.cli.language_audit import Language, Out, Save, audit_of_language, with_language
from interp.cli.loading import loading
from interp.cli.options import (
    Device,
    FailIf,
    RelearnRate,
    RelearnSteps,
    Seed,
    Since,
    check_relearning,
    with_options,
)
from interp.cli.places import Force, Html, Json, Markdown
from interp.errors import ConfigError
from interp.terminal import Terminal

if TYPE_CHECKING:
    from interp.audit import AuditReport

EXAMPLES = (
    "grokscope audit runs/r0",
    "grokscope audit runs/r0 --html report.html --json report.json",
    "grokscope audit runs/r0 --fail-if 'neurons.memorizing > 0.1*neurons.total'",
    "grokscope audit runs/r0 --json report.json --markdown - >> summary.md",
    "grokscope audit net.pth --p 113 --activation relu --split-from train_data.pth",
    "grokscope audit net.pt --model net.py:build --site mlp.2:input --tokens 'a b =' --task add --p 59",
    "grokscope audit net.pt --model net.py:build --site fc:input --table examples.parquet",
    "grokscope audit checkpoint-500 --sequences texts.jsonl --html memory.html",
    "grokscope audit model.gguf --sequences texts.txt --prompt-tokens 20 --fail-if 'sequences.memorised > 0'",
)

DRAWS, ALPHA, MIN_SHARE = 20, 0.01, 0.5


@with_options
@with_language
def audit(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="A checkpoint file, or a folder of them: its last one, and how it came to be. With --sequences a "
            "language model: a folder of Hugging Face, a .gguf file, or hf://ORGANISATION/NAME."
        ),
    ],
    *,
    options: OpenOptions,
    site: str | None,
    sequences: Sequences = None,
    prompt_tokens: PromptTokens = None,
    language: Language,
    save: Save = None,
    force: Force = False,
    out: Out = None,
    html: Html = None,
    json: Json = None,
    markdown: Markdown = None,
    fail_if: FailIf = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            help="False-discovery rate of labels and verdicts.", show_default="0.01; 0.05 with --sequences"
        ),
    ] = None,
    min_share: Annotated[
        float | None,
        typer.Option(
            help="Variance one frequency or component must explain in a periodic neuron.", show_default="0.5"
        ),
    ] = None,
    random: Annotated[
        int | None,
        typer.Option(min=1, help="Random draws for each control.", show_default="20; 5 with --sequences"),
    ] = None,
    relearn: RelearnSteps = None,
    relearn_lr: RelearnRate = None,
    since: Since = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Say what a network learnt and which neurons do it, with the evidence.

    Of a folder the last checkpoint is audited, and the trajectory shows how accuracies, neurons and circuits
    developed over all of them, with the stages of training.

    Of a language model, with --sequences: which of the texts it has memorised, as against guessed, which neurons hold
    them, and what is left of the memory, and of everything else, without these.

    Exit codes: 0 done, 1 the --fail-if condition holds, 2 something is wrong with the input; grokscope --help has all.
    """
    refuse_other(
        sequences,
        {"prompt_tokens": prompt_tokens, **language, "save": save, "force": force or None, "out": out},
        {"min_share": min_share, "relearn_lr": relearn_lr, "since": since},
    )
    shared = {"alpha": alpha, "n_random": random, "relearn_steps": relearn}
    if sequences is not None:
        given = {
            name: value for name, value in {**language, **shared, "seed": seed}.items() if value is not None
        }
        more = {"prompt_tokens": prompt_tokens, "device": device, "out": out}
        saved = (save, force)
        report: Any = audit_of_language(checkpoint, sequences, given, more, saved, typed())
        show(report, html, json, markdown)
    else:
        check_relearning(relearn, relearn_lr)
        own = {"min_share": min_share, "relearn_lr": relearn_lr, "device": device, "since": since}
        settings: dict[str, Any] = {**shared, **own, "seed": seed}
        report = _of_classifier(checkpoint, options, site, settings)
        show(report, html, json, markdown)
        if relearn is not None and report.relearning is None:
            from interp.analysis.relearning import NOTHING

            say(NOTHING, error=True)
    from interp.expressions import condition

    if fail_if is not None and condition(fail_if, _with_unknown(report.flat(), fail_if)):
        Terminal(stderr=True).print(f"[red]failed:[/red] {escape(fail_if)}", highlight=False)
        raise typer.Exit(HOLDS)


def _of_classifier(
    checkpoint: Path, options: OpenOptions, site: str | None, given: Mapping[str, Any]
) -> AuditReport:
    from probes.labels import Criteria

    rate, share, draws = (given[name] for name in ("alpha", "min_share", "n_random"))
    try:
        criteria = Criteria(
            alpha=ALPHA if rate is None else rate, min_share=MIN_SHARE if share is None else share
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    with loading():
        from interp.audit import audit as audit_network

    report = audit_network(
        checkpoint,
        options=options,
        site=site,
        criteria=criteria,
        n_random=draws or DRAWS,
        relearn_steps=given["relearn_steps"] or 0,
        relearn_lr=given["relearn_lr"],
        seed=given["seed"],
        device=given["device"],
        since=given["since"],
    )
    return replace(report, command=typed())


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
