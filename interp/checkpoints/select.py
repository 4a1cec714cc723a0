"""Readings of a file in every dialect that fits it, and the choice between them: each is measured on the task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib import import_module

from jaxtyping import Float
from torch import Tensor

from interp.checkpoints.dialect import Dialect, ForeignFile, Reading, Unfit
from interp.checkpoints.dialects import GROUP, own_names
from interp.checkpoints.mixture import fit_mixture, rough_mixture
from interp.checkpoints.names import is_companion, is_parameter, variants
from interp.checkpoints.nesting import trainers_part
from interp.checkpoints.options import NATIVE, OpenOptions
from interp.checkpoints.stored import StoredWeights
from interp.data import Dataset, TableTask, Task
from interp.data.operations import operation_in_words
from interp.errors import CheckpointError, ConfigError
from interp.measuring.base_rate import BaseRate, base_rate_of
from interp.measuring.evaluation import COPIES, all_logits, check_logits, measure_logits
from interp.measuring.numbering import Numbering, numbering_of, numberings
from interp.models import HookedModel
from probes.plugins import load_all

SAME_ACCURACY, SAME_LOSS, SAME_LOGITS = 0.001, 0.05, 1e-4
SMALL_ERROR = (
    0.1  # a squared error below this share of that of all zeros shows that it was trained to be small
)
NOT_TOLD_APART = "measured alike, and so not told apart"
ABOVE_CHANCE, CLEARLY = 3.0, 0.1
"""Times the base rate, or share of what is above it, from which an accuracy confirms a reading."""
LISTED = 6  # tensors that are named of a file that fits no dialect


def dialects() -> list[Dialect]:
    """All dialects, the most plausible first: one for each file in ``dialects/``, then those of other packages."""
    own = {name: import_module(f"interp.checkpoints.dialects.{name}").DIALECT for name in own_names()}
    added = load_all(GROUP, Dialect, [*own, NATIVE])
    added = {name: replace(dialect, name=name) for name, dialect in added.items()}
    return sorted([*own.values(), *added.values()], key=lambda dialect: dialect.rank)


def readings_of(stored: StoredWeights, options: OpenOptions) -> list[Reading]:
    """Every way to read a file that fits its keys and shapes, and the user's options; the most plausible first.

    Nothing is guessed that nothing states: there is a reading for each value that it could have.

    Raises:
        CheckpointError: The file fits no dialect, or not the one that the user named, or holds what a trainer keeps.

    Example:
        >>> import torch
        >>> from pathlib import Path
        >>> tensors = {"mlp.W_in": torch.ones(9, 5), "mlp.W_out": torch.ones(5, 9)}
        >>> stored = StoredWeights(Path("run_relu/final.pth"), tensors)
        >>> [reading.description for reading in readings_of(stored, OpenOptions())]
        ['he: relu MLP of 2 layers']
    """
    if part := trainers_part(stored.tensors):
        raise CheckpointError(
            f"all tensors of {str(stored.path)!r} are named by {part[:80]!r}, which is a trainer's; expected a "
            "network's weights. Name the file of the model, which trainers write beside it"
        )
    readings: list[Reading] = []
    problem: Unfit | None = None
    for tensors, notes in variants(stored.tensors):
        one = replace(stored, tensors=tensors)
        for dialect in dialects():
            if options.dialect in (None, dialect.name):
                try:
                    readings += dialect.readings(ForeignFile(one, options, dialect.name))
                except Unfit as error:
                    problem = problem or error
        if readings:
            check_left_out(stored)
            return [replace(reading, notes=(*reading.notes, *notes)) for reading in readings]
    if options.dialect is not None and problem is not None:
        raise CheckpointError(
            f"{str(stored.path)!r} is not in the dialect {options.dialect!r}: {problem}"
        ) from None
    held = [f"{name} {tuple(tensor.shape)}" for name, tensor in stored.tensors.items()]
    check_left_out(stored)
    more = f" and {len(held) - LISTED} more" if len(held) > LISTED else ""
    shown = (", ".join(held[:LISTED]) or "no tensors of real numbers") + more
    if stored.left_out:
        shown += f", beside {listed_left_out(stored)}"
    if options.dialect is not None:
        keys = "; or ".join(map(str, next(d.layouts for d in dialects() if d.name == options.dialect)))
        raise CheckpointError(
            f"{str(stored.path)!r} does not fit the dialect {options.dialect!r}, which looks for exactly {keys}; it "
            f"holds {shown}"
        )
    raise CheckpointError(
        f"{str(stored.path)!r} fits no known dialect ({', '.join(dialect.name for dialect in dialects())}); it holds "
        f"{shown}. 'grokscope dialects' shows what each looks for; for a network of your own, give a function that "
        "builds it (--model file.py:build)"
    )


def listed_left_out(stored: StoredWeights) -> str:
    """Names, shapes and types of what can be no weights of a network."""
    return _listed(stored.left_out)


def _listed(tensors: Mapping[str, Tensor]) -> str:
    held = [
        f"{name[:80]!r} {tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"
        for name, tensor in tensors.items()
    ]
    return ", ".join(held[:LISTED]) + (f" and {len(held) - LISTED} more" if len(held) > LISTED else "")


def check_left_out(stored: StoredWeights) -> None:
    """Refuse weights beside which lies a parameter that cannot be computed with, or infinity that is no mask's.

    A parameter is known by its name; all else in a mask is one number.

    Raises:
        CheckpointError: There is one.
    """
    for name, tensor in stored.left_out.items():
        finite = tensor[tensor.isfinite()]
        endless = len(finite) < tensor.numel()
        parameter = is_parameter(name) and not is_companion(name)
        if endless and (parameter or not len(finite) or bool((finite != finite[0]).any())):
            raise CheckpointError(
                f"the tensor {name[:80]!r} in {str(stored.path)!r} holds infinity: the training run diverged"
            )
        if parameter:
            raise CheckpointError(
                f"by its name the tensor {_listed({name: tensor})} in {str(stored.path)!r} is a parameter; expected "
                "real numbers. For a network of your own, give a function that builds it (--model file.py:build)"
            )


def above_chance(rate: BaseRate) -> bool:
    """True for answers significantly above the share of the commonest result, and clearly so.

    Answers that follow some other rule are no independent guesses: they may be above chance by a little, however many
    examples there are.

    Example:
        >>> from torch import full
        >>> [above_chance(BaseRate("all", full((97,), right), full((97,), 97))) for right in (1, 2, 4)]
        [False, False, True]
    """
    return rate.above and (rate.accuracy > ABOVE_CHANCE * rate.base_rate or rate.extent > CLEARLY)


@dataclass(frozen=True, eq=False)
class Tried:
    """A reading that was measured on all examples.

    Attributes:
        data: The task's examples, with a table's labels as they suit the network best.
        numbering: Of a table's labels, as they are.
        accuracy, loss: Share of right answers, in [0, 1], and mean cross-entropy of the right ones.
        squared_error: Mean squared error against one-hot answers, the loss of the networks of arXiv 2310.13061.
        coefficient: Of the attention mixture, where measuring decides it.
    """

    reading: Reading
    model: HookedModel
    task: Task
    data: Dataset
    numbering: Numbering | None
    accuracy: float
    loss: float
    squared_error: float
    logits: Float[Tensor, "example output"]
    coefficient: float | None = None

    @cached_property
    def rate(self) -> BaseRate:
        """Right answers beside the share of the commonest result, of all examples."""
        return base_rate_of(self.logits, self.data, leaked=self.data.test)

    @property
    def numbered(self) -> str:
        """The numbering of a table's labels that right answers are counted in, in words; none for that of the table.

        A table's is not blamed on the network: how well it answers decides, in whatever way classes are numbered.
        """
        words = None if self.numbering is None else self.numbering.best
        return f" with labels {words}" if words else ""

    def beats(self, other: Tried) -> bool:
        """True if this answers more examples, or as many with a clearly smaller loss.

        The loss that the network was trained with is not known. If one of the two has a squared error near 0, it is
        that one; else both losses must agree.
        """
        if abs(self.accuracy - other.accuracy) > SAME_ACCURACY:
            return self.accuracy > other.accuracy
        fits = self.squared_error < other.squared_error * (1 - SAME_LOSS)
        if min(self.squared_error, other.squared_error) < SMALL_ERROR / self.reading.p:
            return fits
        return fits and self.loss < other.loss * (1 - SAME_LOSS)

    def is_the_same_network(self, other: Tried) -> bool:
        """True if both give the same logits, whatever they are called."""
        scale = float(self.logits.abs().max())
        return self.logits.shape == other.logits.shape and bool(
            (self.logits - other.logits).abs().max() <= SAME_LOGITS * scale
        )


def best_reading(
    readings: Sequence[Reading], task_of: Callable[[Reading], Task]
) -> tuple[Tried, tuple[str, ...]]:
    """The reading that answers most examples, measured, and what was chosen and assumed, in sentences.

    Of equals it is the one with the smaller loss, then the first of them. Each is measured with a table's labels
    numbered as they suit it best.

    Raises:
        ConfigError: A label of a table has no output.
    """
    tasks = [task_of(reading) for reading in readings]
    for task in tasks:
        check_logits(task.dataset, COPIES + len(readings))
    best, *others = tried = [_measured(reading, task) for reading, task in zip(readings, tasks, strict=True)]
    for other in others:
        if other.beats(best):
            best = other
    if best.numbering is not None and not best.numbering.fits:
        raise ConfigError(best.numbering.mismatch())
    notes = tuple(_sentences(best, [one for one in tried if one is not best]))
    if best.reading.mixed is None:
        return best, notes
    mixture = fit_mixture(partial(_mixed, best.reading), best.data)
    if mixture.value != best.coefficient:
        best = _at(best.reading, mixture.value, best.task)
    return best, (*notes, str(mixture))


def _measured(reading: Reading, task: Task) -> Tried:
    """A reading on its task; roughly as well as it can be where its attention mixture is open."""
    if reading.mixed is None:
        return _tried(reading, task)
    usable = numberings(task.dataset, reading.p) if isinstance(task, TableTask) else (task.dataset,)
    coefficients = {rough_mixture(partial(_mixed, reading), data) for data in usable if data is not None}
    best, *others = (_at(reading, one, task) for one in sorted(coefficients or {1.0}, reverse=True))
    for other in others:
        if other.beats(best):
            best = other
    return best


def _at(reading: Reading, coefficient: float, task: Task) -> Tried:
    assert reading.mixed is not None
    return replace(_tried(reading.mixed(coefficient), task), coefficient=coefficient)


def _mixed(reading: Reading, coefficient: float) -> HookedModel:
    assert reading.mixed is not None
    return reading.mixed(coefficient).build()


def _tried(reading: Reading, task: Task) -> Tried:
    model = reading.build()
    data, logits, numbering = task.dataset, all_logits(model, task.dataset), None
    if isinstance(task, TableTask):
        numbering = numbering_of(logits, data)
        data = numbering.applied(data)
    measured = measure_logits(logits, data)
    squared = measure_logits(logits, data, loss="mse").loss.all or 0.0
    shares = measured.accuracy.all or 0.0, measured.loss.all or 0.0, squared
    return Tried(reading, model, task, data, numbering, *shares, logits)


def _sentences(best: Tried, others: list[Tried]) -> Iterator[str]:
    reading, share = best.reading, f"{100 * best.accuracy:.1f} % right{best.numbered}"
    learnt = above_chance(best.rate)
    worse = [other for other in others if best.beats(other)]
    equal = [other for other in others if not best.beats(other) and not best.is_the_same_network(other)]
    if not learnt:
        yield (
            f"read as {reading.description}, with {share}: chance, as "
            f"{100 * best.rate.base_rate:.1f} % have the commonest result, so either the network has not learnt "
            f"{operation_in_words(reading.operation, reading.p)}, or this is not how it is meant to be read; "
            "--task read takes the rule from its answers"
        )
    if worse:
        decided = "by measurement" if learnt else "although no reading is above chance"
        listed = (
            f"{one.reading.description} ({100 * one.accuracy:.1f} %{one.numbered}, loss {one.loss:.2g})"
            for one in worse
        )
        yield (
            f"read as {reading.description} ({share}, loss {best.loss:.2g}) {decided}; not as {', '.join(listed)}"
        )
    if equal:
        yield (
            f"read as {reading.description}; {NOT_TOLD_APART}: "
            f"{', '.join(other.reading.description for other in equal)}"
        )
    if reading.assumed:
        yield f"assumed, as nothing says otherwise: {', '.join(reading.assumed)}"
