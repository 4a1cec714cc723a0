"""The options that several commands have in common."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.errors import ConfigError

if TYPE_CHECKING:
    from interp.checkpoints.options import OpenOptions

Source = Annotated[
    Path, typer.Argument(help="A checkpoint file, or a folder of them (its last one is used).")
]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, mps or auto.")]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of every random draw.")]
Draws = Annotated[int, typer.Option("--random", min=1, help="Random draws for each control.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; one for each processor if left out.")]
Engine = Annotated[str | None, typer.Option(help="local, or ray for a cluster.")]
RayAddress = Annotated[
    str | None, typer.Option(help="Of a running Ray cluster; one is started here if left out.")
]


def _unsaid(help: str) -> Any:
    return typer.Option(help=help, rich_help_panel="What the checkpoint does not say")


@dataclass(frozen=True)
class Opening:
    """One field for each option that says what a checkpoint does not say of itself."""

    dialect: Annotated[
        str | None, _unsaid("How the file is written: one of [bold]grokscope dialects[/bold].")
    ] = None
    activation: Annotated[str | None, _unsaid("The activation function: square, relu, gelu …")] = None
    attn_coeff: Annotated[float | None, _unsaid("c in the attention pattern c * softmax + 1 - c.")] = None
    task: Annotated[
        str | None, _unsaid("add, subtract, multiply, divide, or a polynomial such as 'a**2 + a*b'.")
    ] = None
    p: Annotated[int | None, _unsaid("The modulus.")] = None
    split_from: Annotated[Path | None, _unsaid("A file of the pairs that were trained on.")] = None
    table: Annotated[
        Path | None, _unsaid("A .parquet or .csv file of examples, labels and split, for any other task.")
    ] = None
    model: Annotated[
        str | None,
        _unsaid(
            "FILE.py:FUNCTION that builds your own module for these weights. Runs the code of that file."
        ),
    ] = None
    site: Annotated[
        list[str] | None,
        _unsaid(
            "The neurons: a hook name, also at one position, such as blocks.0.mlp.hook_post@2. With --model "
            "an input or output of a submodule, such as mlp.2:input; may be repeated, the last one is measured."
        ),
    ] = None
    tokens: Annotated[str | None, _unsaid("What --model reads for operands a and b, such as 'a b ='.")] = None
    readout: Annotated[
        int | None, _unsaid("The position that the answer of --model is read at; the last if left out.")
    ] = None
    ordering: Annotated[
        str | None,
        _unsaid(
            "The order to read neurons in: natural, log (discrete logarithm) or task, which is the default."
        ),
    ] = None

    @property
    def hook(self) -> str | None:
        """The one hook name to measure; None for the last of the model's sites.

        Raises:
            ConfigError: Several are named for a network that has them already.
        """
        if not self.site or self.model is not None:
            return None
        if len(self.site) > 1:
            raise ConfigError(f"--site is given {len(self.site)} times; only with --model it may be repeated")
        return self.site[0]

    def options(self) -> OpenOptions:
        """The same for `interp.checkpoints.open`.

        Raises:
            ConfigError: An option has no meaning beside, or without, --model.
        """
        from interp.checkpoints.options import OpenOptions

        if self.model is None:
            self._refuse("tokens", "readout", why="says how your own module is used; give --model too")
        else:
            why = "does not apply to your own module; leave it out, or --model"
            self._refuse("dialect", "activation", "attn_coeff", why=why)
        return OpenOptions(
            dialect=self.dialect,
            activation=self.activation,
            attn_coeff=self.attn_coeff,
            task=self.task,
            p=self.p,
            split_from=self.split_from,
            table=self.table,
            model=self.model,
            sites=tuple(self.site or ()) if self.model is not None else (),
            tokens=self.tokens,
            readout=-1 if self.readout is None else self.readout,
            ordering=self.ordering,
        )

    def _refuse(self, *names: str, why: str) -> None:
        for name in names:
            if getattr(self, name) is not None:
                raise ConfigError(f"{option(name)} {why}")


def option(name: str) -> str:
    """How a parameter is written on the command line.

    Example:
        >>> option("attn_coeff")
        '--attn-coeff'
    """
    return "--" + name.replace("_", "-")


def with_opening(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter `opening` is one option for each field of `Opening`."""
    fields = inspect.signature(Opening, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True)

    @wraps(command)
    def run(**given: Any) -> None:
        opening = Opening(**{name: given.pop(name) for name in fields})
        command(**given, opening=opening)

    kept = [parameter for name, parameter in own.parameters.items() if name != "opening"]
    merged = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*kept, *fields.values())]
    run.__signature__ = own.replace(parameters=merged)  # type: ignore[attr-defined]
    return run
