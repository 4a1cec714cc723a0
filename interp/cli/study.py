"""``grokscope study NAME``: one command for each study, made from its settings when it is asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperCommand

from interp.checkpoints.options import OpenOptions
from interp.cli.command import Command, Group
from interp.cli.console import examples_shown, print_table, say, write, write_numbers
from interp.cli.options import Source, Workers, options_of, spelled, with_options
from interp.cli.places import Html, Json, folder
from interp.errors import ConfigError
from interp.lab.names import STUDIES
from interp.progress import progress

if TYPE_CHECKING:
    from interp.lab.study import Study, StudyResult

EXAMPLES = (
    "grokscope study influence",
    "grokscope study tickets --seeds 5 --out tickets --html tickets.html",
    "grokscope study lens runs/r0 --json lens.json",
)
Seeds = Annotated[
    int | None,
    typer.Option(
        min=1, help="How many seeds everything is measured for; 3, or 1 for a checkpoint, if left out."
    ),
]
First = Annotated[int, typer.Option("--seed", min=0, max=2**31, help="The first of the seeds.")]
Out = Annotated[
    Path | None,
    folder("Keep each seed's result in this folder; the same command goes on where it was ended."),
]
Checkpoint = Annotated[
    Path | None, typer.Argument(help=f"{Source.__metadata__[0].help} Without it the study trains its own.")
]


class Studies(Group):
    """Lists the studies without loading any; a study is loaded when its command is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(STUDIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return TyperCommand(cmd_name, short_help=STUDIES[cmd_name]) if cmd_name in STUDIES else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in STUDIES:
            return super().resolve_command(ctx, args)
        return args[0], _command(args[0]), args[1:]


app = typer.Typer(cls=Studies, no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def study() -> None:
    """Run a study: an instrument of a neighbouring paper, on its smallest real experiment or on your own checkpoint."""


def _command(name: str) -> Any:
    """A study's command, with one option for each of its settings."""
    from interp.lab.study import study_called

    study = study_called(name)
    written = f"--seeds 5 --out {name} --html {name}.html --json {name}.json"
    chosen = f"--which {list(study.choices)[-1]}" if study.choices else ""
    examples = [*dict.fromkeys(["", chosen]), written, *["runs/r0"] * (study.inspect is not None)]
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    single.command(
        name,
        cls=Command,
        help=f"{study.title}.\n\n{escape(study.about)}",
        short_help=STUDIES[name],
        epilog=examples_shown(f"grokscope study {name} {example}".rstrip() for example in examples),
    )(_function(study))
    command = typer.main.get_command(single)
    command.name = name
    return command


def _function(study: Study) -> Callable[..., None]:
    """A function whose parameters are the study's settings, and the options of all studies."""
    own = {parameter.name: parameter for parameter in options_of(study.config, "The experiment")}
    asked = {field.name for field in fields(OpenOptions)} | {"site"} if study.inspect else set()
    shared = asked & own.keys()  # such as p: of the checkpoint, or of the study's own task

    def run(
        *,
        checkpoint: Checkpoint = None,
        seeds: Seeds = None,
        seed: First = 0,
        out: Out = None,
        html: Html = None,
        json: Json = None,
        workers: Workers = None,
        options: OpenOptions | None = None,
        site: str | None = None,
        **settings: Any,
    ) -> None:
        changed: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()
        }
        changed |= {"site": site} if site else {}
        if checkpoint is None and options is not None:
            changed |= _own_settings(options, site, shared)
        from interp.lab.running import run_study

        opened = None
        if checkpoint is not None:
            from interp.checkpoints.open import load_checkpoint

            with progress("opening"):
                opened = load_checkpoint(checkpoint, options)
            say(*opened.notes)
        n = seeds or (3 if opened is None else 1)
        result = run_study(
            study.name, range(seed, seed + n), out=out, opened=opened, workers=workers, **changed
        )
        _show(result, html, json)

    signature = inspect.signature(run, eval_str=True)
    fixed = [p for p in signature.parameters.values() if p.name != "settings"]
    first, common, opening = fixed[:1], fixed[1:-2], fixed[-2:]
    mine = [parameter for name, parameter in own.items() if name not in shared]
    kept = [*first, *mine, *common, *opening] if study.inspect else [*mine, *common]
    run.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return with_options(run) if study.inspect else run


def _own_settings(options: OpenOptions, site: str | None, shared: Container[str]) -> dict[str, Any]:
    """Settings of the study's own networks, of options that a checkpoint has too."""
    spellings = {field.name: spelled(field) for field in fields(options)}
    for name in [*options.given, *["site"] * bool(site)]:
        if name not in shared:
            raise ConfigError(
                f"{spellings.get(name, '--site')} says how a checkpoint is opened, but none is given; name its file"
            )
    return options.given


def _show(result: StudyResult, html: Path | None, json: Path | None) -> None:
    from interp.files import write_text

    print_table(result.study.title, *result.table())
    say(*result.findings())
    write(lambda path: write_text(path, page_of(result)), html)
    write_numbers(result, json, "study")


def page_of(result: StudyResult) -> str:
    """A page with the study's findings, figure and numbers."""
    from interp.report.page import bullets, data_table, figure_block, page, prose

    study = result.study
    seeds = ", ".join(map(str, result.seeds))
    figure = figure_block("study", study.title, result.plot(), study.about)
    numbers = data_table(f"Seeds {seeds}", *result.table())
    values = [(name, str(value)) for name, value in vars(result.config).items()]
    settings = data_table("Settings", ("setting", "value"), values)
    return page(
        study.title,
        study.name,
        f"<p>{prose(study.about)}</p>{bullets(result.findings())}",
        [("figure", "Figure", figure), ("numbers", "Numbers", numbers), ("settings", "Settings", settings)],
    )
