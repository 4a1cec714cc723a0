"""``grokscope explore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from interp.checkpoints.options import OpenOptions
from interp.cli.console import note, say
from interp.cli.language import PANEL, PromptTokens, Sequences, refuse_other, shown_source
from interp.cli.loading import loading
from interp.cli.options import Seed, Source, with_options
from interp.cli.places import folder

EXAMPLES = (
    "grokscope explore runs/r0",
    "grokscope explore model.pth --activation relu --task add --p 113",
    "grokscope explore runs/r0 --port 8050 --no-open --out edited",
    "grokscope explore checkpoint-500 --sequences texts.jsonl",
)
MOST = 60


@with_options
def explore(
    checkpoint: Source,
    *,
    options: OpenOptions,
    site: str | None,
    sequences: Sequences = None,
    prompt_tokens: PromptTokens = None,
    heads: Annotated[
        bool, typer.Option("--heads", help="Attention heads instead of neurons.", rich_help_panel=PANEL)
    ] = False,
    out: Annotated[Path, folder("The folder that edited networks are saved in.")] = Path("."),
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = True,
    host: Annotated[
        str, typer.Option(help="The address to listen at; others than this machine's own are warned of.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; a free one if 0.")] = 0,
    most: Annotated[int, typer.Option(min=2, help="Score at most so many checkpoints of a run.")] = MOST,
    seed: Seed = 0,
) -> None:
    """Look at neurons, change them and watch the accuracies, on a page in the browser; Ctrl-C ends it.

    Of a language model, with --sequences: which neurons hold a text, and what is left of it without them.
    """
    refuse_other(
        sequences,
        {"prompt_tokens": prompt_tokens, "heads": heads or None},
        {"most": None if most == MOST else most},
    )
    note(f"opening {shown_source(checkpoint)} and scoring its neurons …")
    from interp.explorer.guard import LOOPBACK

    if host not in LOOPBACK:
        say(
            f"warning: whoever reaches {host} over the network can use the page and save networks in {out}",
            error=True,
        )
    how: dict[str, Any] = {
        "seed": seed,
        "folder": out,
        "host": host,
        "port": port,
        "open_browser": open_browser,
    }
    how["ready"] = lambda url: say(f"the explorer is at {url} (Ctrl-C ends it)")
    try:
        if sequences is None:
            with loading():
                from interp.explorer import explore as serve

            serve(checkpoint, options, site=site, most=most, **how)
        else:
            with loading():
                from interp.explorer.language import explore_language
                from interp.language.sites import HEADS, NEURONS

            kind = HEADS if heads else NEURONS
            explore_language(checkpoint, sequences, kind=kind, prompt_tokens=prompt_tokens, **how)
    except KeyboardInterrupt:
        note("ended")
