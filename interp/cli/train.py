"""``grokscope train``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.console import say
from interp.cli.options import Device, Seed, option
from interp.errors import ConfigError, choose

if TYPE_CHECKING:
    from interp.models import MLPConfig, TransformerConfig
    from interp.training import TrainResult

EXAMPLES = (
    "grokscope train runs/r0 --corrupt 0.35",
    "grokscope train runs/bn --norm batch --batch-size 64 --train-fraction 0.65 --corrupt 0.2",
    "grokscope train runs/r0 --corrupt 0.35 --steps 2000 --resume",
    "grokscope train runs/t0 --model transformer --p 53 --train-fraction 0.8 --corrupt 0.1 --corrupt-labels wrong "
    "--weight-decay 2 --steps 3000",
)
SETTINGS: dict[str, dict[str, Any]] = {
    "mlp": {
        "activation": "square",
        "loss": "mse",
        "lr": 0.01,
        "width": 500,
        "depth": 2,
        "tied": False,
        "dropout": 0.0,
    },
    "transformer": {
        "activation": "relu",
        "loss": "cross_entropy",
        "lr": 0.001,
        "tokens": "a b",
        "d_model": 128,
        "n_heads": 4,
        "layers": 1,
        "d_mlp": 512,
        "causal": False,
        "attn_coeff": 1.0,
    },
}
"""For each kind of network the options that it has and what they are if left out."""
NORMS = {"mlp": ("none", "batch", "layer"), "transformer": ("none", "layer")}


def _of(panel: str, help: str, *names: str, default: str | None = None) -> Any:
    """An option in a panel of its own; `default` is shown where it depends on the kind of network."""
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=default or True)


def _only(kind: str, name: str, help: str) -> Any:
    """An option that only one kind of network has."""
    default = SETTINGS[kind][name]
    shown = False if default is False else str(default)
    return typer.Option(
        option(name), help=help, rich_help_panel=f"Only with --model {kind}", show_default=shown
    )


_task, _net, _run = (partial(_of, panel) for panel in ("Task", "Network", "Training"))
_mlp, _transformer = (partial(_only, kind) for kind in SETTINGS)


def train(
    out: Annotated[Path, typer.Argument(help="Folder for the checkpoint series.")],
    task: Annotated[
        str, _task("add, subtract, multiply, divide, or a polynomial such as 'a**2 + a*b'.")
    ] = "add",
    p: Annotated[int, _task("The modulus.")] = 97,
    train_fraction: Annotated[float, _task("Share of all pairs that is trained on.")] = 0.5,
    corrupt: Annotated[float, _task("Share of the training labels that is redrawn.")] = 0.0,
    corrupt_labels: Annotated[str, _task("Redraw over 'all' labels or only over 'wrong' ones.")] = "all",
    model: Annotated[str, _net("mlp or transformer.")] = "mlp",
    activation: Annotated[
        str | None, _net("square, relu, gelu, silu, tanh or abs.", default="square; transformer: relu")
    ] = None,
    bias: Annotated[bool, _net("Add biases.", "--bias")] = False,
    norm: Annotated[str, _net("none or layer; in an mlp also batch, and after the activation.")] = "none",
    width: Annotated[int | None, _mlp("width", "Neurons in a hidden layer.")] = None,
    depth: Annotated[int | None, _mlp("depth", "Layers of weights; 2 has one hidden layer.")] = None,
    tied: Annotated[bool | None, _mlp("tied", "Share one input matrix between both operands.")] = None,
    dropout: Annotated[float | None, _mlp("dropout", "Before the activation.")] = None,
    tokens: Annotated[
        str | None, _transformer("tokens", "What it reads for operands a and b: 'a b ='.")
    ] = None,
    d_model: Annotated[int | None, _transformer("d_model", "Width of the residual stream.")] = None,
    n_heads: Annotated[
        int | None, _transformer("n_heads", "Attention heads, d-model / n-heads wide.")
    ] = None,
    layers: Annotated[int | None, _transformer("layers", "Blocks of attention and neurons.")] = None,
    d_mlp: Annotated[int | None, _transformer("d_mlp", "Neurons in a layer.")] = None,
    causal: Annotated[bool | None, _transformer("causal", "Attend to earlier positions only.")] = None,
    attn_coeff: Annotated[
        float | None, _transformer("attn_coeff", "c in the attention pattern c * softmax + 1 - c.")
    ] = None,
    loss: Annotated[
        str | None, _run("mse or cross_entropy.", default="mse; transformer: cross_entropy")
    ] = None,
    optimizer: Annotated[str, _run("adamw or sgd.")] = "adamw",
    lr: Annotated[float | None, _run("Learning rate.", default="0.01; transformer: 0.001")] = None,
    weight_decay: Annotated[float, _run("Decoupled weight decay.")] = 0.0,
    warmup: Annotated[int, _run("Steps of linear warm-up.")] = 0,
    batch_size: Annotated[int, _run("0 for the whole training set.")] = 0,
    steps: Annotated[int, _run("Training steps; 0 saves the untrained network.")] = 1000,
    save_every: Annotated[int, _run("Steps between checkpoints; 0 for the last one only.")] = 100,
    log_every: Annotated[int, _run("Steps between measurements.")] = 10,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the series in OUT, to the bit.")] = False,
    device: Device = "cpu",
) -> None:
    """Train a network and save a checkpoint series.

    Killed at any moment it can be resumed with --resume; Ctrl-C stops after the current step with a checkpoint.
    """
    given = {"activation": activation, "loss": loss, "lr": lr}
    given |= {"width": width, "depth": depth, "tied": tied, "dropout": dropout}
    given |= {"tokens": tokens, "d_model": d_model, "n_heads": n_heads, "layers": layers}
    chosen = settings_of(model, given | {"d_mlp": d_mlp, "causal": causal, "attn_coeff": attn_coeff})
    network = _network(model, chosen, norm, bias)

    from interp.data import ModularTask
    from interp.training import TrainConfig
    from interp.training import train as train_network

    result = train_network(
        ModularTask(task, p, train_fraction, corrupt, corrupt_labels, seed),
        network,
        TrainConfig(
            steps,
            chosen["lr"],
            weight_decay,
            optimizer,
            chosen["loss"].replace("-", "_"),
            batch_size,
            warmup,
            save_every,
            log_every,
            seed,
        ),
        tokens=chosen.get("tokens"),
        out=out,
        resume=resume,
        device=device,
    )
    _print_result(result, steps, out)


def settings_of(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """What a network of some kind is made and trained with.

    Args:
        kind: ``"mlp"`` or ``"transformer"``.
        given: Options of all kinds; None for those left out.

    Raises:
        ConfigError: The kind is unknown, or an option of another kind was given.

    Example:
        >>> settings_of("mlp", {"width": 60, "tokens": None})["width"]
        60
    """
    own = SETTINGS[choose("model", kind, SETTINGS)]
    for name, value in given.items():
        if value is not None and name not in own:
            other = next(k for k, known in SETTINGS.items() if name in known)
            raise ConfigError(
                f"{option(name)} is an option of --model {other}; leave it out of --model {kind}"
            )
    return own | {name: value for name, value in given.items() if value is not None}


def _network(kind: str, chosen: dict[str, Any], norm: str, bias: bool) -> MLPConfig | TransformerConfig:
    """The shape of the network that the options describe."""
    from interp.models import MLPConfig, TransformerConfig

    choose("norm", norm, NORMS[kind])
    activation = chosen["activation"]
    if kind == "mlp":
        shape = chosen["width"], chosen["depth"], activation, chosen["tied"], bias, chosen["dropout"], norm
        return MLPConfig(*shape)
    width, heads = chosen["d_model"], chosen["n_heads"]
    if heads > 0 and width % heads:
        raise ConfigError(
            f"--d-model {width} does not divide into {heads} heads; choose a multiple of --n-heads"
        )
    return TransformerConfig(
        d_model=width,
        n_heads=heads,
        d_head=width // max(heads, 1),
        d_mlp=chosen["d_mlp"],
        n_layers=chosen["layers"],
        activation=activation,
        norm=norm,
        causal=chosen["causal"],
        attn_coeff=chosen["attn_coeff"],
        bias=bias,
    )


def _print_result(result: TrainResult, steps: int, out: Path) -> None:
    if result.step < steps:
        say(
            f"stopped at step {result.step} of {steps}; the checkpoint in {str(out)!r} is complete, --resume continues",
            error=True,
        )
        raise typer.Exit(130)
    accuracy = result.history[-1]["accuracy"]
    shown = "  ".join(f"{split} {value:.3f}" for split, value in accuracy.items() if value is not None)
    say(f"step {result.step}: {shown}")
    say(f"checkpoints in {out}; next: grokscope audit {out}")
