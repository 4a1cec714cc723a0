"""The command line: parse, call one function, print. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from interp.errors import ConfigError, GrokscopeError

if TYPE_CHECKING:
    from interp.audit import AuditReport
    from interp.checkpoints import Checkpoint

app = typer.Typer(
    name="grokscope",
    help="Find out whether a trained network understood a rule or memorised its examples, neuron by neuron.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Source = Annotated[
    Path, typer.Argument(help="A checkpoint file, or a folder of them (its last one is used).")
]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, mps or auto.")]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of every random draw.")]
Site = Annotated[str | None, typer.Option(help="Hook name of the neurons, e.g. blocks.0.mlp.hook_post.")]
Draws = Annotated[int, typer.Option("--random", min=1, help="Random draws for each control.")]


def _examples(*lines: str) -> str:
    return "[bold]Examples[/bold]\n\n" + "\n\n".join(f"  {line}" for line in lines)


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


@app.command(
    epilog=_examples("grokscope demo", "grokscope demo --out runs/demo --steps 2000 --weight-decay 15"),
)
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the network and its reports.")] = Path(
        "grokscope-demo"
    ),
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 1000,
    weight_decay: Annotated[float, typer.Option(help="Above 5 the corrupted labels are unlearnt.")] = 0.0,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Train the paper's network on corrupted labels, then audit it: a minute on two cores.

    The network learns addition modulo 97 with 35 % of its training labels redrawn at random. Run again, the demo
    takes up the trained network.
    """
    from interp.demo import demo as run_demo

    try:
        report = run_demo(out, steps=steps, weight_decay=weight_decay, seed=seed, device=device)
    except KeyboardInterrupt:
        message = f"stopped; the checkpoints in {str(out)!r} are complete, the same command continues"
        Console(stderr=True).print(escape(message), highlight=False)
        raise typer.Exit(130) from None
    _show(report, out / "report.html", out / "report.json")


@app.command(
    epilog=_examples(
        "grokscope train runs/r0 --corrupt 0.35",
        "grokscope train runs/bn --norm batch --batch-size 64 --train-fraction 0.65 --corrupt 0.2",
        "grokscope train runs/r0 --corrupt 0.35 --steps 2000 --resume",
    ),
)
def train(
    out: Annotated[Path, typer.Argument(help="Folder for the checkpoint series.")],
    task: Annotated[
        str, typer.Option(help="add, subtract, multiply, divide, or a polynomial such as 'a**2 + a*b'.")
    ] = "add",
    p: Annotated[int, typer.Option(help="The modulus.")] = 97,
    train_fraction: Annotated[float, typer.Option(help="Share of all pairs that is trained on.")] = 0.5,
    corrupt: Annotated[float, typer.Option(help="Share of the training labels that is redrawn.")] = 0.0,
    corrupt_labels: Annotated[
        str, typer.Option(help="Redraw over 'all' labels or only over 'wrong' ones.")
    ] = "all",
    width: Annotated[int, typer.Option(help="Neurons in a hidden layer.")] = 500,
    depth: Annotated[int, typer.Option(help="Layers of weights; 2 has one hidden layer.")] = 2,
    activation: Annotated[str, typer.Option(help="square, relu, gelu, silu, tanh or abs.")] = "square",
    tied: Annotated[bool, typer.Option(help="Share one input matrix between both operands.")] = False,
    bias: Annotated[bool, typer.Option(help="Add biases.")] = False,
    dropout: Annotated[float, typer.Option(help="Before the activation.")] = 0.0,
    norm: Annotated[str, typer.Option(help="After the activation: none, batch or layer.")] = "none",
    loss: Annotated[str, typer.Option(help="mse or cross_entropy.")] = "mse",
    optimizer: Annotated[str, typer.Option(help="adamw or sgd.")] = "adamw",
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 0.01,
    weight_decay: Annotated[float, typer.Option(help="Decoupled weight decay.")] = 0.0,
    warmup: Annotated[int, typer.Option(help="Steps of linear warm-up.")] = 0,
    batch_size: Annotated[int, typer.Option(help="0 for the whole training set.")] = 0,
    steps: Annotated[int, typer.Option(help="Training steps; 0 saves the untrained network.")] = 1000,
    save_every: Annotated[
        int, typer.Option(help="Steps between checkpoints; 0 for the last one only.")
    ] = 100,
    log_every: Annotated[int, typer.Option(help="Steps between measurements.")] = 10,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the series in OUT, to the bit.")] = False,
    device: Device = "cpu",
) -> None:
    """Train a network and save a checkpoint series.

    Killed at any moment it can be resumed with --resume; Ctrl-C stops after the current step with a checkpoint.
    """
    from interp.data import ModularTask
    from interp.models import MLPConfig
    from interp.training import TrainConfig
    from interp.training import train as train_network

    result = train_network(
        ModularTask(task, p, train_fraction, corrupt, corrupt_labels, seed),
        MLPConfig(width, depth, activation, tied, bias, dropout, norm),
        TrainConfig(
            steps,
            lr,
            weight_decay,
            optimizer,
            loss.replace("-", "_"),
            batch_size,
            warmup,
            save_every,
            log_every,
            seed,
        ),
        out=out,
        resume=resume,
        device=device,
    )
    _stop_if_interrupted(result.step, steps, out)
    console = Console()
    console.print(f"step {result.step}:", _accuracy_line(result.history[-1]["accuracy"]), highlight=False)
    console.print(
        f"checkpoints in {escape(str(out))}; next: grokscope audit {escape(str(out))}", highlight=False
    )


@app.command(
    epilog=_examples(
        "grokscope score runs/r0",
        "grokscope score runs/r0 --save neurons.parquet",
        "grokscope score runs/r0 --sort memory_effect --top 25",
    ),
)
def score(
    checkpoint: Source,
    save: Annotated[Path | None, typer.Option(help="Write all columns to a .parquet or .csv file.")] = None,
    sort: Annotated[str, typer.Option(help="Column to sort the shown neurons by, highest first.")] = "ipr",
    top: Annotated[int, typer.Option(min=0, help="How many neurons to show.")] = 10,
    site: Site = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Score and label every neuron."""
    from rich.table import Table

    from interp.scoring import order_by
    from interp.scoring import score as score_neurons

    opened = _open(checkpoint, device)
    with _busy("scoring"):
        table = score_neurons(opened.model, opened.task, site=site, seed=seed)
    chosen = order_by(table, sort, descending=True)[:top]
    console = Console()
    shown = Table(
        title=f"{table.site_name}: " + ", ".join(f"{n} {label}" for label, n in table.counts().items())
    )
    shown_columns = list(dict.fromkeys([sort, "ipr", "frequency", "q_value"]))
    for name in ("neuron", "label", *shown_columns, "evidence"):
        shown.add_column(name.replace("_", " "), overflow="fold")
    for row in chosen:
        values = [f"{table[name][row]:.3g}" for name in shown_columns]
        shown.add_row(str(row), table["label"][row], *values, escape(table["evidence"][row]))
    console.print(shown)
    if save is not None:
        console.print(f"wrote {escape(str(table.save(save)))}", highlight=False)


@app.command(
    epilog=_examples(
        "grokscope ablate runs/r0 --neurons label:memorizing",
        "grokscope ablate runs/r0 --neurons lowest:0.7 --mode mean",
        "grokscope ablate runs/r0 --neurons @neurons.txt --mode scale=0.25 --save edited.safetensors",
    ),
)
def ablate(
    checkpoint: Source,
    neurons: Annotated[
        str, typer.Option(help="label:NAME, lowest:SHARE or highest:SHARE by IPR, or @FILE with indices.")
    ] = "label:memorizing",
    mode: Annotated[str, typer.Option(help="zero, mean, resample or scale=FACTOR.")] = "zero",
    save: Annotated[Path | None, typer.Option(help="Write the network with the edit in its weights.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that --save would meet.")] = False,
    random: Draws = 20,
    site: Site = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Take neurons out, or rescale them, and measure every split again, beside random sets of the same size."""
    from interp.ablation import ablate_checkpoint
    from interp.report import print_removal

    with _busy("scoring"):
        found = ablate_checkpoint(
            checkpoint,
            neurons,
            mode,
            save=save,
            overwrite=force,
            site=site,
            n_random=random,
            seed=seed,
            device=device,
        )
    console = Console()
    print_removal(found, f"{neurons}, {mode}", console)
    if save is not None:
        console.print(f"wrote {escape(str(save.with_suffix('.safetensors')))}", highlight=False)


@app.command(
    epilog=_examples(
        "grokscope audit runs/r0",
        "grokscope audit runs/r0 --html report.html --json report.json",
        "grokscope audit runs/r0 --fail-if 'neurons.memorizing > 0.1*neurons.total'",
    ),
)
def audit(
    checkpoint: Source,
    html: Annotated[Path | None, typer.Option(help="Write a page that works offline.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the findings as JSON.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the findings as Markdown.")] = None,
    fail_if: Annotated[
        str | None,
        typer.Option(help="Exit with 1 if this holds of the JSON's values, e.g. 'accuracy.test < .9'."),
    ] = None,
    alpha: Annotated[float, typer.Option(help="False-discovery rate of the labels.")] = 0.01,
    min_share: Annotated[
        float, typer.Option(help="Variance one frequency must explain in a periodic neuron.")
    ] = 0.5,
    random: Draws = 20,
    site: Site = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Say what a network learnt and which neurons do it, with the evidence.

    Exit codes: 0 done, 1 the --fail-if condition holds, 2 something is wrong with the input.
    """
    from interp.audit import audit as audit_network
    from interp.expressions import check_syntax, condition
    from probes.labels import Criteria

    _check_suffixes(html=html, json=json, md=markdown)
    if fail_if is not None:
        check_syntax(fail_if)
    try:
        criteria = Criteria(alpha=alpha, min_share=min_share)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    with _busy("auditing"):
        report = audit_network(
            checkpoint, site=site, criteria=criteria, n_random=random, seed=seed, device=device
        )
    _show(report, html, json, markdown)
    if fail_if is not None and condition(fail_if, report.flat()):
        Console(stderr=True).print(f"[red]failed:[/red] {escape(str(fail_if))}", highlight=False)
        raise typer.Exit(1)


def _check_suffixes(**paths: Path | None) -> None:
    """Refuse, before any work is done, a report whose name does not end in its kind."""
    for suffix, path in paths.items():
        if path is not None and path.suffix != f".{suffix}":
            raise ConfigError(f"the report {str(path)!r} should end in .{suffix}")


def _show(report: AuditReport, *paths: Path | None) -> None:
    from interp.report import print_report

    console = Console()
    print_report(report, console)
    for path in paths:
        if path is not None:
            console.print(f"wrote {escape(str(report.save(path)))}", highlight=False)


def _busy(doing: str) -> AbstractContextManager[object]:
    """A spinner on standard error while something takes seconds; nothing in a pipe."""
    console = Console(stderr=True)
    return console.status(f"{doing} …") if console.is_terminal else nullcontext()


def _open(checkpoint: Path, device: str) -> Checkpoint:
    from dataclasses import replace

    from interp.checkpoints import load_checkpoint
    from interp.devices import resolve_device

    opened = load_checkpoint(checkpoint)
    return replace(opened, model=opened.model.to(resolve_device(device)))


def _accuracy_line(accuracy: dict[str, float | None]) -> str:
    return "  ".join(f"{split} {value:.3f}" for split, value in accuracy.items() if value is not None)


def _stop_if_interrupted(step: int, steps: int, out: Path) -> None:
    if step < steps:
        message = f"stopped at step {step} of {steps}; the checkpoint in {str(out)!r} is complete, --resume continues"
        Console(stderr=True).print(escape(message), highlight=False)
        raise typer.Exit(130)


def main() -> None:
    """Run the command line; errors that the user can put right are one line and exit code 2."""
    try:
        app()
    except GrokscopeError as error:
        Console(stderr=True).print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
