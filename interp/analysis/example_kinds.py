"""Kinds of examples, drawn with the same labels, and what each neuron does for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.errors import ConfigError, choose
from interp.subject import Subject

PREFIX, NEVER = "examples:", "never"
FEWEST = 10
"""Examples of each kind."""


def _answered(subject: Subject) -> Bool[Tensor, " example"]:
    return subject.cached.margins[0] > subject.cached.tolerance


EXAMPLES: dict[str, Callable[[Subject], Tensor]] = {
    "memorised": lambda subject: subject.data.mislabelled & _answered(subject),
    "clean": lambda subject: subject.data.clean & ~subject.data.mislabelled & _answered(subject),
    "train": lambda subject: subject.data.train,
    "test": lambda subject: subject.data.test,
    NEVER: lambda subject: subject.data.test,
}
"""Kinds of examples: training ones whose wrong label is answered; those whose own is; all training, all held-out ones;
and, as the second kind only, held-out ones that are each given a wrong label of the first kind, never trained on."""


@dataclass(frozen=True, eq=False)
class MatchedExamples:
    """Examples of both kinds, the first before the second, with the labels that attribution is to."""

    rows: Int[np.ndarray, " example"]
    labels: Int[np.ndarray, " example"]
    names: tuple[str, str]
    available: tuple[int, int]


def draw_examples(
    subject: Subject, first: Any, second: Any, most: int, generator: np.random.Generator
) -> MatchedExamples:
    """As many examples of both kinds with each label, up to so many of each."""
    labels, true = subject.data.labels.cpu().numpy(), subject.data.true_labels.cpu().numpy()
    if isinstance(first, str) and first.removeprefix(PREFIX) == NEVER:
        raise ConfigError(f"{first} takes its labels from the other kind; give it as the second")
    (first_name, one), (second_name, other) = (
        _rows_of(subject, kind, place) for kind, place in ((first, "first"), (second, "second"))
    )
    if np.intersect1d(one, other).size:
        raise ConfigError(
            f"{first_name} and {second_name} have examples in common; give kinds that exclude each other"
        )
    if isinstance(second, str) and second.removeprefix(PREFIX) == NEVER:
        partner = _wrong_partner(true, generator.permutation(other))
    else:
        partner = _same_label(labels, generator.permutation(other))
    chosen: list[tuple[int, int]] = []
    for row in generator.permutation(one).tolist():
        match = partner(int(labels[row]))
        if match is not None:
            chosen.append((row, match))
        if len(chosen) == most:
            break
    if len(chosen) < FEWEST:
        raise ConfigError(
            f"only {len(chosen)} examples of {first_name} ({len(one)}) and {second_name} ({len(other)}) can be given "
            f"the same labels; at least {FEWEST} of each kind are needed"
        )
    rows = np.array(chosen, dtype=np.int64)
    own = labels[rows[:, 0]]
    return MatchedExamples(
        rows.T.ravel(), np.concatenate([own, own]), (first_name, second_name), (len(one), len(other))
    )


def _same_label(
    labels: Int[np.ndarray, " example"], rows: Int[np.ndarray, " row"]
) -> Callable[[int], int | None]:
    """A function that gives an example with a label, each example once; None where there is no more."""
    by_label: dict[int, list[int]] = {}
    for row in rows.tolist():
        by_label.setdefault(int(labels[row]), []).append(row)
    return lambda label: by_label[label].pop() if by_label.get(label) else None


def _wrong_partner(
    true: Int[np.ndarray, " example"], rows: Int[np.ndarray, " row"]
) -> Callable[[int], int | None]:
    """A function that gives an example that a label is wrong for, each example once; None where there is no more."""
    free = rows.tolist()

    def give(label: int) -> int | None:
        place = next((i for i, row in enumerate(free) if true[row] != label), None)
        return None if place is None else int(free.pop(place))

    return give


def _rows_of(subject: Subject, kind: Any, place: str) -> tuple[str, Int[np.ndarray, " row"]]:
    """The name and the indices of a kind of examples; those that are given are named by their place."""
    n = len(subject.data)
    if isinstance(kind, str):
        name = choose("kind of examples", kind.removeprefix(PREFIX), EXAMPLES)
        return name, EXAMPLES[name](subject).nonzero()[:, 0].cpu().numpy()
    rows = np.atleast_1d(np.asarray(kind))
    if rows.dtype == bool and rows.shape == (n,):
        return place, np.flatnonzero(rows)
    inside = rows.ndim == 1 and rows.dtype.kind in "iu" and rows.size and rows.min() >= 0 and rows.max() < n
    if not inside or len(np.unique(rows)) < len(rows):
        raise ConfigError(
            f"{str(kind)[:60]} are no examples; expected examples:{'|'.join(EXAMPLES)}, a mask of {n}, or different "
            f"indices from 0 to {n - 1}"
        )
    return place, rows.astype(np.int64)


def activated(subject: Subject, rows: Int[np.ndarray, " row"]) -> Float[np.ndarray, "row alive"]:
    """Activations of the neurons that are not dead."""
    chosen = torch.as_tensor(rows, device=subject.data.labels.device)
    return subject.cached.activations[chosen].double().cpu().numpy()[:, subject.alive]


def attributed(
    subject: Subject, rows: Int[np.ndarray, " row"], labels: Int[np.ndarray, " row"]
) -> Float[np.ndarray, "row alive"]:
    """Amounts that the neurons that are not dead add to the logit of a label, above the mean of all logits.

    Raises:
        ConfigError: What follows the neurons is not linear.
    """
    cached = subject.cached
    if cached.readout is None or cached.change.ndim > 2:
        raise ConfigError(
            f"attribution needs one activation an example and a matrix that reads it, which {cached.hook} has not; "
            'give by="activation"'
        )
    readout = cached.readout.double()
    above = (readout - readout.mean(1, keepdim=True)).cpu().numpy()[subject.alive]
    return activated(subject, rows) * above[:, labels].T


def input_similarity(subject: Subject, rows: Int[np.ndarray, " row"]) -> Float[np.ndarray, "row row"]:
    """Similarity of each two inputs: positions with the same token, or the cosine of measurements."""
    inputs = subject.data.inputs[torch.as_tensor(rows, device=subject.data.labels.device)].cpu().flatten(1)
    if not inputs.is_floating_point():
        return (inputs[:, None] == inputs[None]).double().sum(2).numpy()
    values = inputs.double()
    length = values.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return ((values / length) @ (values / length).T).numpy()
