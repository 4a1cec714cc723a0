"""``grokscope ablate``."""

from __future__ import annotations

from typing import Any

from interp.checkpoints.options import OpenOptions
from interp.cli.console import note, say, standard
from interp.cli.loading import loading
from interp.cli.options import (
    Device,
    Draws,
    During,
    Mode,
    Neurons,
    RelearnRate,
    RelearnSteps,
    Seed,
    Source,
    check_relearning,
    with_options,
)
from interp.cli.places import Force, Save
from interp.progress import progress

EXAMPLES = (
    "grokscope ablate runs/r0 --neurons label:memorizing",
    "grokscope ablate runs/r0 --neurons lowest:0.7 --mode mean",
    "grokscope ablate runs/r0 --neurons @neurons.txt --mode scale=0.25 --save edited.safetensors",
    "grokscope ablate rnn.pt --model rnn.py:build --site rnn:hidden --table recall.csv --neurons 0-9 --during 3-8",
)


@with_options
def ablate(
    checkpoint: Source,
    *,
    options: OpenOptions,
    site: str | None,
    neurons: Neurons = "label:memorizing",
    mode: Mode = "zero",
    save: Save = None,
    force: Force = False,
    during: During = None,
    random: Draws = 20,
    relearn: RelearnSteps = None,
    relearn_lr: RelearnRate = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Take neurons out, or rescale them, and measure every split again, beside random sets of the same size."""
    check_relearning(relearn, relearn_lr)
    with loading():
        from interp.analysis.removing import ablate_checkpoint
        from interp.report import print_removal
        from interp.subject import open_subject

    with progress("scoring"):
        subject = open_subject(checkpoint, options, device=device, site=site, seed=seed)
        removal = ablate_checkpoint(
            subject, neurons, mode, save=save, overwrite=force, n_random=random, during=during
        )
    print_removal(removal, f"{neurons}, {mode}{'' if during is None else f', steps {during}'}", standard())
    if relearn is not None:
        from interp.analysis.relearning import NOTHING
        from interp.analysis.relearning import relearn as relearn_memories

        with progress("relearning"):
            settings: dict[str, Any] = {"steps": relearn, "lr": relearn_lr, "mode": mode, "during": during}
            relearnt = relearn_memories(subject, None, neurons, **settings)
        say(NOTHING if relearnt is None else relearnt.sentence())
    if save is not None:
        note(f"wrote {save.with_suffix('.safetensors')}")
