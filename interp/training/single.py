"""Training one network."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, Unpack

import torch

from interp.checkpoints import checkpoint_files
from interp.checkpoints.files import HISTORY
from interp.data import ModularTask
from interp.devices import resolve_device
from interp.errors import ConfigError
from interp.held import held
from interp.models import HookedMLP, MLPConfig, Prompt, SmallTransformer, TransformerConfig
from interp.progress import Report, progress, silent, with_progress
from interp.safeguards import deferred_interrupt, flushed_denormals, kept_memory
from interp.training.need import check_memory, vocabulary
from interp.training.settings import TrainConfig
from interp.training.state import Trainable, TrainingRun, Until, remove_halves

During = Callable[[Trainable, int], AbstractContextManager[Any]]
"""From the network and the number of updates done to a context for the next update."""


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A trained network and how it got there.

    Attributes:
        model: In evaluation mode.
        history: Records of ``step``, ``loss`` (on the training set), ``accuracy`` by split, and mean ``margin`` of
            those in `interp.training.state.MARGINS`.
        step: Updates done; fewer than asked for if the run was interrupted, or ended by `until`.
    """

    model: Trainable
    history: list[dict[str, Any]] = field(repr=False)
    step: int
    folder: Path | None = None


class RunOptions(TypedDict, total=False):
    """Options of `prepare` and `train`.

    Attributes:
        tokens: A transformer's prompt, such as ``"a b ="``; ``"a b"`` if None.
        out: Folder for the series; nothing is saved if None.
        resume: Continue the series in `out`; starts anew if there is none.
        until: Asked after every measurement, with all records so far, whether the run may end.
        device: Where to compute; ``"auto"`` picks the fastest, else the CPU.
    """

    tokens: str | None
    out: Path | str | None
    resume: bool
    until: Until | None
    device: torch.device | str


@with_progress("training")
def train(
    task: ModularTask,
    model: MLPConfig | TransformerConfig | Trainable | None = None,
    config: TrainConfig | None = None,
    *,
    during: During | None = None,
    show_progress: bool | None = None,
    **options: Unpack[RunOptions],
) -> TrainResult:
    """Train a network on a task's training set.

    With `out` a checkpoint series is written there. A run that was killed at any moment can be resumed: the result
    is the same to the bit as without the interruption (same machine and number of threads). Ctrl-C ends the run
    after the current step with a checkpoint.

    Args:
        task: What to train on.
        model: The network's shape, or a network to train further (in place).
        config: How to train.
        during: Given the network and the number of updates done, what the next update, and a measurement that follows
            it, take place in: such as `intervene` with the edits of that step. It is not stored with a series.
        show_progress: With train, test and corrupted accuracy; see `interp.show_progress`.
        options: See `RunOptions`: ``tokens``, ``out``, ``resume``, ``until`` and ``device``.

    Raises:
        ConfigError: `out` holds a series and `resume` is off, or the series was made with other settings.

    Example:
        >>> task = ModularTask("add", p=7, train_fraction=0.8)
        >>> train(task, MLPConfig(width=16), TrainConfig(steps=2), show_progress=False).step
        2
    """
    run = prepare(task, model, config, **options)
    with progress("training", run.config.steps) as report:
        return finish(run, report, during=during)


def finish(run: TrainingRun, report: Report = silent, *, during: During | None = None) -> TrainResult:
    """Train from where a run stands until it ends; Ctrl-C ends it after the current step. See `train`."""
    around = during or (lambda model, step: nullcontext())
    with held(run.folder), flushed_denormals(), kept_memory(), deferred_interrupt() as interrupted:
        run.begin(report)
        while not run.ended and not interrupted():
            with around(run.model, run.step):
                run.update()
                if run.due() or interrupted():
                    run.measure_and_save(report, interrupted=interrupted())
    return result_of(run)


def prepare(
    task: ModularTask,
    model: MLPConfig | TransformerConfig | Trainable | None = None,
    config: TrainConfig | None = None,
    **options: Unpack[RunOptions],
) -> TrainingRun:
    """A run before its first step, or where the series in ``out`` ends; see `train` for the arguments."""
    config, out, tokens = config or TrainConfig(), options.get("out"), options.get("tokens")
    folder = None if out is None else Path(out)
    if model is None or isinstance(model, (MLPConfig, TransformerConfig)):
        check_memory(task, model or MLPConfig(), config, tokens=tokens)
    if isinstance(model, TransformerConfig):
        model = new_transformer(model, task, tokens=tokens, seed=config.seed)
    elif tokens is not None:
        raise ConfigError(f"tokens={tokens!r} say how a transformer reads operands; this network is none")
    if not isinstance(model, Trainable):
        model = HookedMLP(model or MLPConfig(), vocab=task.p, seed=config.seed)
    model = model.to(resolve_device(options.get("device", "cpu")))
    run = TrainingRun(model, task, config, folder, options.get("until"))
    if folder is not None:
        remove_halves(folder)
    if folder is not None and checkpoint_files(folder):
        if not options.get("resume"):
            raise ConfigError(
                f"{str(folder)!r} already holds checkpoints; resume=True continues them; or choose another folder"
            )
        run.restore()
    elif folder is not None and (folder / HISTORY).exists():
        raise ConfigError(
            f"{str(folder / HISTORY)!r} exists, and there are no checkpoints that it belongs to; move it, or choose "
            "another folder"
        )
    return run


def result_of(run: TrainingRun) -> TrainResult:
    """The result of a run that has ended."""
    if isinstance(run.model, SmallTransformer):
        run.model.readout_only = False
    return TrainResult(run.model.eval(), run.history, run.step, run.folder)


def new_transformer(
    config: TransformerConfig, task: ModularTask, *, tokens: str | None = None, seed: int = 0
) -> SmallTransformer:
    """An untrained transformer for a task: the paper's two-token encoder, or any other prompt.

    Example:
        >>> str(new_transformer(TransformerConfig(d_model=8), ModularTask(p=7), tokens="a b =").prompt)
        'a b 7'
    """
    prompt = Prompt.parse(tokens or "a b", p=task.p)
    return SmallTransformer(config, vocabulary(prompt, task.p), task.p, prompt, seed=seed)
