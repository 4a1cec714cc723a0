"""Options of commands: those that several have in common, and those that are made of a dataclass's fields."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, fields
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from interp.checkpoints.options import OpenOptions, check_source
from interp.cli import completion
from interp.cli.language import check_kind
from interp.errors import ConfigError
from interp.memory import limited, parse_amount


def _checked(help: str, check: Callable[[Any], Any], offer: Callable[[str], list[str]] | None = None) -> Any:
    """An option whose value is checked when the command line is read, and that the shell completes from an offer."""

    def callback(value: Any) -> Any:
        if value is not None:
            check(value)
        return value

    return typer.Option(help=help, callback=callback, autocompletion=offer)


def _imported(module: str, name: str) -> Callable[[str], Any]:
    return lambda text: getattr(import_module(module), name)(text)


def _check_neurons(text: str) -> None:
    from interp.selectors import parse_neurons
    from probes.labels import LABELS

    parse_neurons(text, LABELS)


def _check_rate(lr: float) -> None:
    from interp.training.settings import TrainConfig

    TrainConfig(lr=lr)


Source = Annotated[
    Path, typer.Argument(help="A checkpoint file, or a folder of them (its last one is used).")
]
Neurons = Annotated[
    str,
    _checked(
        "label:NAME ({labels}), lowest:SHARE or highest:SHARE by periodicity, those that hold most memories "
        "(memory-set, attribution:SHARE, flip or mask), indices such as 3,5-9, or @FILE with them.",
        _check_neurons,
        completion.neurons,
    ),
]
Mode = Annotated[str, _checked("{modes}.", _imported("interp.modes", "parse_mode"), completion.modes)]
During = Annotated[
    str | None,
    _checked(
        "Only at these steps of a site with time (positions of a transformer), from 0: 4-9, 4-, -9 or 0,3,5-7.",
        _imported("interp.time_scope", "check_steps"),
    ),
]
FailIf = Annotated[
    str | None,
    _checked(
        "Exit with 1 if this holds of the JSON's values, e.g. 'accuracy.test < .9'.",
        _imported("interp.expressions", "check_syntax"),
    ),
]
Memory = Annotated[
    str | None,
    _checked(
        "Memory for arrays that can be computed in blocks instead, such as 2GiB; a quarter of what is free if left "
        "out. What needs more than this is refused.",
        lambda text: parse_amount(text, "--memory"),
    ),
]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, mps or auto.")]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of every random draw.")]
Since = Annotated[
    Path | None,
    typer.Option(
        help="An earlier checkpoint of the same training, from which the neurons' drift is measured."
    ),
]
Draws = Annotated[int, typer.Option("--random", min=1, help="Random draws for each control.")]
RelearnSteps = Annotated[
    int | None,
    typer.Option(
        "--relearn",
        min=1,
        metavar="STEPS",
        help="Let it learn the removed memories again, for at most so many steps, beside other labels.",
    ),
]
RelearnRate = Annotated[
    float | None,
    _checked("Learning rate of --relearn; that of the training, or 0.01, if left out.", _check_rate),
]


def check_relearning(steps: int | None, lr: float | None) -> None:
    """Raise a `ConfigError` for a learning rate without steps to relearn in."""
    if lr is not None and steps is None:
        raise ConfigError(f"--relearn-lr {lr:g} is used with --relearn only; give --relearn STEPS too")


Workers = Annotated[int | None, typer.Option(min=1, help="Processes; one for each processor if left out.")]
Engine = Annotated[str | None, typer.Option(help="local, or ray for a cluster.")]
RayAddress = Annotated[
    str | None, typer.Option(help="Of a running Ray cluster; one is started here if left out.")
]


def fill_help(command: Any) -> None:
    """Write into a command's help the names that it leaves open, when it is asked for: they are data elsewhere."""
    for parameter in command.params:
        help = getattr(parameter, "help", None) or ""
        if "{modes}" in help:
            from interp.modes import spelled_modes

            *others, last = spelled_modes()
            parameter.help = help.replace("{modes}", f"{', '.join(others)} or {last}")
        if "{labels}" in help:
            from probes.labels import LABELS

            parameter.help = help.replace("{labels}", ", ".join(LABELS))


def option(name: str) -> str:
    """The spelling of a parameter on the command line.

    Example:
        >>> option("attn_coeff")
        '--attn-coeff'
    """
    return "--" + name.replace("_", "-")


def spelled(field: Field[Any]) -> str:
    """The option for a field; its own name, unless its metadata gives another. What is done by default has a no."""
    plain = option(field.name)
    own = f"{plain}/--no-{plain[2:]}" if field.default is True else plain
    return field.metadata.get("option", own)


def explanations(config: type) -> dict[str, str]:
    """The sentences of a docstring's ``Args`` by name.

    Example:
        >>> class Config:
        ...     '''Settings.
        ...
        ...     Args:
        ...         width: Neurons in
        ...             each layer.
        ...         steps: Updates.
        ...     '''
        >>> explanations(Config)
        {'width': 'Neurons in each layer.', 'steps': 'Updates.'}
    """
    block = (inspect.getdoc(config) or "").partition("Args:\n")[2].split("\n\n")[0]
    entries = re.split(r"^ {4}(?=\w+: )", block, flags=re.MULTILINE)[1:]
    pairs = (" ".join(entry.split()).split(": ", 1) for entry in entries)
    return {entry[0]: entry[1] for entry in pairs}


def options_of(
    config: type, panel: str, *, hidden: Collection[str] = (), unset: Mapping[str, Any] | None = None
) -> list[inspect.Parameter]:
    """One option for each field of a dataclass, explained by its metadata's ``help`` or else its docstring.

    Args:
        panel: The heading above the options in the help.
        hidden: Fields that have no option.
        unset: Fields that are None if not given, with the default that the help shows instead.
    """
    hints, explained = get_type_hints(config), explanations(config)
    parameters = []
    for field in (field for field in fields(config) if field.name not in hidden):
        help = field.metadata.get("help") or explained[field.name]
        bold = re.sub(r"``(.+?)``", r"[bold]\1[/bold]", help)
        words = re.sub(r"`(\w+)`", lambda match: option(match[1]), bold)
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        hint, shown = _plain(hints[field.name]), True
        if unset and field.name in unset:
            default, hint, shown = None, hint | None, unset[field.name]
        offer = completion.OF_FIELDS.get(field.name) if config is OpenOptions else None
        shape = typer.Option(
            spelled(field), help=words, rich_help_panel=panel, show_default=shown, autocompletion=offer
        )
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(
            inspect.Parameter(field.name, kind, default=default, annotation=Annotated[hint, shape])
        )
    return parameters


def _plain(hint: Any) -> Any:
    """A type that Typer knows: tuples are given by repeating the option, paths as paths."""
    if get_origin(hint) is tuple:
        return list[get_args(hint)[0]]  # type: ignore[misc]
    return Path | None if Path in get_args(hint) else hint


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command with one option for each field of `OpenOptions`, checked before PyTorch is loaded.

    The command takes them as `options`, and as `site` the one hook name to measure; it runs within ``--memory``. With a
    parameter `checkpoint`, that is checked too; with `sequences` besides, it may be a language model, for which these
    options mean nothing.
    """
    own = inspect.signature(command, eval_str=True).parameters
    opening = options_of(OpenOptions, "What the checkpoint does not say")

    @wraps(command)
    def run(**given: Any) -> None:
        memory = given.pop("memory")
        options, site = _open_options({parameter.name: given.pop(parameter.name) for parameter in opening})
        if {"sequences", "checkpoint"} <= set(own):
            check_kind(given["checkpoint"], given["sequences"], options, site)
        if given.get("checkpoint") is not None and given.get("sequences") is None:
            check_source(given["checkpoint"], options)
        with limited(memory):
            command(**given, options=options, site=site)

    kept = [parameter for name, parameter in own.items() if name not in ("options", "site")]
    limit = inspect.Parameter("memory", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Memory)
    merged = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*kept, limit, *opening)
    ]
    run.__signature__ = inspect.Signature(merged)  # type: ignore[attr-defined]
    return run


def _open_options(given: dict[str, Any]) -> tuple[OpenOptions, str | None]:
    """The options, and the one hook name to measure in a network that has its sites already."""
    sites = tuple(given.pop("sites") or ())
    if given["model"] is not None:
        return OpenOptions(**given, sites=sites), None
    if len(sites) > 1:
        raise ConfigError(f"--site is given {len(sites)} times; only with --model it may be repeated")
    return OpenOptions(**given), sites[0] if sites else None
