"""``grokscope unlearn``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interp.checkpoints.options import OpenOptions
from interp.cli.console import note, print_table, say, standard, write_numbers
from interp.cli.loading import loading
from interp.cli.options import Device, Draws, Seed, Source, with_options
from interp.cli.places import Force, Json, Save
from interp.errors import ConfigError
from interp.progress import progress

if TYPE_CHECKING:
    from interp.analysis.forgetting import ForgettingCheck

EXAMPLES = (
    "grokscope unlearn runs/r0 --save unlearnt.safetensors",
    "grokscope unlearn runs/r0 --save unlearnt.safetensors --compare",
    "grokscope unlearn runs/r0 --compare --steps 300 --json unlearning.json",
    "grokscope unlearn runs/r0 --check-forgetting",
    "grokscope unlearn before.pt --against after.pt --model net.py:build --site fc2:input --table data.csv",
)
COLUMNS = ("corrupted_as_labelled", "corrupted_as_true", "test")


@with_options
def unlearn(
    checkpoint: Source,
    *,
    options: OpenOptions,
    site: str | None,
    save: Save = None,
    force: Force = False,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Train the network again, with weight decay and with batch norm."),
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=0, help="Steps of --compare; as many as the checkpoint had if left out.")
    ] = None,
    weight_decay: Annotated[float, typer.Option(help="Of --compare.")] = 15.0,
    batch_size: Annotated[int, typer.Option(min=2, help="Of --compare with batch norm.")] = 64,
    check_forgetting: Annotated[
        bool,
        typer.Option("--check-forgetting", help="Look for memories that are only hidden, beside controls."),
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(help="Check this network instead: a checkpoint after unlearning of your own."),
    ] = None,
    json: Json = None,
    random: Draws = 20,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Take the memorizing neurons out, so that corrupted labels are forgotten, and measure every split again.

    With --compare the same network is also trained again in two ways that keep it from memorising. With
    --check-forgetting each is asked if the memories are gone: by the ranks of the wrong labels, a linear probe,
    relearning, and held-out examples.
    """
    if steps is not None and not compare:
        raise ConfigError("--steps are those of --compare; give --compare too, or leave --steps out")
    if against is not None:
        if save is not None or compare:
            raise ConfigError(
                "--against checks a network that is there already; leave out --save and --compare"
            )
        _check(checkpoint, against, options, site, seed, device, json)
        return
    with loading():
        from interp.analysis.unlearning import compare_unlearning
        from interp.markup import percentage
        from interp.report import print_removal

    with progress("scoring"):
        result = compare_unlearning(
            checkpoint,
            options=options,
            save=save,
            overwrite=force,
            retrain=compare,
            steps=steps,
            weight_decay=weight_decay,
            batch_size=batch_size,
            site=site,
            n_random=random,
            seed=seed,
            device=device,
            check=check_forgetting,
        )
    print_removal(result.removal, "without memorizing neurons", standard())
    if compare:
        rows = []
        for method in result.methods:
            shares = [percentage(method.accuracy[split]) for split in COLUMNS]
            seconds = "–" if method.seconds is None else f"{method.seconds:.1f}"
            rows.append((method.name, *shares, str(method.alive), seconds))
        print_table("Ways to unlearn", ("method", "labelled", "true", "test", "alive", "seconds"), rows)
    for name, one in result.forgetting.items():
        _show(one, name)
    if result.saved is not None:
        note(f"wrote {result.saved}")
    write_numbers(result, json, "unlearning")


def _check(
    before: Path,
    after: Path,
    options: OpenOptions,
    site: str | None,
    seed: int,
    device: str,
    json: Path | None,
) -> None:
    """Compare two networks."""
    with loading():
        from interp.analysis.forgetting_check import NOTHING
        from interp.analysis.unlearning import compare_checkpoints

    with progress("looking for memories"):
        result = compare_checkpoints(before, after, options=options, site=site, seed=seed, device=device)
    if result is None:
        raise ConfigError(
            f"{NOTHING} Name a table with true_label beside label (--table), or a task with corrupted labels"
        )
    _show(result, str(after))
    write_numbers(result, json, "forgetting")


def _show(check: ForgettingCheck | None, name: str) -> None:
    from interp.analysis.forgetting_check import NOTHING

    say("", f"Is it gone? {name}", *([NOTHING] if check is None else check.sentences()))
