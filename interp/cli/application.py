"""All commands under one name, and the end of a run with an error."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Annotated, Any

import typer

from interp.cli import study
from interp.cli.command import Command, Group
from interp.cli.console import examples_shown
from interp.cli.exit_codes import EXIT_CODES, INTERRUPTED
from interp.cli.failure import report_failure
from interp.cli.options import fill_help
from interp.terminal import PIPE_CLOSED

COMMANDS = (
    "demo", "train", "score", "ablate", "audit", "explore", "batch", "sweep", "plot", "dynamics", "dose", "unlearn",
    "communities", "describe", "retention", "overlap", "transfer_gamma", "validate", "dialects", "doctor",
)  # fmt: skip
"""Each is a module here, with a function of the same name, in the order of the help."""


class Commands(Group):
    """Completes a command's help when it is asked for: names of labels and modes take time to load."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        fill_help(command)
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader of a pipe has seen enough
            with suppress(OSError), open(os.devnull, "w") as nowhere:  # what is left to be written goes there
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            raise typer.Exit(PIPE_CLOSED) from None
        except EOFError as error:  # for which Typer would exit with 1
            raise RuntimeError(f"a file ended too early: {error}") from error


app = typer.Typer(
    name="grokscope",
    cls=Commands,
    help="Find out whether a trained network understood a rule or memorised its examples, neuron by neuron.",
    epilog="[bold]Exit codes[/bold]\n\n" + "\n\n".join(f"  {n}  {text}" for n, text in EXIT_CODES.items()),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> bool:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"grokscope {version('grokscope')}")
        raise typer.Exit
    return wanted


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


for name in COMMANDS:
    module = import_module(f"interp.cli.{name}")
    app.command(cls=Command, epilog=examples_shown(module.EXAMPLES))(getattr(module, name))
app.add_typer(study.app, name="study", epilog=examples_shown(study.EXAMPLES))


def main() -> None:
    """Run the command line; what goes wrong is one line and exit code 2, or 70 where it is a mistake of ours."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin are slow beside a busy process
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        sys.exit(report_failure(error))
    finally:
        gc.freeze()  # the process ends: looking for garbage before would take half a second
