"""``grokscope study NAME``: one command for each study, made from its settings when it is asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup

from interp.cli.console import busy, examples_shown, say
from interp.cli.options import Opening, Source, Workers, option, with_opening
from interp.errors import ConfigError
from interp.lab.names import STUDIES

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
    typer.Option(help="Keep each seed's result in this folder; the same command goes on where it was ended."),
]
Html = Annotated[Path | None, typer.Option(help="Write figure and findings as a page that works offline.")]
Json = Annotated[Path | None, typer.Option(help="Write all numbers, with their intervals, as JSON.")]


class Studies(TyperGroup):
    """Lists the studies without loading any; a study is loaded when its command is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(STUDIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return TyperCommand(cmd_name, short_help=STUDIES[cmd_name]) if cmd_name in STUDIES else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return (
            (args[0], _command(args[0]), args[1:])
            if args[0] in STUDIES
            else super().resolve_command(ctx, args)
        )


app = typer.Typer(cls=Studies, no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def study() -> None:
    """Run a study: an instrument of a neighbouring paper, on its smallest real experiment or on your own checkpoint."""


def _command(name: str) -> Any:
    """A study's command, with one option for each of its settings."""
    from interp.lab.study import study_called

    found = study_called(name)
    single = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich")
    about = f"{found.title}.\n\n{escape(found.about)}"
    single.command(name, help=about, short_help=STUDIES[name], epilog=examples_shown(_examples(found)))(
        _function(found)
    )
    command = typer.main.get_command(single)
    command.name = name
    return command


def _examples(found: Study) -> list[str]:
    command = f"grokscope study {found.name}"
    written = f"{command} --seeds 5 --out {found.name} --html {found.name}.html --json {found.name}.json"
    return [command, written, *[f"{command} runs/r0"] * (found.inspect is not None)]


def _function(found: Study) -> Callable[..., None]:
    """A function whose parameters are the study's settings, and what all studies are asked."""
    asked = {field.name for field in fields(Opening)} if found.inspect else set()
    shared = asked & {
        field.name for field in fields(found.config)
    }  # such as p: of the checkpoint, or of the task

    def run(
        *,
        checkpoint: Path | None = None,
        opening: Opening | None = None,
        seeds: Seeds = None,
        seed: First = 0,
        out: Out = None,
        html: Html = None,
        json: Json = None,
        workers: Workers = None,
        **settings: Any,
    ) -> None:
        from interp.files import check_place
        from interp.lab.running import run_study

        for suffix, path in (("html", html), ("json", json)):
            if path is not None and path.suffix != f".{suffix}":
                raise ConfigError(f"the result {str(path)!r} should end in .{suffix}")
            if path is not None:
                check_place(path)
        changed: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()
        }
        opened = None
        if checkpoint is not None and opening is not None:
            opened = _opened(checkpoint, opening)
            changed |= _site(opening)
        elif opening is not None:
            changed |= _own_settings(opening, shared)
        n = seeds or (3 if opened is None else 1)
        result = run_study(
            found.name, range(seed, seed + n), out=out, opened=opened, workers=workers, **changed
        )
        _show(result, html, json)

    own = inspect.signature(run, eval_str=True)
    common = [p for p in own.parameters.values() if p.name not in ("checkpoint", "opening", "settings")]
    options = [parameter for parameter in _options(found.config) if parameter.name not in shared]
    if not asked:
        run.__signature__ = own.replace(parameters=[*options, *common])  # type: ignore[attr-defined]
        return run
    subject = own.parameters["checkpoint"].replace(annotation=_optional(Source))
    opening = own.parameters["opening"]
    run.__signature__ = own.replace(parameters=[subject, *options, *common, opening])  # type: ignore[attr-defined]
    return with_opening(run)


def _opened(checkpoint: Path, opening: Opening) -> Any:
    from interp.checkpoints.open import load_checkpoint

    with busy("opening"):
        opened = load_checkpoint(checkpoint, opening.options())
    for note in opened.notes:
        say(note)
    return opened


def _site(opening: Opening) -> dict[str, Any]:
    """The setting for the one hook name that is to be measured, if it is named."""
    return {"site": opening.hook} if opening.hook else {}


def _own_settings(opening: Opening, shared: set[str]) -> dict[str, Any]:
    """Settings of the study's own networks, of options that a checkpoint has too.

    Raises:
        ConfigError: An option says how a checkpoint is opened, but there is none.
    """
    given = {name: value for name, value in vars(opening).items() if value} | _site(opening)
    for name in given:
        if name not in shared:
            raise ConfigError(
                f"{option(name)} says how a checkpoint is opened, but none is given; name its file"
            )
    return given


def _optional(source: Any) -> Any:
    kind, argument = source.__origin__, source.__metadata__[0]
    return Annotated[
        kind | None, typer.Argument(help=f"{argument.help} Without it the study trains its own.")
    ]


def _options(config: type) -> list[inspect.Parameter]:
    """One option for each setting."""
    hints = get_type_hints(config)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=list(field.default) if isinstance(field.default, tuple) else field.default,
            annotation=Annotated[
                _plain(hints[field.name]),
                typer.Option(
                    option(field.name), help=field.metadata["help"], rich_help_panel="The experiment"
                ),
            ],
        )
        for field in fields(config)
    ]


def _plain(hint: Any) -> Any:
    """Tuples of numbers are given by repeating the option."""
    return list[hint.__args__[0]] if getattr(hint, "__origin__", None) is tuple else hint


def _show(result: StudyResult, html: Path | None, json: Path | None) -> None:
    """Print the table and the findings, and write them to the paths that were given."""
    from rich import box
    from rich.table import Table

    from interp.files import write_json, write_text
    from interp.lab.study import HEADER

    table = Table(title=escape(result.study.title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(HEADER):
        table.add_column(name, justify="right" if i else "left")
    for row in result.rows():
        table.add_row(*map(escape, row))
    Console().print(table)
    for finding in result.findings():
        say(finding)
    if html is not None:
        say(f"wrote {write_text(html, page_of(result))}")
    if json is not None:
        say(f"wrote {write_json(json, result.to_dict())}")


def page_of(result: StudyResult) -> str:
    """A page with the study's findings, figure and numbers."""
    from interp.lab.study import HEADER
    from interp.report.page import bullets, data_table, figure_block, page, prose

    found = result.study
    seeds = ", ".join(map(str, result.seeds))
    figure = figure_block("study", found.title, result.plot(), found.about)
    numbers = data_table(f"Seeds {seeds}", HEADER, result.rows())
    settings = data_table(
        "Settings", ("setting", "value"), [(k, str(v)) for k, v in vars(result.config).items()]
    )
    return page(
        found.title,
        found.name,
        f"<p>{prose(found.about)}</p>{bullets(result.findings())}",
        [("figure", "Figure", figure), ("numbers", "Numbers", numbers), ("settings", "Settings", settings)],
    )
