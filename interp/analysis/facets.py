"""Facets of neurons: the groups of inputs that each is excited by, with a prototype of each group."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch.nn.functional import one_hot

from interp.analysis.facet_records import AXES, Facets, NeuronFacets
from interp.analysis.prototypes import mean_inputs, not_possible, prototypes
from interp.analysis.removing import chosen_neurons
from interp.data import Task
from interp.errors import ConfigError, choose, cut
from interp.hooks import capture
from interp.measuring.arrays import grid_of
from interp.measuring.logits import chosen_columns, whole_of
from interp.progress import progress
from interp.scoring.all_pairs import all_pairs_activations, operands_of
from interp.subject import Network, Subject, subject_of
from probes.facets import FEWEST_POINTS, LEVEL, PROMINENCE, Lobes, clusters, lobes
from probes.null import benjamini_hochberg
from probes.orders import order_p_values, sum_profile

INPUTS = "inputs"
MOST_FEATURES = 4_096


def facets(
    network: Network,
    task: Task | None = None,
    neurons: Any = None,
    *,
    along: str | None = None,
    embedding: str | None = None,
    top: float = 0.1,
    prominence: float = PROMINENCE,
    steps: int = 100,
    image: bool = False,
    site: str | None = None,
    seed: int | None = None,
) -> Facets:
    """Count the facets of neurons, and climb to a prototype of each (after arXiv 1602.03616).

    A neuron that answers to several kinds of inputs has several facets. Of an operation in whose order a solution is
    periodic they are lobes: peaks of the mean activation over an operand or the answer, see `probes.facets.lobes`.
    Elsewhere they are clusters of the inputs that excite the neuron most, see `probes.facets.clusters`; there they say
    as much of the inputs as of the neuron: one that is excited by everything has the clusters of the data. Prototypes
    climb from a facet's mean input along the gradient, see `interp.analysis.prototypes`.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`; left unchanged.
        task: A task; a checkpoint's own if None.
        neurons: As of `interp.remove`; all if None.
        along: ``left``, ``right`` or ``answer``: count lobes over it. None: over the answer where the task has an
            order, else clusters.
        embedding: What inputs are clustered by: ``inputs`` (tokens as one-hot vectors) or the name of a hook; counts
            clusters in any task. None: the inputs, of a task without an order.
        top: Share of the examples that are looked at, those with the highest activation, in (0, 1]. Examples at which a
            neuron is as low as it gets never are.
        prominence: Least prominence of a lobe, as a share of the profile's range.
        steps: Of the search for prototypes; 0: make none.
        image: Whether the inputs' last two axes are those of an image, whose roughness is penalised.
        site: Hook name of the neurons; the model's last site if None.
        seed: Of halves, k-means and random orders.

    Raises:
        ConfigError: The task has no order to count lobes in, or an argument is out of range.
        InterventionError, HookNameError: The neurons cannot be used, or there is no such hook.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> task = ModularTask("add", p=23)
        >>> model = analytic_mlp(task, width=8, seed=3)
        >>> facets(model, task, steps=0).counts == subject_of(model, task).table["frequency"].tolist()
        True
    """
    subject = subject_of(network, task, site=site, seed=seed)
    if not 0 < top <= 1 or steps < 0 or not 0 < prominence <= 1:
        given = f"top={top}, prominence={prominence}, steps={steps}"
        raise ConfigError(f"{given}; expected the first two in (0, 1], and 0 or more steps")
    along = _axis(subject, along, embedding)
    chosen = np.arange(subject.width) if neurons is None else chosen_neurons(subject, neurons)[1]
    if not len(chosen):
        raise ConfigError(f"neurons={cut(neurons)} names no neuron; name at least one")
    by = embedding or INPUTS
    return _finished(subject, *_count(subject, chosen, along, by, top, prominence), along, by, steps, image)


def _count(
    subject: Subject, chosen: np.ndarray, along: str | None, by: str, top: float, prominence: float
) -> tuple[list[NeuronFacets], int]:
    """Facets of each neuron without prototypes, and how many examples were looked at, at most."""
    known = chosen_columns(subject.cached.activations, torch.as_tensor(chosen))
    activations = whole_of(known).double().cpu().numpy()
    strongest = [_strongest(column, top) for column in activations.T]
    at_most = max(1, round(top * len(activations)))
    if along is None:
        return _by_clusters(_points(subject, by), chosen, strongest, subject.seed), at_most
    return _by_lobes(subject, along, chosen, strongest, prominence), at_most


def _finished(
    subject: Subject,
    results: list[NeuronFacets],
    at_most: int,
    along: str | None,
    by: str,
    steps: int,
    image: bool,
) -> Facets:
    """The result, with prototypes where they are asked for and can be had."""
    reason = not_possible(subject)
    if steps and not reason:
        results = _with_prototypes(subject, results, steps, image)
    notes = [f"There are no prototypes: {reason}."] * bool(steps and reason) + _notes(results, along)
    kind, embedding = ("clusters", by) if along is None else ("lobes", None)
    return Facets(subject.hook, kind, along, embedding, at_most, tuple(results), tuple(notes))


def _notes(results: list[NeuronFacets], along: str | None) -> list[str]:
    """Sentences about neurons without a number of facets, and prototypes that are no better than their start."""
    notes = []
    undecided = sum(one.count is None for one in results)
    if undecided:
        notes.append(
            f"Of {undecided} neurons the number of facets is not decided: {_REASONS[along is None]}."
        )
    flat = sum(int((one.activation <= one.start).sum()) for one in results if one.activation is not None)
    if flat:
        notes.append(
            f"{flat} prototypes excite their neuron no more than the mean that they start from: where it is inactive "
            "there is no gradient."
        )
    return notes


_REASONS = {
    True: f"fewer than {FEWEST_POINTS} of the examples that are looked at excite them",
    False: "they are as periodic with operands in random orders, or constant",
}


def _axis(subject: Subject, along: str | None, embedding: str | None) -> str | None:
    """The axis that lobes are counted over; None for clusters."""
    circular = subject.task.ordering is not None and operands_of(subject.task) is not None
    if along is None:
        return "answer" if circular and embedding is None else None
    choose("axis", along, AXES)
    if embedding is not None:
        raise ConfigError(
            f"along={along!r} counts lobes and embedding={embedding!r} clusters; give one of them"
        )
    if not circular:
        raise ConfigError(
            f"along={along!r}: the task has no order of its operands; leave it out to count clusters"
        )
    return along


def _strongest(activation: Float[np.ndarray, " example"], top: float) -> Int[np.ndarray, " top"]:
    """The examples with the highest activation, highest first, without those at which it is lowest."""
    order = np.argsort(-activation, kind="stable")[: max(1, round(top * len(activation)))]
    return order[activation[order] > activation.min()]


def _points(subject: Subject, by: str) -> Float[np.ndarray, "example feature"]:
    """Features of every example that clusters are formed by."""
    inputs = subject.data.inputs
    if by != INPUTS:
        inputs = capture(subject.model, inputs, by, batch_size=2_000)[by]
    tokens = by == INPUTS and not inputs.is_floating_point()
    if tokens and int(inputs.min()) < 0:
        raise ConfigError(
            f"embedding={by!r}: the token {int(inputs.min())} is below 0 and has no one-hot vector; name a hook"
        )
    features = inputs[0].numel() * (int(inputs.max()) + 1 if tokens else 1)
    if features > MOST_FEATURES:
        raise ConfigError(
            f"embedding={by!r} has {features:,} features, at most {MOST_FEATURES:,} are clustered; name a hook "
            "that holds fewer"
        )
    points: np.ndarray = (one_hot(inputs) if tokens else inputs).flatten(1).double().cpu().numpy()
    return points


def _by_clusters(
    points: np.ndarray, chosen: np.ndarray, strongest: list[np.ndarray], seed: int
) -> list[NeuronFacets]:
    nothing = np.zeros(0)
    with progress("clusters of inputs", len(chosen)) as report:
        each = []
        for done, rows in enumerate(strongest, 1):
            each.append(clusters(points[rows], seed=seed) if len(rows) >= FEWEST_POINTS else None)
            report(done)
    p_values = np.array([np.nan if one is None else one.p_value for one in each])
    q_values, results = benjamini_hochberg(p_values), []
    for neuron, rows, one, q in zip(chosen.tolist(), strongest, each, q_values.tolist(), strict=True):
        if one is None:
            results.append(NeuronFacets(neuron, None, 0, np.nan, np.nan, (), np.nan, np.nan, nothing, None))
            continue
        count = one.best if q <= LEVEL else 1
        members = tuple(rows[one.label == k] for k in range(count)) if count > 1 else (rows,)
        silhouette = one.silhouettes.get(one.best, np.nan)
        scores = one.p_value, q, members, silhouette, one.stability
        results.append(NeuronFacets(neuron, count, one.best, *scores, nothing, None))
    return results


def _by_lobes(
    subject: Subject, along: str, chosen: np.ndarray, strongest: list[np.ndarray], prominence: float
) -> list[NeuronFacets]:
    order, p = subject.task.ordering, operands_of(subject.task)
    assert order is not None
    assert p is not None
    steps = {"left": (1, 0), "right": (0, 1), "answer": order.steps}[along]
    known = all_pairs_activations(subject.cached, subject.task, p, torch.as_tensor(chosen))
    grid = grid_of(known.double(), p, order)
    profiles = sum_profile(grid, steps)
    p_values = order_p_values(grid, subject.seed, steps=steps)["p_value"]
    q_values, places, results = benjamini_hochberg(p_values), _places(subject, along), []
    for i, neuron in enumerate(chosen.tolist()):
        one = lobes(profiles[i], prominence)
        decided = bool(q_values[i] <= LEVEL)
        members = _members(one, places[strongest[i]], strongest[i]) if decided else ()
        count = len(one.peaks) if decided else None
        scores = float(p_values[i]), float(q_values[i]), members, np.nan, np.nan
        results.append(NeuronFacets(neuron, count, len(one.peaks), *scores, one.peaks, profiles[i]))
    return results


def _places(subject: Subject, along: str) -> Int[np.ndarray, " example"]:
    """The position of each example along an axis; -1 of those that the task's order leaves out."""
    order, p = subject.task.ordering, operands_of(subject.task)
    assert order is not None
    assert p is not None
    of_left, of_right = np.full((2, p), -1)
    of_left[order.left], of_right[order.right] = np.arange(len(order)), np.arange(len(order))
    inputs = subject.data.inputs.cpu().numpy()
    left, right = of_left[inputs[:, 0]], of_right[inputs[:, 1]]
    answer = (order.steps[0] * left + order.steps[1] * right) % len(order)
    inside = (left >= 0) & (right >= 0)
    return np.where(inside, {"left": left, "right": right, "answer": answer}[along], -1)


def _members(
    one: Lobes, places: Int[np.ndarray, " top"], rows: Int[np.ndarray, " top"]
) -> tuple[Int[np.ndarray, " _"], ...]:
    """Examples of each lobe."""
    inside: Bool[np.ndarray, " top"] = places >= 0
    lobe = one.lobe[places[inside]]
    return tuple(rows[inside][lobe == k] for k in range(len(one.peaks)))


def _with_prototypes(
    subject: Subject, results: list[NeuronFacets], steps: int, image: bool
) -> list[NeuronFacets]:
    """The same with a prototype for each facet that has members."""
    full = [one for one in results if one.members and all(map(len, one.members))]
    if not full:
        return results
    starts = torch.stack([mean_inputs(subject, facet) for one in full for facet in one.members])
    owners = np.repeat([one.neuron for one in full], [len(one.members) for one in full])
    climbed = prototypes(subject, owners, starts, steps=steps, variation=float(image))
    ends, by_neuron = np.cumsum([len(one.members) for one in full]), {}
    for one, end in zip(full, ends.tolist(), strict=True):
        part = slice(end - len(one.members), end)
        values = (climbed.inputs[part], climbed.start[part], climbed.activation[part])
        by_neuron[one.neuron] = replace(one, prototypes=values[0], start=values[1], activation=values[2])
    return [by_neuron.get(one.neuron, one) for one in results]
