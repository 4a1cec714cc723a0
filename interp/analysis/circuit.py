"""The algorithm that a network uses: key frequencies or components, restricted and excluded loss, Clock or Pizza."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.analysis.component_circuit import ComponentPart, component_losses, input_energies
from interp.data import Dataset, Ordering, Task
from interp.hooks import device_of, hooked
from interp.measuring.arrays import as_array
from interp.measuring.logits import Logits
from interp.models import HookedModel, SmallTransformer
from interp.output import plain
from interp.progress import with_progress
from interp.scoring.compositions import reading_order, task_composition
from interp.scoring.periodicity import operands_of
from interp.scoring.table import NeuronTable
from interp.subject import Network, Subject, subject_of
from probes import activity
from probes import progress_measures as measures
from probes.composition import Composition
from probes.logit_sums import sum_logits
from probes.periodicity import gini
from probes.stages import LEARNT

GRADIENT_PAIRS = 400


@dataclass(frozen=True, eq=False)
class Circuit:
    """Measures of how a network computes its answers; None where they cannot be measured.

    Of a network that composes the elements of a group a frequency is a component, by its number, and cos(w(a+b-c)) is
    its character of a b c⁻¹.

    Attributes:
        embedding_frequencies: Key frequencies of the token embedding or first-layer weights.
        logit_frequencies: Key frequencies of the logits along cos(w(a+b-c)).
        neuron_frequencies: How many neurons have at least 85 % of their activations' variance at each frequency.
        clustered: How many neurons these are in all.
        clustered_with_harmonics: How many there are if the multiples of a neuron's frequency count too.
        restricted_loss: Cross-entropy on all pairs if the logits keep only the key frequencies' cos and sin of w(a+b).
        excluded_loss: Cross-entropy on the training pairs (all, if the split is not known) if the logits lose them.
        embedding_gini: Gini coefficient of the embedding's Fourier norms, in [0, 1]; 1 is one single frequency.
        logit_gini: The same of the logits' norms.
        logit_variance_explained: Share of the logits' variance that cos(w(a+b-c)) of the key frequencies explains.
        gradient_symmetricity: Mean cosine of the gradients to the two operands' embeddings; high for Pizza.
        distance_irrelevance: How much of the correct logit's spread is not explained by a - b; high for Clock.
        by_rule: Share of pairs answered by the rule: of those held out, or of all where none is known to be.
        components: Measures of each component of a group; None of frequencies.
        excluded_pairs: Training pairs that the excluded loss of a group was measured on, evenly spaced; None of
            frequencies, where it is all.
    """

    embedding_frequencies: tuple[int, ...] | None
    logit_frequencies: tuple[int, ...]
    neuron_frequencies: dict[int, int]
    clustered: int
    clustered_with_harmonics: int | None
    restricted_loss: float
    excluded_loss: float
    embedding_gini: float | None
    logit_gini: float
    logit_variance_explained: float
    gradient_symmetricity: float | None
    distance_irrelevance: float | None
    by_rule: float = float("nan")
    components: tuple[ComponentPart, ...] | None = None
    excluded_pairs: int | None = None

    @property
    def learnt(self) -> bool:
        """True where at least half of the pairs are answered by the rule, or this was not measured.

        Below, a network uses no algorithm for the rule, though noise measures like a Clock.
        """
        return not self.by_rule < LEARNT

    @property
    def algorithm(self) -> str | None:
        """``"clock"`` or ``"pizza"`` by both measures of arXiv 2306.17844; None where they disagree or are missing,
        or where less than half of the pairs are answered by the rule."""
        if self.gradient_symmetricity is None or self.distance_irrelevance is None or not self.learnt:
            return None
        pizza = self.gradient_symmetricity > 0.95, self.distance_irrelevance < 0.4
        clock = self.gradient_symmetricity < 0.8, self.distance_irrelevance > 0.6
        return "pizza" if all(pizza) else "clock" if all(clock) else None

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        of_group = () if self.components is not None else ("components", "excluded_pairs")
        fields = {name: value for name, value in vars(self).items() if name not in of_group}
        if self.components is not None:
            fields["components"] = [vars(part) for part in self.components]
        return plain({**fields, "algorithm": self.algorithm})


@with_progress("circuit")
def circuit(network: Network, task: Task | None = None, *, site: str | None = None) -> Circuit | None:
    """Measure how a network computes an operation (arXiv 2301.05217, 2306.17844; of other groups 2302.03025).

    Args:
        network: A hooked model, a checkpoint, or a `Subject`.
        task: An operation with a group ordering, or the multiplication of any group, with all its pairs among the
            examples.
        site: Hook name of the neurons whose frequencies are counted; the model's last site if None.

    Returns:
        None if the task has neither an ordering nor components, has steps in it, or leaves pairs out.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> result = circuit(analytic_mlp("add", p=31), ModularTask("add", p=31))
        >>> result.logit_variance_explained > 0.5, result.excluded_loss > result.restricted_loss
        (True, True)
    """
    subject = subject_of(network, task, site=site)
    composition = task_composition(subject.task)
    if composition is not None:
        return _of_composition(subject, composition)
    model, task, table, logits = subject.model, subject.task, subject.table, subject.cached.logits
    p, order = operands_of(task), task.ordering
    if p is None or order is None or order.steps != (1, 1) or logits.shape[1] < p:
        return None
    row = _rows(task.dataset, p)[np.ix_(order.left, order.right)]
    if (row < 0).any():
        return None
    n = len(order)
    sums = sum_logits(_by_right(logits, row, order), n)
    keys = measures.key_frequencies(sums.profile)
    clusters = clusters_of(table)
    matrices = embeddings(model, order, p)
    energy = sum(measures.spectrum_norms(matrix) ** 2 for matrix in matrices) if matrices else None
    ginis = [measures.spectrum_gini(matrix) for matrix in matrices]
    trained = train_grid(task.dataset, order, p)
    along = sums.along_sum(keys)
    return Circuit(
        embedding_frequencies=None if energy is None else measures.key_frequencies(np.sqrt(energy)),
        logit_frequencies=keys,
        neuron_frequencies={frequency: len(neurons) for frequency, neurons in clusters.items()},
        clustered=sum(len(neurons) for neurons in clusters.values()),
        clustered_with_harmonics=int((table["activation_harmonics"] >= activity.CLUSTER_SHARE).sum()),
        restricted_loss=float(measures.cross_entropy(sums.means + along, np.arange(n)).mean()),
        excluded_loss=_excluded_loss(logits, row, order, along, trained),
        embedding_gini=float(np.mean(ginis)) if ginis else None,
        logit_gini=sums.left_gini,
        logit_variance_explained=sums.variance_explained(keys),
        gradient_symmetricity=gradient_symmetricity(model, task),
        distance_irrelevance=measures.distance_irrelevance(sums.correct),
        by_rule=float(sums.right[trained if trained.all() else ~trained].mean()),
    )


def _of_composition(subject: Subject, composition: Composition) -> Circuit | None:
    """`circuit` of a task that composes the elements of a group; None if it has pairs or results beyond these."""
    components, table = composition.components, subject.table
    n = len(components.group)
    if components.acting is not None or n != operands_of(subject.task) or n * n != len(subject.data):
        return None
    losses, clusters = component_losses(subject.cached, composition, subject.seed), clusters_of(table)
    matrices = embeddings(subject.model, reading_order(composition), n)
    energies = input_energies(matrices, components) if matrices else None
    sizes, logits = components.sizes[1:], losses.logits
    explained = logits.shares[[key - 1 for key in losses.keys]].sum() if losses.keys else np.nan
    return Circuit(
        embedding_frequencies=None if energies is None else measures.key_frequencies(np.sqrt(energies)),
        logit_frequencies=losses.keys,
        neuron_frequencies={number: len(neurons) for number, neurons in clusters.items()},
        clustered=sum(len(neurons) for neurons in clusters.values()),
        clustered_with_harmonics=None,
        restricted_loss=losses.restricted,
        excluded_loss=losses.excluded,
        embedding_gini=None if energies is None else _gini(energies, sizes),
        logit_gini=_gini(input_energies([logits.means], components), sizes),
        logit_variance_explained=float(explained),
        gradient_symmetricity=gradient_symmetricity(subject.model, subject.task),
        distance_irrelevance=None,
        by_rule=losses.by_rule,
        components=losses.parts,
        excluded_pairs=losses.excluded_pairs,
    )


def _gini(energies: np.ndarray, sizes: np.ndarray) -> float:
    """The Gini coefficient of the norms along all dimensions, those of a component alike."""
    return float(gini(np.repeat(np.sqrt(energies / sizes), sizes)))


def clusters_of(table: NeuronTable) -> dict[int, np.ndarray]:
    """Neurons by frequency, of those with at least 85 % of their variance at one."""
    return activity.frequency_clusters(table["activation_frequency"], table["activation_share"])


def train_grid(data: Dataset, order: Ordering, p: int) -> np.ndarray:
    """Mask of the pairs that were trained on, over the task's order; all if that is not known."""
    row = _rows(data, p)[np.ix_(order.left, order.right)]
    return data.train.cpu().numpy()[row] if data.split_known else np.ones(row.shape, bool)


def _rows(data: Dataset, p: int) -> np.ndarray:
    """The example that holds each pair, ``(left, right)``; -1 where there is none."""
    rows = np.full((p, p), -1)
    left, right = data.inputs.cpu().numpy().T
    rows[left, right] = np.arange(len(data))
    return rows


def _by_right(
    logits: Logits, row: Int[np.ndarray, "left right"], order: Ordering
) -> Iterator[tuple[int, Float[np.ndarray, "left answer"]]]:
    """The logits of all pairs with each right operand, over the task's order."""
    output = torch.as_tensor(np.ascontiguousarray(order.output))
    for right in range(row.shape[1]):
        block = logits[torch.as_tensor(row[:, right], device=logits.device)]
        yield right, as_array(block[:, output.to(block.device)])


def _excluded_loss(
    logits: Logits, row: np.ndarray, order: Ordering, along: np.ndarray, trained: np.ndarray
) -> float:
    """Mean cross-entropy on the training pairs without a part of the logits that depends on the sum."""
    total, left = 0.0, np.arange(len(row))
    for right, block in _by_right(logits, row, order):
        sums, chosen = (left + right) % len(row), trained[:, right]
        if chosen.any():
            total += float(measures.cross_entropy((block - along[sums])[chosen], sums[chosen]).sum())
    return total / max(1, int(trained.sum())) if trained.any() else float("nan")


def embeddings(model: HookedModel, order: Ordering, p: int) -> list[np.ndarray]:
    """Each operand's rows of the token embedding or the first layer, ``(position, feature)``; none if unknown."""
    orders = (order.left, order.right)
    if isinstance(model, SmallTransformer):
        tables = [model.prompt.at(model.embed.W_E, column, p) for column in (0, 1)]
        return [as_array(t)[o] for t, o in zip(tables, orders, strict=True) if t is not None]
    vectors = model.neuron_sites()[0].input_vectors
    return [as_array(v).T[o] for v, o in zip(vectors, orders, strict=True)] if len(vectors) == 2 else []


def gradient_symmetricity(model: HookedModel, task: Task) -> float | None:
    """Mean cosine between the gradients of the right logit to the two operands' embeddings (arXiv 2306.17844).

    Measured on up to 400 evenly spaced pairs; None for a network without token embeddings.
    """
    hook = "hook_embed"
    if hook not in model.hook_dict:
        return None
    data, kept = task.dataset, list[Tensor]()

    def keep(embedded: Tensor) -> Tensor:
        leaf = embedded.detach().requires_grad_(True)
        kept.append(leaf)
        return leaf

    chosen = torch.linspace(0, len(data) - 1, min(GRADIENT_PAIRS, len(data))).long()
    device = device_of(model)
    with torch.enable_grad(), hooked(model, {hook: keep}):
        logits = model(data.inputs[chosen].to(device))
        right = logits.gather(1, data.true_labels[chosen].to(device)[:, None]).sum()
        (gradient,) = torch.autograd.grad(right, kept[0])
    places = operand_positions(model)
    if len(places) != 2:
        return None
    left, other = (as_array(gradient[:, place]) for place in places)
    return measures.gradient_symmetricity(left, other)


def operand_positions(model: HookedModel) -> list[int]:
    """The positions at which a prompt holds operands."""
    prompt = getattr(model, "prompt", None)
    return [] if prompt is None else [i for i, (column, _) in enumerate(prompt.slots) if column is not None]
