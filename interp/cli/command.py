"""Every command's class, with the options that all have: how much is shown while it runs, and beside its result."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from interp.cli.console import showing
from interp.cli.places import check_inputs_kept, to_standard_output
from interp.errors import ConfigError
from interp.progress import show_progress

QUIET, PROGRESS = "grokscope.quiet", "grokscope.progress"
"""Keys of what is chosen, in the contexts of a command line."""
HOW: dict[str, Any] = {"expose_value": False, "show_default": False, "rich_help_panel": "Output"}


def _kept(key: str) -> Any:
    """A callback that keeps an option's value for the command, wherever in the command line it stands."""

    def callback(context: Any, value: bool | None) -> None:
        if value is not None:
            context.meta[key] = value

    return callback


def _shared(
    quiet: Annotated[
        bool | None,
        typer.Option(
            "--quiet",
            "-q",
            help="Print nothing but results and errors: no progress, no notes.",
            callback=_kept(QUIET),
            **HOW,
        ),
    ] = None,
    progress: Annotated[
        bool | None,
        typer.Option(
            "--progress/--no-progress",
            help="Show the phase and the time left of what takes over 3 s, also in a pipe; or never. If left out, on a "
            "terminal only.",
            callback=_kept(PROGRESS),
            **HOW,
        ),
    ] = None,
) -> None: ...


@lru_cache
def shared_options() -> list[Any]:
    """The options of every command, as its parameters."""
    app = typer.Typer(add_completion=False)
    app.command()(_shared)
    return typer.main.get_command(app).params


class Command(TyperCommand):
    """A command with the shared options, which hold while it runs."""

    def __init__(self, *given: Any, **how: Any) -> None:
        super().__init__(*given, **how)
        self.params += shared_options()

    def invoke(self, ctx: Any) -> Any:
        quiet, progress = ctx.meta.get(QUIET), ctx.meta.get(PROGRESS)
        if quiet and progress:
            raise ConfigError("--quiet and --progress exclude each other; leave out one")
        report_only = to_standard_output(ctx.params.values())
        check_inputs_kept(ctx.params)
        with show_progress(False if quiet else progress), showing(notes=not quiet, text=not report_only):
            return super().invoke(ctx)


class Group(TyperGroup):
    """Commands that are given the shared options before their name too."""

    def __init__(self, *given: Any, **how: Any) -> None:
        super().__init__(*given, **how)
        self.params += shared_options()
