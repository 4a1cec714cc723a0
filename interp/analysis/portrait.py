"""Everything that is known of one neuron: weights, spectra, activations, and the examples that it serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.analysis.spectrum import NAMES, Spectrum, task_spectrum
from interp.data import Task
from interp.drawing import Drawable
from interp.edits import neuron_indices
from interp.measuring.arrays import grid_of, weight_vectors
from interp.measuring.cached_pass import CachedPass
from interp.measuring.logits import BLOCK, chosen_columns
from interp.measuring.passed import both_margins
from interp.models import NeuronSite
from interp.progress import with_progress
from interp.scoring.compositions import task_composition
from interp.scoring.pair_order import by_cosets, in_pair_order, pair_order
from interp.scoring.periodicity import all_pairs_activations, operands_of
from interp.scoring.table import NeuronTable
from interp.subject import Network, Subject, subject_of
from probes.component_shares import pair_shares
from probes.labels import DEAD, LABELS

SERVED = 12


@dataclass(frozen=True)
class Served:
    """An example whose margin a neuron holds up.

    Attributes:
        index: Of the example in the dataset.
        inputs: What the network reads, if it is a few whole numbers; else empty.
        label: As trained on.
        true_label: By the rule.
        kind: ``clean``, ``corrupted``, ``test`` or ``unknown`` (where nobody knows what was trained on).
        before: Margin of the label (as trained on) in logit units.
        after: The same without the neuron.
    """

    index: int
    inputs: tuple[int, ...]
    label: int
    true_label: int
    kind: str
    before: float
    after: float


@dataclass(frozen=True, eq=False, repr=False)
class Portrait(Drawable):
    """Everything that is known of one neuron.

    Attributes:
        neuron: Its index.
        values: Its row of the table of scores, by column.
        spectrum: Its weights in the task's order, with their energies; without vectors where it has no weights there.
        grid: Its activation for every pair of operands, ``(left, right)``; None for other tasks. Operands are in the
            task's order, or of a group by nested cosets; see `interp.scoring.pair_order.pair_order`.
        loss: The margin that each pair loses without it, in logit units, in the same layout.
        served: The examples whose margin falls most without it, the largest fall first.
        pair_shares: Of a group, the shares of the grid's variance by component of either operand, 0 the constant.
    """

    figure = "plots.single.neuron_weights"

    neuron: int
    values: Mapping[str, Any]
    spectrum: Spectrum
    grid: Float[np.ndarray, "left right"] | None
    loss: Float[np.ndarray, "left right"] | None
    served: tuple[Served, ...]
    pair_shares: Float[np.ndarray, "left_component right_component"] | None = None

    @property
    def label(self) -> str:
        """Its label."""
        return str(self.values["label"])

    def __repr__(self) -> str:
        return f"Portrait(neuron {self.neuron}, {self.label}: {self.values['evidence']})"


def portrait(
    network: Network,
    task: Task | None = None,
    neuron: int = 0,
    *,
    site: str | None = None,
    served: int = SERVED,
    seed: int | None = None,
) -> Portrait:
    """Everything that is known of one neuron.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`.
        neuron: Its index.
        site: Hook name of the neurons; the model's last site if None.
        served: How many of the examples that it serves to list.
        seed: Of the scores' null distribution.

    Raises:
        InterventionError: There is no such neuron. HookNameError: there are no neurons at the site.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> result = portrait(analytic_mlp("add", p=31), ModularTask("add", p=31), 4)
        >>> result.label, result.spectrum.peaks()[0][1] == int(result.values["frequency"]), result.served[0].before > 0
        ('generalizing', True, True)
    """
    return portraits(subject_of(network, task, site=site, seed=seed), [neuron], served=served)[neuron]


@with_progress("portraits of neurons")
def portraits(subject: Subject, neurons: Iterable[int], *, served: int = SERVED) -> dict[int, Portrait]:
    """Portraits of several neurons, by index, in the order given.

    Args:
        subject: The network, task and site.
        neurons: Their indices.
        served: How many of the examples that each serves to list.

    Raises:
        InterventionError: There is no such neuron, or one is named twice.
    """
    cached, task, table = subject.cached, subject.task, subject.table
    chosen = neuron_indices(np.array(list(neurons), dtype=np.int64), subject.width)
    p = operands_of(task)
    spectra = _spectra(subject.place, task, chosen)
    grids: Sequence[np.ndarray | None] = [None] * len(chosen)
    shares = list(grids)
    if p is not None and len(chosen):
        activations = grid_of(
            all_pairs_activations(cached, task, p, torch.as_tensor(chosen)), p, task.ordering
        )
        grids = list(by_cosets(activations, pair_order(task)))
        if (composition := task_composition(task)) is not None:
            read = np.ix_(composition.left, composition.right)
            shares = [
                pair_shares(composition.components, grid[read].astype(np.float64)) for grid in activations
            ]
    rows = {int(neuron): i for i, neuron in enumerate(table.neuron)}
    result, changes = {}, _changes(cached, chosen)
    for neuron, spectrum, grid, share, change in zip(
        chosen.tolist(), spectra, grids, shares, changes, strict=True
    ):
        values = {name: table[name][rows[neuron]] for name in table}
        after = _margins_without(cached, neuron, change)
        fall = cached.margins[0] - after
        loss = None if p is None else in_pair_order(fall[:, None], task)[0]
        listed = _served(cached, after, fall, served)
        result[neuron] = Portrait(neuron, values, spectrum, grid, loss, listed, share)
    return result


def telling_neurons(table: NeuronTable, most: int) -> list[int]:
    """The strongest neurons of every label in turn, at most so many; of the dead only one, as they are all alike.

    Example:
        >>> columns = {"neuron": np.arange(4), "strength": np.array([1.0, 4.0, 2.0, 3.0])}
        >>> label = np.array(["memorizing", "generalizing", "memorizing", "generalizing"])
        >>> telling_neurons(NeuronTable({**columns, "label": label}, "site"), 3)
        [1, 2, 3]
    """
    queues = []
    for label in LABELS:
        group = table.where(label=label)
        strongest = group.neuron[np.argsort(-group["strength"], kind="stable")]
        queues.append(strongest[: 1 if label == DEAD else most].tolist())
    longest = max(map(len, queues))
    return [queue[i] for i in range(longest) for queue in queues if i < len(queue)][:most]


def _spectra(site: NeuronSite, task: Task, neurons: np.ndarray) -> list[Spectrum]:
    """Spectra of the neurons' weights as the task is read; empty where no order is known."""
    _, vectors = weight_vectors(site, task.ordering)
    usable = task.ordering is not None or operands_of(task) is not None or not site.input_vectors
    vectors = vectors if usable else []
    inputs = tuple(f"input {i + 1}" for i in range(len(vectors) - 1))
    names = NAMES.get(len(vectors), (*inputs, "output")[: len(vectors)])
    return [task_spectrum(task, [vector[neuron] for vector in vectors], names) for neuron in neurons]


def _changes(cached: CachedPass, neurons: np.ndarray) -> list[Tensor | None]:
    """The change that removing each neuron makes on every example, where a matrix reads the neurons; else None."""
    if cached.readout is None or not len(neurons):
        return [None] * len(neurons)
    return list(chosen_columns(cached.change, torch.as_tensor(neurons)).T)


def _margins_without(cached: CachedPass, neuron: int, change: Tensor | None) -> Float[Tensor, " example"]:
    """Margins of the labels as trained on, without one neuron; only examples that it reaches are computed again."""
    data, margins = cached.data, cached.margins[0].clone()
    if change is not None and isinstance(cached.logits, Tensor):
        return cached.margins_after(np.array([neuron]))[0]
    if change is not None:
        return _margins_by_rivals(cached, neuron, change)
    one = torch.tensor([neuron], device=margins.device)
    for start, part in cached.parts():
        for rows, logits in part.changed_logits(one):
            some = start + rows
            margins[some] = both_margins(logits, data.labels[some], data.true_labels[some])[0].to(margins)
    return margins


def _margins_by_rivals(
    cached: CachedPass, neuron: int, change: Float[Tensor, " example"]
) -> Float[Tensor, " example"]:
    """The same from each example's largest rivals; all logits only where these do not decide."""
    assert cached.readout is not None
    data, weights = cached.data, cached.readout[neuron]
    margins, decided = cached.rivals.changed(change, weights, data)
    rows = (~decided).nonzero()[:, 0]
    for some in rows.split(max(1, BLOCK // cached.logits.shape[1])):
        logits = cached.logits[some] + change[some, None] * weights
        after = both_margins(logits, data.labels[some], data.true_labels[some])
        margins[:, some] = after.to(margins)
    return margins[0]


def _served(cached: CachedPass, after: Tensor, fall: Tensor, most: int) -> tuple[Served, ...]:
    """The examples whose margin falls most, if it falls at all."""
    data = cached.data
    largest, examples = torch.topk(fall, min(most, len(fall)))
    few_numbers = not data.inputs.is_floating_point() and data.inputs[0].numel() <= 8
    rows = []
    for index in examples[largest > cached.tolerance].tolist():
        kind = "corrupted" if data.corrupted[index] else "clean" if data.train[index] else "test"
        rows.append(
            Served(
                index=index,
                inputs=tuple(data.inputs[index].flatten().tolist()) if few_numbers else (),
                label=int(data.labels[index]),
                true_label=int(data.true_labels[index]),
                kind=kind if data.split_known else "unknown",
                before=float(cached.margins[0, index]),
                after=float(after[index]),
            )
        )
    return tuple(rows)
