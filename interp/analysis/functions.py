"""Functions of a network: named sets of examples, such as an operation's, a class's or a residue's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from interp.data import Dataset
from interp.errors import ConfigError, cut
from interp.measuring.cached_pass import CachedPass
from interp.measuring.crossfit import halves
from interp.measuring.evaluation import losses, margins
from interp.measuring.logits import whole_of
from interp.subject import Subject

MOST = 200
"""Functions, at most."""
FEWEST = 2
"""Examples of a function in each half, at least."""
Functions = Mapping[str, Any] | str | None
"""``"labels"``, ``"input:K"``, or masks or indices of examples by name; None: all examples are one."""


def functions_of(
    data: Dataset, functions: Functions
) -> tuple[tuple[str, ...], Bool[np.ndarray, "example function"]]:
    """Names of functions, and which examples are each one's.

    Args:
        functions: ``"labels"``: one for every true label; ``"input:K"``: one for every value of the K-th number of the
            inputs, from 0, such as the token that says the operation; a mapping of names to masks or indices of
            examples, which may share some; None: all examples are one function.

    Raises:
        ConfigError: They are none of these, a function has no example, or there are more than `MOST`.

    Example:
        >>> from interp.data import ModularTask
        >>> names, member = functions_of(ModularTask("add", 5).dataset, "labels")
        >>> names, member.sum(0).tolist()
        (('label 0', 'label 1', 'label 2', 'label 3', 'label 4'), [5, 5, 5, 5, 5])
    """
    if isinstance(functions, Mapping):
        if not functions:
            raise ConfigError("functions={} names none; give masks or indices of examples by name")
        member = np.stack([_mask(name, rows, len(data)) for name, rows in functions.items()], 1)
        return _checked(tuple(map(str, functions)), member)
    if functions is None:
        return ("all examples",), np.ones((len(data), 1), dtype=bool)
    values, word = _values(data, functions), "label" if functions == "labels" else "input"
    each = np.unique(values)
    names = tuple(f"{word} {value:g}" for value in each.tolist())
    if len(each) > MOST:
        raise ConfigError(
            f"functions={functions!r} are {len(each)}; expected at most {MOST}: group the examples by name"
        )
    return _checked(names, values[:, None] == each)


def _values(data: Dataset, functions: Any) -> np.ndarray:
    if functions == "labels":
        return data.true_labels.cpu().numpy()
    word, _, place = functions.partition(":") if isinstance(functions, str) else ("", "", "")
    columns = data.inputs.flatten(1)
    if word != "input" or not place.isdecimal() or int(place) >= columns.shape[1]:
        raise ConfigError(
            f"functions={cut(functions)} are none; expected 'labels', 'input:K' with K from 0 to "
            f"{columns.shape[1] - 1}, or masks or indices of examples by name"
        )
    return columns[:, int(place)].cpu().numpy()


def _mask(name: str, rows: Any, n: int) -> Bool[np.ndarray, " example"]:
    rows = np.asarray(rows.cpu() if isinstance(rows, torch.Tensor) else rows)
    if rows.dtype == bool and rows.shape == (n,):
        return rows
    if rows.dtype.kind not in "iu" or rows.ndim != 1 or (rows.size and not 0 <= rows.min() <= rows.max() < n):
        raise ConfigError(
            f"the function {cut(name)} is of shape {rows.shape} and type {rows.dtype}; expected a mask of the {n} "
            f"examples, or their indices from 0 to {n - 1}"
        )
    mask = np.zeros(n, dtype=bool)
    mask[rows] = True
    return mask


def _checked(
    names: tuple[str, ...], member: Bool[np.ndarray, "example function"]
) -> tuple[tuple[str, ...], Bool[np.ndarray, "example function"]]:
    empty = [name for name, inside in zip(names, member.T, strict=True) if not inside.any()]
    if empty:
        raise ConfigError(f"the function {cut(empty[0])} has no example; name at least {2 * FEWEST}")
    return names, member


@dataclass(frozen=True, eq=False)
class Halved:
    """A network's examples in two halves: one that sets of neurons are chosen by, and one that they are measured on.

    Attributes:
        cached: The pass of the examples that are looked at, held in memory.
        names, member: The functions, see `functions_of`.
        half: Which examples are chosen by; the others are measured on.
    """

    cached: CachedPass
    names: tuple[str, ...]
    member: Bool[np.ndarray, "example function"]
    half: Bool[np.ndarray, " example"]

    @property
    def acts(self) -> Float[np.ndarray, "example neuron"]:
        """One number for each example and neuron."""
        return whole_of(self.cached.activations).double().cpu().numpy()

    def measured(self, neurons: Int[np.ndarray, " removed"]) -> Float[np.ndarray, "measure function"]:
        """Accuracy and mean cross-entropy of each function without some neurons, on the half that is measured on.

        Right is the true label, also of an example that was trained on a wrong one; a tie is no answer.
        """
        true = self.cached.data.true_labels
        where = torch.as_tensor(neurons, dtype=torch.long, device=true.device)
        logits = whole_of(self.cached.logits_after(where) if len(neurons) else self.cached.logits)
        right = (margins(logits, true) > self.cached.tolerance).double().cpu().numpy()
        loss = losses(logits, true, loss="cross_entropy").double().cpu().numpy()
        rows = self.member & ~self.half[:, None]
        return np.stack([right @ rows, loss @ rows]) / rows.sum(0)

    def other_way(self) -> Halved:
        """The same with the halves exchanged."""
        return Halved(self.cached, self.names, self.member, ~self.half)


def halved(subject: Subject, functions: Functions, mode: str) -> Halved:
    """Halve a subject's examples; inputs that are alike, to this network, stay together.

    Of a task whose activations memory does not hold, a random part is looked at.

    Raises:
        ConfigError: The functions cannot be used, or have too few examples in a half.
    """
    names, member = functions_of(subject.data, functions)
    cached = subject.cached_with(mode)
    if (rows := cached.sample.rows) is not None:
        member = member[rows.cpu().numpy()]
    cached = cached.sampled
    half = halves(cached.data, 1, subject.seed, symmetric=subject.leakage.symmetric)[0].cpu().numpy()
    for name, inside in zip(names, member.T, strict=True):
        few = min(int((inside & half).sum()), int((inside & ~half).sum()))
        if few < FEWEST:
            raise ConfigError(
                f"the function {cut(name)} has {few} examples in one half of those that are looked at; expected at "
                f"least {FEWEST}"
            )
    return Halved(cached, names, member, half)
