"""``grokscope unlearn``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from interp.cli.console import busy, say
from interp.cli.options import Device, Draws, Opening, Seed, Source, with_opening
from interp.errors import ConfigError

if TYPE_CHECKING:
    from interp.analysis.unlearning import Method, Unlearning

EXAMPLES = (
    "grokscope unlearn runs/r0 --save unlearnt.safetensors",
    "grokscope unlearn runs/r0 --save unlearnt.safetensors --compare",
    "grokscope unlearn runs/r0 --compare --steps 300 --json unlearning.json",
)
COLUMNS = ("corrupted_as_labelled", "corrupted_as_true", "test")


@with_opening
def unlearn(
    checkpoint: Source,
    *,
    opening: Opening,
    save: Annotated[
        Path | None, typer.Option(help="Write the network without its memorizing neurons.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that --save would meet.")] = False,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Train the network again, with weight decay and with batch norm."),
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=0, help="Steps of --compare; as many as the checkpoint had if left out.")
    ] = None,
    weight_decay: Annotated[float, typer.Option(help="Of --compare.")] = 15.0,
    batch_size: Annotated[int, typer.Option(min=2, help="Of --compare with batch norm.")] = 64,
    json: Annotated[Path | None, typer.Option(help="Write the findings as JSON.")] = None,
    random: Draws = 20,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Take the memorizing neurons out, so that corrupted labels are forgotten, and measure every split again.

    With --compare the same network is also trained again in two ways that keep it from memorising.
    """
    from interp.analysis.unlearning import compare_unlearning
    from interp.files import write_json
    from interp.report import print_removal

    if json is not None and json.suffix != ".json":
        raise ConfigError(f"the findings {str(json)!r} should end in .json")
    if steps is not None and not compare:
        raise ConfigError("--steps are those of --compare; give --compare too, or leave --steps out")
    with busy("scoring"):
        found = compare_unlearning(
            checkpoint,
            options=opening.options(),
            save=save,
            overwrite=force,
            retrain=compare,
            steps=steps,
            weight_decay=weight_decay,
            batch_size=batch_size,
            site=opening.hook,
            n_random=random,
            seed=seed,
            device=device,
        )
    print_removal(found.removal, "without memorizing neurons", Console())
    if compare:
        _print_methods(found)
    if found.saved is not None:
        say(f"wrote {found.saved}")
    if json is not None:
        say(f"wrote {write_json(json, found.to_dict())}")


def _print_methods(found: Unlearning) -> None:
    from rich import box
    from rich.table import Table

    table = Table(title="Ways to unlearn", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("method", "labelled", "true", "test", "alive", "seconds"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for method in found.methods:
        table.add_row(*_row(method))
    Console().print(table)


def _row(method: Method) -> list[str]:
    from interp.markup import percentage

    shares = [percentage(method.accuracy[split]) for split in COLUMNS]
    return [
        method.name,
        *shares,
        str(method.alive),
        "–" if method.seconds is None else f"{method.seconds:.1f}",
    ]
