"""Accuracy, loss and margin of a network on every split of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from interp.data import SPLITS, Dataset, Task
from interp.errors import ConfigError, choose
from interp.hooks import batches, device_of, evaluation_mode
from interp.losses import LOSSES
from interp.markup import html_table, number
from interp.measuring.logits import BLOCK, HELD, HELD_ACTIVATIONS, Logits, by_rows
from interp.measuring.numbering import numbering_of
from interp.memory import check_need, working_budget
from interp.models import HookedModel


@dataclass(frozen=True, init=False)
class SplitValues:
    """One number for each of `SPLITS`, as an attribute and by name; None where the split has no examples.

    Where nobody knows which examples were trained on, only `all` is a number.

    Args:
        given: The numbers in the order of `SPLITS`.
        named: The numbers by name; None for those left out.

    Example:
        >>> values = SplitValues(train=1.0, test=0.25)
        >>> values.test, values["train"], values.clean
        (0.25, 1.0, None)
    """

    values: dict[str, float | None]

    def __init__(self, *given: float | None, **named: float | None) -> None:
        by_name = dict(zip(SPLITS, given, strict=False)) | named
        unknown = set(by_name) - set(SPLITS)
        if unknown or len(given) > len(SPLITS):
            raise ConfigError(f"no such splits: {unknown or given}; expected {', '.join(SPLITS)}")
        object.__setattr__(self, "values", {split: by_name.get(split) for split in SPLITS})

    def __getattr__(self, split: str) -> float | None:
        if split not in SPLITS:
            raise AttributeError(split)
        return self.values[split]

    def __getitem__(self, split: str) -> float | None:
        return self.values[choose("split", split, SPLITS)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __str__(self) -> str:
        return "  ".join(
            f"{split} {'–' if value is None else f'{value:.3f}'}" for split, value in self.values.items()
        )

    def changed(self, **named: float | None) -> SplitValues:
        """The same numbers but for those named."""
        return SplitValues(**(self.values | named))

    def to_dict(self) -> dict[str, float | None]:
        """The values by split name."""
        return dict(self.values)

    def _repr_html_(self) -> str:
        """A table, for notebooks."""
        rows = [(SPLITS[split].title, number(self[split], 4)) for split in self]
        return html_table("One number for each kind of example", ("examples", "value"), rows, inline=True)


@dataclass(frozen=True)
class Measurement:
    """Measures by split: the share of right answers, the mean loss and the mean correct-label margin."""

    accuracy: SplitValues
    loss: SplitValues
    margin: SplitValues


def as_dataset(task: Task | Dataset) -> Dataset:
    """The examples of a task, or a dataset as it is."""
    return task if isinstance(task, Dataset) else task.dataset


def margins(logits: Logits, labels: Int[Tensor, " example"]) -> Float[Tensor, " example"]:
    """Distance of the label's logit above the largest other one.

    An answer is right if its margin is above 0: a tie is no answer.

    Example:
        >>> margins(torch.tensor([[1.0, 3.0, 0.5]]), torch.tensor([1]))
        tensor([2.])
    """
    if not isinstance(logits, Tensor):
        return by_rows(margins, logits, labels)
    own = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], float("-inf"))
    return own[:, 0] - others.amax(1)


def losses(logits: Logits, labels: Int[Tensor, " example"], *, loss: str) -> Float[Tensor, " example"]:
    """Each example's loss: squared error against the one-hot label (mean over outputs), or cross-entropy."""
    if not isinstance(logits, Tensor):
        return by_rows(partial(losses, loss=loss), logits, labels)
    if choose("loss", loss, LOSSES) == "cross_entropy":
        return F.cross_entropy(logits, labels, reduction="none")
    target = torch.ones_like(labels, dtype=logits.dtype)[:, None]
    return logits.scatter_add(1, labels[:, None], -target).square().mean(1)


BLOCKS, KEPT = 8, 50
"""Blocks of streamed arrays that are held at once, and numbers of each example, measured at the peak of an audit."""
COPIES = 3
"""Arrays of all logits, and of all activations, that a forward pass and its measurement hold at once."""
ARRAYS = (20, 4)
"""Arrays of all logits and of all activations that are held at once, measured at the peak of an audit."""


def check_pass(model: HookedModel, data: Dataset) -> None:
    """Refuse, before any memory is taken, a forward pass of all examples at once that needs more than the budget.

    Raises:
        ConfigError: It does; the message has both figures.
    """
    prompt = getattr(model, "prompt", None)
    neurons = max((site.width for site in model.neuron_sites()), default=0)
    each = neurons * (1 if prompt is None else len(prompt))
    _check_numbers(data, COPIES * len(data) * (data.n_classes + each), f" at {neurons:,} neurons")


def streamed(data: Dataset, activations: int) -> bool:
    """True if logits and activations are computed by blocks, as they are too many to be held.

    Args:
        activations: Numbers of one example at the site.

    Raises:
        ConfigError: Not even the blocks fit the budget.
    """
    logits, all_activations = len(data) * data.n_classes, len(data) * activations
    held = 4 * (ARRAYS[0] * logits + ARRAYS[1] * all_activations)
    if logits <= HELD and all_activations <= HELD_ACTIVATIONS and held <= working_budget():
        return False
    one = data.n_classes + activations
    _check_numbers(
        data, min(BLOCKS * max(BLOCK, one), held // 4) + KEPT * len(data), f" at {activations:,} neurons"
    )
    return True


def check_shape(logits: Tensor, examples: int, classes: int) -> None:
    """Raise a `ConfigError` unless there is one row an example and one logit a class."""
    if logits.shape != (examples, classes):
        raise ConfigError(
            f"the logits have shape {tuple(logits.shape)}; the task has {examples} examples of {classes} classes. "
            "Is this network for another task?"
        )


def check_logits(data: Dataset, arrays: int = COPIES) -> None:
    """Refuse, as `check_pass`, arrays of all logits."""
    _check_numbers(data, len(data) * arrays * data.n_classes)


def _check_numbers(data: Dataset, numbers: int, where: str = "") -> None:
    """Refuse so many numbers."""
    check_need(
        4 * numbers,
        f"measuring {len(data):,} examples of {data.n_classes:,} classes{where}",
        "take a task with fewer examples, such as a table of some of them (--table)",
    )


def all_logits(
    model: HookedModel, data: Dataset, *, batch_size: int | None = None
) -> Float[Tensor, "example output"]:
    """Logits of every example, in evaluation mode, on the model's device.

    Raises:
        ConfigError: They need more memory than the budget.
    """
    check_pass(model, data)
    with evaluation_mode(model):
        return torch.cat([model(chunk) for chunk in batches(data.inputs, batch_size, device_of(model))])


def split_means(values: dict[bool, Tensor], data: Dataset) -> SplitValues:
    """Mean of per-example values on each split, given ``{as trained: values, as true: values}``.

    `values[True]` compares with the labels as trained on, `values[False]` with the true ones.
    """

    def mean(split: str) -> float | None:
        chosen = values[SPLITS[split].as_trained][data.split(split)[0]]
        return chosen.double().mean().item() if len(chosen) else None

    return SplitValues(**{split: mean(split) for split in SPLITS})


def measure_logits(
    logits: Logits,
    data: Dataset,
    *,
    loss: str = "cross_entropy",
    tolerance: float = 0.0,
) -> Measurement:
    """Accuracy, loss and margin of logits that were computed already; see `evaluate`.

    An answer whose margin is at most `tolerance` counts as none.
    """
    if logits.shape != (len(data), data.n_classes):
        numbering = (
            numbering_of(logits, data)
            if isinstance(logits, Tensor) and logits.shape[:1] == data.labels.shape
            else None
        )
        if numbering is not None and not numbering.fits:
            raise ConfigError(numbering.mismatch())
        raise ConfigError(
            f"the logits have shape {tuple(logits.shape)}; the task has {len(data)} examples of {data.n_classes} "
            "classes. Is this network for another task?"
        )
    data = data.to(logits.device)
    rows = data.mislabelled.nonzero()[:, 0]

    def by_both(measure: Callable[[Logits, Tensor], Tensor]) -> dict[bool, Tensor]:
        true = measure(logits, data.true_labels)
        trained = by_rows(measure, logits, data.labels[rows], chosen=rows) if len(rows) else true[rows]
        return {False: true, True: true.index_copy(0, rows, trained)}

    margin = by_both(margins)
    return Measurement(
        accuracy=split_means({k: m > tolerance for k, m in margin.items()}, data),
        loss=split_means(by_both(partial(losses, loss=loss)), data),
        margin=split_means(margin, data),
    )


def evaluate(
    model: HookedModel, task: Task | Dataset, *, loss: str = "cross_entropy", batch_size: int | None = None
) -> Measurement:
    """Measure a network on every split, in evaluation mode.

    Args:
        model: A hooked model; hooks that are in place stay in force.
        loss: ``"cross_entropy"`` or ``"mse"``.
        batch_size: Examples in one forward pass; all if None.

    Returns:
        Accuracy in [0, 1], loss and margin by split.

    Raises:
        ConfigError: The loss is unknown.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> evaluate(analytic_mlp("add", p=31), ModularTask("add", p=31)).accuracy.test
        1.0
    """
    data = as_dataset(task)
    return measure_logits(all_logits(model, data, batch_size=batch_size), data, loss=loss)


def accuracy(model: HookedModel, task: Task | Dataset, *, batch_size: int | None = None) -> SplitValues:
    """Share of right answers on every split, in [0, 1]; see `evaluate`."""
    return evaluate(model, task, batch_size=batch_size).accuracy
