"""``grokscope explore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.checkpoints.options import OpenOptions
from interp.cli.console import say
from interp.cli.options import Seed, Source, with_options

EXAMPLES = (
    "grokscope explore runs/r0",
    "grokscope explore model.pth --activation relu --task add --p 113",
    "grokscope explore runs/r0 --port 8050 --no-open --out edited",
)


@with_options
def explore(
    checkpoint: Source,
    *,
    options: OpenOptions,
    site: str | None,
    out: Annotated[Path, typer.Option(help="The folder that edited networks are saved in.")] = Path("."),
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = True,
    host: Annotated[
        str, typer.Option(help="The address to listen at; others than this machine's own are warned of.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; a free one if 0.")] = 0,
    most: Annotated[int, typer.Option(min=2, help="Score at most so many checkpoints of a run.")] = 60,
    seed: Seed = 0,
) -> None:
    """Look at neurons, change them and watch the accuracies, on a page in the browser; Ctrl-C ends it."""
    say(f"opening {checkpoint} and scoring its neurons …", error=True)
    from interp.explorer import explore as serve
    from interp.explorer.guard import LOOPBACK

    if host not in LOOPBACK:
        say(
            f"warning: whoever reaches {host} over the network can use the page and save networks in {out}",
            error=True,
        )
    try:
        serve(
            checkpoint,
            options,
            site=site,
            seed=seed,
            most=most,
            folder=out,
            host=host,
            port=port,
            open_browser=open_browser,
            ready=lambda url: say(f"the explorer is at {url} (Ctrl-C ends it)"),
        )
    except KeyboardInterrupt:
        say("ended", error=True)
