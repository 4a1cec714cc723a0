"""``grokscope train``: most of its options are the fields of the networks' and the training's settings."""

from __future__ import annotations

import inspect
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from interp.cli.console import note, say
from interp.cli.exit_codes import INTERRUPTED
from interp.cli.loading import loading
from interp.cli.options import Device, Seed, options_of, spelled
from interp.cli.places import folder
from interp.errors import ConfigError, choose
from interp.models.shapes import MLPConfig, TransformerConfig
from interp.training.settings import TrainConfig

EXAMPLES = (
    "grokscope train --out runs/r0 --corrupt 0.35",
    "grokscope train --out runs/bn --norm batch --batch-size 64 --train-fraction 0.65 --corrupt 0.2",
    "grokscope train --out runs/r0 --corrupt 0.35 --steps 2000",
    "grokscope train --out runs/t0 --model transformer --p 53 --train-fraction 0.8 --corrupt 0.1 --corrupt-labels "
    "wrong --weight-decay 2 --steps 3000",
)
SHAPES: dict[str, type[Any]] = {"mlp": MLPConfig, "transformer": TransformerConfig}
NORMS = {"mlp": ("none", "batch", "layer"), "transformer": ("none", "layer")}
HIDDEN = ("init_scale", "d_head", "bias", "norm", "seed")
"""Fields that are no options, or options of both kinds of network; a head is d-model / n-heads wide."""
TRAINED: dict[str, dict[str, Any]] = {
    "mlp": {"loss": TrainConfig.loss, "lr": TrainConfig.lr},
    "transformer": {"loss": "cross_entropy", "lr": 0.001, "tokens": "a b"},
}
SETTINGS: dict[str, dict[str, Any]] = {
    kind: TRAINED[kind] | {f.name: f.default for f in fields(shape) if f.name not in HIDDEN}
    for kind, shape in SHAPES.items()
}
"""For each kind of network its own settings and their defaults."""
FLAGS = {f.name: spelled(f) for shape in SHAPES.values() for f in fields(shape)} | {"tokens": "--tokens"}


def _of(panel: str, help: str, *names: str, default: str | None = None) -> Any:
    """An option in a panel of its own; `default` is shown where it depends on the kind of network."""
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=default or True)


def _either(name: str) -> str:
    """The default of a setting for each kind of network, in words."""
    return f"{SETTINGS['mlp'][name]}; transformer: {SETTINGS['transformer'][name]}"


def train(
    *,
    out: Annotated[
        Path, folder("The folder of the checkpoint series; what is there is continued, to the bit.")
    ],
    task: Annotated[
        str,
        _of(
            "Task",
            "add, subtract, multiply, divide, a polynomial such as 'a**2 + a*b', a group such as group:S4 or "
            "group:Z2xZ4, or table:FILE with an n × n table of results.",
        ),
    ] = "add",
    p: Annotated[
        int | None, _of("Task", "The modulus; not of a group or a table, which have their own.", default="97")
    ] = None,
    train_fraction: Annotated[float, _of("Task", "Share of all pairs that is trained on.")] = 0.5,
    corrupt: Annotated[float, _of("Task", "Share of the training labels that is redrawn.")] = 0.0,
    corrupt_labels: Annotated[
        str, _of("Task", "Redraw over 'all' labels or only over 'wrong' ones.")
    ] = "all",
    model: Annotated[str, _of("Network", "mlp or transformer.")] = "mlp",
    activation: Annotated[
        str | None,
        _of("Network", "square, relu, gelu, silu, tanh or abs.", default=_either("activation")),
    ] = None,
    bias: Annotated[bool, _of("Network", "Add biases.", "--bias")] = False,
    norm: Annotated[
        str, _of("Network", "none or layer; in an mlp also batch, and after the activation.")
    ] = "none",
    seed: Seed = 0,
    device: Device = "cpu",
    tokens: Annotated[
        str | None,
        _of("Only with --model transformer", "What it reads for operands a and b: 'a b ='.", default="a b"),
    ] = None,
    **settings: Any,
) -> None:
    """Train a network and save a checkpoint series.

    Killed at any moment, the same command goes on; Ctrl-C stops after the current step with a checkpoint.
    """
    from interp.data.operations import MODULUS, check_operation, own_modulus, table_file

    if table_file(task) is None:
        p = p if p is not None else own_modulus(task) or MODULUS
        check_operation(task, p)
    training = {
        f.name: settings.pop(f.name) for f in fields(TrainConfig) if f.name not in (*HIDDEN, "loss", "lr")
    }
    chosen = settings_of(model, {**settings, "activation": activation, "tokens": tokens})
    loss = chosen["loss"].replace("-", "_")
    config = TrainConfig(**training, loss=loss, lr=chosen["lr"], seed=seed)
    network = _network(model, chosen, norm, bias)

    with loading():
        from interp.checkpoints.result_tables import task_of
        from interp.training import train as train_network

    split = {"train_fraction": train_fraction, "corrupt_fraction": corrupt, "corrupt": corrupt_labels}
    result = train_network(
        task_of(task, p, **split, seed=seed),
        network,
        config,
        tokens=chosen.get("tokens"),
        out=out,
        resume=True,
        device=device,
    )
    if result.step < training["steps"]:
        say(
            f"stopped at step {result.step} of {training['steps']}; the checkpoint in {str(out)!r} is complete, "
            "the same command continues",
            error=True,
        )
        raise typer.Exit(INTERRUPTED)
    accuracy = result.history[-1]["accuracy"]
    shown = "  ".join(f"{split} {value:.3f}" for split, value in accuracy.items() if value is not None)
    say(f"step {result.step}: {shown}")
    note(f"checkpoints in {out}")
    note(f"next: grokscope audit {shlex.quote(str(out))}", whole=True)


def _signature() -> inspect.Signature:
    """Of `train`, with an option for each of the settings in place of ``**settings``."""
    own = inspect.signature(train, eval_str=True)
    *fixed, tokens, _ = own.parameters.values()
    shapes = []
    for kind, shape in SHAPES.items():
        shown = {name: value is not False and str(value) for name, value in SETTINGS[kind].items()}
        hidden = (*HIDDEN, "activation")
        shapes.append(options_of(shape, f"Only with --model {kind}", hidden=hidden, unset=shown))
    shown = {name: _either(name) for name in ("loss", "lr")}
    training = options_of(TrainConfig, "Training", hidden=HIDDEN, unset=shown)
    return own.replace(parameters=[*fixed, *shapes[0], tokens, *shapes[1], *training])


train.__signature__ = _signature()  # type: ignore[attr-defined]


def settings_of(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """The settings that a network of some kind is built and trained with, of options of all kinds, None if left out.

    Raises:
        ConfigError: The kind is unknown, or an option of another kind was given.

    Example:
        >>> settings_of("mlp", {"width": 60, "tokens": None})["width"]
        60
    """
    own = SETTINGS[choose("model", kind, SETTINGS)]
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if name not in own:
            other = next(k for k, known in SETTINGS.items() if name in known)
            raise ConfigError(
                f"{FLAGS[name]} is an option of --model {other}; leave it out of --model {kind}"
            )
    return own | given


def _network(kind: str, chosen: dict[str, Any], norm: str, bias: bool) -> MLPConfig | TransformerConfig:
    choose("norm", norm, NORMS[kind])
    shape = {f.name: chosen[f.name] for f in fields(SHAPES[kind]) if f.name in chosen}
    if kind == "transformer":
        width, heads = chosen["d_model"], chosen["n_heads"]
        if heads > 0 and width % heads:
            raise ConfigError(
                f"--d-model {width} does not divide into {heads} heads; choose a multiple of --n-heads"
            )
        shape["d_head"] = width // max(heads, 1)
    return SHAPES[kind](**shape, norm=norm, bias=bias)
