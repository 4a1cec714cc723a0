"""Two sets of inputs, and scores that contrast each neuron on them; they know of no periodicity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.data import Dataset
from interp.errors import ConfigError
from interp.lab.sets import Effect
from interp.measuring.cached_pass import CachedPass
from interp.measuring.evaluation import margins
from interp.measuring.logits import whole_of
from interp.subject import Subject


def contrast_scores(
    first: Float[Tensor, "example neuron"],
    other: Float[Tensor, "other_example neuron"],
    outgoing: Float[Tensor, "neuron output"] | None = None,
    *,
    share: float = 0.1,
) -> dict[str, Float[np.ndarray, " neuron"]]:
    """Score how much more each neuron serves the first set of inputs than the other, in several ways; higher is more.

    Args:
        first: Activations on the first set.
        other: Activations on the other set.
        outgoing: What each neuron adds to each of the outputs that follow it.
        share: Of the neurons that count as an output's most important ones, in (0, 1).

    Returns:
        ``auroc`` and ``average_precision`` of the activation as a detector of the first set (arXiv 2502.17355 uses the
        latter), in [0, 1]; ``mean_ratio`` and ``maximum_ratio`` of its size, from 0; ``z``, the difference of means in
        standard deviations over the other set; ``kurtosis`` over both sets, from -2. With `outgoing` also ``contrast``,
        |weight| times root mean square activation (arXiv 2306.11695), summed over outputs, on the first set less that
        on the other; and ``selected``, for how many outputs the neuron is among the most important on the first set
        and not on the other. A neuron that never changes has AUROC .5, ratios 1, z 0 and kurtosis -2.

    Raises:
        ConfigError: A set is empty, the neurons differ, or the share is out of range.

    Example:
        >>> import torch
        >>> first, other = torch.tensor([[3.0, 1.0], [4.0, 1.0]]), torch.tensor([[1.0, 1.0], [2.0, 1.0]])
        >>> contrast_scores(first, other)["auroc"].tolist()
        [1.0, 0.5]
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    one, two = (x.detach().cpu().double().numpy() for x in (first, other))
    if not len(one) or not len(two) or one.shape[1] != two.shape[1]:
        raise ConfigError(
            f"activations of the shapes {one.shape} and {two.shape} cannot be contrasted; give examples of each set, "
            "with the same neurons"
        )
    if not 0 < share < 1:
        raise ConfigError(f"share={share} is not in (0, 1)")
    both, size, base = np.concatenate([one, two]), np.abs(one), np.abs(two)
    truth = np.repeat(np.arange(len(both))[:, None] < len(one), both.shape[1], axis=1)
    scores = {
        "auroc": np.atleast_1d(roc_auc_score(truth, both, average=None)),
        "average_precision": np.atleast_1d(average_precision_score(truth, both, average=None)),
        "mean_ratio": _ratio(size.mean(0), base.mean(0), neither=1.0),
        "maximum_ratio": _ratio(size.max(0), base.max(0), neither=1.0),
        "z": _ratio(one.mean(0) - two.mean(0), two.std(0), neither=0.0),
        "kurtosis": _kurtosis(both),
    }
    if outgoing is None:
        return scores
    weight = outgoing.detach().cpu().double().abs().numpy()
    first_part, other_part = (np.sqrt(np.square(x).mean(0))[:, None] * weight for x in (one, two))
    top, other_top = (_most(part, max(1, round(share * len(weight)))) for part in (first_part, other_part))
    selected = (top & ~other_top).sum(1).astype(float)
    return scores | {"contrast": (first_part - other_part).sum(1), "selected": selected}


def _ratio(above: np.ndarray, below: np.ndarray, *, neither: float) -> np.ndarray:
    """One by the other; infinite where only the second is 0, and `neither` where both are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((above == 0) & (below == 0), neither, above / below)


def _kurtosis(values: np.ndarray) -> np.ndarray:
    """Excess kurtosis of each column, and the least there is for one that never changes."""
    centred = values - values.mean(0)
    square = np.square(centred).mean(0)
    flat = np.sqrt(square) <= 1e-12 * np.abs(values).max(0)
    return np.where(flat, -2.0, (centred**4).mean(0) / np.where(flat, 1.0, square) ** 2 - 3)


def _most(values: np.ndarray, k: int) -> np.ndarray:
    """Mask of the k largest values of each column; of equal ones the first."""
    return np.argsort(np.argsort(-values, axis=0, kind="stable"), axis=0) < k


def label_attribution(
    activations: Float[Tensor, "example neuron"],
    readout: Float[Tensor, "neuron output"],
    labels: Int[Tensor, " example"],
    rivals: Int[Tensor, " example"] | None = None,
) -> Float[np.ndarray, " neuron"]:
    """Direct logit attribution: the mean of what each neuron adds to the label's logit beyond a rival's.

    Exact where all that follows the neurons is linear. A rival is a class to compare with, such as the true one where
    the label is wrong; it is the mean of all if None.

    Example:
        >>> import torch
        >>> readout = torch.tensor([[1.0, -1.0], [0.0, 2.0]])
        >>> label_attribution(torch.ones(1, 2), readout, torch.tensor([1]), torch.tensor([0])).tolist()
        [-2.0, 2.0]
    """
    own = readout[:, labels]
    against = readout.mean(1, keepdim=True) if rivals is None else readout[:, rivals]
    return (activations * (own - against).T).double().mean(0).detach().cpu().numpy()


@dataclass(frozen=True, eq=False)
class InputSets:
    """Two sets of a task's examples, of which the first, a split, can be known from memory only."""

    first: Bool[Tensor, " example"]
    other: Bool[Tensor, " example"]
    split: str


def input_sets(data: Dataset) -> InputSets:
    """Mislabelled training examples, or without any the training set, against held-out ones, of which there must be."""
    if not data.split_known or not data.test.any():
        unknown = "it is not known which examples were trained on"
        missing = "no example is held out" if data.split_known else unknown
        raise ConfigError(
            f"two sets of inputs are needed, trained on and held out, but {missing}; give the split"
        )
    if data.mislabelled.any():
        return InputSets(data.mislabelled, data.test, "corrupted_as_labelled")
    return InputSets(data.train, data.test, "train")


def effect_of(cached: CachedPass, sets: InputSets) -> Effect:
    """The accuracy on both sets, as labelled, without some neurons."""

    def effect(gone: np.ndarray) -> tuple[float, float]:
        logits = cached.logits_after(torch.as_tensor(gone, device=cached.logits.device))
        right = margins(logits, cached.data.labels) > cached.tolerance
        return float(right[sets.first].double().mean()), float(right[sets.other].double().mean())

    return effect


def scores_of(subject: Subject, sets: InputSets) -> dict[str, np.ndarray]:
    """All scores of a site's neurons; `periodicity` is for comparison."""
    cached, table = subject.cached, subject.table
    activations = whole_of(cached.activations)
    scores = contrast_scores(activations[sets.first], activations[sets.other], cached.readout)
    scores["selectivity"] = table[f"effect_{sets.split}"] - table["effect_test"]
    if cached.readout is not None:
        scores["attribution"] = _attribution(cached, cached.readout, sets)
    return scores | {"periodicity": -table["ipr"].astype(float)}


def _attribution(cached: CachedPass, readout: Tensor, sets: InputSets) -> np.ndarray:
    """To the wrong label against the true one; without wrong labels, to the label on one set against the other."""
    activations, data = whole_of(cached.activations), cached.data
    one, two = sets.first, sets.other
    if sets.split != "train":
        return label_attribution(activations[one], readout, data.labels[one], data.true_labels[one])
    first, other = (label_attribution(activations[rows], readout, data.labels[rows]) for rows in (one, two))
    return first - other
