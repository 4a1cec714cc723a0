"""``grokscope audit`` of a language model: its options, and the audit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.console import note, say
from interp.cli.language import EXPECTED, PANEL, shown_source
from interp.cli.loading import loading
from interp.cli.places import folder
from interp.errors import CheckpointError, ConfigError, choose
from interp.language.settings import LanguageSettings
from interp.language.source import is_language_model
from interp.progress import progress

if TYPE_CHECKING:
    from interp.language.model import LanguageModel
    from interp.language.records import LanguageReport

ELSEWHERE = ("alpha", "n_random", "relearn_steps", "seed")
"""Settings whose options classifiers have too."""
Language = dict[str, Any]
Save = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Save the model without the neurons that were removed, as transformers loads it.",
        rich_help_panel=PANEL,
    ),
]
Out = Annotated[
    Path | None,
    folder(
        "Keep the neurons' scores here; the same command goes on where it was ended.", rich_help_panel=PANEL
    ),
]


def with_language(command: Callable[..., None]) -> Callable[..., None]:
    """A command with one option for each field of `LanguageSettings`, which it takes as `language`; None: not given."""
    from interp.cli.options import options_of

    own = inspect.signature(command, eval_str=True).parameters
    defaults = LanguageSettings()
    shown = {field.name: _shown(getattr(defaults, field.name)) for field in fields(LanguageSettings)}
    settings = options_of(LanguageSettings, PANEL, hidden=ELSEWHERE, unset=shown)

    @wraps(command)
    def run(**given: Any) -> None:
        language = {parameter.name: given.pop(parameter.name) for parameter in settings}
        lists = {name: tuple(value) or None for name, value in language.items() if isinstance(value, list)}
        command(**given, language={**language, **lists})

    kept = [parameter for name, parameter in own.items() if name != "language"]
    merged = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*kept, *settings)]
    run.__signature__ = inspect.Signature(merged)  # type: ignore[attr-defined]
    return run


def _shown(default: Any) -> str | bool:
    if isinstance(default, tuple):
        return ", ".join(map(str, default))
    return str(default) if default else False


def audit_of_language(
    source: Path,
    sequences: Path,
    given: Mapping[str, Any],
    more: Mapping[str, Any],
    saved: tuple[Path | None, bool],
    command: str | None,
) -> LanguageReport:
    """Audit a language model, and save it without what was removed if that is asked for.

    Args:
        given: Fields of `LanguageSettings`.
        more: Other keywords of `interp.language.audit.audit_language`.
        saved: The folder, and True if it may be replaced.
        command: As typed.
    """
    settings, (folder, force) = LanguageSettings(**given), saved
    if settings.reference is not None and not is_language_model(settings.reference):
        raise CheckpointError(
            f"--reference {str(settings.reference)!r} is no language model; expected {EXPECTED}"
        )
    if folder is not None and not settings.locate:
        raise ConfigError("--save writes the model without neurons that are located; leave out --no-locate")
    if force and folder is None:
        raise ConfigError("--force is used with --save only; give --save FOLDER too")
    from interp.language.rows import read_rows

    read_rows(sequences, f"the sequences {str(sequences)!r}")
    with progress(f"opening {shown_source(source)}"):
        with loading():
            from interp.language.audit import audit_language
            from interp.language.edits import check_folder_free
            from interp.language.methods import METHODS
            from interp.language.opening import open_language_model

        for name in settings.methods:
            choose("method", name, METHODS)
        if folder is not None:
            check_folder_free(folder, force)
        model = open_language_model(source, device=more["device"])
    report = audit_language(model, sequences, settings=settings, **more)
    if folder is not None:
        _save(model, report, folder, force)
    return replace(report, command=command)


def _save(model: LanguageModel, report: LanguageReport, folder: Path, force: bool) -> None:
    from interp.language.edits import gates_without, save_language_model

    holding = [group for group in report.groups if group.best is not None]
    chosen = sorted({int(unit) for group in holding for unit in group.removed})
    if not chosen:
        say("nothing is saved: no neurons were located whose removal takes a memory out", error=True)
        return
    kind = report.groups[0].scores.kind
    place = save_language_model(model, folder, gates_without(model, chosen, kind=kind), force=force)
    note(f"wrote {place}, without {len(chosen):,} {kind}")
